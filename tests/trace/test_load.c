/* An agent or a machine that is busy for long: told when it lasts, and not when it is a burst. */
#include "loads.h"

static struct user one_agent(struct world *world, unsigned percent, usec_t lasting)
{
        return user_alone(world, "pm2:root/lily", &(struct cpu_limits){ .above_percent = percent, .lasting = lasting });
}

/* ---- agents ------------------------------------------------------------------------------------------------------------ */

static void a_load_that_lasts_is_told_and_nothing_is_done(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 10 * MIN);

        user_use(&world, &lily, 10, 30 * MIN);
        CHECK_TRACE(&world, "");
        user_use(&world, &lily, 90, 20 * MIN);
        CHECK_TRACE(
                &world,
                "3225.0s open inc-1 lily cpu-sustained: its process used 80.0% of one CPU over 10m, above its limit of 50% for 10m\n");
        user_use(&world, &lily, 10, 30 * MIN);
        CHECK_TRACE(&world, "4260.0s resolve inc-1 lily cpu-sustained: back to 42.0% of one CPU over 10m\n");
        world_done(&world);
}

/* Four CPUs for a minute are as much as half of one for eight, and a minute is no load that lasts. */
static void a_burst_is_none_however_high(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 10 * MIN);

        for (int n = 0; n < 6; n++) {
                user_use(&world, &lily, 800, MIN);
                user_use(&world, &lily, 1, 19 * MIN);
                user_use(&world, &lily, 100, 7 * MIN);
                user_use(&world, &lily, 1, 8 * MIN);
        }
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void exactly_at_the_limit_is_not_above_it(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 10 * MIN);

        user_use(&world, &lily, 50, HOUR);
        CHECK_TRACE(&world, "");
        user_use(&world, &lily, 51, HOUR);
        CHECK_TRACE(
                &world,
                "4515.0s open inc-1 lily cpu-sustained: its process used 50.1% of one CPU over 10m 30s, above its limit of 50% for 10m\n");
        world_done(&world);
}

/* Below the limit is not over: a load that goes to and fro around it is one incident. */
static void around_the_limit_it_is_told_once(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 80, 10 * MIN);

        for (int n = 0; n < 20; n++) {
                user_use(&world, &lily, 88, 12 * MIN);
                user_use(&world, &lily, 74, 12 * MIN);
        }
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its process used 88.0% of one CPU over 10m, above its limit of 80% for 10m\n");
        user_use(&world, &lily, 60, 12 * MIN);
        CHECK_TRACE(&world, "29880.0s resolve inc-1 lily cpu-sustained: back to 70.0% of one CPU over 10m 15s\n");
        world_done(&world);
}

/* Fifteen seconds without work in a time of ten minutes: waiting for an answer is no break. */
static void a_breath_is_no_break(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 10 * MIN);

        for (int n = 0; n < 8; n++) {
                user_use(&world, &lily, 100, 105 * S);
                user_use(&world, &lily, 0, 15 * S);
        }
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its process used 87.5% of one CPU over 10m, above its limit of 50% for 10m\n");
        world_done(&world);
}

/* The counters know what nobody looked at, up to a quarter of the time; what lies farther apart says nothing. */
static void a_short_gap_is_bridged_and_a_long_one_begins_anew(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 20 * MIN);

        user_use(&world, &lily, 90, 10 * MIN);
        user_use_unseen(&world, &lily, 90, 4 * MIN);
        user_use(&world, &lily, 90, 7 * MIN);
        CHECK_TRACE(
                &world,
                "2115.0s open inc-1 lily cpu-sustained: its process used 90.0% of one CPU over 20m, above its limit of 50% for 20m\n");
        user_use(&world, &lily, 0, 30 * MIN);
        CHECK_TRACE(&world, "2925.0s resolve inc-1 lily cpu-sustained: back to 43.7% of one CPU over 24m 45s\n");
        user_use(&world, &lily, 90, 15 * MIN);
        user_use_unseen(&world, &lily, 90, 6 * MIN);
        user_use(&world, &lily, 90, 19 * MIN);
        CHECK_TRACE(&world, "");
        user_use(&world, &lily, 90, 2 * MIN);
        CHECK_TRACE(
                &world,
                "6435.0s open inc-2 lily cpu-sustained: its process used 90.0% of one CPU over 20m, above its limit of 50% for 20m\n");
        world_done(&world);
}

