#include "judge/swell.h"

#include <string.h>

#include "base/text.h"
#include "judge/diagnose.h"
#include "judge/due.h"
#include "judge/growth.h"
#include "judge/incidents.h"
#include "judge/memory.h"
#include "judge/note.h"
#include "judge/numbers.h"
#include "judge/table.h"

#define KIB 1024
#define GAP_MOST (5 * USEC_PER_MINUTE) /* between samples that belong together */
#define CAME_BACK_KIB (8 * 1024)
#define WELL_AFTER (6 * USEC_PER_HOUR)
#define BUDGET_QUIET (10 * USEC_PER_MINUTE)

/* ---- sizes ---------------------------------------------------------------------------------------------------------- */

static uint32_t in_kib(uint64_t bytes)
{
        return bytes / KIB < UINT32_MAX ? (uint32_t)(bytes / KIB) : UINT32_MAX;
}

static void add_size(struct swell *swell, uint32_t kib, usec_t at)
{
        if (usec_since(at, swell->at) > GAP_MOST)
                swell->n = 0;
        if (swell->n == SWELL_SIZES)
                memmove(swell->kib, swell->kib + 1, --swell->n * sizeof(*swell->kib));
        swell->kib[swell->n++] = kib;
        swell->at = at;
}

/* So many of so many samples: a child that lives for a minute is no reason to restart its parent. */
static uint32_t samples_of(enum memory_of of)
{
        return of == MEMORY_OF_PROCESS ? 4 : 7;
}

/* How many of the newest are above; 0 while there are too few of them to say. */
static uint32_t count_above(const struct swell *swell, uint64_t limit_bytes)
{
        uint32_t samples = samples_of(swell->of), above = 0;

        for (uint32_t n = swell->n > samples ? swell->n - samples : 0; n < swell->n; n++)
                above += (uint64_t)swell->kib[n] * KIB > limit_bytes;
        return above;
}

static bool is_confirmed(const struct swell *swell, uint64_t limit_bytes)
{
        return limit_bytes > 0 && count_above(swell, limit_bytes) + 1 >= samples_of(swell->of);
}

/* Once told, it holds until it is clear that it does not any more. */
static unsigned find_trend(const struct swell *swell)
{
        const struct trend_found *trend = &swell->trend_found;
        const struct swell_told *told = &swell->told;
        bool same = told->pid == swell->pid && told->start == swell->start;
        unsigned found = (trend->leak ? SWELL_LEAK : 0) | (trend->jump ? SWELL_JUMP : 0);

        if (same && told->found & SWELL_LEAK && !trend->flat)
                found |= SWELL_LEAK;
        if (same && told->found & SWELL_JUMP && trend->kib > (uint64_t)told->from_kib / 4 * 5 + CAME_BACK_KIB)
                found |= SWELL_JUMP;
        return found;
}

/* What the numbers add up to, by this rule. */
static unsigned find(const struct swell *swell, const struct rule *rule)
{
        bool was_over = swell->told.found & SWELL_BUDGET;
        unsigned found = 0;

        if (!rule)
                return 0;
        found = find_trend(swell);
        if (is_confirmed(swell, rule->memory.ceiling_bytes))
                found |= SWELL_CEILING;
        if (is_confirmed(swell, rule->memory.budget_bytes) ||
            (was_over && rule->memory.budget_bytes > 0 && usec_since(swell->at, swell->budget_at) < BUDGET_QUIET))
                found |= SWELL_BUDGET;
        return found;
}

static bool is_of_life(const struct life *life, pid_t pid, uint64_t start)
{
        return life->state == LIFE_ALIVE && life->pid == pid && life->start == start;
}

static void begin_life(struct swell *swell, const struct fact *fact, usec_t began)
{
        trend_begin(&swell->trend, began);
        swell->trend_found = (struct trend_found){ .leak = false };
        swell->pid = fact->sample.pid;
        swell->start = fact->sample.start;
        swell->n = 0;
        if (swell->told.found & SWELL_BUDGET)
                swell->budget_at = fact->at; /* whether this one is too large as well is not known yet */
}

