#pragma once
/* An outcome is what came of an action; it goes into the chain and back to the judge as a fact. */

enum outcome {
        OUTCOME_NONE,
        OUTCOME_OK,      /* done; not yet proven healthy, that is the judge's to verify */
        OUTCOME_FAILED,  /* the manager refused or reported failure */
        OUTCOME_TIMEOUT, /* no answer in time; what happened is read from the next facts, never repeated blindly */
        OUTCOME_STALE,   /* the incarnation it was meant for is gone: nothing was done */
        OUTCOME_REFUSED, /* never-touch set */
        OUTCOME_DRY,     /* observe mode: the hands were swapped, nothing was done */
        OUTCOME_UNKNOWN, /* found open after a crash */
        OUTCOME_N,
};

const char *outcome_name(enum outcome outcome);
enum outcome outcome_from_name(const char *name);
