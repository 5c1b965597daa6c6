#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/veil.h"
#include "io/walk.h"
#include "observe/config.h"
#include "observe/config_files.h"

#define PATTERNS_MAX 4
#define TOLD_MAX 4096

/* A folder of its own with files that are declared, and an observer of it. */
struct stage {
        char root[64], manifest[80], patterns[PATTERNS_MAX][160];
        uint32_t patterns_n;
        sd_event *event;
        struct clock clock;
        struct config *config;
        bool deaf, planned, settled, needs_loading;
        struct veil *veil;
        uint32_t entries_max;
        char told[TOLD_MAX]; /* a line a change: what, path below the root, sizes, how many differ */
        char source[160];
};

static void take(void *self, const struct fact *fact)
{
        struct stage *stage = self;

        if (fact->kind == FACT_SOURCE)
                snprintf(stage->source, sizeof(stage->source), "%s %s", source_state_name(fact->source.state),
                         fact->source.why);
        if (fact->kind != FACT_CONFIG)
                return;
        assert_string_equal(fact->agent, "pm2:root/lily");
        assert_int_equal(strlen(fact->config.digest), fact->config.mode == 0 ? 0 : 64);
        text_append(stage->told, sizeof(stage->told), "%s %s %d %d, %u%s%s%s\n",
                    config_change_name(fact->config.change), fact->config.path + strlen(stage->root),
                    (int)fact->config.sealed_size, (int)fact->config.size, fact->config.differing,
                    *fact->config.what ? " (" : "", fact->config.what, *fact->config.what ? ")" : "");
}

static bool planned(void *self, const struct fact *fact)
{
        const struct stage *stage = self;

        (void)fact;
        return stage->planned;
}

static void owner(void *self, uint32_t rule, const char *path, char ret_agent[AGENT_ID_MAX])
{
        (void)self, (void)rule, (void)path;
        text_copy(ret_agent, AGENT_ID_MAX, "pm2:root/lily");
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

        text_copy(path, sizeof(paths[0]), stage->root);
        text_append(path, sizeof(paths[0]), "%s", name);
        return path;
}

static void put(const struct stage *stage, const char *name, const char *text)
{
        FILE *file = fopen(path_of(stage, name), "w");

        assert_non_null(file);
        fputs(text, file);
        assert_int_equal(fclose(file), 0);
}

static void folder(const struct stage *stage, const char *name)
{
        assert_int_equal(mkdir(path_of(stage, name), 0755), 0);
}

/* Looks at everything and waits until that is done: no clock is involved. */
static void look(struct stage *stage)
{
        stage->settled = false;
        config_look(stage->config);
        while (!stage->settled)
                assert_true(sd_event_run(stage->event, UINT64_MAX) >= 0);
}

/* Runs until something is told, or a few seconds are over. */
static bool hears(struct stage *stage)
{
        for (unsigned turns = 0; turns < 500 && !stage->told[0]; turns++)
                assert_true(sd_event_run(stage->event, 20000) >= 0);
        return stage->told[0];
}

static void begin(struct stage *stage)
{
        struct config_options options = {
                .clock = &stage->clock,
                .sink = { take, stage },
                .source = "config",
                .manifest = stage->manifest,
                .planned = planned,
                .owner = owner,
                .settled = settled,
                .self = stage,
                .deaf = stage->deaf,
                .veil = stage->veil,
                .needs_loading = stage->needs_loading,
                .entries_max = stage->entries_max,
        };
        struct config_declared list[PATTERNS_MAX];

        for (uint32_t n = 0; n < stage->patterns_n; n++)
                list[n] = (struct config_declared){ .rule = 0, .pattern = stage->patterns[n] };
        assert_int_equal(config_new(stage->event, &options, &stage->config), 0);
        assert_int_equal(config_declare(stage->config, list, stage->patterns_n), 0);
        look(stage);
}

static void again(struct stage *stage)
{
        stage->config = config_free(stage->config);
        stage->told[0] = '\0';
        begin(stage);
}

static void declare(struct stage *stage, const char *pattern)
{
        text_copy(stage->patterns[stage->patterns_n], sizeof(stage->patterns[0]), path_of(stage, pattern));
        stage->patterns_n++;
}

