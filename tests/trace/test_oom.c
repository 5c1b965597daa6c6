/* Memory runs out: it is told before somebody is killed, and then who, by whom and at whose limit. */
#include "story.h"

#define MB (UINT64_C(1) << 20)

static const struct fact a_kill = {
        .kind = FACT_OOM,
        .instance = INSTANCE_ALL,
        .oom = { .what = OOM_KILLED, .killed = 1, .comm = "node", .cgroup = "", .limit = "", .others = "" },
};

/* The kernel kills the actor's main process, at its unit's limit or (limit 0) for the machine. The log is heard first. */
static void kill_main(struct world *world, struct actor *actor, uint64_t limit)
{
        struct fact fact = a_kill;

        fact.manager = actor->manager;
        fact.agent = actor->id;
        fact.instance = actor->number;
        fact.oom.by = limit > 0 ? OOM_BY_LIMIT : OOM_BY_MACHINE;
        fact.oom.pid = actor->pid;
        fact.oom.held_bytes = 189 * MB;
        fact.oom.limit_bytes = limit;
        fact.oom.cgroup = "/system.slice/agent-x.service";
        fact.oom.limit = limit > 0 ? "/system.slice/agent-x.service" : "";
        fact.oom.others = limit > 0 ? "" : "mia (node 1001) 150.0M, postgres 402 88.1M";
        actor->signal = 9;
        world_send(world, &fact);
        world_die(world, actor);
}

static void kill_stranger(struct world *world, int pid)
{
        struct fact fact = a_kill;

        fact.agent = "";
        fact.oom.by = OOM_BY_MACHINE;
        fact.oom.pid = pid;
        fact.oom.comm = "postgres";
        fact.oom.held_bytes = 88 * MB;
        fact.oom.cgroup = "/system.slice/postgresql.service";
        world_send(world, &fact);
}

/* A reading of a unit's cgroup: held now, and a minute before. */
static void reading(struct world *world, const char *agent, uint64_t held, uint64_t before, uint32_t pressure,
                    uint32_t pushes)
{
        struct fact fact = {
                .kind = FACT_OOM,
                .manager = agent_manager(agent),
                .agent = agent,
                .instance = 0,
                .oom = { .what = OOM_NEAR,
                         .by = OOM_BY_LIMIT,
                         .comm = "",
                         .cgroup = *agent ? "/system.slice/agent-x.service" : "/system.slice/pm2-root.service",
                         .limit = *agent ? "/system.slice/agent-x.service" : "/system.slice/pm2-root.service",
                         .others = "",
                         .limit_bytes = held > 0 ? 200 * MB : 0,
                         .held_bytes = held * MB,
                         .before_bytes = before * MB,
                         .before = MIN,
                         .pressure = pressure,
                         .pushes = pushes },
        };

        world_send(world, &fact);
}

static void machine_reading(struct world *world, uint64_t available, uint64_t before, uint32_t full, uint64_t swap)
{
        struct fact fact = {
                .kind = FACT_OOM,
                .agent = "",
                .instance = INSTANCE_ALL,
                .oom = { .what = OOM_NEAR,
                         .by = OOM_BY_MACHINE,
                         .comm = "",
                         .cgroup = "",
                         .limit = "",
                         .others = "",
                         .limit_bytes = 1000 * MB,
                         .held_bytes = (1000 - available) * MB,
                         .before_bytes = (1000 - before) * MB,
                         .before = MIN,
                         .pressure = full,
                         .swap_free_bytes = swap * MB },
        };

        world_send(world, &fact);
}

struct cast {
        struct world world;
        struct actor *lily, *x;
};

static void begin(struct cast *cast)
{
        world_init(&cast->world, 1);
        world_rule(&cast->world, "all", MANAGER_PM2, "*");
        world_rule(&cast->world, "units", MANAGER_SYSTEMD, "*");
        cast->lily = world_add(&cast->world, "pm2:root/lily");
        cast->x = world_add(&cast->world, "systemd:agent-x.service");
        for (int i = 0; i < 8; i++) {
                char id[32];

                snprintf(id, sizeof(id), "pm2:root/idle-%d", i);
                (void)world_add(&cast->world, id);
        }
        world_judge(&cast->world);
        cast->lily = &cast->world.actors[0];
        cast->x = &cast->world.actors[1];
        world_start(&cast->world);
        world_run(&cast->world, 15 * MIN);
        world_forget_trace(&cast->world);
}

