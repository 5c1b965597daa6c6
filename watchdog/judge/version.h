#pragma once
/*
 * Versions of an agent's configuration: what all its declared files were together, and under which of them it was well. A life
 * that began under a version, and lasts for `proven_after` under it without a finding, proves it; a file that changes beneath a
 * running process proves nothing before the next start. The newest version proven so is the one to go back to.
 */
#include "judge/memory.h"

/* FACT_VERSION. */
void version_take(struct judge *judge, const struct fact *fact);

/* Whether the present life proves the present version by now: then it has to be in the chain. Says when to look again. */
void version_look(struct judge *judge, const struct agent *agent, const struct instance *instance, usec_t *due);

/* A trouble began then, under the version of that time. */
void version_failed(struct judge *judge, struct agent *agent, usec_t at);

/* The present one; NULL: none is known. */
const struct version *version_present(const struct agent *agent);

/* What a rollback goes back to, by itself (number 0) or because a human names it; NULL: `reason` says why there is none. */
const struct version *version_target(const struct judge *judge, const struct agent *agent, uint64_t number,
                                     char reason[REASON_MAX]);

/* The present one, the last that was proven, and what the present one lacks. */
void version_show(const struct judge *judge, const struct agent *agent, struct agent_view *ret);

/* For the memory: the n-th version of the agent as a fact, false when there is none; and one that is proven and not recorded. */
bool version_remember(const struct judge *judge, uint32_t agent, uint32_t n, struct fact *ret);
bool version_remember_due(const struct judge *judge, struct fact *ret);
