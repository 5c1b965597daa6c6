#include "io/pm2_protocol.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define KILL_TIMEOUT_DEFAULT (1600 * USEC_PER_MSEC)
#define KILL_TIMEOUT_MAX (10 * USEC_PER_MINUTE)

/* clang-format off */
/* The text before and behind the id; no id where there is nothing behind. One argument each: PM2 counts on it. */
static const struct {
        const char *before, *behind;
} templates[] = {
        [PM2_PING]    = { "j:{\"type\":\"call\",\"method\":\"ping\",\"args\":[{}]}",                         NULL },
        [PM2_VERSION] = { "j:{\"type\":\"call\",\"method\":\"getVersion\",\"args\":[{}]}",                   NULL },
        [PM2_LIST]    = { "j:{\"type\":\"call\",\"method\":\"getMonitorData\",\"args\":[{}]}",               NULL },
        [PM2_RESTART] = { "j:{\"type\":\"call\",\"method\":\"restartProcessId\",\"args\":[{\"id\":",         ",\"env\":{}}]}" },
        [PM2_STOP]    = { "j:{\"type\":\"call\",\"method\":\"stopProcessId\",\"args\":[",                    "]}" },
        [PM2_START]   = { "j:{\"type\":\"call\",\"method\":\"startProcessId\",\"args\":[",                   "]}" },
        [PM2_RELOAD]  = { "j:{\"type\":\"call\",\"method\":\"reloadProcessId\",\"args\":[{\"id\":",          ",\"env\":{}}]}" },
};

enum tag {
        TAG_APP, TAG_ERROR, TAG_RESULT, TAG_RESULT_ERROR, TAG_RESULT_MESSAGE,
        TAG_PID, TAG_ID, TAG_NAME, TAG_STATUS, TAG_RESTARTS, TAG_BEGAN, TAG_CREATED, TAG_KILL_TIMEOUT, TAG_MODE, TAG_CRON, TAG_EXIT_CODE,
        TAG_EVENT, TAG_MANUALLY, TAG_AT, TAG_DATA, TAG_PID_FILE,
};

static const struct json_stream_field reply_fields[] = {
        { { "error" },                                  TAG_ERROR          },
        { { "args", "*" },                              TAG_RESULT         },
        { { "args", "*", "error" },                     TAG_RESULT_ERROR   },
        { { "args", "*", "message" },                   TAG_RESULT_MESSAGE },
        { { "args", "*", "*" },                         TAG_APP            },
        { { "args", "*", "*", "pid" },                  TAG_PID            },
        { { "args", "*", "*", "pm_id" },                TAG_ID             },
        { { "args", "*", "*", "name" },                 TAG_NAME           },
        { { "args", "*", "*", "pm2_env", "status" },       TAG_STATUS       },
        { { "args", "*", "*", "pm2_env", "restart_time" }, TAG_RESTARTS     },
        { { "args", "*", "*", "pm2_env", "kill_timeout" }, TAG_KILL_TIMEOUT },
        { { "args", "*", "*", "pm2_env", "exec_mode" },    TAG_MODE         },
        { { "args", "*", "*", "pm2_env", "cron_restart" }, TAG_CRON         },
        { { "args", "*", "*", "pm2_env", "exit_code" },    TAG_EXIT_CODE    },
        { { "args", "*", "*", "pm2_env", "pm_uptime" },    TAG_BEGAN        },
        { { "args", "*", "*", "pm2_env", "created_at" },   TAG_CREATED      },
        /* the last two only where outlines are asked for */
        { { "args", "*", "*", "pm2_env" },                 PM2_DECLARED_APP, true },
        { { "args", "*", "*", "pm2_env", "env" },          PM2_DECLARED_ENV, true },
};
#define DECLARED_FIELDS 2

static const struct json_stream_field process_fields[] = {
        { { "event" },                   TAG_EVENT        },
        { { "manually" },                TAG_MANUALLY     },
        { { "at" },                      TAG_AT           },
        { { "process", "pm_id" },        TAG_ID           },
        { { "process", "name" },         TAG_NAME         },
        { { "process", "status" },       TAG_STATUS       },
        { { "process", "restart_time" }, TAG_RESTARTS     },
        { { "process", "pm_uptime" },    TAG_BEGAN        },
        { { "process", "kill_timeout" }, TAG_KILL_TIMEOUT },
        { { "process", "exec_mode" },    TAG_MODE         },
        { { "process", "cron_restart" }, TAG_CRON         },
        { { "process", "exit_code" },    TAG_EXIT_CODE    },
        { { "process", "pm_pid_path" },  TAG_PID_FILE     },
};

