/* The machine runs out of memory: who is restarted for it, in which order, and who is not. */
#include "story.h"

#define MB (UINT64_C(1) << 20)

/* A machine of 1,000 MB with a floor of 200; hog is critical, anna too small to matter. */
struct house {
        struct world world;
        struct actor *hog, *lily, *otto, *anna, *unit, *base;
        struct rule *critical, *apps, *units;
};

static struct actor *agent(struct world *world, const char *id, uint64_t mb, uint64_t needs_mb)
{
        struct actor *actor = world_add(world, id);

        actor->holds = mb * MB;
        actor->needs = needs_mb * MB;
        return actor;
}

static void prepare(struct house *house)
{
        struct world *world = &house->world;

        world_init(world, 1);
        world->policy.machine.memory_floor_bytes = 200 * MB;
        world->policy.machine.origin = (struct policy_origin){ "10-test.yaml", 1 };
        house->critical = world_rule(world, "critical", MANAGER_PM2, "root/hog");
        house->critical->critical = true;
        house->apps = world_rule(world, "apps", MANAGER_PM2, "*");
        house->units = world_rule(world, "units", MANAGER_SYSTEMD, "*");
        house->hog = agent(world, "pm2:root/hog", 300, 300);
        house->lily = agent(world, "pm2:root/lily", 100, 40);
        house->otto = agent(world, "pm2:root/otto", 150, 50);
        house->anna = agent(world, "pm2:root/anna", 6, 6);
        house->unit = agent(world, "systemd:agent-x.service", 60, 20);
        house->base = agent(world, "systemd:redis.service", 10, 10);
}

/* 274 MB are free from here on: 626 in agents, 100 elsewhere. */
static void begin(struct house *house)
{
        struct world *world = &house->world;

        world_judge(world);
        world_start(world);
        world_memory(world, 1000 * MB, 100 * MB);
        world_run(world, 20 * MIN);
        CHECK_TRACE(world, "");
}

static void make(struct house *house)
{
        prepare(house);
        begin(house);
}

/* What is no agent takes so much more. */
static void squeeze(struct house *house, uint64_t mb)
{
        house->world.memory.others += mb * MB;
}

static void done(struct house *house)
{
        world_done(&house->world);
}

static void enough_memory_is_nobodys_business(void **state)
{
        struct house house;

        make(&house);
        world_run(&house.world, 2 * HOUR);
        CHECK_TRACE(&house.world, "");
        assert_int_equal(house.world.memory.asked, 0);
        done(&house);
}

static void the_largest_goes_first_and_one_is_enough(void **state)
{
        struct house house;

        make(&house);
        squeeze(&house, 120);
        world_run(&house.world, 10 * MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s restart otto (flush)\n"
                "1218.0s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 154.0M to 254.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1278.0s resolve inc-1 machine memory-floor: MemAvailable 254.0M, above the floor of 200.0M for 1m; 1 restart freed 100.0M\n");
        done(&house);
}

static void one_after_the_other_until_there_is_enough(void **state)
{
        struct house house;

        make(&house);
        squeeze(&house, 250);
        world_run(&house.world, 10 * MIN);
        CHECK_TRACE(
                &house.world,
                "1205.5s open inc-1 machine memory-floor: MemAvailable 24.0M of 1000.0M, below the floor of 200.0M; that is next to nothing\n"
                "1205.5s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1205.5s restart otto (flush)\n"
                "1206.5s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 24.0M to 124.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1215.5s restart lily (flush)\n"
                "1220.5s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 124.0M to 184.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1225.5s restart agent-x (flush)\n"
                "1230.5s worsen inc-1 machine memory-floor: agent-x was restarted: MemAvailable 184.0M to 224.0M, 40.0M more where about 52.0M were expected; it holds 20.0M now\n"
                "1235.5s worsen inc-1 machine memory-floor: nothing more can be freed: mysqld (pid 812) holds 350.0M: no agent, not touched; hog holds 300.0M: critical, not touched; otto holds 50.0M: restarted for the floor 30s ago, not touched; lily holds 40.0M: restarted for the floor 20s ago, not touched; 2 hold less than 16M each\n");
        done(&house);
}

/* A compiler's peak, shorter than eight seconds. */
static void a_peak_is_no_reason(void **state)
{
        struct house house;

        make(&house);
        for (int n = 0; n < 20; n++) {
                squeeze(&house, 120);
                world_run(&house.world, 6 * S);
                house.world.memory.others -= 120 * MB;
                world_run(&house.world, 30 * S);
        }
        CHECK_TRACE(&house.world, "");
        done(&house);
}

