#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "io/file.h"
#include "observe/units.h"

#define TOLD_MAX 4096
#define ETC "/etc/systemd/system"
#define LIB "/usr/lib/systemd/system"

/* A machine's folders of unit files under a root of its own, and an observer that systemd tells what the test says. */
struct stage {
        char root[64], manifest[80];
        sd_event *event;
        struct clock clock;
        struct veil *veil;
        struct units *units;
        bool planned, settled;
        bool deaf;           /* to what is told of being in force */
        char told[TOLD_MAX]; /* a line a change: whose, what, path below the root, how many differ, what changed */
};

static void take(void *self, const struct fact *fact)
{
        struct stage *stage = self;
        const char *agent = fact->agent[0] ? fact->agent : "machine";

        if (fact->kind != FACT_CONFIG ||
            (stage->deaf && (fact->config.change == CONFIG_PENDING || fact->config.change == CONFIG_LOADED)))
                return;
        assert_int_equal(fact->config.of, CONFIG_OF_UNIT);
        text_append(stage->told, sizeof(stage->told), "%s %s %s, %u%s%s\n", agent,
                    config_change_name(fact->config.change), fact->config.path + strlen(stage->root),
                    fact->config.differing, *fact->config.what ? ": " : "", fact->config.what);
}

static bool planned(void *self, const struct fact *fact)
{
        const struct stage *stage = self;

        assert_int_equal(fact->config.of, CONFIG_OF_UNIT);
        return stage->planned;
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
        char folder[256];

        text_copy(folder, sizeof(folder), path_of(stage, name));
        *strrchr(folder, '/') = '\0';
        assert_int_equal(file_make_directory(folder, 0755), 0);
        assert_int_equal(file_write_atomic(path_of(stage, name), text, strlen(text), 0644), 0);
}

/* Lets the loop run until it has nothing to do for a while: what is to be told was told. */
static void rest(struct stage *stage)
{
        int r;

        stage->settled = false;
        units_look(stage->units);
        while (!stage->settled)
                assert_true(sd_event_run(stage->event, UINT64_MAX) >= 0);
        do
                r = sd_event_run(stage->event, 40000);
        while (r > 0);
        assert_int_equal(r, 0);
}

static void told(struct stage *stage, const char *expected)
{
        rest(stage);
        assert_string_equal(stage->told, expected);
        stage->told[0] = '\0';
}

static void begin(struct stage *stage)
{
        const struct units_options options = {
                .clock = &stage->clock,
                .sink = { take, stage },
                .manifest = stage->manifest,
                .veil = stage->veil,
                .planned = planned,
                .settled = settled,
                .self = stage,
                .patience = USEC_PER_MSEC,
        };
        static const char *const names[] = { "/etc/systemd/system.control", "/run/systemd/transient", ETC,
                                             "/run/systemd/system",         "/run/systemd/generator", LIB };
        char *folders[7] = { NULL };

        assert_int_equal(units_new(stage->event, &options, &stage->units), 0);
        for (unsigned n = 0; n < 6; n++)
                folders[n] = strdup(path_of(stage, names[n]));
        assert_int_equal(units_add_folders(stage->units, folders), 0);
        assert_int_equal(units_add_folders(stage->units, folders), 0);
        for (unsigned n = 0; n < 6; n++)
                free(folders[n]);
}

/* systemd has it loaded from that file. */
static void has(struct stage *stage, const char *name, const char *fragment, bool stale)
{
        const struct unit_files files = {
                .name = name,
                .fragment = *fragment ? path_of(stage, fragment) : "",
                .source = "",
                .stale = stale,
        };

        assert_int_equal(units_take(stage->units, &files), 0);
}

static void reload(struct stage *stage)
{
        units_reloading(stage->units, true);
        units_reloading(stage->units, false);
}

static int set_up(void **state)
{
        struct stage *stage = calloc(1, sizeof(*stage));

        strcpy(stage->root,
               access("/dev/shm", W_OK) == 0 ? "/dev/shm/governor-units.XXXXXX" : "/tmp/governor-units.XXXXXX");
        assert_non_null(mkdtemp(stage->root));
        text_copy(stage->manifest, sizeof(stage->manifest), path_of(stage, "/manifest"));
        clock_init(&stage->clock, 0);
        assert_int_equal(veil_new(&stage->veil), 0);
        assert_true(sd_event_new(&stage->event) >= 0);
        put(stage, ETC "/lily.service", "[Service]\nRestart=always\nEnvironment=KEY=sk-1\n");
        put(stage, ETC "/other.service", "[Service]\nRestart=always\n");
        put(stage, ETC "/zoo-@.service", "[Service]\nNice=1\n");
        put(stage, LIB "/bot.service", "[Service]\nNice=1\n");
        begin(stage);
        has(stage, "lily.service", ETC "/lily.service", false);
        *state = stage;
        return 0;
}

