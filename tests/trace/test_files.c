/* Guarded files: what is restored and when, what is told of it, and what survives. */
#include "story.h"

#define CORE "/opt/core/main.js"
#define OPS "/opt/ops/run.sh"

static const char *const core_paths[] = { "/opt/core/" }, *const ops_paths[] = { "/opt/ops/" };

static struct file_rule rules[2];

static void files_are_guarded(struct world *world)
{
        rules[0] = (struct file_rule){ .name = "core",
                                       .kind = FILE_UNTOUCHABLE,
                                       .mode = MODE_ENFORCE,
                                       .paths = (const char **)(uintptr_t)core_paths,
                                       .paths_n = 1,
                                       .on_breach = BREACH_ALERT,
                                       .origin = { "20-files.yaml", 2 } };
        rules[1] = rules[0];
        rules[1].name = "ops";
        rules[1].kind = FILE_PROTECTED;
        rules[1].paths = (const char **)(uintptr_t)ops_paths;
        rules[1].origin.line = 3;
        world_init(world, 1);
        world->policy.files = rules;
        world->policy.files_n = 2;
        world_judge(world);
        world_start(world);
        world_run(world, MIN);
}

static void happens(struct world *world, enum file_event event, const char *path, uint32_t differing)
{
        struct fact fact = {
                .kind = FACT_FILE,
                .agent = "",
                .instance = INSTANCE_ALL,
                .file = { .event = event,
                          .path = path,
                          .digest = "bad",
                          .sealed = "good",
                          .size = 3,
                          .sealed_size = 4,
                          .mode = 0100644,
                          .sealed_mode = 0100644,
                          .times = 1,
                          .differing = differing,
                          .by = FILE_BY_PIDFD,
                          .pid = 77,
                          .exe = "/usr/bin/node",
                          .writer = 0 },
        };

        world_send(world, &fact);
}

static void level_is(struct world *world, enum file_level level, enum file_level before, const char *why)
{
        struct fact fact = { .kind = FACT_FILE,
                             .agent = "",
                             .file = { .event = FILE_LEVEL,
                                       .path = "",
                                       .rule = "core",
                                       .level = level,
                                       .before = before,
                                       .why = why } };

        world_send(world, &fact);
}

static void window_for(struct world *world, const char *pattern, usec_t span)
{
        struct fact fact = { .kind = FACT_CHANGE,
                             .agent = "",
                             .change = { .step = CHANGE_OPEN,
                                         .number = 1,
                                         .pattern = pattern,
                                         .since = world->now,
                                         .until = world->now + span,
                                         .by = "uid:0",
                                         .reason = "" } };

        world_send(world, &fact);
}

static void outcome_is(struct world *world, const char *path, enum outcome outcome, const char *text)
{
        struct fact fact = { .kind = FACT_OUTCOME,
                             .agent = "",
                             .outcome = { ACTION_RESTORE, PURPOSE_GUARD, outcome, text, 0, path } };

        world_send(world, &fact);
}

static void a_changed_file_is_restored_at_once_and_told(void **state)
{
        struct world world;

        files_are_guarded(&world);
        happens(&world, FILE_CHANGED, CORE, 1);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 machine guard-change: /opt/core/main.js was changed by /usr/bin/node (pid 77, uid 0), 4B to 3B\n"
                "60.0s restore /opt/core/main.js (guard)\n");
        world_run(&world, 2 * HOUR);
        CHECK_TRACE(&world,
                    "3660.0s resolve inc-1 machine guard-change: every file is as it was sealed, and was for 1h\n");
        world_done(&world);
}