static void pressure_confirms_it_sooner(void **state)
{
        struct house house;

        make(&house);
        squeeze(&house, 120);
        house.world.memory.some = 1250;
        house.world.memory.full = 310;
        world_run(&house.world, 8 * S);
        CHECK_TRACE(
                &house.world,
                "1206.0s open inc-1 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 1s; processes stall for memory (some 12.50%, full 3.10%)\n"
                "1206.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1206.0s restart otto (flush)\n");
        done(&house);
}

static void so_does_the_pace(void **state)
{
        struct house house;

        make(&house);
        house.hog->leaks = 600 * MB;
        world_run(&house.world, 15 * S);
        house.hog->leaks = 0;
        world_run(&house.world, 5 * S);
        CHECK_TRACE(
                &house.world,
                "1208.5s open inc-1 machine memory-floor: MemAvailable 189.0M of 1000.0M, below the floor of 200.0M for 1s; at this pace nothing is left in 18s\n"
                "1208.5s withhold restart hog (critical): hog holds 385.0M: critical, not touched\n"
                "1208.5s restart otto (flush)\n"
                "1213.5s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 189.0M to 239.0M, 50.0M more where about 142.0M were expected; it holds 50.0M now\n");
        done(&house);
}

static void next_to_nothing_needs_no_confirmation_and_little_patience(void **state)
{
        struct house house;

        make(&house);
        squeeze(&house, 260);
        world_run(&house.world, 30 * S);
        CHECK_TRACE(
                &house.world,
                "1205.5s open inc-1 machine memory-floor: MemAvailable 14.0M of 1000.0M, below the floor of 200.0M; that is next to nothing\n"
                "1205.5s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1205.5s restart otto (flush)\n"
                "1206.5s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 14.0M to 114.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1215.5s restart lily (flush)\n"
                "1220.5s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 114.0M to 174.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1225.5s restart agent-x (flush)\n");
        done(&house);
}

static void who_holds_the_memory_and_is_not_touched_is_told(void **state)
{
        struct house house;

        make(&house);
        house.hog->holds += 300 * MB;
        world_run(&house.world, 5 * MIN);
        CHECK_TRACE(
                &house.world,
                "1205.5s open inc-1 machine memory-floor: MemAvailable 0B of 1000.0M, below the floor of 200.0M; that is next to nothing\n"
                "1205.5s withhold restart hog (critical): hog holds 600.0M: critical, not touched\n"
                "1205.5s restart otto (flush)\n"
                "1206.5s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 0B to 74.0M, 74.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1215.5s restart lily (flush)\n"
                "1220.5s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 74.0M to 134.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1225.5s restart agent-x (flush)\n"
                "1230.5s worsen inc-1 machine memory-floor: agent-x was restarted: MemAvailable 134.0M to 174.0M, 40.0M more where about 52.0M were expected; it holds 20.0M now\n"
                "1235.5s worsen inc-1 machine memory-floor: nothing more can be freed: hog holds 600.0M: critical, not touched; otto holds 50.0M: restarted for the floor 30s ago, not touched; lily holds 40.0M: restarted for the floor 20s ago, not touched; 2 hold less than 16M each\n");
        /* nothing is told twice, and nobody is restarted again before half an hour is over */
        world_run(&house.world, 20 * MIN);
        CHECK_TRACE(&house.world, "");
        done(&house);
}

/* Nothing can be done, and then somebody takes more: it is looked at again at once, and who holds it is told anew. */
static void who_takes_more_meanwhile_is_told(void **state)
{
        struct house house;

        make(&house);
        house.hog->holds += 140 * MB;
        house.lily->holds = house.otto->holds = house.unit->holds = 15 * MB;
        squeeze(&house, 220);
        world_run(&house.world, 2 * MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 179.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 440.0M: critical, not touched\n"
                "1213.0s worsen inc-1 machine memory-floor: nothing more can be freed: hog holds 440.0M: critical, not touched; 5 hold less than 16M each\n");
        house.hog->holds += 10 * MB;
        world_run(&house.world, 2 * MIN);
        CHECK_TRACE(&house.world, "");
        house.otto->holds = 80 * MB;
        world_run(&house.world, 20 * S);
        CHECK_TRACE(
                &house.world,
                "1441.5s restart otto (flush)\n"
                "1446.5s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 104.0M to 134.0M, 30.0M more where about 72.0M were expected; it holds 50.0M now\n"
                "1451.5s worsen inc-1 machine memory-floor: nothing more can be freed: hog holds 450.0M: critical, not touched; otto holds 50.0M: restarted for the floor 10s ago, not touched; 4 hold less than 16M each\n");
        done(&house);
}

