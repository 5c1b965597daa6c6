#include "judge/victim.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/unit.h"
#include "judge/change.h"
#include "judge/guard.h"
#include "judge/table.h"

#define COOL_FIRST (30 * USEC_PER_MINUTE) /* what a restart frees within less than that was never free */
#define COOL_DOUBLINGS 4
#define TIMES_FORGOTTEN USEC_PER_DAY
#define YOUNG (10 * USEC_PER_MINUTE)
#define FRAGILE USEC_PER_HOUR
#define DRAGS_MOST 3
#define BUSY_AGAIN (5 * USEC_PER_SEC)

/* ---- what speaks against it ------------------------------------------------------------------------------------------ */

static bool drags(const struct judge *judge, const struct agent *dependent, const struct agent *base)
{
        if (!is_governed(dependent) || dependent->gone)
                return false;
        for (uint32_t n = 0; n < dependent->bases_n; n++)
                if (dependent->bases[n].agent == table_index(judge, base) &&
                    dependent->bases[n].dependency != DEPENDENCY_NONE)
                        return true;
        return false;
}

/* An agent that would go down with it and must not. */
static const struct agent *critical_dependent(const struct judge *judge, const struct agent *agent)
{
        for (uint32_t n = 0; n < judge->agents_n; n++)
                if (drags(judge, &judge->agents[n], agent) && judge->agents[n].rule->critical)
                        return &judge->agents[n];
        return NULL;
}

static bool hold(struct victim_hold *ret, enum withheld why, usec_t until, const char *words)
{
        ret->why = why;
        ret->until = until;
        text_copy(ret->words, sizeof(ret->words), words);
        return true;
}

static bool held_for_others(const struct judge *judge, const struct instance *instance, struct victim_hold *ret)
{
        const struct agent *agent = agent_of(judge, instance), *dependent;
        char words[sizeof(ret->words)] = "", name[AGENT_ID_MAX];

        if (agent->carrier || instance->weight.carries)
                return hold(ret, WITHHELD_CRITICAL, USEC_INFINITY, "a PM2 daemon and all its apps live in it");
        if (agent->rule->critical)
                return hold(ret, WITHHELD_CRITICAL, USEC_INFINITY, "critical");
        if (text_starts(agent->id, "systemd:") && unit_is_untouchable(agent->id + strlen("systemd:")))
                return hold(ret, WITHHELD_CRITICAL, USEC_INFINITY, "the machine stands on it");
        dependent = critical_dependent(judge, agent);
        if (!dependent)
                return false;
        agent_short_name(dependent->id, name);
        text_append(words, sizeof(words), "critical %s goes down with it", name);
        return hold(ret, WITHHELD_CRITICAL, USEC_INFINITY, words);
}

/* What was left for a human because it grows is well otherwise, and the first to come to mind. */
static bool held_for_its_state(const struct instance *instance, struct victim_hold *ret)
{
        char words[sizeof(ret->words)] = "";
        bool left_alone = instance->ladder.state == LADDER_OK ||
                          (instance->cause == CAUSE_MEMORY_LEAK && instance->ladder.state == LADDER_SUSPECT);

        if (ladder_is_quarantine(instance->ladder.state))
                return hold(ret, WITHHELD_ILL, USEC_INFINITY, "in quarantine");
        if (instance->claimed == CLAIMED_FROZEN)
                return hold(ret, WITHHELD_ILL, USEC_INFINITY, "frozen");
        if (left_alone && (instance->cause == CAUSE_NONE || instance->cause == CAUSE_MEMORY_LEAK))
                return false;
        text_append(words, sizeof(words), "%s is dealt with first",
                    instance->cause == CAUSE_NONE ? "what was done to it" : cause_name(instance->cause));
        return hold(ret, WITHHELD_ILL, USEC_INFINITY, words);
}

static usec_t cool_until(const struct instance *instance)
{
        uint32_t doublings = instance->flushed.times > 0 ? instance->flushed.times - 1 : 0;

        if (instance->flushed.at == 0)
                return 0;
        return instance->flushed.at + (COOL_FIRST << (doublings < COOL_DOUBLINGS ? doublings : COOL_DOUBLINGS));
}

static bool held_for_now(const struct judge *judge, const struct instance *instance, struct victim_hold *ret)
{
        static const char *const done[FLUSHED_N] = {
                [FLUSHED_RESTARTED] = "restarted for the floor",
                [FLUSHED_DRY] = "only observed, and told",
                [FLUSHED_FAILED] = "could not be restarted",
        };
        const struct agent *agent = agent_of(judge, instance);
        char words[sizeof(ret->words)] = "", span[TEXT_SPAN_MAX];
        struct guard guard;

        if (cool_until(instance) > judge->now) {
                text_append(words, sizeof(words), "%s %s ago", done[instance->flushed.how % FLUSHED_N],
                            text_span(span, usec_since(judge->now, instance->flushed.at)));
                return hold(ret, WITHHELD_COOLING, cool_until(instance), words);
        }
        if (agent->busy != NOBODY)
                return hold(ret, WITHHELD_ILL, judge->now + BUSY_AGAIN, "something is done to it already");
        if (change_covers_agent(judge, agent, judge->now))
                return hold(ret, WITHHELD_GRACE, USEC_INFINITY, "a change window is open for it");
        guard = guard_now(judge, instance, INPUT_SLOW); /* as weighty as the stop that a restart begins with */
        return guard.withheld != WITHHELD_NOT && hold(ret, guard.withheld, guard.until, guard.reason);
}