/* Another life has to show that it is no burden, for a quarter of the time; it may be one too. */
static void a_restart_does_not_explain_it_by_itself(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 20 * MIN);

        user_use(&world, &lily, 100, 25 * MIN);
        world_human(&world, lily.actor, ACTION_RESTART);
        user_use(&world, &lily, 100, 10 * MIN);
        CHECK_TRACE(
                &world,
                "2115.0s open inc-1 lily cpu-sustained: its process used 100.0% of one CPU over 20m, above its limit of 50% for 20m\n");
        world_human(&world, lily.actor, ACTION_RESTART);
        user_use(&world, &lily, 5, 6 * MIN);
        CHECK_TRACE(&world, "3315.0s resolve inc-1 lily cpu-sustained: back to 5.0% of one CPU over 5m\n");
        world_done(&world);
}

static void one_that_its_owner_stopped_is_no_burden(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 20 * MIN);

        user_use(&world, &lily, 100, 25 * MIN);
        world_human(&world, lily.actor, ACTION_STOP);
        world_run(&world, MIN);
        CHECK_TRACE(
                &world,
                "2115.0s open inc-1 lily cpu-sustained: its process used 100.0% of one CPU over 20m, above its limit of 50% for 20m\n"
                "2404.5s resolve inc-1 lily cpu-sustained: it does not run any more\n");
        world_done(&world);
}

/* A limit is for each instance: two that use a third each are none above the half. */
static void instances_have_the_limit_to_themselves(void **state)
{
        struct world world;
        struct user one = one_agent(&world, 50, 10 * MIN), two = { .of = MEMORY_OF_PROCESS };

        two.actor = world_add(&world, "pm2:root/lily");
        world_human(&world, two.actor, ACTION_START);
        world_run(&world, MIN);
        world_forget_trace(&world);
        for (int n = 0; n < 80; n++) {
                user_use(&world, &one, 35, 15 * S);
                two.used += 15 * S / 100 * 35;
                user_sample(&world, &two);
        }
        CHECK_TRACE(&world, "");
        for (int n = 0; n < 80; n++) {
                user_use(&world, &one, 35, 15 * S);
                two.used += 15 * S;
                user_sample(&world, &two);
        }
        CHECK_TRACE(
                &world,
                "2610.0s open inc-1 lily cpu-sustained: its process used 83.8% of one CPU over 10m, above its limit of 50% for 10m\n");
        world_done(&world);
}

static void what_a_human_acknowledged_is_told_again_only_after_it_was_over(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 10 * MIN);

        user_use(&world, &lily, 90, 11 * MIN);
        world_ask(&world, "", ASK_ACKNOWLEDGE, 1);
        user_use(&world, &lily, 90, HOUR);
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its process used 90.0% of one CPU over 10m, above its limit of 50% for 10m\n"
                "1560.0s resolve inc-1 lily cpu-sustained: acknowledged by a human\n");
        user_use(&world, &lily, 0, 20 * MIN);
        user_use(&world, &lily, 90, 20 * MIN);
        CHECK_TRACE(
                &world,
                "6870.0s open inc-2 lily cpu-sustained: its process used 76.5% of one CPU over 10m, above its limit of 50% for 10m\n");
        world_done(&world);
}

