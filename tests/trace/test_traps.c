/* The traps of the facts: what looks like a failure and is none, and what is one and looks well. */
#include "story.h"

#define LILY "pm2:root/lily"
#define UNIT "systemd:agent-lily.service"

static void a_human_restarting_is_no_death(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 1);
        struct actor *lily = world_add(&world, LILY), *unit = world_add(&world, UNIT);
        world_judge(&world);
        world_start(&world);
        for (int n = 0; n < 15; n++) {
                world_run(&world, 2 * S);
                world_human(&world, lily, ACTION_RESTART);
                world_human(&world, unit, ACTION_RESTART);
        }
        world_run(&world, 2 * S);
        world_human(&world, lily, ACTION_STOP);
        world_human(&world, unit, ACTION_STOP);
        world_run(&world, 1 * HOUR);
        CHECK_TRACE(&world, "");
        assert_int_equal(story_view(&world, LILY).effective, EFFECTIVE_STOPPED);
        assert_int_equal(story_view(&world, UNIT).effective, EFFECTIVE_STOPPED);
        world_done(&world);
}

static void a_package_run_restarts_everything_and_raises_nothing(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 2);
        for (int n = 0; n < 10; n++) {
                char id[64];
                snprintf(id, sizeof(id), "systemd:agent-%d.service", n);
                world_add(&world, id);
        }
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        world_planned(&world, "", ENDING_PACKAGE, 2 * MIN, "unattended-upgrades");
        for (int round = 0; round < 4; round++)
                for (int n = 0; n < 10; n++) {
                        world_run(&world, 1 * S);
                        if (round % 2)
                                world_human(&world, &world.actors[n], ACTION_RESTART); /* needrestart */
                        else
                                world_die(&world, &world.actors[n]); /* its library changed under it */
                }
        world_run(&world, 1 * HOUR);
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void a_reload_rolls_a_cluster_and_raises_nothing(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 3);
        for (int n = 0; n < 4; n++)
                world_add(&world, LILY);
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        for (int round = 0; round < 5; round++)
                for (uint32_t n = 0; n < 4; n++) {
                        pid_t old = 5000 + round * 10 + (pid_t)n;
                        /* the new worker comes first */
                        world_begins(&world, LILY, n, old + 10, false);
                        world_run(&world, 100 * MS);
                        world_ends(&world, LILY, n, round == 0 ? world.actors[n].pid : old, ENDING_RELOAD, 0);
                        world_run(&world, 100 * MS);
                }
        world_run(&world, 60 * S);
        CHECK_TRACE(&world, "");
        assert_int_equal(story_view(&world, LILY).instances, 4);
        world_done(&world);
}

static void one_looping_worker_of_a_cluster_is_taken_out_alone(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 4);
        for (int n = 0; n < 4; n++)
                world_add(&world, LILY);
        world.actors[2].life = 3 * S;
        world.actors[2].ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 2 * MIN);
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s stop lily (backoff)\n"
                "74.8s start lily (backoff)\n"
                "77.8s stop lily (quarantine)\n");
        assert_true(world.actors[0].up && world.actors[1].up && world.actors[3].up && !world.actors[2].up);
        world_done(&world);
}

static void waiting_restart_without_a_pid_is_dead(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 5);
        struct actor *lily = world_add(&world, LILY);
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        lily->up = false;
        world_ends(&world, LILY, 0, lily->pid, ENDING_EXIT, 1);
        world_lists(&world, LILY, 0, CLAIMED_WAITING, "waiting restart", 0, 1, false);
        world_run(&world, 20 * S);
        CHECK_TRACE(
                &world,
                "62.0s open inc-1 lily claimed-not-running: pm2 says \"waiting restart\", but there is no process, last exit code 1\n"
                "62.0s restart lily (heal)\n"
                "72.0s resolve inc-1 lily claimed-not-running: healthy: up for 10s\n");
        assert_true(lily->up);
        world_done(&world);
}