static void a_victim_at_its_limit_is_named_with_it(void **state)
{
        struct cast cast;

        begin(&cast);
        kill_main(&cast.world, cast.x, 200 * MB);
        world_run(&cast.world, 10 * MIN);
        CHECK_TRACE(
                &cast.world,
                "900.0s open inc-1 agent-x oom: process 1001 (node) was killed for memory, held 189.0M: at the limit of 200.0M of agent-x.service\n");
        assert_int_equal(story_view(&cast.world, cast.x->id).last_ending, ENDING_OOM);
        world_run(&cast.world, 24 * HOUR);
        CHECK_TRACE(&cast.world, "87300.0s resolve inc-1 agent-x oom: nobody was killed for a day\n");
        world_done(&cast.world);
}

/* PM2 says SIGKILL, and cannot know whose. */
static void a_pm2_app_was_killed_for_memory_too(void **state)
{
        struct cast cast;

        begin(&cast);
        kill_main(&cast.world, cast.lily, 0);
        world_run(&cast.world, MIN);
        CHECK_TRACE(
                &cast.world,
                "900.0s open inc-1 lily oom: process 1000 (node) was killed for memory, held 189.0M: the machine had none left; also large: mia (node 1001) 150.0M, postgres 402 88.1M\n");
        assert_int_equal(story_view(&cast.world, cast.lily->id).last_ending, ENDING_OOM);
        assert_int_equal(story_view(&cast.world, cast.lily->id).incident, 1);
        world_done(&cast.world);
}

/* The log may be heard after the death. */
static void what_was_held_for_a_signal_is_corrected(void **state)
{
        struct cast cast;
        struct fact fact = a_kill;

        begin(&cast);
        fact.manager = MANAGER_PM2;
        fact.agent = cast.lily->id;
        fact.instance = 0;
        fact.oom.by = OOM_BY_MACHINE;
        fact.oom.pid = cast.lily->pid;
        cast.lily->signal = 9;
        world_die(&cast.world, cast.lily);
        world_run(&cast.world, 2 * S);
        assert_int_equal(story_view(&cast.world, cast.lily->id).last_ending, ENDING_SIGNAL);
        world_send(&cast.world, &fact);
        assert_int_equal(story_view(&cast.world, cast.lily->id).last_ending, ENDING_OOM);
        CHECK_TRACE(
                &cast.world,
                "902.0s open inc-1 lily oom: process 1000 (node) was killed for memory: the machine had none left\n");
        world_done(&cast.world);
}

static void a_child_that_was_killed_leaves_its_parents_ending_alone(void **state)
{
        struct cast cast;
        struct fact fact = a_kill;

        begin(&cast);
        fact.manager = MANAGER_PM2;
        fact.agent = cast.lily->id;
        fact.instance = 0;
        fact.oom.by = OOM_BY_MACHINE;
        fact.oom.pid = 31337;
        fact.oom.comm = "chrome";
        world_send(&cast.world, &fact);
        cast.lily->signal = 9;
        world_die(&cast.world, cast.lily);
        world_run(&cast.world, 2 * S);
        assert_int_equal(story_view(&cast.world, cast.lily->id).last_ending, ENDING_SIGNAL);
        CHECK_TRACE(
                &cast.world,
                "900.0s open inc-1 lily oom: process 31337 (chrome) was killed for memory: the machine had none left\n");
        world_done(&cast.world);
}

