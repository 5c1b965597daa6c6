#pragma once
/* Watches main processes: their end the moment the kernel knows it, their agents' memory and their CPU every 15 seconds. */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/proc.h"

struct process;

struct process_options {
        const struct clock *clock;
        const struct proc *proc;
        const struct proc
                *cgroups; /* the cgroup v2 tree, or NULL; where it has no memory controller a tree is counted */
        struct fact_sink sink;
        /* Asked when watching begins and after process_measure_again(); NULL: the main process, no limit. */
        struct measure (*measure)(void *self, const char *agent);
        void *self;
};

/* What is to be measured of an agent. */
struct measure {
        enum memory_of of;
        uint64_t ceiling_bytes; /* 0: none. Close to it samples are taken more often. */
        bool unit_cpu;          /* CPU time of its whole unit, which is what a quota holds: one file more each time */
};

/*
 * Samples are taken in one wakeup on a grid; observers whose period divides a minute evenly wake up together. Each agent is
 * read once a period: counting a whole tree or cgroup costs more than one process, and is done half as often while there is
 * much room below the ceiling; from three quarters of it on, processes are looked at every 5 seconds, others every 15.
 */
#define PROCESS_SAMPLE_EVERY (15 * USEC_PER_SEC)
#define PROCESS_SAMPLE_NEAR (5 * USEC_PER_SEC)
#define PROCESS_SAMPLE_FAR (30 * USEC_PER_SEC)
#define PROCESS_SAMPLE_SLACK (2 * USEC_PER_SEC)

/* Raises the limit of open files as far as it may be raised: each process watched costs one. */
int process_new(sd_event *event, const struct process_options *options, struct process **ret);
struct process *process_free(struct process *process);

/*
 * Begins to watch (agent, instance, pid). `start` must be its start time, 0 when nobody could tell; one that is already
 * gone, or whose pid belongs to somebody else by now, is told as FACT_DIED once the loop runs. Watching twice is once.
 * The sink may call both of these.
 */
int process_watch(struct process *process, const char *agent, uint32_t instance, pid_t pid, uint64_t start);

/* Ceases to watch; its end is not told. `start` 0 means whatever has that pid. */
void process_forget(struct process *process, pid_t pid, uint64_t start);

/* Calls `each` for all that is watched. */
void process_each(const struct process *process,
                  void (*each)(void *self, const char *agent, uint32_t instance, pid_t pid, uint64_t start),
                  void *self);
size_t process_count(const struct process *process);

/* The policy is another one: what is to be measured is asked anew. */
void process_measure_again(struct process *process);

/* When the next sample is due, in CLOCK_BOOTTIME: on the grid that all periodic observers share. */
usec_t process_next_sample(usec_t boottime);