static const struct json_stream_field log_fields[] = {
        { { "at" },   TAG_AT   },
        { { "data" }, TAG_DATA },
};
/* clang-format on */

#define ELEMENTS(array) (sizeof(array) / sizeof(*(array)))

size_t pm2_request_frame(enum pm2_request request, uint32_t pm_id, uint32_t serial, char *buffer)
{
        char text[PM2_FRAME_MAX], id[24];
        int length, id_length;
        size_t used;

        if (templates[request].behind)
                length = snprintf(text, sizeof(text), "%s%u%s", templates[request].before, pm_id,
                                  templates[request].behind);
        else
                length = snprintf(text, sizeof(text), "%s", templates[request].before);
        id_length = snprintf(id, sizeof(id), "s:governor:%u", serial);

        used = amp_put(buffer, PM2_FRAME_MAX, 0, text, (size_t)length);
        return amp_put(buffer, PM2_FRAME_MAX, used, id, (size_t)id_length);
}

/* ---- the fields of one app ---- */

static void take_id(struct pm2_app *app, enum json_stream_kind kind, const char *text)
{
        static const char old[] = "_old_";
        int64_t id;

        app->has_id = false;
        if (kind == JSON_STREAM_STRING && text_starts(text, old)) {
                app->old = true;
                kind = JSON_STREAM_NUMBER;
                text += sizeof(old) - 1;
        }
        if (!json_stream_integer(kind, text, &id) || id < 0 || id >= INT32_MAX)
                return;
        app->pm_id = (uint32_t)id;
        app->has_id = true;
}

/* Six fields count seconds too; five begin at minutes. */
static void take_cron(struct pm2_app *app, enum json_stream_kind kind, const char *text)
{
        unsigned words = 0;

        app->cron = kind == JSON_STREAM_STRING && *text && strcmp(text, "0") != 0;
        for (; *text; text++)
                words += *text != ' ' && (text[1] == ' ' || text[1] == '\0');
        app->cron_seconds = words > 5;
}

/* A name that is too long ends with a digest: two that begin alike are two apps, and not to be stopped together. */
static void take_name(struct pm2_app *app, const char *text)
{
        uint64_t digest = 0xcbf29ce484222325;

        if (text_copy(app->name, sizeof(app->name), text))
                return;
        for (const char *at = text; *at; at++)
                digest = (digest ^ (uint8_t)*at) * 0x100000001b3;
        (void)text_copy(app->name, sizeof(app->name) - 17, text);
        (void)snprintf(app->name + strlen(app->name), 18, "~%016llx", (unsigned long long)digest);
}

static void take_app_field(struct pm2_app *app, enum tag tag, enum json_stream_kind kind, const char *text)
{
        int64_t number = 0;
        bool whole = json_stream_integer(kind, text, &number);

        switch (tag) {
        case TAG_PID: app->pid = whole && number > 0 && number <= INT32_MAX ? (pid_t)number : 0; break;
        case TAG_ID: take_id(app, kind, text); break;
        case TAG_NAME: take_name(app, text); break;
        case TAG_STATUS: (void)text_copy_safe(app->status, sizeof(app->status), text); break;
        case TAG_RESTARTS: app->restarts = whole && number > 0 ? number : 0; break;
        case TAG_BEGAN: app->began_ms = whole && number > 0 ? number : 0; break;
        case TAG_CREATED: app->created_ms = whole && number > 0 ? number : 0; break;
        case TAG_KILL_TIMEOUT:
                if (whole && number > 0)
                        app->kill_timeout = (usec_t)number < KILL_TIMEOUT_MAX / USEC_PER_MSEC
                                                    ? (usec_t)number * USEC_PER_MSEC
                                                    : KILL_TIMEOUT_MAX;
                break;
        case TAG_MODE: app->cluster = strcmp(text, "cluster_mode") == 0; break;
        case TAG_CRON: take_cron(app, kind, text); break;
        case TAG_EXIT_CODE:
                app->has_exit_code = whole && number >= INT32_MIN && number <= INT32_MAX;
                app->exit_code = app->has_exit_code ? (int)number : 0;
                break;
        default: break;
        }
}

static const struct pm2_app no_app = { .kill_timeout = KILL_TIMEOUT_DEFAULT };

