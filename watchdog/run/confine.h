#pragma once
/* From what was asked for to a confined process: looked up, told, put into force. */
#include <stdio.h>

#include "run/grants.h"
#include "run/order.h"

struct confine {
        const struct order *order;
        struct grants grants;
        int abi; /* of Landlock that is used */
};

/* Looks up every path. `abi` as landlock_abi() has it. A path that is asked for and cannot be had has been said on `talk`. */
int confine_prepare(const struct order *order, int abi, FILE *talk, struct confine *ret);
void confine_done(struct confine *confine);

/* Says what stays open because the kernel cannot close it, a line each. Returns how many lines. */
unsigned confine_say_gaps(const struct confine *confine, FILE *talk);

/* What the command could do, for people. */
void confine_explain(const struct confine *confine, FILE *data);

/* Into force, for good, in this process: no_new_privs, capabilities, Landlock, the filter. On failure says what failed on `talk`. */
int confine_enter(const struct confine *confine, FILE *talk);
