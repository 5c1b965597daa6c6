/* Many agents that idle, burst, pulse, work steadily below their limit or above it, seen through late and lost samples and
 * daemons that come and go: what lasts is found, and nothing else. Half of them have a quota, from hands that fail or say nothing
 * now and then: nobody is held who is no burden, and in the end all are free. `GOVERNOR_SEED=N GOVERNOR_LIVES=N` for others, and
 * for more. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define STEP USEC_PER_SEC
#define BACKLOG_MOST (10 * USEC_PER_MINUTE) /* of CPU time: what was wanted before that nobody wants any more */
#define LIVES 40                            /* of each kind */

enum kind {
        IDLE,
        BELOW,
        BURSTS,
        PULSE_BELOW,
        ABOVE,
        PULSE_ABOVE,
        RISING,
        KINDS,
};

static const struct {
        const char *name;
        bool right;
} kinds[KINDS] = {
        [IDLE] = { "idle", false },
        [BELOW] = { "below the limit, and never far", false },
        [BURSTS] = { "bursts far above it, and rest between them", false },
        [PULSE_BELOW] = { "a pulse below it on average", false },
        [ABOVE] = { "above it", true },
        [PULSE_ABOVE] = { "a quick pulse above it on average", true },
        [RISING] = { "rising from nothing to far above it", true },
};

/* A life with a limit of its own; shares are in permille of one CPU. */
struct life {
        enum kind kind;
        uint64_t limit;
        usec_t lasting, every;
        unsigned lost;             /* samples, in thousandths */
        uint64_t share;            /* while it works */
        usec_t work, rest;         /* of a burst or pulse */
        usec_t busy;               /* how long it goes on, before it idles for good */
        unsigned quota;            /* percent of one CPU, 0 none */
        unsigned opened, resolved; /* what was told */
        unsigned held;             /* how often it was held */
        usec_t opened_at, resolved_at;
};

static uint64_t between(struct world *world, uint64_t least, uint64_t most)
{
        return least + world_chance(world) % (most - least + 1);
}

static void make_life(struct world *world, uint64_t seed, enum kind kind, struct life *life)
{
        life->kind = kind;
        life->limit = between(world, 2, 300) * 10;
        life->lasting = between(world, 6, 120) * USEC_PER_MINUTE; /* in less than that few samples see a rest */
        life->every = between(world, 1, 2) * 15 * USEC_PER_SEC;
        life->lost = (unsigned)between(world, 0, 1) * 50;
        life->quota = seed % 2 ? (unsigned)(life->limit / 10 + 1) / 2 : 0;
        life->busy = 4 * life->lasting + 10 * USEC_PER_MINUTE;
        switch (kind) {
        case BELOW: life->share = life->limit * between(world, 50, 99) / 100; break;
        case ABOVE: life->share = life->limit * between(world, 102, 300) / 100 + 1; break;
        case RISING: life->share = life->limit * 6; break;
        case BURSTS:
                life->share = life->limit * between(world, 2, 40);
                life->work = life->lasting / between(world, 8, 20);
                life->rest = life->lasting * between(world, 6, 9) / 10;
                break;
        case PULSE_BELOW:
                life->work = between(world, 1, life->lasting / USEC_PER_SEC / 16 + 2) * USEC_PER_SEC;
                life->rest = between(world, 1, life->lasting / USEC_PER_SEC / 16 + 2) * USEC_PER_SEC;
                life->share = life->limit * 80 / 100 * (life->work + life->rest) / life->work;
                break;
        case PULSE_ABOVE: /* each quarter of the time holds several whole pulses */
                life->work = between(world, 1, life->lasting / USEC_PER_SEC / 64 + 1) * USEC_PER_SEC;
                life->rest = between(world, 1, life->lasting / USEC_PER_SEC / 64 + 1) * USEC_PER_SEC;
                life->share = (life->limit * 150 / 100 + 1) * (life->work + life->rest) / life->work;
                break;
        default: break;
        }
}

static uint64_t share_at(struct world *world, const struct life *life, usec_t age)
{
        uint64_t noise = world_chance(world) % 3;

        if (age > life->busy)
                return noise;
        if (life->work > 0)
                return age % (life->work + life->rest) < life->work ? life->share : 0;
        if (life->kind == RISING)
                return life->share * age / life->busy;
        return life->share > 0 ? life->share : noise;
}

