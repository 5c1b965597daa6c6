#pragma once
/* The system calls that a confined command may not make: what Landlock does not restrict, and the ways around it. */
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "run/allow.h"

#define FILTER_MAX 512 /* instructions */

/* The program for this machine's own calls; those of other ABIs (32-bit) end the process. `allowed` are rights of enum allow.
 * `truncates`: Landlock cannot refuse truncation here, so the filter refuses it by path. Returns how many instructions. */
size_t filter_make(unsigned allowed, bool truncates, struct sock_filter program[FILTER_MAX]);

/* Puts the filter on this thread and what it starts, for good; no_new_privs must be set. -EINVAL, -ENOSYS: the kernel has no
 * seccomp filters. */
int filter_enter(unsigned allowed, bool truncates);
