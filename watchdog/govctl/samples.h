#pragma once
/*
 * The history's sizes in the order of time, for a judge that is given them once more. The history keeps minutes for a day, tens of
 * minutes for a week and hours beyond. What is told is what surely lasted: between two minutes the lower of them, over a longer
 * step its average. What a step held at its most is told beside it: a peak that was shorter than its step.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

struct samples;

struct sampled {
        const char *agent;
        usec_t at;
        usec_t since;  /* when its step began ... */
        uint32_t step; /* ... and how long it is, in seconds */
        uint64_t bytes;
        uint64_t most_bytes,
                sure_bytes;    /* with the first of a step: its highest, and the highest that lasted; else 0 */
        uint32_t cpu_permille; /* of one CPU, on average */
};

/* From `since` on. -ENOENT: there is no history; -EUCLEAN: it is damaged or not one. */
int samples_open(const char *path, usec_t since, struct samples **ret);
struct samples *samples_close(struct samples *samples);

/* Whether this agent's are told from here on. -ENOMEM */
int samples_watch(struct samples *samples, const char *agent, bool watch);

/* Tells all that lies before `until` and was not told yet. */
int samples_until(struct samples *samples, usec_t until, void (*take)(void *self, const struct sampled *sampled),
                  void *self);

/* How many were told so far. */
uint64_t samples_told(const struct samples *samples);

/* When the first step of this length began that was told (60, 600 or 3600 seconds); 0: none was. */
usec_t samples_since(const struct samples *samples, uint32_t step);