static void each_change_is_told_until_there_are_many(void **state)
{
        struct world world;

        files_are_guarded(&world);
        for (unsigned n = 0; n < 14; n++) {
                happens(&world, FILE_REMOVED, CORE, 1);
                world_run(&world, MIN);
        }
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 machine guard-change: /opt/core/main.js was removed by /usr/bin/node (pid 77, uid 0)\n"
                "60.0s restore /opt/core/main.js (guard)\n"
                "120.0s worsen inc-1 machine guard-change: /opt/core/main.js was removed by /usr/bin/node (pid 77, uid 0)\n"
                "120.0s restore /opt/core/main.js (guard)\n"
                "180.0s worsen inc-1 machine guard-change: /opt/core/main.js was removed by /usr/bin/node (pid 77, uid 0)\n"
                "180.0s restore /opt/core/main.js (guard)\n"
                "240.0s worsen inc-1 machine guard-change: /opt/core/main.js was removed by /usr/bin/node (pid 77, uid 0)\n"
                "240.0s restore /opt/core/main.js (guard)\n"
                "300.0s worsen inc-1 machine guard-change: /opt/core/main.js was removed by /usr/bin/node (pid 77, uid 0)\n"
                "300.0s restore /opt/core/main.js (guard)\n"
                "360.0s worsen inc-1 machine guard-change: /opt/core/main.js was removed by /usr/bin/node (pid 77, uid 0)\n"
                "360.0s restore /opt/core/main.js (guard)\n"
                "420.0s worsen inc-1 machine guard-change: /opt/core/main.js was removed by /usr/bin/node (pid 77, uid 0)\n"
                "420.0s restore /opt/core/main.js (guard)\n"
                "480.0s worsen inc-1 machine guard-change: /opt/core/main.js was removed by /usr/bin/node (pid 77, uid 0)\n"
                "480.0s restore /opt/core/main.js (guard)\n"
                "540.0s worsen inc-1 machine guard-change: /opt/core/main.js was removed by /usr/bin/node (pid 77, uid 0)\n"
                "540.0s restore /opt/core/main.js (guard)\n"
                "600.0s worsen inc-1 machine guard-change: /opt/core/main.js was removed by /usr/bin/node (pid 77, uid 0)\n"
                "600.0s restore /opt/core/main.js (guard)\n"
                "660.0s restore /opt/core/main.js (guard)\n"
                "720.0s restore /opt/core/main.js (guard)\n"
                "780.0s restore /opt/core/main.js (guard)\n"
                "840.0s restore /opt/core/main.js (guard)\n");
        world_done(&world);
}

static void a_loop_is_held_back_to_one_a_minute(void **state)
{
        struct world world;

        files_are_guarded(&world);
        for (unsigned n = 0; n < 20; n++) {
                happens(&world, FILE_CHANGED, CORE, 1);
                world_run(&world, S);
        }
        assert_int_equal(world.restores, 20);
        world_forget_trace(&world);
        for (unsigned n = 0; n < 300; n++) {
                happens(&world, FILE_CHANGED, CORE, 1);
                world_run(&world, S);
        }
        CHECK_TRACE(
                &world,
                "80.0s withhold restore /opt/core/main.js (cooling): /opt/core/main.js was restored 20 times in 10m: a loop of /usr/bin/node (pid 77, uid 0); from now on once a minute\n"
                "80.0s worsen inc-1 machine guard-change: /opt/core/main.js was restored 20 times in 10m: a loop of /usr/bin/node (pid 77, uid 0); from now on once a minute\n"
                "139.0s restore /opt/core/main.js (guard)\n"
                "159.0s worsen inc-1 machine guard-change: /opt/core/main.js was changed by /usr/bin/node (pid 77, uid 0), 4B to 3B\n"
                "199.0s restore /opt/core/main.js (guard)\n"
                "259.0s restore /opt/core/main.js (guard)\n"
                "319.0s restore /opt/core/main.js (guard)\n"
                "379.0s restore /opt/core/main.js (guard)\n");
        assert_int_equal(world.restores, 25);
        world_run(&world, 2 * HOUR);
        CHECK_TRACE(&world,
                    "439.0s restore /opt/core/main.js (guard)\n"
                    "3979.0s resolve inc-1 machine guard-change: every file is as it was sealed, and was for 1h\n");
        world_done(&world);
}