static int set_up(void **state)
{
        struct stage *stage = calloc(1, sizeof(*stage));

        /* in memory where there is such a place: one test makes sixteen thousand files */
        strcpy(stage->root,
               access("/dev/shm", W_OK) == 0 ? "/dev/shm/governor-config.XXXXXX" : "/tmp/governor-config.XXXXXX");
        assert_non_null(mkdtemp(stage->root));
        text_copy(stage->manifest, sizeof(stage->manifest), path_of(stage, "/manifest"));
        clock_init(&stage->clock, 0);
        assert_true(sd_event_new(&stage->event) >= 0);
        folder(stage, "/c");
        put(stage, "/c/config.json", "{}");
        *state = stage;
        return 0;
}

static int tear_down(void **state)
{
        struct stage *stage = *state;
        char command[128];

        config_free(stage->config);
        veil_free(stage->veil);
        sd_event_unref(stage->event);
        snprintf(command, sizeof(command), "rm -rf %s", stage->root);
        assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): the path is ours
        free(stage);
        return 0;
}

/* ---- what is told ------------------------------------------------------------------------------------------------------- */

static void what_is_there_at_first_is_as_it_should_be(void **state)
{
        struct stage *stage = *state;

        folder(stage, "/c/prompts");
        put(stage, "/c/prompts/a.md", "a");
        declare(stage, "/c/config.json");
        declare(stage, "/c/prompts/**");
        begin(stage);
        look(stage);
        assert_string_equal(stage->told, "");
        assert_string_equal(stage->source, "seeing ");
        assert_int_equal(config_count(stage->config), 2);
}

static void content_mode_and_presence_are_told(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/**");
        begin(stage);
        put(stage, "/c/config.json", "{ }");
        look(stage);
        chmod(path_of(stage, "/c/config.json"), 0600);
        look(stage);
        put(stage, "/c/new", "12345");
        look(stage);
        unlink(path_of(stage, "/c/config.json"));
        look(stage);
        put(stage, "/c/config.json", "{}");
        chmod(path_of(stage, "/c/config.json"), 0644);
        look(stage);
        unlink(path_of(stage, "/c/new"));
        look(stage);
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 1\n"
                                         "changed /c/config.json 2 3, 1\n"
                                         "added /c/new 0 5, 2\n"
                                         "removed /c/config.json 2 0, 2\n"
                                         "restored /c/config.json 2 2, 1\n"
                                         "restored /c/new 0 0, 0\n");
}

static void the_same_content_written_anew_is_no_change(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/config.json");
        begin(stage);
        put(stage, "/c/config.json.new", "{}");
        assert_int_equal(rename(path_of(stage, "/c/config.json.new"), path_of(stage, "/c/config.json")), 0);
        look(stage);
        assert_string_equal(stage->told, "");
}

static void what_is_announced_is_sealed_as_it_comes(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/**");
        begin(stage);
        stage->planned = true;
        put(stage, "/c/config.json", "{ }");
        put(stage, "/c/new", "12345");
        look(stage);
        unlink(path_of(stage, "/c/new"));
        look(stage);
        stage->planned = false;
        assert_non_null(strstr(stage->told, "changed /c/config.json 2 3, 0\n"));
        assert_non_null(strstr(stage->told, "added /c/new 0 5, 0\n"));
        assert_non_null(strstr(stage->told, "removed /c/new 5 0, 0\n"));
        again(stage);
        assert_string_equal(stage->told, "");
}

static void sealing_accepts_what_is_there(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/config.json");
        begin(stage);
        put(stage, "/c/config.json", "{ }");
        look(stage);
        config_seal(stage->config, "pm2:root/lily");
        put(stage, "/c/config.json", "{  }");
        look(stage);
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 1\n"
                                         "sealed /c/config.json 2 3, 0\n"
                                         "changed /c/config.json 3 4, 1\n");
}

static void what_changed_while_nobody_looked_is_found_at_start(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/**");
        begin(stage);
        stage->config = config_free(stage->config);
        put(stage, "/c/config.json", "{ }");
        put(stage, "/c/new", "");
        begin(stage);
        assert_non_null(strstr(stage->told, "changed /c/config.json 2 3"));
        assert_non_null(strstr(stage->told, "added /c/new 0 0"));
        again(stage); /* told once */
        assert_string_equal(stage->told, "");
        put(stage, "/c/config.json", "{}");
        look(stage);
        assert_string_equal(stage->told, "restored /c/config.json 2 2, 1\n");
}

static void a_pattern_that_is_new_finds_nothing_to_blame(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/config.json");
        begin(stage);
        put(stage, "/c/other", "x");
        declare(stage, "/c/**");
        again(stage);
        assert_string_equal(stage->told, "");
        put(stage, "/c/third", "x");
        look(stage);
        assert_string_equal(stage->told, "added /c/third 0 1, 1\n");
}

