#include "judge/trouble.h"

#include <stdio.h>

#include "base/text.h"
#include "judge/blame.h"
#include "judge/brake.h"
#include "judge/depend.h"
#include "judge/diagnose.h"
#include "judge/guard.h"
#include "judge/healer.h"
#include "judge/incidents.h"
#include "judge/note.h"
#include "judge/table.h"
#include "judge/version.h"

static bool is_shared(const struct judge *judge, const struct instance *instance)
{
        const struct agent *agent = agent_of(judge, instance);

        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (i != instance && i->incident == instance->incident)
                        return true;
        return false;
}

void trouble_reason(const struct judge *judge, const struct instance *instance, enum cause cause,
                    char reason[REASON_MAX])
{
        diagnose_reason(judge, instance, cause, reason);
        if (is_loop(cause) && instance->failing_at > 0)
                blame_say(judge, instance, reason);
}

static void tell_open(struct judge *judge, struct instance *instance, enum cause cause)
{
        struct agent *agent = agent_of(judge, instance);
        const struct brake *brake = brake_on(judge, agent);
        char reason[REASON_MAX];
        uint64_t count;

        trouble_reason(judge, instance, cause, reason);
        instance->cause = cause;
        instance->braked = false;
        if (brake && brake->incident != NOBODY) {
                instance->incident = brake->incident;
                instance->braked = true;
                return;
        }
        instance->incident = incident_find(judge, agent, cause);
        if (instance->incident != NOBODY)
                return; /* another instance's already */
        count = cause == CAUSE_CRASH_LOOP || cause == CAUSE_HOT_LOOP
                        ? tally_shown(&instance->tally, judge->now, usec_since(judge->now, instance->tally.forgiven))
                        : 1;
        instance->incident = incident_open(judge, agent, instance, cause, count, reason);
}

static uint32_t deaths_in_loop(const struct instance *instance)
{
        uint32_t n = 0;

        while (n < instance->tally.n && tally_death(&instance->tally, n) > instance->tally.forgiven)
                n++;
        return n;
}

void trouble_found(struct judge *judge, struct instance *instance, enum cause cause)
{
        uint32_t old = instance->incident;
        bool shared = old != NOBODY && is_shared(judge, instance), braked = instance->braked;
        char reason[REASON_MAX], name[INCIDENT_NAME_MAX];

        if (cause == CAUSE_CRASH_LOOP || cause == CAUSE_HOT_LOOP)
                instance->period = tally_period(&instance->tally, deaths_in_loop(instance));
        else
                instance->period = 0;
        if (is_loop(cause) && !(is_loop(instance->cause) && instance->failing_at > 0)) {
                instance->failing_at = diagnose_began(judge, instance, cause);
                version_failed(judge, agent_of(judge, instance), instance->failing_at);
        }
        tell_open(judge, instance, cause);
        if (instance->incident != NOBODY && !instance->braked) {
                snprintf(reason, sizeof(reason), "seen happening now, see %s",
                         incident_name(name, judge->incidents[instance->incident].number));
                note_explained(judge, agent_of(judge, instance), NOTE_HIGH_RESTARTS, reason);
        }
        if (old != NOBODY && !shared && !braked && instance->incident != NOBODY && instance->incident != old) {
                snprintf(reason, sizeof(reason), "is a %s, see %s", cause_name(cause),
                         incident_name(name, judge->incidents[instance->incident].number));
                incident_resolve(judge, old, reason);
        }
        healer_event(judge, instance, INPUT_FOUND);
        depend_wake(judge, agent_of(judge, instance));
        judge->material = true;
}

void trouble_over(struct judge *judge, struct instance *instance, enum ladder_input input, const char *reason)
{
        if (instance->incident != NOBODY && !instance->braked && !is_shared(judge, instance))
                incident_resolve(judge, instance->incident, reason);
        healer_event(judge, instance, input);
        instance->cause = CAUSE_NONE;
        instance->failing_at = 0;
        instance->incident = NOBODY;
        instance->braked = false;
        instance->ladder.unpinned = false;
        instance->thin = false;
        tally_forgive(&instance->tally, judge->now);
        if (agent_of(judge, instance)->rule == &judge->policy->fallback)
                table_own(judge, agent_of(judge, instance));
        depend_wake(judge, agent_of(judge, instance));
        judge->material = true;
}

static bool is_proven_well(const struct judge *judge, const struct instance *instance)
{
        return !ladder_is_down(instance->ladder.state) && instance->ladder.state != LADDER_REVIVING &&
               instance->ladder.state != LADDER_ROLLING && diagnose_is_proven(judge, instance);
}

bool trouble_is_over(const struct judge *judge, const struct instance *instance)
{
        return instance->cause != CAUSE_NONE &&
               ((instance->gone && !is_alive(instance)) || diagnose_is_at_rest(judge, instance) ||
                is_proven_well(judge, instance));
}

/* What helped, when it was that. */
static void say_rollback(const struct judge *judge, const struct instance *instance, char reason[REASON_MAX])
{
        const struct agent *agent = agent_of(judge, instance);
        const struct version *present = version_present(agent);

        if (instance->failing_at > 0 && agent->rolled_at > instance->failing_at && present &&
            present->number == agent->rolled_to)
                text_append(reason, REASON_MAX, ", with version %llu of its configuration back",
                            (unsigned long long)agent->rolled_to);
}

void trouble_check_over(struct judge *judge, struct instance *instance)
{
        char reason[REASON_MAX], span[TEXT_SPAN_MAX];

        if (!trouble_is_over(judge, instance))
                return;
        if (instance->gone && !is_alive(instance)) {
                trouble_over(judge, instance, INPUT_CLEARED, "its manager no longer lists it");
        } else if (diagnose_is_at_rest(judge, instance)) {
                trouble_over(judge, instance, INPUT_CLEARED, "stopped by its owner");
        } else {
                snprintf(reason, sizeof(reason),
                         is_of_size(instance->cause) ? "below its ceiling, up for %s" : "healthy: up for %s",
                         text_span(span, usec_since(judge->now, life_seen(instance)->began)));
                say_rollback(judge, instance, reason);
                trouble_over(judge, instance, INPUT_PROVEN, reason);
        }
}

bool trouble_is_worse(const struct judge *judge, const struct instance *instance)
{
        const struct incident *incident;
        uint64_t next = 10;

        if (instance->incident == NOBODY || instance->braked || guard_hold_until(judge, instance) > judge->now)
                return false;
        incident = &judge->incidents[instance->incident];
        while (next <= incident->told)
                next *= 10;
        return incident->count >= next;
}

void trouble_check_worse(struct judge *judge, struct instance *instance)
{
        char reason[REASON_MAX] = "", evidence[REASON_MAX];

        if (!trouble_is_worse(judge, instance))
                return;
        trouble_reason(judge, instance, instance->cause, evidence);
        text_append(reason, sizeof(reason), "%llu deaths since it began; %s",
                    (unsigned long long)judge->incidents[instance->incident].count, evidence);
        incident_worsen(judge, agent_of(judge, instance), instance, instance->incident, reason);
}
