#pragma once
/* A ceiling to propose for an agent that has none: never a guess. */
#include <stdbool.h>

#include "govctl/used.h"

#define CEILING_WHY_MAX 192

struct ceiling {
        uint64_t bytes;            /* 0: none, and `why` says why not */
        char why[CEILING_WHY_MAX]; /* "not above 71.0M in 99.9% of 2d 23h, and half of it again" */
};

/* `own_limit`: at which its PM2 restarts it by itself, 0 none; it goes before what was seen. `several`: it has more than one
 * instance, of which samples know only the sum. */
void ceiling_propose(const struct used *used, uint64_t own_limit, bool several, struct ceiling *ret);