static void another_policy_may_end_it(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 10 * MIN);

        user_use(&world, &lily, 90, 11 * MIN);
        world.rules[0].cpu = (struct cpu_limits){ .above_percent = 0 };
        judge_set_policy(world.judge, &world.policy);
        user_use(&world, &lily, 90, MIN);
        CHECK_TRACE(
                &world,
                "1515.0s open inc-1 lily cpu-sustained: its process used 90.0% of one CPU over 10m, above its limit of 50% for 10m\n"
                "1575.0s resolve inc-1 lily cpu-sustained: it has no CPU limit any more\n");
        world_done(&world);
}

/* How often a thread gives up its CPU, and how often it is taken from it, says what kind of load it is. */
static void switches_explain_a_load(void **state)
{
        static const struct {
                unsigned voluntary, involuntary; /* a second */
                const char *says;
        } kinds[] = {
                { 0, 4, "for 10m; its main thread spins: it hardly ever sleeps\n" },
                { 1, 4000,
                  "for 10m; its main thread is pushed off the CPU 4,000 times a second: it competes for it\n" },
                { 38000, 20, "for 10m; its main thread wakes up 38,000 times a second\n" },
                { 200, 30, "for 10m\n" },
                { 0, 0, "for 10m\n" }, /* it is other threads that are busy */
        };

        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
                struct world world;
                struct user lily = one_agent(&world, 50, 10 * MIN);
                const char *told;

                for (int n = 0; n < 44; n++) {
                        lily.voluntary += 15 * kinds[k].voluntary;
                        lily.involuntary += 15 * kinds[k].involuntary;
                        user_use(&world, &lily, 100, 15 * S);
                }
                told = strstr(world_trace(&world), "for 10m");
                assert_string_equal(told ? told : "nothing", kinds[k].says);
                world_done(&world);
        }
}

/* The time of a tree and that of a process are no one counter. */
static void whose_time_is_counted_begins_a_new_count(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 10 * MIN);

        world.rules[0].memory.of = MEMORY_OF_CGROUP;
        lily.of = MEMORY_OF_CGROUP;
        user_use(&world, &lily, 90, 8 * MIN);
        lily.of = MEMORY_OF_TREE;
        lily.used += 100 * HOUR;
        user_use(&world, &lily, 90, 8 * MIN);
        CHECK_TRACE(&world, "");
        user_use(&world, &lily, 90, 3 * MIN);
        CHECK_TRACE(
                &world,
                "1995.0s open inc-1 lily cpu-sustained: its tree used 90.0% of one CPU over 10m, above its limit of 50% for 10m (its cgroup is not accounted here)\n");
        world_done(&world);
}

/* What was counted before the daemon went counts when it is back soon, and what was told is not told again. */
static void it_survives_the_daemon(void **state)
{
        struct world world;
        struct user lily = one_agent(&world, 50, 20 * MIN);

        user_use(&world, &lily, 90, 12 * MIN);
        world_leave(&world);
        user_use_unseen(&world, &lily, 90, 3 * MIN);
        world_return(&world);
        user_use(&world, &lily, 90, 6 * MIN);
        CHECK_TRACE(
                &world,
                "2115.0s open inc-1 lily cpu-sustained: its process used 90.0% of one CPU over 20m, above its limit of 50% for 20m\n");
        world_leave(&world);
        user_use_unseen(&world, &lily, 90, HOUR);
        world_return(&world);
        user_use(&world, &lily, 90, HOUR);
        CHECK_TRACE(&world, "");
        world_leave(&world);
        user_use_unseen(&world, &lily, 1, HOUR);
        world_return(&world);
        user_use(&world, &lily, 1, 19 * MIN);
        CHECK_TRACE(&world, "");
        user_use(&world, &lily, 1, 3 * MIN);
        CHECK_TRACE(&world, "14175.0s resolve inc-1 lily cpu-sustained: back to 1.0% of one CPU over 20m\n");
        world_done(&world);
}

/* ---- the machine --------------------------------------------------------------------------------------------------------- */

struct cpus {
        usec_t busy, given, steal, uptime;
        uint64_t switches, switches_a_second;
        uint32_t n, pressure;
};

