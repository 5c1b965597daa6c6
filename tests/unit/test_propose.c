/* Which limits are proposed, and why; which of somebody's own are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "judge/propose.h"

#define M ((uint64_t)1 << 20)

static struct rule rule_of(uint64_t budget, uint64_t ceiling)
{
        return (struct rule){ .name = "lily", .memory = { .budget_bytes = budget, .ceiling_bytes = ceiling } };
}

static struct limits defaults(void)
{
        struct limits limits = { .place = LIMITS_NOWHERE };

        limits_put(&limits, LIMIT_MEMORY_MAX, LIMIT_INFINITY);
        limits_put(&limits, LIMIT_OOM_POLICY, OOM_POLICY_STOP);
        return limits;
}

static struct proposal proposed(const struct rule *rule, const struct usage *usage)
{
        struct limits in_force = defaults();
        struct proposal proposal;

        propose(rule, usage, &in_force, &proposal);
        return proposal;
}

static void is_proposed(const struct proposal *proposal, const char *expected)
{
        char text[LIMITS_TEXT_MAX];

        assert_string_equal(limits_text(&proposal->limits, text), expected);
        for (enum limit limit = 0; limit < LIMIT_N; limit++) /* each in a line */
                if (limits_have(&proposal->limits, limit)) {
                        assert_true(strlen(proposal->why[limit]) > 0);
                        assert_null(strchr(proposal->why[limit], '\n'));
                }
        assert_int_equal(proposal->limits.place, LIMITS_TRIAL);
}

static void a_ceiling_is_governors_and_the_kernels_limits_stand_behind_it(void **state)
{
        const struct rule rule = rule_of(90 * M, 200 * M);
        const struct usage usage = {
                .memory_now = 41 * M, .span = USEC_PER_HOUR, .machine_bytes = 4096 * M, .machine_cpus = 2
        };
        struct proposal proposal = proposed(&rule, &usage);

        (void)state;
        is_proposed(&proposal, "MemoryHigh=220M MemoryMax=276M MemorySwapMax=0 OOMPolicy=kill");
        assert_non_null(strstr(proposal.why[LIMIT_MEMORY_HIGH], "a tenth above its ceiling of 200.0M"));
        assert_string_equal(proposal.advice, "");
}

static void history_counts_from_a_day_on(void **state)
{
        const struct rule rule = rule_of(0, 0);
        struct usage usage = { .memory_now = 41 * M,
                               .span = 6 * USEC_PER_DAY,
                               .memory_p999 = 60 * M,
                               .memory_most = 63 * M,
                               .cpu_most = 281,
                               .machine_cpus = 2 };
        struct proposal proposal = proposed(&rule, &usage);

        (void)state;
        is_proposed(&proposal, "MemoryHigh=92M MemoryMax=124M MemorySwapMax=0 CPUQuota=60% OOMPolicy=kill");
        assert_non_null(strstr(proposal.why[LIMIT_MEMORY_HIGH], "the 60.0M (p99.9, at most 63.0M) of the last 6d"));
        assert_non_null(strstr(proposal.why[LIMIT_CPU_QUOTA], "twice the 29%"));
        usage.span = USEC_PER_DAY - 1;
        proposal = proposed(&rule, &usage);
        is_proposed(&proposal, "");
        assert_non_null(strstr(proposal.advice, "no ceiling and no budget in its class, and 23h 59m of history"));
        assert_non_null(strstr(proposal.advice, "--memory-max SIZE"));
}

static void a_quota_of_the_rule_needs_no_history(void **state)
{
        struct rule rule = rule_of(0, 0);
        struct usage usage = { .machine_cpus = 2, .span = 6 * USEC_PER_DAY, .cpu_most = 281 };
        struct proposal proposal;

        (void)state;
        rule.cpu = (struct cpu_limits){ .above_percent = 50, .lasting = 10 * USEC_PER_MINUTE, .quota_percent = 25 };
        proposal = proposed(&rule, &usage);
        is_proposed(&proposal, "CPUQuota=25%");
        assert_non_null(strstr(proposal.why[LIMIT_CPU_QUOTA], "once it was above 50% for 10m"));
        usage.span = 0;
        proposal = proposed(&rule, &usage);
        is_proposed(&proposal, "CPUQuota=25%");
        rule.cpu.quota_percent = 200; /* all of them: it limits nothing, and would be refused above that */
        proposal = proposed(&rule, &usage);
        is_proposed(&proposal, "");
}

static void one_high_day_is_not_cut_off(void **state)
{
        const struct usage usage = { .span = 2 * USEC_PER_DAY, .memory_p999 = 50 * M, .memory_most = 300 * M };
        struct proposal proposal = proposed(NULL, &usage);

        (void)state;
        assert_true(proposal.limits.value[LIMIT_MEMORY_HIGH] >= 330 * M);
}

