#pragma once
/* The kernel's Landlock: which of it there is, and the grants put into force with it. */
#include <stdbool.h>

#include "run/grants.h"

#define LANDLOCK_ABI_MOST 7 /* what this program knows to ask for; a later kernel has at least that */

/* What the kernel here has: 1 to LANDLOCK_ABI_MOST; 0: it has none, or a filter around us refuses it. Found by trying. */
int landlock_abi(void);

/* A right that came with an ABI; without it `open` stays open, and with only an older one something is stricter. */
struct landlock_gap {
        int since;
        const char *open;
};

extern const struct landlock_gap landlock_gaps[];
extern const unsigned landlock_gaps_n;

/* Confines this process and what it starts, for good; no_new_privs must be set. `signals`: it may signal processes outside.
 * `abi` at most landlock_abi(). */
int landlock_enter(int abi, const struct grants *grants, bool signals);
