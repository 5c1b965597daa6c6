/* What declared files are together: kept in the vault, told as a version, and why it could not be put back. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "observe/config.h"

struct stage {
        char root[64], manifest[96], vault_path[96], patterns[2][160];
        sd_event *event;
        struct clock clock;
        struct vault *vault;
        struct config *config;
        bool settled, owned, listens;
        unsigned versions; /* told */
        char digest[DIGEST_HEX_MAX], lacks[128];
        uint32_t files;
        usec_t since;
        char changes[1024];
};

static void take(void *self, const struct fact *fact)
{
        struct stage *stage = self;

        if (fact->kind == FACT_CONFIG)
                text_append(stage->changes, sizeof(stage->changes), "%s %s, %u\n",
                            config_change_name(fact->config.change), strrchr(fact->config.path, '/') + 1,
                            fact->config.differing);
        if (fact->kind != FACT_VERSION)
                return;
        assert_string_equal(fact->agent, "pm2:root/lily");
        assert_int_equal(fact->version.step, VERSION_SEEN);
        stage->versions++;
        text_copy(stage->digest, sizeof(stage->digest), fact->version.digest);
        text_copy(stage->lacks, sizeof(stage->lacks), fact->version.lacks);
        stage->files = fact->version.files;
        stage->since = fact->version.since;
}

static bool planned(void *self, const struct fact *fact)
{
        (void)self, (void)fact;
        return false;
}

static void owner(void *self, uint32_t rule, const char *path, char ret_agent[AGENT_ID_MAX])
{
        const struct stage *stage = self;

        (void)rule, (void)path;
        text_copy(ret_agent, AGENT_ID_MAX, stage->owned ? "pm2:root/lily" : "");
}

static void settled(void *self)
{
        struct stage *stage = self;

        stage->settled = true;
}

static const char *path_of(const struct stage *stage, const char *name)
{
        static char paths[4][256];
        static unsigned n;
        char *path = paths[n++ % 4];

        snprintf(path, sizeof(paths[0]), "%s/app/%s", stage->root, name);
        return path;
}

static void put(const struct stage *stage, const char *name, const char *text)
{
        FILE *file = fopen(path_of(stage, name), "w");

        assert_non_null(file);
        fputs(text, file);
        assert_int_equal(fclose(file), 0);
}

static void look(struct stage *stage)
{
        stage->settled = false;
        config_look(stage->config);
        while (!stage->settled)
                assert_true(sd_event_run(stage->event, UINT64_MAX) >= 0);
}

static void begin(struct stage *stage)
{
        struct config_options options = { .clock = &stage->clock,
                                          .sink = { take, stage },
                                          .source = "config",
                                          .manifest = stage->manifest,
                                          .planned = planned,
                                          .owner = owner,
                                          .settled = settled,
                                          .vault = stage->vault,
                                          .self = stage,
                                          .deaf = !stage->listens };
        struct config_declared list[2] = { { 0, stage->patterns[0] }, { 0, stage->patterns[1] } };

        assert_int_equal(config_new(stage->event, &options, &stage->config), 0);
        assert_int_equal(config_declare(stage->config, list, 2), 0);
        look(stage);
}

static void open_vault(struct stage *stage, uint64_t bytes)
{
        stage->vault = vault_free(stage->vault);
        assert_int_equal(
                vault_open(stage->vault_path,
                           &(struct vault_limits){ .bytes_most = bytes, .content_most = 200000, .contents_most = 100 },
                           &stage->vault),
                0);
}

