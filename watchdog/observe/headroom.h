#pragma once
/* Headroom: how near a cgroup is to its memory.max, and what the kernel had to do about it. Paths are below the cgroup root. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/proc.h"

/* memory.events: how often since the cgroup was made. */
struct headroom_events {
        uint64_t high;     /* held back above memory.high */
        uint64_t max;      /* at memory.max: the kernel took memory back, or tried */
        uint64_t oom;      /* ... and there was none to take */
        uint64_t oom_kill; /* processes of it that were killed for memory, at whose limit ever */
};

#define HEADROOM_NO_LIMIT UINT64_MAX

/* Whether the kernel counts memory by cgroup here at all. */
bool headroom_is_counted(const struct proc *cgroups);

/* -ENOENT: there is no such cgroup, or no memory controller. -EBADMSG: not what the kernel writes. */
int headroom_events(const struct proc *cgroups, const char *path, struct headroom_events *ret);
int headroom_limit(const struct proc *cgroups, const char *path, uint64_t *ret_bytes);
int headroom_pressure(const struct proc *cgroups, const char *path,
                      uint32_t *ret_hundredths); /* some, of the last 10 s */

/* How often the kernel killed for memory since boot, machine and cgroups alike (/proc/vmstat). */
int headroom_kills(const struct proc *proc, uint64_t *ret);

/* The parsers behind these: `text` ends with NUL. */
int headroom_parse_events(const char *text, struct headroom_events *ret);
int headroom_parse_limit(const char *text, uint64_t *ret_bytes);
