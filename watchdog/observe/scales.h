#pragma once
/*
 * Scales weigh agents: what a restart of each would give back, asked for when the machine is near its memory floor.
 *
 * One walk through /proc says whose each process is (the nearest ancestor that is an agent's main process, else the unit it
 * lives in) and who holds most; only those are then measured exactly, which the kernel takes 13 ms a gigabyte for. All of
 * that is done by a helper thread that ends with its answer. Where there is none to be had, or one is still stuck in a
 * process that does not answer, the loop reads the cheap figures itself, and the answer says so (how: status).
 */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/proc.h"

#define SCALES_WEIGHED_MAX 12 /* agents measured for one answer ... */
#define SCALES_SPARED_MAX 4   /* ... and critical ones, so that it can be told what they hold */

struct scales;

struct scales_options {
        const struct clock *clock;
        const struct proc *proc;
        const struct proc *cgroups; /* the cgroup v2 tree, or NULL */
        struct fact_sink sink;      /* FACT_WEIGHT, from the loop; the last one with nothing left behind it */
};

/* Who may be meant; `agent` is a loan for the call. */
struct scales_subject {
        const char *agent;
        uint32_t instance;
        pid_t pid;
        uint64_t start;
        bool spared; /* will not be restarted anyway */
};

/* All subjects are given, so that each process finds its agent. */
struct scales_question {
        const struct scales_subject *subjects;
        size_t n;
        size_t only;       /* weigh just this one; SIZE_MAX: those of size */
        const pid_t *gods; /* PM2 daemons that are known; one that is not is known by its name */
        size_t gods_n;
};

int scales_new(sd_event *event, const struct scales_options *options, struct scales **ret);
struct scales *scales_free(struct scales *scales);

/* What was asked before and is not answered yet is not any more. */
int scales_weigh(struct scales *scales, const struct scales_question *question);
