#pragma once
/* One attack from getting ready to what came of it, as seen from outside. */
#include "canary/attempt.h"

enum result {
        RESULT_PREVENTED, /* nothing is different */
        RESULT_RESTORED,  /* it was different, and is not any more */
        RESULT_SUCCEEDED, /* it is different and stays so */
        RESULT_OWN_VIEW,  /* the attacker alone sees something else */
        RESULT_NOT_TRIED,
        RESULT_N,
};

struct assault_end {
        enum result result;
        struct attempt_end told; /* what the attacker was told */
        unsigned changed;  /* PLACE_* bits, as first seen after it struck; 0 may mean that it was restored before */
        unsigned after_us; /* until it was as before again, when restored */
};

struct assault {
        int (*become)(const void *argument); /* in the attacker, before it gets ready; NULL: nothing */
        int (*guard)(const void *argument);  /* outside, when it is ready and has not struck; NULL: nothing */
        const void *argument;                /* for both */
        unsigned settle_ms;                  /* how long a guard has to restore */
};

/* Attacks, waits for the guard, and leaves the file as the guard left it. A negative errno is a failure of ours, not a result. */
int assault_run(const struct assault *assault, const struct attack *attack, const struct place *place,
                struct assault_end *ret);

/* The second half of it, where somebody else struck: what came of an attack of which `told` is known. Fills in the rest. */
void assault_see(const struct assault *assault, const struct attack *attack, const struct place *place,
                 struct assault_end *end);

/* "prevented", "own-view": in results and JSON. */
const char *assault_word(enum result result);

/* "EPERM", "killed by SIGBUS", or why it was not tried. Returns `buffer`. */
char *assault_reason(char buffer[PLACE_WHY_MAX], const struct attempt_end *told);
