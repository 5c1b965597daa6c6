/* An agent that grows: told, restarted while that helps, and left for a human when it does not. */
#include "sizes.h"

static struct actor *one_agent(struct world *world, uint64_t budget_mb, uint64_t ceiling_mb)
{
        struct rule *rule;
        struct actor *actor;

        world_init(world, 1);
        rule = world_rule(world, "thin", MANAGER_PM2, "*");
        rule->memory = (struct memory_limits){ budget_mb * MB, ceiling_mb * MB, MEMORY_OF_PROCESS };
        actor = world_add(world, "pm2:root/lily");
        world_judge(world);
        world_start(world);
        world_run(world, 15 * MIN);
        world_forget_trace(world);
        return actor;
}

static void above_the_ceiling_it_is_restarted(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 200);

        hold(&world, lily, 100, 2 * MIN);
        CHECK_TRACE(&world, "");
        hold(&world, lily, 214, 15 * S);
        hold(&world, lily, 60, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "1030.0s open inc-1 lily memory-ceiling: holds 214.0M, above its ceiling of 200.0M in 3 of 4 samples; its main process 1000 holds 214.0M\n"
                "1030.0s restart lily (heal)\n"
                "1090.0s resolve inc-1 lily memory-ceiling: below its ceiling, up for 1m\n");
        world_done(&world);
}

/* A peak between two garbage collections is no reason. */
static void one_large_sample_is_nothing(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 200);

        for (int n = 0; n < 100; n++) {
                hold(&world, lily, 100, 10 * S);
                hold(&world, lily, 300, 10 * S);
        }
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void the_third_time_within_an_hour_is_left_for_a_human(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 200);

        for (int n = 0; n < 3; n++) {
                hold(&world, lily, 60, 10 * S);
                hold(&world, lily, 214, 10 * S);
        }
        CHECK_TRACE(&world, "");
        /* and stays so for as long as it lasts */
        hold(&world, lily, 214, 3 * HOUR);
        CHECK_TRACE(
                &world,
                "960.0s open inc-1 lily memory-ceiling: holds 214.0M, above its ceiling of 200.0M in 3 of 4 samples; its main process 1000 holds 214.0M\n"
                "960.0s restart lily (heal)\n"
                "975.0s restart lily (heal)\n"
                "990.0s open inc-2 lily memory-leak: restarted 2 times within an hour, and left for a human now: holds 214.0M, above its ceiling of 200.0M in 3 of 3 samples; its main process 1002 holds 214.0M\n"
                "990.0s resolve inc-1 lily memory-ceiling: is a memory-leak, see inc-2\n");
        world_human(&world, lily, ACTION_RESTART);
        hold(&world, lily, 60, 2 * HOUR);
        CHECK_TRACE(&world, "11820.0s resolve inc-2 lily memory-leak: below its ceiling, up for 1m\n");
        world_done(&world);
}

static void a_budget_is_told_and_nothing_is_done(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 65, 200);

        hold(&world, lily, 80, HOUR);
        CHECK_TRACE(
                &world,
                "910.0s open inc-1 lily memory-budget: holds 80.0M, above its budget of 65.0M in 3 of 3 samples; its main process 1000 holds 80.0M\n");
        hold(&world, lily, 60, HOUR);
        CHECK_TRACE(&world, "5095.0s resolve inc-1 lily memory-budget: not above its budget of 65.0M for 10m\n");
        world_done(&world);
}

static void what_a_human_acknowledged_is_told_again_only_after_it_was_over(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 65, 200);

        hold(&world, lily, 80, MIN);
        world_ask(&world, "", ASK_ACKNOWLEDGE, 1);
        hold(&world, lily, 80, HOUR);
        CHECK_TRACE(
                &world,
                "910.0s open inc-1 lily memory-budget: holds 80.0M, above its budget of 65.0M in 3 of 3 samples; its main process 1000 holds 80.0M\n"
                "960.0s resolve inc-1 lily memory-budget: acknowledged by a human\n");
        hold(&world, lily, 60, HOUR);
        hold(&world, lily, 80, MIN);
        CHECK_TRACE(
                &world,
                "8170.0s open inc-2 lily memory-budget: holds 80.0M, above its budget of 65.0M in 3 of 4 samples; its main process 1000 holds 80.0M\n");
        world_done(&world);
}

