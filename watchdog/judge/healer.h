#pragma once
/* The look at one instance: what is wrong, what is told of it, and what the ladder does about it. */
#include "judge/memory.h"

void healer_look(struct judge *judge, struct instance *instance);

/* Something happened to it that the ladder knows. */
void healer_event(struct judge *judge, struct instance *instance, enum ladder_input input);

/* A life of this length forgives the ladder what came long before. */
void healer_forget(struct judge *judge, struct agent *agent, struct instance *instance, usec_t lived);

/* FACT_OUTCOME and FACT_ASKED about one instance. */
void healer_outcome(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact);
void healer_asked(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact);

/* What is to be decided of this agent rests on deaths that were not recorded one by one: asks for their sum. True when there are any. */
bool healer_wants_record(struct judge *judge, const struct agent *agent);

/* A human closed this incident: its instances are taken for well. True when it stays open, because we hold one of them down. */
bool healer_keeps(struct judge *judge, uint32_t incident);