static void a_manifest_that_makes_no_sense_is_none(void **state)
{
        struct stage *stage = *state;
        struct config_options options = { .clock = &stage->clock,
                                          .sink = { take, stage },
                                          .source = "config",
                                          .manifest = stage->manifest,
                                          .planned = planned,
                                          .owner = owner,
                                          .settled = settled,
                                          .self = stage };
        struct config_declared list = { .rule = 0, .pattern = stage->patterns[0] };

        declare(stage, "/c/**");
        put(stage, "/manifest", "governor-config 1\nf nonsense\n");
        assert_int_equal(config_new(stage->event, &options, &stage->config), 0);
        assert_int_equal(config_declare(stage->config, &list, 1), -EBADMSG); /* said, and then */
        look(stage);
        assert_string_equal(stage->told, "");
        assert_int_equal(config_count(stage->config), 1);
}

static void what_no_rule_declares_any_more_is_no_drift(void **state)
{
        struct stage *stage = *state;
        struct config_declared other = { .pattern = path_of(stage, "/elsewhere") };

        declare(stage, "/c/config.json");
        begin(stage);
        put(stage, "/c/config.json", "{ }");
        look(stage);
        assert_int_equal(config_declare(stage->config, &other, 1), 0);
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 1\n"
                                         "forgotten /c/config.json 2 2, 0\n");
        look(stage);
        assert_int_equal(config_count(stage->config), 0);
}

/* ---- what changed in it -------------------------------------------------------------------------------------------------- */

static void unit_files_are_compared_key_by_key(void **state)
{
        struct stage *stage = *state;

        assert_int_equal(veil_new(&stage->veil), 0);
        put(stage, "/c/config.json", "[Service]\nRestart=always\nEnvironment=KEY=sk-1\n");
        declare(stage, "/c/**");
        begin(stage);
        put(stage, "/c/config.json", "[Service]\nRestart=no\nEnvironment=KEY=sk-2\n");
        look(stage);
        stage->config = config_free(stage->config); /* what was sealed outlives it */
        put(stage, "/c/config.json", "[Service]\nRestart=always\nEnvironment=KEY=sk-2\n");
        put(stage, "/c/new", "MemoryMax=1G\n");
        begin(stage);
        assert_non_null(
                strstr(stage->told, "changed /c/config.json 46 42, 1 (Environment changed, Restart=always -> no)\n"));
        assert_non_null(strstr(stage->told, "changed /c/config.json 46 46, "));
        assert_non_null(strstr(stage->told, " (Environment changed)\n"));
        assert_non_null(strstr(stage->told, " (MemoryMax=1G added)\n"));
        assert_null(strstr(stage->told, "sk-"));
        config_seal(stage->config, "pm2:root/lily");
        stage->told[0] = '\0';
        put(stage, "/c/config.json", "[Service]\nRestart=always\nEnvironment=KEY=sk-1\n");
        unlink(path_of(stage, "/c/new"));
        look(stage);
        assert_non_null(strstr(stage->told, " (Environment changed)\n"));
        assert_non_null(strstr(stage->told, " (MemoryMax=1G removed)\n"));
}

static void what_was_veiled_by_another_key_is_not_compared(void **state)
{
        struct stage *stage = *state;

        assert_int_equal(veil_new(&stage->veil), 0);
        put(stage, "/c/config.json", "ExecStart=a\nNice=1\n");
        declare(stage, "/c/config.json");
        begin(stage);
        stage->config = config_free(stage->config);
        veil_free(stage->veil);
        assert_int_equal(veil_new(&stage->veil), 0);
        begin(stage);
        put(stage, "/c/config.json", "ExecStart=a\nNice=2\n");
        look(stage);
        assert_string_equal(stage->told, "changed /c/config.json 19 19, 1 (Nice=1 -> 2)\n");
}

static void a_link_tells_where_it_leads(void **state)
{
        struct stage *stage = *state;

        assert_int_equal(veil_new(&stage->veil), 0);
        put(stage, "/c/config.json", "Nice=1\n");
        declare(stage, "/c/*");
        begin(stage);
        unlink(path_of(stage, "/c/config.json"));
        assert_int_equal(symlink("/opt/lily.service", path_of(stage, "/c/config.json")), 0);
        look(stage);
        unlink(path_of(stage, "/c/config.json"));
        assert_int_equal(symlink("/dev/null", path_of(stage, "/c/config.json")), 0);
        look(stage);
        assert_string_equal(stage->told, "changed /c/config.json 7 17, 1 (it leads to /opt/lily.service)\n"
                                         "changed /c/config.json 7 9, 1 (masked, it leads to /dev/null)\n");
}

