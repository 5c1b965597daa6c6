#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "observe/systemd_unit.h"

/* What the tracker tells, as text: the sequences that were recorded of systemd 252 go in, the story comes out. */
struct stage {
        char told[8192];
        usec_t now;
        bool packages;
        struct systemd_world world;
        struct systemd_unit unit;
};

static void take(void *self, const struct fact *fact)
{
        struct stage *stage = self;
        char *told = stage->told;

        assert_string_equal(fact->agent, "systemd:x.service");
        assert_int_equal(fact->manager, MANAGER_SYSTEMD);
        assert_true(fact->at == stage->now);
        if (fact->kind == FACT_AGENT)
                text_append(told, sizeof(stage->told), "%s %s pid=%d n=%" PRIu64 "%s%s%s\n",
                            claimed_name(fact->agent_is.claimed), fact->agent_is.word, fact->agent_is.pid,
                            fact->agent_is.restarts, *fact->agent_is.result ? " " : "", fact->agent_is.result,
                            fact->agent_is.first ? " first" : "");
        else if (fact->kind == FACT_STARTED)
                text_append(told, sizeof(stage->told), "started %d %s%s\n", fact->started.pid,
                            fact->started.ordered ? "ordered" : "by itself", fact->started.by_hand ? ", by hand" : "");
        else if (fact->kind == FACT_ENDED)
                text_append(told, sizeof(stage->told), "ended %d %s code=%d signal=%d\n", fact->ended.pid,
                            ending_name(fact->ended.ending), fact->ended.code, fact->ended.signal);
        else
                fail_msg("unexpected fact %s", fact_kind_name(fact->kind));
}

static bool began(void *self, pid_t pid, uint64_t *ret_start, usec_t *ret_since)
{
        *ret_start = (uint64_t)pid * 10;
        *ret_since = 5;
        return true;
}

static bool package_run(void *self)
{
        return ((struct stage *)self)->packages;
}

/* One [Service] signal: systemd sends all of these each time. */
static void service(struct stage *stage, pid_t main_pid, const char *result, pid_t exec_pid, uint64_t started, int code,
                    int status, uint32_t restarts)
{
        struct systemd_change change = {
                .has = 1 << PROPERTY_MAIN_PID | 1 << PROPERTY_RESULT | 1 << PROPERTY_EXEC_MAIN_PID |
                       1 << PROPERTY_EXEC_MAIN_STARTED | 1 << PROPERTY_EXEC_MAIN_CODE | 1 << PROPERTY_EXEC_MAIN_STATUS |
                       1 << PROPERTY_N_RESTARTS,
                .main_pid = (uint32_t)main_pid,
                .result = result,
                .exec_main_pid = (uint32_t)exec_pid,
                .exec_main_started = started,
                .exec_main_code = code,
                .exec_main_status = status,
                .restarts = restarts,
        };

        systemd_unit_change(&stage->unit, &change, false, stage->now, &stage->world);
}

static void state(struct stage *stage, const char *active, const char *sub)
{
        struct systemd_change change = {
                .has = 1 << PROPERTY_ACTIVE_STATE | 1 << PROPERTY_SUB_STATE,
                .active = active,
                .sub = sub,
        };

        systemd_unit_change(&stage->unit, &change, false, stage->now, &stage->world);
}

static void pass(struct stage *stage, usec_t time)
{
        stage->now += time;
        systemd_unit_settle(&stage->unit, stage->now, &stage->world);
}

#define CHECK_TOLD(stage, text)                           \
        do {                                              \
                assert_string_equal((stage)->told, text); \
                (stage)->told[0] = '\0';                  \
        } while (0)

/* First sight of a unit that runs as pid 100. */
static int set_up(void **ret)
{
        struct stage *stage = calloc(1, sizeof(*stage));
        struct systemd_change change = {
                .has = UINT32_MAX & ~(1U << PROPERTY_JOB),
                .active = "active",
                .sub = "running",
                .freezer = "running",
                .result = "success",
                .start_limit_burst = 5,
                .main_pid = 100,
                .exec_main_pid = 100,
                .exec_main_started = 1000,
                .restarts = 0,
        };

        stage->now = 1000 * USEC_PER_SEC;
        stage->world = (struct systemd_world){
                .sink = { take, stage },
                .began = began,
                .package_run = package_run,
                .self = stage,
        };
        systemd_unit_first(&stage->unit, "x.service", &change, false, stage->now, &stage->world);
        CHECK_TOLD(stage, "running active/running pid=100 n=0 first\n"
                          "started 100 by itself, by hand\n");
        *ret = stage;
        return 0;
}