static void what_changes_while_the_hand_works_is_restored_again(void **state)
{
        struct world world;

        files_are_guarded(&world);
        world.restored = OUTCOME_NONE;
        happens(&world, FILE_CHANGED, CORE, 1);
        world_run(&world, 10 * MIN);
        happens(&world, FILE_CHANGED, CORE, 1);
        assert_int_equal(world.restores, 1);
        outcome_is(&world, CORE, OUTCOME_OK, "restored 312 times in 4.2s");
        assert_int_equal(world.restores, 2);
        outcome_is(&world, CORE, OUTCOME_OK, "restored");
        assert_int_equal(world.restores, 2);
        world_done(&world);
}

static void a_restore_that_fails_is_told_and_tried_again(void **state)
{
        struct world world;

        files_are_guarded(&world);
        world.restored = OUTCOME_NONE;
        happens(&world, FILE_CHANGED, CORE, 1);
        outcome_is(&world, CORE, OUTCOME_FAILED, "no space left on device");
        world_run(&world, 61 * S);
        outcome_is(&world, CORE, OUTCOME_OK, "");
        world_run(&world, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 machine guard-change: /opt/core/main.js was changed by /usr/bin/node (pid 77, uid 0), 4B to 3B\n"
                "60.0s restore /opt/core/main.js (guard)\n"
                "60.0s worsen inc-1 machine guard-change: /opt/core/main.js could not be restored: no space left on device\n"
                "120.0s restore /opt/core/main.js (guard)\n"
                "3660.0s resolve inc-1 machine guard-change: every file is as it was sealed, and was for 1h\n");
        assert_int_equal(world.restores, 2);
        world_done(&world);
}

static void many_files_of_a_rule_are_restored_in_one_act(void **state)
{
        struct world world;
        char path[64];

        files_are_guarded(&world);
        world.restored = OUTCOME_NONE;
        for (unsigned n = 0; n < 3000; n++) {
                snprintf(path, sizeof(path), "/opt/core/%u.js", n);
                happens(&world, FILE_REMOVED, path, n + 1);
        }
        assert_int_equal(world.restores, 17);
        assert_non_null(strstr(world_trace(&world), "restore core (guard)\n"));
        outcome_is(&world, "core", OUTCOME_OK, "1200 files restored");
        assert_int_equal(world.restores, 18); /* more were removed meanwhile */
        outcome_is(&world, "core", OUTCOME_OK, "1784 files restored");
        for (unsigned n = 0; n < 16; n++) {
                snprintf(path, sizeof(path), "/opt/core/%u.js", n);
                outcome_is(&world, path, OUTCOME_OK, "");
        }
        world_forget_trace(&world);
        world_run(&world, 2 * HOUR);
        CHECK_TRACE(&world,
                    "3660.0s resolve inc-1 machine guard-change: every file is as it was sealed, and was for 1h\n");
        world_done(&world);
}

static void a_window_is_for_protected_files_only(void **state)
{
        struct world world;

        files_are_guarded(&world);
        window_for(&world, "/opt/**", 10 * MIN);
        happens(&world, FILE_CHANGED, OPS, 1);
        CHECK_TRACE(&world, "");
        happens(&world, FILE_CHANGED, CORE, 1);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 machine guard-change: /opt/core/main.js was changed by /usr/bin/node (pid 77, uid 0), 4B to 3B\n"
                "60.0s restore /opt/core/main.js (guard)\n");
        world_run(&world, 11 * MIN);
        happens(&world, FILE_CHANGED, OPS, 1);
        CHECK_TRACE(
                &world,
                "720.0s open inc-2 machine guard-change: /opt/ops/run.sh was changed by /usr/bin/node (pid 77, uid 0), 4B to 3B\n"
                "720.0s restore /opt/ops/run.sh (guard)\n");
        world_done(&world);
}

static void a_rule_that_observes_says_what_would_be_done(void **state)
{
        struct world world;

        files_are_guarded(&world);
        rules[0].mode = MODE_OBSERVE;
        happens(&world, FILE_CHANGED, CORE, 1);
        world_run(&world, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 machine guard-change: /opt/core/main.js was changed by /usr/bin/node (pid 77, uid 0), 4B to 3B\n"
                "60.0s would restore /opt/core/main.js (guard)\n");
        assert_int_equal(world.restores, 0);
        happens(&world, FILE_BACK, CORE, 0);
        CHECK_TRACE(&world,
                    "7260.0s resolve inc-1 machine guard-change: every file is as it was sealed, and was for 1h\n");
        world_done(&world);
}