static void each_of_the_first_kills_is_told_and_then_few(void **state)
{
        struct cast cast;

        begin(&cast);
        for (int i = 0; i < 150; i++) {
                kill_stranger(&cast.world, 5000 + i);
                world_run(&cast.world, 2 * MIN);
                if (i == 1)
                        CHECK_TRACE(
                                &cast.world,
                                "900.0s open inc-1 machine oom: process 5000 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n"
                                "1020.0s worsen inc-1 machine oom: process 5001 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n");
        }
        CHECK_TRACE(
                &cast.world,
                "1140.0s worsen inc-1 machine oom: process 5002 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n"
                "1260.0s worsen inc-1 machine oom: process 5003 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n"
                "1380.0s worsen inc-1 machine oom: process 5004 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n"
                "1500.0s worsen inc-1 machine oom: process 5005 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n"
                "1620.0s worsen inc-1 machine oom: process 5006 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n"
                "1740.0s worsen inc-1 machine oom: process 5007 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n"
                "1860.0s worsen inc-1 machine oom: process 5008 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n"
                "1980.0s worsen inc-1 machine oom: process 5009 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n"
                "12780.0s worsen inc-1 machine oom: process 5099 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n");
        world_run(&cast.world, 25 * HOUR);
        CHECK_TRACE(&cast.world, "105180.0s resolve inc-1 machine oom: nobody was killed for a day\n");
        world_done(&cast.world);
}

static void nearing_is_told_before_the_kernel_acts(void **state)
{
        struct cast cast;

        begin(&cast);
        reading(&cast.world, cast.x->id, 160, 150, 0, 0);
        CHECK_TRACE(&cast.world, "");
        reading(&cast.world, cast.x->id, 182, 172, 0, 0);
        world_run(&cast.world, 30 * S);
        CHECK_TRACE(
                &cast.world,
                "900.0s open inc-1 agent-x oom: would be killed at 200.0M: holds 182.0M, 10.0M more than 1m ago, full in about 1m 47s\n");
        kill_main(&cast.world, cast.x, 200 * MB);
        world_run(&cast.world, MIN);
        CHECK_TRACE(
                &cast.world,
                "930.0s worsen inc-1 agent-x oom: process 1001 (node) was killed for memory, held 189.0M: at the limit of 200.0M of agent-x.service\n");
        world_done(&cast.world);
}

static void held_back_is_near_too_and_it_eases(void **state)
{
        struct cast cast;

        begin(&cast);
        reading(&cast.world, cast.x->id, 195, 196, 0, 0);
        CHECK_TRACE(&cast.world, "");
        reading(&cast.world, cast.x->id, 195, 196, 1500, 12);
        CHECK_TRACE(
                &cast.world,
                "900.0s open inc-1 agent-x oom: would be killed at 200.0M: holds 195.0M; stands still for memory 15% of the time; the kernel took memory back 12 times\n");
        world_run(&cast.world, 2 * MIN);
        reading(&cast.world, cast.x->id, 175, 196, 0, 0);
        reading(&cast.world, cast.x->id, 160, 196, 0, 0);
        world_run(&cast.world, 5 * MIN);
        reading(&cast.world, cast.x->id, 196, 160, 0, 3);
        world_run(&cast.world, 2 * MIN);
        reading(&cast.world, cast.x->id, 150, 160, 0, 0);
        world_run(&cast.world, 9 * MIN);
        CHECK_TRACE(&cast.world, "");
        world_run(&cast.world, 2 * MIN);
        CHECK_TRACE(&cast.world, "2040.0s resolve inc-1 agent-x oom: eased for 10m\n");
        world_done(&cast.world);
}

/* The teeth of a garbage collection, close to the limit, are one incident. */
static void a_sawtooth_is_told_once(void **state)
{
        struct cast cast;

        begin(&cast);
        for (int i = 0; i < 200; i++) {
                reading(&cast.world, cast.x->id, 190, 165, 0, 0);
                world_run(&cast.world, 20 * S);
                reading(&cast.world, cast.x->id, 165, 190, 0, 0);
                world_run(&cast.world, 20 * S);
        }
        CHECK_TRACE(
                &cast.world,
                "900.0s open inc-1 agent-x oom: would be killed at 200.0M: holds 190.0M, 25.0M more than 1m ago, full in about 23s\n");
        world_done(&cast.world);
}