static void waiting_restart_with_the_dead_pid_only_waits(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 6);
        struct actor *lily = world_add(&world, LILY);
        lily->restart_delay = 40 * S;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        world_die(&world, lily);
        world_run(&world, 20 * S);
        assert_int_equal(story_view(&world, LILY).effective, EFFECTIVE_WAITING);
        world_run(&world, 60 * S);
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void claimed_online_without_a_process_is_dead(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 7);
        world.policy.fallback.mode = MODE_OBSERVE;
        struct actor *lily = world_add(&world, LILY);
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        lily->nobody_restarts = true;
        world_ends(&world, LILY, 0, lily->pid, ENDING_SIGNAL, 9);
        world_run(&world, 20 * S);
        CHECK_TRACE(
                &world,
                "64.5s open inc-1 lily claimed-not-running: pm2 says \"online\", but there is no process, last by signal 9\n"
                "64.5s would restart lily (heal)\n"
                "68.6s would stop lily (quarantine)\n");
        assert_int_equal(story_view(&world, LILY).effective, EFFECTIVE_DEAD);
        world_done(&world);
}

static void another_home_that_is_not_seen_hides_no_agent(void **state)
{
        struct fact fact = {
                .kind = FACT_SOURCE,
                .manager = MANAGER_PM2,
                .agent = "",
                .source = { .name = "pm2:root@/srv/b", .state = SOURCE_BLIND, .why = "hung", .suffixed = true },
        };
        struct world world;

        (void)state;
        world_init(&world, 8);
        world_judge(&world);
        world_send(&world, &fact);
        world_source(&world, "pm2:root@/root/.pm2", MANAGER_PM2, SOURCE_SEEING, "");
        world_lists(&world, LILY, 0, CLAIMED_RUNNING, "online", 500, 0, true);
        world_lists(&world, LILY "@/srv/b", 0, CLAIMED_RUNNING, "online", 501, 0, true);
        world_begins(&world, LILY, 0, 500, false);
        world_begins(&world, LILY "@/srv/b", 0, 501, false);
        assert_int_equal(story_view(&world, LILY).effective, EFFECTIVE_RUNNING);
        assert_int_equal(story_view(&world, LILY "@/srv/b").effective, EFFECTIVE_UNKNOWN);
        world_done(&world);
}

static void a_unit_that_starts_the_pm2_app_is_the_same_agent(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 8);
        world_judge(&world);
        world_source(&world, "pm2:root@/root/.pm2", MANAGER_PM2, SOURCE_SEEING, "");
        world_lists(&world, LILY, 0, CLAIMED_RUNNING, "online", 500, 0, true);
        world_begins(&world, LILY, 0, 500, false);
        world_lists(&world, UNIT, 0, CLAIMED_RUNNING, "active/running", 500, 0, true);
        world_begins(&world, UNIT, 0, 500, false);
        world_run(&world, 60 * S);
        /* two crashes; each time PM2 restarts it, then the unit does, and that ends PM2's new one */
        for (pid_t pid = 500; pid < 520; pid += 10) {
                world_ends(&world, LILY, 0, pid, ENDING_EXIT, 1);
                world_ends(&world, UNIT, 0, pid, ENDING_EXIT, 1);
                world_begins(&world, LILY, 0, pid + 5, false);
                world_run(&world, 1 * S);
                world_ends(&world, LILY, 0, pid + 5, ENDING_MANUAL, 0);
                world_begins(&world, LILY, 0, pid + 10, true);
                world_begins(&world, UNIT, 0, pid + 10, false);
                world_run(&world, 20 * S);
        }
        CHECK_TRACE(&world, "");
        assert_int_equal(judge_agents(world.judge), 1);
        assert_int_equal(story_view(&world, LILY).windows[0].n, 2);
        assert_string_equal(story_view(&world, LILY).via, "agent-lily.service");
        world_done(&world);
}