static void what_is_no_agent_is_named(void **state)
{
        struct house house;

        make(&house);
        squeeze(&house, 600);
        world_run(&house.world, 3 * MIN);
        CHECK_TRACE(
                &house.world,
                "1205.5s open inc-1 machine memory-floor: MemAvailable 0B of 1000.0M, below the floor of 200.0M; that is next to nothing\n"
                "1205.5s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1205.5s restart otto (flush)\n"
                "1206.5s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 0B to 0B, nothing more where about 142.0M were expected; it holds 50.0M now\n"
                "1207.5s restart lily (flush)\n"
                "1208.5s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 0B to 0B, nothing more where about 92.0M were expected; it holds 40.0M now\n"
                "1209.5s restart agent-x (flush)\n"
                "1210.5s worsen inc-1 machine memory-floor: agent-x was restarted: MemAvailable 0B to 0B, nothing more where about 52.0M were expected; it holds 20.0M now\n"
                "1211.5s worsen inc-1 machine memory-floor: nothing more can be freed: mysqld (pid 812) holds 700.0M: no agent, not touched; hog holds 300.0M: critical, not touched; otto holds 50.0M: restarted for the floor 6s ago, not touched; lily holds 40.0M: restarted for the floor 4s ago, not touched; 2 hold less than 16M each\n");
        done(&house);
}

static void a_restart_that_costs_more_comes_later(void **state)
{
        struct house house;

        prepare(&house);
        house.unit->base = 5;
        house.unit->dependency = DEPENDENCY_REQUIRES;
        begin(&house);
        house.base->holds = 160 * MB;
        squeeze(&house, 50);
        world_run(&house.world, 2 * MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 74.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s restart otto (flush)\n"
                "1218.0s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 74.0M to 174.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1223.0s restart lily (flush)\n"
                "1228.0s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 174.0M to 234.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1288.0s resolve inc-1 machine memory-floor: MemAvailable 234.0M, above the floor of 200.0M for 1m; 2 restarts freed 160.0M\n");
        done(&house);
}

static void what_a_critical_agent_stands_on_is_critical(void **state)
{
        struct house house;

        prepare(&house);
        house.unit->base = 5;
        house.unit->dependency = DEPENDENCY_BINDS;
        house.units->pattern = "redis";
        world_rule(&house.world, "unit", MANAGER_SYSTEMD, "*")->critical = true;
        begin(&house);
        house.base->holds = 160 * MB;
        squeeze(&house, 50);
        world_run(&house.world, 2 * MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 74.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s withhold restart redis (critical): redis holds 160.0M: critical agent-x goes down with it, not touched\n"
                "1213.0s restart otto (flush)\n"
                "1218.0s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 74.0M to 174.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1223.0s restart lily (flush)\n"
                "1228.0s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 174.0M to 234.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1288.0s resolve inc-1 machine memory-floor: MemAvailable 234.0M, above the floor of 200.0M for 1m; 2 restarts freed 160.0M\n");
        done(&house);
}

static void a_unit_with_a_pm2_daemon_in_it_is_never_restarted(void **state)
{
        struct house house;

        make(&house);
        house.unit->holds = 180 * MB;
        house.unit->carries = true;
        world_run(&house.world, 2 * MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s withhold restart agent-x (critical): agent-x holds 180.0M: a PM2 daemon and all its apps live in it, not touched\n"
                "1213.0s restart otto (flush)\n"
                "1218.0s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 154.0M to 254.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1278.0s resolve inc-1 machine memory-floor: MemAvailable 254.0M, above the floor of 200.0M for 1m; 1 restart freed 100.0M\n");
        done(&house);
}

static void an_agent_that_is_only_observed_is_told(void **state)
{
        struct house house;

        prepare(&house);
        house.apps->mode = MODE_OBSERVE;
        begin(&house);
        squeeze(&house, 150);
        world_run(&house.world, 5 * MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 124.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s would restart otto (flush)\n"
                "1213.0s restart agent-x (flush)\n"
                "1218.0s worsen inc-1 machine memory-floor: agent-x was restarted: MemAvailable 124.0M to 164.0M, 40.0M more where about 52.0M were expected; it holds 20.0M now\n"
                "1223.0s worsen inc-1 machine memory-floor: nothing more is done, the others are only observed: hog holds 300.0M: critical, not touched; otto holds 150.0M: only observed, and told 10s ago, not touched; agent-x holds 20.0M: restarted for the floor 10s ago, not touched; 2 hold less than 16M each\n");
        done(&house);
}