static int setup(void **state)
{
        struct stage *stage = calloc(1, sizeof(*stage));

        strcpy(stage->root, "/tmp/versions-XXXXXX");
        assert_non_null(mkdtemp(stage->root));
        snprintf(stage->manifest, sizeof(stage->manifest), "%s/manifest", stage->root);
        snprintf(stage->vault_path, sizeof(stage->vault_path), "%s/vault", stage->root);
        snprintf(stage->patterns[0], sizeof(stage->patterns[0]), "%s/app/config.json", stage->root);
        snprintf(stage->patterns[1], sizeof(stage->patterns[1]), "%s/app/prompts/**", stage->root);
        assert_int_equal(mkdir(path_of(stage, ""), 0755), 0);
        assert_int_equal(mkdir(path_of(stage, "prompts"), 0755), 0);
        put(stage, "config.json", "{}");
        put(stage, "prompts/a.md", "hello");
        assert_true(sd_event_new(&stage->event) >= 0);
        clock_init(&stage->clock, 0);
        stage->owned = true;
        open_vault(stage, 1 << 20);
        *state = stage;
        return 0;
}

static int teardown(void **state)
{
        struct stage *stage = *state;
        char command[96];

        config_free(stage->config);
        vault_free(stage->vault);
        sd_event_unref(stage->event);
        snprintf(command, sizeof(command), "rm -rf '%s'", stage->root);
        assert_int_equal(system(command), 0);
        free(stage);
        return 0;
}

/* The version that was told last, as the vault has it. */
static struct version read_version(struct stage *stage)
{
        uint8_t digest[DIGEST_SIZE];
        struct version version;
        char *text;
        size_t size;

        assert_int_equal(digest_from_hex(stage->digest, strlen(stage->digest), digest), 0);
        assert_int_equal(vault_get(stage->vault, digest, VERSION_TEXT_MAX, &text, &size), 0);
        assert_int_equal(version_read(text, size, &version), 0);
        free(text);
        return version;
}

static void expect_kept(struct stage *stage, const char *name, const char *content)
{
        struct version version = read_version(stage);
        const struct version_file *file = version_find(&version, path_of(stage, name));
        char *text;
        size_t size;

        assert_non_null(file);
        assert_int_equal(vault_get(stage->vault, file->state.digest, 1 << 20, &text, &size), 0);
        assert_string_equal(text, content);
        free(text);
        version_done(&version);
}

static void what_is_declared_is_kept_and_told_as_one_version(void **state)
{
        struct stage *stage = *state;

        begin(stage);
        assert_int_equal(stage->versions, 1);
        assert_int_equal(stage->files, 2);
        assert_string_equal(stage->lacks, "");
        assert_true(stage->since > 0 && stage->since <= clock_now(&stage->clock));
        expect_kept(stage, "config.json", "{}");
        expect_kept(stage, "prompts/a.md", "hello");
        look(stage);
        assert_int_equal(stage->versions, 1); /* no news */
}

static void a_change_is_another_version_and_the_way_back_is_the_first(void **state)
{
        struct stage *stage = *state;
        char first[DIGEST_HEX_MAX];

        begin(stage);
        strcpy(first, stage->digest);
        put(stage, "config.json", "{ \"temperature\": 2 }");
        put(stage, "prompts/b.md", "more");
        look(stage);
        assert_int_equal(stage->versions, 2);
        assert_int_equal(stage->files, 3);
        assert_string_not_equal(stage->digest, first);
        expect_kept(stage, "config.json", "{ \"temperature\": 2 }");
        put(stage, "config.json", "{}");
        assert_int_equal(unlink(path_of(stage, "prompts/b.md")), 0);
        look(stage);
        assert_int_equal(stage->versions, 3);
        assert_string_equal(stage->digest, first);
}

static void a_large_file_is_kept_whole(void **state)
{
        struct stage *stage = *state;
        char *large = calloc(1, 150001);

        memset(large, 'x', 150000);
        put(stage, "prompts/large.md", large);
        begin(stage);
        assert_string_equal(stage->lacks, "");
        expect_kept(stage, "prompts/large.md", large);
        free(large);
}