/* ---- what is in force ---------------------------------------------------------------------------------------------------- */

static void what_needs_loading_is_told_again_behind_its_window(void **state)
{
        struct stage *stage = *state;

        stage->needs_loading = true;
        declare(stage, "/c/config.json");
        begin(stage);
        stage->planned = true;
        put(stage, "/c/config.json", "{ }");
        look(stage);
        config_window_closed(stage->config); /* not this one */
        look(stage);
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 1\n");
        stage->planned = false;
        config_window_closed(stage->config);
        look(stage);
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 1\nchanged /c/config.json 2 3, 1\n");
        config_window_closed(stage->config); /* told once */
        look(stage);
        stage->told[0] = '\0';
        put(stage, "/c/config.json", "{  }"); /* comes just before it is loaded */
        config_loaded(stage->config);
        look(stage);
        look(stage);
        assert_string_equal(stage->told, "loaded /c/config.json 2 3, 0\n");
        put(stage, "/c/config.json", "{ }");
        look(stage);
        assert_string_equal(stage->told, "loaded /c/config.json 2 3, 0\nchanged /c/config.json 4 3, 1\n");
}

static void what_is_not_in_force_counts_until_it_is(void **state)
{
        struct stage *stage = *state;
        struct config_book *book;

        declare(stage, "/c/config.json");
        begin(stage);
        book = config_book_of(stage->config);
        config_book_set_pending(book, &book->files.list[0], true);
        config_book_set_pending(book, &book->files.list[0], true);
        put(stage, "/c/config.json", "{ }");
        look(stage);
        config_book_set_pending(book, &book->files.list[0], false);
        assert_string_equal(stage->told, "pending /c/config.json 2 2, 1\n"
                                         "changed /c/config.json 2 3, 1\n"
                                         "loaded /c/config.json 2 3, 1\n");
        stage->told[0] = '\0';
        stage->planned = true;
        config_book_set_pending(book, &book->files.list[0], true);
        stage->planned = false;
        config_book_tell_hushed(book);
        config_book_tell_hushed(book);
        config_seal(stage->config, "pm2:root/lily");
        assert_string_equal(stage->told, "pending /c/config.json 2 3, 1\n"
                                         "pending /c/config.json 2 3, 1\n"
                                         "sealed /c/config.json 2 3, 0\n");
}

/* ---- when it is told ---------------------------------------------------------------------------------------------------- */

static void an_edit_is_heard(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/config.json");
        begin(stage);
        put(stage, "/c/config.json", "{ }");
        assert_true(hears(stage));
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 1\n");
}

static void an_edit_is_found_without_inotify(void **state)
{
        struct stage *stage = *state;

        stage->deaf = true;
        declare(stage, "/c/**");
        begin(stage);
        put(stage, "/c/config.json", "{ }");
        assert_true(hears(stage));
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 1\n");
}

static void a_file_in_a_new_folder_is_heard(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/**");
        begin(stage);
        folder(stage, "/c/deep");
        folder(stage, "/c/deep/er");
        put(stage, "/c/deep/er/file", "x");
        assert_true(hears(stage));
        assert_string_equal(stage->told, "added /c/deep/er/file 0 1, 1\n");
        stage->told[0] = '\0';
        put(stage, "/c/deep/er/file", "xy");
        look(stage); /* a file that changed just now waits a moment, unless it is asked for */
        assert_string_equal(stage->told, "added /c/deep/er/file 0 2, 1\n");
}

static void changes_in_quick_succession_are_all_told_in_the_end(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/config.json");
        begin(stage);
        put(stage, "/c/config.json", "{ }");
        assert_true(hears(stage));
        stage->told[0] = '\0';
        put(stage, "/c/config.json", "{  }");
        assert_true(hears(stage));
        assert_string_equal(stage->told, "changed /c/config.json 2 4, 1\n");
}

static int on_asked(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        unsigned *served = userdata;
        eventfd_t n;

        (void)source, (void)events;
        assert_int_equal(eventfd_read(fd, &n), 0);
        *served += (unsigned)n;
        return 0;
}

/* ---- what lies in the way ------------------------------------------------------------------------------------------------ */

static void what_is_no_file_is_named_and_not_opened(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/**");
        begin(stage);
        assert_int_equal(mkfifo(path_of(stage, "/c/fifo"), 0644), 0);
        look(stage); /* would hang here */
        assert_string_equal(stage->told, "added /c/fifo 0 0, 1\n");
}