/* A child that takes a lot for a minute is its parent's business. */
static void a_tree_is_given_more_time_than_a_process(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 200);

        world.rules[0].memory.of = MEMORY_OF_TREE;
        for (int n = 0; n < 12; n++) {
                sample_of(&world, lily, (n < 4 ? 300 : 80) * MB, MEMORY_OF_TREE);
                world_run(&world, 15 * S);
        }
        CHECK_TRACE(&world, "");
        for (int n = 0; n < 8; n++) {
                sample_of(&world, lily, 300 * MB, MEMORY_OF_TREE);
                world_run(&world, 15 * S);
        }
        CHECK_TRACE(
                &world,
                "1155.0s open inc-1 lily memory-ceiling: holds 300.0M, above its ceiling of 200.0M in 6 of 7 samples (of its tree); its main process 1000 holds 300.0M\n"
                "1155.0s restart lily (heal)\n");
        world_done(&world);
}

/* PM2's max_memory_restart is the app's own affair: planned, and no death. */
static void the_apps_own_limit_is_respected(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 200);

        for (int n = 0; n < 6; n++) {
                hold(&world, lily, 150, 30 * S);
                world_ends(&world, lily->id, 0, lily->pid, ENDING_MEMORY, 0);
                lily->pid += 1000;
                world_begins(&world, lily->id, 0, lily->pid, false);
        }
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void a_human_who_just_acted_goes_first(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 200);

        world_human(&world, lily, ACTION_RESTART);
        hold(&world, lily, 214, MIN);
        CHECK_TRACE(
                &world,
                "915.0s open inc-1 lily memory-ceiling: holds 214.0M, above its ceiling of 200.0M in 3 of 3 samples; its main process 1001 holds 214.0M\n"
                "915.0s withhold restart lily (human): a human acted on it in the last 10m\n");
        hold(&world, lily, 214, 9 * MIN);
        hold(&world, lily, 60, 2 * MIN);
        CHECK_TRACE(&world, "1500.0s restart lily (heal)\n"
                            "1560.0s resolve inc-1 lily memory-ceiling: below its ceiling, up for 1m\n");
        world_done(&world);
}

static void instances_are_restarted_one_after_the_other(void **state)
{
        struct world world;
        struct actor *lily[2] = { one_agent(&world, 0, 200), NULL };

        lily[1] = world_add(&world, "pm2:root/lily");
        world_human(&world, lily[1], ACTION_START);
        world_run(&world, 15 * MIN);
        world_forget_trace(&world);
        for (int n = 0; n < 40; n++) {
                sample_of(&world, lily[0], (n < 3 ? 214 : 60) * MB, MEMORY_OF_PROCESS);
                sample_of(&world, lily[1], (n < 14 ? 214 : 60) * MB, MEMORY_OF_PROCESS);
                world_run(&world, 5 * S);
        }
        CHECK_TRACE(
                &world,
                "1810.0s open inc-1 lily memory-ceiling: holds 214.0M, above its ceiling of 200.0M in 3 of 3 samples; its main process 1000 holds 214.0M\n"
                "1810.0s restart lily (heal)\n"
                "1870.0s restart lily (heal)\n"
                "1930.0s resolve inc-1 lily memory-ceiling: below its ceiling, up for 1m\n");
        world_done(&world);
}

static void it_is_only_told_where_the_rule_observes(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 200);

        world.rules[0].mode = MODE_OBSERVE;
        hold(&world, lily, 214, 3 * HOUR);
        CHECK_TRACE(
                &world,
                "910.0s open inc-1 lily memory-ceiling: holds 214.0M, above its ceiling of 200.0M in 3 of 3 samples; its main process 1000 holds 214.0M\n"
                "910.0s would restart lily (heal)\n");
        hold(&world, lily, 60, 3 * MIN);
        CHECK_TRACE(&world, "11705.0s resolve inc-1 lily memory-ceiling: below its ceiling, up for 4h 15m\n");
        world_done(&world);
}

/* What it was told before the daemon went is still known when it is back. */
static void the_restarts_are_remembered(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 200);

        for (int n = 0; n < 3; n++) {
                hold(&world, lily, 60, 3 * MIN);
                hold(&world, lily, 214, n < 2 ? 15 * S : MIN);
                world_run(&world, MIN);
                world_leave(&world);
                world_run(&world, S);
                world_return(&world);
                world_run(&world, MIN);
        }
        CHECK_TRACE(
                &world,
                "1090.0s open inc-1 lily memory-ceiling: holds 214.0M, above its ceiling of 200.0M in 3 of 4 samples; its main process 1000 holds 214.0M\n"
                "1090.0s restart lily (heal)\n"
                "1150.0s resolve inc-1 lily memory-ceiling: below its ceiling, up for 1m\n"
                "1406.0s open inc-2 lily memory-ceiling: holds 214.0M, above its ceiling of 200.0M in 3 of 4 samples; its main process 1001 holds 214.0M\n"
                "1406.0s restart lily (heal)\n"
                "1466.0s resolve inc-2 lily memory-ceiling: below its ceiling, up for 1m\n"
                "1722.0s open inc-3 lily memory-leak: restarted 2 times within an hour, and left for a human now: holds 214.0M, above its ceiling of 200.0M in 3 of 4 samples; its main process 1002 holds 214.0M\n");
        world_done(&world);
}

