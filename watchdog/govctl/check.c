#include "govctl/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* clang-format off */
const struct check checks[] = {
        { "daemon",            "the daemon is not running",                                     look_daemon },
        { "mode",              "safe mode, disarmed, a policy with errors",                              look_mode },
        { "blind",             "what the daemon should see and does not",                       look_blind },
        { "systemd",           "systemd is not here",                                           look_systemd },
        { "pidfd",             "deaths cannot be seen at once",                                 look_pidfd },
        { "pressure",          "memory pressure cannot be seen",                                look_pressure },
        { "memory-controller", "memory limits of units do nothing",                             look_memory_controller },
        { "memory-of",         "memory that cannot be counted as a rule says",                   look_memory_of },
        { "memory-floor",      "a memory floor that is too high for the machine",               look_memory_floor },
        { "floor-victims",     "a memory floor, and nobody may be restarted for it",            look_floor_victims },
        { "floor-trigger",     "the kernel does not say when memory gets short",                look_floor_trigger },
        { "kernel-log",        "who is killed for memory cannot be named",                      look_kernel_log },
        { "steal",             "a host that takes CPU time away",                               look_steal },
        { "cpu-limit",         "a CPU limit that can never be reached",                         look_cpu_limit },
        { "state",             "the state directory is open to others",                         look_state },
        { "group",             "nobody but root may ask the daemon",                            look_group },
        { "anchor",            "nobody elsewhere knows the audit log",                          look_anchor },
        { "approvers",         "who may weaken Governor",                                       look_approvers },
        { "rollback",          "a configuration that could not be put back",                    look_rollback },
        { "pm2-unit",          "a PM2 unit that takes all agents down",                         look_pm2_unit },
        { "pm2-no-unit",       "PM2 does not come back after a reboot",                         look_pm2_no_unit },
        { "pm2-second-god",    "two PM2 daemons for one user",                                  look_pm2_second_god },
        { "pm2-outside",       "the PM2 daemon runs outside of its unit",                       look_pm2_outside },
        { "pm2-stale",         "pid file and sockets of a PM2 daemon that is gone",             look_pm2_stale },
        { "start-limit",       "a start limit that can never be reached",                       look_start_limit },
        { "binds-to",          "BindsTo= without a way back",                                   look_binds_to },
        { "unit-pid-file",     "the pid file of a process that is gone",                        look_unit_pid_file },
        { "pm2-max-restarts",  "max_restarts that can never be reached",                        look_app_limits },
        { "pm2-saved",         "the saved list does not hold what runs",                        look_app_saved },
        { "two-healers",       "two healers on one memory limit (PM2 and Governor)",            look_app_healers },
        { "two-healers-unit",  "two healers on one memory limit (systemd and Governor)",        look_unit_healers },
        { "limits-left",       "limits of Governor's that nothing takes back",                  look_limits_left },
        { "trials",            "trials that cannot be taken back",                              look_trials },
        { "unit-root",         "a service that runs as root",                                   look_unit_root },
        { "pm2-root",          "apps that run as root",                                         look_app_root },
        { "powers",            "agents whose user can become root",                             look_powers },
        { "pm2-secrets",       "saved environments that every user may read",                   look_app_secrets },
};
/* clang-format on */

const size_t checks_n = sizeof checks / sizeof checks[0];

void checks_look(struct machine *machine, struct findings *findings)
{
        for (size_t i = 0; i < checks_n; i++) {
                findings->check = checks[i].id;
                checks[i].look(machine, findings);
        }
}

void findings_done(struct findings *findings)
{
        free(findings->list);
        *findings = (struct findings){ 0 };
}

struct finding *finding_new(struct findings *findings, const char *subject, const char *what)
{
        struct finding *list = reallocarray(findings->list, findings->n + 1, sizeof *list), *finding;

