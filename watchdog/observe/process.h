#pragma once
/* Watches main processes: their end the moment the kernel knows it, their memory and CPU every 15 seconds. */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/proc.h"

struct process;

struct process_options {
        const struct clock *clock;
        const struct proc *proc;
        struct fact_sink sink;
};

/* All samples are taken in one wakeup; observers whose period divides a minute evenly wake up together. */
#define PROCESS_SAMPLE_EVERY (15 * USEC_PER_SEC)
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

/* When the next sample is due, in CLOCK_BOOTTIME: on the grid that all periodic observers share. */
usec_t process_next_sample(usec_t boottime);
