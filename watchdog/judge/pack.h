#pragma once
/* The judge's memory as numbers: each thing in one order for both directions. What is new comes at the end of a thing. */
#include "judge/memory.h"
#include "judge/numbers.h"

void pack_machine(struct numbers *p, struct judge *judge);
void pack_source(struct numbers *p, struct judge *judge, struct source *source);
void pack_flush(struct numbers *p, struct judge *judge, struct flush *flush);
void pack_guarded(struct numbers *p, struct guarded *guarded);
void pack_breach(struct numbers *p, struct judge *judge, struct breach *breach);
void pack_ebb(struct numbers *p, struct ebb *ebb);

/* Which agent these are about is the record's own. */
void pack_brake(struct numbers *p, struct judge *judge, struct brake *brake);
void pack_shortage(struct numbers *p, struct judge *judge, struct agent *agent, struct shortage *shortage);

/* With its agent's own. What it refers to, bases and incidents, comes back before it. */
void pack_instance(struct numbers *p, struct judge *judge, struct agent *agent, struct instance *instance);
