#pragma once
/* What is wrong with one instance, if anything, and in which words. */
#include "judge/memory.h"

/* The cause that holds now; CAUSE_NONE when it is well, or down by its owner's will. */
enum cause diagnose(const struct judge *judge, const struct instance *instance);

/* When the answer may change by waiting alone. */
usec_t diagnose_due(const struct judge *judge, const struct instance *instance);

/* How long a life has to last to prove that the trouble is over. */
usec_t diagnose_grace(const struct instance *instance);

/* Whether the present life has outlived it. */
bool diagnose_is_proven(const struct judge *judge, const struct instance *instance);

/* Whether its owner took it down: stopped or deleted for longer than a manager's passing states last. */
bool diagnose_is_at_rest(const struct judge *judge, const struct instance *instance);

/* When the trouble of this cause began: with the first death of the loop, or with the end of the life that has no successor. */
usec_t diagnose_began(const struct judge *judge, const struct instance *instance, enum cause cause);

/* Names the evidence for `cause`. */
void diagnose_reason(const struct judge *judge, const struct instance *instance, enum cause cause,
                     char reason[REASON_MAX]);
