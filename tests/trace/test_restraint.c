/* What holds the hand back: budget, common cause, critical agents, humans, graces, absence. */
#include "story.h"

static void add_many(struct world *world, const char *prefix, int n)
{
        for (int k = 0; k < n; k++) {
                char id[64];

                snprintf(id, sizeof(id), "%s-%02d", prefix, k);
                world_add(world, id);
        }
}

static int count_up(const struct world *world)
{
        int up = 0;

        for (int n = 0; n < world->actors_n; n++)
                up += world->actors[n].up;
        return up;
}

static void without_dns_28_agents_are_one_incident_and_none_is_stopped(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 1);
        add_many(&world, "pm2:root/agent", 28);
        for (int n = 0; n < 28; n++) {
                world.actors[n].life = (2 + n % 5) * S;
                world.actors[n].ill_from = world.now + 60 * S + n * S;
                world.actors[n].ill_until = world.now + 20 * MIN;
        }
        world_judge(&world);
        world_start(&world);
        world_run(&world, 40 * MIN);
        CHECK_TRACE(
                &world,
                "66.0s open inc-1 agent-00 crash-loop: 3 deaths in 1m (more than 2), each lived about 1.9s, last exit code 1\n"
                "66.0s stop agent-00 (backoff)\n"
                "69.0s open inc-2 machine common-cause: 6 of 28 pm2 agents failed within 2m, 6 of them with exit code 1; the first was pm2:root/agent-00\n"
                "70.0s withhold stop agent-01 (common-cause): many agents fail together; what they share comes first\n"
                "70.9s start agent-00 (backoff)\n"
                "72.9s withhold stop agent-00 (common-cause): many agents fail together; what they share comes first\n"
                "85.0s worsen inc-1 agent-00 crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 1.9s, last exit code 1\n"
                "129.0s worsen inc-2 machine common-cause: 28 of 28 pm2 agents failed within 2m, 28 of them with exit code 1; the first was pm2:root/agent-00\n"
                "265.4s worsen inc-1 agent-00 crash-loop: 100 deaths since it began; 30 deaths in 1m (more than 2), each lived about 1.9s, last exit code 1\n"
                "1209.8s resolve inc-1 agent-00 crash-loop: healthy: up for 10s\n"
                "1509.0s resolve inc-2 machine common-cause: no new failures for 5m\n");
        assert_int_equal(count_up(&world), 28);
        world_done(&world);
}

static void agents_that_depend_on_a_dead_base_are_one_incident(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 2);
        add_many(&world, "pm2:root/agent", 30);
        world_add(&world, "systemd:redis.service");
        world_judge(&world);
        world_start(&world);
        for (int n = 0; n < 5; n++)
                world_depends(&world, world.actors[n].id, "systemd:redis.service", DEPENDENCY_REQUIRES);
        world_run(&world, 60 * S);
        for (int n = 0; n < 5; n++) {
                world.actors[n].life = 2 * S;
                world.actors[n].ill_from = world.now;
                world.actors[n].ill_until = world.now + 10 * MIN;
                world_die(&world, &world.actors[n]);
        }
        world_run(&world, 30 * MIN);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 machine common-cause: 4 of 5 agents that depend on systemd:redis.service failed within 2m, 4 of them with exit code 1; the first was pm2:root/agent-00\n"
                "64.0s withhold stop agent-00 (common-cause): many agents fail together; what they share comes first\n"
                "960.0s resolve inc-1 machine common-cause: no new failures for 5m\n");
        world_done(&world);
}

static void a_critical_agent_is_slowed_down_and_never_quarantined(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 3);
        world_rule(&world, "lily", MANAGER_PM2, "lily")->critical = true;
        world_rule(&world, "rest", MANAGER_PM2, "*");
        struct actor *lily = world_add(&world, "pm2:root/lily");
        add_many(&world, "pm2:root/agent", 9);
        lily->life = 3 * S;
        lily->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 15 * MIN);
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s stop lily (backoff)\n"
                "74.0s start lily (backoff)\n"
                "77.0s withhold stop lily (critical): a critical agent is slowed down, never quarantined\n"
                "77.0s stop lily (backoff)\n"
                "329.4s start lily (backoff)\n"
                "332.4s stop lily (backoff)\n"
                "677.1s start lily (backoff)\n"
                "680.1s stop lily (backoff)\n");
        world_done(&world);
}

