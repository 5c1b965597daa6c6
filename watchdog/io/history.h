#pragma once
/* history.db: what agents and machine used, minute by minute, thinned out with age. Bounded, and worth nothing as evidence:
 * whoever deletes it loses its curves and nothing else. */
#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"

#define HISTORY_MACHINE "" /* the agent that stands for the machine */

/* A minute of an agent, or in what is read back a step of any length. */
struct history_sample {
        const char *agent;
        uint64_t at;           /* when it begins: Unix seconds */
        uint32_t step;         /* seconds: 60, 600, 3600 */
        uint64_t memory_bytes; /* on average */
        uint64_t memory_most;  /* at its highest */
        uint32_t cpu_permille; /* of one CPU, on average */
        uint32_t starts;       /* incarnations that began */
};

/* How long each step is kept, and how large the file may grow. */
struct history_limits {
        uint32_t minutes_for, tens_for, hours_for; /* seconds */
        uint64_t bytes_most;
};

extern const struct history_limits history_limits; /* a day of minutes, a week of tens, 400 days of hours, 64M */

/* What came of a write beside its success. */
enum {
        HISTORY_SET_ASIDE = 1 << 0, /* what was there is damaged or not ours: it is FILE.damaged now */
        HISTORY_SHORTENED = 1 << 1, /* the file is at its bound: the oldest went */
};

/*
 * Writes minutes, all in one transaction, and forgets what is too old at `now` (Unix seconds). 0 or a set of the above, or a
 * negative errno: -ENOSPC, -EBUSY, ...; nothing was written then.
 */
int history_write(const char *path, const struct history_limits *limits, const struct history_sample *samples, size_t n,
                  uint64_t now);

/* Calls `take` with the name of each agent that has samples. Fails as history_read(). */
int history_agents(const char *path, void (*take)(void *self, const char *agent), void *self);

/* The same file held open, for those who ask often; samples that end after `since` and begin before `until`. */
struct history;
int history_open(const char *path, struct history **ret);
struct history *history_close(struct history *history);
int history_end(struct history *history, uint64_t *ret_end); /* when its newest hour ends; 0: it is empty */
int history_each(struct history *history, const char *agent, uint64_t since, uint64_t until,
                 void (*take)(void *self, const struct history_sample *sample), void *self);

/* Calls `take` for each sample of the agent that ends after `since`, oldest first, each time once, as finely as it is kept.
 * -ENOENT: there is no history; -EUCLEAN: it is damaged or not one. */
int history_read(const char *path, const char *agent, uint64_t since,
                 void (*take)(void *self, const struct history_sample *sample), void *self);