static void a_fast_one_is_told_from_three_quarters_on(void **state)
{
        struct cast cast;

        begin(&cast);
        reading(&cast.world, cast.x->id, 155, 100, 0, 0);
        CHECK_TRACE(
                &cast.world,
                "900.0s open inc-1 agent-x oom: would be killed at 200.0M: holds 155.0M, 55.0M more than 1m ago, full in about 49s\n");
        reading(&cast.world, cast.x->id, 0, 155, 0, 0); /* stopped: its cgroup is gone */
        world_run(&cast.world, 11 * MIN);
        CHECK_TRACE(&cast.world, "1500.0s resolve inc-1 agent-x oom: eased for 10m\n");
        world_done(&cast.world);
}

/* The unit of a PM2 is no agent where only its apps have rules. */
static void a_unit_that_is_nobodys_is_the_machines(void **state)
{
        struct cast cast;

        begin(&cast);
        reading(&cast.world, "", 195, 190, 2000, 4);
        machine_reading(&cast.world, 100, 200, 0, 0);
        world_run(&cast.world, MIN);
        CHECK_TRACE(
                &cast.world,
                "900.0s open inc-1 machine oom: would be killed at 200.0M: pm2-root.service holds 195.0M, 5.0M more than 1m ago, full in about 59s; stands still for memory 20% of the time; the kernel took memory back 4 times\n"
                "900.0s open inc-2 machine oom: somebody is about to be killed: 100.0M of 1000.0M are available, 100.0M less than 1m ago, none left in about 59s; no swap is left\n");
        world_done(&cast.world);
}

static void the_machine_is_near_its_end(void **state)
{
        struct cast cast;

        begin(&cast);
        machine_reading(&cast.world, 240, 600, 0, 500); /* much went, and much is left */
        machine_reading(&cast.world, 140, 141, 0, 500); /* little is left, for long */
        CHECK_TRACE(&cast.world, "");
        machine_reading(&cast.world, 120, 180, 200, 500);
        CHECK_TRACE(
                &cast.world,
                "900.0s open inc-1 machine oom: somebody is about to be killed: 120.0M of 1000.0M are available, 60.0M less than 1m ago, none left in about 1m 59s\n");
        world_run(&cast.world, 2 * MIN);
        machine_reading(&cast.world, 400, 120, 0, 500);
        world_run(&cast.world, 11 * MIN);
        machine_reading(&cast.world, 90, 90, 2500, 0);
        CHECK_TRACE(
                &cast.world,
                "1620.0s resolve inc-1 machine oom: eased for 10m\n"
                "1680.0s open inc-2 machine oom: somebody is about to be killed: 90.0M of 1000.0M are available; stands still for memory 25% of the time; no swap is left\n");
        world_done(&cast.world);
}

static void a_manager_that_alone_knows_is_believed(void **state)
{
        struct cast cast;

        begin(&cast);
        world_ends(&cast.world, cast.x->id, 0, cast.x->pid, ENDING_OOM, 0);
        world_run(&cast.world, 2 * S);
        CHECK_TRACE(&cast.world, "");
        world_run(&cast.world, 2 * S);
        CHECK_TRACE(&cast.world,
                    "903.0s open inc-1 agent-x oom: killed for memory, says systemd; by whom is not known\n");
        world_done(&cast.world);
}

static void what_a_human_closed_comes_back_with_the_next_kill(void **state)
{
        struct cast cast;

        begin(&cast);
        kill_main(&cast.world, cast.lily, 0);
        world_run(&cast.world, MIN);
        world_ask(&cast.world, "", ASK_ACKNOWLEDGE, 1);
        world_run(&cast.world, HOUR);
        kill_main(&cast.world, cast.lily, 0);
        world_run(&cast.world, MIN);
        CHECK_TRACE(
                &cast.world,
                "900.0s open inc-1 lily oom: process 1000 (node) was killed for memory, held 189.0M: the machine had none left; also large: mia (node 1001) 150.0M, postgres 402 88.1M\n"
                "960.0s resolve inc-1 lily oom: acknowledged by a human\n"
                "4560.0s open inc-2 lily oom: process 1010 (node) was killed for memory, held 189.0M: the machine had none left; also large: mia (node 1001) 150.0M, postgres 402 88.1M\n");
        world_done(&cast.world);
}