static void in_safe_mode_everybody_is_only_told(void **state)
{
        struct house house;

        make(&house);
        world_ask(&house.world, "", ASK_SAFE_MODE_ON, 0);
        squeeze(&house, 120);
        world_run(&house.world, 5 * MIN);
        CHECK_TRACE(
                &house.world,
                "1200.0s open inc-1 machine safe-mode: safe mode: only observing\n"
                "1213.0s open inc-2 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s would restart otto (flush)\n"
                "1213.0s worsen inc-2 machine memory-floor: nothing more is done, the others are only observed: hog holds 300.0M: critical, not touched; otto holds 150.0M: only observed, and told 0ms ago, not touched; 2 hold less than 16M each\n");
        done(&house);
}

/* It lives between two deaths, and holds most: its loop is dealt with, not its memory. */
static void who_loops_is_dealt_with_otherwise(void **state)
{
        struct house house;

        make(&house);
        house.otto->life = 18 * S;
        house.otto->ill_from = house.world.now;
        house.otto->ill_until = house.world.now + HOUR;
        house.otto->needs = 150 * MB;
        house.apps->heal.ladder_n = 1;
        house.apps->heal.backoff_first = S;
        world_die(&house.world, house.otto);
        world_run(&house.world, 38 * S);
        world_forget_trace(&house.world);
        squeeze(&house, 120);
        world_run(&house.world, 15 * S);
        CHECK_TRACE(
                &house.world,
                "1248.0s open inc-2 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1248.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1248.0s withhold restart otto (ill): otto holds 150.0M: crash-loop is dealt with first, not touched\n"
                "1248.0s restart lily (flush)\n");
        done(&house);
}

static void humans_go_first(void **state)
{
        struct house house;

        make(&house);
        world_human(&house.world, house.otto, ACTION_RESTART);
        house.otto->holds = 150 * MB;
        world_ask(&house.world, "pm2:root/otto", ASK_RELEASE, 0);
        world_run(&house.world, 10 * S);
        squeeze(&house, 120);
        world_run(&house.world, 11 * MIN);
        CHECK_TRACE(
                &house.world,
                "1223.0s open inc-1 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1223.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1223.0s withhold restart otto (human): otto holds 150.0M: a human acted on it in the last 10m, not touched\n"
                "1223.0s restart lily (flush)\n"
                "1228.0s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 154.0M to 214.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1233.0s restart agent-x (flush)\n"
                "1238.0s worsen inc-1 machine memory-floor: agent-x was restarted: MemAvailable 214.0M to 254.0M, 40.0M more where about 52.0M were expected; it holds 20.0M now\n"
                "1298.0s resolve inc-1 machine memory-floor: MemAvailable 254.0M, above the floor of 200.0M for 1m; 2 restarts freed 100.0M\n");
        done(&house);
}

static void nobody_is_restarted_in_his_change_window(void **state)
{
        struct house house;
        struct fact change = { .kind = FACT_CHANGE, .agent = "pm2:root/otto", .instance = INSTANCE_ALL };

        make(&house);
        change.change.step = CHANGE_OPEN;
        change.change.number = 1;
        change.change.pattern = "";
        change.change.since = house.world.now;
        change.change.until = house.world.now + 15 * MIN;
        change.change.by = "ann";
        change.change.reason = "deploy";
        world_send(&house.world, &change);
        squeeze(&house, 120);
        world_run(&house.world, 2 * MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s withhold restart otto (grace): otto holds 150.0M: a change window is open for it, not touched\n"
                "1213.0s restart lily (flush)\n"
                "1218.0s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 154.0M to 214.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1223.0s restart agent-x (flush)\n"
                "1228.0s worsen inc-1 machine memory-floor: agent-x was restarted: MemAvailable 214.0M to 254.0M, 40.0M more where about 52.0M were expected; it holds 20.0M now\n"
                "1288.0s resolve inc-1 machine memory-floor: MemAvailable 254.0M, above the floor of 200.0M for 1m; 2 restarts freed 100.0M\n");
        done(&house);
}

