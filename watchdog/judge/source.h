#pragma once
/* Sources of facts: which see, which went blind, and which agents they would tell about. */
#include "judge/memory.h"

/* FACT_SOURCE. */
void source_take(struct judge *judge, const struct fact *fact);

/* Opens and resolves the incidents of blind sources; sets when to look again through `due`. */
void source_look(struct judge *judge, usec_t *due);

/* Whether the agent's manager is not seen now, or has only just come back. */
bool source_is_blind(const struct judge *judge, const struct agent *agent);

/* When a source that came back is believed again; USEC_INFINITY when there is nothing to wait for. */
usec_t source_calm_at(const struct judge *judge, const struct agent *agent);

/* After an absence of ours: when what it knows of the agent counts, a moment after it is seen; USEC_INFINITY: it has told nothing yet;
 * 0: there is nothing to wait for. */
usec_t source_heard_at(const struct judge *judge, const struct agent *agent);

/* Whether its manager was not seen at some time between `from` and `to`, or only just came back then. */
bool source_was_blind(const struct judge *judge, const struct agent *agent, usec_t from, usec_t to);

/* A human closed this incident: it is not told again until the source was seen in between. */
void source_forget(struct judge *judge, uint32_t incident);

/* When the agent's manager went out of sight the last time, if it came back after `since`; 0 otherwise. */
usec_t source_last_blind(const struct judge *judge, const struct agent *agent, usec_t since);

/* Whether the daemon behind its manager is another one than in the run before this. */
bool source_is_new(const struct judge *judge, const struct agent *agent);

/* The unit whose main process is the PM2 daemon of this app, NOBODY when that runs in none. */
uint32_t source_carrier(const struct judge *judge, const struct agent *agent);
