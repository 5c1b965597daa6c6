#include "io/pm2_declared.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* How a setting of PM2's is told. */
enum how {
        HOW_NOT,    /* PM2's own bookkeeping, or of no effect on what the app does */
        HOW_SHOWN,  /* with its value: a number, a word, a path */
        HOW_HIDDEN, /* its value may hold a secret */
        HOW_APP,    /* the app's name: also a variable that PM2 adds */
        HOW_COUNTER /* ... and that of the variable that counts its instances */
};

struct pm2_setting {
        const char *key;
        enum how how;
        const char *name; /* as it is told; NULL: as PM2 has it */
        bool default_on;  /* that it is on need not be told */
};

/* clang-format off */
/* All that PM2 5, 6 and 7 were seen to keep beside the variables, by name. What is not in here is taken for a variable. */
static const struct pm2_setting settings[] = {
        { "_pm2_version",              HOW_NOT },
        { "_tree_pids",                HOW_NOT },
        { "append_env_to_name",        HOW_NOT },
        { "args",                      HOW_HIDDEN },
        { "automation",                HOW_NOT },
        { "autorestart",               HOW_SHOWN,   NULL, true },
        { "autostart",                 HOW_SHOWN,   NULL, true },
        { "axm_actions",               HOW_NOT },
        { "axm_dynamic",               HOW_NOT },
        { "axm_monitor",               HOW_NOT },
        { "axm_options",               HOW_NOT },
        { "combine_logs",              HOW_NOT },
        { "command",                   HOW_NOT },
        { "created_at",                HOW_NOT },
        { "cron_restart",              HOW_SHOWN },
        { "current_conf",              HOW_NOT },
        { "cwd",                       HOW_NOT }, /* pm_cwd is what it became */
        { "deep_monitoring",           HOW_NOT },
        { "disable_logs",              HOW_NOT },
        { "disable_source_map_support", HOW_NOT },
        { "disable_trace",             HOW_NOT },
        { "env",                       HOW_NOT }, /* read member by member */
        { "error_file",                HOW_NOT },
        { "event_loop_inspector",      HOW_NOT },
        { "exec_interpreter",          HOW_SHOWN,   "interpreter" },
        { "exec_mode",                 HOW_SHOWN },
        { "exit_code",                 HOW_NOT },
        { "exp_backoff_restart_delay", HOW_SHOWN },
        { "filter_env",                HOW_HIDDEN },
        { "force",                     HOW_NOT },
        { "gid",                       HOW_SHOWN },
        { "ignore_watch",              HOW_NOT },
        { "increment_var",             HOW_SHOWN },
        { "instance_var",              HOW_COUNTER },
        { "instances",                 HOW_NOT }, /* lost when PM2 brings its list back; they are counted */
        { "io",                        HOW_NOT },
        { "kill_retry_time",           HOW_NOT },
        { "kill_timeout",              HOW_SHOWN },
        { "km_link",                   HOW_NOT },
        { "listen_timeout",            HOW_SHOWN },
        { "log_date_format",           HOW_NOT },
        { "log_file",                  HOW_NOT },
        { "log_type",                  HOW_NOT },
        { "max_memory_restart",        HOW_SHOWN },
        { "max_restarts",              HOW_SHOWN },
        { "merge_logs",                HOW_NOT }, /* a reload sets it */
        { "min_uptime",                HOW_SHOWN },
        { "name",                      HOW_APP },
        { "namespace",                 HOW_SHOWN },
        { "node_args",                 HOW_HIDDEN,  "interpreter args" },
        { "node_version",              HOW_NOT },
        { "out_file",                  HOW_NOT },
        { "pid_file",                  HOW_NOT },
        { "pm2_env",                   HOW_NOT },
        { "pm_cwd",                    HOW_SHOWN,   "cwd" },
        { "pm_err_log_path",           HOW_NOT },
        { "pm_exec_path",              HOW_SHOWN,   "script" },
        { "pm_id",                     HOW_NOT },
        { "pm_log_path",               HOW_NOT },
        { "pm_out_log_path",           HOW_NOT },
        { "pm_pid_path",               HOW_NOT },
        { "pm_uptime",                 HOW_NOT },
        { "pmx",                       HOW_NOT },
        { "pmx_module",                HOW_NOT },
        { "port",                      HOW_NOT },
        { "post_update",               HOW_NOT },
        { "prev_restart_delay",        HOW_NOT },
        { "restart_delay",             HOW_SHOWN },
        { "restart_time",              HOW_NOT },
        { "script",                    HOW_NOT }, /* pm_exec_path is what it became */
        { "shutdown_with_message",     HOW_SHOWN },
        { "source_map_support",        HOW_NOT },
        { "started_inside",            HOW_NOT },
        { "status",                    HOW_NOT },
        { "stop_exit_codes",           HOW_SHOWN },
        { "time",                      HOW_NOT },
        { "trace",                     HOW_NOT },
        { "treekill",                  HOW_SHOWN,   NULL, true },
        { "uid",                       HOW_SHOWN },
        { "unique_id",                 HOW_NOT },
        { "unstable_restarts",         HOW_NOT },
        { "username",                  HOW_NOT }, /* of whoever typed the command */
        { "v8",                        HOW_NOT },
        { "version",                   HOW_NOT },
        { "versioning",                HOW_NOT },
        { "vizion",                    HOW_NOT },
        { "vizion_running",            HOW_NOT },
        { "wait_ready",                HOW_SHOWN },
        { "watch",                     HOW_NOT }, /* a stop switches it off */
        { "watch_delay",               HOW_NOT },
        { "watch_options",             HOW_NOT },
        { "windowsHide",               HOW_NOT },
};