static void the_budget_is_never_exceeded_and_strands_nobody(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 4);
        add_many(&world, "pm2:root/p", 30);
        for (int n = 0; n < 6; n++) {
                world.actors[n].life = 3 * S;
                world.actors[n].ill_from = world.now + 60 * S + n * 130 * S;
        }
        world.policy.machine.actions_at_most = 3;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 25 * MIN);
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 p-00 crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s stop p-00 (backoff)\n"
                "73.9s start p-00 (backoff)\n"
                "76.9s stop p-00 (quarantine)\n"
                "199.0s open inc-2 p-01 crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "199.0s stop p-01 (backoff)\n"
                "204.8s start p-01 (backoff)\n"
                "207.9s withhold stop p-01 (budget): 3 actions are spent\n"
                "225.9s worsen inc-2 p-01 crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "329.0s open inc-3 p-02 crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "329.0s withhold stop p-02 (budget): 3 actions are spent\n"
                "350.0s worsen inc-3 p-02 crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "459.0s open inc-4 p-03 crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "459.0s withhold stop p-03 (budget): 3 actions are spent\n"
                "480.0s worsen inc-4 p-03 crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "496.3s worsen inc-2 p-01 crash-loop: 100 deaths since it began; 20 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "589.0s open inc-5 p-04 crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "589.0s withhold stop p-04 (budget): 3 actions are spent\n"
                "610.0s worsen inc-5 p-04 crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "620.4s worsen inc-3 p-02 crash-loop: 100 deaths since it began; 20 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "669.0s stop p-01 (quarantine)\n"
                "676.9s stop p-02 (backoff)\n"
                "682.1s start p-02 (backoff)\n"
                "719.0s open inc-6 p-05 crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "719.0s withhold stop p-05 (budget): 3 actions are spent\n"
                "740.0s worsen inc-6 p-05 crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "750.4s worsen inc-4 p-03 crash-loop: 100 deaths since it began; 20 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "799.0s stop p-02 (quarantine)\n"
                "816.2s start p-00 (trial)\n"
                "819.2s withhold stop p-00 (budget): 3 actions are spent\n"
                "834.3s worsen inc-1 p-00 crash-loop: 10 deaths since it began; 6 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "880.4s worsen inc-5 p-04 crash-loop: 100 deaths since it began; 20 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "1010.4s worsen inc-6 p-05 crash-loop: 100 deaths since it began; 20 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "1060.0s withhold stop p-03 (budget): 3 actions are spent\n"
                "1104.7s worsen inc-1 p-00 crash-loop: 100 deaths since it began; 20 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "1190.0s withhold stop p-04 (budget): 3 actions are spent\n"
                "1269.0s stop p-00 (quarantine)\n"
                "1276.9s stop p-03 (backoff)\n"
                "1281.3s start p-03 (backoff)\n"
                "1320.0s withhold stop p-05 (budget): 3 actions are spent\n"
                "1399.0s stop p-03 (quarantine)\n");
        world_done(&world);
}

static void a_human_is_left_alone_for_ten_minutes(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 5);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        add_many(&world, "pm2:root/agent", 9);
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        world_human(&world, lily, ACTION_RESTART);
        lily->life = 3 * S;
        lily->ill_from = world.now;
        world_die(&world, lily);
        world_run(&world, 15 * MIN);
        CHECK_TRACE(
                &world,
                "66.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "66.0s withhold stop lily (human): a human acted on it in the last 10m\n"
                "87.0s worsen inc-1 lily crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "357.4s worsen inc-1 lily crash-loop: 100 deaths since it began; 20 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "660.0s stop lily (backoff)\n"
                "664.4s start lily (backoff)\n"
                "667.4s stop lily (quarantine)\n");
        world_done(&world);
}

