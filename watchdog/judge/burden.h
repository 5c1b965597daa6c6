#pragma once
/*
 * Burden: how much CPU one instance uses against its limit (see load.h for what is too much). As with sizes (swell.h) a sample
 * decides nothing: when they add up to something else than was told before, the numbers go into the chain as a FACT_BASELINE
 * about the load, and only that fact changes what is told.
 *
 *   cpu-sustained   an instance of an agent was above its limit; over when it is below seven eighths of it, or is down by its
 *                   owner's will. Another life has to show that it is no burden for a quarter of the time only
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/agent.h"
#include "base/usec.h"
#include "judge/load.h"

struct agent;
struct fact;
struct instance;
struct judge;
struct remembered;

#define BURDEN_LOOK (10 * USEC_PER_MINUTE) /* where no limit says over what time */

/* The numbers behind what was told. */
struct burden_told {
        bool found;
        pid_t pid; /* the life that was too much */
        uint64_t start;
        enum memory_of of;
        uint32_t permille;               /* of one CPU */
        usec_t over;                     /* the time that this is the mean of */
        uint64_t voluntary, involuntary; /* how often a second its main thread left the CPU */
};

struct burden {
        pid_t pid; /* the life that the load is of */
        uint64_t start;
        enum memory_of of;
        struct load load;
        struct burden_told told;
        bool wants_record; /* it adds up to something else: the numbers have to be recorded first */
};

/* FACT_SAMPLE, of the life that runs. */
void burden_sample(struct judge *judge, struct instance *instance, const struct fact *fact);

/* FACT_BASELINE about a load: from the chain, or made by burden_remember() a moment ago. */
void burden_take(struct judge *judge, struct instance *instance, const struct fact *fact);

/* Puts the numbers into a fact; false when there are none. The payload is the scratch's. */
bool burden_remember(const struct judge *judge, const struct instance *instance, struct remembered *scratch,
                     struct fact *ret);

/* Opens and resolves what is told of it. */
void burden_look(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due);

/* What its present life used on average: over about so long, or as much of it as is known; 0 in `ret_over`: nothing is. */
uint32_t burden_permille(const struct instance *instance, usec_t lasting, usec_t *ret_over);
