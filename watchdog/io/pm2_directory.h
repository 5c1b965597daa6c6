#pragma once
/* Which PM2 homes there are and what runs in them: written by the observer, read by the hands, owned by the governor. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/agent.h"
#include "base/usec.h"
#include "io/cleanup.h"
#include "io/pm2_protocol.h"
#include "io/proc.h"

#define PM2_USER_MAX 33
#define PM2_HOMES_MAX 256       /* anybody may make sockets of these names, and tell of any number of apps */
#define PM2_HOMES_OF_USER_MAX 8 /* of anybody but root: one user leaves room for the others */

struct pm2_home {
        char *path; /* without links */
        char user[PM2_USER_MAX];
        uid_t uid;
        dev_t device;
        ino_t inode;
        bool suffixed; /* its agents' ids end with @PATH: not the only home of its user */
        pid_t god;     /* the daemon, 0 while there is none */
        uint64_t god_start;
        size_t n_instances; /* PM2_APPS_MAX at most */
};

/* One instance of an app; `agent` is its id, shared by all instances of the app. */
struct pm2_instance {
        struct pm2_home *home;
        uint32_t pm_id;
        char agent[AGENT_ID_MAX];
        char name[PM2_NAME_MAX]; /* as PM2 has it */
        char word[PM2_STATUS_MAX];
        enum claimed claimed;
        pid_t claimed_pid; /* PM2's own word; may be long dead */
        pid_t pid;         /* the incarnation that we saw alive, 0 none */
        uint64_t start;
        int64_t restarts;
        usec_t kill_timeout;
        bool cluster;
        bool busy; /* a hand is at it: no other one may */
        bool ours; /* what is ordered of it now is our doing; outlives `busy` where PM2 may still carry it out */

        /* the observer's own notes */
        bool said;      /* a FACT_AGENT told of it */
        bool up;        /* began and has not ended, also when its pid is not known */
        bool ordered;   /* its last end was ordered */
        bool by_hand;   /* at first sight: PM2's list says that an order began it */
        bool died;      /* its last end was its own */
        bool by_memory; /* PM2 said that its memory limit ends this incarnation */
        bool by_cron;   /* ... and that it was stopped at the moment its timetable names */
        bool cron;
        bool cron_seconds;
        bool listed;
        bool doubt;    /* events leave open what became of it: a list is wanted */
        bool has_exit; /* PM2's log line about the end under way: */
        int exit_code;
        int exit_signal;
        uint64_t touched; /* the observer's count of events when one last changed it */
};

struct pm2_directory {
        struct proc proc;
        struct pm2_home **homes;
        size_t n_homes;
        struct pm2_instance **instances;
        size_t n_instances;
        size_t room;
};

/* An empty one that looks at this /proc. */
int pm2_directory_init(struct pm2_directory *directory, const char *proc_root);

/* Frees all that is in it. */
void pm2_directory_done(struct pm2_directory *directory);

/* Adds the home at this path, or returns the one that is known. Its owner and ids are settled here for good. -ENOSPC: too many. */
int pm2_directory_add_home(struct pm2_directory *directory, const char *path, struct pm2_home **ret);

/* Whether an agent of that id would be an app of this home; false for one whose id had to be shortened. */
bool pm2_home_has(const struct pm2_home *home, const char *agent);

/* The instance, or NULL. */
struct pm2_instance *pm2_directory_find(const struct pm2_directory *directory, const struct pm2_home *home,
                                        uint32_t pm_id);
int pm2_directory_add(struct pm2_directory *directory, struct pm2_home *home, const struct pm2_app *app,
                      struct pm2_instance **ret);
void pm2_directory_remove(struct pm2_directory *directory, struct pm2_instance *instance);

/* The n-th instance of an agent in the order in which PM2 lists them; NULL behind the last. */
struct pm2_instance *pm2_directory_nth(const struct pm2_directory *directory, const char *agent, size_t n);

/* "pm2:USER/NAME", with "@HOME" where the home asks for it; too long ones are cut and end with a digest. */
void pm2_agent_id(const struct pm2_home *home, const char *name, char id[AGENT_ID_MAX]);

/* PM2's word in our terms. */
enum claimed pm2_claimed(const char *word);