static void a_human_starting_a_quarantined_agent_begins_its_trial(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 6);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        add_many(&world, "pm2:root/agent", 9);
        lily->life = 3 * S;
        lily->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 2 * MIN);
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s stop lily (backoff)\n"
                "74.9s start lily (backoff)\n"
                "78.0s stop lily (quarantine)\n");
        lily->ill_until = world.now;
        world_human(&world, lily, ACTION_START);
        world_run(&world, 10 * MIN);
        CHECK_TRACE(&world, "120.0s worsen inc-1 lily crash-loop: started by somebody else: its trial has begun\n"
                            "130.0s resolve inc-1 lily crash-loop: healthy: up for 10s\n");
        assert_true(lily->up);
        world_done(&world);
}

static void a_human_stopping_a_looping_agent_ends_the_incident(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 7);
        world.policy.fallback.mode = MODE_OBSERVE;
        struct actor *lily = world_add(&world, "pm2:root/lily");
        lily->life = 3 * S;
        lily->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 2 * MIN);
        world_human(&world, lily, ACTION_STOP);
        world_run(&world, 10 * MIN);
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s would stop lily (backoff)\n"
                "73.2s would stop lily (quarantine)\n"
                "90.0s worsen inc-1 lily crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "124.5s resolve inc-1 lily crash-loop: stopped by its owner\n");
        assert_int_equal(story_view(&world, "pm2:root/lily").effective, EFFECTIVE_STOPPED);
        world_done(&world);
}

/* Also where somebody ordered that end: the next trouble begins at the first rung again. */
static void a_long_life_is_forgiven_however_it_ends(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        world_init(&world, 9);
        lily = world_add(&world, "pm2:root/lily");
        add_many(&world, "pm2:root/agent", 4);
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        lily->life = 3 * S;
        lily->ill_from = world.now;
        lily->ill_until = world.now + 10 * MIN;
        world_die(&world, lily);
        world_run(&world, HOUR); /* through all rungs, and out of quarantine */
        assert_non_null(strstr(world_trace(&world), "stop lily (quarantine)"));
        assert_true(lily->up);
        world_planned(&world, "", ENDING_PACKAGE, S, "dpkg");
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, MIN);
        world_forget_trace(&world);
        lily->ill_from = world.now;
        lily->ill_until = USEC_INFINITY;
        world_die(&world, lily);
        world_run(&world, 10 * S);
        CHECK_TRACE(
                &world,
                "3726.0s open inc-2 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "3726.0s stop lily (backoff)\n");
        world_done(&world);
}

static void a_restart_that_a_human_asks_for_is_done_at_once(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 8);
        world.policy.fallback.mode = MODE_OBSERVE;
        world_add(&world, "pm2:root/lily");
        world.policy.machine.actions_at_most = 0;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        world_ask(&world, "pm2:root/lily", ASK_RESTART, 0);
        world_run(&world, 60 * S);
        CHECK_TRACE(&world, "60.0s restart lily (asked)\n");
        assert_int_equal(world.actors[0].restarts, 1);
        world_done(&world);
}

static void nothing_is_done_while_the_machine_boots(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 9);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        add_many(&world, "pm2:root/agent", 9);
        lily->life = 3 * S;
        lily->ill_from = world.now;
        world_judge(&world);
        world_host(&world, 20 * S);
        world_start(&world);
        world_run(&world, 3 * MIN);
        CHECK_TRACE(
                &world,
                "9.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "9.0s withhold stop lily (grace): the machine, Governor or an announced change is still settling\n"
                "30.0s worsen inc-1 lily crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "100.0s stop lily (backoff)\n"
                "104.3s start lily (backoff)\n"
                "107.3s stop lily (quarantine)\n");
        world_done(&world);
}

static void an_agent_waits_for_the_one_it_comes_after(void **state)
{
        struct world world;
        const char *after[] = { "redis" };

        (void)state;
        world_init(&world, 10);
        struct rule *rule = world_rule(&world, "lily", MANAGER_PM2, "lily");
        rule->after = after;
        rule->after_n = 1;
        world_rule(&world, "redis", MANAGER_SYSTEMD, "redis.service");
        world_rule(&world, "rest", MANAGER_PM2, "*");
        struct actor *lily = world_add(&world, "pm2:root/lily"), *redis = world_add(&world, "systemd:redis.service");
        add_many(&world, "pm2:root/agent", 9);
        redis->life = lily->life = 3 * S;
        redis->ill_from = world.now + 60 * S;
        lily->ill_from = world.now + 66 * S;
        redis->ill_until = world.now + 76 * S;
        lily->ill_until = world.now + 85 * S;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 10 * MIN);
        CHECK_TRACE(
                &world,
                "71.0s open inc-1 redis crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "71.0s stop redis (backoff)\n"
                "75.0s open inc-2 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "75.0s withhold stop lily (base-first): systemd:redis.service comes first\n"
                "75.3s start redis (backoff)\n"
                "85.3s resolve inc-1 redis crash-loop: healthy: up for 10s\n"
                "85.3s stop lily (backoff)\n"
                "91.2s start lily (backoff)\n"
                "101.2s resolve inc-2 lily crash-loop: healthy: up for 10s\n");
        world_done(&world);
}