unsigned swell_found(const struct instance *instance)
{
        const struct swell_told *told = &instance->swell.told;

        return is_of_life(life_seen(instance), told->pid, told->start) ? told->found : told->found & SWELL_BUDGET;
}

void swell_sample(struct judge *judge, struct instance *instance, const struct fact *fact)
{
        const struct rule *rule = agent_of(judge, instance)->rule;
        struct swell *swell = &instance->swell;

        if (swell->pid != fact->sample.pid || swell->start != fact->sample.start)
                begin_life(swell, fact, life_seen(instance)->began);
        if (swell->of != fact->sample.of) { /* counted in another way from here on */
                swell->n = 0;
                trend_begin(&swell->trend, fact->at);
        }
        swell->of = fact->sample.of;
        swell->most_pid = fact->sample.most_pid;
        swell->most_kib = in_kib(fact->sample.most_bytes);
        add_size(swell, in_kib(fact->sample.memory_bytes), fact->at);
        if (trend_add(&swell->trend, fact->at, in_kib(fact->sample.memory_bytes)))
                trend_find(&swell->trend, &swell->trend_found);
        if (rule && rule->memory.budget_bytes > 0 && fact->sample.memory_bytes > rule->memory.budget_bytes)
                swell->budget_at = fact->at;
        if (!is_governed(agent_of(judge, instance)))
                return;
        if (find(swell, rule) == swell_found(instance))
                return;
        swell->wants_record = true;
        judge->decisions->remember = true;
}

/* ---- what is told --------------------------------------------------------------------------------------------------- */

static void tell(struct judge *judge, struct instance *instance, usec_t at)
{
        const struct rule *rule = agent_of(judge, instance)->rule;
        struct swell *swell = &instance->swell;
        bool jumped =
                swell->told.found & SWELL_JUMP && swell->told.pid == swell->pid && swell->told.start == swell->start;
        uint32_t from_kib = jumped ? swell->told.from_kib : swell->trend_found.from_kib;
        unsigned found = find(swell, rule);
        usec_t jumped_at = jumped ? swell->told.jumped_at : at;
        uint64_t limit =
                found & SWELL_CEILING || !rule ? (rule ? rule->memory.ceiling_bytes : 0) : rule->memory.budget_bytes;

        if (jumped && !(found & SWELL_JUMP))
                growth_came_back(judge, instance, swell->told.kib, at);
        swell->told = (struct swell_told){
                .found = found,
                .pid = swell->pid,
                .start = swell->start,
                .kib = swell->n > 0 ? swell->kib[swell->n - 1] : 0,
                .above = count_above(swell, limit),
                .of_samples = samples_of(swell->of) < swell->n ? samples_of(swell->of) : swell->n,
                .of = swell->of,
                .most_pid = swell->most_pid,
                .most_kib = swell->most_kib,
                .below_at = found & SWELL_CEILING      ? 0
                            : swell->told.below_at > 0 ? swell->told.below_at
                                                       : at,
                .from_kib = from_kib,
                .jumped_at = found & SWELL_JUMP ? jumped_at : 0,
                .bytes_an_hour = swell->trend_found.bytes_an_hour,
                .window = swell->trend_found.window,
        };
        due_sooner(judge, instance, at);
}

bool swell_is_above(const struct instance *instance)
{
        return swell_found(instance) & SWELL_CEILING;
}

usec_t swell_spent_until(const struct judge *judge, const struct instance *instance)
{
        usec_t until = usec_add(instance->swell_restarts[0], SWELL_WITHIN);

        return instance->swell_restarts[0] > 0 && until > judge->now ? until : 0;
}

usec_t swell_well_at(const struct instance *instance)
{
        usec_t since = instance->swell.told.below_at;

        return since > 0 ? usec_add(since, WELL_AFTER) : USEC_INFINITY;
}

enum cause swell_cause(const struct judge *judge, const struct instance *instance)
{
        const struct rule *rule = agent_of(judge, instance)->rule;

        if (!rule || rule->memory.ceiling_bytes == 0 || !swell_is_above(instance))
                return CAUSE_NONE;
        return swell_spent_until(judge, instance) > 0 ? CAUSE_MEMORY_LEAK : CAUSE_MEMORY_CEILING;
}