static void a_dependent_dragged_along_is_told_with_its_base(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 9);
        struct actor *base = world_add(&world, "systemd:base.service");
        struct actor *web = world_add(&world, "systemd:web.service");
        for (int n = 0; n < 8; n++) {
                char id[64];
                snprintf(id, sizeof(id), "systemd:other-%d.service", n);
                world_add(&world, id);
        }
        web->base = 0;
        web->dependency = DEPENDENCY_REQUIRES;
        base->life = 3 * S;
        base->ill_from = world.now + 60 * S;
        base->ill_until = world.now + 10 * MIN;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 1 * HOUR);
        CHECK_TRACE(
                &world,
                "71.0s open inc-1 base crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "71.0s stop base (backoff)\n"
                "71.0s open inc-2 web dependency-down: left down when systemd:base.service went down\n"
                "71.0s withhold restart web (base-first): systemd:base.service comes first\n"
                "76.6s start base (backoff)\n"
                "79.7s stop base (quarantine)\n"
                "812.9s start base (trial)\n"
                "823.0s resolve inc-1 base crash-loop: healthy: up for 10s\n"
                "823.0s start web (heal)\n"
                "833.0s resolve inc-2 web dependency-down: healthy: up for 10s\n");
        assert_true(base->up && web->up);
        world_done(&world);
}

static void a_dependent_left_dead_is_started_after_its_base(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 10);
        struct actor *base = world_add(&world, "systemd:base.service");
        struct actor *web = world_add(&world, "systemd:web.service");
        web->base = 0;
        web->dependency = DEPENDENCY_BINDS;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        world_die(&world, base);
        world_run(&world, 1 * MIN);
        CHECK_TRACE(&world, "64.5s open inc-1 web dependency-down: left down when systemd:base.service went down\n"
                            "64.5s start web (heal)\n"
                            "74.5s resolve inc-1 web dependency-down: healthy: up for 10s\n");
        assert_true(web->up);
        world_done(&world);
}

static void a_human_restarting_the_base_raises_nothing(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 11);
        struct actor *base = world_add(&world, "systemd:base.service");
        world_add(&world, "systemd:web.service")->base = 0;
        world_add(&world, "systemd:bound.service")->base = 0;
        world.actors[1].dependency = DEPENDENCY_REQUIRES;
        world.actors[2].dependency = DEPENDENCY_BINDS;
        world_judge(&world);
        world_start(&world);
        for (int n = 0; n < 6; n++) {
                world_run(&world, 5 * S);
                world_human(&world, base, ACTION_RESTART);
        }
        world_run(&world, 5 * S);
        world_human(&world, base, ACTION_STOP);
        world_run(&world, 1 * HOUR);
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void too_many_restarts_by_hand_kill_a_healthy_unit(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 12);
        struct actor *unit = world_add(&world, UNIT);
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        for (int n = 0; n < 4; n++) {
                world_human(&world, unit, ACTION_RESTART);
                world_run(&world, 500 * MS);
        }
        world_human(&world, unit, ACTION_STOP);
        world_run(&world, 500 * MS);
        world_lists(&world, UNIT, 0, CLAIMED_FAILED, "failed/start-limit-hit", 0, 0, false);
        world_run(&world, 20 * S);
        CHECK_TRACE(
                &world,
                "64.5s open inc-1 agent-lily claimed-not-running: systemd refuses to start it: started too often in too short a time (start-limit-hit), by restarts ordered or its own\n"
                "64.5s withhold restart agent-lily (human): a human acted on it in the last 10m\n");
        assert_int_equal(story_view(&world, UNIT).effective, EFFECTIVE_DEAD);
        world_run(&world, 11 * MIN);
        CHECK_TRACE(&world, "662.0s restart agent-lily (heal)\n"
                            "672.0s resolve inc-1 agent-lily claimed-not-running: healthy: up for 10s\n");
        assert_true(unit->up);
        world_done(&world);
}

