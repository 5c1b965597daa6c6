#pragma once
/*
 * Ebb: how much memory the machine has left against its floor. One sample says nothing, so it takes
 *   below   eight seconds without a break; or three samples while processes stall for memory (PSI), or while so much is lost
 *           that nothing is left within a minute; or two samples below a quarter of the floor
 *   above   three samples over two seconds, above the floor and its margin
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

struct fact;

#define EBB_SAMPLES 24 /* newest ones: twelve seconds near the floor, six minutes far from it */
#define EBB_SPANS 16   /* of ten seconds each, for the pace */
#define EBB_SPAN (10 * USEC_PER_SEC)

struct ebb {
        uint32_t n;
        usec_t at[EBB_SAMPLES]; /* oldest first */
        uint32_t kib[EBB_SAMPLES];
        uint64_t span_newest;
        uint32_t spans[EBB_SPANS]; /* the least of each, in KiB, by time modulo their number; 0: nothing was seen */
        uint32_t total_kib;
        uint32_t some, full; /* PSI of the newest, hundredths of a percent */
};

enum ebb_sign {
        EBB_NOT,
        EBB_STAYS,    /* below, and no way up */
        EBB_PRESSURE, /* processes stall for memory */
        EBB_FALLS,    /* nothing is left soon */
        EBB_DEEP,     /* next to nothing is left */
};

struct ebb_found {
        bool below;
        enum ebb_sign sign; /* what confirms it; EBB_NOT where only nothing says that it is over */
        usec_t lasts;       /* as far as the samples reach */
        usec_t gone_in;     /* nothing is left then, at the pace of the last moments; USEC_INFINITY: it does not fall */
};

/* FACT_HOST. */
void ebb_add(struct ebb *ebb, const struct fact *fact);

/* What the samples add up to; `was_below` holds until they say that it is over. */
void ebb_find(const struct ebb *ebb, uint64_t floor_bytes, bool was_below, struct ebb_found *ret);

/* Whether three samples in a row say that less than this is left. */
bool ebb_is_under(const struct ebb *ebb, uint64_t level_bytes);

/* How far above the floor is above enough. */
uint64_t ebb_margin(const struct ebb *ebb, uint64_t floor_bytes);

/* MemAvailable as it was last seen. */
uint64_t ebb_available(const struct ebb *ebb);

/* When so much is left at the pace of the last minutes or seconds; USEC_INFINITY: it does not fall. The pace is in bytes a minute. */
usec_t ebb_until(const struct ebb *ebb, uint64_t level_bytes, uint64_t *ret_pace);