static void in_safe_mode_everything_is_only_told(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 11);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        add_many(&world, "pm2:root/agent", 9);
        lily->life = 3 * S;
        lily->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 30 * S);
        world_ask(&world, "", ASK_SAFE_MODE_ON, 0);
        world_run(&world, 5 * MIN);
        CHECK_TRACE(
                &world,
                "30.0s open inc-1 machine safe-mode: safe mode: only observing\n"
                "69.0s open inc-2 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s would stop lily (backoff)\n"
                "74.4s would stop lily (quarantine)\n"
                "90.0s worsen inc-2 lily crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n");
        world_ask(&world, "", ASK_SAFE_MODE_OFF, 0);
        world_run(&world, 1 * MIN);
        CHECK_TRACE(&world, "330.0s resolve inc-1 machine safe-mode: switched off\n"
                            "330.0s stop lily (backoff)\n"
                            "335.6s start lily (backoff)\n"
                            "338.6s stop lily (quarantine)\n");
        world_done(&world);
}

static void a_broken_chain_is_told_until_a_human_has_looked(void **state)
{
        struct world world;
        struct fact fact = { .kind = FACT_SOURCE, .agent = "" };

        (void)state;
        world_init(&world, 13);
        world_add(&world, "pm2:root/lily");
        world_judge(&world);
        world_start(&world);
        world_run(&world, 30 * S);
        fact.source =
                (typeof(fact.source)){ .name = "audit chain", .state = SOURCE_BLIND, .why = "the log was set aside" };
        fact.at = world.now;
        world_send(&world, &fact);
        world_run(&world, 1 * MIN);
        fact.source = (typeof(fact.source)){ .name = "audit chain", .state = SOURCE_SEEING, .why = "" };
        fact.at = world.now;
        world_send(&world, &fact);
        world_run(&world, 1 * HOUR);
        CHECK_TRACE(&world, "30.0s open inc-1 machine audit-broken: the log was set aside\n");
        world_ask(&world, "", ASK_ACKNOWLEDGE, 1);
        world_run(&world, 1 * MIN);
        CHECK_TRACE(&world, "3690.0s resolve inc-1 machine audit-broken: acknowledged by a human\n");
        world_done(&world);
}

static void a_backoff_that_safe_mode_interrupts_is_ended_after_it(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 12);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        add_many(&world, "pm2:root/agent", 9);
        lily->life = 3 * S;
        lily->ill_from = world.now + 60 * S;
        lily->ill_until = world.now + 70 * S;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 70 * S);
        world_ask(&world, "", ASK_SAFE_MODE_ON, 0);
        world_run(&world, 5 * MIN);
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s stop lily (backoff)\n"
                "70.0s open inc-2 machine safe-mode: safe mode: only observing\n"
                "74.0s withhold start lily (safe-mode): safe mode: stays down until it is over\n");
        assert_false(lily->up);
        world_ask(&world, "", ASK_SAFE_MODE_OFF, 0);
        world_run(&world, 1 * MIN);
        CHECK_TRACE(&world, "370.0s resolve inc-2 machine safe-mode: switched off\n"
                            "374.0s start lily (backoff)\n"
                            "384.0s resolve inc-1 lily crash-loop: healthy: up for 10s\n");
        assert_true(lily->up);
        world_done(&world);
}

