#pragma once
/* What /proc tells of the processes that PM2 starts. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/pm2_protocol.h"
#include "io/proc.h"

/* Whether the incarnation (pid, start) is alive; a zombie is not. */
bool pm2_proc_lives(const struct proc *proc, pid_t pid, uint64_t start);

/* The three words of its environment that PM2 put there. */
struct pm2_proc_app {
        uint32_t pm_id;
        char home[256];
        char name[PM2_NAME_MAX];
};

/* -ENOENT when PM2 did not start it, nor an ancestor that left it these words. */
int pm2_proc_app(const struct proc *proc, pid_t pid, struct pm2_proc_app *ret);

/*
 * The number in the pid file at `path`, when that lies in the home and no link leads there: its owner must not make us
 * open anything else. 0 otherwise.
 */
pid_t pm2_proc_pid_file(const char *home, const char *path);