static void what_cannot_be_kept_is_said(void **state)
{
        struct stage *stage = *state;

        begin(stage);
        assert_int_equal(truncate(path_of(stage, "prompts/a.md"), 300000), 0);
        look(stage);
        assert_string_equal(stage->lacks, "a.md is larger than 195K");
        put(stage, "prompts/a.md", "hello");
        assert_int_equal(chmod(path_of(stage, "prompts/a.md"), 04755), 0);
        look(stage);
        assert_string_equal(stage->lacks, "a.md has a set-ID bit");
        assert_int_equal(unlink(path_of(stage, "prompts/a.md")), 0);
        assert_int_equal(mkfifo(path_of(stage, "prompts/a.md"), 0644), 0);
        look(stage);
        assert_string_equal(stage->lacks, "a.md is no file and no link");
        assert_int_equal(unlink(path_of(stage, "prompts/a.md")), 0);
        look(stage);
        assert_string_equal(stage->lacks, "");
}

static void what_is_reached_through_a_link_is_not_kept(void **state)
{
        struct stage *stage = *state;
        char app[96], real[96];

        assert_int_equal(rename(path_of(stage, "config.json"), path_of(stage, "real.json")), 0);
        assert_int_equal(symlink("real.json", path_of(stage, "config.json")), 0);
        begin(stage);
        assert_string_equal(stage->lacks, "config.json is reached through a link");
        assert_int_equal(unlink(path_of(stage, "config.json")), 0);
        assert_int_equal(rename(path_of(stage, "real.json"), path_of(stage, "config.json")), 0);
        look(stage);
        assert_string_equal(stage->lacks, "");
        snprintf(app, sizeof(app), "%s/app", stage->root);
        snprintf(real, sizeof(real), "%s/real", stage->root);
        assert_int_equal(rename(app, real), 0);
        assert_int_equal(symlink("real", app), 0);
        put(stage, "config.json", "{ 1 }");
        put(stage, "prompts/a.md", "hi");
        look(stage);
        assert_non_null(strstr(stage->lacks, " is reached through a link"));
}

/* A link that is declared by a pattern is what it points to, as text. */
static void a_link_under_a_pattern_is_kept_as_a_link(void **state)
{
        struct stage *stage = *state;

        assert_int_equal(symlink("a.md", path_of(stage, "prompts/now")), 0);
        begin(stage);
        assert_string_equal(stage->lacks, "");
        expect_kept(stage, "prompts/now", "a.md");
}

static void a_version_waits_until_somebody_owns_it(void **state)
{
        struct stage *stage = *state;

        stage->owned = false;
        begin(stage);
        assert_int_equal(stage->versions, 0);
        stage->owned = true;
        config_owners(stage->config);
        for (unsigned turns = 0; turns < 100 && stage->versions == 0; turns++)
                assert_true(sd_event_run(stage->event, 20000) >= 0);
        assert_int_equal(stage->versions, 1);
        config_owners(stage->config);
        look(stage);
        assert_int_equal(stage->versions, 1);
}

static void a_full_vault_is_said_and_tried_again(void **state)
{
        struct stage *stage = *state;

        open_vault(stage, 4);
        begin(stage);
        assert_non_null(strstr(stage->lacks, "a.md had no room in the vault"));
        config_free(stage->config);
        open_vault(stage, 1 << 20);
        begin(stage);
        assert_string_equal(stage->lacks, "");
        config_keep_again(stage->config); /* nothing to do */
        look(stage);
        assert_int_equal(stage->versions, 2);
}

static void what_the_vault_lost_is_kept_once_more(void **state)
{
        struct stage *stage = *state;
        struct version version;
        char command[160];

        begin(stage);
        version = read_version(stage);
        snprintf(command, sizeof(command), "find '%s' -type f -delete", stage->vault_path);
        assert_int_equal(system(command), 0);
        config_keep_again(stage->config);
        look(stage);
        assert_true(vault_has(stage->vault, version_find(&version, path_of(stage, "config.json"))->state.digest));
        assert_int_equal(stage->versions, 1); /* it is the same one */
        version_done(&version);
        version = read_version(stage); /* the list too */
        version_done(&version);
}