static void sample_host(struct world *world, struct cpus *cpus)
{
        struct fact fact = { .kind = FACT_HOST,
                             .agent = "",
                             .host = { .cpus = cpus->n,
                                       .cpu_some_avg10 = cpus->pressure,
                                       .uptime = cpus->uptime,
                                       .cpu_busy = cpus->busy,
                                       .cpu_given = cpus->given,
                                       .cpu_steal = cpus->steal,
                                       .switches = cpus->switches } };

        world_send(world, &fact);
}

/* Of all CPUs so much is used and so much taken by the host, for so long. */
static void keep_busy(struct world *world, struct cpus *cpus, unsigned percent, unsigned steal, usec_t time)
{
        for (usec_t passed = 0; passed < time; passed += 15 * S) {
                world_run(world, 15 * S);
                cpus->busy += 15 * S / 100 * percent * cpus->n;
                cpus->given += 15 * S / 100 * (100 - steal) * cpus->n;
                cpus->steal += 15 * S / 100 * steal * cpus->n;
                cpus->switches += 15 * cpus->switches_a_second;
                cpus->uptime += 15 * S;
                sample_host(world, cpus);
        }
}

static void a_machine(struct world *world, struct cpus *cpus)
{
        world_init(world, 1);
        world->policy.machine.cpu = (struct cpu_limits){ .above_percent = 85, .lasting = 10 * MIN };
        *cpus = (struct cpus){ .n = 2, .uptime = HOUR, .given = 2 * HOUR, .switches_a_second = 2000 };
}

static void a_machine_without_idle_time_is_told_with_who_uses_it(void **state)
{
        static const char *const names[] = { "pm2:root/lily", "pm2:root/otto", "pm2:root/anna", "pm2:root/mia" };
        static const unsigned uses[] = { 20, 90, 0, 60 };
        struct user users[4];
        struct world world;
        struct cpus cpus;

        a_machine(&world, &cpus);
        for (int n = 0; n < 4; n++)
                users[n] = (struct user){ .actor = world_add(&world, names[n]), .of = MEMORY_OF_PROCESS };
        world_judge(&world);
        world_start(&world);
        keep_busy(&world, &cpus, 60, 0, 30 * MIN);
        world_forget_trace(&world);
        cpus.pressure = 4200;
        for (int n = 0; n < 44; n++) {
                keep_busy(&world, &cpus, 95, 0, 15 * S);
                for (int k = 0; k < 4; k++) {
                        users[k].used += 15 * S / 100 * uses[k];
                        user_sample(&world, &users[k]);
                }
        }
        CHECK_TRACE(
                &world,
                "2325.0s open inc-1 machine cpu-sustained: used 90.7% of 2 CPUs over 10m, above the limit of 85% for 10m; of the agents otto (90.0% of one CPU), mia (60.0%), lily (20.0%); something waits for a CPU 42% of the time\n");
        keep_busy(&world, &cpus, 78, 0, HOUR);
        CHECK_TRACE(&world, "");
        keep_busy(&world, &cpus, 40, 0, 10 * MIN);
        CHECK_TRACE(&world, "6120.0s resolve inc-1 machine cpu-sustained: back to 74.3% of 2 CPUs over 10m 15s\n");
        world_done(&world);
}

/* Throttled to a fifth it has nothing left: what the host takes was never there to be used. */
static void a_guest_that_is_throttled_is_busy(void **state)
{
        struct world world;
        struct cpus cpus;

        a_machine(&world, &cpus);
        world_judge(&world);
        world_start(&world);
        cpus.switches_a_second = 90000;
        keep_busy(&world, &cpus, 20, 79, 11 * MIN);
        CHECK_TRACE(
                &world,
                "615.0s open inc-1 machine cpu-sustained: used 95.3% of 2 CPUs over 10m, above the limit of 85% for 10m; its host takes 79.0% of the time (steal): it throttles, or is overbooked; 90,000 context switches a second\n");
        keep_busy(&world, &cpus, 20, 0, 11 * MIN);
        CHECK_TRACE(&world, "705.0s resolve inc-1 machine cpu-sustained: back to 74.3% of 2 CPUs over 10m\n");
        world_done(&world);
}

