#pragma once
/* What the files of observe/oom share: who lives where, and what was counted there. */
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "observe/headroom.h"
#include "observe/kmsg.h"
#include "observe/oom.h"

#define OOM_READINGS 32
#define OOM_LIVES_MAX 16384         /* lives remembered; one more pushes out the oldest that is over */
#define OOM_LIVED (USEC_PER_MINUTE) /* a life that is over is remembered for so long */

/* A counter against what was told of it. */
struct oom_account {
        uint64_t seen, told;
        usec_t apart; /* since when they differ, 0: they do not */
};

/* How much was held when; for what it grows by. */
struct oom_readings {
        struct {
                usec_t at;
                uint64_t bytes, pushes;
        } list[OOM_READINGS]; /* oldest first */
        unsigned n;
        bool close; /* near enough to be told */
};

/* A unit's cgroup that agents live in. */
struct oom_group {
        char *path; /* as /proc/PID/cgroup has it */
        ino_t inode;
        int watch; /* inotify's; negative: it is looked at now and then */
        bool dirty;
        unsigned lives;
        struct oom_account kills;
        struct headroom_events events;
        bool at_limit; /* the newest kill came with an `oom` of this cgroup's own */
        uint64_t limit;
        usec_t limit_at; /* when memory.max was read, 0 never */
        struct oom_readings readings;
};

struct oom_life {
        char *agent;
        uint32_t instance;
        pid_t pid;
        uint64_t start;
        struct oom_group *group; /* NULL: not known */
        usec_t over;             /* 0: it lives */
        bool killed;             /* by SIGKILL */
        bool named;              /* it was told who killed it */
        bool said;               /* its manager says that it was killed for memory: one that is not uncounted */
};

struct oom_places {
        const struct proc *proc, *cgroups;
        int inotify;
        struct oom_group **groups;
        size_t groups_n, groups_space;
        struct oom_life *lives;
        size_t lives_n, lives_space;
};

/* Looks at everything now, as is done every 15 seconds; true: somebody is close to a limit. */
bool oom_look(struct oom *oom);

/* Tells what was counted and told by nobody for long enough. */
void oom_settle(struct oom *oom);

/* A life began or ended; true: for memory, says its manager, and nobody else has yet. */
int oom_places_begin(struct oom_places *places, const struct fact *fact);
bool oom_places_end(struct oom_places *places, const struct fact *fact);

/* Forgets lives that are over for long, and the cgroups that nobody lives in. */
void oom_places_sweep(struct oom_places *places, usec_t now);
void oom_places_done(struct oom_places *places);

/* Whose process this is, or was a moment ago: its own main process or one that descends from it. NULL: nobody's. */
struct oom_life *oom_places_owner(const struct oom_places *places, pid_t pid);

/* The unit's cgroup that this one is or lies in; NULL: nobody lives there. */
struct oom_group *oom_places_group(const struct oom_places *places, const char *cgroup);

/* The service whose own cgroup this is; NULL: a PM2's, a session's. */
struct oom_life *oom_places_service(const struct oom_places *places, const struct oom_group *group);

/* The one life there that ended by SIGKILL since then and was not named by the log; NULL: none, or several. */
struct oom_life *oom_places_killed(const struct oom_places *places, const struct oom_group *group, usec_t since);

/* Reads memory.events; what it counts since the last time goes to the account. */
void oom_group_read(const struct oom_places *places, struct oom_group *group);

/* How many are still to be told after `patience`; then they are. `next` comes down to when to ask again. */
uint64_t oom_account_settle(struct oom_account *account, usec_t now, usec_t patience, usec_t *next);

void oom_readings_add(struct oom_readings *readings, usec_t at, uint64_t bytes, uint64_t pushes);

/* What a reading says against those of the last minute, into a fact. */
void oom_readings_tell(const struct oom_readings *readings, struct fact *fact);
