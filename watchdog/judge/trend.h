#pragma once
/*
 * Trend: whether one life grows without end, or jumped, told from the smallest sizes of its last hours and days.
 *
 * Minima, because garbage collection and short-lived children only ever add to what is really needed. The first two hours of
 * a life are its warm-up and are not looked at. A leak rises all through the window: its last third lies above its first as a
 * whole (a tooth of any period that fits into the window does not), does not slow down (a warm-up does) or only just begin, and no single step
 * makes most of the rise (a jump does). Its slope is the median of the slopes between all pairs of the later minima (Theil-Sen), which
 * outliers do not move.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

#define TREND_FINE 36
#define TREND_FINE_SPAN (20 * USEC_PER_MINUTE) /* 12 hours: leaks of a megabyte an hour */
#define TREND_COARSE 28
#define TREND_COARSE_SPAN (12 * USEC_PER_HOUR) /* 14 days: leaks of a megabyte a day */
#define TREND_WARM_UP (2 * USEC_PER_HOUR)

struct trend {
        usec_t began; /* the life */
        uint64_t fine_newest, coarse_newest;
        uint32_t fine[TREND_FINE], coarse[TREND_COARSE]; /* in KiB, by time modulo their number; 0: nothing was seen */
};

struct trend_found {
        bool leak, jump;
        bool flat;              /* enough was seen to say that it does not grow */
        uint64_t bytes_an_hour; /* of the leak */
        usec_t window;          /* over which that holds */
        uint32_t from_kib, kib; /* median before the last hour, and what it never fell below in that hour; 0 unknown */
};

void trend_begin(struct trend *trend, usec_t began);

/* Adds a size; true when a span is complete, and what is found may be another. */
bool trend_add(struct trend *trend, usec_t at, uint32_t kib);

void trend_find(const struct trend *trend, struct trend_found *ret);
