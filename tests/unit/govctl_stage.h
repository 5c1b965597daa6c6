#pragma once
/* govctl on a stage: a daemon played from canned answers, the clock stopped, both streams caught. */
#include "govctl/call.h"

#define STAGE_NOW ((usec_t)1795142710 * USEC_PER_SEC) /* 2026-11-20 02:45:10 UTC */

struct stage {
        char *directory; /* of the answers; also holds the socket's name */
        char socket[108];
        int listener;
        int player; /* pid of the process that plays the daemon */
        unsigned width;
        bool colour, plain; /* plain: a terminal that shows no UTF-8 */
        char *data, *talk;  /* what the last call printed */
};

/* `answers` is a folder of tests/data/govctl, "" for itself; NULL: no daemon at all. */
void stage_open(struct stage *stage, const char *answers);
void stage_close(struct stage *stage);

/* Runs `govctl words...` (NULL ends them) and returns how it ends. */
__attribute__((sentinel)) int stage_run(struct stage *stage, ...);

/* Holds the data of the last call against tests/data/govctl/NAME; with GOLDEN=write in the environment it writes that file. */
void stage_expect_golden(const struct stage *stage, const char *name);