/*
 * Variables of the session in which somebody typed the command, and of PM2's own: another terminal is no drift. What an agent may
 * go by stays in, PATH, LD_PRELOAD and NODE_OPTIONS above all.
 */
static const char *const sessions[] = {
        "COLORTERM", "COLUMNS", "CREDENTIALS_DIRECTORY", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "GPG_AGENT_INFO", "GPG_TTY",
        "INVOCATION_ID", "JOURNAL_STREAM", "LESSCLOSE", "LESSOPEN", "LINES", "LISTEN_*", "LS_COLORS", "MAINPID", "MANAGERPID",
        "MEMORY_PRESSURE_*", "MOTD_SHOWN", "NODE_APP_INSTANCE", "NODE_CHANNEL_*", "NODE_UNIQUE_ID", "NOTIFY_SOCKET", "OLDPWD",
        "PM2_*", "PWD", "SHELL_SESSION_ID", "SHLVL", "SSH_*", "STY", "SUDO_*", "SYSTEMD_EXEC_PID", "TERM", "TERM_*", "TMUX*",
        "VSCODE_*", "WATCHDOG_PID", "WATCHDOG_USEC", "WINDOWID", "XAUTHORITY", "XDG_RUNTIME_DIR", "XDG_SEAT", "XDG_SESSION_*",
        "XDG_VTNR", "_", "axm_*", "current_conf", "km_link", "npm_command", "npm_execpath", "npm_lifecycle_*", "pm2_*",
        "pm_id", "unique_id", "updateEnv", "vizion_running",
};
/* clang-format on */

#define ELEMENTS(array) (sizeof(array) / sizeof(*(array)))

static int compare_setting(const void *key, const void *row)
{
        return strcmp(key, ((const struct pm2_setting *)row)->key);
}

static bool is_of_session(const char *name)
{
        for (size_t n = 0; n < ELEMENTS(sessions); n++)
                if (sessions[n][0] == name[0] && text_glob(sessions[n], name))
                        return true;
        return false;
}

/* ---- variables ------------------------------------------------------------------------------------------------------------ */

