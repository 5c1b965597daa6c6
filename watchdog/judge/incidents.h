#pragma once
/* Incidents: opened, worsened and resolved, each with a decision that says so. */
#include "judge/memory.h"

/* Starts a decision of this step about the agent (NULL: the machine), its instance (NULL: all) and the incident (or NOBODY). */
struct decision *decide(struct judge *judge, enum decision_kind kind, const struct agent *agent,
                        const struct instance *instance, uint32_t incident);

/* The open incident of this agent (NULL: the machine) and cause, NOBODY when there is none. */
uint32_t incident_find(const struct judge *judge, const struct agent *agent, enum cause cause);

/* Opens one and says so; NOBODY when all slots are open incidents. */
uint32_t incident_open(struct judge *judge, const struct agent *agent, const struct instance *instance,
                       enum cause cause, uint64_t count, const char *reason);

/* Same number, new reason or count. */
void incident_worsen(struct judge *judge, const struct agent *agent, const struct instance *instance, uint32_t incident,
                     const char *reason);

void incident_resolve(struct judge *judge, uint32_t incident, const char *reason);

/* Whether this is the first time that the incident withholds an action for this reason; notes it. */
bool incident_withholds(struct judge *judge, uint32_t incident, enum withheld withheld);