/* Every JSON argument begins with "j:". Moves past what of it is here; -EBADMSG for anything else. */
static int skip_prefix(uint8_t *prefix, const char **data, size_t *size)
{
        for (; *prefix < 2 && *size > 0; (*prefix)++, (*data)++, (*size)--)
                if (**data != "j:"[*prefix])
                        return -EBADMSG;
        return 0;
}

/* Collects a short argument; a longer one is no name that we know. */
static void collect(char *buffer, size_t room, uint8_t *length, const char *data, size_t size)
{
        for (; size > 0 && *length < room - 1; size--)
                buffer[(*length)++] = *data++;
        if (size > 0)
                *length = 0;
        buffer[*length] = '\0';
}

/* ---- replies ---- */

int pm2_reply_init(struct pm2_reply_reader *reader, uint32_t serial, const struct veil *veil)
{
        int r;

        *reader = (struct pm2_reply_reader){ .serial = serial };
        if (!veil)
                return 0;
        r = veil_copy(veil, &reader->veil);
        if (r >= 0)
                pm2_declared_init(&reader->declared, reader->veil);
        return r;
}

static void drop_apps(struct pm2_reply_reader *reader)
{
        for (size_t n = 0; n < reader->reply.n_apps; n++)
                free(reader->reply.apps[n].outline);
        free(reader->row.outline);
        reader->reply.n_apps = 0;
        reader->row = no_app;
}

void pm2_reply_done(struct pm2_reply_reader *reader)
{
        drop_apps(reader);
        pm2_declared_done(&reader->declared);
        veil_free(reader->veil);
        free(reader->reply.apps);
        explicit_bzero(reader, sizeof(*reader));
}

static int add_row(struct pm2_reply_reader *reader)
{
        struct pm2_reply *reply = &reader->reply;

        if (!reader->row.has_id || reader->row.old) {
                free(reader->row.outline);
                reader->row.outline = NULL;
                return 0;
        }
        if (reply->n_apps >= PM2_APPS_MAX)
                return -E2BIG;
        if (reply->n_apps == reader->room) {
                size_t room = reader->room ? 2 * reader->room : 32;
                struct pm2_app *apps = reallocarray(reply->apps, room, sizeof(*apps));

                if (!apps)
                        return -ENOMEM;
                reply->apps = apps;
                reader->room = room;
        }
        reply->apps[reply->n_apps++] = reader->row;
        reader->row = no_app;
        return 0;
}

static void begin_row(struct pm2_reply_reader *reader)
{
        free(reader->row.outline);
        reader->row = no_app;
        if (reader->veil)
                pm2_declared_begin(&reader->declared);
}

static int end_row(struct pm2_reply_reader *reader)
{
        if (reader->veil)
                reader->row.outline = pm2_declared_finish(&reader->declared);
        return add_row(reader);
}

static int reply_value(void *self, unsigned tag, enum json_stream_kind kind, const char *text, size_t length)
{
        struct pm2_reply_reader *reader = self;
        struct pm2_reply *reply = &reader->reply;

        switch (tag) {
        case TAG_APP:
                if (kind == JSON_STREAM_OPEN)
                        begin_row(reader);
                return kind == JSON_STREAM_CLOSE ? end_row(reader) : 0;
        case TAG_ERROR:
                reply->failed = true;
                (void)text_copy_safe(reply->text, sizeof(reply->text),
                                     kind == JSON_STREAM_STRING ? text : "PM2 refused");
                return 0;
        case TAG_RESULT_ERROR: reply->failed |= kind == JSON_STREAM_TRUE; return 0;
        case TAG_RESULT:
        case TAG_RESULT_MESSAGE:
                if (kind == JSON_STREAM_STRING)
                        (void)text_copy_safe(reply->text, sizeof(reply->text), text);
                return 0;
        default: take_app_field(&reader->row, tag, kind, text); return 0;
        }
}

static bool reply_member(void *self, unsigned tag, const char *key)
{
        struct pm2_reply_reader *reader = self;

        return pm2_declared_member(&reader->declared, tag, key);
}

static void reply_raw(void *self, const char *data, size_t size)
{
        struct pm2_reply_reader *reader = self;

        pm2_declared_raw(&reader->declared, data, size);
}

static int reply_member_end(void *self, enum json_stream_kind kind)
{
        struct pm2_reply_reader *reader = self;

        return pm2_declared_member_end(&reader->declared, kind);
}