void swell_note_restart(struct judge *judge, struct instance *instance)
{
        instance->swell_restarts[0] = instance->swell_restarts[1];
        instance->swell_restarts[1] = judge->now;
}

/* ---- in words ------------------------------------------------------------------------------------------------------- */

static void describe_size(const struct swell_told *told, const struct rule *rule, uint64_t limit, const char *name,
                          char *reason, size_t size)
{
        char bytes[TEXT_BYTES_MAX], most[TEXT_BYTES_MAX];

        text_append(reason, size, "holds %s", text_bytes(bytes, (uint64_t)told->kib * KIB));
        text_append(reason, size, ", above its %s of %s in %u of %u samples", name, text_bytes(bytes, limit),
                    told->above, told->of_samples);
        if (told->of != rule->memory.of)
                text_append(reason, size, " (of its %s: its %s is not accounted here)", memory_of_name(told->of),
                            memory_of_name(rule->memory.of));
        else if (told->of != MEMORY_OF_PROCESS)
                text_append(reason, size, " (of its %s)", memory_of_name(told->of));
        if (told->most_pid == 0)
                return; /* a size alone, from the history */
        if (told->most_pid == told->pid)
                text_append(reason, size, "; its main process %d holds %s", (int)told->most_pid,
                            text_bytes(most, (uint64_t)told->most_kib * KIB));
        else
                text_append(reason, size, "; its child process %d holds %s", (int)told->most_pid,
                            text_bytes(most, (uint64_t)told->most_kib * KIB));
}

uint64_t swell_figures(const struct judge *judge, const struct instance *instance, enum cause cause,
                       uint64_t *ret_limit)
{
        const struct rule *rule = agent_of(judge, instance)->rule;
        bool budget = cause == CAUSE_MEMORY_BUDGET;

        if (!rule || (!budget && !(is_of_size(cause) && swell_is_above(instance))))
                return 0;
        *ret_limit = budget ? rule->memory.budget_bytes : rule->memory.ceiling_bytes;
        return (uint64_t)instance->swell.told.kib * KIB;
}

void swell_reason(const struct judge *judge, const struct instance *instance, enum cause cause, char *reason,
                  size_t size)
{
        const struct rule *rule = agent_of(judge, instance)->rule;

        if (cause == CAUSE_MEMORY_LEAK)
                text_append(reason, size,
                            "restarted %d times within an hour, and left for a human now: ", SWELL_RESTARTS);
        describe_size(&instance->swell.told, rule, rule->memory.ceiling_bytes, "ceiling", reason, size);
}

/* ---- what is only told ---------------------------------------------------------------------------------------------- */

/* What was told of a life is over with it: sizes that stay would be told again by whoever reads the memory. */
static void forget_sizes(struct swell *swell)
{
        swell->told.found = 0;
        swell->n = 0;
        trend_begin(&swell->trend, 0);
        swell->trend_found = (struct trend_found){ .leak = false };
}

/* Down by its owner's will, it is not too large any more. */
static void rest(const struct judge *judge, struct instance *instance, usec_t *due)
{
        usec_t at = usec_add(instance->claimed_at, DEAD_WAIT);

        if (instance->swell.told.found == 0 || is_alive(instance))
                return;
        if (diagnose_is_at_rest(judge, instance))
                forget_sizes(&instance->swell);
        else if (instance->claimed == CLAIMED_STOPPED && at > judge->now && at < *due)
                *due = at;
}

static bool any_over_budget(const struct judge *judge, const struct agent *agent)
{
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (!i->gone && swell_found(i) & SWELL_BUDGET)
                        return true;
        return false;
}

static void look_at_budget(struct judge *judge, struct agent *agent, struct instance *instance)
{
        const struct memory_limits *limits = &agent->rule->memory;
        char reason[REASON_MAX] = "", bytes[TEXT_BYTES_MAX];

        if (instance->swell.told.found & SWELL_BUDGET && limits->budget_bytes > 0 && is_alive(instance) &&
            !(agent->acknowledged & (1u << NOTE_BUDGET))) {
                describe_size(&instance->swell.told, agent->rule, limits->budget_bytes, "budget", reason,
                              sizeof(reason));
                note_open(judge, agent, instance, NOTE_BUDGET, reason);
        } else if (agent->noted[NOTE_BUDGET] != NOBODY && !any_over_budget(judge, agent)) {
                text_append(reason, sizeof(reason), "not above its budget of %s for 10m",
                            text_bytes(bytes, limits->budget_bytes));
                note_explained(judge, agent, NOTE_BUDGET,
                               limits->budget_bytes > 0 ? reason : "it has no budget any more");
        }
}