static int tear_down(void **state)
{
        free(*state);
        return 0;
}

/* As recorded: 12 to 18 signals a cycle, with duplicates. */
static void play_crash_and_restart(struct stage *stage, const char *result, int code, int status, uint32_t n)
{
        pid_t old = stage->unit.life.pid, new = old + 1;
        uint64_t started = stage->unit.life.started;

        service(stage, 0, result, old, started, code, status, n);
        state(stage, "failed", "failed");
        service(stage, 0, result, old, started, code, status, n);
        state(stage, "activating", "auto-restart");
        pass(stage, USEC_PER_SEC);
        service(stage, 0, result, old, started, code, status, n + 1);
        systemd_unit_job_new(&stage->unit, 700 + n);
        service(stage, new, "success", new, started + 1, 0, 0, n + 1);
        state(stage, "inactive", "dead");
        service(stage, new, "success", new, started + 1, 0, 0, n + 1);
        state(stage, "active", "running");
        systemd_unit_job_removed(&stage->unit, 700 + n);
        pass(stage, USEC_PER_SEC);
}

static void a_crash_and_systemds_restart_are_one_end_and_one_start(void **state)
{
        struct stage *stage = *state;

        play_crash_and_restart(stage, "exit-code", CLD_EXITED, 1, 0);
        CHECK_TOLD(stage, "ended 100 exit code=1 signal=0\n"
                          "waiting activating/auto-restart pid=0 n=0 exit-code\n"
                          "started 101 by itself\n"
                          "running active/running pid=101 n=1\n");
        play_crash_and_restart(stage, "signal", CLD_KILLED, SIGKILL, 1);
        CHECK_TOLD(stage, "ended 101 signal code=0 signal=9\n"
                          "waiting activating/auto-restart pid=0 n=1 signal\n"
                          "started 102 by itself\n"
                          "running active/running pid=102 n=2\n");
}

static void the_cause_comes_from_the_result(void **state)
{
        struct stage *stage = *state;
        static const struct {
                const char *result;
                int code, status;
                const char *told;
        } causes[] = {
                { "oom-kill", CLD_KILLED, SIGKILL, "ended 100 oom code=0 signal=9\n" },
                { "watchdog", CLD_DUMPED, SIGABRT, "ended 100 watchdog code=0 signal=6\n" },
                { "timeout", CLD_KILLED, SIGTERM, "ended 100 timeout code=0 signal=15\n" },
                { "core-dump", CLD_DUMPED, SIGSEGV, "ended 100 signal code=0 signal=11\n" },
                { "success", CLD_EXITED, 0, "ended 100 exit code=0 signal=0\n" },
                { "signal", CLD_KILLED, SIGKILL, "ended 100 signal code=0 signal=9\n" },
        };

        for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
                struct systemd_unit before = stage->unit;

                service(stage, 0, causes[i].result, 100, 1000, causes[i].code, causes[i].status, 0);
                CHECK_TOLD(stage, causes[i].told);
                stage->unit = before;
        }
}

static void an_ordered_restart_is_manual_and_its_start_is_ordered(void **cmocka)
{
        struct stage *stage = *cmocka;

        systemd_unit_job_new(&stage->unit, 9);
        state(stage, "deactivating", "stop-sigterm");
        service(stage, 0, "success", 100, 1000, CLD_KILLED, SIGTERM, 0);
        state(stage, "inactive", "dead");
        service(stage, 101, "success", 101, 2000, 0, 0, 0);
        state(stage, "active", "running");
        systemd_unit_job_removed(&stage->unit, 9);
        pass(stage, USEC_PER_SEC);
        CHECK_TOLD(stage, "stopping deactivating/stop-sigterm pid=100 n=0\n"
                          "ended 100 manual code=0 signal=15\n"
                          "started 101 ordered\n"
                          "running active/running pid=101 n=0\n");
}