static void a_rule_that_only_records_restores_and_is_silent(void **state)
{
        struct world world;

        files_are_guarded(&world);
        rules[0].on_breach = BREACH_RECORD;
        happens(&world, FILE_CHANGED, CORE, 1);
        world_run(&world, 2 * HOUR);
        CHECK_TRACE(&world, "60.0s restore /opt/core/main.js (guard)\n");
        world_done(&world);
}

static void what_no_rule_guards_is_nobody_s_concern(void **state)
{
        struct world world;

        files_are_guarded(&world);
        happens(&world, FILE_CHANGED, "/srv/x", 1);
        happens(&world, FILE_EVENT_NONE, CORE, 1);
        happens(&world, FILE_CHANGED, "", 1);
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void refused_attempts_have_an_incident_of_their_own(void **state)
{
        struct world world;

        files_are_guarded(&world);
        for (unsigned n = 0; n < 12; n++)
                happens(&world, FILE_DENIED, CORE, 0);
        world_run(&world, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 machine guard-denied: /opt/core/main.js: a change by /usr/bin/node (pid 77, uid 0) was refused\n"
                "60.0s worsen inc-1 machine guard-denied: /opt/core/main.js: a change by /usr/bin/node (pid 77, uid 0) was refused\n"
                "60.0s worsen inc-1 machine guard-denied: /opt/core/main.js: a change by /usr/bin/node (pid 77, uid 0) was refused\n"
                "60.0s worsen inc-1 machine guard-denied: /opt/core/main.js: a change by /usr/bin/node (pid 77, uid 0) was refused\n"
                "60.0s worsen inc-1 machine guard-denied: /opt/core/main.js: a change by /usr/bin/node (pid 77, uid 0) was refused\n"
                "60.0s worsen inc-1 machine guard-denied: /opt/core/main.js: a change by /usr/bin/node (pid 77, uid 0) was refused\n"
                "60.0s worsen inc-1 machine guard-denied: /opt/core/main.js: a change by /usr/bin/node (pid 77, uid 0) was refused\n"
                "60.0s worsen inc-1 machine guard-denied: /opt/core/main.js: a change by /usr/bin/node (pid 77, uid 0) was refused\n"
                "60.0s worsen inc-1 machine guard-denied: /opt/core/main.js: a change by /usr/bin/node (pid 77, uid 0) was refused\n"
                "60.0s worsen inc-1 machine guard-denied: /opt/core/main.js: a change by /usr/bin/node (pid 77, uid 0) was refused\n"
                "3660.0s resolve inc-1 machine guard-denied: nobody tried for 1h\n");
        assert_int_equal(world.restores, 0);
        world_done(&world);
}

static void a_level_that_falls_is_told_until_it_is_back(void **state)
{
        struct world world;

        files_are_guarded(&world);
        level_is(&world, FILE_LEVEL_2, FILE_LEVEL_NONE, "");
        CHECK_TRACE(&world, "");
        level_is(&world, FILE_LEVEL_0, FILE_LEVEL_2, "the canary's file could be written");
        level_is(&world, FILE_LEVEL_1, FILE_LEVEL_0, "");
        world_run(&world, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 machine guard-level: its files are guarded at level L0 only, before at L2: the canary's file could be written\n");
        level_is(&world, FILE_LEVEL_2, FILE_LEVEL_1, "");
        CHECK_TRACE(&world, "7260.0s resolve inc-1 machine guard-level: its files are guarded as well as before\n");
        world_done(&world);
}

static void an_acknowledged_incident_is_opened_anew_by_the_next_change(void **state)
{
        struct world world;

        files_are_guarded(&world);
        happens(&world, FILE_CHANGED, CORE, 1);
        world_ask(&world, "", ASK_ACKNOWLEDGE, 1);
        happens(&world, FILE_CHANGED, CORE, 1);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 machine guard-change: /opt/core/main.js was changed by /usr/bin/node (pid 77, uid 0), 4B to 3B\n"
                "60.0s restore /opt/core/main.js (guard)\n"
                "60.0s resolve inc-1 machine guard-change: acknowledged by a human\n"
                "60.0s open inc-2 machine guard-change: /opt/core/main.js was changed by /usr/bin/node (pid 77, uid 0), 4B to 3B\n"
                "60.0s restore /opt/core/main.js (guard)\n");
        world_done(&world);
}

/* The incident, its count and the restores that were done survive; a restore that was cut off is not waited for. */
static void the_guard_s_troubles_survive_the_daemon(void **state)
{
        struct world world;

        files_are_guarded(&world);
        for (unsigned n = 0; n < 20; n++)
                happens(&world, FILE_CHANGED, CORE, 1);
        world.restored = OUTCOME_NONE;
        happens(&world, FILE_CHANGED, OPS, 1);
        world_forget_trace(&world);
        world_leave(&world);
        world_run(&world, 5 * S);
        world_return(&world);
        CHECK_TRACE(&world, "");
        world.restored = OUTCOME_OK;
        happens(&world, FILE_CHANGED, OPS, 1);
        happens(&world, FILE_CHANGED, CORE, 1);
        CHECK_TRACE(
                &world,
                "65.0s worsen inc-2 machine guard-change: /opt/ops/run.sh was changed by /usr/bin/node (pid 77, uid 0), 4B to 3B\n"
                "65.0s restore /opt/ops/run.sh (guard)\n"
                "65.0s withhold restore /opt/core/main.js (cooling): /opt/core/main.js was restored 20 times in 10m: a loop of /usr/bin/node (pid 77, uid 0); from now on once a minute\n"
                "65.0s worsen inc-1 machine guard-change: /opt/core/main.js was restored 20 times in 10m: a loop of /usr/bin/node (pid 77, uid 0); from now on once a minute\n");
        world_run(&world, 2 * HOUR);
        CHECK_TRACE(&world,
                    "120.0s restore /opt/core/main.js (guard)\n"
                    "3665.0s resolve inc-1 machine guard-change: every file is as it was sealed, and was for 1h\n"
                    "3665.0s resolve inc-2 machine guard-change: every file is as it was sealed, and was for 1h\n");
        world_done(&world);
}

static void without_its_rule_nothing_goes_on(void **state)
{
        struct world world;

        files_are_guarded(&world);
        happens(&world, FILE_CHANGED, CORE, 1);
        world_forget_trace(&world);
        world.policy.files_n = 0;
        judge_set_policy(world.judge, &world.policy);
        world_run(&world, S);
        CHECK_TRACE(&world, "60.0s resolve inc-1 machine guard-change: no rule guards these files any more\n");
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_changed_file_is_restored_at_once_and_told),
                cmocka_unit_test(each_change_is_told_until_there_are_many),
                cmocka_unit_test(a_loop_is_held_back_to_one_a_minute),
                cmocka_unit_test(what_changes_while_the_hand_works_is_restored_again),
                cmocka_unit_test(a_restore_that_fails_is_told_and_tried_again),
                cmocka_unit_test(many_files_of_a_rule_are_restored_in_one_act),
                cmocka_unit_test(a_window_is_for_protected_files_only),
                cmocka_unit_test(a_rule_that_observes_says_what_would_be_done),
                cmocka_unit_test(a_rule_that_only_records_restores_and_is_silent),
                cmocka_unit_test(what_no_rule_guards_is_nobody_s_concern),
                cmocka_unit_test(refused_attempts_have_an_incident_of_their_own),
                cmocka_unit_test(a_level_that_falls_is_told_until_it_is_back),
                cmocka_unit_test(an_acknowledged_incident_is_opened_anew_by_the_next_change),
                cmocka_unit_test(the_guard_s_troubles_survive_the_daemon),
                cmocka_unit_test(without_its_rule_nothing_goes_on),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