static bool is_held(const struct judge *judge, struct instance *instance, struct victim_hold *ret)
{
        *ret = (struct victim_hold){ .instance = instance };
        return held_for_others(judge, instance, ret) || held_for_its_state(instance, ret) ||
               held_for_now(judge, instance, ret);
}

/* ---- what it costs --------------------------------------------------------------------------------------------------- */

uint32_t victim_cost(const struct judge *judge, const struct instance *instance, char *words, size_t size)
{
        usec_t lived = usec_since(judge->now, life_seen(instance)->began);
        uint32_t dragged = 0, cost = 1;
        char span[TEXT_SPAN_MAX];

        for (uint32_t n = 0; n < judge->agents_n && dragged < DRAGS_MOST; n++)
                dragged += drags(judge, &judge->agents[n], agent_of(judge, instance));
        cost += dragged;
        if (dragged > 0)
                text_append(words, size, "; %s%u that %s on it go%s down with it",
                            dragged == DRAGS_MOST ? "at least " : "", dragged, dragged == 1 ? "depends" : "depend",
                            dragged == 1 ? "es" : "");
        if (lived < YOUNG)
                cost++, text_append(words, size, "; it began only %s ago", text_span(span, lived));
        if (instance->last_death > 0 && usec_since(judge->now, instance->last_death) < FRAGILE)
                cost++, text_append(words, size, "; it died within the last hour");
        return cost;
}

uint32_t victim_gain(const struct instance *instance)
{
        uint32_t needs =
                instance->flushed.needs_kib > VICTIM_LEAST_KIB ? instance->flushed.needs_kib : VICTIM_LEAST_KIB;

        return instance->weight.frees_kib > needs ? instance->weight.frees_kib - needs : 0;
}

void victim_spend(struct judge *judge, struct instance *instance, bool dry)
{
        struct flushed *flushed = &instance->flushed;

        if (flushed->at == 0 || usec_since(judge->now, flushed->at) > TIMES_FORGOTTEN)
                flushed->times = 0;
        flushed->times++;
        flushed->at = judge->now;
        flushed->how = dry ? FLUSHED_DRY : FLUSHED_RESTARTED;
        flushed->incident = judge->flush.incident == NOBODY ? 0 : judge->incidents[judge->flush.incident].number;
}

/* ---- the choice ------------------------------------------------------------------------------------------------------ */

static bool is_weighed(const struct judge *judge, const struct instance *instance)
{
        const struct weight *weight = &instance->weight;

        return is_governed(agent_of(judge, instance)) && !instance->gone && is_alive(instance) && weight->at > 0 &&
               weight->at >= judge->flush.weighed_at && weight->pid == life_seen(instance)->pid;
}

static void note_hold(struct victim_choice *choice, const struct victim_hold *held)
{
        uint32_t at = choice->holds_n;

        if (held->until < choice->again)
                choice->again = held->until;
        while (at > 0 && choice->holds[at - 1].instance->weight.frees_kib < held->instance->weight.frees_kib)
                at--;
        if (at == VICTIM_HOLDS)
                return;
        if (choice->holds_n < VICTIM_HOLDS)
                choice->holds_n++;
        memmove(&choice->holds[at + 1], &choice->holds[at], (choice->holds_n - 1 - at) * sizeof(choice->holds[0]));
        choice->holds[at] = *held;
}

/* With the restarts that were only told there would be enough: one more would be told in vain. */
static bool is_told_enough(const struct judge *judge)
{
        const struct flush *flush = &judge->flush;
        uint64_t floor = judge->policy->machine.memory_floor_bytes;

        return ebb_available(&flush->ebb) + flush->assumed_kib * 1024 >= floor + ebb_margin(&flush->ebb, floor);
}

static bool is_in_vain(struct instance *instance, struct victim_hold *ret)
{
        *ret = (struct victim_hold){ .instance = instance };
        return victim_gain(instance) < VICTIM_LEAST_KIB &&
               hold(ret, WITHHELD_COOLING, USEC_INFINITY, "it takes all of that at once when it begins");
}

static void consider(struct judge *judge, struct instance *instance, struct victim_choice *choice)
{
        char unused[REASON_MAX] = "";
        struct victim_hold held;
        uint64_t score;

        choice->weighed++;
        if (instance->weight.frees_kib < VICTIM_SMALL_KIB) {
                choice->small++;
        } else if (is_held(judge, instance, &held) || is_in_vain(instance, &held)) {
                note_hold(choice, &held);
        } else if (guard_observes(judge, instance) && is_told_enough(judge)) {
                choice->observed++;
        } else {
                score = victim_gain(instance) / victim_cost(judge, instance, unused, sizeof(unused));
                if (score > choice->score) {
                        choice->best = instance;
                        choice->score = score;
                }
        }
}

void victim_choose(struct judge *judge, struct victim_choice *ret)
{
        *ret = (struct victim_choice){ .again = USEC_INFINITY };
        for (uint32_t n = 0; n < judge->instances_n; n++)
                if (is_weighed(judge, &judge->instances[n]))
                        consider(judge, &judge->instances[n], ret);
}