static int tear_down(void **state)
{
        struct stage *stage = *state;
        char command[128];

        units_free(stage->units);
        veil_free(stage->veil);
        sd_event_unref(stage->event);
        snprintf(command, sizeof(command), "rm -rf %s", stage->root);
        assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): the path is ours
        free(stage);
        return 0;
}

#define LILY "systemd:lily.service"

static void an_edit_of_a_governed_unit_is_told_by_its_keys(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        put(stage, ETC "/lily.service", "[Service]\nRestart=no\nEnvironment=KEY=sk-2\n");
        put(stage, ETC "/other.service", "[Service]\nRestart=no\n"); /* nobody's */
        reload(stage);
        has(stage, "lily.service", ETC "/lily.service", false);
        told(stage, LILY " changed " ETC "/lily.service, 1: Environment changed, Restart=always -> no\n");
}

static void a_new_drop_in_is_told(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        stage->planned = true; /* or it would be told as not in force, too */
        put(stage, ETC "/lily.service.d/10.conf", "[Service]\nMemoryMax=1G\n");
        put(stage, ETC "/lily.service.wants/10.conf", "[Service]\n");
        put(stage, ETC "/lily.service.d/10.conf~", "[Service]\n");
        put(stage, "/run/systemd/transient/lily.service.d/10.conf", "[Service]\n");
        put(stage, "/run/systemd/generator/lily.service", "[Service]\n");
        reload(stage);
        has(stage, "lily.service", ETC "/lily.service", false);
        told(stage, LILY " added " ETC "/lily.service.d/10.conf, 0: MemoryMax=1G added\n");
}

static void what_several_units_share_is_the_machines(void **state)
{
        struct stage *stage = *state;

        has(stage, "zoo-@1.service", ETC "/zoo-@.service", false);
        has(stage, "zoo-@2.service", ETC "/zoo-@.service", false);
        told(stage, "");
        stage->planned = stage->deaf = true;
        put(stage, ETC "/zoo-@.service", "[Service]\nNice=2\n");
        told(stage, "machine changed " ETC "/zoo-@.service, 0: Nice=1 -> 2\n");
        put(stage, ETC "/service.d/all.conf", "");
        told(stage, "machine added " ETC "/service.d/all.conf, 1\n");
        put(stage, ETC "/zoo-@2.service.d/own.conf", "");
        told(stage, "systemd:zoo-@2.service added " ETC "/zoo-@2.service.d/own.conf, 0\n");
        put(stage, ETC "/zoo-.service.d/own.conf", "");
        told(stage, "machine added " ETC "/zoo-.service.d/own.conf, 2\n");
}

static void only_the_first_of_two_files_has_an_effect(void **state)
{
        struct stage *stage = *state;

        has(stage, "bot.service", LIB "/bot.service", false);
        told(stage, "");
        put(stage, LIB "/lily.service", "[Service]\n"); /* the one in /etc goes before it */
        told(stage, "");
        stage->planned = stage->deaf = true;
        put(stage, ETC "/bot.service", "[Service]\nNice=2\n");
        told(stage, "systemd:bot.service added " ETC "/bot.service, 0: Nice=2 added\n");
        reload(stage);
        has(stage, "bot.service", ETC "/bot.service", false);
        told(stage, "");
        put(stage, LIB "/bot.service", "[Service]\nNice=3\n"); /* a package brings a newer one */
        told(stage, "");
}

static void a_mask_is_told(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        unlink(path_of(stage, ETC "/lily.service"));
        assert_int_equal(symlink("/dev/null", path_of(stage, ETC "/lily.service")), 0);
        reload(stage);
        has(stage, "lily.service", ETC "/lily.service", false);
        told(stage, LILY " changed " ETC "/lily.service, 1: masked, it leads to /dev/null\n");
}

static void what_a_link_leads_to_is_watched_too(void **state)
{
        struct stage *stage = *state;

        put(stage, "/opt/ant.service", "[Service]\nNice=1\n");
        assert_int_equal(symlink("../../../opt/ant.service", path_of(stage, ETC "/ant.service")), 0);
        has(stage, "ant.service", ETC "/ant.service", false);
        told(stage, "");
        stage->planned = stage->deaf = true;
        put(stage, "/opt/ant.service", "[Service]\nNice=2\n");
        told(stage, "systemd:ant.service changed /opt/ant.service, 0: Nice=1 -> 2\n");
}

