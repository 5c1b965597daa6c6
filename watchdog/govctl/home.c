#include "govctl/home.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/machine.h"
#include "govctl/running.h"
#include "io/cleanup.h"
#include "io/json_stream.h"
#include "io/pm2_dump.h"

enum tag {
        TAG_APP,
        TAG_NAME,
        TAG_STATUS,
        TAG_UID,
        TAG_NUMBER, /* and APP_NUMBER_N from here on */
};

/* All that is taken from dump.pm2; whatever else it holds passes by unread. */
static const struct json_stream_field wanted[] = {
        { { "*" }, TAG_APP },
        { { "*", "name" }, TAG_NAME },
        { { "*", "status" }, TAG_STATUS },
        { { "*", "uid" }, TAG_UID },
        { { "*", "max_restarts" }, TAG_NUMBER + APP_MAX_RESTARTS },
        { { "*", "min_uptime" }, TAG_NUMBER + APP_MIN_UPTIME },
        { { "*", "restart_delay" }, TAG_NUMBER + APP_RESTART_DELAY },
        { { "*", "exp_backoff_restart_delay" }, TAG_NUMBER + APP_BACKOFF },
        { { "*", "max_memory_restart" }, TAG_NUMBER + APP_MAX_MEMORY },
};

static int begin_app(struct home *home)
{
        struct app *apps = reallocarray(home->apps, home->apps_n + 1, sizeof *apps);

        if (!apps)
                return -ENOMEM;
        home->apps = apps;
        apps[home->apps_n++] = (struct app){ 0 };
        return 0;
}

/* Numbers come as such, or as PM2's own "5s", "200M". */
static void take_number(struct app *app, enum app_number which, enum json_stream_kind kind, const char *text)
{
        int64_t number = 0;
        usec_t span;
        uint64_t bytes;
        bool given = json_stream_integer(kind, text, &number);

        if (!given && kind == JSON_STREAM_STRING && which == APP_MAX_MEMORY && unit_parse_bytes(text, &bytes)) {
                number = (int64_t)bytes;
                given = true;
        } else if (!given && kind == JSON_STREAM_STRING && which != APP_MAX_MEMORY && unit_parse_span(text, &span)) {
                number = (int64_t)(span / (strpbrk(text, "smh") ? USEC_PER_MSEC : USEC_PER_SEC));
                given = true;
        }
        app->given[which] = given;
        app->number[which] = number;
}

static int take_value(void *self, unsigned tag, enum json_stream_kind kind, const char *text, size_t length)
{
        struct home *home = self;
        struct app *app = home->apps_n > 0 ? &home->apps[home->apps_n - 1] : NULL;

        if (tag == TAG_APP)
                return kind == JSON_STREAM_OPEN ? begin_app(home) : 0;
        if (!app || kind == JSON_STREAM_NULL)
                return 0;
        if (tag == TAG_NAME && kind == JSON_STREAM_STRING)
                text_copy_safe(app->name, sizeof app->name, text);
        else if (tag == TAG_STATUS && kind == JSON_STREAM_STRING)
                text_copy_safe(app->status, sizeof app->status, text);
        else if (tag == TAG_UID)
                text_copy_safe(app->run_as, sizeof app->run_as, text);
        else if (tag >= TAG_NUMBER)
                take_number(app, tag - TAG_NUMBER, kind, text);
        return 0;
}

static int read_apps(struct home *home, const char *text)
{
        struct json_stream_sink sink = { take_value, home };
        struct json_stream stream;
        int r;

        json_stream_init(&stream, wanted, sizeof wanted / sizeof wanted[0]);
        r = json_stream_feed(&stream, text, strlen(text), &sink);
        if (r >= 0)
                r = json_stream_end(&stream, &sink);
        json_stream_wipe(&stream);
        return r;
}

/* Beside the settings above, in the same order: what is declared of each app. */
struct outlining {
        struct home *home;
        size_t n;
};

static int take_outline(void *self, const struct pm2_saved *saved)
{
        struct outlining *outlining = self;

        if (outlining->n < outlining->home->apps_n)
                outlining->home->apps[outlining->n++].outline = strdup(saved->outline);
        return 0;
}

static void read_outlines(struct machine *machine, struct home *home, const char *text)
{
        struct outlining outlining = { .home = home };

        if (machine->veil)
                (void)pm2_dump_read(text, strlen(text), machine->veil, take_outline, &outlining);
}

/* Everybody may read it when each directory down to it lets everybody pass. */
static bool open_to_everybody(struct machine *machine, const char *path, mode_t mode)
{
        char above[HOME_PATH_MAX + 16];
        struct stat stat;

        if (!(mode & S_IROTH))
                return false;
        text_copy(above, sizeof above, path);
        for (char *slash; (slash = strrchr(above, '/')) && slash > above;) {
                *slash = '\0';
                if (machine_stat(machine, above, &stat) < 0 || !(stat.st_mode & S_IXOTH))
                        return false;
        }
        return true;
}

static int read_saved(struct machine *machine, struct home *home)
{
        char path[HOME_PATH_MAX + 16];
        char *text = NULL;
        struct stat stat;
        int r;

        snprintf(path, sizeof path, "%s/dump.pm2", home->path);
        r = machine_read(machine, path, &text, &stat);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        home->saved_at = (usec_t)stat.st_mtim.tv_sec * USEC_PER_SEC;
        home->everybody = open_to_everybody(machine, path, stat.st_mode);
        r = read_apps(home, text);
        if (r >= 0)
                read_outlines(machine, home, text);
        explicit_bzero(text, strlen(text)); /* it held each app's environment */
        free(text);
        home->saved = r >= 0;
        return r == -ENOMEM ? r : 0;
}

struct home *home_free(struct home *home)
{
        if (!home)
                return NULL;
        for (size_t i = 0; i < home->apps_n; i++)
                free(home->apps[i].outline);
        running_free(home->running, home->running_n);
        free(home->apps);
        free(home);
        return NULL;
}
DEFINE_CLEANUP_FUNC(struct home *, home_free);

int home_read(struct machine *machine, const char *path, const char *user, struct home **ret)
{
        _cleanup_(home_freep) struct home *home = calloc(1, sizeof *home);
        _cleanup_free_ char *pid = NULL;
        char file[HOME_PATH_MAX + 16];
        struct stat stat;
        int r;

        if (!home)
                return -ENOMEM;
        r = machine_stat(machine, path, &stat);
        if (r < 0)
                return r;
        home->uid = stat.st_uid;
        if (!text_copy(home->path, sizeof home->path, path))
                return -ENAMETOOLONG;
        text_copy_safe(home->user, sizeof home->user, user);
        snprintf(file, sizeof file, "%s/pm2.pid", path);
        if (machine_read(machine, file, &pid, NULL) >= 0)
                home->pid = (pid_t)strtol(pid, NULL, 10);
        snprintf(file, sizeof file, "%s/rpc.sock", path);
        home->socket = machine_has(machine, file);
        r = read_saved(machine, home);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(home);
        return 0;
}

void home_ask(struct machine *machine, struct home *home)
{
        int r = machine->veil ? running_read(home->path, home->uid, machine->veil, &home->running, &home->running_n)
                              : -ENOMEM;

        home->listed = r >= 0;
        if (r == -EACCES || r == -EPERM)
                machine_unseen(machine, home->path);
}

char *home_agent(const struct home *home, const struct app *app, char id[HOME_AGENT_MAX])
{
        snprintf(id, HOME_AGENT_MAX, "pm2:%s/%s", home->user, app->name);
        return id;
}