static void the_budget_of_actions_holds(void **state)
{
        struct house house;

        prepare(&house);
        house.world.policy.machine.actions_at_most = 1;
        begin(&house);
        squeeze(&house, 250);
        world_run(&house.world, 15 * MIN);
        CHECK_TRACE(
                &house.world,
                "1205.5s open inc-1 machine memory-floor: MemAvailable 24.0M of 1000.0M, below the floor of 200.0M; that is next to nothing\n"
                "1205.5s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1205.5s restart otto (flush)\n"
                "1206.5s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 24.0M to 124.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1215.5s withhold restart lily (budget): lily holds 100.0M: 1 actions are spent, not touched\n"
                "1215.5s withhold restart agent-x (budget): agent-x holds 60.0M: 1 actions are spent, not touched\n"
                "1215.5s worsen inc-1 machine memory-floor: nothing more can be freed: mysqld (pid 812) holds 350.0M: no agent, not touched; hog holds 300.0M: critical, not touched; lily holds 100.0M: 1 actions are spent, not touched; agent-x holds 60.0M: 1 actions are spent, not touched; 2 hold less than 16M each\n"
                "1805.5s restart lily (flush)\n"
                "1810.6s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 124.0M to 184.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1815.5s worsen inc-1 machine memory-floor: nothing more can be freed: mysqld (pid 812) holds 350.0M: no agent, not touched; hog holds 300.0M: critical, not touched; agent-x holds 60.0M: 1 actions are spent, not touched; otto holds 50.0M: restarted for the floor 10m 10s ago, not touched; 2 hold less than 16M each\n");
        done(&house);
}

static void what_is_not_seen_is_not_touched(void **state)
{
        struct house house;

        make(&house);
        world_blind(&house.world, MANAGER_PM2, true);
        world_run(&house.world, 10 * S);
        world_forget_trace(&house.world);
        squeeze(&house, 120);
        world_run(&house.world, MIN);
        CHECK_TRACE(
                &house.world,
                "1223.0s open inc-2 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1223.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1223.0s withhold restart otto (blind): otto holds 150.0M: its manager is not seen, not touched\n"
                "1223.0s restart agent-x (flush)\n"
                "1228.0s worsen inc-2 machine memory-floor: agent-x was restarted: MemAvailable 154.0M to 194.0M, 40.0M more where about 52.0M were expected; it holds 20.0M now\n"
                "1233.0s withhold restart lily (blind): lily holds 100.0M: its manager is not seen, not touched\n"
                "1233.0s worsen inc-2 machine memory-floor: nothing more can be freed: hog holds 300.0M: critical, not touched; otto holds 150.0M: its manager is not seen, not touched; lily holds 100.0M: its manager is not seen, not touched; 2 hold less than 16M each\n");
        done(&house);
}

static void a_restart_that_fails_is_not_the_last(void **state)
{
        struct house house;

        make(&house);
        house.world.deaf = true;
        squeeze(&house, 120);
        world_run(&house.world, MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s restart otto (flush)\n"
                "1223.0s restart lily (flush)\n"
                "1233.0s restart agent-x (flush)\n"
                "1243.0s worsen inc-1 machine memory-floor: nothing more can be freed: hog holds 300.0M: critical, not touched; otto holds 150.0M: could not be restarted 30s ago, not touched; lily holds 100.0M: could not be restarted 20s ago, not touched; 2 hold less than 16M each\n");
        done(&house);
}

static void what_grows_back_at_once_comes_later_the_next_time(void **state)
{
        struct house house;

        make(&house);
        house.otto->needs = 140 * MB;
        squeeze(&house, 80);
        world_run(&house.world, 45 * MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 194.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s restart otto (flush)\n"
                "1218.0s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 194.0M to 204.0M, 10.0M more where about 142.0M were expected; it holds 140.0M now\n"
                "1223.0s restart lily (flush)\n"
                "1228.0s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 204.0M to 264.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1288.0s resolve inc-1 machine memory-floor: MemAvailable 264.0M, above the floor of 200.0M for 1m; 2 restarts freed 70.0M\n");
        world_run(&house.world, 3 * HOUR);
        CHECK_TRACE(&house.world, "");
        done(&house);
}

static void a_human_closes_it_and_it_is_quiet_until_it_was_over(void **state)
{
        struct house house;

        make(&house);
        house.hog->holds += 400 * MB;
        world_run(&house.world, 3 * MIN);
        world_forget_trace(&house.world);
        world_ask(&house.world, "", ASK_ACKNOWLEDGE, 1);
        world_run(&house.world, 3 * HOUR);
        CHECK_TRACE(&house.world, "1380.0s resolve inc-1 machine memory-floor: acknowledged by a human\n");
        house.hog->holds -= 400 * MB;
        world_run(&house.world, 2 * MIN);
        CHECK_TRACE(&house.world, "");
        house.hog->holds += 400 * MB;
        world_run(&house.world, 20 * S);
        CHECK_TRACE(
                &house.world,
                "12311.0s open inc-2 machine memory-floor: MemAvailable 74.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "12311.0s withhold restart hog (critical): hog holds 700.0M: critical, not touched\n"
                "12311.0s worsen inc-2 machine memory-floor: nothing more can be freed: hog holds 700.0M: critical, not touched; otto holds 50.0M: it takes all of that at once when it begins, not touched; lily holds 40.0M: it takes all of that at once when it begins, not touched; 2 hold less than 16M each\n");
        done(&house);
}

