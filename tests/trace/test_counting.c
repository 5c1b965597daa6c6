/* Each life is counted once, however its manager tells of it. */
#include <stdlib.h>

#include "story.h"

/* As PM2 really tells it: the counter first, then a beginning that lies a moment back. */
static void a_restart_that_is_told_a_moment_late_is_counted_once(void **state)
{
        struct policy policy = { .discovered = true,
                                 .fallback = { .name = "",
                                               .restarts = { { 30, 60 * S } },
                                               .restarts_n = 1,
                                               .heal = { .ladder = { RUNG_QUARANTINE }, .ladder_n = 1 } } };
        struct judge_limits limits = { 4, 4, 4 };
        void *memory = calloc(1, judge_size(&limits));
        struct judge *judge = judge_init(memory, &limits, &policy, 1);
        struct decisions decisions;
        struct agent_view view;
        usec_t now = 1795000000 * S;
        struct fact fact = { .manager = MANAGER_PM2, .agent = "pm2:root/lily" };

        fact.kind = FACT_AGENT, fact.at = now;
        fact.agent_is = (typeof(fact.agent_is)){ CLAIMED_RUNNING, "online", 68, 0, "", true };
        judge_step(judge, &fact, &decisions);
        fact.kind = FACT_STARTED;
        fact.started = (typeof(fact.started)){ .pid = 68, .start = 68, .since = now - S };
        judge_step(judge, &fact, &decisions);
        for (int n = 1; n <= 10; n++) {
                struct fact tick = { .kind = FACT_TICK, .agent = "" };

                now += 3 * S;
                fact.kind = FACT_ENDED, fact.at = now;
                fact.ended = (typeof(fact.ended)){
                        .pid = 67 + n, .start = 67 + (uint64_t)n, .ending = ENDING_EXIT, .code = 1
                };
                judge_step(judge, &fact, &decisions);
                fact.kind = FACT_AGENT, fact.at = now + 7000;
                fact.agent_is =
                        (typeof(fact.agent_is)){ CLAIMED_STARTING, "launching", 68 + n, (uint64_t)n, "", false };
                judge_step(judge, &fact, &decisions);
                fact.kind = FACT_STARTED, fact.at = now + 7001;
                fact.started = (typeof(fact.started)){ .pid = 68 + n, .start = 68 + (uint64_t)n, .since = now + 7000 };
                judge_step(judge, &fact, &decisions);
                tick.at = now + 2900000;
                judge_step(judge, &tick, &decisions);
        }
        judge_agent(judge, 0, now + 2900000, &view);
        assert_int_equal(view.windows[0].n, 10);
        free(memory);
}

/* As PM2 tells of a hot loop on a busy machine: the process was gone before anybody knew its pid. */
static void ends_of_processes_that_nobody_saw_are_counted_too(void **state)
{
        struct policy policy = { .discovered = true,
                                 .fallback = { .name = "",
                                               .restarts = { { 60, 60 * S } },
                                               .restarts_n = 1,
                                               .heal = { .ladder = { RUNG_QUARANTINE }, .ladder_n = 1 } } };
        struct judge_limits limits = { 4, 4, 4 };
        void *memory = calloc(1, judge_size(&limits));
        struct judge *judge = judge_init(memory, &limits, &policy, 1);
        struct decisions decisions;
        struct agent_view view;
        usec_t now = 1795000000 * S;
        struct fact fact = { .manager = MANAGER_PM2, .agent = "pm2:root/lily" };

        fact.kind = FACT_AGENT, fact.at = now;
        fact.agent_is = (typeof(fact.agent_is)){ CLAIMED_RUNNING, "online", 0, 0, "", true };
        judge_step(judge, &fact, &decisions);
        for (uint64_t n = 1; n <= 40; n++) {
                now += S / 10;
                fact.kind = FACT_ENDED, fact.at = now;
                fact.ended = (typeof(fact.ended)){ .ending = ENDING_EXIT, .code = 1 };
                judge_step(judge, &fact, &decisions);
                fact.kind = FACT_AGENT, fact.at = now + 7000;
                fact.agent_is = (typeof(fact.agent_is)){ CLAIMED_STARTING, "launching", 0, n, "", false };
                judge_step(judge, &fact, &decisions);
        }
        fact = (struct fact){ .kind = FACT_TICK, .at = now + 10 * S, .agent = "" };
        judge_step(judge, &fact, &decisions);
        judge_agent(judge, 0, fact.at, &view);
        assert_int_equal(view.windows[0].n, 40);
        assert_int_equal(view.last_code, 1);
        free(memory);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_restart_that_is_told_a_moment_late_is_counted_once),
                cmocka_unit_test(ends_of_processes_that_nobody_saw_are_counted_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