        if (!list)
                return NULL;
        findings->list = list;
        finding = &list[findings->n++];
        memset(finding, 0, sizeof *finding);
        finding->check = findings->check;
        text_copy_safe(finding->subject, sizeof finding->subject, subject);
        text_copy(finding->what, sizeof finding->what, what);
        return finding;
}

void finding_why(struct finding *finding, const char *format, ...)
{
        char text[1024];
        va_list arguments;

        if (!finding)
                return;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        text_append(finding->why, sizeof finding->why, "%s%s", finding->why[0] ? " " : "", text);
}

void finding_fix(struct finding *finding, const char *format, ...)
{
        char text[2048];
        va_list arguments;

        if (!finding)
                return;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        text_append(finding->fix, sizeof finding->fix, "%s\n", text);
}

void finding_at(struct finding *finding, const struct setting *setting)
{
        if (finding && setting)
                snprintf(finding->where, sizeof finding->where, "%s:%u", setting->file, setting->line);
}

void finding_in(struct finding *finding, const char *file)
{
        if (finding)
                text_copy(finding->where, sizeof finding->where, file);
}

char *shell_word(const char *text, char word[SHELL_WORD_MAX])
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@:+,-";
        char safe[SHELL_WORD_MAX / 4 - 2]; /* each character may take four */

        text_copy_safe(safe, sizeof safe, text);
        if (safe[0] && safe[0] != '-' && safe[strspn(safe, plain)] == '\0') {
                text_copy(word, SHELL_WORD_MAX, safe);
                return word;
        }
        text_copy(word, SHELL_WORD_MAX, "'");
        for (const char *c = safe; *c; c++)
                text_append(word, SHELL_WORD_MAX, *c == '\'' ? "'\\''" : "%c", *c);
        text_append(word, SHELL_WORD_MAX, "'");
        return word;
}

void finding_drop_in(struct finding *finding, const char *unit, const char *tag, const char *lines)
{
        char directory[512], file[768], word[SHELL_WORD_MAX], other[SHELL_WORD_MAX];

        snprintf(directory, sizeof directory, "/etc/systemd/system/%s.d", unit);
        snprintf(file, sizeof file, "%s/zz-doctor-%s.conf", directory, tag);
        finding_fix(finding,
                    "mkdir -p %s\n"
                    "cat >%s <<'END'\n"
                    "%s"
                    "END\n"
                    "systemctl daemon-reload",
                    shell_word(directory, word), shell_word(file, other), lines);
}

/* By its name, as `pm2 startup` gives it, or because it keeps PM2's pid file. */
bool unit_is_pm2(const struct unit *unit)
{
        const char *pid_file = unit_text(unit, UNIT_PID_FILE, "");

        return text_ends(pid_file, "/pm2.pid") ||
               (text_starts(unit->name, "pm2-") && strstr(unit_text(unit, UNIT_EXEC_START, ""), "pm2"));
}

/* The unit that keeps this home's pid file, or the one named after its user. */
const struct unit *home_unit(const struct machine *machine, const struct home *home)
{
        char pid_file[HOME_PATH_MAX + 16], name[64];

        snprintf(pid_file, sizeof pid_file, "%s/pm2.pid", home->path);
        snprintf(name, sizeof name, "pm2-%s.service", home->user);
        for (size_t i = 0; i < machine->units_n; i++)
                if (unit_is(machine->units[i], UNIT_PID_FILE, pid_file))
                        return machine->units[i];
        for (size_t i = 0; i < machine->units_n; i++)
                if (unit_is_pm2(machine->units[i]) && strcmp(machine->units[i]->name, name) == 0 &&
                    !unit_get(machine->units[i], UNIT_PID_FILE))
                        return machine->units[i];
        return NULL;
}

char *home_pm2(const struct home *home, char command[SHELL_WORD_MAX])
{
        char user[SHELL_WORD_MAX], path[SHELL_WORD_MAX];

        snprintf(command, SHELL_WORD_MAX, "runuser -u %.200s -- env PM2_HOME=%.700s pm2", shell_word(home->user, user),
                 shell_word(home->path, path));
        return command;
}
