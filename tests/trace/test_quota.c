/* An agent that is too much of a burden is held to its quota, and let go when it wants less: or as soon as that harms. */
#include "judge/rein.h"
#include "loads.h"

static const struct cpu_limits half = { .above_percent = 50, .lasting = 10 * MIN, .quota_percent = 20 };

static struct user lily_alone(struct world *world)
{
        return user_alone(world, "systemd:lily.service", &half);
}

static void what_wants_too_much_is_held_until_it_wants_less(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        user_use(&world, &lily, 100, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its cgroup used 100.0% of one CPU over 10m, above its limit of 50% for 10m\n"
                "1515.0s limit lily (heal)\n");
        assert_true(lily.actor->limited);
        user_use(&world, &lily, 15, 15 * MIN);
        CHECK_TRACE(&world, "8415.0s resolve inc-1 lily cpu-sustained: back to 17.5% of one CPU over 10m 15s\n"
                            "8415.0s unlimit lily (undo)\n");
        assert_false(lily.actor->limited);
        user_use(&world, &lily, 40, HOUR);
        user_use(&world, &lily, 100, 15 * MIN);
        CHECK_TRACE(
                &world,
                "13035.0s open inc-2 lily cpu-sustained: its cgroup used 83.5% of one CPU over 10m, above its limit of 50% for 10m\n"
                "13035.0s limit lily (heal)\n");
        world_done(&world);
}

static void it_is_only_told_where_the_rule_observes(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        world.rules[0].mode = MODE_OBSERVE;
        user_use(&world, &lily, 100, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its cgroup used 100.0% of one CPU over 10m, above its limit of 50% for 10m\n"
                "1515.0s would limit lily (heal)\n");
        assert_false(lily.actor->limited);
        world_done(&world);
}

static void an_app_is_not_held_and_the_way_out_is_told(void **state)
{
        struct world world;
        struct user lily = user_alone(&world, "pm2:root/lily", &half);

        user_use(&world, &lily, 100, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its process used 100.0% of one CPU over 10m, above its limit of 50% for 10m\n"
                "1515.0s withhold limit lily (shared): PM2 apps share one control group with their PM2: a CPU quota needs a unit of its own (govctl limits lily)\n");
        world_done(&world);
}

static void humans_go_first(void **state)
{
        static const struct cpu_limits soon = { .above_percent = 50, .lasting = 2 * MIN, .quota_percent = 20 };
        struct world world;
        struct user lily = user_alone(&world, "systemd:lily.service", &soon);

        world_ask(&world, lily.actor->id, ASK_RESTART, 0);
        user_use(&world, &lily, 100, 20 * MIN);
        CHECK_TRACE(
                &world,
                "900.0s restart lily (asked)\n"
                "1035.0s open inc-1 lily cpu-sustained: its cgroup used 100.0% of one CPU over 2m, above its limit of 50% for 2m\n"
                "1035.0s withhold limit lily (human): a human acted on it in the last 10m\n"
                "1500.0s limit lily (heal)\n");
        world_done(&world);
}

/* A choked agent dies: that is laid at the quota's door, and not tried again. */
static void one_that_dies_of_it_is_let_go(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        lily.actor->choked = 2 * MIN;
        user_use(&world, &lily, 100, HOUR);
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its cgroup used 100.0% of one CPU over 10m, above its limit of 50% for 10m\n"
                "1515.0s limit lily (heal)\n"
                "1635.0s unlimit lily (undo)\n");
        assert_false(lily.actor->limited);
        user_use(&world, &lily, 5, HOUR);
        lily.actor->choked = 0;
        user_use(&world, &lily, 100, 15 * MIN);
        CHECK_TRACE(
                &world,
                "4860.0s resolve inc-1 lily cpu-sustained: back to 43.0% of one CPU over 10m\n"
                "8595.0s open inc-2 lily cpu-sustained: its cgroup used 83.4% of one CPU over 10m, above its limit of 50% for 10m\n"
                "8595.0s limit lily (heal)\n");
        world_done(&world);
}

static void what_cannot_be_set_is_not_tried_again_and_again(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        world.deaf = true;
        user_use(&world, &lily, 100, 5 * HOUR);
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its cgroup used 100.0% of one CPU over 10m, above its limit of 50% for 10m\n"
                "1515.0s limit lily (heal)\n");
        world_done(&world);
}