/* ---- jumps and leaks ------------------------------------------------------------------------------------------------- */

/* From one size to another in so many minutes, with the teeth of a garbage collector. */
static void grow(struct world *world, struct actor *actor, uint64_t from_mb, uint64_t to_mb, unsigned minutes)
{
        for (unsigned n = 0; n < minutes; n++) {
                uint64_t mb = from_mb + (to_mb - from_mb) * n / minutes + n % 7 * 4;

                sample_of(world, actor, mb * MB, MEMORY_OF_PROCESS);
                world_run(world, MIN);
        }
}

static void a_leak_names_its_slope_and_when_it_meets_the_ceiling(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 200);

        grow(&world, lily, 60, 60, 600);
        grow(&world, lily, 60, 180, 40 * 60);
        CHECK_TRACE(
                &world,
                "68820.0s open inc-1 lily memory-leak: its process grows by 3.0M an hour for 11h 40m, and holds 86.0M now: its ceiling of 200.0M in about 1d 14h; most of it in process 1000\n");
        world_human(&world, lily, ACTION_RESTART);
        grow(&world, lily, 60, 60, 60);
        CHECK_TRACE(&world, "180900.0s resolve inc-1 lily memory-leak: no longer grows, or began anew\n");
        world_done(&world);
}

static void a_jump_names_from_where_and_is_over_when_it_comes_back(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 0);

        grow(&world, lily, 60, 60, 20 * 60);
        grow(&world, lily, 200, 200, 30 * 60);
        CHECK_TRACE(
                &world,
                "77220.0s open inc-1 lily memory-drift: its process jumped from 60.0M to 208.0M and stays there; most of it in process 1000\n");
        grow(&world, lily, 60, 60, 10 * 60);
        CHECK_TRACE(&world, "181620.0s resolve inc-1 lily memory-drift: came back, or began anew\n");
        world_done(&world);
}

/* Three megabytes an hour, in each life anew. */
static void a_leak_is_told_before_its_ceiling_ends_it(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 100);

        for (unsigned n = 0; n < 30 * 60; n++) {
                uint64_t mb = 60 + (world.now - lily->began) / (20 * MIN);

                sample_of(&world, lily, mb * MB, MEMORY_OF_PROCESS);
                world_run(&world, MIN);
        }
        CHECK_TRACE(
                &world,
                "36420.0s open inc-1 lily memory-leak: its process grows by 3.0M an hour for 9h, and holds 93.0M now: its ceiling of 100.0M in about 2h 20m; most of it in process 1000\n"
                "45720.0s open inc-2 lily memory-ceiling: holds 101.0M, above its ceiling of 100.0M in 3 of 4 samples; its main process 1000 holds 101.0M\n"
                "45720.0s restart lily (heal)\n"
                "45720.0s resolve inc-1 lily memory-leak: no longer grows, or began anew\n"
                "45780.0s resolve inc-2 lily memory-ceiling: below its ceiling, up for 1m\n"
                "85620.0s open inc-3 lily memory-leak: its process grows by 3.0M an hour for 9h, and holds 93.0M now: its ceiling of 100.0M in about 2h 20m; most of it in process 1001\n"
                "95100.0s open inc-4 lily memory-ceiling: holds 101.0M, above its ceiling of 100.0M in 3 of 4 samples; its main process 1001 holds 101.0M\n"
                "95100.0s restart lily (heal)\n"
                "95100.0s resolve inc-3 lily memory-leak: no longer grows, or began anew\n"
                "95160.0s resolve inc-4 lily memory-ceiling: below its ceiling, up for 1m\n");
        world_done(&world);
}

