#pragma once
/* The extent of an agent: how much private memory its process, its tree of processes or its cgroup holds, and what CPU time
 * they used so far, read from /proc. */
#include "base/agent.h"
#include "base/usec.h"
#include "io/proc.h"

#define EXTENT_PROCESSES_MAX 1024 /* of one tree; what is beyond is not counted, the sum is then a lower bound */

struct extent {
        enum memory_of of; /* what was counted in the end */
        uint64_t bytes;
        pid_t most_pid; /* the process that holds the most of it */
        uint64_t most_bytes;
        enum memory_of cpu_of; /* as `of`: a cgroup may have one account and not the other */
        usec_t cpu;            /* so far. Of a tree: a child that nobody waits for takes its time along */
};

/* What was read of the main process already. */
struct extent_main {
        pid_t pid;
        uint64_t bytes;
        const struct proc_stat *stat; /* NULL: nobody asks for its CPU time */
};

/*
 * A cgroup is counted when it is the unit of the agent and has a memory controller (its CPU time needs none):
 * all apps of a PM2 live in one cgroup, so theirs never is. Otherwise the tree is counted, and `of` says so.
 */
void extent_read(const struct proc *proc, const struct proc *cgroups, const char *agent, enum memory_of of,
                 const struct extent_main *main, struct extent *ret);

/* The working set in the cgroup at this path below the root: memory.current less inactive_file. -ENOENT: not accounted. */
int extent_of_cgroup(const struct proc *cgroups, const char *path, uint64_t *ret_bytes);

/* The CPU time that the agent's own unit used since it was made, whatever its memory is counted of; -ENOENT where it has none. */
int extent_cpu_of_unit(const struct proc *proc, const struct proc *cgroups, const char *agent, pid_t pid, usec_t *ret);

/* What the end of all in that cgroup gives back, in memory and in swap. -ENOENT: not accounted. */
int extent_freed_of_cgroup(const struct proc *cgroups, const char *path, uint64_t *ret_bytes, uint64_t *ret_swap);

/* The unit's own cgroup, also where its main process sits in a part of it. -ENOENT: the agent is no unit. */
int extent_find_cgroup(const struct proc *proc, const char *agent, pid_t pid, char path[PROC_CGROUP_MAX]);