static struct json_stream_sink reply_json(struct pm2_reply_reader *reader)
{
        return (struct json_stream_sink){
                .value = reply_value,
                .self = reader,
                .member = reply_member,
                .raw = reply_raw,
                .member_end = reply_member_end,
        };
}

static int reply_begin(void *self, unsigned argument, uint32_t length)
{
        struct pm2_reply_reader *reader = self;

        reader->prefix = 0;
        if (argument == 1)
                reader->id_length = 0;
        if (argument > 0)
                return 0;

        /* a new frame: forget what a stranger's reply said */
        reader->reply.failed = false;
        reader->reply.text[0] = '\0';
        drop_apps(reader);
        reader->id_length = 0;
        json_stream_init(&reader->json, reply_fields, ELEMENTS(reply_fields) - (reader->veil ? 0 : DECLARED_FIELDS));
        return length > 2 ? 0 : -EBADMSG;
}

static int reply_piece(void *self, unsigned argument, const char *data, size_t size)
{
        struct pm2_reply_reader *reader = self;
        struct json_stream_sink json = reply_json(reader);
        int r;

        if (argument == 1)
                collect(reader->id, sizeof(reader->id), &reader->id_length, data, size);
        if (argument > 0)
                return 0;

        r = skip_prefix(&reader->prefix, &data, &size);
        return r < 0 ? r : json_stream_feed(&reader->json, data, size, &json);
}

static int reply_end(void *self)
{
        struct pm2_reply_reader *reader = self;
        struct json_stream_sink json = reply_json(reader);
        char id[24];
        int r;

        r = json_stream_end(&reader->json, &json);
        json_stream_wipe(&reader->json);
        if (r < 0)
                return r;

        (void)snprintf(id, sizeof(id), "s:governor:%u", reader->serial);
        if (reader->id_length > 0 && strcmp(id, reader->id) == 0)
                reader->whole = true;
        return reader->whole ? -ECANCELED : 0; /* nothing behind the reply is wanted */
}

int pm2_reply_feed(struct pm2_reply_reader *reader, const char *data, size_t size)
{
        const struct amp_sink sink = { .begin = reply_begin, .piece = reply_piece, .end = reply_end, .self = reader };
        int r;

        r = amp_feed(&reader->amp, data, size, &sink);
        if (reader->whole)
                return 1;
        return r;
}

/* ---- events ---- */

/* "...[NAME:7]..." with `at` behind the id: reads it backwards, because a name may hold anything. */
static bool line_id(const char *from, const char *at, struct pm2_event *event)
{
        char id[24];
        const char *begin = at;

        while (begin > from && begin[-1] != ':')
                begin--;
        if (begin == from || (size_t)(at - begin) >= sizeof(id))
                return false;

        memcpy(id, begin, (size_t)(at - begin));
        id[at - begin] = '\0';
        take_id(&event->app, text_starts(id, "_old_") ? JSON_STREAM_STRING : JSON_STREAM_NUMBER, id);
        return event->app.has_id;
}

/* The last place where `needle` stands. */
static const char *find_last(const char *text, const char *needle)
{
        const char *last = NULL;

        for (const char *at = strstr(text, needle); at; at = strstr(at + 1, needle))
                last = at;
        return last;
}

/* PM2 prints SIGINT where there was no signal. */
static int signal_number(const char *name)
{
        if (!text_starts(name, "SIG") || strcmp(name, "SIGINT") == 0)
                return 0;
        for (int i = 1; i < NSIG; i++) {
                const char *known = sigabbrev_np(i);

                if (known && strcmp(known, name + 3) == 0)
                        return i;
        }
        return 0;
}

static enum pm2_line parse_exited(const char *text, struct pm2_event *event)
{
        const char *at = find_last(text, "] exited with code [");
        char name[16] = "";
        int code = 0;

        if (!at || sscanf(at, "] exited with code [%d] via signal [%15[A-Z0-9]]", &code, name) < 1 ||
            !line_id(text, at, event))
                return PM2_LINE_NONE;

        event->app.exit_code = code;
        event->app.has_exit_code = true;
        event->signal = signal_number(name);
        return PM2_LINE_EXITED;
}

