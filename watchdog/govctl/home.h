#pragma once
/* A PM2 home as its files say: the saved list of apps, the pid file, the sockets. Of each app only settings are kept: the
 * rest of the list is its environment. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/usec.h"

#define HOME_PATH_MAX 256
#define HOME_NAME_MAX 128

struct machine;

enum app_number {
        APP_MAX_RESTARTS,
        APP_MIN_UPTIME, /* milliseconds, as are the delays */
        APP_RESTART_DELAY,
        APP_BACKOFF,
        APP_MAX_MEMORY, /* bytes */
        APP_NUMBER_N,
};

struct app {
        char name[HOME_NAME_MAX];
        char status[32];
        char run_as[33]; /* uid or username in the list, "" for that of the daemon */
        bool given[APP_NUMBER_N];
        int64_t number[APP_NUMBER_N];
        char *outline; /* what is declared of it, NULL where that could not be read */
};

struct home {
        char path[HOME_PATH_MAX];
        char user[33];
        uid_t uid;      /* owner of the directory */
        pid_t pid;      /* in pm2.pid, 0 none */
        bool socket;    /* rpc.sock is there */
        bool saved;     /* dump.pm2 is there and could be read */
        bool everybody; /* every user may read it, down from the root */
        usec_t saved_at;
        struct app *apps;
        size_t apps_n;
        bool listed; /* its daemon told what it runs: */
        struct running *running;
        size_t running_n;
};

/* -ENOENT when there is no such directory. `user` may be "" when it is not known yet. */
int home_read(struct machine *machine, const char *path, const char *user, struct home **ret);
struct home *home_free(struct home *home);

/* Asks the home's daemon what it runs; one that does not tell is left at that. */
void home_ask(struct machine *machine, struct home *home);

/* "pm2:USER/NAME" */
#define HOME_AGENT_MAX 272
char *home_agent(const struct home *home, const struct app *app, char id[HOME_AGENT_MAX]);
