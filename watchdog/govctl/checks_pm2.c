/* What is set up wrongly around PM2's daemon. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "govctl/check.h"

/* ExecStop that also kills the new daemon which `pm2 update` has just started: systemd sees the old one end and runs it. */
static bool stops_the_new_one(const struct unit *unit)
{
        for (const struct setting *s = NULL; (s = unit_next(unit, UNIT_EXEC_STOP, s));)
                if (strstr(s->value, "pm2") && strstr(s->value, "kill") && !strstr(s->value, "MAINPID"))
                        return true;
        return false;
}

/* The pm2 command as the unit calls it. */
static void pm2_command(const struct unit *unit, char *command, size_t size)
{
        const char *start = unit_text(unit, UNIT_EXEC_START, "pm2 ");

        text_copy(command, size, start + strspn(start, "-@+!:"));
        command[strcspn(command, " ")] = '\0';
}

static void judge_pm2_unit(const struct unit *unit, struct findings *findings)
{
        const char *oom = unit_text(unit, UNIT_OOM_POLICY, "stop");
        bool stops = stops_the_new_one(unit), one_for_all = strcmp(oom, "continue") != 0;
        bool restarts = unit_is(unit, UNIT_RESTART, "always");
        char command[256], lines[1024] = "[Service]\n";
        struct finding *finding;

        if (!stops && !one_for_all && restarts)
                return;
        finding = finding_new(findings, unit->name, "one event takes down all PM2 agents at once");
        finding_at(finding, unit_get(unit, stops ? UNIT_EXEC_STOP : UNIT_RESTART));
        if (one_for_all) {
                finding_why(finding,
                            "OOMPolicy=%s: when the kernel kills one app for memory, systemd stops the whole unit.",
                            oom);
                text_append(lines, sizeof lines, "OOMPolicy=continue\n");
        }
        if (!restarts) {
                finding_why(finding,
                            "Restart=%s: PM2's daemon ends with status 0 when it fails, which systemd takes for "
                            "success; all agents "
                            "stay down.",
                            unit_text(unit, UNIT_RESTART, "no"));
                text_append(lines, sizeof lines, "Restart=always\nRestartSec=3\n");
        }
        if (stops) {
                pm2_command(unit, command, sizeof command);
                finding_why(finding,
                            "ExecStop: `pm2 update` ends the old daemon, systemd then stops the new one with it.");
                text_append(lines, sizeof lines,
                            "ExecStop=\nExecStop=-/bin/sh -c 'test -z \"$MAINPID\" || exec %s kill'\n", command);
        }
        finding_drop_in(finding, unit->name, "pm2", lines);
}

void look_pm2_unit(struct machine *machine, struct findings *findings)
{
        for (size_t i = 0; i < machine->units_n; i++)
                if (unit_is_pm2(machine->units[i]))
                        judge_pm2_unit(machine->units[i], findings);
}

/* A home in use: its daemon runs, or its list of apps is saved. */
static bool home_is_used(const struct machine *machine, const struct home *home)
{
        return home_god(machine, home) || home->apps_n > 0;
}

void look_pm2_no_unit(struct machine *machine, struct findings *findings)
{
        for (size_t i = 0; i < machine->homes_n; i++) {
                const struct home *home = machine->homes[i];
                char user_home[HOME_PATH_MAX], word[SHELL_WORD_MAX], other[SHELL_WORD_MAX];
                struct finding *finding;

                if (!home_is_used(machine, home) || home_unit(machine, home))
                        continue;
                finding = finding_new(findings, home->path, "after a reboot none of its apps comes back");
                finding_why(finding, "No unit starts PM2 for %s.", home->user);
                text_copy(user_home, sizeof user_home, home->path);
                if (text_ends(user_home, "/.pm2"))
                        user_home[strlen(user_home) - strlen("/.pm2")] = '\0';
                if (home_god(machine, home))
                        finding_fix(finding, "%s save", home_pm2(home, word));
                finding_fix(finding, "pm2 startup systemd -u %s --hp %s", home->user, shell_word(user_home, other));
        }
}

void look_pm2_second_god(struct machine *machine, struct findings *findings)
{
        for (size_t i = 0; i < machine->gods_n; i++)
                for (size_t j = 0; j < i; j++) {
                        const struct god *one = &machine->gods[j], *two = &machine->gods[i];
                        struct finding *finding;
                        char subject[64];

                        /* several homes are a setup; twice the same home, or one that nobody can name, is an accident */
                        if (one->uid != two->uid || (one->home[0] && two->home[0] && strcmp(one->home, two->home) != 0))
                                continue;
                        snprintf(subject, sizeof subject, "PM2 of uid %u", (unsigned)one->uid);
                        finding = finding_new(findings, subject, "two PM2 daemons run for one user");
                        finding_why(finding,
                                    "Pids %d and %d%s%s. Each may run its own copy of every agent, and `pm2 ls` shows "
                                    "those of one "
                                    "only.",
                                    (int)one->pid, (int)two->pid, one->home[0] ? ", both for " : "", one->home);
                        finding_fix(finding,
                                    "# which one holds no agents you need? Compare their children:\n"
                                    "ps -o pid,ppid,lstart,args --ppid %d,%d\n"
                                    "# then end that one: kill -TERM PID",
                                    (int)one->pid, (int)two->pid);
                }
}

void look_pm2_outside(struct machine *machine, struct findings *findings)
{
        for (size_t i = 0; i < machine->homes_n; i++) {
                const struct god *god = home_god(machine, machine->homes[i]);
                const struct unit *unit = home_unit(machine, machine->homes[i]);
                char word[SHELL_WORD_MAX], other[SHELL_WORD_MAX];
                struct finding *finding;

                if (!god || !unit || strcmp(god->unit, unit->name) == 0)
                        continue;
                finding = finding_new(findings, machine->homes[i]->path, "PM2's daemon runs outside of its unit");
                finding_why(finding,
                            "Pid %d lives in %s and not in %s: systemd neither watches nor restarts it, its limits do "
                            "not hold, and "
                            "what ends that session ends all agents.",
                            (int)god->pid, god->unit[0] ? god->unit : "no unit at all", unit->name);
                home_pm2(machine->homes[i], word);
                finding_fix(finding,
                            "# all its agents stop for a moment and come back in the unit:\n%s save && %s kill && "
                            "systemctl restart %s",
                            word, word, shell_word(unit->name, other));
        }
}

void look_pm2_stale(struct machine *machine, struct findings *findings)
{
        for (size_t i = 0; i < machine->homes_n; i++) {
                const struct home *home = machine->homes[i];
                char word[SHELL_WORD_MAX];
                bool dead = home->pid > 0 && !machine_process(machine, home->pid);
                struct finding *finding;

                if (home_god(machine, home) || (!dead && !(home->socket && home->pid == 0)))
                        continue;
                finding = finding_new(findings, home->path, "PM2's daemon is gone and its files are not");
                if (dead)
                        finding_why(finding, "pm2.pid names process %d, which does not exist.", (int)home->pid);
                if (home->socket)
                        finding_why(finding, "rpc.sock is there and nobody listens.");
                finding_why(finding,
                            "The next pm2 command starts an empty daemon; agents that survived then run twice.");
                finding_fix(finding, "cd %s && { pgrep -u %s -af 'God Daemon' || rm -f pm2.pid rpc.sock pub.sock; }",
                            shell_word(home->path, word), home->user);
                if (home_unit(machine, home))
                        finding_fix(finding, "systemctl restart %s", shell_word(home_unit(machine, home)->name, word));
        }
}
