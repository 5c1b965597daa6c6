/* A PM2 app as a systemd service: from what PM2 has saved of it. Names of its environment are shown, values never read. */
#include "govctl/own_unit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/agent.h"
#include "base/text.h"
#include "govctl/check.h"
#include "govctl/field.h"
#include "io/cleanup.h"
#include "io/json_stream.h"

#define WORDS_MAX 256 /* arguments, or names in its environment */
#define UNIT_NAME_MAX 96
#define STOP_DEFAULT 1600 /* ms that PM2 gives an app to end */

/* ---- what PM2 has of it --------------------------------------------------------------------------------------------------- */

enum tag {
        TAG_APP,
        TAG_NAME,
        TAG_SCRIPT,
        TAG_INTERPRETER,
        TAG_CWD,
        TAG_USER,
        TAG_UID,
        TAG_MODE,
        TAG_ARGS,
        TAG_ARG,
        TAG_NODE_ARG,
        TAG_ENV,
        TAG_AUTORESTART,
        TAG_KILL_TIMEOUT,
        TAG_RESTART_DELAY,
        TAG_CRON,
        TAG_WATCH,
        TAG_WAIT_READY,
};

/* All that is taken from dump.pm2; whatever else it holds, values of environments above all, passes by unread. */
static const struct json_stream_field wanted[] = {
        { { "*" }, TAG_APP },
        { { "*", "name" }, TAG_NAME },
        { { "*", "pm_exec_path" }, TAG_SCRIPT },
        { { "*", "exec_interpreter" }, TAG_INTERPRETER },
        { { "*", "pm_cwd" }, TAG_CWD },
        { { "*", "username" }, TAG_USER },
        { { "*", "uid" }, TAG_UID },
        { { "*", "exec_mode" }, TAG_MODE },
        { { "*", "args" }, TAG_ARGS },
        { { "*", "args", "*" }, TAG_ARG },
        { { "*", "node_args", "*" }, TAG_NODE_ARG },
        { { "*", "env", JSON_STREAM_NAMES }, TAG_ENV },
        { { "*", "autorestart" }, TAG_AUTORESTART },
        { { "*", "kill_timeout" }, TAG_KILL_TIMEOUT },
        { { "*", "restart_delay" }, TAG_RESTART_DELAY },
        { { "*", "cron_restart" }, TAG_CRON },
        { { "*", "watch" }, TAG_WATCH },
        { { "*", "wait_ready" }, TAG_WAIT_READY },
};

struct declared {
        char name[JSON_STREAM_TOKEN_MAX], script[JSON_STREAM_TOKEN_MAX], interpreter[JSON_STREAM_TOKEN_MAX],
                cwd[JSON_STREAM_TOKEN_MAX], user[64];
        json_t *args, *node_args, *names;
        int64_t kill_timeout, restart_delay;
        bool cluster, stays_down, cron, watch, wait_ready;
        bool cut; /* something of it is longer than is read, or of a kind that is not known */
};

struct saved {
        const char *wanted;
        struct json_stream stream;
        struct declared now, found;
        unsigned instances;
};

static void declared_done(struct declared *app)
{
        json_decref(app->args);
        json_decref(app->node_args);
        json_decref(app->names);
        *app = (struct declared){ .args = NULL };
}

/* Those of the session in which it was started, and PM2's own: systemd sets what is needed of them. */
static bool is_of_the_session(const char *name)
{
        static const char *const patterns[] = {
                "HOME",
                "USER",
                "LOGNAME",
                "SHELL",
                "PWD",
                "OLDPWD",
                "SHLVL",
                "_",
                "TERM*",
                "MAIL",
                "HOSTNAME",
                "TMUX*",
                "STY",
                "DISPLAY",
                "WINDOW*",
                "COLORTERM",
                "LS_*",
                "LESS*",
                "SSH_*",
                "XDG_*",
                "DBUS_*",
                "SUDO_*",
                "INVOCATION_ID",
                "JOURNAL_STREAM",
                "LISTEN_*",
                "NOTIFY_*",
                "WATCHDOG_*",
                "SYSTEMD_*",
                "MEMORY_PRESSURE_*",
                "MANAGERPID",
                "PM2_*",
                "pm_*",
                "pm2_*",
                "unique_id",
                "NODE_APP_INSTANCE",
                "npm_*",
        };

        for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
                if (text_glob(patterns[i], name))
                        return true;
        return false;
}

static bool is_variable(const char *name)
{
        if (!isalpha((unsigned char)name[0]) && name[0] != '_')
                return false;
        for (; *name; name++)
                if (!isalnum((unsigned char)*name) && *name != '_')
                        return false;
        return true;
}

