#pragma once
/* A PM2 daemon for tests: real sockets in a home of its own, served by the test's own event loop, its apps forked by the test. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

/* What it does with a request. */
enum manner {
        MANNER_ANSWER,
        MANNER_MUTE,
        MANNER_HANG_UP, /* after half a frame */
        MANNER_HALF,    /* half a frame, then silence */
        MANNER_ENDLESS, /* announces 4 GiB */
        MANNER_OTHER,   /* another protocol */
        MANNER_BAD_JSON,
        MANNER_NESTED,   /* 100,000 x '[' */
        MANNER_STRANGER, /* somebody else's answer only */
        MANNER_STRANGER_FIRST,
        MANNER_PIECES, /* 97 bytes at a time */
        MANNER_DRIP,   /* one byte a turn of the loop, and never all of them */
        MANNER_REFUSE,
        MANNER_MUTE_ORDERS,    /* answers only what is no order */
        MANNER_HANG_UP_ORDERS, /* ... and hangs up on orders */
        MANNER_N,
};

#define DAEMON_APPS 8

struct daemon_app {
        bool listed;
        char name[32];
        char status[24];
        pid_t pid;
        int restarts;
        bool cluster;
        int64_t created_ms, began_ms; /* when a start of it was ordered, and when this life began; 0: not in the list */
};

struct pm2_daemon {
        sd_event *event;
        char home[64];
        int rpc, pub;
        int subscriber;
        sd_event_source *rpc_source, *pub_source;
        enum manner manner;
        struct daemon_app apps[DAEMON_APPS];
        unsigned lists, pings, orders;
        char last_order[256];
        const char *refusal; /* what MANNER_REFUSE says */
        bool obeys;          /* carries orders out on `apps`; otherwise only says so */
};

void pm2_daemon_begin(struct pm2_daemon *daemon, sd_event *event); /* makes the home and listens */
void pm2_daemon_listen(struct pm2_daemon *daemon);                 /* again, after an end */
void pm2_daemon_end(struct pm2_daemon *daemon, bool announced);    /* hangs up; announced: clean, with pm2:kill */
void pm2_daemon_remove(struct pm2_daemon *daemon);                 /* the home and the apps too */

/* Forks a process that lives until it is killed, as app `id`; tells nobody. */
void pm2_daemon_run(struct pm2_daemon *daemon, uint32_t id, const char *name);
/* Kills it and waits until it is gone. */
void pm2_daemon_kill(struct pm2_daemon *daemon, uint32_t id);

/* Says it to the subscriber; `what` is the event, `status` the app's status in it. */
void pm2_daemon_tell(struct pm2_daemon *daemon, uint32_t id, const char *what, const char *status);
void pm2_daemon_log(struct pm2_daemon *daemon, const char *line);
void pm2_daemon_publish(struct pm2_daemon *daemon, const char *topic, const char *payload);

/* The whole of a crash and its automatic restart, as PM2 tells it. */
void pm2_daemon_crash(struct pm2_daemon *daemon, uint32_t id, int code, const char *signal);