static void an_ordered_end_during_a_package_run_is_the_packages(void **cmocka)
{
        struct stage *stage = *cmocka;

        stage->packages = true;
        systemd_unit_job_new(&stage->unit, 9);
        state(stage, "deactivating", "stop-sigterm");
        service(stage, 0, "success", 100, 1000, CLD_KILLED, SIGTERM, 0);
        CHECK_TOLD(stage, "stopping deactivating/stop-sigterm pid=100 n=0\n"
                          "ended 100 package code=0 signal=15\n");
}

static void an_ordered_stop_that_takes_too_long_is_still_ordered(void **cmocka)
{
        struct stage *stage = *cmocka;

        systemd_unit_job_new(&stage->unit, 9);
        state(stage, "deactivating", "stop-sigterm");
        state(stage, "deactivating", "stop-sigkill");
        service(stage, 0, "timeout", 100, 1000, CLD_KILLED, SIGKILL, 0);
        state(stage, "failed", "failed");
        systemd_unit_job_removed(&stage->unit, 9);
        pass(stage, SYSTEMD_SETTLE);
        CHECK_TOLD(stage, "stopping deactivating/stop-sigterm pid=100 n=0\n"
                          "stopping deactivating/stop-sigkill pid=100 n=0\n"
                          "ended 100 manual code=0 signal=9\n"
                          "failed failed/failed pid=0 n=0 timeout\n");
}

static void a_crash_while_an_order_still_waits_is_a_crash(void **cmocka)
{
        struct stage *stage = *cmocka;

        systemd_unit_job_new(&stage->unit, 9);
        service(stage, 0, "signal", 100, 1000, CLD_DUMPED, SIGSEGV, 0);
        CHECK_TOLD(stage, "ended 100 signal code=0 signal=11\n");
}

static void a_process_that_dies_while_it_starts_died(void **cmocka)
{
        struct stage *stage = *cmocka;

        service(stage, 0, "exit-code", 100, 1000, CLD_EXITED, 1, 0);
        state(stage, "failed", "failed");
        pass(stage, SYSTEMD_SETTLE);
        systemd_unit_job_new(&stage->unit, 9); /* systemctl start: before there is a process */
        service(stage, 101, "success", 101, 2000, 0, 0, 0);
        state(stage, "activating", "start");
        service(stage, 0, "exit-code", 101, 2000, CLD_EXITED, 78, 0);
        CHECK_TOLD(stage, "ended 100 exit code=1 signal=0\n"
                          "failed failed/failed pid=0 n=0 exit-code\n"
                          "started 101 ordered\n"
                          "starting activating/start pid=101 n=0\n"
                          "ended 101 exit code=78 signal=0\n");
}

static void a_manual_restart_during_the_wait_is_ordered(void **cmocka)
{
        struct stage *stage = *cmocka;

        service(stage, 0, "signal", 100, 1000, CLD_KILLED, SIGKILL, 0);
        state(stage, "activating", "auto-restart");
        systemd_unit_job_new(&stage->unit, 9); /* the counter is kept, the wait cut short */
        service(stage, 101, "success", 101, 2000, 0, 0, 0);
        CHECK_TOLD(stage, "ended 100 signal code=0 signal=9\n"
                          "waiting activating/auto-restart pid=0 n=0 signal\n"
                          "started 101 ordered\n");
}

static void the_start_limit_is_named_although_systemd_keeps_the_last_cause(void **cmocka)
{
        struct stage *stage = *cmocka;

        for (uint32_t n = 0; n < 4; n++)
                play_crash_and_restart(stage, "exit-code", CLD_EXITED, 1, n);
        stage->told[0] = '\0';
        service(stage, 0, "exit-code", 104, 1004, CLD_EXITED, 1, 4);
        state(stage, "activating", "auto-restart");
        service(stage, 0, "exit-code", 104, 1004, CLD_EXITED, 1, 5);
        state(stage, "failed", "failed");
        CHECK_TOLD(stage, "ended 104 exit code=1 signal=0\n"
                          "waiting activating/auto-restart pid=0 n=4 exit-code\n");
        pass(stage, SYSTEMD_SETTLE);
        CHECK_TOLD(stage, "failed failed/failed pid=0 n=5 start-limit-hit\n");
}