/* Where it was seen, and so how sure it is that it is one. */
enum seen {
        SEEN_ENV = 1,  /* in "env": some PM2 commands leave only part of them there */
        SEEN_SURE = 2, /* among PM2's settings, named as variables are */
        SEEN_MAYBE = 4 /* ... or as a setting might be that a PM2 to come will have */
};

struct pm2_variable {
        char *name;
        uint64_t veiled; /* PM2 starts the app with what stands among its settings: that counts where both are */
        unsigned seen;
};

static bool is_named_like_a_variable(const char *name)
{
        bool upper = false;

        for (const char *at = name; *at; at++) {
                if (*at >= 'a' && *at <= 'z')
                        return text_ends(name, "_proxy") || text_starts(name, "npm_");
                upper |= *at >= 'A' && *at <= 'Z';
        }
        return upper;
}

static void add_variable(struct pm2_declared *declared, unsigned seen, uint64_t veiled)
{
        struct pm2_variable *all = declared->variables;
        uint32_t room = declared->room ? 2 * declared->room : 64;

        if (declared->variables_n > PM2_VARIABLES_MAX)
                return;
        if (declared->variables_n == declared->room) {
                all = reallocarray(all, room, sizeof(*all));
                if (!all) {
                        declared->failed = true;
                        return;
                }
                declared->variables = all;
                declared->room = room;
        }
        all[declared->variables_n] = (struct pm2_variable){ strdup(declared->name), veiled, seen };
        if (all[declared->variables_n].name)
                declared->variables_n++;
        else
                declared->failed = true;
}

/* By name; among equals what counts most first. */
static int compare_variables(const void *a, const void *b)
{
        const struct pm2_variable *one = a, *other = b;
        int r = strcmp(one->name, other->name);

        return r ? r : (int)other->seen - (int)one->seen;
}

static void tell_variable(struct pm2_declared *declared, const struct pm2_variable *variable, unsigned seen)
{
        char name[OUTLINE_NAME_MAX + sizeof("env ")];

        if (strcmp(variable->name, declared->app) == 0 || strcmp(variable->name, declared->counter) == 0)
                return;
        snprintf(name, sizeof(name), "env %s", variable->name);
        if (seen == SEEN_MAYBE)
                outline_guess(&declared->outline, name, variable->veiled);
        else
                outline_hide(&declared->outline, name, variable->veiled);
}

static void tell_variables(struct pm2_declared *declared)
{
        struct pm2_variable *all = declared->variables;
        uint32_t n = declared->variables_n;

        if (n > PM2_VARIABLES_MAX) {
                outline_show(&declared->outline, "more variables than are compared", "");
                return;
        }
        if (n > 0)
                qsort(all, n, sizeof(*all), compare_variables);
        for (uint32_t i = 0; i < n;) {
                uint32_t first = i;
                unsigned seen = 0;

                for (; i < n && strcmp(all[i].name, all[first].name) == 0; i++)
                        seen |= all[i].seen;
                tell_variable(declared, &all[first], seen);
        }
}

/* ---- an app --------------------------------------------------------------------------------------------------------------- */

void pm2_declared_init(struct pm2_declared *declared, struct veil *veil)
{
        *declared = (struct pm2_declared){ .veil = veil };
}

static void forget(struct pm2_declared *declared)
{
        for (uint32_t n = 0; n < declared->variables_n; n++)
                free(declared->variables[n].name);
        declared->variables_n = 0;
        declared->failed = false;
        declared->app[0] = declared->counter[0] = '\0';
        outline_done(&declared->outline);
        explicit_bzero(declared->raw, sizeof(declared->raw));
}

void pm2_declared_done(struct pm2_declared *declared)
{
        forget(declared);
        free(declared->variables);
        *declared = (struct pm2_declared){ .veil = NULL };
}

void pm2_declared_begin(struct pm2_declared *declared)
{
        forget(declared);
}

char *pm2_declared_finish(struct pm2_declared *declared)
{
        char *outline;

        tell_variables(declared);
        outline = outline_finish(&declared->outline);
        if (declared->failed) {
                free(outline);
                outline = NULL;
        }
        forget(declared);
        return outline;
}

