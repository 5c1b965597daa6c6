/* Each life is counted once, however its manager tells of it. */
#include <stdlib.h>

#include "story.h"

/* A judge that only counts, of one PM2 app that was there when it came. */
static struct judge *watch_lily(struct policy *policy, struct fact *fact, pid_t pid)
{
        struct judge_limits limits = { 4, 4, 4 };
        struct decisions decisions;
        struct judge *judge;

        *policy = (struct policy){ .discovered = true,
                                   .fallback = { .name = "",
                                                 .restarts = { { 60, 60 * S } },
                                                 .restarts_n = 1,
                                                 .heal = { .ladder = { RUNG_QUARANTINE }, .ladder_n = 1 } } };
        judge = judge_init(calloc(1, judge_size(&limits)), &limits, policy, 1);
        *fact = (struct fact){
                .kind = FACT_AGENT,
                .at = 1795000000 * S,
                .manager = MANAGER_PM2,
                .agent = "pm2:root/lily",
                .agent_is = { CLAIMED_RUNNING, "online", pid, 0, "", true },
        };
        judge_step(judge, fact, &decisions);
        return judge;
}

static struct agent_view view_at(struct judge *judge, usec_t now)
{
        struct fact tick = { .kind = FACT_TICK, .at = now, .agent = "" };
        struct decisions decisions;
        struct agent_view view;

        judge_step(judge, &tick, &decisions);
        judge_agent(judge, 0, now, &view);
        return view;
}

/* As PM2 really tells it: the counter first, then a beginning that lies a moment back. */
static void a_restart_that_is_told_a_moment_late_is_counted_once(void **state)
{
        struct policy policy;
        struct decisions decisions;
        struct fact fact;
        struct judge *judge = watch_lily(&policy, &fact, 68);
        usec_t now = fact.at;

        fact.kind = FACT_STARTED;
        fact.started = (typeof(fact.started)){ .pid = 68, .start = 68, .since = now - S };
        judge_step(judge, &fact, &decisions);
        for (int n = 1; n <= 10; n++) {
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
                view_at(judge, now + 2900000);
        }
        assert_int_equal(view_at(judge, now + 2900000).windows[0].n, 10);
        free(judge);
}

/* As PM2 tells of a hot loop on a busy machine: the process was gone before anybody knew its pid. */
static void ends_of_processes_that_nobody_saw_are_counted_too(void **state)
{
        struct policy policy;
        struct decisions decisions;
        struct fact fact;
        struct judge *judge = watch_lily(&policy, &fact, 0);
        usec_t now = fact.at;
        struct agent_view view;

        for (uint64_t n = 1; n <= 40; n++) {
                now += S / 10;
                fact.kind = FACT_ENDED, fact.at = now;
                fact.ended = (typeof(fact.ended)){ .ending = ENDING_EXIT, .code = 1 };
                judge_step(judge, &fact, &decisions);
                fact.kind = FACT_AGENT, fact.at = now + 7000;
                fact.agent_is = (typeof(fact.agent_is)){ CLAIMED_STARTING, "launching", 0, n, "", false };
                judge_step(judge, &fact, &decisions);
        }
        view = view_at(judge, now + 10 * S);
        assert_int_equal(view.windows[0].n, 40);
        assert_int_equal(view.last_code, 1);
        free(judge);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_restart_that_is_told_a_moment_late_is_counted_once),
                cmocka_unit_test(ends_of_processes_that_nobody_saw_are_counted_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
