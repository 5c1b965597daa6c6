/* Months of agents that leak, jump, collect garbage, warm up and have children: each finding is right, and none is missed.
 * `GOVERNOR_SEED=N GOVERNOR_LIVES=N` for others, and for more of them. */
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

#define EVERY USEC_PER_MINUTE
#define MONTH (30 * USEC_PER_DAY)
#define LIVES 12 /* of each kind */

enum kind {
        STEADY,
        SAWTOOTH,
        WARM_UP,
        CHILD,
        LEAK,
        SLOW_LEAK,
        JUMP,
        KINDS,
};

static const struct {
        const char *name;
        enum cause right;
} kinds[KINDS] = {
        [STEADY] = { "steady", CAUSE_NONE },
        [SAWTOOTH] = { "sawtooth of a garbage collector", CAUSE_NONE },
        [WARM_UP] = { "legitimate warm-up", CAUSE_NONE },
        [CHILD] = { "child for a minute", CAUSE_NONE },
        [LEAK] = { "leak", CAUSE_MEMORY_LEAK },
        [SLOW_LEAK] = { "slow leak", CAUSE_MEMORY_LEAK },
        [JUMP] = { "jump", CAUSE_MEMORY_DRIFT },
};

/* One agent's life in KiB, as its kind and its chances make it. */
struct nature {
        enum kind kind;
        uint64_t base, teeth, period; /* kib, kib, minutes */
        uint64_t noise;
        uint64_t rate;      /* KiB a day */
        uint64_t turn;      /* minute at which it begins to leak, or jumps */
        uint64_t warm, tau; /* kib, minutes */
        bool ramp;
};

struct seen {
        unsigned leak, drift, other;
        usec_t first;
};

static uint64_t between(struct world *world, uint64_t least, uint64_t most)
{
        return least + world_chance(world) % (most - least + 1);
}

static struct nature nature_of(struct world *world, enum kind kind)
{
        struct nature nature = { .kind = kind,
                                 .base = between(world, 40, 120) * 1024,
                                 .noise = between(world, 100, 2000),
                                 .teeth = between(world, 2, 20) * 1024,
                                 .period = between(world, 1, 20) };

        switch (kind) {
        case SAWTOOTH:
                nature.teeth = between(world, 20, 150) * 1024;
                nature.period = between(world, 2, 8 * 60);
                break;
        case WARM_UP:
                nature.warm = between(world, 20, 100) * 1024;
                nature.tau = between(world, 5, 180);
                nature.ramp = world_chance(world) % 2;
                break;
        case LEAK:
                nature.rate = between(world, 24, 200) * 1024;
                nature.turn = between(world, 0, 10 * 1440);
                break;
        case SLOW_LEAK: nature.rate = between(world, 2 * 1024, 8 * 1024); break;
        case JUMP: nature.turn = between(world, 10 * 60, 20 * 1440); break;
        default: break;
        }
        return nature;
}

/* e^-(age/tau) as a share of 65536, by halves and a straight line between them. */
static uint64_t what_is_left(uint64_t age, uint64_t tau)
{
        uint64_t half = tau * 7 / 10 + 1, halves = age / half;

        return halves > 15 ? 0 : (65536 >> halves) - (65536 >> (halves + 1)) * (age % half) / half;
}

static uint64_t size_at(struct world *world, const struct nature *nature, uint64_t minute)
{
        uint64_t kib = nature->base + world_chance(world) % nature->noise;

        kib += nature->teeth * (minute % nature->period) / nature->period;
        if (nature->warm > 0 && nature->ramp)
                kib += minute < nature->tau ? nature->warm * minute / nature->tau : nature->warm;
        else if (nature->warm > 0)
                kib += nature->warm - nature->warm * what_is_left(minute, nature->tau) / 65536;
        if (nature->rate > 0 && minute > nature->turn)
                kib += nature->rate * (minute - nature->turn) / 1440;
        if (nature->kind == JUMP && minute >= nature->turn)
                kib += 140 * 1024;
        if (nature->kind == CHILD && minute % 173 == 0)
                kib += 300 * 1024;
        return kib;
}

static void note(struct world *world, const struct decision *decision)
{
        struct seen *seen = world->self;

        if (decision->kind != DECIDE_OPEN)
                return;
        if (seen->leak + seen->drift + seen->other == 0)
                seen->first = world_age(world);
        seen->leak += decision->cause == CAUSE_MEMORY_LEAK;
        seen->drift += decision->cause == CAUSE_MEMORY_DRIFT;
        seen->other += decision->cause != CAUSE_MEMORY_LEAK && decision->cause != CAUSE_MEMORY_DRIFT;
}

static struct seen live(uint64_t seed, enum kind kind, char told[512])
{
        struct world world;
        struct seen seen = { 0 };
        struct actor *actor;
        struct nature nature;

        world_init(&world, seed);
        world_rule(&world, "all", MANAGER_PM2, "*")->memory.of = MEMORY_OF_TREE;
        actor = world_add(&world, "pm2:root/lily");
        nature = nature_of(&world, kind);
        world.self = &seen;
        world.decided = note;
        world_judge(&world);
        world_start(&world);
        for (uint64_t minute = 0; minute < MONTH / EVERY; minute++) {
                uint64_t bytes = size_at(&world, &nature, minute) * 1024;
                struct fact fact = { .kind = FACT_SAMPLE,
                                     .manager = MANAGER_PM2,
                                     .agent = actor->id,
                                     .sample = { .pid = actor->pid,
                                                 .start = actor->start,
                                                 .memory_bytes = bytes,
                                                 .of = MEMORY_OF_TREE,
                                                 .most_pid = actor->pid,
                                                 .most_bytes = bytes } };

                world_run(&world, EVERY);
                world_send(&world, &fact);
                if (minute % 10007 == 0) /* the daemon is started anew now and then */
                        world_remember(&world);
        }
        snprintf(told, 512, "%s", world_trace(&world));
        world_done(&world);
        return seen;
}

static unsigned number_of(const char *name, unsigned unset)
{
        const char *value = getenv(name);

        return value ? (unsigned)strtoul(value, NULL, 10) : unset;
}

static void what_grows_is_found_and_nothing_else(void **state)
{
        unsigned right = 0, wrong = 0, missed = 0, lives = number_of("GOVERNOR_LIVES", LIVES);
        uint64_t first = number_of("GOVERNOR_SEED", 1);

        for (unsigned kind = 0; kind < KINDS; kind++)
                for (uint64_t seed = first; seed < first + lives; seed++) {
                        char told[512];
                        struct seen seen = live(seed * KINDS + kind, kind, told);
                        bool leak = kinds[kind].right == CAUSE_MEMORY_LEAK,
                             drift = kinds[kind].right == CAUSE_MEMORY_DRIFT;
                        unsigned good = (leak && seen.leak > 0) || (drift && seen.drift > 0);
                        unsigned bad = seen.other + (leak ? 0 : seen.leak) + (drift ? 0 : seen.drift);

                        right += good;
                        wrong += bad;
                        missed += kinds[kind].right != CAUSE_NONE && !good;
                        if (bad > 0 || (kinds[kind].right != CAUSE_NONE && !good))
                                print_error("%s, seed %" PRIu64 ": %u leaks, %u drifts, %u others\n%s",
                                            kinds[kind].name, seed, seen.leak, seen.drift, seen.other, told);
                }
        print_message("%u months: precision %u/%u, recall %u/%u\n", KINDS * lives, right, right + wrong, right,
                      right + missed);
        assert_int_equal(wrong, 0);
        assert_int_equal(missed, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_grows_is_found_and_nothing_else),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