/* Teeth that reach above the ceiling again and again: what was left for a human stays so between them. */
static void a_tooth_that_falls_is_no_end_of_it(void **state)
{
        struct world world;
        struct actor *lily = one_agent(&world, 0, 100);

        for (unsigned n = 0; n < 12; n++) {
                hold(&world, lily, 110, 20 * MIN);
                hold(&world, lily, 60, 40 * MIN);
        }
        CHECK_TRACE(
                &world,
                "910.0s open inc-1 lily memory-ceiling: holds 110.0M, above its ceiling of 100.0M in 3 of 3 samples; its main process 1000 holds 110.0M\n"
                "910.0s restart lily (heal)\n"
                "925.0s restart lily (heal)\n"
                "940.0s open inc-2 lily memory-leak: restarted 2 times within an hour, and left for a human now: holds 110.0M, above its ceiling of 100.0M in 3 of 3 samples; its main process 1002 holds 110.0M\n"
                "940.0s resolve inc-1 lily memory-ceiling: is a memory-leak, see inc-2\n");
        hold(&world, lily, 60, 6 * HOUR);
        CHECK_TRACE(&world, "63305.0s resolve inc-2 lily memory-leak: below its ceiling, up for 17h 19m\n");
        world_done(&world);
}

/* ---- what the chain knows ------------------------------------------------------------------------------------------- */

static void samples_are_not_recorded_and_yet_all_is_decided_again(void **state)
{
        struct chain *chain = calloc(1, sizeof(*chain));
        struct world world;
        struct rule *rule;
        struct actor *lily;

        world_init(&world, 1);
        rule = world_rule(&world, "thin", MANAGER_PM2, "*");
        rule->memory = (struct memory_limits){ 65 * MB, 200 * MB, MEMORY_OF_PROCESS };
        lily = world_add(&world, "pm2:root/lily");
        world_judge(&world);
        chain_keep(chain, &world);
        world_start(&world);
        for (int n = 0; n < 4; n++) {
                hold(&world, lily, 60, 5 * MIN);
                hold(&world, lily, 80, 5 * MIN);
                hold(&world, lily, 214, n < 2 ? 15 * S : MIN);
        }
        world_human(&world, lily, ACTION_RESTART);
        hold(&world, lily, 60, 2 * HOUR);
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, S);
        chain_live_again(chain, &world);
        assert_int_equal(chain->samples, 0);
        assert_non_null(strstr(chain->decided, "left for a human"));
        assert_string_equal(chain->again, chain->decided);
        world_done(&world);
        free(chain);
}

/* The sums in the record are sizes; what they are held against, and what was told of them, is the policy's that rules now. */
static void another_policy_makes_its_own_of_the_recorded_sizes(void **state)
{
        struct chain *chain = calloc(1, sizeof(*chain));
        struct world world;
        struct rule *rule;
        struct actor *lily;

        world_init(&world, 1);
        rule = world_rule(&world, "thin", MANAGER_PM2, "*");
        rule->memory = (struct memory_limits){ 65 * MB, 200 * MB, MEMORY_OF_PROCESS };
        lily = world_add(&world, "pm2:root/lily");
        world_judge(&world);
        chain_keep(chain, &world);
        world_start(&world);
        hold(&world, lily, 80, 5 * MIN);
        hold(&world, lily, 214, 15 * S);
        hold(&world, lily, 60, HOUR);
        assert_non_null(strstr(chain->decided, "above its budget of 65.0M"));
        assert_non_null(strstr(chain->decided, "above its ceiling of 200.0M"));
        rule->memory = (struct memory_limits){ 250 * MB, 300 * MB, MEMORY_OF_PROCESS };
        chain_live_again(chain, &world);
        assert_string_equal(chain->again, "");
        world_done(&world);
        free(chain);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(above_the_ceiling_it_is_restarted),
                cmocka_unit_test(one_large_sample_is_nothing),
                cmocka_unit_test(the_third_time_within_an_hour_is_left_for_a_human),
                cmocka_unit_test(a_budget_is_told_and_nothing_is_done),
                cmocka_unit_test(what_a_human_acknowledged_is_told_again_only_after_it_was_over),
                cmocka_unit_test(a_tree_is_given_more_time_than_a_process),
                cmocka_unit_test(the_apps_own_limit_is_respected),
                cmocka_unit_test(a_human_who_just_acted_goes_first),
                cmocka_unit_test(instances_are_restarted_one_after_the_other),
                cmocka_unit_test(it_is_only_told_where_the_rule_observes),
                cmocka_unit_test(the_restarts_are_remembered),
                cmocka_unit_test(a_leak_names_its_slope_and_when_it_meets_the_ceiling),
                cmocka_unit_test(a_jump_names_from_where_and_is_over_when_it_comes_back),
                cmocka_unit_test(a_leak_is_told_before_its_ceiling_ends_it),
                cmocka_unit_test(a_tooth_that_falls_is_no_end_of_it),
                cmocka_unit_test(samples_are_not_recorded_and_yet_all_is_decided_again),
                cmocka_unit_test(another_policy_makes_its_own_of_the_recorded_sizes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
