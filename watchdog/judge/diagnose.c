#include "judge/diagnose.h"

#include <string.h>

#include "base/text.h"
#include "judge/depend.h"
#include "judge/source.h"
#include "judge/table.h"

#define SIZE_GRACE USEC_PER_MINUTE /* time for a few samples of the new life */

/* The first window with more deaths than it allows, NULL when all hold. */
static const struct window *exceeded(const struct judge *judge, const struct instance *instance)
{
        const struct rule *rule = agent_of(judge, instance)->rule;

        for (unsigned n = 0; rule && n < rule->restarts_n; n++)
                if (tally_within(&instance->tally, judge->now, rule->restarts[n].within) > rule->restarts[n].more_than)
                        return &rule->restarts[n];
        return NULL;
}

/* Since when it has had no process although somebody should be running it; USEC_INFINITY: it has one, or nobody knows. */
static usec_t dead_since(const struct instance *instance)
{
        const struct life *life = life_seen(instance);
        bool no_process = instance->listed_pid == 0 || (life->state != LIFE_NONE && life->pid == instance->listed_pid);

        if (life->state == LIFE_ALIVE || !no_process || instance->claimed_at == 0)
                return USEC_INFINITY;
        return life->ended > instance->claimed_at ? life->ended : instance->claimed_at;
}

/* How long a claim without a process is believed; USEC_INFINITY: for ever. */
static usec_t patience(const struct judge *judge, const struct instance *instance)
{
        switch (instance->claimed) {
        case CLAIMED_RUNNING:
        case CLAIMED_STARTING: return DEAD_WAIT;
        case CLAIMED_FAILED: return GIVEN_UP_WAIT;
        case CLAIMED_WAITING:
                /* PM2 keeps the dead pid while it really waits; systemd has none, and RestartSec= may be long */
                if (agent_of(judge, instance)->manager == MANAGER_PM2 && instance->listed_pid == 0)
                        return GIVEN_UP_WAIT;
                return USEC_INFINITY;
        default: return USEC_INFINITY;
        }
}

/* When it is to be called dead, at the earliest; USEC_INFINITY never. */
static usec_t dead_at(const struct judge *judge, const struct instance *instance)
{
        usec_t since = dead_since(instance);

        if (since == USEC_INFINITY || ladder_is_down(instance->ladder.state))
                return USEC_INFINITY;
        return usec_add(since, patience(judge, instance));
}

bool diagnose_is_at_rest(const struct judge *judge, const struct instance *instance)
{
        if (is_alive(instance) || ladder_is_down(instance->ladder.state))
                return false;
        if (instance->gone)
                return true;
        return instance->claimed == CLAIMED_STOPPED && usec_since(judge->now, instance->claimed_at) >= DEAD_WAIT &&
               depend_left_down(judge, instance) == NOBODY;
}

enum cause diagnose(const struct judge *judge, const struct instance *instance)
{
        if (diagnose_is_at_rest(judge, instance))
                return CAUSE_NONE;
        if (instance->cause == CAUSE_HOT_LOOP || tally_is_hot(&instance->tally, judge->now))
                return CAUSE_HOT_LOOP;
        if (instance->cause == CAUSE_CRASH_LOOP || exceeded(judge, instance))
                return CAUSE_CRASH_LOOP;
        if (instance->cause == CAUSE_NONE && source_heard_at(judge, agent_of(judge, instance)) > judge->now)
                return CAUSE_NONE; /* we just came back: what it did meanwhile its manager is about to tell */
        if (depend_left_down(judge, instance) != NOBODY)
                return CAUSE_DEPENDENCY_DOWN;
        if (instance->cause == CAUSE_MEMORY_CEILING && instance->ladder.state == LADDER_SUSPECT &&
            swell_cause(judge, instance) == CAUSE_MEMORY_LEAK)
                return CAUSE_MEMORY_LEAK;
        if (instance->cause != CAUSE_NONE)
                return instance->cause; /* until it is proven to be over */
        if (source_is_blind(judge, agent_of(judge, instance)))
                return CAUSE_NONE;
        return dead_at(judge, instance) <= judge->now ? CAUSE_CLAIMED_NOT_RUNNING : swell_cause(judge, instance);
}

