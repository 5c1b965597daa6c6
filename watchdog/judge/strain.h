#pragma once
/*
 * Strain: how busy all CPUs of the machine are together (see load.h for what is too much), and who makes them so. What the host
 * of a guest takes is no time that was given: a guest that is throttled to a fifth and uses all of that is busy, not idle. As
 * with sizes (swell.h) a sample decides nothing: the numbers go into the chain as a FACT_BASELINE about the load, of no agent.
 *
 *   cpu-sustained   the machine's CPUs are busy beyond what its policy says, 85 % for 10 minutes when it says nothing. Told
 *                   with the agents that use the most, and not acted on
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"
#include "judge/load.h"

struct fact;
struct judge;
struct machine_view;
struct remembered;

#define STRAIN_USERS 3

/* An agent by the number that stands for its id, and what it used of one CPU; 0: nobody. */
struct strain_user {
        uint64_t agent;
        uint32_t permille;
};

/* What goes with the load and is not to be counted from it. */
struct strain_beside {
        uint32_t cpus;
        uint32_t pressure; /* PSI: hundredths of a percent of the time in which something waited for a CPU */
        struct strain_user users[STRAIN_USERS];
        uint32_t users_permille; /* of all agents together */
};

struct strain {
        struct load load;
        struct load_point before; /* the sample before the newest */
        struct strain_beside beside;
        bool found;        /* as told */
        bool acknowledged; /* closed by a human, and it goes on */
        uint32_t incident;
        bool wants_record;
};

/* FACT_HOST. */
void strain_sample(struct judge *judge, const struct fact *fact);

/* FACT_BASELINE about the machine's load. */
void strain_take(struct judge *judge, const struct fact *fact);
bool strain_remember(const struct judge *judge, struct remembered *scratch, struct fact *ret);

/* Opens and resolves the incident. */
void strain_look(struct judge *judge);

/* A human closed this incident. */
void strain_forget(struct judge *judge, uint32_t incident);

void strain_view(const struct judge *judge, struct machine_view *ret);
