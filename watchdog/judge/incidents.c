#include "judge/incidents.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "judge/table.h"
#include "judge/trial.h"
#include "judge/view.h"

static struct incident *at(const struct judge *judge, uint32_t incident)
{
        return incident == NOBODY ? NULL : &judge->incidents[incident];
}

static bool enforces(const struct judge *judge, const struct rule *rule)
{
        return rule && rule->mode == MODE_ENFORCE && !only_observes(judge);
}

struct decision *decide(struct judge *judge, enum decision_kind kind, const struct agent *agent,
                        const struct instance *instance, uint32_t incident)
{
        const struct incident *known = at(judge, incident);
        const struct rule *rule = agent ? agent->rule : NULL;

        assert(judge->decisions->n < DECISIONS_MAX);
        struct decision *decision = &judge->decisions->list[judge->decisions->n++];
        *decision = (struct decision){
                .kind = kind,
                .at = judge->now,
                .agent = agent ? agent->id : "",
                .instance = instance ? instance->number : INSTANCE_ALL,
                .manager = agent   ? agent->manager
                           : known ? known->manager
                                   : MANAGER_NONE,
                .incident = known ? known->number : 0,
                .cause = known ? known->cause : CAUSE_NONE,
                .effective = instance ? view_effective(judge, instance) : EFFECTIVE_UNKNOWN,
                .enforce = enforces(judge, rule),
                .rule = rule ? rule->name : "",
                .rule_file = rule && rule->origin.file ? rule->origin.file : "",
                .rule_line = rule ? rule->origin.line : 0,
        };
        if (!decision->rule)
                decision->rule = "";
        if (instance)
                decision->bytes = swell_figures(judge, instance, decision->cause, &decision->limit_bytes);
        if (instance && is_alive(instance) && !instance->thin) { /* whose lives are not recorded any more */
                decision->pid = life_seen(instance)->pid;
                decision->start = life_seen(instance)->start;
        }
        return decision;
}

uint32_t incident_find(const struct judge *judge, const struct agent *agent, enum cause cause)
{
        uint32_t index = agent ? table_index(judge, agent) : NOBODY;

        for (uint32_t n = 0; n < judge->limits.incidents_max && judge->incidents[n].number > 0; n++)
                if (judge->incidents[n].open && judge->incidents[n].agent == index &&
                    judge->incidents[n].cause == cause)
                        return n;
        return NOBODY;
}

/* A slot never used, else that of the incident resolved longest ago. */
static uint32_t free_slot(const struct judge *judge)
{
        uint32_t found = NOBODY;

        for (uint32_t n = 0; n < judge->limits.incidents_max; n++) {
                const struct incident *incident = &judge->incidents[n];

                if (incident->number == 0)
                        return n;
                if (!incident->open && (found == NOBODY || incident->number < judge->incidents[found].number))
                        found = n;
        }
        return found;
}

uint32_t incident_open(struct judge *judge, const struct agent *agent, const struct instance *instance,
                       enum cause cause, uint64_t count, const char *reason)
{
        uint32_t slot = free_slot(judge);
        struct incident *incident = at(judge, slot);
        struct decision *decision;

        if (incident) {
                *incident = (struct incident){
                        .number = ++judge->incidents_last,
                        .manager = agent ? agent->manager : MANAGER_NONE,
                        .agent = agent ? table_index(judge, agent) : NOBODY,
                        .cause = cause,
                        .open = true,
                        .opened = judge->now,
                        .count = count,
                        .told = count,
                        .rule = agent ? agent->rule : NULL,
                };
                text_copy(incident->id, sizeof(incident->id), agent ? agent->id : "");
                text_copy(incident->reason, sizeof(incident->reason), reason);
        }
        decision = decide(judge, DECIDE_OPEN, agent, instance, slot);
        decision->cause = cause;
        text_copy(decision->reason, sizeof(decision->reason), reason);
        judge->material = true;
        if (agent)
                trial_agent_ill(judge, agent, cause, incident ? incident->number : 0);
        return slot;
}

void incident_worsen(struct judge *judge, const struct agent *agent, const struct instance *instance, uint32_t incident,
                     const char *reason)
{
        struct incident *known = at(judge, incident);
        struct decision *decision;

        if (!known)
                return;
        known->told = known->count;
        text_copy(known->reason, sizeof(known->reason), reason);
        decision = decide(judge, DECIDE_WORSEN, agent, instance, incident);
        text_copy(decision->reason, sizeof(decision->reason), reason);
        judge->material = true;
}

void incident_resolve(struct judge *judge, uint32_t incident, const char *reason)
{
        struct incident *known = at(judge, incident);
        struct decision *decision;
        const struct agent *agent;

        if (!known || !known->open)
                return;
        agent = known->agent == NOBODY ? NULL : &judge->agents[known->agent];
        known->open = false;
        known->resolved = judge->now;
        text_copy(known->reason, sizeof(known->reason), reason);
        decision = decide(judge, DECIDE_RESOLVE, agent, agent ? first_instance(judge, agent) : NULL, incident);
        decision->instance = INSTANCE_ALL;
        text_copy(decision->reason, sizeof(decision->reason), reason);
        judge->material = true;
}

bool incident_withholds(struct judge *judge, uint32_t incident, enum withheld withheld)
{
        struct incident *known = at(judge, incident);

        if (!known)
                return false;
        if (withheld == WITHHELD_BUDGET &&
            usec_since(judge->now, known->budget_told) > judge->policy->machine.actions_within) {
                known->budget_told = judge->now; /* another time it is spent is news again */
                known->withheld &= ~(1u << WITHHELD_BUDGET);
        }
        if (known->withheld & (1u << withheld))
                return false;
        known->withheld |= 1u << withheld;
        return true;
}