static void sources_and_drop_ins_elsewhere_are_watched(void **state)
{
        struct stage *stage = *state;
        char source[256], drop_in[256];
        char *drop_ins[] = { drop_in, NULL };
        const struct unit_files files = {
                .name = "made.service",
                .fragment = path_of(stage, "/run/systemd/generator/made.service"),
                .source = source,
                .drop_ins = drop_ins,
        };

        text_copy(source, sizeof(source), path_of(stage, "/containers/made.container"));
        text_copy(drop_in, sizeof(drop_in), path_of(stage, "/containers/x.conf"));
        put(stage, "/containers/made.container", "Image=a\n");
        put(stage, "/containers/x.conf", "Nice=1\n");
        put(stage, "/run/systemd/generator/made.service", "Nice=1\n");
        assert_int_equal(units_take(stage->units, &files), 0);
        told(stage, "");
        stage->planned = stage->deaf = true;
        put(stage, "/containers/made.container", "Image=b\n");
        told(stage, "systemd:made.service changed /containers/made.container, 0: other keys changed\n");
        put(stage, "/containers/x.conf", "Nice=2\n");
        told(stage, "systemd:made.service changed /containers/x.conf, 1: Nice=1 -> 2\n");
        unlink(path_of(stage, "/run/systemd/generator/made.service")); /* made anew at each reload */
        told(stage, "");
}

/* ---- what is in force ---------------------------------------------------------------------------------------------------- */

static void what_is_not_loaded_is_told_as_not_in_force(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        put(stage, ETC "/lily.service", "[Service]\nRestart=no\nEnvironment=KEY=sk-1\n");
        told(stage,
             LILY " changed " ETC "/lily.service, 1: Restart=always -> no\n" LILY " pending " ETC "/lily.service, 1\n");
        put(stage, ETC "/lily.service.d/10.conf", "[Service]\nNice=1\n"); /* which systemd overlooks */
        told(stage, LILY " added " ETC "/lily.service.d/10.conf, 2: Nice=1 added\n" LILY " pending " ETC
                         "/lily.service.d/10.conf, 2\n");
        reload(stage);
        has(stage, "lily.service", ETC "/lily.service", false);
        rest(stage);
        assert_non_null(strstr(stage->told, LILY " loaded " ETC "/lily.service, 2\n"));
        assert_non_null(strstr(stage->told, LILY " loaded " ETC "/lily.service.d/10.conf, 2\n"));
}

static void what_is_back_as_it_was_loaded_is_in_force(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        put(stage, ETC "/lily.service", "[Service]\nRestart=no\n");
        rest(stage);
        stage->told[0] = '\0';
        put(stage, ETC "/lily.service", "[Service]\nRestart=always\nEnvironment=KEY=sk-1\n");
        told(stage, LILY " restored " ETC "/lily.service, 1\n" LILY " loaded " ETC "/lily.service, 0\n");
}

/* systemd is asked of a unit that was edited behind its back: then it does not know of what the file was. */
static void what_was_edited_right_behind_a_reload_and_is_back_is_in_force(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        reload(stage);
        rest(stage);
        put(stage, ETC "/lily.service", "[Service]\nRestart=no\n");
        has(stage, "lily.service", ETC "/lily.service", true);
        rest(stage);
        assert_non_null(strstr(stage->told, LILY " pending " ETC "/lily.service, 1\n"));
        stage->told[0] = '\0';
        put(stage, ETC "/lily.service", "[Service]\nRestart=always\nEnvironment=KEY=sk-1\n");
        told(stage, LILY " restored " ETC "/lily.service, 1\n" LILY " loaded " ETC "/lily.service, 0\n");
}

static void what_was_sealed_while_not_in_force_is_accepted_so(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        put(stage, ETC "/lily.service", "[Service]\nRestart=no\n");
        rest(stage);
        stage->told[0] = '\0';
        units_seal(stage->units, LILY);
        told(stage, LILY " sealed " ETC "/lily.service, 0\n");
        told(stage, "");
}

static void a_unit_that_was_edited_before_we_came_is_told(void **state)
{
        struct stage *stage = *state;

        has(stage, "bot.service", LIB "/bot.service", true);
        told(stage, "systemd:bot.service pending " LIB "/bot.service, 1\n");
        reload(stage);
        has(stage, "bot.service", LIB "/bot.service", false);
        has(stage, "lily.service", ETC "/lily.service", false);
        told(stage, "systemd:bot.service loaded " LIB "/bot.service, 0\n");
}

static void what_is_announced_and_never_loaded_is_told_behind_its_window(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        stage->planned = true;
        put(stage, ETC "/lily.service", "[Service]\nRestart=no\n");
        told(stage, LILY " changed " ETC "/lily.service, 0: Environment removed, Restart=always -> no\n" LILY
                         " pending " ETC "/lily.service, 1\n");
        stage->planned = false;
        units_window_closed(stage->units);
        told(stage, LILY " pending " ETC "/lily.service, 1\n");
}