static void note(struct world *world, const struct decision *decision)
{
        struct life *life = world->self;

        assert_int_equal(decision->cause, CAUSE_CPU_SUSTAINED);
        if (decision->kind == DECIDE_ACT || decision->kind == DECIDE_WITHHOLD) {
                assert_true(life->quota > 0 && life->opened > 0);
                assert_true(decision->action == ACTION_LIMIT || decision->action == ACTION_UNLIMIT);
                life->held += decision->kind == DECIDE_ACT && decision->action == ACTION_LIMIT;
                return;
        }
        assert_true(decision->kind == DECIDE_OPEN || decision->kind == DECIDE_RESOLVE);
        if (decision->kind == DECIDE_OPEN)
                life->opened++, life->opened_at = world_age(world);
        else
                life->resolved++, life->resolved_at = world_age(world);
}

static void tell_sample(struct world *world, const struct actor *actor, usec_t used)
{
        struct fact fact = { .kind = FACT_SAMPLE,
                             .manager = MANAGER_SYSTEMD,
                             .agent = actor->id,
                             .sample = { .pid = actor->pid,
                                         .start = actor->start,
                                         .memory_bytes = 1 << 20,
                                         .most_pid = actor->pid,
                                         .cpu = used,
                                         .cpu_of = MEMORY_OF_CGROUP } };

        world_send(world, &fact);
}

/* Now and then the daemon is away, for less than a quarter of the time. */
static void come_and_go(struct world *world, const struct life *life)
{
        if (!world->away && world_chance(world) % (4 * life->lasting / STEP) == 0)
                world_leave(world);
        else if (world->away && world_chance(world) % 20 == 0)
                world_return(world);
}

static void live(uint64_t seed, enum kind kind, struct life *life, char told[512])
{
        struct world world;
        struct actor *actor;
        struct rule *rule;
        usec_t used = 0;
        usec_t backlog = 0, done;

        *life = (struct life){ 0 };
        world_init(&world, seed);
        make_life(&world, seed, kind, life);
        rule = world_rule(&world, "all", MANAGER_SYSTEMD, "*");
        rule->cpu = (struct cpu_limits){ .above_percent = life->limit / 10,
                                         .lasting = life->lasting,
                                         .quota_percent = life->quota };
        actor = world_add(&world, "systemd:lily.service");
        world.self = life;
        world.decided = note;
        world.faults = (struct faults){ .refused = 100, .silent = 200 };
        world_judge(&world);
        world_start(&world);
        for (usec_t age = 0; age < life->busy + 3 * life->lasting + 10 * USEC_PER_MINUTE; age += STEP) {
                backlog += STEP / 1000 * share_at(&world, life, age);
                done = actor->limited && backlog > STEP / 100 * life->quota ? STEP / 100 * life->quota : backlog;
                used += done;
                backlog = age > life->busy ? 0 : backlog - done < BACKLOG_MOST ? backlog - done : BACKLOG_MOST;
                world_run(&world, STEP);
                if (age % life->every == 0 && !world.away && world_chance(&world) % 1000 >= life->lost)
                        tell_sample(&world, actor, used);
                come_and_go(&world, life);
        }
        world.faults = (struct faults){ 0 }; /* all that was asked for is done one day */
        world_run(&world, USEC_PER_HOUR);
        assert_false(actor->limited);
        snprintf(told, 512, "%s", world_trace(&world));
        world_done(&world);
}

static unsigned number_of(const char *name, unsigned unset)
{
        const char *value = getenv(name);

        return value ? (unsigned)strtoul(value, NULL, 10) : unset;
}

/* Found no sooner than it lasted, once, and over when it was over. */
static bool is_right(const struct life *life)
{
        if (!kinds[life->kind].right)
                return life->opened == 0 && life->held == 0;
        return life->opened == 1 && life->resolved == 1 && life->opened_at >= life->lasting &&
               life->opened_at <= life->busy && life->resolved_at > life->busy;
}

static void what_lasts_is_found_and_nothing_else(void **state)
{
        unsigned lives = number_of("GOVERNOR_LIVES", LIVES), wrong = 0;
        uint64_t first = number_of("GOVERNOR_SEED", 1);

        for (unsigned kind = 0; kind < KINDS; kind++)
                for (uint64_t seed = first; seed < first + lives; seed++) {
                        char told[512];
                        struct life life;

                        live(seed * KINDS + kind, kind, &life, told);
                        if (is_right(&life))
                                continue;
                        wrong++;
                        print_error("%s, seed %" PRIu64 ": limit %" PRIu64 ", %" PRIu64 " s\n%s", kinds[kind].name,
                                    seed, life.limit, life.lasting / USEC_PER_SEC, told);
                }
        assert_int_equal(wrong, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_lasts_is_found_and_nothing_else),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