static void a_machine_may_be_acknowledged_and_booted(void **state)
{
        struct world world;
        struct cpus cpus;

        a_machine(&world, &cpus);
        world_judge(&world);
        world_start(&world);
        keep_busy(&world, &cpus, 99, 0, 11 * MIN);
        world_ask(&world, "", ASK_ACKNOWLEDGE, 1);
        keep_busy(&world, &cpus, 99, 0, HOUR);
        CHECK_TRACE(
                &world,
                "615.0s open inc-1 machine cpu-sustained: used 99.0% of 2 CPUs over 10m, above the limit of 85% for 10m\n"
                "660.0s resolve inc-1 machine cpu-sustained: acknowledged by a human\n");
        keep_busy(&world, &cpus, 10, 0, 20 * MIN);
        keep_busy(&world, &cpus, 99, 0, 20 * MIN);
        CHECK_TRACE(
                &world,
                "6015.0s open inc-2 machine cpu-sustained: used 92.4% of 2 CPUs over 10m, above the limit of 85% for 10m\n");
        world_leave(&world);
        world_run(&world, MIN);
        world_reboot(&world);
        world_return(&world);
        cpus = (struct cpus){ .n = 2, .uptime = 30 * S };
        keep_busy(&world, &cpus, 10, 0, 9 * MIN);
        CHECK_TRACE(&world, "");
        keep_busy(&world, &cpus, 10, 0, 2 * MIN);
        CHECK_TRACE(&world, "7335.0s resolve inc-2 machine cpu-sustained: back to 10.0% of 2 CPUs over 10m\n");
        world_done(&world);
}

/* ---- what the chain knows -------------------------------------------------------------------------------------------------- */

#define CHAIN_MAX 256

struct chain {
        struct fact facts[CHAIN_MAX];
        struct remembered remembered[CHAIN_MAX];
        unsigned n;
        char decided[8192], again[8192];
};

static void note_decisions(char text[8192], const struct decisions *decisions)
{
        for (unsigned n = 0; n < decisions->n; n++)
                snprintf(text + strlen(text), 8192 - strlen(text), "%llu %d %d %s %s\n",
                         (unsigned long long)decisions->list[n].at, decisions->list[n].kind, decisions->list[n].cause,
                         decisions->list[n].agent, decisions->list[n].reason);
}

static void keep_decision(struct world *world, const struct decision *decision)
{
        struct decisions one = { .n = 1, .list = { *decision } };

        note_decisions(((struct chain *)world->self)->decided, &one);
}

/* What is material is recorded; samples are not. Strings of a fact are loans: those of the world last. */
static void keep_fact(struct world *world, const struct fact *fact, bool material)
{
        struct chain *chain = world->self;
        struct fact *kept = &chain->facts[chain->n];

        if (!material)
                return;
        assert_true(fact->kind != FACT_SAMPLE && chain->n < CHAIN_MAX);
        *kept = *fact;
        kept->agent = "";
        for (int n = 0; n < world->actors_n; n++)
                if (strcmp(world->actors[n].id, fact->agent) == 0)
                        kept->agent = world->actors[n].id;
        if (fact->kind == FACT_AGENT)
                kept->agent_is.word = "online", kept->agent_is.result = "";
        if (fact->kind == FACT_SOURCE)
                kept->source.name = fact->manager == MANAGER_PM2 ? "pm2:root@/root/.pm2" : "systemd",
                kept->source.why = "";
        if (fact_is_memory(fact->kind)) {
                chain->remembered[chain->n] = *fact->remembered;
                kept->remembered = &chain->remembered[chain->n];
        }
        chain->n++;
}