/* Nobody said what came of it: it may be there, so it is taken back when its time comes, as often as that takes. */
static void an_answer_that_never_came_is_taken_for_done(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        world.faults.silent = 1000;
        user_use(&world, &lily, 100, 30 * MIN);
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its cgroup used 100.0% of one CPU over 10m, above its limit of 50% for 10m\n"
                "1515.0s limit lily (heal)\n");
        user_use(&world, &lily, 5, 20 * MIN);
        world.faults.silent = 0;
        user_use(&world, &lily, 5, 10 * MIN);
        CHECK_TRACE(&world, "3225.0s resolve inc-1 lily cpu-sustained: back to 16.9% of one CPU over 10m\n"
                            "3225.0s unlimit lily (undo)\n"
                            "3245.0s unlimit lily (undo)\n"
                            "3275.0s unlimit lily (undo)\n"
                            "3325.0s unlimit lily (undo)\n"
                            "3415.0s unlimit lily (undo)\n"
                            "3585.1s unlimit lily (undo)\n"
                            "3895.1s unlimit lily (undo)\n"
                            "4205.1s unlimit lily (undo)\n");
        assert_false(lily.actor->limited);
        world_done(&world);
}

static void a_closed_incident_lets_it_go(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        user_use(&world, &lily, 100, 15 * MIN);
        world_ask(&world, "", ASK_ACKNOWLEDGE, 1);
        user_use(&world, &lily, 100, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its cgroup used 100.0% of one CPU over 10m, above its limit of 50% for 10m\n"
                "1515.0s limit lily (heal)\n"
                "1800.0s resolve inc-1 lily cpu-sustained: acknowledged by a human\n"
                "1800.0s unlimit lily (undo)\n");
        assert_false(lily.actor->limited);
        world_done(&world);
}

static void whoever_disarms_lets_it_go(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        user_use(&world, &lily, 100, 15 * MIN);
        world_ask(&world, "", ASK_ENFORCE_OFF, 0);
        user_use(&world, &lily, 100, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its cgroup used 100.0% of one CPU over 10m, above its limit of 50% for 10m\n"
                "1515.0s limit lily (heal)\n"
                "1800.0s unlimit lily (undo)\n");
        assert_false(lily.actor->limited);
        world_done(&world);
}

static void another_policy_gives_another_quota_or_none(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        user_use(&world, &lily, 100, 15 * MIN);
        world_forget_trace(&world);
        world.rules[0].cpu.quota_percent = lily.quota = 30;
        judge_set_policy(world.judge, &world.policy);
        user_use(&world, &lily, 100, 15 * MIN);
        CHECK_TRACE(&world, "1800.0s unlimit lily (undo)\n"
                            "1800.0s limit lily (heal)\n");
        world.rules[0].cpu.quota_percent = lily.quota = 0;
        judge_set_policy(world.judge, &world.policy);
        user_use(&world, &lily, 100, 15 * MIN);
        CHECK_TRACE(&world, "2700.0s unlimit lily (undo)\n");
        assert_false(lily.actor->limited);
        world_done(&world);
}

static void its_owner_stopped_it(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        user_use(&world, &lily, 100, 15 * MIN);
        world_forget_trace(&world);
        world_human(&world, lily.actor, ACTION_STOP);
        world_run(&world, 5 * MIN);
        CHECK_TRACE(&world, "1804.5s resolve inc-1 lily cpu-sustained: it does not run any more\n"
                            "1804.5s unlimit lily (undo)\n");
        assert_false(lily.actor->limited);
        world_done(&world);
}

static void its_unit_is_removed(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        user_use(&world, &lily, 100, 15 * MIN);
        world_forget_trace(&world);
        world_human(&world, lily.actor, ACTION_STOP);
        world_lists(&world, lily.actor->id, 0, CLAIMED_GONE, "", 0, 0, false);
        world_run(&world, MIN);
        CHECK_TRACE(&world, "1800.0s resolve inc-1 lily cpu-sustained: it does not run any more\n"
                            "1800.0s unlimit lily (undo)\n");
        assert_false(judge_holds_quota(world.judge, lily.actor->id));
        world_done(&world);
}

static void tell_outcome(struct world *world, const struct actor *actor, uint64_t trial)
{
        struct fact fact = { .kind = FACT_OUTCOME,
                             .manager = actor->manager,
                             .agent = actor->id,
                             .instance = INSTANCE_ALL,
                             .outcome = { ACTION_UNLIMIT, PURPOSE_UNDO, OUTCOME_OK, "", trial } };

        world_send(world, &fact);
}