static void without_a_vault_a_version_is_told_all_the_same(void **state)
{
        struct stage *stage = *state;

        stage->vault = vault_free(stage->vault);
        begin(stage);
        assert_int_equal(stage->versions, 1);
        assert_string_equal(stage->lacks, "there is no vault to keep it in");
}

/* What our own hand put back is right, whatever was sealed before. */
/* Files are put in place under another name first. */
static void a_name_that_came_and_went_keeps_no_version_waiting(void **state)
{
        struct stage *stage = *state;

        stage->listens = true;
        begin(stage);
        assert_int_equal(stage->versions, 1);
        put(stage, "prompts/.passing", "hello");
        assert_int_equal(unlink(path_of(stage, "prompts/.passing")), 0);
        for (unsigned turn = 0; turn < 4; turn++) /* it is heard, and nothing is looked at yet */
                assert_true(sd_event_run(stage->event, 0) >= 0);
        assert_int_equal(unlink(path_of(stage, "prompts/a.md")), 0);
        config_accept(stage->config, path_of(stage, "prompts/a.md"), &(struct file_state){ .there = false });
        config_accepted(stage->config);
        assert_int_equal(stage->versions, 2);
}

static void what_a_hand_of_ours_did_is_no_drift(void **state)
{
        struct stage *stage = *state;
        struct version good;
        const struct version_file *file;
        char was[DIGEST_HEX_MAX];

        begin(stage);
        text_copy(was, sizeof(was), stage->digest);
        good = read_version(stage);
        file = version_find(&good, path_of(stage, "config.json"));
        put(stage, "config.json", "{ bad }");
        put(stage, "prompts/extra.md", "bad");
        look(stage);
        config_seal(stage->config, 0); /* a deploy: the bad version is how it should be */
        stage->changes[0] = '\0';
        put(stage, "config.json", "{}");
        config_accept(stage->config, file->path, &file->state);
        assert_int_equal(unlink(path_of(stage, "prompts/extra.md")), 0);
        config_accept(stage->config, path_of(stage, "prompts/extra.md"), &(struct file_state){ .there = false });
        assert_string_not_equal(stage->digest, was);
        config_accepted(stage->config);
        assert_string_equal(stage->digest, was); /* before anybody looks: who decides next knows it */
        assert_int_equal(stage->versions, 3);
        look(stage);
        assert_int_equal(stage->versions, 3);
        assert_non_null(strstr(stage->changes, "restored config.json"));
        assert_non_null(strstr(stage->changes, "restored extra.md"));
        assert_null(strstr(stage->changes, "changed"));
        assert_null(strstr(stage->changes, "removed"));
        put(stage, "config.json", "{ worse }");
        stage->changes[0] = '\0';
        look(stage);
        assert_string_equal(stage->changes, "changed config.json, 1\n"); /* somebody else's is told */
        version_done(&good);
}

#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                ON_STAGE(what_is_declared_is_kept_and_told_as_one_version),
                ON_STAGE(a_change_is_another_version_and_the_way_back_is_the_first),
                ON_STAGE(a_large_file_is_kept_whole),
                ON_STAGE(what_cannot_be_kept_is_said),
                ON_STAGE(what_is_reached_through_a_link_is_not_kept),
                ON_STAGE(a_link_under_a_pattern_is_kept_as_a_link),
                ON_STAGE(a_version_waits_until_somebody_owns_it),
                ON_STAGE(a_full_vault_is_said_and_tried_again),
                ON_STAGE(what_the_vault_lost_is_kept_once_more),
                ON_STAGE(without_a_vault_a_version_is_told_all_the_same),
                ON_STAGE(a_name_that_came_and_went_keeps_no_version_waiting),
                ON_STAGE(what_a_hand_of_ours_did_is_no_drift),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
