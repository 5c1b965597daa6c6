#pragma once
/*
 * Proposes limits for an agent's unit, from its rule and from what it used, each explained in a line. They are a second net
 * behind Governor's own: budget < ceiling < MemoryHigh < MemoryMax, so that Governor acts before the kernel does.
 *
 *   MemoryHigh     a tenth above the ceiling; without one half as much again as p99.9 of a day or more of history, and a
 *                  tenth above the most; without that twice the budget. Never below what it uses now and a quarter more
 *   MemoryMax      a quarter above MemoryHigh, 32M at least
 *   MemorySwapMax  0 with MemoryMax
 *   OOMPolicy      kill with MemoryMax, where systemd's own default is in force
 *   CPUQuota       the quota of its rule; without one twice its busiest step of a day or more of history, half a CPU at
 *                  least. None where that is all there is
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/usec.h"
#include "policy/policy.h"

#define PROPOSE_HISTORY_LEAST USEC_PER_DAY /* what less tells is not what is usual */
#define PROPOSE_WHY_MAX 160

/* What was seen of it; 0: not known. */
struct usage {
        uint64_t memory_now; /* of all its processes, without the cache that the kernel takes back first */
        usec_t span;         /* that the history reaches back */
        uint64_t memory_p999, memory_most;
        uint32_t cpu_most; /* permille of one CPU, over a step of the history */
        uint64_t machine_bytes;
        uint32_t machine_cpus;
};

struct proposal {
        struct limits limits;
        char why[LIMIT_N][PROPOSE_WHY_MAX];
        char advice[320]; /* what to do where something could not be proposed, "" otherwise */
};

/* `in_force`: what the unit has now; what is not set there is not known. */
void propose(const struct rule *rule, const struct usage *usage, const struct limits *in_force, struct proposal *ret);

/* Whether somebody's own limits can be tried: false, and why, where they make no sense or would end the agent at once. */
bool propose_allows(const struct limits *limits, const struct usage *usage, char why[PROPOSE_WHY_MAX]);