/* ---- a member ------------------------------------------------------------------------------------------------------------- */

bool pm2_declared_member(struct pm2_declared *declared, unsigned tag, const char *key)
{
        declared->in_env = tag == PM2_DECLARED_ENV;
        declared->setting = declared->in_env
                                    ? NULL
                                    : bsearch(key, settings, ELEMENTS(settings), sizeof(*settings), compare_setting);
        if (declared->setting ? declared->setting->how == HOW_NOT : is_of_session(key))
                return false;
        (void)text_copy_safe(declared->name, sizeof(declared->name), key);
        declared->raw_length = 0;
        veil_begin(declared->veil);
        return true;
}

void pm2_declared_raw(struct pm2_declared *declared, const char *data, size_t size)
{
        veil_add(declared->veil, data, size);
        if (declared->raw_length == UINT8_MAX || size >= sizeof(declared->raw) - declared->raw_length) {
                declared->raw_length = UINT8_MAX;
                return;
        }
        memcpy(declared->raw + declared->raw_length, data, size);
        declared->raw_length += (uint8_t)size;
        declared->raw[declared->raw_length] = '\0';
}

/* A string without its quotes; one with anything in it that JSON writes otherwise is not shown. */
static bool unquote(struct pm2_declared *declared)
{
        if (declared->raw_length == UINT8_MAX || memchr(declared->raw, '\\', declared->raw_length))
                return false;
        if (declared->raw[0] == '"') {
                declared->raw_length = (uint8_t)(declared->raw_length - 2);
                memmove(declared->raw, declared->raw + 1, declared->raw_length);
                declared->raw[declared->raw_length] = '\0';
        }
        return declared->raw_length < OUTLINE_VALUE_MAX;
}

/* What PM2 sets to nothing is as if it were not set. */
static bool is_nothing(const struct pm2_declared *declared, enum json_stream_kind kind)
{
        static const char *const nothings[] = { "null", "false", "[]", "{}", "\"\"" };

        if (declared->setting->default_on)
                return kind == JSON_STREAM_TRUE || kind == JSON_STREAM_NULL;
        for (size_t n = 0; n < ELEMENTS(nothings); n++)
                if (strcmp(declared->raw, nothings[n]) == 0)
                        return true;
        return false;
}

static void end_setting(struct pm2_declared *declared, enum json_stream_kind kind, uint64_t veiled)
{
        const struct pm2_setting *setting = declared->setting;
        const char *name = setting->name ? setting->name : setting->key;

        if (declared->raw_length != UINT8_MAX && is_nothing(declared, kind))
                return;
        if (setting->how == HOW_HIDDEN || !unquote(declared))
                outline_hide(&declared->outline, name, veiled);
        else if (setting->how == HOW_APP)
                text_copy_safe(declared->app, sizeof(declared->app), declared->raw);
        else if (setting->how == HOW_COUNTER)
                text_copy_safe(declared->counter, sizeof(declared->counter), declared->raw);
        else
                outline_show(&declared->outline, name, declared->raw);
}

static void end_variable(struct pm2_declared *declared, enum json_stream_kind kind, uint64_t veiled)
{
        if (declared->in_env)
                add_variable(declared, SEEN_ENV, veiled);
        else if (is_named_like_a_variable(declared->name))
                add_variable(declared, SEEN_SURE, veiled);
        else if (kind == JSON_STREAM_STRING)
                add_variable(declared, SEEN_MAYBE, veiled);
}

int pm2_declared_member_end(struct pm2_declared *declared, enum json_stream_kind kind)
{
        uint64_t veiled = veil_end(declared->veil);

        if (declared->setting)
                end_setting(declared, kind, veiled);
        else
                end_variable(declared, kind, veiled);
        explicit_bzero(declared->raw, sizeof(declared->raw));
        return 0;
}