static void a_floor_beyond_the_machine_is_told_and_nothing_is_done(void **state)
{
        struct house house;

        make(&house);
        house.world.policy.machine.memory_floor_bytes = 1000 * MB;
        judge_set_policy(house.world.judge, &house.world.policy);
        world_run(&house.world, 2 * HOUR);
        CHECK_TRACE(
                &house.world,
                "1205.0s open inc-1 machine memory-floor: MemAvailable 274.0M of 1000.0M, below the floor of 1000.0M for 1m 55s; no restart can ever bring that much: nothing is done for it\n");
        /* another policy is another matter */
        house.world.policy.machine.memory_floor_bytes = 320 * MB;
        judge_set_policy(house.world.judge, &house.world.policy);
        world_run(&house.world, 20 * S);
        CHECK_TRACE(
                &house.world,
                "8400.5s worsen inc-1 machine memory-floor: MemAvailable 274.0M of 1000.0M, below the floor of 320.0M for 11s\n"
                "8400.5s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "8400.5s restart otto (flush)\n"
                "8405.5s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 274.0M to 374.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n");
        house.world.policy.machine.memory_floor_bytes = 0;
        judge_set_policy(house.world.judge, &house.world.policy);
        world_run(&house.world, 2 * MIN);
        CHECK_TRACE(&house.world,
                    "8465.5s resolve inc-1 machine memory-floor: there is no floor any more; 1 restart freed 100.0M\n");
        done(&house);
}

static void without_figures_nothing_is_done(void **state)
{
        struct house house;

        make(&house);
        house.world.memory.mute = true;
        squeeze(&house, 120);
        world_run(&house.world, 2 * MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1218.0s worsen inc-1 machine memory-floor: what restarts free could not be measured\n");
        house.world.memory.mute = false;
        world_run(&house.world, 5 * MIN);
        CHECK_TRACE(
                &house.world,
                "1518.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1518.0s restart otto (flush)\n"
                "1523.0s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 154.0M to 254.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1583.0s resolve inc-1 machine memory-floor: MemAvailable 254.0M, above the floor of 200.0M for 1m; 1 restart freed 100.0M\n");
        done(&house);
}

/* What grew again after two restarts within the hour was left for a human; below the floor it is the first to come to mind. */
static void a_leak_that_was_left_for_a_human_is_restarted(void **state)
{
        struct house house;
        struct fact sample = { .kind = FACT_SAMPLE, .manager = MANAGER_PM2, .agent = "pm2:root/otto" };

        prepare(&house);
        house.apps->memory = (struct memory_limits){ 0, 140 * MB, MEMORY_OF_PROCESS };
        begin(&house);
        for (int n = 0; n < 20; n++) {
                house.otto->holds = 150 * MB;
                sample.sample.pid = sample.sample.most_pid = house.otto->pid;
                sample.sample.start = house.otto->start;
                sample.sample.memory_bytes = sample.sample.most_bytes = 150 * MB;
                world_send(&house.world, &sample);
                world_run(&house.world, 5 * S);
        }
        world_forget_trace(&house.world);
        squeeze(&house, 120);
        world_run(&house.world, MIN);
        CHECK_TRACE(
                &house.world,
                "1313.0s open inc-3 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1313.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1313.0s restart lily (flush)\n"
                "1318.0s worsen inc-3 machine memory-floor: lily was restarted: MemAvailable 154.0M to 214.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1323.0s restart otto (flush)\n"
                "1328.0s worsen inc-3 machine memory-floor: otto was restarted: MemAvailable 214.0M to 314.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n");
        done(&house);
}

static void when_many_fail_at_once_what_they_share_comes_first(void **state)
{
        struct house house;

        make(&house);
        house.hog->life = house.lily->life = house.otto->life = house.anna->life = 30 * S;
        for (struct actor *actor = house.hog; actor <= house.anna; actor++) {
                actor->ill_from = house.world.now;
                actor->ill_until = house.world.now + 2 * MIN;
                actor->needs = actor->holds;
                world_die(&house.world, actor);
        }
        world_run(&house.world, 31 * S);
        world_forget_trace(&house.world);
        squeeze(&house, 120);
        world_run(&house.world, 20 * S);
        CHECK_TRACE(
                &house.world,
                "1243.0s open inc-2 machine memory-floor: MemAvailable 154.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1243.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1243.0s withhold restart otto (common-cause): otto holds 150.0M: many agents fail together; what they share comes first, not touched\n"
                "1243.0s restart agent-x (flush)\n"
                "1248.0s worsen inc-2 machine memory-floor: agent-x was restarted: MemAvailable 154.0M to 194.0M, 40.0M more where about 52.0M were expected; it holds 20.0M now\n");
        done(&house);
}

/* Each instance of an app is a process of its own. */
static void instances_are_restarted_one_by_one(void **state)
{
        struct house house;
        struct actor *second;

        prepare(&house);
        second = agent(&house.world, "pm2:root/otto", 20, 50);
        begin(&house);
        second->holds = 120 * MB;
        squeeze(&house, 50);
        world_run(&house.world, 2 * MIN);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 104.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s restart otto (flush)\n"
                "1218.0s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 104.0M to 204.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1223.0s restart otto (flush)\n"
                "1228.0s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 204.0M to 274.0M, 70.0M more where about 112.0M were expected; it holds 50.0M now\n"
                "1288.0s resolve inc-1 machine memory-floor: MemAvailable 274.0M, above the floor of 200.0M for 1m; 2 restarts freed 170.0M\n");
        assert_int_equal(second->number, 1);
        done(&house);
}

