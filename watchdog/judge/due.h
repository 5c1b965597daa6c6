#pragma once
/* What is due when: a heap of instances, so that a thousand idle ones cost nothing. */
#include "judge/memory.h"

/* The instance wants a look at `at`; USEC_INFINITY takes it out. */
void due_set(struct judge *judge, struct instance *instance, usec_t at);

/* At `at` or sooner. */
void due_sooner(struct judge *judge, struct instance *instance, usec_t at);

/* The earliest one, NULL when there is none. */
struct instance *due_first(const struct judge *judge);

/* Every governed instance of the agent, or of all agents when it is NULL. */
void due_all(struct judge *judge, const struct agent *agent, usec_t at);
