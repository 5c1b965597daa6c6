/* Starts that nobody announced, of agents that people deploy: found, and not where something explains them. */
#include "story.h"

#define LILY "pm2:root/lily"

static struct actor *lily_lives(struct world *world)
{
        struct actor *lily;

        world_init(world, 1);
        world_rule(world, "all", MANAGER_PM2, "*")->heal.ladder_n = 0; /* only what is found matters here */
        lily = world_add(world, LILY);
        lily->life = 3 * S;
        world_add(world, "pm2:root/anna");
        world_judge(world);
        world_start(world);
        world_run(world, MIN);
        return lily;
}

/* An agent that people deploy by us, some days after they last did. */
static struct actor *lily_is_deployed(struct world *world)
{
        struct actor *lily = lily_lives(world);

        world_deploy(world, CHANGE_OPEN, 7, LILY, "release 12");
        world_human(world, lily, ACTION_RESTART);
        world_run(world, 2 * S);
        world_deploy(world, CHANGE_CLOSE, 7, LILY, "release 12");
        world_run(world, 72 * HOUR);
        CHECK_TRACE(world, "");
        return lily;
}

static void a_start_that_nobody_announced_is_a_finding(void **state)
{
        struct world world;
        struct actor *lily = lily_is_deployed(&world);

        (void)state;
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, MIN);
        CHECK_TRACE(&world,
                    "259265.0s open inc-1 lily unannounced-start: pm2 says that a start was ordered 3s ago; nobody "
                    "announced it, and the last deploy was 3d before that\n");
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, MIN);
        assert_non_null(strstr(world_trace(&world), "worsen inc-1 lily unannounced-start"));
        world_forget_trace(&world);
        world_remember(&world);
        world_ask(&world, "", ASK_PLANNED, 1);
        CHECK_TRACE(&world, "259382.0s resolve inc-1 lily unannounced-start: planned, says a human\n");
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, MIN);
        assert_non_null(strstr(world_trace(&world), "open inc-2 lily unannounced-start"));
        world_forget_trace(&world);
        world_deploy(&world, CHANGE_OPEN, 8, LILY, "release 13");
        world_deploy(&world, CHANGE_CLOSE, 8, LILY, "release 13");
        CHECK_TRACE(&world, "259442.0s resolve inc-2 lily unannounced-start: it was deployed since\n");
        world_done(&world);
}

static void an_agent_that_nobody_deploys_is_started_as_people_like(void **state)
{
        struct world world;
        struct actor *lily = lily_lives(&world);

        (void)state;
        world_human(&world, lily, ACTION_RESTART);
        world_human(&world, &world.actors[1], ACTION_RESTART);
        world_run(&world, MIN);
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void a_start_that_something_explains_is_none(void **state)
{
        struct world world;
        struct actor *lily = lily_is_deployed(&world);

        (void)state;
        world_die(&world, lily); /* its manager starts it again */
        world_run(&world, MIN);
        world_window(&world, CHANGE_OPEN, 9, LILY, 5 * MIN);
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, MIN);
        world_window(&world, CHANGE_CLOSE, 9, LILY, 0);
        world_planned(&world, "", ENDING_PACKAGE, MIN, "dpkg");
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, 5 * MIN);
        world_ask(&world, LILY, ASK_RESTART, 0); /* ours, for a human */
        world_run(&world, MIN);
        world_deploy(&world, CHANGE_OPEN, 10, LILY, "release 13");
        world_deploy(&world, CHANGE_CLOSE, 10, LILY, "release 13");
        world_run(&world, 30 * S);
        world_human(&world, lily, ACTION_RESTART); /* belongs to the deploy */
        world_run(&world, MIN);
        assert_null(strstr(world_trace(&world), "unannounced"));
        world_done(&world);
}

static void a_start_while_we_were_away_is_found_at_return(void **state)
{
        struct world world;
        struct actor *lily = lily_is_deployed(&world);

        (void)state;
        world_leave(&world);
        world_run(&world, MIN);
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, MIN);
        world_return(&world);
        world_run(&world, MIN);
        CHECK_TRACE(
                &world,
                "259392.0s open inc-1 lily unannounced-start: pm2 says that a start was ordered 1m 10s ago, while Governor "
                "was away; nobody announced it, and the last deploy was 3d before that\n");
        world_done(&world);
}

static void a_death_or_a_reboot_while_we_were_away_is_none(void **state)
{
        struct world world;
        struct actor *lily = lily_is_deployed(&world);

        (void)state;
        world_leave(&world);
        world_run(&world, MIN);
        world_die(&world, lily);
        world_run(&world, MIN);
        world_return(&world);
        world_run(&world, MIN);
        assert_null(strstr(world_trace(&world), "unannounced"));
        world_host(&world, 10 * HOUR);
        world_run(&world, MIN);
        world_leave(&world);
        world_run(&world, MIN);
        world_reboot(&world);
        lily->by_hand = true; /* to its manager, a boot is an order */
        world_run(&world, 3 * MIN);
        world_return(&world);
        world_host(&world, 3 * MIN);
        world_run(&world, MIN);
        assert_null(strstr(world_trace(&world), "unannounced"));
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_start_that_nobody_announced_is_a_finding),
                cmocka_unit_test(an_agent_that_nobody_deploys_is_started_as_people_like),
                cmocka_unit_test(a_start_that_something_explains_is_none),
                cmocka_unit_test(a_start_while_we_were_away_is_found_at_return),
                cmocka_unit_test(a_death_or_a_reboot_while_we_were_away_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