static void begin_app(struct declared *app)
{
        declared_done(app);
        app->args = json_array();
        app->node_args = json_array();
        app->names = json_array();
        app->kill_timeout = STOP_DEFAULT;
}

/* PM2 puts a variable of the app's own name, with what it was told of it, into the environment that it saves. */
static void forget_name(json_t *names, const char *unwanted)
{
        for (size_t i = json_array_size(names); i-- > 0;)
                if (strcmp(json_string_value(json_array_get(names, i)), unwanted) == 0)
                        json_array_remove(names, i);
}

static void end_app(struct saved *saved)
{
        if (strcmp(saved->now.name, saved->wanted) != 0 || saved->instances++ > 0)
                return;
        saved->found = saved->now;
        saved->now = (struct declared){ .args = NULL };
        forget_name(saved->found.names, saved->wanted);
}

static void add_word(struct declared *app, json_t *list, enum json_stream_kind kind, const char *text)
{
        bool is_text = kind == JSON_STREAM_STRING || kind == JSON_STREAM_NUMBER;

        if (!is_text || json_array_size(list) == WORDS_MAX || json_array_append_new(list, json_string(text)) < 0)
                app->cut = true; /* not UTF-8 either */
}

/* True, or what PM2 takes for it: a list of paths to watch. */
static bool is_yes(enum json_stream_kind kind, const char *text)
{
        return kind == JSON_STREAM_TRUE || (kind == JSON_STREAM_STRING && text[0] && strcmp(text, "false") != 0) ||
               kind == JSON_STREAM_OPEN;
}

static int take_value(void *self, unsigned tag, enum json_stream_kind kind, const char *text, size_t length)
{
        struct saved *saved = self;
        struct declared *app = &saved->now;

        app->cut |= saved->stream.cut || strlen(text) != length;
        switch ((enum tag)tag) {
        case TAG_APP:
                if (kind == JSON_STREAM_OPEN)
                        begin_app(app);
                else if (kind == JSON_STREAM_CLOSE)
                        end_app(saved);
                break;
        case TAG_NAME: text_copy(app->name, sizeof app->name, text); break;
        case TAG_SCRIPT: text_copy(app->script, sizeof app->script, text); break;
        case TAG_INTERPRETER: text_copy(app->interpreter, sizeof app->interpreter, text); break;
        case TAG_CWD: text_copy(app->cwd, sizeof app->cwd, text); break;
        case TAG_USER:
                if (app->user[0] == '\0')
                        text_copy(app->user, sizeof app->user, text);
                break;
        case TAG_UID: /* set by somebody: PM2 starts the app as this one */
                if (kind == JSON_STREAM_STRING || kind == JSON_STREAM_NUMBER)
                        text_copy(app->user, sizeof app->user, text);
                break;
        case TAG_MODE: app->cluster = strcmp(text, "cluster_mode") == 0; break;
        case TAG_ARGS: app->cut |= kind == JSON_STREAM_STRING && length > 0; break; /* PM2 saves them as a list */
        case TAG_ARG: add_word(app, app->args, kind, text); break;
        case TAG_NODE_ARG: add_word(app, app->node_args, kind, text); break;
        case TAG_ENV:
                if (is_variable(text) && !is_of_the_session(text))
                        add_word(app, app->names, JSON_STREAM_STRING, text);
                break;
        case TAG_AUTORESTART: app->stays_down = kind == JSON_STREAM_FALSE; break;
        case TAG_KILL_TIMEOUT: (void)json_stream_integer(kind, text, &app->kill_timeout); break;
        case TAG_RESTART_DELAY: (void)json_stream_integer(kind, text, &app->restart_delay); break;
        case TAG_CRON: app->cron = kind == JSON_STREAM_STRING; break;
        case TAG_WATCH: app->watch |= is_yes(kind, text); break;
        case TAG_WAIT_READY: app->wait_ready |= is_yes(kind, text); break;
        }
        return 0;
}

static int read_saved(const char *path, struct saved *saved)
{
        const struct json_stream_sink sink = { take_value, saved };
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        char buffer[16384];
        ssize_t n;
        int r = 0;

        if (fd < 0)
                return -errno;
        json_stream_init(&saved->stream, wanted, sizeof wanted / sizeof wanted[0]);
        while (r >= 0 && (n = read(fd, buffer, sizeof buffer)) > 0)
                r = json_stream_feed(&saved->stream, buffer, (size_t)n, &sink);
        if (r >= 0)
                r = n < 0 ? -errno : json_stream_end(&saved->stream, &sink);
        json_stream_wipe(&saved->stream);
        explicit_bzero(buffer, sizeof buffer); /* each app's environment went through it */
        return r;
}