static void quarantine_outlives_the_daemon(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 13);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        add_many(&world, "pm2:root/agent", 9);
        lily->life = 3 * S;
        lily->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 2 * MIN);
        world_forget_trace(&world);
        world_leave(&world);
        world_run(&world, 3 * MIN);
        world_return(&world);
        world_run(&world, 5 * MIN);
        CHECK_TRACE(&world, "");
        assert_int_equal(story_view(&world, "pm2:root/lily").effective, EFFECTIVE_QUARANTINED);
        world_run(&world, 10 * MIN);
        CHECK_TRACE(&world, "1012.6s start lily (trial)\n"
                            "1015.6s stop lily (quarantine)\n");
        world_done(&world);
}

static void what_was_not_seen_proves_nothing(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 14);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        add_many(&world, "pm2:root/agent", 9);
        lily->life = 3 * S;
        lily->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world_run_until(&world, 75 * S); /* started again after its backoff */
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s stop lily (backoff)\n"
                "73.7s start lily (backoff)\n");
        world_leave(&world);
        world_run(&world, 60 * S);
        world_return(&world);
        world_run(&world, 30 * S);
        CHECK_TRACE(
                &world,
                "136.8s withhold stop lily (grace): the machine, Governor or an announced change is still settling\n"
                "139.8s worsen inc-1 lily crash-loop: 24 deaths since it began; 21 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "145.0s stop lily (quarantine)\n");
        world_done(&world);
}

/* It died as we left and was started again; what came of that its manager tells, a few moments after it is heard. */
static void who_came_up_while_we_were_away_is_not_called_dead(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 18);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        struct actor *unit = world_add(&world, "systemd:agent-x.service");
        struct actor *gone = world_add(&world, "systemd:agent-y.service");
        lily->restart_delay = unit->restart_delay = S;
        gone->nobody_restarts = true;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        world_die(&world, lily);
        world_die(&world, unit);
        world_die(&world, gone);
        world_run(&world, 1 * MS);
        world_leave(&world);
        world_run(&world, 60 * S);
        world_return(&world);
        world_run(&world, 4 * S);
        CHECK_TRACE(&world, "");
        world_run(&world, 60 * S); /* one was left dead indeed */
        CHECK_TRACE(
                &world,
                "125.0s open inc-1 agent-y claimed-not-running: systemd gave it up (\"failed/failed\"), last for a reason nobody told\n"
                "125.0s withhold restart agent-y (grace): the machine, Governor or an announced change is still settling\n"
                "130.0s restart agent-y (heal)\n"
                "140.0s resolve inc-1 agent-y claimed-not-running: healthy: up for 10s\n");
        world_done(&world);
}

static void after_a_reboot_quarantine_is_a_trial_one_agent_at_a_time(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 15);
        add_many(&world, "pm2:root/agent", 12);
        for (int n = 0; n < 2; n++) {
                world.actors[n].life = 3 * S;
                world.actors[n].ill_from = world.now + (60 + (usec_t)n * 200) * S;
                world.actors[n].ill_until = world.now + 20 * MIN;
        }
        world_judge(&world);
        world_host(&world, 10 * HOUR);
        world_start(&world);
        world_run_until(&world, 6 * MIN);
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 agent-00 crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s stop agent-00 (backoff)\n"
                "74.6s start agent-00 (backoff)\n"
                "77.6s stop agent-00 (quarantine)\n"
                "269.0s open inc-2 agent-01 crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "269.0s stop agent-01 (backoff)\n"
                "274.9s start agent-01 (backoff)\n"
                "277.9s stop agent-01 (quarantine)\n");
        world_leave(&world);
        world.actors[0].ill_until = world.actors[1].ill_until = world.now;
        world_reboot(&world);
        world_run(&world, 30 * S);
        world_return(&world);
        world_host(&world, 30 * S);
        world_run(&world, 10 * MIN);
        CHECK_TRACE(&world, "480.0s start agent-00 (trial)\n"
                            "490.0s resolve inc-1 agent-00 crash-loop: healthy: up for 10s\n"
                            "491.0s start agent-01 (trial)\n"
                            "501.0s resolve inc-2 agent-01 crash-loop: healthy: up for 10s\n");
        assert_int_equal(count_up(&world), 12);
        world_done(&world);
}