static void links_are_told_and_not_followed(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/**");
        folder(stage, "/outside");
        put(stage, "/outside/secret", "x");
        begin(stage);
        assert_int_equal(symlink("../outside", path_of(stage, "/c/out")), 0);
        assert_int_equal(symlink(".", path_of(stage, "/c/loop")), 0);
        look(stage);
        assert_non_null(strstr(stage->told, "added /c/out 0 10"));
        assert_non_null(strstr(stage->told, "added /c/loop 0 1,"));
        assert_int_equal(config_count(stage->config), 3);
        put(stage, "/outside/secret", "xyz");
        stage->told[0] = '\0';
        look(stage);
        assert_string_equal(stage->told, "");
}

static void a_declared_link_means_what_it_leads_to(void **state)
{
        struct stage *stage = *state;

        folder(stage, "/releases");
        put(stage, "/releases/12", "x");
        put(stage, "/releases/13", "xy");
        assert_int_equal(symlink("../releases/12", path_of(stage, "/c/current")), 0);
        declare(stage, "/c/current");
        begin(stage);
        unlink(path_of(stage, "/c/current"));
        assert_int_equal(symlink("../releases/13", path_of(stage, "/c/current")), 0);
        look(stage);
        put(stage, "/releases/13", "xyz");
        look(stage);
        assert_string_equal(stage->told, "changed /c/current 1 2, 1\nchanged /c/current 1 3, 1\n");
}

static void links_in_a_circle_end_nowhere(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/config.json");
        declare(stage, "/c/here");
        begin(stage);
        assert_int_equal(symlink("there", path_of(stage, "/c/here")), 0);
        assert_int_equal(symlink("here", path_of(stage, "/c/there")), 0);
        unlink(path_of(stage, "/c/config.json"));
        assert_int_equal(symlink("config.json", path_of(stage, "/c/config.json")),
                         0); /* such a file is as good as none */
        look(stage);
        assert_string_equal(stage->told, "removed /c/config.json 2 0, 1\n");
        assert_string_equal(stage->source, "seeing ");
}

static void a_fifo_by_its_own_name_is_not_waited_for(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/config.json");
        declare(stage, "/c/fifo");
        declare(stage, "/c/link");
        begin(stage);
        assert_int_equal(mkfifo(path_of(stage, "/c/fifo"), 0644), 0);
        assert_int_equal(symlink("fifo", path_of(stage, "/c/link")), 0);
        put(stage, "/c/config.json", "{ }");
        look(stage); /* would hang here */
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 1\nadded /c/fifo 0 0, 2\nadded /c/link 0 0, 3\n");
}

static void a_large_file_is_read_between_other_work(void **state)
{
        struct stage *stage = *state;
        unsigned turns = 0;

        put(stage, "/c/config.json", "");
        assert_int_equal(truncate(path_of(stage, "/c/config.json"), 64 << 20), 0);
        declare(stage, "/c/config.json");
        begin(stage);
        assert_int_equal(truncate(path_of(stage, "/c/config.json"), 65 << 20), 0);
        stage->settled = false;
        config_look(stage->config);
        for (; !stage->settled; turns++)
                assert_true(sd_event_run(stage->event, UINT64_MAX) >= 0);
        assert_true(turns > 4);
        assert_non_null(strstr(stage->told, "changed /c/config.json 67108864 68157440, 1\n"));
}

/* Makes a file of that many bytes that takes no room. */
static void put_large(const struct stage *stage, const char *name, off_t size)
{
        put(stage, name, "");
        assert_int_equal(truncate(path_of(stage, name), size), 0);
}

static void others_are_served_while_a_large_file_is_read(void **state)
{
        struct stage *stage = *state;
        unsigned asked = 0, served = 0;
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        sd_event_source *source = NULL;

        declare(stage, "/c/config.json");
        begin(stage);
        put_large(stage, "/c/config.json", 96 << 20);
        assert_true(sd_event_add_io(stage->event, &source, fd, EPOLLIN, on_asked, &served) >= 0);
        stage->settled = false;
        config_look(stage->config);
        while (!stage->settled) { /* whoever asks is answered in the very next turn, however much there is left to read */
                assert_int_equal(eventfd_write(fd, 1), 0);
                assert_true(sd_event_run(stage->event, UINT64_MAX) >= 0);
                assert_int_equal(served, ++asked);
                assert_true(sd_event_run(stage->event, UINT64_MAX) >= 0);
        }
        assert_true(asked > 8);
        assert_string_equal(stage->told, "changed /c/config.json 2 100663296, 1\n");
        sd_event_source_unref(source);
        close(fd);
}

