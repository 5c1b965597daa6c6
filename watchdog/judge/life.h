#pragma once
/* Incarnations: when each began and ended, by whose will, and which endings are deaths; each counted once. */
#include "judge/memory.h"

void life_started(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact);

/* FACT_ENDED, with the manager's cause, or FACT_DIED from the kernel. */
void life_ended(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact);

/* The manager lists it. */
void life_listed(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact);

/* What the manager said of it was about another boot: nothing is known until it says more. */
void life_unlisted(struct instance *instance);

/* Settles what waited for a cause that did not come, and deaths that only the counter saw. */
void life_settle(struct judge *judge, struct agent *agent, struct instance *instance);

/* When life_settle() has something to do next, USEC_INFINITY never. */
usec_t life_due(const struct judge *judge, const struct instance *instance);

/* The agent's lives that ended without a told cause ended with their manager. */
void life_manager_left(struct judge *judge, struct agent *agent);

/* The present life ended unseen, for this reason. */
void life_gone(struct judge *judge, struct agent *agent, struct instance *instance, enum ending ending);

/* The process was killed for memory: a death of it that was held for a SIGKILL of nobody knows whom was that. */
void life_killed_for_memory(struct judge *judge, struct instance *instance, pid_t pid);

/* Whether `at` is within the echo of an action of ours on the agent. */
bool life_is_ours(const struct agent *agent, usec_t at);
