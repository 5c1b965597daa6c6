#pragma once
/*
 * Swell: how large one instance is against its limits. Sizes are kept for as long as they are needed, and a size alone
 * decides nothing: samples are not in the chain. When they add up to something else than was told before, the step comes back
 * with decisions->remember, and the numbers on which that rests go into the chain as one FACT_BASELINE. Only that fact changes
 * what is told, and what follows is decided from it: a replay, which has the fact and no samples, decides the same, and
 * another policy over the same numbers may decide otherwise.
 *
 *   memory-ceiling  above it in 3 of the last 4 samples (of: process), or in 6 of 7 (tree, cgroup: children come and go):
 *                   the instance is restarted, at most twice an hour
 *   memory-leak     above it again after that: left for a human, until somebody else gave it another life, or it stayed
 *                   below for six hours
 *   memory-budget   above it as often; over when ten minutes passed without
 * A life that jumped and stays there, or grows without end (see trend.h), is found here as well and told by growth.h.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/agent.h"
#include "base/finding.h"
#include "base/usec.h"
#include "judge/trend.h"
#include "policy/policy.h"

struct agent;
struct fact;
struct instance;
struct judge;

#define SWELL_SIZES 8    /* newest samples kept */
#define SWELL_RESTARTS 2 /* within SWELL_WITHIN; what more of them would do is known by then */
#define SWELL_WITHIN USEC_PER_HOUR

enum swell_found {
        SWELL_CEILING = 1 << 0,
        SWELL_BUDGET = 1 << 1,
        SWELL_JUMP = 1 << 2,
        SWELL_LEAK = 1 << 3,
};

/* The numbers behind a finding, as they were when it was told. */
struct swell_told {
        unsigned found; /* enum swell_found */
        pid_t pid;      /* the life that it is about */
        uint64_t start;
        uint32_t kib; /* the newest size */
        uint32_t above, of_samples;
        enum memory_of of;
        pid_t most_pid;
        uint32_t most_kib;
        usec_t below_at;   /* since when it was told not to be above its ceiling, 0: it is, or never was told */
        uint32_t from_kib; /* before the jump */
        usec_t jumped_at;  /* when that was told first */
        uint64_t bytes_an_hour;
        usec_t window;
};

struct swell {
        pid_t pid; /* the life that the sizes are of */
        uint64_t start;
        uint32_t kib[SWELL_SIZES]; /* oldest first */
        uint32_t n;
        usec_t at;          /* of the newest */
        usec_t budget_at;   /* newest size above the budget ... */
        uint64_t budget_of; /* ... which was, in a record: its bytes and one more; 0: an older record does not say */
        enum memory_of of;
        pid_t most_pid;
        uint32_t most_kib;
        struct trend trend;
        struct trend_found trend_found; /* as of the newest complete span */
        struct swell_told told;
        bool wants_record; /* it adds up to something else: the numbers have to be recorded first */
};

/* FACT_SAMPLE, of the life that runs. */
void swell_sample(struct judge *judge, struct instance *instance, const struct fact *fact);

/* FACT_BASELINE: from the chain, or made by swell_remember() a moment ago. */
void swell_take(struct judge *judge, struct instance *instance, const struct fact *fact);

/* Puts the numbers into a fact; false when there are none. The payload is the scratch's. */
struct remembered;
bool swell_remember(const struct judge *judge, const struct instance *instance, struct remembered *scratch,
                    struct fact *ret);

/* enum swell_found: what was told and is about the life that runs; a budget outlives it. */
unsigned swell_found(const struct instance *instance);

/* Whether the present life was told to be above its ceiling. */
bool swell_is_above(const struct instance *instance);

/* What that calls for: memory-ceiling, memory-leak when restarts are spent, or nothing. */
enum cause swell_cause(const struct judge *judge, const struct instance *instance);

/* When an instance left for a human may be called well although nobody gave it another life; USEC_INFINITY: not yet known. */
usec_t swell_well_at(const struct instance *instance);

/* A restart for it was ordered. */
void swell_note_restart(struct judge *judge, struct instance *instance);

/* When restarts will no longer be spent; 0: they are not. */
usec_t swell_spent_until(const struct judge *judge, const struct instance *instance);

/* Opens and resolves what is only told: the budget. Jumps and leaks are growth.h's to tell. */
void swell_look(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due);

/* The newest size that was told and the limit that a finding of this cause holds it against, in bytes; 0: it is of no size. */
uint64_t swell_figures(const struct judge *judge, const struct instance *instance, enum cause cause,
                       uint64_t *ret_limit);

/* Names the evidence for memory-ceiling or memory-leak. */
void swell_reason(const struct judge *judge, const struct instance *instance, enum cause cause, char *reason,
                  size_t size);
