/* Loops of every kind that the managers call "online" or "active", and what becomes of them. */
#include "story.h"

static void a_three_second_looper_is_named_slowed_and_quarantined(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 1);
        for (int n = 0; n < 10; n++) {
                char id[64];
                snprintf(id, sizeof(id), "pm2:root/healthy-%d", n);
                world_add(&world, id);
        }
        struct actor *lily = world_add(&world, "pm2:root/lily");
        lily->life = 3 * S;
        lily->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 90 * S);
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s stop lily (backoff)\n"
                "74.0s start lily (backoff)\n"
                "77.1s stop lily (quarantine)\n");
        assert_int_equal(story_view(&world, "pm2:root/lily").effective, EFFECTIVE_QUARANTINED);
        assert_false(lily->up);

        /* somebody mends it; the trial shows that */
        lily->ill_until = world.now;
        world_run_until(&world, 1 * HOUR);
        CHECK_TRACE(&world, "998.1s start lily (trial)\n"
                            "1008.2s resolve inc-1 lily crash-loop: healthy: up for 10s\n");
        assert_true(lily->up);
        assert_int_equal(story_view(&world, "pm2:root/lily").effective, EFFECTIVE_RUNNING);
        world_done(&world);
}

static void three_failed_trials_end_with_a_human(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 2);
        for (int n = 0; n < 4; n++)
                world_add(&world, (const char *[]){ "systemd:a.service", "systemd:b.service", "systemd:c.service",
                                                    "systemd:d.service" }[n]);
        world.actors[0].life = 3 * S;
        world.actors[0].ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 6 * HOUR);
        CHECK_TRACE(
                &world,
                "71.0s open inc-1 a crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "71.0s stop a (backoff)\n"
                "76.6s start a (backoff)\n"
                "79.6s stop a (quarantine)\n"
                "1008.4s start a (trial)\n"
                "1011.4s stop a (quarantine)\n"
                "2735.9s start a (trial)\n"
                "2739.0s stop a (quarantine)\n"
                "5898.9s start a (trial)\n"
                "5901.9s stop a (quarantine)\n"
                "5902.0s worsen inc-1 a crash-loop: three trials failed; stays in quarantine until a human releases it\n");
        assert_false(world.actors[0].up);

        world.actors[0].ill_until = world.now;
        world_ask(&world, "systemd:a.service", ASK_RELEASE, 0);
        world_run(&world, 5 * MIN);
        CHECK_TRACE(&world, "21600.0s start a (asked)\n"
                            "21610.0s resolve inc-1 a crash-loop: healthy: up for 10s\n");
        assert_true(world.actors[0].up);
        world_done(&world);
}

static void healthy_for_long_and_then_crashing_at_once_is_a_hot_loop(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 3);
        world_add(&world, "pm2:root/calm");
        struct actor *hot = world_add(&world, "pm2:root/hot");
        hot->life = 150 * MS;
        hot->ill_from = world.now + 20 * S;
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 40 * S);
        CHECK_TRACE(
                &world,
                "20.4s open inc-1 hot crash-loop: 3 deaths in 1m (more than 2), each lived about 148ms, last exit code 1\n"
                "30.1s open inc-2 hot hot-loop: 65 deaths in the last 10s without a pause (over one a second), each lived about 148ms, last exit code 1\n"
                "30.1s resolve inc-1 hot crash-loop: is a hot-loop, see inc-2\n"
                "30.1s stop hot (backoff)\n"
                "34.4s start hot (backoff)\n"
                "34.6s stop hot (quarantine)\n");
        assert_int_equal(story_view(&world, "pm2:root/hot").effective, EFFECTIVE_QUARANTINED);
        world_done(&world);
}

static void immediate_exit_from_the_start_is_given_up_by_pm2_and_restarted_slowly(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 4);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 60 * S);
        /* `pm2 restart` after a bad deploy is a human's; what follows is not */
        lily->life = 150 * MS;
        lily->ill_from = world.now;
        lily->ill_until = world.now + 15 * MIN;
        world_human(&world, lily, ACTION_RESTART);
        world_run_until(&world, 70 * S);
        CHECK_TRACE(
                &world,
                "60.4s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 148ms, last exit code 1\n"
                "62.4s worsen inc-1 lily crash-loop: 16 deaths since it began; 16 deaths in 1m (more than 2), each lived about 148ms, last exit code 1\n"
                "62.4s withhold start lily (human): a human acted on it in the last 10m\n");
        assert_int_equal(lily->claimed, CLAIMED_FAILED);
        assert_int_equal(story_view(&world, "pm2:root/lily").effective, EFFECTIVE_CRASH_LOOPING);
        world_run_until(&world, 30 * MIN);
        CHECK_TRACE(&world, "664.7s start lily (backoff)\n"
                            "664.9s stop lily (quarantine)\n"
                            "1744.0s start lily (trial)\n"
                            "1754.0s resolve inc-1 lily crash-loop: healthy: up for 10s\n");
        assert_true(lily->up);
        world_done(&world);
}