/* ---- as a unit ------------------------------------------------------------------------------------------------------------ */

/* Whatever it holds stays one word: quoted, its specifiers and variables taken as they stand. */
static void put_quoted(FILE *out, const char *word)
{
        fputc('"', out);
        for (; *word; word++) {
                unsigned char c = (unsigned char)*word;

                if (c == '%' || c == '$')
                        fprintf(out, "%c%c", c, c);
                else if (c == '"' || c == '\\')
                        fprintf(out, "\\%c", c);
                else if (c < ' ' || c == 0x7f)
                        fprintf(out, "\\x%02x", c);
                else
                        fputc(c, out);
        }
        fputc('"', out);
}

/* One word of an ExecStart= line. Plain ones stay plain: it is to be read by people. */
static void put_word(FILE *out, const char *word)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@";

        if (word[0] && strspn(word, plain) == strlen(word))
                fputs(word, out);
        else
                put_quoted(out, word);
}

static void put_argument(FILE *out, const char *word)
{
        fputc(' ', out);
        put_word(out, word);
}

static void put_arguments(FILE *out, const json_t *list)
{
        const json_t *word;
        size_t i;

        json_array_foreach ((json_t *)(uintptr_t)list, i, word)
                put_argument(out, json_string_value(word));
}

/* The program that runs it now, or one that is looked for when the unit starts. */
static void put_interpreter(FILE *out, const struct declared *app, pid_t pid)
{
        char link[64], path[PATH_MAX];
        ssize_t n;

        snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
        n = pid > 0 && app->interpreter[0] != '/' ? readlink(link, path, sizeof path - 1) : -1;
        path[n > 0 ? n : 0] = '\0';
        if (n > 0 && path[0] == '/' && !text_ends(path, " (deleted)"))
                put_word(out, path);
        else if (app->interpreter[0] == '/')
                put_word(out, app->interpreter);
        else {
                fputs("/usr/bin/env", out);
                put_argument(out, app->interpreter);
        }
}

/* A path in a setting that is not a list: specifiers alone are taken for more than they are. */
static void put_path(FILE *out, const char *key, const char *path)
{
        fprintf(out, "%s=", key);
        for (; *path; path++)
                fprintf(out, *path == '%' ? "%%%%" : "%c", *path);
        fputc('\n', out);
}

struct own_unit {
        struct declared *app;
        unsigned instances;
        pid_t pid;
        char name[UNIT_NAME_MAX]; /* without ".service" */
        char *text;
};

static void unit_name(const char *app, char name[UNIT_NAME_MAX])
{
        text_copy(name, UNIT_NAME_MAX, text_starts(app, "agent-") ? "" : "agent-");
        for (; *app && strlen(name) < UNIT_NAME_MAX - 1; app++) {
                char c[2] = { isalnum((unsigned char)*app) || *app == '-' || *app == '_' ? *app : '-', '\0' };

                strcat(name, c);
        }
}

static void put_command(FILE *out, const struct declared *app, pid_t pid)
{
        fputs("ExecStart=", out);
        if (app->interpreter[0] == '\0' || strcmp(app->interpreter, "none") == 0)
                put_word(out, app->script);
        else {
                put_interpreter(out, app, pid);
                put_arguments(out, app->node_args);
                put_argument(out, app->script);
        }
        put_arguments(out, app->args);
}

static void put_unit(FILE *out, const struct own_unit *own)
{
        const struct declared *app = own->app;

        put_path(out, "[Unit]\nDescription", app->name);
        fputs("After=network-online.target\nWants=network-online.target\n\n[Service]\n", out);
        fprintf(out, "User=%s\n", app->user);
        if (app->cwd[0])
                put_path(out, "WorkingDirectory", app->cwd);
        if (json_array_size(app->names) > 0)
                fprintf(out, "EnvironmentFile=/etc/%s.env\n", own->name);
        put_command(out, app, own->pid);
        fprintf(out, "\nKillSignal=SIGINT\nTimeoutStopSec=%lldms\n", (long long)app->kill_timeout);
        fprintf(out, "Restart=%s\nRestartSec=%lldms\n", app->stays_down ? "no" : "always",
                (long long)(app->restart_delay > 1000 ? app->restart_delay : 1000));
        fputs("\n[Install]\nWantedBy=multi-user.target\n", out);
}

static char *text_of(const struct own_unit *own)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        put_unit(out, own);
        if (fclose(out) == 0)
                return text;
        free(text);
        return NULL;
}

