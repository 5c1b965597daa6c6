#pragma once
/*
 * Load: how much CPU something used over a time, told from counters that only grow, so that the mean over any time is exact
 * however many samples came in between.
 *
 * A load is sustained when it was above its limit on average and without a break: no quarter of the time was below seven
 * eighths of the limit. A burst, however high, leaves the rest of the time low. It is over when it was below seven eighths on
 * average, for as long. What nobody looked at for more than a quarter of the time is unknown, and counting begins anew.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

struct numbers;

#define LOAD_SPANS 16 /* of the time looked at; a window is longer than asked for by one of them at most */
#define LOAD_POINTS (LOAD_SPANS + 1)

struct load_point {
        usec_t at;
        usec_t used;       /* CPU time so far */
        usec_t given;      /* of how much that could be used; 0: of one CPU, which is the time itself */
        uint64_t switches; /* from one thread to another */
        uint64_t taken; /* of a process: how often it was pushed off its CPU; of the machine: the time its host took */
};

struct load {
        struct load_point points[LOAD_POINTS]; /* oldest first, a span or more apart */
        uint32_t n;
        struct load_point newest;
};

/* Takes a sample for looking at it over `lasting`; false when what came before does not belong to it. */
bool load_add(struct load *load, const struct load_point *point, usec_t lasting);

/* The newest point that lies back at least so long, NULL when that is not known yet. */
const struct load_point *load_since(const struct load *load, usec_t lasting);

bool load_is_sustained(const struct load *load, uint64_t percent, usec_t lasting);
bool load_is_over(const struct load *load, uint64_t percent, usec_t lasting);

/* Thousandths of what was given between two points, rounded up: what is above a limit does not look equal to it. */
uint32_t load_permille(const struct load_point *from, const struct load_point *to);

/* How many a second between two points. */
uint64_t load_rate(uint64_t from, uint64_t to, usec_t time);

/* Its numbers, to be written or read. */
void load_pass(struct load *load, struct numbers *numbers);