void pm2_line_parse(const char *text, struct pm2_event *event)
{
        size_t length = strcspn(text, "\n");
        const char *end = text + length;
        const char *at;
        unsigned id;

        event->line = PM2_LINE_NONE;
        if (text_starts(text, "App [")) {
                static const char online[] = "] online";

                event->line = parse_exited(text, event);
                at = find_last(text, online);
                if (event->line == PM2_LINE_NONE && at && at + sizeof(online) - 1 == end && line_id(text, at, event))
                        event->line = PM2_LINE_ONLINE;
        } else if (text_starts(text, "Stopping app:")) {
                if (find_last(text, " id:") && line_id(text, end, event))
                        event->line = PM2_LINE_STOPPING;
        } else if (sscanf(text, "[PM2][WORKER] Process %9u restarted because it exceeds", &id) == 1 &&
                   strstr(text, "--max-memory-restart")) {
                event->app.pm_id = id;
                event->app.has_id = true;
                event->line = PM2_LINE_MEMORY;
        }
}

static int event_value(void *self, unsigned tag, enum json_stream_kind kind, const char *text, size_t length)
{
        struct pm2_event_reader *reader = self;
        struct pm2_event *event = &reader->event;

        switch (tag) {
        case TAG_EVENT: (void)text_copy_safe(event->what, sizeof(event->what), text); break;
        case TAG_MANUALLY: event->manually = kind == JSON_STREAM_TRUE; break;
        case TAG_AT:
                if (!json_stream_integer(kind, text, &event->at_ms))
                        event->at_ms = 0;
                break;
        case TAG_DATA: (void)text_copy(reader->data, sizeof(reader->data), text); break;
        case TAG_PID_FILE: (void)text_copy(event->pid_file, sizeof(event->pid_file), text); break;
        default: take_app_field(&event->app, tag, kind, text);
        }
        return 0;
}

struct event_reading {
        struct pm2_event_reader *reader;
        const struct pm2_event_sink *sink;
};

static enum pm2_topic topic_from_name(const char *name)
{
        if (strcmp(name, "s:process:event") == 0)
                return PM2_TOPIC_PROCESS;
        if (strcmp(name, "s:log:PM2") == 0)
                return PM2_TOPIC_LOG;
        return strcmp(name, "s:pm2:kill") == 0 ? PM2_TOPIC_KILL : PM2_TOPIC_NONE;
}

static int event_begin(void *self, unsigned argument, uint32_t length)
{
        const struct event_reading *reading = self;
        struct pm2_event_reader *reader = reading->reader;

        if (argument == 0) {
                reader->name_length = 0;
                reader->name[0] = '\0';
                reader->event = (struct pm2_event){ .app = no_app };
                reader->data[0] = '\0';
        } else if (argument == 1) {
                reader->prefix = 0;
                reader->event.topic = topic_from_name(reader->name);
                if (reader->event.topic == PM2_TOPIC_PROCESS)
                        json_stream_init(&reader->json, process_fields, ELEMENTS(process_fields));
                else
                        json_stream_init(&reader->json, log_fields, ELEMENTS(log_fields));
        }
        return 0;
}

static int event_piece(void *self, unsigned argument, const char *data, size_t size)
{
        const struct event_reading *reading = self;
        struct pm2_event_reader *reader = reading->reader;
        struct json_stream_sink json = { .value = event_value, .self = reader };
        int r;

        if (argument == 0)
                collect(reader->name, sizeof(reader->name), &reader->name_length, data, size);
        if (argument != 1 || reader->event.topic == PM2_TOPIC_NONE || reader->event.topic == PM2_TOPIC_KILL)
                return 0;

        r = skip_prefix(&reader->prefix, &data, &size);
        return r < 0 ? r : json_stream_feed(&reader->json, data, size, &json);
}

static int event_end(void *self)
{
        const struct event_reading *reading = self;
        struct pm2_event_reader *reader = reading->reader;
        struct json_stream_sink json = { .value = event_value, .self = reader };
        int r;

        if (reader->event.topic == PM2_TOPIC_NONE)
                return 0;
        if (reader->event.topic != PM2_TOPIC_KILL) {
                r = json_stream_end(&reader->json, &json);
                json_stream_wipe(&reader->json);
                if (r < 0)
                        return r;
        }
        if (reader->event.topic == PM2_TOPIC_LOG)
                pm2_line_parse(reader->data, &reader->event);

        reading->sink->take(reading->sink->self, &reader->event);
        return 0;
}

int pm2_event_feed(struct pm2_event_reader *reader, const char *data, size_t size, const struct pm2_event_sink *sink)
{
        struct event_reading reading = { .reader = reader, .sink = sink };
        const struct amp_sink frames = {
                .begin = event_begin, .piece = event_piece, .end = event_end, .self = &reading
        };

        return amp_feed(&reader->amp, data, size, &frames);
}