static void what_the_machine_stands_on_is_never_restarted(void **state)
{
        struct house house;
        struct actor *ssh;

        prepare(&house);
        ssh = agent(&house.world, "systemd:ssh.service", 10, 10);
        begin(&house);
        ssh->holds = 160 * MB;
        world_run(&house.world, 15 * S);
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 114.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s withhold restart ssh (critical): ssh holds 160.0M: the machine stands on it, not touched\n"
                "1213.0s restart otto (flush)\n");
        done(&house);
}

/* ---- the daemon comes and goes --------------------------------------------------------------------------------------- */

static void the_daemon_may_die_in_the_middle_of_it(void **state)
{
        struct house house;

        make(&house);
        squeeze(&house, 150);
        world_run(&house.world, 13 * S + 5 * MS + 30 * MS); /* the restart is ordered, and not done yet */
        CHECK_TRACE(
                &house.world,
                "1213.0s open inc-1 machine memory-floor: MemAvailable 124.0M of 1000.0M, below the floor of 200.0M for 8s\n"
                "1213.0s withhold restart hog (critical): hog holds 300.0M: critical, not touched\n"
                "1213.0s restart otto (flush)\n");
        world_leave(&house.world);
        world_run(&house.world, 20 * S);
        world_return(&house.world);
        world_run(&house.world, 5 * MIN);
        CHECK_TRACE(
                &house.world,
                "1238.0s worsen inc-1 machine memory-floor: otto was restarted: MemAvailable 124.0M to 224.0M, 100.0M more where about 142.0M were expected; it holds 50.0M now\n"
                "1238.0s withhold restart lily (grace): lily holds 100.0M: the machine, Governor or an announced change is still settling, not touched\n"
                "1238.0s withhold restart agent-x (grace): agent-x holds 60.0M: the machine, Governor or an announced change is still settling, not touched\n"
                "1238.0s worsen inc-1 machine memory-floor: nothing more can be freed: hog holds 300.0M: critical, not touched; lily holds 100.0M: the machine, Governor or an announced change is still settling, not touched; agent-x holds 60.0M: the machine, Governor or an announced change is still settling, not touched; 2 hold less than 16M each\n"
                "1253.0s restart lily (flush)\n"
                "1258.1s worsen inc-1 machine memory-floor: lily was restarted: MemAvailable 224.0M to 284.0M, 60.0M more where about 92.0M were expected; it holds 40.0M now\n"
                "1318.1s resolve inc-1 machine memory-floor: MemAvailable 284.0M, above the floor of 200.0M for 1m; 2 restarts freed 160.0M\n");
        done(&house);
}

/* A fresh judge that is given the memory of the one before at any moment goes on as that would have. */
static void its_memory_is_all_it_needs(void **state)
{
        char expected[8192];

        for (usec_t after = 0; after < 75 * S; after += 700 * MS) {
                struct house house;

                make(&house);
                squeeze(&house, 250);
                world_run(&house.world, after);
                if (after > 0)
                        world_remember(&house.world);
                world_run(&house.world, 45 * MIN - after);
                if (after == 0)
                        snprintf(expected, sizeof(expected), "%s", world_trace(&house.world));
                else if (strcmp(expected, world_trace(&house.world)) != 0)
                        print_message("given over after %llu ms\n", (unsigned long long)(after / MS));
                assert_string_equal(world_trace(&house.world), expected);
                done(&house);
        }
}

