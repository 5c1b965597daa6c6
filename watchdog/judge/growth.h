#pragma once
/*
 * Growth: what is only told of an agent that grew. Three find it, and it is told once:
 *
 *   memory-leak    a life that grows without end (trend.h)
 *   memory-drift   a life that jumped and stays there (trend.h), or one that lies above what the agent's lives usually are at
 *                  their age (habit.h); where it leaks that is told instead, and what was told is superseded
 *
 * A jump that has come back by itself twice within two weeks, as that of an agent that works by day, is told only when it stays
 * for a day.
 *
 * As with swell.h samples are not in the chain: when a life is found to lie above its habit, or no longer, the numbers on which
 * that rests become one FACT_BASELINE, and only that changes what is told. The habit itself goes into the chain with the rest of
 * what the judge remembers.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/agent.h"
#include "judge/habit.h"

struct agent;
struct fact;
struct instance;
struct judge;
struct remembered;

#define GROWTH_RETURNS 4

/* What is learned of an agent over all of its lives. */
struct learned {
        struct habit habit;
        enum memory_of of; /* counted in this way */
        struct {
                usec_t at;
                uint32_t kib;
        } returns[GROWTH_RETURNS]; /* jumps to such a size that came back by themselves, newest first */
};

/* What is known of one instance. */
struct growth {
        pid_t pid; /* the life */
        uint64_t start;
        struct habit_life life;
        enum memory_of of;
        pid_t most_pid;
        struct {
                pid_t pid;
                uint64_t start;
                struct habit_found found;
        } told;
        bool wants_record; /* something else was found than is told */
};

/* FACT_SAMPLE, of the life that runs. */
void growth_sample(struct judge *judge, struct instance *instance, const struct fact *fact);

/* FACT_BASELINE of BASELINE_HABIT. */
void growth_take(struct judge *judge, struct instance *instance, const struct fact *fact);
bool growth_remember(const struct judge *judge, const struct instance *instance, struct remembered *scratch,
                     struct fact *ret);

/* What a FACT_BASELINE of BASELINE_HABIT says of the agent's lives; false: it says nothing of them. */
bool growth_read(const struct fact *fact, struct learned *ret);

/* The life that runs had jumped to that size, and came back. */
void growth_came_back(struct judge *judge, const struct instance *instance, uint32_t kib, usec_t at);

/* Opens and resolves memory-drift and memory-leak. They are of one life: they end with it. */
void growth_look(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due);