static void it_is_known_after_the_daemon_was_away(void **state)
{
        struct cast cast;

        begin(&cast);
        kill_main(&cast.world, cast.lily, 0);
        kill_stranger(&cast.world, 77);
        reading(&cast.world, "", 195, 190, 2000, 4);
        world_run(&cast.world, MIN);
        world_forget_trace(&cast.world);
        world_leave(&cast.world);
        world_run(&cast.world, 10 * S);
        world_return(&cast.world);
        world_run(&cast.world, MIN);
        CHECK_TRACE(&cast.world, "");
        kill_main(&cast.world, cast.lily, 0);
        kill_stranger(&cast.world, 78);
        reading(&cast.world, "", 195, 190, 2000, 4);
        world_run(&cast.world, 23 * HOUR);
        CHECK_TRACE(
                &cast.world,
                "1030.0s worsen inc-1 lily oom: process 1010 (node) was killed for memory, held 189.0M: the machine had none left; also large: mia (node 1001) 150.0M, postgres 402 88.1M\n"
                "1030.0s worsen inc-2 machine oom: process 78 (postgres) of postgresql.service was killed for memory, held 88.0M: the machine had none left\n");
        world_run(&cast.world, 2 * HOUR);
        CHECK_TRACE(&cast.world, "87430.0s resolve inc-1 lily oom: nobody was killed for a day\n"
                                 "87430.0s resolve inc-2 machine oom: nobody was killed for a day\n");
        world_done(&cast.world);
}

/* What the trial brings is told by an incident that was open before it. */
static void limits_that_bring_it_near_are_taken_back_before_it_dies(void **state)
{
        struct cast cast;
        struct fact child = a_kill;

        begin(&cast);
        child.manager = MANAGER_SYSTEMD;
        child.agent = cast.x->id;
        child.oom.by = OOM_BY_MACHINE;
        child.oom.pid = 78;
        world_send(&cast.world, &child);
        world_run(&cast.world, HOUR);
        world_trial(&cast.world, cast.x->id, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&cast.world, MIN);
        world_forget_trace(&cast.world);
        reading(&cast.world, cast.x->id, 195, 190, 2000, 4);
        world_run(&cast.world, MIN);
        CHECK_TRACE(
                &cast.world,
                "4560.0s worsen inc-1 agent-x oom: would be killed at 200.0M: holds 195.0M, 5.0M more than 1m ago, full in about 59s; stands still for memory 20% of the time; the kernel took memory back 4 times\n"
                "4560.0s unlimit agent-x (undo): it is not well: oom, 1m into its trial\n");
        world_done(&cast.world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_victim_at_its_limit_is_named_with_it),
                cmocka_unit_test(a_pm2_app_was_killed_for_memory_too),
                cmocka_unit_test(what_was_held_for_a_signal_is_corrected),
                cmocka_unit_test(a_child_that_was_killed_leaves_its_parents_ending_alone),
                cmocka_unit_test(each_of_the_first_kills_is_told_and_then_few),
                cmocka_unit_test(nearing_is_told_before_the_kernel_acts),
                cmocka_unit_test(held_back_is_near_too_and_it_eases),
                cmocka_unit_test(a_sawtooth_is_told_once),
                cmocka_unit_test(a_fast_one_is_told_from_three_quarters_on),
                cmocka_unit_test(a_unit_that_is_nobodys_is_the_machines),
                cmocka_unit_test(the_machine_is_near_its_end),
                cmocka_unit_test(a_manager_that_alone_knows_is_believed),
                cmocka_unit_test(what_a_human_closed_comes_back_with_the_next_kill),
                cmocka_unit_test(it_is_known_after_the_daemon_was_away),
                cmocka_unit_test(limits_that_bring_it_near_are_taken_back_before_it_dies),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