static void a_small_file_does_not_wait_for_large_ones(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/large");
        declare(stage, "/c/larger");
        declare(stage, "/c/config.json");
        put(stage, "/c/large", "");
        put(stage, "/c/larger", "");
        begin(stage);
        put_large(stage, "/c/large", 64 << 20);
        put_large(stage, "/c/larger", 65 << 20);
        put(stage, "/c/config.json", "{ }");
        look(stage);
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 1\n"
                                         "changed /c/large 0 67108864, 2\n"
                                         "changed /c/larger 0 68157440, 3\n");
}

static void a_file_that_grows_while_it_is_read_is_read_once_it_rests(void **state)
{
        struct stage *stage = *state;
        off_t size = 32 << 20;

        declare(stage, "/c/config.json");
        begin(stage);
        put_large(stage, "/c/config.json", size);
        stage->settled = false;
        config_look(stage->config);
        while (!stage->settled) {
                assert_int_equal(truncate(path_of(stage, "/c/config.json"), ++size), 0);
                assert_true(sd_event_run(stage->event, UINT64_MAX) >= 0);
        }
        assert_string_equal(stage->told, "");
        assert_true(hears(stage));
        assert_int_equal(strncmp(stage->told, "changed /c/config.json 2 335", 28), 0);
}

static void files_may_vanish_while_they_are_looked_at(void **state)
{
        struct stage *stage = *state;
        char name[32];
        unsigned n = 0, left = 600;

        for (n = 0; n < left; n++) {
                snprintf(name, sizeof(name), "/c/%u", n);
                put(stage, name, "x");
        }
        declare(stage, "/c/**");
        begin(stage);
        for (n = 0; n < left; n++) {
                snprintf(name, sizeof(name), "/c/%u", n);
                put(stage, name, "xy");
        }
        stage->settled = false;
        config_look(stage->config);
        while (!stage->settled) {
                assert_true(sd_event_run(stage->event, UINT64_MAX) >= 0);
                for (n = left > 100 ? left - 100 : 0; n < left; left--) {
                        snprintf(name, sizeof(name), "/c/%u", left - 1);
                        unlink(path_of(stage, name));
                }
                stage->told[0] = '\0'; /* there is no room for all of it */
        }
        for (n = 0; n < left; n++) {
                snprintf(name, sizeof(name), "/c/%u", n);
                unlink(path_of(stage, name));
        }
        look(stage);
        put(stage, "/c/config.json", "{ }");
        stage->told[0] = '\0';
        look(stage);
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 601\n");
}

static void what_becomes_a_folder_is_a_file_no_more(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/c/**");
        begin(stage);
        unlink(path_of(stage, "/c/config.json"));
        folder(stage, "/c/config.json");
        put(stage, "/c/config.json/in", "x");
        look(stage);
        assert_non_null(strstr(stage->told, "removed /c/config.json 2 0, "));
        assert_non_null(strstr(stage->told, "added /c/config.json/in 0 1, "));
        stage->told[0] = '\0';
        unlink(path_of(stage, "/c/config.json/in"));
        rmdir(path_of(stage, "/c/config.json"));
        put(stage, "/c/config.json", "{}");
        look(stage);
        assert_non_null(strstr(stage->told, "restored /c/config.json 2 2, "));
        assert_non_null(strstr(stage->told, "restored /c/config.json/in 0 0, "));
}

static void a_write_by_another_name_of_the_file_is_found(void **state)
{
        struct stage *stage = *state;

        folder(stage, "/elsewhere");
        put(stage, "/elsewhere/same", "x");
        assert_int_equal(link(path_of(stage, "/elsewhere/same"), path_of(stage, "/c/same")), 0);
        declare(stage, "/c/**");
        begin(stage);
        put(stage, "/elsewhere/same", "xy");
        assert_true(hears(stage));
        assert_string_equal(stage->told, "changed /c/same 1 2, 1\n");
}

static void sockets_and_devices_are_not_opened(void **state)
{
        struct stage *stage = *state;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        text_copy(address.sun_path, sizeof(address.sun_path), path_of(stage, "/c/socket"));
        assert_int_equal(symlink("/dev/zero", path_of(stage, "/zero")), 0);
        declare(stage, "/c/**");
        declare(stage, "/zero");
        begin(stage); /* would never end here */
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        if (geteuid() == 0)
                (void)mknod(path_of(stage, "/c/device"), S_IFCHR | 0600, makedev(1, 5));
        look(stage);
        assert_non_null(strstr(stage->told, "added /c/socket 0 0, "));
        assert_string_equal(stage->source, "seeing ");
        close(fd);
}

