#pragma once
/*
 * Files whose opening nobody may ever hold up: what PID 1, the journal, the bus, logins, the loader and Governor itself need. Were one of
 * them to wait for an answer of ours, and we for them, the machine would stand still.
 */
#include <stddef.h>

#include "io/proc.h"

/*
 * Whether the open file (O_PATH does) is one of them: by its path, by being below one of `own` (Governor's own folders, the last one NULL;
 * may be NULL), or by being what one of these processes has mapped or open under whatever name. Then 1, and `why` says who needs it.
 * Whatever is not a regular file is one. Negative errno: it cannot be told.
 */
#define NEEDED_WHY_MAX 128
int needed_by_system(const struct proc *proc, const char *const *own, const char *path, int fd,
                     char why[NEEDED_WHY_MAX]);
