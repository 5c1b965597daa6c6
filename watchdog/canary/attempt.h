#pragma once
/* One attack in a process of its own: it gets ready, strikes when told to, and holds on to what it has until it is ended. */
#include "canary/attacks.h"

enum verdict { VERDICT_SUCCEEDED, VERDICT_PREVENTED, VERDICT_NOT_TRIED };

struct attempt;

/* What the attacker itself was told; how the file is afterwards only place_look() tells. */
struct attempt_end {
        enum verdict verdict;
        int error;  /* positive errno when prevented; 0 when a signal ended it */
        int signal; /* SIGBUS, SIGSYS: what ended it, or 0 */
        bool early; /* it could not even get ready */
        char why[PLACE_WHY_MAX];
};

/* Starts the attacker; `become` (may be NULL) is called in it first, to be another user or confined. Returns when it is ready or was
 * refused. A negative errno is a failure of ours. */
int attempt_begin(const struct attack *attack, const struct place *place, int (*become)(const void *),
                  const void *argument, struct attempt **ret);

/* Strikes, unless getting ready was refused. */
int attempt_strike(struct attempt *attempt, struct attempt_end *ret);

/* Ends the attacker and what it still holds. Takes NULL, returns NULL. */
struct attempt *attempt_free(struct attempt *attempt);
