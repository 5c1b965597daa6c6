#pragma once
/* What PM2 may be asked, and the few fields that are read from what it says. Everything else it says passes unstored. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/usec.h"
#include "io/amp.h"
#include "io/json_stream.h"
#include "io/pm2_declared.h"

/*
 * The closed table of requests. PM2 does not check what it is sent: one wrong argument ends every app. So a request is
 * a constant text with at most one whole number in it, and there is no way to send anything else.
 */
enum pm2_request {
        PM2_PING,
        PM2_VERSION,
        PM2_LIST,
        PM2_RESTART,
        PM2_STOP,
        PM2_START,
        PM2_RELOAD,
        PM2_REQUEST_N,
};

#define PM2_FRAME_MAX 160
#define PM2_NAME_MAX 128
#define PM2_STATUS_MAX 24
#define PM2_TEXT_MAX 160
#define PM2_APPS_MAX 4096

/* Writes the frame into `buffer` (PM2_FRAME_MAX) and returns its length. `pm_id` goes where the request has one. */
size_t pm2_request_frame(enum pm2_request request, uint32_t pm_id, uint32_t serial, char *buffer);

/* One app instance as PM2 tells it. */
struct pm2_app {
        bool has_id;
        bool old; /* "_old_7": the worker that a reload replaces */
        uint32_t pm_id;
        pid_t pid;
        int64_t restarts;
        int64_t began_ms;    /* Unix time by God's clock at which it was told to begin */
        int64_t created_ms;  /* ... at which somebody last ordered that; 0 unknown */
        usec_t kill_timeout; /* PM2's default where it says none */
        bool cluster;
        bool cron;         /* has a timetable */
        bool cron_seconds; /* ... that counts seconds */
        bool has_exit_code;
        int exit_code;
        char name[PM2_NAME_MAX]; /* as given by its user: not safe to show */
        char status[PM2_STATUS_MAX];
        char *outline; /* what is declared of it; NULL where nobody asked, or memory ended. The reply's. */
};

/* ---- replies on rpc.sock ---- */

struct pm2_reply {
        bool failed;             /* PM2 refused; `text` says why */
        char text[PM2_TEXT_MAX]; /* PM2's refusal, or its version */
        struct pm2_app *apps;
        size_t n_apps;
};

struct pm2_reply_reader {
        uint32_t serial;
        bool whole; /* the reply with our serial was read to its end */
        bool typed; /* the argument begins with "j:" */
        uint8_t prefix;
        char id[24];
        uint8_t id_length;
        struct amp amp;
        struct json_stream json;
        size_t room;
        bool overflow;
        struct pm2_app row;
        struct veil *veil; /* NULL: outlines are not asked for */
        struct pm2_declared declared;
        struct pm2_reply reply;
};

/* `veil`: makes outlines of the apps of a list, with a copy of this; NULL: it does not. */
int pm2_reply_init(struct pm2_reply_reader *reader, uint32_t serial, const struct veil *veil);
void pm2_reply_done(struct pm2_reply_reader *reader);

/* 1 when `reader->reply` is whole and may be believed, 0 when there is more to come, or a negative errno. */
int pm2_reply_feed(struct pm2_reply_reader *reader, const char *data, size_t size);

/* ---- events on pub.sock ---- */

enum pm2_line {
        PM2_LINE_NONE,
        PM2_LINE_EXITED,   /* "App [lily:7] exited with code [1] via signal [SIGINT]" */
        PM2_LINE_ONLINE,   /* "App [lily:7] online" */
        PM2_LINE_STOPPING, /* "Stopping app:lily id:7": somebody ordered it */
        PM2_LINE_MEMORY,   /* "Process 7 restarted because it exceeds --max-memory-restart" */
        PM2_LINE_N,
};

enum pm2_topic {
        PM2_TOPIC_NONE, /* unwanted: skipped by its length */
        PM2_TOPIC_PROCESS,
        PM2_TOPIC_LOG,
        PM2_TOPIC_KILL,
        PM2_TOPIC_N,
};

struct pm2_event {
        enum pm2_topic topic;
        char what[PM2_STATUS_MAX]; /* "online", "exit", "restart overlimit", ... */
        bool manually;
        int64_t at_ms; /* Unix time by God's clock */
        struct pm2_app app;
        char pid_file[JSON_STREAM_TOKEN_MAX];
        enum pm2_line line; /* with app.pm_id, app.old, app.exit_code and: */
        int signal;         /* 0: none */
};

struct pm2_event_reader {
        struct amp amp;
        struct json_stream json;
        uint8_t prefix;
        char name[24]; /* of the topic */
        uint8_t name_length;
        char data[JSON_STREAM_TOKEN_MAX];
        struct pm2_event event;
};

struct pm2_event_sink {
        void (*take)(void *self, const struct pm2_event *event);
        void *self;
};

/* Takes what came; a zeroed reader is a fresh one. A negative errno: drop the connection. */
int pm2_event_feed(struct pm2_event_reader *reader, const char *data, size_t size, const struct pm2_event_sink *sink);

/* Reads one of God's own log lines into event->line and what belongs to it. */
void pm2_line_parse(const char *text, struct pm2_event *event);