void swell_look(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due)
{
        rest(judge, instance, due);
        if (!any_over_budget(judge, agent))
                agent->acknowledged &= ~(1u << NOTE_BUDGET); /* what a human closed is told again after it was over */
        look_at_budget(judge, agent, instance);
}

/* ---- into the chain and back ---------------------------------------------------------------------------------------- */

static void pass_all(struct numbers *numbers, struct swell *swell)
{
        PASS(numbers, swell->told.found);
        PASS(numbers, swell->of);
        PASS(numbers, swell->at);
        PASS(numbers, swell->budget_at);
        PASS(numbers, swell->most_pid);
        PASS(numbers, swell->most_kib);
        PASS(numbers, swell->n);
        if (swell->n > SWELL_SIZES)
                swell->n = SWELL_SIZES;
        for (uint32_t k = 0; k < swell->n; k++)
                PASS(numbers, swell->kib[k]);
        PASS(numbers, swell->told.pid);
        PASS(numbers, swell->told.start);
        PASS(numbers, swell->told.from_kib);
        PASS(numbers, swell->told.below_at);
        PASS(numbers, swell->trend.began);
        PASS(numbers, swell->trend.fine_newest);
        PASS(numbers, swell->trend.coarse_newest);
        for (uint32_t k = 0; k < TREND_FINE; k++)
                PASS(numbers, swell->trend.fine[k]);
        for (uint32_t k = 0; k < TREND_COARSE; k++)
                PASS(numbers, swell->trend.coarse[k]);
        PASS(numbers, swell->told.jumped_at);
        PASS(numbers, swell->told.kib);
        PASS(numbers, swell->budget_of);
}

static uint64_t budget_of(const struct judge *judge, const struct instance *instance)
{
        const struct rule *rule = agent_of(judge, instance)->rule;

        return 1 + (rule ? rule->memory.budget_bytes : 0);
}

bool swell_remember(const struct judge *judge, const struct instance *instance, struct remembered *scratch,
                    struct fact *ret)
{
        struct swell swell = instance->swell;
        struct numbers numbers = numbers_to(scratch);

        if (swell.n == 0 && swell.told.found == 0)
                return false;
        swell.budget_of = budget_of(judge, instance);
        *scratch = (struct remembered){ .pid = swell.pid, .start = swell.start };
        pass_all(&numbers, &swell);
        scratch->more_n = numbers.n;
        *ret = table_baseline(judge, instance, scratch);
        return true;
}

/*
 * Sizes are what was seen. What was told of them is each judge's own, and so is the newest that was above a budget: one that
 * lives through the record again may go by another policy.
 */
static void keep_own(const struct judge *judge, const struct instance *instance, struct swell *swell)
{
        uint64_t budget = budget_of(judge, instance);
        bool above = swell->n > 0 && budget > 1 && (uint64_t)swell->kib[swell->n - 1] * KIB >= budget;

        swell->told = instance->swell.told;
        if (swell->budget_of != 0 && swell->budget_of != budget)
                swell->budget_at = above ? swell->at : instance->swell.budget_at;
}

void swell_take(struct judge *judge, struct instance *instance, const struct fact *fact)
{
        const struct remembered *remembered = fact->remembered;
        struct swell swell = { .pid = remembered->pid, .start = remembered->start };
        struct numbers numbers = numbers_from(remembered);

        pass_all(&numbers, &swell);
        if ((unsigned)swell.of >= MEMORY_OF_N)
                swell.of = MEMORY_OF_PROCESS;
        if (judge->awake)
                keep_own(judge, instance, &swell);
        trend_find(&swell.trend, &swell.trend_found);
        instance->swell = swell;
        tell(judge, instance, fact->at);
}
