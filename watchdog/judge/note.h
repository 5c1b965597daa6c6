#pragma once
/* Findings that no restart cures: a counter high before we came, an orphan, a second copy, a budget. Named, never acted on. */
#include "judge/memory.h"

/* Opens it unless it is open. */
void note_open(struct judge *judge, struct agent *agent, struct instance *instance, enum note note, const char *reason);

/* FACT_AGENT at first sight. */
void note_first_sight(struct judge *judge, struct agent *agent, struct instance *instance, uint64_t restarts);

/* FACT_STRAY. */
void note_stray(struct judge *judge, struct agent *agent, const struct fact *fact);

/* A loop was named, the counter was reset: what it had counted before is explained. */
void note_explained(struct judge *judge, struct agent *agent, enum note note, const char *reason);

/* Resolves a high counter that was reset, or that did not grow for a day. */
void note_look(struct judge *judge, struct agent *agent, const struct instance *instance, usec_t *due);