/* ---- what is told when nobody is restarted --------------------------------------------------------------------------- */

static struct floor_view floor_of(struct house *house)
{
        struct floor_view view;

        judge_floor(house->world.judge, &view);
        return view;
}

static void it_is_foretold_when_the_floor_is_reached(void **state)
{
        struct house house;

        make(&house);
        assert_true(floor_of(&house).reached_in == USEC_INFINITY);
        assert_false(floor_of(&house).below);
        house.hog->leaks = 10 * MB;
        world_run(&house.world, 3 * MIN);
        /* 274 - 30 = 244, so 44 are left at 10 a minute */
        assert_true(floor_of(&house).pace_bytes > 9 * MB && floor_of(&house).pace_bytes < 11 * MB);
        assert_true(floor_of(&house).reached_in > 240 * S && floor_of(&house).reached_in < 280 * S);
        house.hog->leaks = 0;
        world_run(&house.world, 3 * MIN);
        assert_true(floor_of(&house).reached_in == USEC_INFINITY);
        done(&house);
}

static void what_goes_on_can_be_asked_for(void **state)
{
        struct house house;

        make(&house);
        assert_string_equal(floor_of(&house).state, "calm");
        assert_false(floor_of(&house).closely);
        house.hog->holds += 400 * MB;
        world_run(&house.world, 2 * MIN);
        assert_string_equal(floor_of(&house).state, "resting");
        assert_true(floor_of(&house).next > house.world.now);
        assert_true(floor_of(&house).below && floor_of(&house).incident == 1);
        assert_int_equal(story_view(&house.world, "pm2:root/otto").flushed, 1);
        assert_int_equal(story_view(&house.world, "pm2:root/hog").flushed, 0);
        done(&house);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(enough_memory_is_nobodys_business),
                cmocka_unit_test(the_largest_goes_first_and_one_is_enough),
                cmocka_unit_test(one_after_the_other_until_there_is_enough),
                cmocka_unit_test(a_peak_is_no_reason),
                cmocka_unit_test(pressure_confirms_it_sooner),
                cmocka_unit_test(so_does_the_pace),
                cmocka_unit_test(next_to_nothing_needs_no_confirmation_and_little_patience),
                cmocka_unit_test(who_holds_the_memory_and_is_not_touched_is_told),
                cmocka_unit_test(who_takes_more_meanwhile_is_told),
                cmocka_unit_test(what_is_no_agent_is_named),
                cmocka_unit_test(a_restart_that_costs_more_comes_later),
                cmocka_unit_test(what_a_critical_agent_stands_on_is_critical),
                cmocka_unit_test(a_unit_with_a_pm2_daemon_in_it_is_never_restarted),
                cmocka_unit_test(an_agent_that_is_only_observed_is_told),
                cmocka_unit_test(in_safe_mode_everybody_is_only_told),
                cmocka_unit_test(who_loops_is_dealt_with_otherwise),
                cmocka_unit_test(humans_go_first),
                cmocka_unit_test(nobody_is_restarted_in_his_change_window),
                cmocka_unit_test(the_budget_of_actions_holds),
                cmocka_unit_test(what_is_not_seen_is_not_touched),
                cmocka_unit_test(a_restart_that_fails_is_not_the_last),
                cmocka_unit_test(what_grows_back_at_once_comes_later_the_next_time),
                cmocka_unit_test(a_human_closes_it_and_it_is_quiet_until_it_was_over),
                cmocka_unit_test(a_floor_beyond_the_machine_is_told_and_nothing_is_done),
                cmocka_unit_test(without_figures_nothing_is_done),
                cmocka_unit_test(a_leak_that_was_left_for_a_human_is_restarted),
                cmocka_unit_test(when_many_fail_at_once_what_they_share_comes_first),
                cmocka_unit_test(instances_are_restarted_one_by_one),
                cmocka_unit_test(what_the_machine_stands_on_is_never_restarted),
                cmocka_unit_test(the_daemon_may_die_in_the_middle_of_it),
                cmocka_unit_test(its_memory_is_all_it_needs),
                cmocka_unit_test(it_is_foretold_when_the_floor_is_reached),
                cmocka_unit_test(what_goes_on_can_be_asked_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
