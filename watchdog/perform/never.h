#pragma once
/* The never-touch set: what no policy, person or bug can make Governor act on. Compiled in. */
#include <sys/types.h>

/* Why this agent must not be touched, or NULL when it may. `pid` is its main process, 0 if none is alive. */
const char *never_touch(const char *agent, pid_t pid);