static void what_set_property_writes_is_in_force_at_once(void **state)
{
        struct stage *stage = *state;
        char drop_in[256];
        char *drop_ins[] = { drop_in, NULL };
        const struct unit_files files = { .name = "lily.service",
                                          .fragment = path_of(stage, ETC "/lily.service"),
                                          .source = "",
                                          .drop_ins = drop_ins,
                                          .stale = true };

        text_copy(drop_in, sizeof(drop_in),
                  path_of(stage, "/etc/systemd/system.control/lily.service.d/50-TasksMax.conf"));
        told(stage, "");
        put(stage, "/etc/systemd/system.control/lily.service.d/50-TasksMax.conf", "[Service]\nTasksMax=9\n");
        told(stage, LILY " added /etc/systemd/system.control/lily.service.d/50-TasksMax.conf, 1: TasksMax=9 added\n");
        reload(stage);
        assert_int_equal(units_take(stage->units, &files), 0); /* systemd calls it stale from then on */
        told(stage, "");
}

static void a_unit_that_is_not_loaded_has_nothing_in_force(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        units_drop(stage->units, "lily.service", false);
        reload(stage);
        told(stage, "");
        put(stage, ETC "/lily.service", "[Service]\nRestart=no\n"); /* but its file is watched */
        rest(stage);
        assert_int_equal(strncmp(stage->told, LILY " changed ", strlen(LILY " changed ")), 0);
}

/* ---- over time ----------------------------------------------------------------------------------------------------------- */

static void what_changed_while_nobody_looked_is_found(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        stage->units = units_free(stage->units);
        put(stage, ETC "/lily.service", "[Service]\nRestart=no\n");
        put(stage, ETC "/lily.service.d/10.conf", "");
        begin(stage);
        has(stage, "bot.service", LIB "/bot.service",
            false); /* another one is seen for the first time, and first of all */
        has(stage, "lily.service", ETC "/lily.service", false);
        rest(stage);
        assert_non_null(strstr(stage->told,
                               LILY " changed " ETC "/lily.service, 1: Environment removed, Restart=always -> no\n"));
        assert_non_null(strstr(stage->told, LILY " added " ETC "/lily.service.d/10.conf, 2\n"));
        assert_null(strstr(stage->told, "bot"));
}

static void what_nobody_governs_any_more_is_forgotten(void **state)
{
        struct stage *stage = *state;

        told(stage, "");
        put(stage, ETC "/lily.service", "[Service]\nRestart=no\n");
        rest(stage);
        stage->told[0] = '\0';
        units_drop(stage->units, "lily.service", true);
        told(stage, LILY " forgotten " ETC "/lily.service, 0\n");
        put(stage, ETC "/lily.service", "[Service]\nRestart=always\n");
        told(stage, "");
        has(stage, "lily.service", ETC "/lily.service", false); /* and is as it should be when it comes back */
        told(stage, "");
}

static bool is_lily(void *self, const char *name)
{
        (void)self;
        return strcmp(name, "lily.service") == 0;
}

static void a_unit_of_an_earlier_run_is_kept_while_it_is_governed(void **state)
{
        struct stage *stage = *state;

        has(stage, "bot.service", LIB "/bot.service", false);
        told(stage, "");
        stage->units = units_free(stage->units);
        begin(stage);
        units_keep(stage->units, is_lily, NULL);
        told(stage, "");
        stage->planned = true;
        put(stage, LIB "/bot.service", "[Service]\nNice=7\n");
        put(stage, ETC "/lily.service", "[Service]\nRestart=no\n");
        rest(stage);
        assert_non_null(strstr(stage->told, LILY " changed "));
        assert_null(strstr(stage->told, "bot"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_edit_of_a_governed_unit_is_told_by_its_keys),
                TEST(a_new_drop_in_is_told),
                TEST(what_several_units_share_is_the_machines),
                TEST(only_the_first_of_two_files_has_an_effect),
                TEST(a_mask_is_told),
                TEST(what_a_link_leads_to_is_watched_too),
                TEST(sources_and_drop_ins_elsewhere_are_watched),
                TEST(what_is_not_loaded_is_told_as_not_in_force),
                TEST(what_is_back_as_it_was_loaded_is_in_force),
                TEST(what_was_edited_right_behind_a_reload_and_is_back_is_in_force),
                TEST(what_was_sealed_while_not_in_force_is_accepted_so),
                TEST(a_unit_that_was_edited_before_we_came_is_told),
                TEST(what_is_announced_and_never_loaded_is_told_behind_its_window),
                TEST(what_set_property_writes_is_in_force_at_once),
                TEST(a_unit_that_is_not_loaded_has_nothing_in_force),
                TEST(what_changed_while_nobody_looked_is_found),
                TEST(what_nobody_governs_any_more_is_forgotten),
                TEST(a_unit_of_an_earlier_run_is_kept_while_it_is_governed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