static void a_budget_alone_is_something_to_go_by(void **state)
{
        const struct rule rule = rule_of(65 * M, 0);
        const struct usage usage = { .memory_now = 30 * M };
        struct proposal proposal = proposed(&rule, &usage);

        (void)state;
        is_proposed(&proposal, "MemoryHigh=132M MemoryMax=168M MemorySwapMax=0 OOMPolicy=kill");
        assert_non_null(strstr(proposal.why[LIMIT_MEMORY_HIGH], "twice its budget of 65.0M"));
}

static void nothing_is_proposed_below_what_it_uses_now(void **state)
{
        const struct rule rule = rule_of(0, 200 * M);
        const struct usage usage = { .memory_now = 400 * M };
        struct proposal proposal = proposed(&rule, &usage);

        (void)state;
        is_proposed(&proposal, "MemoryHigh=500M MemoryMax=628M MemorySwapMax=0 OOMPolicy=kill");
        assert_non_null(strstr(proposal.why[LIMIT_MEMORY_HIGH], "it uses 400.0M now, with all its processes"));
}

static void the_kernel_never_kills_what_governor_would_restart(void **state)
{
        (void)state;
        for (uint64_t ceiling = M; ceiling < 64 * 1024 * M; ceiling = ceiling * 3 / 2 + M / 3) {
                const struct rule rule = rule_of(0, ceiling);
                const struct usage usage = { .memory_now = ceiling / 2 };
                struct proposal proposal = proposed(&rule, &usage);

                assert_true(proposal.limits.value[LIMIT_MEMORY_HIGH] > ceiling);
                assert_true(proposal.limits.value[LIMIT_MEMORY_MAX] > proposal.limits.value[LIMIT_MEMORY_HIGH]);
        }
}

static void what_somebody_chose_stays(void **state)
{
        const struct rule rule = rule_of(0, 200 * M);
        const struct usage usage = { .memory_now = 40 * M };
        struct limits in_force = defaults();
        struct proposal proposal;

        (void)state;
        limits_put(&in_force, LIMIT_OOM_POLICY, OOM_POLICY_CONTINUE);
        propose(&rule, &usage, &in_force, &proposal);
        assert_false(limits_have(&proposal.limits, LIMIT_OOM_POLICY));
}

static void limits_that_limit_nothing_are_not_proposed(void **state)
{
        const struct rule rule = rule_of(0, 3500 * M);
        const struct usage usage = { .memory_now = 3000 * M,
                                     .span = 2 * USEC_PER_DAY,
                                     .memory_p999 = 3 * M,
                                     .cpu_most = 1900,
                                     .machine_bytes = 4096 * M,
                                     .machine_cpus = 2 };
        struct proposal proposal = proposed(&rule, &usage);

        (void)state;
        is_proposed(&proposal, "");
        assert_non_null(strstr(proposal.advice, "all of the machine's 4.0G"));
}

static void what_would_end_it_at_once_is_refused(void **state)
{
        const struct usage usage = { .memory_now = 100 * M, .machine_cpus = 2 };
        struct limits limits = { .place = LIMITS_TRIAL };
        char why[PROPOSE_WHY_MAX];

        (void)state;
        assert_false(propose_allows(&limits, &usage, why));
        assert_string_equal(why, "there is nothing to limit");
        limits_put(&limits, LIMIT_MEMORY_MAX, 105 * M);
        assert_false(propose_allows(&limits, &usage, why));
        assert_string_equal(why, "it uses 100.0M now: with MemoryMax=105M it would be killed at once");
        limits_put(&limits, LIMIT_MEMORY_MAX, 120 * M);
        assert_true(propose_allows(&limits, &usage, why));
        limits_put(&limits, LIMIT_MEMORY_HIGH, 121 * M);
        assert_false(propose_allows(&limits, &usage, why));
        limits_put(&limits, LIMIT_MEMORY_HIGH, 90 * M);
        assert_false(propose_allows(&limits, &usage, why));
        assert_non_null(strstr(why, "stand still"));
        limits = (struct limits){ .place = LIMITS_TRIAL };
        for (unsigned quota = 0; quota <= 201; quota += 201) {
                limits_put(&limits, LIMIT_CPU_QUOTA, quota);
                assert_false(propose_allows(&limits, &usage, why));
                assert_string_equal(why, "CPUQuota is a share of one CPU from 1% to 200% here");
        }
        limits_put(&limits, LIMIT_CPU_QUOTA, 200);
        assert_true(propose_allows(&limits, &usage, why));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_ceiling_is_governors_and_the_kernels_limits_stand_behind_it),
                cmocka_unit_test(history_counts_from_a_day_on),
                cmocka_unit_test(a_quota_of_the_rule_needs_no_history),
                cmocka_unit_test(one_high_day_is_not_cut_off),
                cmocka_unit_test(a_budget_alone_is_something_to_go_by),
                cmocka_unit_test(nothing_is_proposed_below_what_it_uses_now),
                cmocka_unit_test(the_kernel_never_kills_what_governor_would_restart),
                cmocka_unit_test(what_somebody_chose_stays),
                cmocka_unit_test(limits_that_limit_nothing_are_not_proposed),
                cmocka_unit_test(what_would_end_it_at_once_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
