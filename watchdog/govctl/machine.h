#pragma once
/* What the doctor examines: a machine as its files tell it, this one or a copy in a directory. Of this one PM2 is asked what it
 * runs; nobody else is asked, and nothing is changed. What may not be read is remembered, so that silence is never taken for
 * health. */
#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "govctl/home.h"
#include "govctl/unit.h"
#include "io/proc.h"
#include "io/veil.h"
#include "policy/policy.h"

/* A PM2 daemon that runs. */
struct god {
        pid_t pid;
        uid_t uid;
        char home[HOME_PATH_MAX]; /* "" when it cannot be told */
        char unit[PROC_UNIT_MAX]; /* by its cgroup, "" for none */
};

struct machine {
        int root;  /* every path is resolved inside of it */
        bool here; /* it is the running machine: the kernel can be asked too */
        struct proc proc;
        const char *state;           /* Governor's state directory */
        const json_t *status;        /* the daemon's, NULL when it does not answer */
        bool daemon_denied;          /* it is there, and we may not ask it */
        const struct policy *policy; /* NULL: none that could be read */
        struct unit **units;         /* those that somebody wrote here, and the agents' */
        size_t units_n;
        struct home **homes;
        size_t homes_n;
        struct god *gods;
        size_t gods_n;
        struct veil *veil; /* what may be secret is compared under it; NULL: it is not */
        char **unseen;     /* paths that were there and could not be read */
        size_t unseen_n;
};

/* Reads all there is. `status` and `policy` are loans, NULL when there is none. A negative errno when even the root cannot be
 * opened. */
int machine_read_all(struct machine *machine, const char *root, const json_t *status, const struct policy *policy);
void machine_done(struct machine *machine);

/* Reads only the homes of PM2. */
int machine_read_homes(struct machine *machine, const char *root, const struct policy *policy);

/* The memory at which PM2 itself restarts this app, by the list that was saved; 0: it does not, or that is not known. */
uint64_t machine_own_limit(const struct machine *machine, const char *id);

/* A file as text, at most a MiB; -EFBIG for more. What we may not read is noted. `ret_stat` may be NULL. */
int machine_read(struct machine *machine, const char *path, char **ret, struct stat *ret_stat);
int machine_stat(struct machine *machine, const char *path, struct stat *ret);
bool machine_has(struct machine *machine, const char *path);

/* Calls `each` for the names in a directory, sorted; a directory that is not there has none. */
int machine_each(struct machine *machine, const char *path, int (*each)(void *self, const char *name), void *self);

/* Where a symbolic link points, or -EINVAL when it is none. */
int machine_link(struct machine *machine, const char *path, char *to, size_t size);

/* The unit, read on demand; NULL when there is no such file. A loan. */
const struct unit *machine_unit(struct machine *machine, const char *name);

/* Notes that there is something here that we may not look at. */
void machine_unseen(struct machine *machine, const char *path);

/* Whether the process exists; of this machine, or in the copy's proc/. */
bool machine_process(const struct machine *machine, pid_t pid);

/* The daemon that runs for this home, or NULL. */
const struct god *home_god(const struct machine *machine, const struct home *home);

/* The agent of that id in the daemon's status, or NULL. */
const json_t *machine_agent(const struct machine *machine, const char *id);
