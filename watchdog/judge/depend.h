#pragma once
/* Who depends on whom: agents dragged down by their base, units that are another agent's, and who is healed first. */
#include "judge/memory.h"

/* FACT_DEPENDS. */
void depend_add(struct judge *judge, struct agent *agent, struct agent *base, enum dependency dependency);

/* The agent's process ended now. */
void depend_went_down(struct judge *judge, struct agent *agent, usec_t at);

/* The base whose end dragged this agent along at this moment, NOBODY when none did. */
uint32_t depend_dragged_by(const struct judge *judge, const struct agent *agent, usec_t at);

/* Whether a start of the agent at this moment goes back to a base that came up, or went down, just before. */
bool depend_brought_up(const struct judge *judge, const struct agent *agent, usec_t at);

/* A base that this agent needs and that is itself in trouble, NOBODY when there is none. */
uint32_t depend_ill_base(const struct judge *judge, const struct agent *agent);

/* Whether something is wrong with it, or we hold it down. */
bool depend_is_ill(const struct judge *judge, const struct agent *agent);

/* The instance was left down, or is dragged along again and again, by a base: which one; NOBODY otherwise. */
uint32_t depend_left_down(const struct judge *judge, const struct instance *instance);

/* When depend_left_down() may become true by waiting alone. */
usec_t depend_due(const struct judge *judge, const struct instance *instance);

/* Looks whether this incarnation is known through the other manager too: then the unit is the PM2 app's. */
void depend_tie(struct judge *judge, struct agent *agent, struct instance *instance);

/* Wakes all that wait for this agent. */
void depend_wake(struct judge *judge, const struct agent *base);