/* ---- what to type ----------------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add(json_t *list, const char *format, ...)
{
        char *text;
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(&text, format, arguments) >= 0) {
                json_array_append_new(list, json_string(text));
                free(text);
        }
        va_end(arguments);
}

static char *names_of(const struct declared *app, const char *between)
{
        char *names = NULL;
        const json_t *name;
        size_t i, size;
        FILE *out = open_memstream(&names, &size);

        if (!out)
                return NULL;
        json_array_foreach (app->names, i, name)
                fprintf(out, "%s%s", i > 0 ? between : "", json_string_value(name));
        if (fclose(out) == 0)
                return names;
        free(names);
        return NULL;
}

/* The values go from the process into root's file, quoted as systemd reads them; nobody sees them on the way. */
static void add_environment(json_t *list, const struct own_unit *own)
{
        bool has_it = own->pid > 0 && !own->app->cluster; /* in cluster mode its process got them in another way */
        char *names = names_of(own->app, has_it ? "|" : " ");

        if (!names || names[0] == '\0') {
                free(names);
                return;
        }
        if (has_it)
                add(list,
                    "(umask 077; sed -znE '/^(%s)=/{s/[\\\\\"`$]/\\\\&/g;s/=(.*)$/=\"\\1\"/;p}' /proc/%d/environ | tr '\\0' "
                    "'\\n' >/etc/%s.env)",
                    names, (int)own->pid, own->name);
        else
                add(list, "install -m 0600 /dev/null /etc/%s.env # then write NAME=\"value\" lines into it: %s",
                    own->name, names);
        free(names);
}

static json_t *commands_of(const struct own_unit *own, const struct home *home)
{
        char pm2[SHELL_WORD_MAX], word[SHELL_WORD_MAX];
        json_t *list = json_array();

        home_pm2(home, pm2);
        shell_word(own->app->name, word);
        add_environment(list, own);
        add(list, "cat >/etc/systemd/system/%s.service <<'END'\n%sEND", own->name, own->text);
        add(list, "systemctl daemon-reload");
        add(list, "%s stop %s && systemctl enable --now %s.service", pm2, word, own->name);
        add(list, "systemctl status %s.service # when it is well:", own->name);
        add(list, "%s delete %s && %s save", pm2, word, pm2);
        add(list, "# in the policy: systemd: %s instead of pm2: %s, then govctl reload", own->name, word);
        add(list, "govctl limits %s", own->name);
        return list;
}

static json_t *warnings_of(const struct own_unit *own)
{
        const struct declared *app = own->app;
        json_t *list = json_array();

        if (own->instances > 1)
                add(list, "PM2 runs %u of it; the unit runs one.", own->instances);
        if (app->cluster)
                add(list, "It runs in PM2's cluster mode, where PM2 holds its port: alone it opens the port itself.");
        if (app->cron)
                add(list, "PM2 restarts it by a timetable (cron_restart); a unit has none: use a systemd timer.");
        if (app->watch)
                add(list, "PM2 restarts it when its files change (watch); a unit does not.");
        if (app->wait_ready)
                add(list,
                    "It tells PM2 when it is ready (wait_ready): systemd would need sd_notify and Type=notify for that.");
        return list;
}

/* ---- shown ------------------------------------------------------------------------------------------------------------------ */

/* A script for root; what is said about it are its comments. */
static void show(struct call *call, const json_t *answer, const json_t *commands, const json_t *warnings)
{
        FILE *out = call->page.out;
        const json_t *line;
        char safe[AGENT_ID_MAX];
        size_t i;

        call_tell(call, field_text(answer, "refused"));
        text_copy_safe(safe, sizeof safe, field_text(answer, "name"));
        fprintf(out, "# How %s gets a unit of its own. As root:\n", safe);
        json_array_foreach ((json_t *)(uintptr_t)warnings, i, line)
                fprintf(out, "# But: %s\n", json_string_value(line));
        json_array_foreach ((json_t *)(uintptr_t)commands, i, line)
                fprintf(out, "%s\n", json_string_value(line));
}

static enum code print(struct call *call, const json_t *answer, struct own_unit *own, const struct home *home)
{
        json_auto_t *commands = NULL, *warnings = warnings_of(own), *json = NULL;