static void restart_delay_hides_a_loop_from_pm2_and_not_from_us(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 5);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        lily->life = 3 * S;
        lily->restart_delay = 4 * S;
        lily->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 80 * S);
        CHECK_TRACE(
                &world,
                "77.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "77.0s stop lily (backoff)\n");
        world_done(&world);
}

static void systemd_restarting_for_ever_is_a_crash_loop(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 6);
        struct actor *unit = world_add(&world, "systemd:agent-x.service");
        unit->life = 3 * S;
        unit->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 75 * S);
        CHECK_TRACE(
                &world,
                "71.0s open inc-1 agent-x crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "71.0s stop agent-x (backoff)\n");
        world_done(&world);
}

static void in_observe_mode_the_ladder_is_told_once_and_nothing_is_done(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 7);
        world.policy.fallback.mode = MODE_OBSERVE;
        struct actor *lily = world_add(&world, "pm2:root/lily");
        lily->life = 3 * S;
        lily->ill_from = world.now + 60 * S;
        lily->ill_until = world.now + 1 * HOUR;
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 2 * HOUR);
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s would stop lily (backoff)\n"
                "73.2s would stop lily (quarantine)\n"
                "90.0s worsen inc-1 lily crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "360.4s worsen inc-1 lily crash-loop: 100 deaths since it began; 20 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "3064.9s worsen inc-1 lily crash-loop: 1000 deaths since it began; 20 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "3609.8s resolve inc-1 lily crash-loop: healthy: up for 10s\n");
        world_done(&world);
}

static void a_slow_loop_is_found_by_the_longer_window(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 8);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        lily->life = 2 * MIN - 5 * S;
        lily->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 12 * MIN);
        CHECK_TRACE(
                &world,
                "635.0s open inc-1 lily crash-loop: 5 deaths in 10m (more than 4), each lived about 1m 54s, last exit code 1\n"
                "635.0s stop lily (backoff)\n"
                "639.6s start lily (backoff)\n");
        world_done(&world);
}

static void a_counter_high_at_first_sight_is_a_finding_until_it_is_reset(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 9);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        lily->restarts = 643;
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 60 * S);
        CHECK_TRACE(&world, "0.0s open inc-1 lily high-restarts: 643 restarts before we came\n");
        assert_int_equal(story_view(&world, "pm2:root/lily").restarts, 643);
        world_lists(&world, "pm2:root/lily", 0, CLAIMED_RUNNING, "online", lily->pid, 0, false);
        world_run(&world, 60 * S);
        CHECK_TRACE(&world, "60.0s resolve inc-1 lily high-restarts: its counter was reset\n");
        world_done(&world);
}

static void restarts_that_only_the_counter_saw_are_counted_once(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 10);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 60 * S);
        world_lists(&world, "pm2:root/lily", 0, CLAIMED_RUNNING, "online", lily->pid, 5, false);
        world_run(&world, 30 * S);
        world_lists(&world, "pm2:root/lily", 0, CLAIMED_RUNNING, "online", lily->pid, 5, false);
        world_run(&world, 60 * S);
        CHECK_TRACE(&world,
                    "62.0s open inc-1 lily crash-loop: 5 deaths in 1m (more than 2), last for a reason nobody told\n");
        assert_int_equal(story_view(&world, "pm2:root/lily").windows[2].n, 5);
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_three_second_looper_is_named_slowed_and_quarantined),
                cmocka_unit_test(three_failed_trials_end_with_a_human),
                cmocka_unit_test(healthy_for_long_and_then_crashing_at_once_is_a_hot_loop),
                cmocka_unit_test(immediate_exit_from_the_start_is_given_up_by_pm2_and_restarted_slowly),
                cmocka_unit_test(restart_delay_hides_a_loop_from_pm2_and_not_from_us),
                cmocka_unit_test(systemd_restarting_for_ever_is_a_crash_loop),
                cmocka_unit_test(in_observe_mode_the_ladder_is_told_once_and_nothing_is_done),
                cmocka_unit_test(a_slow_loop_is_found_by_the_longer_window),
                cmocka_unit_test(a_counter_high_at_first_sight_is_a_finding_until_it_is_reset),
                cmocka_unit_test(restarts_that_only_the_counter_saw_are_counted_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