static void sooner(const struct judge *judge, usec_t *due, usec_t at)
{
        if (at > judge->now && at < *due)
                *due = at;
}

usec_t diagnose_due(const struct judge *judge, const struct instance *instance)
{
        usec_t due = USEC_INFINITY;

        if (instance->cause == CAUSE_NONE) {
                sooner(judge, &due, dead_at(judge, instance));
                sooner(judge, &due, source_heard_at(judge, agent_of(judge, instance)));
        }
        if (instance->cause != CAUSE_HOT_LOOP)
                sooner(judge, &due, tally_hot_at(&instance->tally, judge->now));
        sooner(judge, &due, depend_due(judge, instance));
        if (instance->cause != CAUSE_NONE) {
                if (is_alive(instance))
                        sooner(judge, &due, usec_add(life_seen(instance)->began, diagnose_grace(instance)));
                if (instance->claimed == CLAIMED_STOPPED)
                        sooner(judge, &due, instance->claimed_at + DEAD_WAIT);
                if (instance->cause == CAUSE_MEMORY_LEAK)
                        sooner(judge, &due, swell_spent_until(judge, instance)),
                                sooner(judge, &due, swell_well_at(instance));
        }
        return due;
}

usec_t diagnose_grace(const struct instance *instance)
{
        usec_t grace = 2 * instance->period;

        if (is_of_size(instance->cause))
                return SIZE_GRACE;

        return grace < GRACE_LEAST ? GRACE_LEAST : grace > GRACE_MOST ? GRACE_MOST : grace;
}

/* What was left for a human is not over because a tooth fell: somebody gave it another life, or it stayed below for long. */
static bool is_small_again(const struct judge *judge, const struct instance *instance)
{
        usec_t opened = instance->incident == NOBODY ? 0 : judge->incidents[instance->incident].opened;

        if (swell_is_above(instance))
                return false;
        if (instance->cause == CAUSE_MEMORY_CEILING)
                return true;
        return swell_spent_until(judge, instance) == 0 &&
               (life_seen(instance)->began > opened || swell_well_at(instance) <= judge->now);
}

bool diagnose_is_proven(const struct judge *judge, const struct instance *instance)
{
        if (!is_alive(instance) || life_seen(instance)->unseen ||
            usec_since(judge->now, life_seen(instance)->began) < diagnose_grace(instance))
                return false;
        if (instance->claimed == CLAIMED_STOPPED || instance->claimed == CLAIMED_FAILED ||
            instance->claimed == CLAIMED_WAITING)
                return false;
        if (is_of_size(instance->cause) && !is_small_again(judge, instance))
                return false;
        return instance->cause != CAUSE_DEPENDENCY_DOWN || depend_left_down(judge, instance) == NOBODY;
}

usec_t diagnose_began(const struct judge *judge, const struct instance *instance, enum cause cause)
{
        const struct window *window = exceeded(judge, instance);
        uint32_t deaths = window ? tally_within(&instance->tally, judge->now, window->within) : 0;
        usec_t since = dead_since(instance);

        if (cause == CAUSE_HOT_LOOP && instance->tally.run_since > 0)
                return instance->tally.run_since;
        if (deaths > 0)
                return tally_death(&instance->tally, deaths - 1);
        return cause == CAUSE_CLAIMED_NOT_RUNNING && since != USEC_INFINITY ? since : judge->now;
}

static void append_ending(const struct instance *instance, char reason[REASON_MAX])
{
        switch (instance->last_ending) {
        case ENDING_EXIT: text_append(reason, REASON_MAX, ", last exit code %d", instance->last_code); break;
        case ENDING_SIGNAL: text_append(reason, REASON_MAX, ", last by signal %d", instance->last_signal); break;
        case ENDING_OOM: text_append(reason, REASON_MAX, ", last killed for memory"); break;
        case ENDING_WATCHDOG: text_append(reason, REASON_MAX, ", last by its manager's watchdog"); break;
        case ENDING_TIMEOUT: text_append(reason, REASON_MAX, ", last by a timeout of its manager"); break;
        case ENDING_UNKNOWN: text_append(reason, REASON_MAX, ", last for a reason nobody told"); break;
        default: break;
        }
}