static void a_failure_without_restart_keeps_its_own_cause(void **cmocka)
{
        struct stage *stage = *cmocka;

        service(stage, 0, "exit-code", 100, 1000, CLD_EXITED, 3, 0);
        state(stage, "failed", "failed");
        pass(stage, SYSTEMD_SETTLE - 1);
        CHECK_TOLD(stage, "ended 100 exit code=3 signal=0\n");
        pass(stage, 1);
        CHECK_TOLD(stage, "failed failed/failed pid=0 n=0 exit-code\n");
}

static void transient_states_are_not_told(void **cmocka)
{
        struct stage *stage = *cmocka;

        state(stage, "failed", "failed");
        pass(stage, USEC_PER_MSEC);
        state(stage, "inactive", "dead");
        pass(stage, USEC_PER_MSEC);
        state(stage, "active", "running");
        pass(stage, USEC_PER_SEC);
        CHECK_TOLD(stage, "");
}

static void lives_too_quick_to_be_seen_are_counted(void **cmocka)
{
        struct stage *stage = *cmocka;

        /* only the end of a next life is signalled: its start went by unseen, as did the end of the first */
        service(stage, 0, "exit-code", 101, 2000, CLD_EXITED, 1, 1);
        CHECK_TOLD(stage, "ended 100 unknown code=0 signal=0\n"
                          "started 101 by itself\n"
                          "ended 101 exit code=1 signal=0\n");
        /* the same pid again, but another life */
        service(stage, 101, "success", 101, 3000, 0, 0, 2);
        CHECK_TOLD(stage, "started 101 by itself\n");
}

static void a_handed_over_main_process_is_no_death(void **cmocka)
{
        struct stage *stage = *cmocka;

        service(stage, 150, "success", 150, 2000, 0, 0, 0); /* MAINPID= or a new PID file */
        CHECK_TOLD(stage, "ended 100 reload code=0 signal=0\n"
                          "started 150 ordered\n");
}

static struct systemd_change seen_again(pid_t pid, uint64_t started, uint32_t restarts)
{
        return (struct systemd_change){
                .has = UINT32_MAX & ~(1U << PROPERTY_JOB),
                .active = "active",
                .sub = "running",
                .freezer = "running",
                .result = "success",
                .main_pid = (uint32_t)pid,
                .exec_main_pid = (uint32_t)pid,
                .exec_main_started = started,
                .restarts = restarts,
                .start_limit_burst = 5,
        };
}

/* A restart of systemd's own would have counted, and an order sets the counter back. */
static void a_life_found_running_was_begun_by_hand_unless_it_was_restarted(void **cmocka)
{
        struct stage *stage = *cmocka;
        struct systemd_change restarted = seen_again(120, 2000, 3);

        systemd_unit_first(&stage->unit, "x.service", &restarted, false, stage->now, &stage->world);
        CHECK_TOLD(stage, "running active/running pid=120 n=3 first\n"
                          "started 120 by itself\n");
}

static void what_was_missed_while_blind_is_inferred_from_the_counter(void **cmocka)
{
        struct stage *stage = *cmocka;
        struct systemd_change same = seen_again(100, 1000, 0), died = seen_again(120, 2000, 3),
                              ordered = seen_again(130, 3000, 0);

        systemd_unit_change(&stage->unit, &same, true, stage->now, &stage->world);
        CHECK_TOLD(stage, "");
        systemd_unit_change(&stage->unit, &died, true, stage->now, &stage->world);
        pass(stage, USEC_PER_SEC);
        CHECK_TOLD(stage, "ended 100 unknown code=0 signal=0\n"
                          "started 120 by itself\n"
                          "running active/running pid=120 n=3\n");
        systemd_unit_change(&stage->unit, &ordered, true, stage->now, &stage->world);
        CHECK_TOLD(stage, "ended 120 manual code=0 signal=0\n"
                          "started 130 ordered\n");
}

