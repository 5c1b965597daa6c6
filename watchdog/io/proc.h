#pragma once
/* What the kernel tells about a process in /proc: read whole, parsed strictly, -ESRCH when it vanished on the way. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The directory is opened once, so that tests can bring their own and a read costs one path component less. */
struct proc {
        int fd;
};

#define PROC_COMM_MAX 64 /* the kernel cuts comm at 15 bytes, kernel threads' at more */
#define PROC_CGROUP_MAX 512
#define PROC_UNIT_MAX 256 /* systemd's own limit for unit names */

struct proc_stat {
        char comm[PROC_COMM_MAX]; /* whoever runs it chose this text: never shown as it is */
        char state;               /* 'R', 'S', 'Z' ... */
        pid_t parent;
        uint64_t cpu_ticks;    /* user and system time so far */
        uint64_t start;        /* clock ticks since boot */
        uint64_t waited_ticks; /* the same of all children that ended and were waited for */
};

/* All CPUs together since boot. */
struct proc_totals {
        uint64_t busy_ticks;  /* user, nice, system and interrupts; what guests of ours use is part of it */
        uint64_t given_ticks; /* busy, idle or waiting for a disk: all time that we had */
        uint64_t steal_ticks; /* wanted, and taken by the host that this machine is a guest of */
        uint64_t switches;    /* from one thread to another */
};

int proc_open(struct proc *proc, const char *root); /* "/proc", or a test's own directory */
void proc_done(struct proc *proc);

int proc_stat(const struct proc *proc, pid_t pid, struct proc_stat *ret);

/* How a zombie ended, as wait() would say; -ENODATA while it lives; 0 also where the kernel does not let us know. */
int proc_exit_status(const struct proc *proc, pid_t pid, int *ret);

/*
 * What a process's end would really give back, from smaps_rollup: its share of anonymous and shared memory (a page that a
 * whole tree shares counts once in the tree's sum), not of files, which the kernel takes back anyway. The kernel walks all
 * of the page tables for it, 13 ms a gigabyte, so ask seldom and never from the loop. -ESRCH, -EACCES.
 */
struct proc_rollup {
        uint64_t bytes, swap_bytes;
};
int proc_rollup(const struct proc *proc, pid_t pid, struct proc_rollup *ret);

/* -ENODATA where /proc/stat lacks the line of all CPUs. */
int proc_totals(const struct proc *proc, struct proc_totals *ret);

uint64_t proc_usec_of_ticks(uint64_t ticks);

struct proc_status {
        uint64_t memory_bytes; /* RssAnon + RssShmem + VmSwap: what its end would give back */
        /* how often its main thread, and no other, left the CPU: to wait for something, or pushed off it; 0 unknown */
        uint64_t voluntary, involuntary;
};

/* -ENODATA for a kernel thread or a zombie: they have no memory. */
int proc_status(const struct proc *proc, pid_t pid, struct proc_status *ret);
int proc_memory(const struct proc *proc, pid_t pid, uint64_t *ret_bytes);

/*
 * For what is read again and again: the open file halves the price of a reading and can only be about this one process,
 * whoever has its pid later. Costs a descriptor and a page of kernel memory. Readings after its end are -ESRCH.
 */
int proc_keep(const struct proc *proc, pid_t pid, const char *file);
int proc_stat_again(int fd, struct proc_stat *ret);
int proc_status_again(int fd, struct proc_status *ret);

/* The cgroup v2 path ("/system.slice/x.service"). */
int proc_cgroup(const struct proc *proc, pid_t pid, char ret[PROC_CGROUP_MAX]);

/* The unit that the process belongs to: the last component of its cgroup that is a .service or .scope; -ENODATA for none. */
int proc_unit(const struct proc *proc, pid_t pid, char ret[PROC_UNIT_MAX]);

/*
 * Looks up the named variables only; every other byte of the environment passes through one buffer that is wiped.
 * A value that does not fit into its buffer counts as not found: a cut path would be another path.
 */
struct proc_variable {
        const char *name;
        char *value;
        size_t size;
        bool found;
};
int proc_environ(const struct proc *proc, pid_t pid, struct proc_variable *variables, size_t n);

/* Its children now, of all its threads; at most `max` are stored, *ret_n counts all. */
int proc_children(const struct proc *proc, pid_t pid, pid_t *children, size_t max, size_t *ret_n);

/* Calls `each` for every process until it returns non-zero, and returns that. */
int proc_each(const struct proc *proc, int (*each)(void *self, pid_t pid), void *self);

/* The parsers behind these, for foreign bytes: `text` need not end with NUL. */
int proc_parse_stat(const char *text, size_t size, struct proc_stat *ret);
int proc_parse_status(const char *text, size_t size, struct proc_status *ret);
int proc_parse_rollup(const char *text, size_t size, struct proc_rollup *ret);
int proc_parse_cgroup(const char *text, size_t size, char ret[PROC_CGROUP_MAX]);
int proc_unit_of_cgroup(const char *cgroup, char ret[PROC_UNIT_MAX]);

/* One line of /proc/stat into the totals; true when it was one of theirs. What makes no sense is left out. */
bool proc_parse_totals(const char *line, size_t size, struct proc_totals *totals);

/* "  12345 kB" and the like: the number behind `key` in a file of `Key:  value` lines, -ENODATA when it is not there. */
int proc_parse_number(const char *text, size_t size, const char *key, uint64_t *ret);

/* "anon 12345": the same of a file of `key value` lines, as cgroups have them. */
int proc_parse_flat(const char *text, size_t size, const char *key, uint64_t *ret);

/* Reads a small file below the root into `buffer` and ends it with NUL; returns its length, -EFBIG when it does not fit. */
ssize_t proc_read(const struct proc *proc, const char *path, char *buffer, size_t size);