static void what_the_kernel_makes_up_is_not_read(void **state)
{
        struct stage *stage = *state;

        assert_int_equal(symlink("/proc/self/status", path_of(stage, "/c/status")), 0);
        declare(stage, "/c/status");
        begin(stage);
        assert_string_equal(stage->source, "blind a file of the kernel's own is declared");
}

/* Without this user's rights; root's would pass by every lock. */
static void become(uid_t uid)
{
        if (getuid() == 0)
                assert_int_equal(seteuid(uid), 0);
}

static void a_locked_folder_is_said_and_nothing_in_it_is_gone(void **state)
{
        struct stage *stage = *state;

        chmod(stage->root, 0755);
        folder(stage, "/c/shut");
        put(stage, "/c/shut/inside", "x");
        declare(stage, "/c/**");
        begin(stage);
        chmod(path_of(stage, "/c/shut"), 0);
        become(65534);
        look(stage);
        assert_string_equal(stage->told, "");
        assert_int_equal(strncmp(stage->source, "blind a f", 9), 0); /* a folder, a file cannot be read */
        become(0);
        chmod(path_of(stage, "/c/shut"), 0755);
        put(stage, "/c/shut/inside", "xy");
        look(stage);
        assert_string_equal(stage->told, "changed /c/shut/inside 1 2, 1\n");
        assert_string_equal(stage->source, "seeing ");
}

static void a_pattern_of_too_many_entries_is_cut_short_and_said(void **state)
{
        struct stage *stage = *state;
        char name[32];

        for (unsigned n = 0; n < 300; n++) {
                snprintf(name, sizeof(name), "/c/other.%u", n);
                put(stage, name, "");
        }
        stage->entries_max = 200;
        declare(stage, "/c/config.json");
        declare(stage, "/c/**");
        begin(stage);
        assert_string_equal(stage->source, "blind it has more than a million entries");
        assert_string_equal(stage->told, "");
        put(stage, "/c/config.json", "{ }");
        look(stage); /* what was not met is not held to be gone, and the others are watched */
        assert_string_equal(stage->told, "changed /c/config.json 2 3, 1\n");
}