static void pm2_killed_takes_its_apps_along_and_none_is_blamed(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 13);
        for (int n = 0; n < 10; n++) {
                char id[64];
                snprintf(id, sizeof(id), "pm2:root/app-%d", n);
                world_add(&world, id);
        }
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        for (int n = 0; n < 3; n++) {
                world_god_dies(&world);
                world_run(&world, 10 * S);
                assert_int_equal(story_view(&world, "pm2:root/app-3").effective, EFFECTIVE_UNKNOWN);
                world_god_returns(&world);
                world_run(&world, 30 * S);
        }
        CHECK_TRACE(&world, "63.0s open inc-1 machine blind: pm2:root@/root/.pm2 is not seen: connection closed\n"
                            "70.0s resolve inc-1 machine blind: pm2:root@/root/.pm2 is seen again after 10s\n"
                            "103.0s open inc-2 machine blind: pm2:root@/root/.pm2 is not seen: connection closed\n"
                            "110.0s resolve inc-2 machine blind: pm2:root@/root/.pm2 is seen again after 10s\n"
                            "143.0s open inc-3 machine blind: pm2:root@/root/.pm2 is not seen: connection closed\n"
                            "150.0s resolve inc-3 machine blind: pm2:root@/root/.pm2 is seen again after 10s\n");
        assert_int_equal(story_view(&world, "pm2:root/app-3").effective, EFFECTIVE_RUNNING);
        world_done(&world);
}

static void orphans_and_second_copies_are_named_and_not_touched(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 14);
        world_add(&world, LILY);
        world_add(&world, "pm2:root/rose");
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        world_strays(&world, LILY, STRAY_DUPLICATE, 4711);
        world_strays(&world, "pm2:root/rose", STRAY_ORPHAN, 4712);
        world_run(&world, 60 * S);
        assert_int_equal(story_view(&world, LILY).effective, EFFECTIVE_DUPLICATE);
        world_strays(&world, LILY, STRAY_OVER, 4711);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 lily duplicate: process 4711 runs beside the one its manager runs: two do the same job\n"
                "60.0s open inc-2 rose orphan: process 4712 runs on, but its manager lost it\n"
                "120.0s resolve inc-1 lily duplicate: the second copy is gone\n");
        world_done(&world);
}

static void late_repeated_and_reordered_facts_change_nothing(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 15);
        world.policy.fallback.mode = MODE_OBSERVE;
        world_judge(&world);
        world_lists(&world, LILY, 0, CLAIMED_RUNNING, "online", 100, 0, true);
        world_begins(&world, LILY, 0, 100, false);
        world_run(&world, 60 * S);
        world_begins(&world, LILY, 0, 101, false); /* the new one first */
        world_ends(&world, LILY, 0, 100, ENDING_EXIT, 1);
        world_ends(&world, LILY, 0, 100, ENDING_EXIT, 1);
        world_begins(&world, LILY, 0, 100, false);
        world_ends(&world, LILY, 0, 102, ENDING_EXIT, 1); /* its end before its beginning */
        world_begins(&world, LILY, 0, 102, false);
        world_run(&world, 5 * S);
        world_ends(&world, LILY, 0, 100, ENDING_EXIT, 1);
        CHECK_TRACE(&world, "");
        assert_int_equal(story_view(&world, LILY).windows[0].n, 2);
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_human_restarting_is_no_death),
                cmocka_unit_test(a_package_run_restarts_everything_and_raises_nothing),
                cmocka_unit_test(a_reload_rolls_a_cluster_and_raises_nothing),
                cmocka_unit_test(one_looping_worker_of_a_cluster_is_taken_out_alone),
                cmocka_unit_test(waiting_restart_without_a_pid_is_dead),
                cmocka_unit_test(waiting_restart_with_the_dead_pid_only_waits),
                cmocka_unit_test(claimed_online_without_a_process_is_dead),
                cmocka_unit_test(another_home_that_is_not_seen_hides_no_agent),
                cmocka_unit_test(a_unit_that_starts_the_pm2_app_is_the_same_agent),
                cmocka_unit_test(a_dependent_dragged_along_is_told_with_its_base),
                cmocka_unit_test(a_dependent_left_dead_is_started_after_its_base),
                cmocka_unit_test(a_human_restarting_the_base_raises_nothing),
                cmocka_unit_test(too_many_restarts_by_hand_kill_a_healthy_unit),
                cmocka_unit_test(pm2_killed_takes_its_apps_along_and_none_is_blamed),
                cmocka_unit_test(orphans_and_second_copies_are_named_and_not_touched),
                cmocka_unit_test(late_repeated_and_reordered_facts_change_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