/* Mean life of the incarnations still remembered that began in the loop; 0 unknown. */
static usec_t mean_life(const struct instance *instance, usec_t within, usec_t now)
{
        uint32_t deaths = tally_within(&instance->tally, now, within);
        usec_t loop = deaths > 0 ? tally_death(&instance->tally, deaths - 1) - 1 : 0, sum = 0;
        uint32_t n = 0;

        for (uint32_t k = 0; k < LIVES_MAX; k++) {
                const struct life *life = &instance->lives[k];

                if (life->state == LIFE_COUNTED && life->began > loop && life->ended > life->began) {
                        sum += life->ended - life->began;
                        n++;
                }
        }
        return n > 0 ? sum / n : 0;
}

static void loop_reason(const struct judge *judge, const struct instance *instance, enum cause cause,
                        char reason[REASON_MAX])
{
        const struct window *window = exceeded(judge, instance);
        char span[TEXT_SPAN_MAX];
        usec_t within = cause == CAUSE_HOT_LOOP ? 10 * USEC_PER_SEC : window ? window->within : USEC_PER_DAY;
        usec_t lived = mean_life(instance, within, judge->now);

        if (cause == CAUSE_HOT_LOOP)
                text_append(reason, REASON_MAX, "%llu deaths in the last 10s without a pause (over one a second)",
                            (unsigned long long)tally_shown(&instance->tally, judge->now, 10 * USEC_PER_SEC));
        else if (window)
                text_append(reason, REASON_MAX, "%llu deaths in %s (more than %u)",
                            (unsigned long long)tally_shown(&instance->tally, judge->now, window->within),
                            text_span(span, window->within), window->more_than);
        else
                text_append(reason, REASON_MAX, "%llu deaths in 24h",
                            (unsigned long long)tally_shown(&instance->tally, judge->now, USEC_PER_DAY));
        if (lived > 0)
                text_append(reason, REASON_MAX, ", each lived about %s", text_span(span, lived));
        append_ending(instance, reason);
}

static void dead_reason(const struct judge *judge, const struct instance *instance, char reason[REASON_MAX])
{
        const char *manager = manager_name(agent_of(judge, instance)->manager);
        const char *word = *instance->word ? instance->word : claimed_name(instance->claimed);

        if (instance->claimed == CLAIMED_FAILED && strcmp(instance->result, "start-limit-hit") == 0)
                text_append(
                        reason, REASON_MAX,
                        "%s refuses to start it: started too often in too short a time (start-limit-hit), by restarts "
                        "ordered or its own",
                        manager);
        else if (instance->claimed == CLAIMED_FAILED)
                text_append(reason, REASON_MAX, "%s gave it up (\"%s\")", manager, word);
        else
                text_append(reason, REASON_MAX, "%s says \"%s\", but there is no process", manager, word);
        if (instance->last_death > 0)
                append_ending(instance, reason);
}

void diagnose_reason(const struct judge *judge, const struct instance *instance, enum cause cause,
                     char reason[REASON_MAX])
{
        uint32_t base;

        reason[0] = '\0';
        switch (cause) {
        case CAUSE_CRASH_LOOP:
        case CAUSE_HOT_LOOP: loop_reason(judge, instance, cause, reason); break;
        case CAUSE_CLAIMED_NOT_RUNNING: dead_reason(judge, instance, reason); break;
        case CAUSE_MEMORY_CEILING:
        case CAUSE_MEMORY_LEAK: swell_reason(judge, instance, cause, reason, REASON_MAX); break;
        case CAUSE_DEPENDENCY_DOWN:
                base = depend_left_down(judge, instance);
                text_append(reason, REASON_MAX,
                            is_alive(instance) ? "restarted along with %s, which does not stay up"
                                               : "left down when %s went down",
                            base == NOBODY ? "its base" : judge->agents[base].id);
                break;
        default: break;
        }
}