static void more_files_than_there_is_room_for_are_said(void **state)
{
        struct stage *stage = *state;
        char name[32];

        for (unsigned n = 0; n <= CONFIG_FILES_MAX; n++) {
                snprintf(name, sizeof(name), "/c/%u", n);
                assert_int_equal(close(open(path_of(stage, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);
        }
        declare(stage, "/c/**");
        begin(stage);
        assert_string_equal(stage->source, "blind more than 16384 files are declared: the others are not watched");
        assert_int_equal(config_count(stage->config), CONFIG_FILES_MAX);
        assert_string_equal(stage->told, "");
}

static void names_that_cannot_be_written_down_are_said(void **state)
{
        struct stage *stage = *state;

        static const char *const names[] = { "/c/two\nlines", "/c/\033[31mred", "/c/\xff\xfe", "/c/a\x7f", "/c/\r" };

        declare(stage, "/c/**");
        begin(stage);
        for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
                put(stage, names[n], "x");
                look(stage);
                assert_string_equal(stage->source, "blind a name is not UTF-8, or holds control characters");
                unlink(path_of(stage, names[n]));
                look(stage);
                assert_string_equal(stage->source, "seeing ");
        }
        assert_string_equal(stage->told, "");
}

static void a_folder_that_comes_later_is_watched_then(void **state)
{
        struct stage *stage = *state;

        declare(stage, "/later/config.json");
        begin(stage);
        folder(stage, "/later");
        put(stage, "/later/config.json", "x");
        look(stage);
        assert_string_equal(stage->told, "added /later/config.json 0 1, 1\n");
}

static void nothing_declared_is_nothing_done(void **state)
{
        struct stage *stage = *state;

        begin(stage);
        assert_string_equal(stage->source, "");
        assert_int_equal(config_count(stage->config), 0);
}

/* ---- its parts ----------------------------------------------------------------------------------------------------------- */

static void a_manifest_comes_back_as_it_was(void **state)
{
        struct config_files files = { .n = 0 }, back = { .n = 0 };
        struct config_names names = { .n = 0 }, names_back = { .n = 0 };
        char name[32], *text;
        size_t size;
        uint32_t slot;

        (void)state;
        assert_int_equal(config_names_add(&names, "/b/**"), 1);
        assert_int_equal(config_names_add(&names, "/a/**"), 1);
        assert_int_equal(config_names_add(&names, "/b/**"), 0);
        for (unsigned n = 0; n < 1000; n++) {
                snprintf(name, sizeof(name), "/a/file %u", n);
                assert_int_equal(config_files_add(&files, name, &slot), 0);
                files.list[slot].sealed = (struct file_state){ .there = n % 3, .size = n, .mode = 0100644, .uid = n };
                files.list[slot].seen = (struct file_state){ .there = true, .digest = { (uint8_t)n }, .gid = 7 };
                files.list[slot].sealed_outline = n % 5 == 0 ? strdup("a=1\tb#2") : NULL;
                files.list[slot].seen_outline = n % 7 == 0 ? strdup("") : NULL;
        }
        assert_int_equal(config_manifest_write(&files, &names, &text, &size), 0);
        assert_int_equal(config_manifest_read(&back, &names_back, text, size), 0);
        assert_int_equal(back.n, 1000);
        assert_int_equal(names_back.n, 2);
        assert_true(config_names_has(&names_back, "/a/**") && config_names_has(&names_back, "/b/**"));
        for (uint32_t n = 0; n < files.n; n++) {
                slot = config_files_find(&back, files.list[n].path);
                assert_int_not_equal(slot, CONFIG_NO_FILE);
                assert_true(file_state_same(&files.list[n].sealed, &back.list[slot].sealed));
                assert_true(file_state_same(&files.list[n].seen, &back.list[slot].seen));
                assert_int_equal(back.list[slot].sealed_outline != NULL, n % 5 == 0);
                assert_int_equal(back.list[slot].seen_outline != NULL, n % 7 == 0);
                if (n % 5 == 0)
                        assert_string_equal(back.list[slot].sealed_outline, "a=1\tb#2");
        }
        for (size_t cut = 1; cut < size; cut += 37) { /* whatever is left of it is refused or whole lines */
                struct config_files half = { .n = 0 };
                struct config_names torn = { .n = 0 };

                (void)config_manifest_read(&half, &torn, text, size - cut);
                config_names_done(&torn);
                config_files_done(&half);
        }
        free(text);
        config_names_done(&names);
        config_names_done(&names_back);
        config_files_done(&files);
        config_files_done(&back);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_is_there_at_first_is_as_it_should_be),
                TEST(content_mode_and_presence_are_told),
                TEST(the_same_content_written_anew_is_no_change),
                TEST(what_is_announced_is_sealed_as_it_comes),
                TEST(sealing_accepts_what_is_there),
                TEST(what_changed_while_nobody_looked_is_found_at_start),
                TEST(a_pattern_that_is_new_finds_nothing_to_blame),
                TEST(a_manifest_that_makes_no_sense_is_none),
                TEST(what_no_rule_declares_any_more_is_no_drift),
                TEST(unit_files_are_compared_key_by_key),
                TEST(what_was_veiled_by_another_key_is_not_compared),
                TEST(a_link_tells_where_it_leads),
                TEST(what_needs_loading_is_told_again_behind_its_window),
                TEST(what_is_not_in_force_counts_until_it_is),
                TEST(an_edit_is_heard),
                TEST(an_edit_is_found_without_inotify),
                TEST(a_file_in_a_new_folder_is_heard),
                TEST(changes_in_quick_succession_are_all_told_in_the_end),
                TEST(what_is_no_file_is_named_and_not_opened),
                TEST(links_are_told_and_not_followed),
                TEST(a_declared_link_means_what_it_leads_to),
                TEST(links_in_a_circle_end_nowhere),
                TEST(a_fifo_by_its_own_name_is_not_waited_for),
                TEST(a_large_file_is_read_between_other_work),
                TEST(others_are_served_while_a_large_file_is_read),
                TEST(a_small_file_does_not_wait_for_large_ones),
                TEST(a_file_that_grows_while_it_is_read_is_read_once_it_rests),
                TEST(files_may_vanish_while_they_are_looked_at),
                TEST(what_becomes_a_folder_is_a_file_no_more),
                TEST(a_write_by_another_name_of_the_file_is_found),
                TEST(sockets_and_devices_are_not_opened),
                TEST(what_the_kernel_makes_up_is_not_read),
                TEST(a_locked_folder_is_said_and_nothing_in_it_is_gone),
                TEST(a_pattern_of_too_many_entries_is_cut_short_and_said),
                TEST(more_files_than_there_is_room_for_are_said),
                TEST(names_that_cannot_be_written_down_are_said),
                TEST(a_folder_that_comes_later_is_watched_then),
                TEST(nothing_declared_is_nothing_done),
                cmocka_unit_test(a_manifest_comes_back_as_it_was),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
