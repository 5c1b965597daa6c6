#pragma once
/* What an agent used, in figures: from the samples of history.db, which thin out with age. */
#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

struct used {
        usec_t from, until;   /* its first sample, and the end of its last */
        usec_t ran;           /* for so long of that it was seen holding memory */
        uint64_t usual_bytes; /* half of the time less, half of the time more */
        uint64_t p999_bytes;  /* not more in 999 of 1,000 minutes ... */
        bool estimated;       /* ... of which some are kept in longer steps, by their average and their highest */
        uint64_t most_bytes;
        uint32_t cpu_usual, cpu_p99; /* thousandths of one CPU, on average of each step */
        uint64_t starts;
};

/* Reads the samples since then. 0, with `ran` 0 when there are none; a negative errno as of history_read(). */
int used_read(const char *path, const char *agent, usec_t since, struct used *ret);

/* A ceiling from less than that would be a guess. */
#define USED_ENOUGH USEC_PER_DAY

/* p99.9 and half of it again, rounded up to a number that people would write; 0 while there is not enough. */
uint64_t used_ceiling(const struct used *used);