static void a_reset_counter_is_told_once_and_is_the_new_baseline(void **cmocka)
{
        struct stage *stage = *cmocka;

        play_crash_and_restart(stage, "exit-code", CLD_EXITED, 1, 0);
        stage->told[0] = '\0';
        service(stage, 101, "success", 101, 1001, 0, 0, 0);
        pass(stage, USEC_PER_SEC);
        CHECK_TOLD(stage, "running active/running pid=101 n=0\n");
        play_crash_and_restart(stage, "exit-code", CLD_EXITED, 1, 0);
        CHECK_TOLD(stage, "ended 101 exit code=1 signal=0\n"
                          "waiting activating/auto-restart pid=0 n=0 exit-code\n"
                          "started 102 by itself\n"
                          "running active/running pid=102 n=1\n");
}

static void a_frozen_unit_claims_to_be_frozen(void **cmocka)
{
        struct stage *stage = *cmocka;
        struct systemd_change change = { .has = 1 << PROPERTY_FREEZER_STATE, .freezer = "frozen" };

        systemd_unit_change(&stage->unit, &change, false, stage->now, &stage->world);
        pass(stage, USEC_PER_SEC);
        CHECK_TOLD(stage, "frozen active/running pid=100 n=0\n");
}

static void a_unit_that_is_gone_ends_what_ran(void **cmocka)
{
        struct stage *stage = *cmocka;

        systemd_unit_gone(&stage->unit, stage->now, &stage->world);
        CHECK_TOLD(stage, "ended 100 unknown code=0 signal=0\n"
                          "gone gone pid=0 n=0\n");
}

static void words_that_systemd_never_uses_do_no_harm(void **cmocka)
{
        struct stage *stage = *cmocka;

        state(stage, "a-state-of-a-far-future-systemd-with-a-long-name", "\x1b[31mred");
        pass(stage, SYSTEMD_SETTLE);
        CHECK_TOLD(stage, "unknown a-state-of-a-far-future/?[31mred pid=100 n=0\n");
}

static void what_a_new_unit_counted_before_we_read_it_happened_before_our_eyes(void **state)
{
        struct stage *stage = *state;
        struct systemd_change change = {
                .has = 1 << PROPERTY_ACTIVE_STATE | 1 << PROPERTY_SUB_STATE | 1 << PROPERTY_RESULT |
                       1 << PROPERTY_N_RESTARTS,
                .active = "failed",
                .sub = "failed",
                .result = "exit-code",
                .restarts = 5,
        };

        systemd_unit_first(&stage->unit, "x.service", &change, true, stage->now, &stage->world);
        CHECK_TOLD(stage, "starting inactive/dead pid=0 n=0 first\n"
                          "failed failed/failed pid=0 n=5 exit-code\n");
        systemd_unit_first(&stage->unit, "x.service", &change, false, stage->now, &stage->world);
        CHECK_TOLD(stage, "failed failed/failed pid=0 n=5 exit-code first\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_crash_and_systemds_restart_are_one_end_and_one_start, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(the_cause_comes_from_the_result, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_ordered_restart_is_manual_and_its_start_is_ordered, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(an_ordered_end_during_a_package_run_is_the_packages, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_ordered_stop_that_takes_too_long_is_still_ordered, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_crash_while_an_order_still_waits_is_a_crash, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_process_that_dies_while_it_starts_died, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_manual_restart_during_the_wait_is_ordered, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_start_limit_is_named_although_systemd_keeps_the_last_cause, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_failure_without_restart_keeps_its_own_cause, set_up, tear_down),
                cmocka_unit_test_setup_teardown(transient_states_are_not_told, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lives_too_quick_to_be_seen_are_counted, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_handed_over_main_process_is_no_death, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_life_found_running_was_begun_by_hand_unless_it_was_restarted, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(what_was_missed_while_blind_is_inferred_from_the_counter, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_reset_counter_is_told_once_and_is_the_new_baseline, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_frozen_unit_claims_to_be_frozen, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_unit_that_is_gone_ends_what_ran, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_a_new_unit_counted_before_we_read_it_happened_before_our_eyes,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(words_that_systemd_never_uses_do_no_harm, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
