#pragma once
/*
 * Watches memory run out: who was killed for it, and who will be. Four sources, each missing somewhere:
 *
 *   the kernel's log      names the victim, the limit and what else was large; needs CAP_SYSLOG, and no container has it
 *   memory.events         counts kills in each agent's cgroup, and says so at once
 *   /proc/vmstat          counts all kills on the machine: one of which nobody else told is told as that
 *   systemd-oomd          tells on the bus which cgroup it killed
 *
 * A kill is told once: counters wait for the log, and what they count beyond it is told without a name, or with that of the
 * one agent in the cgroup that died by SIGKILL just then. Missing sources are told as FACT_SOURCE "oom".
 */
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/bus.h"
#include "io/clock.h"
#include "io/proc.h"

struct oom;

struct oom_options {
        const struct clock *clock;
        const struct proc *proc;
        const struct proc *cgroups; /* the cgroup v2 tree, or NULL */
        struct bus *bus;            /* or NULL */
        struct fact_sink sink;
        int log; /* the kernel's log, taken over also when oom_new() fails; or the negative errno why there is none */
};

/* Opens /dev/kmsg at its end. -EPERM: no CAP_SYSLOG; -ENODEV: what is there is not the kernel's, as in containers. */
int oom_open_log(void);

int oom_new(sd_event *event, const struct oom_options *options, struct oom **ret);
struct oom *oom_free(struct oom *oom);

/* A fact went by: whose process is whose, and what the machine has left. Nothing is told from within. */
void oom_follow(struct oom *oom, const struct fact *fact);