/* A fresh judge lives through what was recorded, and nothing else. */
static void live_again(struct world *world, struct chain *chain)
{
        struct decisions decisions;

        world_judge(world);
        for (unsigned n = 0; n < chain->n; n++) {
                while (judge_deadline(world->judge) < chain->facts[n].at) {
                        struct fact tick = { .kind = FACT_TICK, .at = judge_deadline(world->judge), .agent = "" };

                        judge_step(world->judge, &tick, &decisions);
                        note_decisions(chain->again, &decisions);
                }
                judge_step(world->judge, &chain->facts[n], &decisions);
                note_decisions(chain->again, &decisions);
        }
}

static void samples_are_not_recorded_and_yet_all_is_decided_again(void **state)
{
        struct chain *chain = calloc(1, sizeof(*chain));
        struct user lily = { .of = MEMORY_OF_PROCESS }, anna = { .of = MEMORY_OF_PROCESS };
        struct world world;
        struct cpus cpus;

        a_machine(&world, &cpus);
        world_rule(&world, "thick", MANAGER_PM2, "*")->cpu =
                (struct cpu_limits){ .above_percent = 50, .lasting = 10 * MIN };
        lily.actor = world_add(&world, "pm2:root/lily");
        anna.actor = world_add(&world, "pm2:root/anna");
        world_judge(&world);
        world.self = chain;
        world.decided = keep_decision;
        world.sent = keep_fact;
        world_start(&world);
        for (int n = 0; n < 700; n++) {
                unsigned busy = n / 70 % 3 == 1 ? 95 : 20;

                keep_busy(&world, &cpus, busy, n / 200 * 7, 15 * S);
                lily.used += 15 * S / 100 * (busy + n % 5);
                anna.used += 15 * S / 100 * (n > 400 ? 80 : 10);
                lily.involuntary += (uint64_t)n * 15;
                if (n % 3 > 0)
                        user_sample(&world, &lily);
                user_sample(&world, &anna);
                if (n == 450)
                        world_human(&world, anna.actor, ACTION_STOP);
                if (n == 500)
                        world_ask(&world, "", ASK_ACKNOWLEDGE, 4);
        }
        world_human(&world, lily.actor, ACTION_RESTART);
        world_run(&world, MIN);
        live_again(&world, chain);
        assert_non_null(strstr(chain->decided, "used 9"));
        assert_non_null(strstr(chain->decided, "pm2:root/lily"));
        assert_non_null(strstr(chain->decided, "does not run any more"));
        assert_string_equal(chain->again, chain->decided);
        world_done(&world);
        free(chain);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_load_that_lasts_is_told_and_nothing_is_done),
                cmocka_unit_test(a_burst_is_none_however_high),
                cmocka_unit_test(exactly_at_the_limit_is_not_above_it),
                cmocka_unit_test(around_the_limit_it_is_told_once),
                cmocka_unit_test(a_breath_is_no_break),
                cmocka_unit_test(a_short_gap_is_bridged_and_a_long_one_begins_anew),
                cmocka_unit_test(a_restart_does_not_explain_it_by_itself),
                cmocka_unit_test(one_that_its_owner_stopped_is_no_burden),
                cmocka_unit_test(instances_have_the_limit_to_themselves),
                cmocka_unit_test(what_a_human_acknowledged_is_told_again_only_after_it_was_over),
                cmocka_unit_test(another_policy_may_end_it),
                cmocka_unit_test(switches_explain_a_load),
                cmocka_unit_test(whose_time_is_counted_begins_a_new_count),
                cmocka_unit_test(it_survives_the_daemon),
                cmocka_unit_test(a_machine_without_idle_time_is_told_with_who_uses_it),
                cmocka_unit_test(a_guest_that_is_throttled_is_busy),
                cmocka_unit_test(a_machine_may_be_acknowledged_and_booted),
                cmocka_unit_test(samples_are_not_recorded_and_yet_all_is_decided_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