        own->text = text_of(own);
        if (!own->text)
                return call_out_of_memory(call);
        commands = commands_of(own, home);
        if (!call->options.json) {
                show(call, answer, commands, warnings);
                return CODE_OK;
        }
        json = json_pack("{s:i, s:s, s:s, s:{s:s, s:s}, s:O, s:O, s:O}", "schema_version", 1, "agent",
                         field_text(answer, "agent"), "refused", field_text(answer, "refused"), "unit", "name",
                         own->name, "text", own->text, "environment", own->app->names, "commands", commands, "warnings",
                         warnings);
        return json ? call_print_json(call, json, CODE_OK) : call_out_of_memory(call);
}

/* The app's own name: what the id has between the user and the home. */
static void app_name(const json_t *answer, char name[AGENT_ID_MAX])
{
        const char *id = field_text(answer, "agent"), *slash = strchr(id, '/'), *home = field_text(answer, "home");
        size_t length, tail = strlen(home) + 1;

        text_copy(name, AGENT_ID_MAX, slash ? slash + 1 : id);
        length = strlen(name);
        if (length > tail && name[length - tail] == '@' && strcmp(name + length - tail + 1, home) == 0)
                name[length - tail] = '\0';
}

static enum code complain(const struct call *call, int error, const struct home *home)
{
        char what[HOME_PATH_MAX + 64], pm2[SHELL_WORD_MAX], next[SHELL_WORD_MAX + 16];

        snprintf(what, sizeof what, "cannot read %s/dump.pm2", home->path);
        snprintf(next, sizeof next, "%s save", home_pm2(home, pm2));
        if (error == -EACCES || error == -EPERM)
                return call_complain(call, CODE_DENIED, what, "it holds what PM2 knows of the app",
                                     "the same with sudo");
        if (error == -ENOENT)
                return call_complain(call, CODE_NOT_FOUND, what, "PM2 has not saved its list", next);
        return call_complain(call, CODE_FAILURE, what, error == -EBADMSG ? "it is no list of PM2's" : strerror(-error),
                             next);
}

/* What goes into the unit unquoted could else be more lines of it. */
static bool is_one_line(const char *text)
{
        char safe[JSON_STREAM_TOKEN_MAX];

        return text_copy_safe(safe, sizeof safe, text) && strcmp(safe, text) == 0;
}

static enum code show_found(struct call *call, const json_t *answer, struct saved *saved, const struct home *home)
{
        struct own_unit own = { .app = &saved->found,
                                .instances = saved->instances,
                                .pid = (pid_t)field_number(answer, "pid") };
        char pm2[SHELL_WORD_MAX], next[SHELL_WORD_MAX + 16];
        enum code code;

        snprintf(next, sizeof next, "%s save", home_pm2(home, pm2));
        if (saved->instances == 0)
                return call_complain(call, CODE_NOT_FOUND, "PM2's saved list does not have this app",
                                     "it was started since", next);
        if (own.app->cut || own.app->script[0] != '/' || !is_one_line(own.app->name) || !is_one_line(own.app->cwd) ||
            !is_one_line(own.app->user))
                return call_complain(call, CODE_FAILURE, "no unit can be made of what PM2 has saved of this app",
                                     "a path or an argument of it is too long, or no text", "man systemd.service");
        /* the list is its owner's, who must not become somebody else by what is written in it */
        if (strcmp(home->user, "root") != 0 || own.app->user[0] == '\0')
                text_copy(own.app->user, sizeof own.app->user, home->user);
        unit_name(own.app->name, own.name);
        code = print(call, answer, &own, home);
        free(own.text);
        return code;
}

enum code own_unit_show(struct call *call, const json_t *answer)
{
        struct saved saved = { .instances = 0 };
        struct home home = { .pid = 0 };
        char path[HOME_PATH_MAX + 16], name[AGENT_ID_MAX];
        const char *id = field_text(answer, "agent");
        enum code code;
        int r;

        if (call->options.apply)
                return call_complain(call, CODE_DENIED, "a PM2 app gets no limits of its own",
                                     field_text(answer, "refused"),
                                     "govctl limits AGENT, which prints how to give it a unit of its own");
        text_copy(home.path, sizeof home.path, field_text(answer, "home"));
        snprintf(home.user, sizeof home.user, "%.*s", (int)strcspn(id + strlen("pm2:"), "/"), id + strlen("pm2:"));
        if (home.path[0] == '\0')
                return call_complain(call, CODE_NOT_FOUND, "the PM2 home of this app is not known",
                                     field_text(answer, "refused"), "govctl status");
        snprintf(path, sizeof path, "%s/dump.pm2", home.path);
        app_name(answer, name);
        saved.wanted = name;
        r = read_saved(path, &saved);
        code = r < 0 ? complain(call, r, &home) : show_found(call, answer, &saved, &home);
        declared_done(&saved.now);
        declared_done(&saved.found);
        return code;
}
