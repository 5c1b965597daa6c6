#include "judge/propose.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define MIB ((uint64_t)1 << 20)
#define ROUND (4 * MIB) /* limits are estimates, and look like ones */
#define MARGIN_LEAST (32 * MIB)
#define NOW_LEAST (8 * MIB) /* above what is used this moment: an idle program moves by less */
#define CPU_LEAST 50        /* percent: what starts is busy */
#define CPU_ROUND 10
#define PERMILLE_PER_PERCENT 10

static uint64_t round_up(uint64_t value, uint64_t unit)
{
        return (value + unit - 1) / unit * unit;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

/* MemoryHigh by what there is to go by, 0 when there is nothing. */
static uint64_t high_of(const struct rule *rule, const struct usage *usage, char why[PROPOSE_WHY_MAX])
{
        const struct memory_limits *memory = rule ? &rule->memory : NULL;
        char bytes[TEXT_BYTES_MAX], more[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];

        if (memory && memory->ceiling_bytes > 0) {
                snprintf(why, PROPOSE_WHY_MAX, "a tenth above its ceiling of %s, where Governor restarts it",
                         text_bytes(bytes, memory->ceiling_bytes));
                return memory->ceiling_bytes + memory->ceiling_bytes / 10;
        }
        if (usage->span >= PROPOSE_HISTORY_LEAST && usage->memory_p999 > 0) {
                snprintf(why, PROPOSE_WHY_MAX, "half as much again as the %s (p99.9, at most %s) of the last %s",
                         text_bytes(bytes, usage->memory_p999), text_bytes(more, usage->memory_most),
                         text_span(span, usage->span));
                return larger(usage->memory_p999 + usage->memory_p999 / 2,
                              usage->memory_most + usage->memory_most / 10);
        }
        if (memory && memory->budget_bytes > 0) {
                snprintf(why, PROPOSE_WHY_MAX, "twice its budget of %s", text_bytes(bytes, memory->budget_bytes));
                return 2 * memory->budget_bytes;
        }
        return 0;
}

static uint64_t above_now(uint64_t high, const struct usage *usage, char why[PROPOSE_WHY_MAX])
{
        uint64_t least = usage->memory_now + usage->memory_now / 4;
        char bytes[TEXT_BYTES_MAX];

        if (high >= least)
                return high;
        snprintf(why, PROPOSE_WHY_MAX, "it uses %s now, with all its processes: a quarter more",
                 text_bytes(bytes, usage->memory_now));
        return least;
}

static void advise(const struct usage *usage, char *advice, size_t size)
{
        char span[TEXT_SPAN_MAX];

        snprintf(
                advice, size,
                "There is nothing to go by for memory: no ceiling and no budget in its class, and %s of history where a day "
                "is needed. Give it a class with a ceiling (governor-policy(5)), wait, or say it: --memory-max SIZE",
                usage->span > 0 ? text_span(span, usage->span) : "nothing");
}

static void propose_memory(const struct rule *rule, const struct usage *usage, const struct limits *in_force,
                           struct proposal *ret)
{
        uint64_t high = high_of(rule, usage, ret->why[LIMIT_MEMORY_HIGH]), most;
        char bytes[TEXT_BYTES_MAX];

        if (high == 0) {
                advise(usage, ret->advice, sizeof(ret->advice));
                return;
        }
        high = round_up(above_now(high, usage, ret->why[LIMIT_MEMORY_HIGH]), ROUND);
        most = round_up(larger(high + high / 4, high + MARGIN_LEAST), ROUND);
        if (usage->machine_bytes > 0 && most >= usage->machine_bytes) {
                snprintf(ret->advice, sizeof(ret->advice),
                         "A memory limit for it would be all of the machine's %s, and limit nothing.",
                         text_bytes(bytes, usage->machine_bytes));
                return;
        }
        text_append(ret->why[LIMIT_MEMORY_HIGH], PROPOSE_WHY_MAX, "; the kernel slows it down there");
        limits_put(&ret->limits, LIMIT_MEMORY_HIGH, high);
        limits_put(&ret->limits, LIMIT_MEMORY_MAX, most);
        text_copy(ret->why[LIMIT_MEMORY_MAX], PROPOSE_WHY_MAX,
                  "a quarter above MemoryHigh; there the kernel kills it, if nobody came before");
        limits_put(&ret->limits, LIMIT_MEMORY_SWAP_MAX, 0);
        text_copy(ret->why[LIMIT_MEMORY_SWAP_MAX], PROPOSE_WHY_MAX,
                  "an agent that swaps is slow for long before it is dead");
        if (!limits_have(in_force, LIMIT_OOM_POLICY) || in_force->value[LIMIT_OOM_POLICY] != OOM_POLICY_STOP)
                return; /* somebody chose */
        limits_put(&ret->limits, LIMIT_OOM_POLICY, OOM_POLICY_KILL);
        text_copy(ret->why[LIMIT_OOM_POLICY], PROPOSE_WHY_MAX,
                  "when the kernel kills a part of it, all of it goes at once and begins anew");
}

/* ---- CPU -------------------------------------------------------------------------------------------------------------- */

static bool is_all_there_is(uint64_t percent, const struct usage *usage)
{
        return usage->machine_cpus > 0 && percent >= 100 * (uint64_t)usage->machine_cpus;
}

/* What its rule gives it when it was too much for long, it has from the start. */
static void propose_quota(const struct cpu_limits *cpu, struct proposal *ret)
{
        char span[TEXT_SPAN_MAX];

        limits_put(&ret->limits, LIMIT_CPU_QUOTA, cpu->quota_percent);
        snprintf(ret->why[LIMIT_CPU_QUOTA], PROPOSE_WHY_MAX,
                 "what its rule gives it once it was above %llu%% for %s, and then from the start",
                 (unsigned long long)cpu->above_percent, text_span(span, cpu->lasting));
}

static void propose_cpu(const struct rule *rule, const struct usage *usage, struct proposal *ret)
{
        uint64_t most = round_up(usage->cpu_most, PERMILLE_PER_PERCENT) / PERMILLE_PER_PERCENT;
        uint64_t quota = round_up(larger(2 * most, CPU_LEAST), CPU_ROUND);
        char span[TEXT_SPAN_MAX];

        if (rule && rule->cpu.quota_percent > 0 && !is_all_there_is(rule->cpu.quota_percent, usage)) {
                propose_quota(&rule->cpu, ret);
                return;
        }
        if (usage->span < PROPOSE_HISTORY_LEAST || is_all_there_is(quota, usage))
                return;
        limits_put(&ret->limits, LIMIT_CPU_QUOTA, quota);
        if (2 * most >= CPU_LEAST)
                snprintf(ret->why[LIMIT_CPU_QUOTA], PROPOSE_WHY_MAX,
                         "twice the %u%% of its busiest time in the last %s", (unsigned)most,
                         text_span(span, usage->span));
        else
                snprintf(ret->why[LIMIT_CPU_QUOTA], PROPOSE_WHY_MAX,
                         "half a CPU: what starts is busy, though it used %u%% at most in the last %s", (unsigned)most,
                         text_span(span, usage->span));
}

void propose(const struct rule *rule, const struct usage *usage, const struct limits *in_force, struct proposal *ret)
{
        *ret = (struct proposal){ .limits = { .place = LIMITS_TRIAL } };
        propose_memory(rule, usage, in_force, ret);
        propose_cpu(rule, usage, ret);
}

/* ---- somebody's own ---------------------------------------------------------------------------------------------------- */

static bool is_above_now(const struct limits *limits, enum limit limit, const struct usage *usage,
                         char why[PROPOSE_WHY_MAX])
{
        uint64_t least = usage->memory_now + larger(usage->memory_now / 10, NOW_LEAST);
        char is[TEXT_BYTES_MAX], value[LIMIT_TEXT_MAX];

        if (!limits_have(limits, limit) || usage->memory_now == 0 || limits->value[limit] >= least)
                return true;
        snprintf(why, PROPOSE_WHY_MAX, "it uses %s now: with %s=%s it would %s at once",
                 text_bytes(is, usage->memory_now), limit_name(limit), limit_text(limit, limits->value[limit], value),
                 limit == LIMIT_MEMORY_MAX ? "be killed" : "stand still");
        return false;
}

bool propose_allows(const struct limits *limits, const struct usage *usage, char why[PROPOSE_WHY_MAX])
{
        uint64_t quota = limits_have(limits, LIMIT_CPU_QUOTA) ? limits->value[LIMIT_CPU_QUOTA] : CPU_LEAST;

        why[0] = '\0';
        if (limits->set == 0)
                snprintf(why, PROPOSE_WHY_MAX, "there is nothing to limit");
        else if (quota == 0 || (usage->machine_cpus > 0 && quota > 100 * (uint64_t)usage->machine_cpus))
                snprintf(why, PROPOSE_WHY_MAX, "CPUQuota is a share of one CPU from 1%% to %u%% here",
                         100 * (usage->machine_cpus > 0 ? usage->machine_cpus : 1));
        else if (limits_have(limits, LIMIT_MEMORY_HIGH) && limits_have(limits, LIMIT_MEMORY_MAX) &&
                 limits->value[LIMIT_MEMORY_HIGH] > limits->value[LIMIT_MEMORY_MAX])
                snprintf(why, PROPOSE_WHY_MAX, "MemoryHigh above MemoryMax is never reached");
        else
                return is_above_now(limits, LIMIT_MEMORY_MAX, usage, why) &&
                       is_above_now(limits, LIMIT_MEMORY_HIGH, usage, why);
        return false;
}
