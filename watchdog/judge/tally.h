#pragma once
/* A tally counts deaths over time: exactly for the newest 64, in buckets beyond, so that 643 in a day shows as 643. */
#include <stdbool.h>

#include "base/fact.h"
#include "base/usec.h"

#define TALLY_FINE 61   /* buckets of 10 s: ten minutes */
#define TALLY_COARSE 49 /* buckets of 30 min: a day */

struct tally {
        usec_t deaths[FACT_DEATHS_MAX]; /* ring of the newest, ascending */
        uint32_t next, n;
        usec_t run_since;                    /* first death of the present unbroken run */
        uint32_t run;                        /* deaths in it */
        usec_t forgiven;                     /* deaths until then are no longer held against the agent */
        uint64_t fine_newest, coarse_newest; /* number of the newest bucket */
        uint32_t fine[TALLY_FINE], coarse[TALLY_COARSE];
};

void tally_add(struct tally *tally, usec_t at);

/* Takes the newest death back: it turned out that somebody wanted it. */
void tally_retract(struct tally *tally);

/* Deaths in (now - within, now] that are held against it; exact up to FACT_DEATHS_MAX. */
uint32_t tally_within(const struct tally *tally, usec_t now, usec_t within);

/* All deaths in that time, for people: forgiven ones too, and as many as there were. */
uint64_t tally_shown(const struct tally *tally, usec_t now, usec_t within);

/* When the newest n-th death was (0: the newest); 0 when there were not so many. */
usec_t tally_death(const struct tally *tally, uint32_t n);

/* Over one death a second for ten seconds without a break. */
bool tally_is_hot(const struct tally *tally, usec_t now);

/* Over one death a second so far: at this moment it will be known whether it is hot. 0 when it cannot be. */
usec_t tally_hot_at(const struct tally *tally, usec_t now);

/* Mean time from death to death over the newest `n`, 0 when there are fewer than two. */
usec_t tally_period(const struct tally *tally, uint32_t n);

void tally_forgive(struct tally *tally, usec_t now);