/* systemd lists what is loaded: a unit that nothing wants at boot is not there, whatever it was before. */
static void what_was_said_before_a_reboot_accuses_nobody_after_it(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 15);
        world_add(&world, "systemd:agent-x.service");
        world_judge(&world);
        world_host(&world, 10 * HOUR);
        world_start(&world);
        world_run_until(&world, 6 * MIN);
        world_leave(&world);
        world.actors_n = 0;
        world_run(&world, 30 * S);
        world_return(&world);
        world_host(&world, 30 * S);
        world_run(&world, 10 * MIN);
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void a_full_table_is_said_and_survived(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 16);
        world.limits.agents_max = 4;
        world.limits.instances_max = 4;
        add_many(&world, "pm2:root/agent", 9);
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        CHECK_TRACE(&world, "0.0s open inc-1 machine blind: agent table full (4): what does not fit is not watched\n");
        assert_int_equal(judge_agents(world.judge), 4);
        world_done(&world);
}

static void an_acknowledged_incident_is_closed(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 17);
        world_add(&world, "pm2:root/lily")->restarts = 643;
        world_judge(&world);
        world_start(&world);
        world_run(&world, 60 * S);
        world_ask(&world, "", ASK_ACKNOWLEDGE, 1);
        world_run(&world, 60 * S);
        CHECK_TRACE(&world, "0.0s open inc-1 lily high-restarts: 643 restarts before we came\n"
                            "60.0s resolve inc-1 lily high-restarts: acknowledged by a human\n");
        world_done(&world);
}

static void hands_that_fail_are_tried_again_more_slowly(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, 18);
        struct actor *lily = world_add(&world, "pm2:root/lily");
        add_many(&world, "pm2:root/agent", 9);
        lily->life = 3 * S;
        lily->ill_from = world.now + 60 * S;
        world_judge(&world);
        world_start(&world);
        world.deaf = true;
        world_run(&world, 2 * MIN);
        world.deaf = false;
        world_run(&world, 8 * MIN);
        CHECK_TRACE(
                &world,
                "69.0s open inc-1 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "69.0s stop lily (backoff)\n"
                "73.9s stop lily (backoff)\n"
                "83.3s stop lily (backoff)\n"
                "90.0s worsen inc-1 lily crash-loop: 10 deaths since it began; 10 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1\n"
                "100.7s stop lily (backoff)\n"
                "134.6s stop lily (backoff)\n"
                "230.5s start lily (backoff)\n"
                "233.5s stop lily (quarantine)\n");
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_dns_28_agents_are_one_incident_and_none_is_stopped),
                cmocka_unit_test(agents_that_depend_on_a_dead_base_are_one_incident),
                cmocka_unit_test(a_critical_agent_is_slowed_down_and_never_quarantined),
                cmocka_unit_test(the_budget_is_never_exceeded_and_strands_nobody),
                cmocka_unit_test(a_human_is_left_alone_for_ten_minutes),
                cmocka_unit_test(a_human_starting_a_quarantined_agent_begins_its_trial),
                cmocka_unit_test(a_human_stopping_a_looping_agent_ends_the_incident),
                cmocka_unit_test(a_long_life_is_forgiven_however_it_ends),
                cmocka_unit_test(a_restart_that_a_human_asks_for_is_done_at_once),
                cmocka_unit_test(nothing_is_done_while_the_machine_boots),
                cmocka_unit_test(an_agent_waits_for_the_one_it_comes_after),
                cmocka_unit_test(in_safe_mode_everything_is_only_told),
                cmocka_unit_test(a_broken_chain_is_told_until_a_human_has_looked),
                cmocka_unit_test(a_backoff_that_safe_mode_interrupts_is_ended_after_it),
                cmocka_unit_test(quarantine_outlives_the_daemon),
                cmocka_unit_test(what_was_not_seen_proves_nothing),
                cmocka_unit_test(who_came_up_while_we_were_away_is_not_called_dead),
                cmocka_unit_test(after_a_reboot_quarantine_is_a_trial_one_agent_at_a_time),
                cmocka_unit_test(what_was_said_before_a_reboot_accuses_nobody_after_it),
                cmocka_unit_test(a_full_table_is_said_and_survived),
                cmocka_unit_test(an_acknowledged_incident_is_closed),
                cmocka_unit_test(hands_that_fail_are_tried_again_more_slowly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