/* A trial that nobody remembers is none of it; a quota that somebody else took back is not argued about. */
static void what_others_take_back_is_not_set_again_at_once(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        user_use(&world, &lily, 100, 15 * MIN);
        world_forget_trace(&world);
        tell_outcome(&world, lily.actor, 99);
        assert_true(judge_holds_quota(world.judge, lily.actor->id));
        tell_outcome(&world, lily.actor, 0);
        assert_false(judge_holds_quota(world.judge, lily.actor->id));
        lily.actor->limited = false;
        user_use(&world, &lily, 100, HOUR);
        CHECK_TRACE(&world, "");
        user_use(&world, &lily, 5, 20 * MIN);
        user_use(&world, &lily, 100, 20 * MIN);
        CHECK_TRACE(
                &world,
                "5775.0s resolve inc-1 lily cpu-sustained: back to 43.5% of one CPU over 10m 30s\n"
                "7095.0s open inc-2 lily cpu-sustained: its cgroup used 83.4% of one CPU over 10m, above its limit of 50% for 10m\n"
                "7095.0s limit lily (heal)\n");
        world_done(&world);
}

static void it_survives_the_daemon_and_ends_with_the_machine(void **state)
{
        struct world world;
        struct user lily = lily_alone(&world);

        world_host(&world, HOUR);
        user_use(&world, &lily, 100, 15 * MIN);
        world_forget_trace(&world);
        world_leave(&world);
        user_use_unseen(&world, &lily, 20, MIN);
        world_return(&world);
        user_use(&world, &lily, 100, 15 * MIN);
        CHECK_TRACE(&world, "");
        assert_true(lily.actor->limited);
        world_leave(&world);
        world_run(&world, MIN);
        world_reboot(&world);
        lily.actor->limited = false; /* it stood in /run */
        world_return(&world);
        world_host(&world, 30 * S);
        user_use(&world, &lily, 100, 9 * MIN);
        CHECK_TRACE(&world, "");
        user_use(&world, &lily, 100, 5 * MIN);
        CHECK_TRACE(&world, "3435.0s limit lily (heal)\n");
        world_done(&world);
}

static void the_table_limits_when_off_and_lets_go_when_held(void **state)
{
        for (enum rein_state at = 0; at < REIN_N; at++)
                for (enum rein_input input = 0; input < REIN_INPUT_N; input++) {
                        const struct rein_cell *cell = &rein_table[at][input];

                        assert_true(cell->next < REIN_N);
                        assert_int_equal(cell->action == ACTION_LIMIT, cell->next == REIN_HOLDING);
                        assert_int_equal(cell->action == ACTION_UNLIMIT, cell->next == REIN_LETTING);
                        if (cell->action == ACTION_LIMIT)
                                assert_true(at == REIN_OFF && input == REIN_INPUT_WANT);
                        if (cell->action == ACTION_UNLIMIT)
                                assert_true(at == REIN_HELD && input == REIN_INPUT_OVER);
                        if (at == REIN_BLANK)
                                assert_int_equal(cell->next, REIN_BLANK);
                        /* what may stand there is not forgotten */
                        if (cell->next == REIN_OFF)
                                assert_true(input == REIN_INPUT_DONE || at == REIN_TOLD);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_wants_too_much_is_held_until_it_wants_less),
                cmocka_unit_test(it_is_only_told_where_the_rule_observes),
                cmocka_unit_test(an_app_is_not_held_and_the_way_out_is_told),
                cmocka_unit_test(humans_go_first),
                cmocka_unit_test(one_that_dies_of_it_is_let_go),
                cmocka_unit_test(what_cannot_be_set_is_not_tried_again_and_again),
                cmocka_unit_test(an_answer_that_never_came_is_taken_for_done),
                cmocka_unit_test(a_closed_incident_lets_it_go),
                cmocka_unit_test(whoever_disarms_lets_it_go),
                cmocka_unit_test(another_policy_gives_another_quota_or_none),
                cmocka_unit_test(its_owner_stopped_it),
                cmocka_unit_test(its_unit_is_removed),
                cmocka_unit_test(what_others_take_back_is_not_set_again_at_once),
                cmocka_unit_test(it_survives_the_daemon_and_ends_with_the_machine),
                cmocka_unit_test(the_table_limits_when_off_and_lets_go_when_held),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
