#pragma once
/* What the files of the PM2 observer share: the watch of one home, and who does what with it. */
#include "io/pm2_call.h"
#include "io/pm2_proc.h"
#include "observe/pm2.h"

#define PM2_SOURCE_MAX 320

/* Of every inotify source on a PM2 home: two of them share one kernel watch, and an event that comes for both masks after the
 * only source that wanted it has gone makes libsystemd 252 spin for ever. With one mask somebody always wants it. */
#define PM2_SIGNS (IN_CREATE | IN_ATTRIB | IN_MOVED_TO | IN_ONLYDIR)

struct pm2_stray {
        pid_t pid;
        uint64_t start;
        uint32_t pm_id;
        enum stray stray;
        bool seen;
        char agent[AGENT_ID_MAX];
        sd_event_source *gone;
        struct pm2 *pm2;
};

struct pm2 {
        sd_event *event;
        struct pm2_options options;
        struct pm2_watch **watches;
        size_t n_watches;
        sd_event_source *search;
        unsigned searches;
        bool search_soon;        /* brought forward by a sign of a new daemon */
        struct pm2_nests *nests; /* NULL: only the search finds new homes */
        struct pm2_stray **strays;
        size_t n_strays;
        bool absent;                /* said that there is no PM2 here */
        bool looking;               /* pm2_look() was asked for */
        sd_event_source *look_done; /* told from the loop: whoever asks is not called within its question */
};

/* How much a daemon may tell: each fact may become a record that is kept. */
struct pm2_meter {
        uint64_t left; /* facts, in millionths */
        usec_t at;
        usec_t pause; /* how long one is not listened to that told more; longer each time */
        bool spent;
};

/* One home: a connection that is always drained, and at most one list and one ping under way. */
struct pm2_watch {
        struct pm2 *pm2;
        struct pm2_home *home;
        char source[PM2_SOURCE_MAX];
        enum source_state state; /* as last said */
        int fd;
        sd_event_source *io;
        sd_event_source *timer;
        sd_event_source *nudge; /* inotify on the home while nobody answers there */
        struct pm2_event_reader reader;
        struct pm2_call *list;
        struct pm2_call *ping;
        uint64_t events;    /* counted, so that a list older than an event does not undo it */
        uint64_t list_sent; /* count of events when the list was asked for */
        usec_t listed_at;   /* monotonic, as all below */
        usec_t list_gap;
        usec_t heard_at;
        usec_t settle_until;
        usec_t backoff;
        usec_t list_due, ping_due, connect_due, sweep_due;
        unsigned sweeps;
        bool killed; /* PM2 announced its own end */
        bool had_god;
        pid_t last_god; /* the one before, to know it again */
        uint64_t last_start;
        bool complete;  /* said that all of its apps are known */
        bool blind_gap; /* until its first list: what happened before nobody told, nor who ordered it */
        bool doubt;     /* a list is wanted whatever the apps' state */
        bool to_look;   /* the next list is one that pm2_look() asked for, */
        bool looks;     /* ... or the one under way */
        struct pm2_meter meter;
};

usec_t pm2_now(const struct pm2 *pm2);
void pm2_tell(const struct pm2 *pm2, struct fact *fact);

/* pm2_watch.c: the connection */
int pm2_watch_new(struct pm2 *pm2, struct pm2_home *home, struct pm2_watch **ret);
struct pm2_watch *pm2_watch_free(struct pm2_watch *watch);
void pm2_watch_list_now(struct pm2_watch *watch);
/* A list is wanted for what events do not tell: of one app (in doubt until then), or with NULL of all. A burst gets one. */
void pm2_watch_want_list(struct pm2_watch *watch, struct pm2_instance *instance, usec_t delay);

/* pm2.c: a list that pm2_look() asked for is here, or never will be */
void pm2_looked(struct pm2 *pm2);

/* pm2_apps.c: what happens to the apps */
void pm2_apps_event(struct pm2_watch *watch, const struct pm2_event *event);
void pm2_apps_list(struct pm2_watch *watch, const struct pm2_app *apps, size_t n);
void pm2_apps_daemon_gone(struct pm2_watch *watch); /* says so of each; planned when PM2 announced it */
void pm2_apps_sweep(struct pm2_watch *watch);       /* ends those that went with their daemon */
void pm2_apps_let_go(struct pm2_watch *watch);      /* ... and leaves the survivors to the search for strays */

/* pm2_meter.c: time gives, each fact takes; what has nothing left is spent until somebody says otherwise */
void pm2_meter_fill(struct pm2_meter *meter, usec_t now, size_t apps);
void pm2_meter_take(struct pm2_meter *meter, unsigned facts);

/* pm2_search.c: where there is PM2 */
int pm2_search(struct pm2 *pm2, int (*found)(void *self, const char *home), void *self);

/* pm2_nests.c: where there may be PM2 soon; a sign of it brings the search forward */
struct pm2_nests *pm2_nests_new(struct pm2 *pm2);
struct pm2_nests *pm2_nests_free(struct pm2_nests *nests);
void pm2_nests_look(struct pm2_nests *nests);

/* pm2_stray.c: apps that run outside their daemon */
void pm2_strays_scan(struct pm2 *pm2);
void pm2_strays_done(struct pm2 *pm2);
