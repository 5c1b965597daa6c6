/* What is set up wrongly in PM2's apps. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "govctl/check.h"
#include "govctl/field.h"
#include "govctl/running.h"
#include "io/outline.h"

/* PM2's own defaults and bounds. */
#define MIN_UPTIME_DEFAULT 1000
#define BACKOFF_MOST 15000

static void each_app(struct machine *machine, struct findings *findings,
                     void (*judge)(struct machine *machine, const struct home *home, const struct app *app,
                                   struct findings *findings))
{
        for (size_t h = 0; h < machine->homes_n; h++)
                for (size_t a = 0; a < machine->homes[h]->apps_n; a++)
                        judge(machine, machine->homes[h], &machine->homes[h]->apps[a], findings);
}

static void where_saved(struct finding *finding, const struct home *home)
{
        char file[HOME_PATH_MAX + 16];

        snprintf(file, sizeof file, "%s/dump.pm2", home->path);
        finding_in(finding, file);
}

/*
 * An exit counts against max_restarts only when the life was shorter than min_uptime and the daemon is still within
 * min_uptime * max_restarts of the last manual start: the whole cycle, wait included, must be shorter than min_uptime.
 */
static void judge_limits(struct machine *machine, const struct home *home, const struct app *app,
                         struct findings *findings)
{
        int64_t uptime = app->given[APP_MIN_UPTIME] ? app->number[APP_MIN_UPTIME] : MIN_UPTIME_DEFAULT;
        int64_t wait = app->given[APP_BACKOFF] && app->number[APP_BACKOFF] > 0 ? BACKOFF_MOST
                       : app->given[APP_RESTART_DELAY]                         ? app->number[APP_RESTART_DELAY]
                                                                               : 0;
        const char *what = wait == BACKOFF_MOST ? "exp_backoff_restart_delay grows to 15s" : "restart_delay";
        char id[HOME_AGENT_MAX], one[TEXT_SPAN_MAX], two[TEXT_SPAN_MAX], word[SHELL_WORD_MAX];
        struct finding *finding;

        (void)machine;
        if (!app->given[APP_MAX_RESTARTS] || app->number[APP_MAX_RESTARTS] <= 0 || wait < 0)
                return;
        if (app->given[APP_MIN_UPTIME] && wait < uptime)
                return;
        finding = finding_new(findings, home_agent(home, app, id), "its max_restarts can never be reached");
        where_saved(finding, home);
        if (!app->given[APP_MIN_UPTIME])
                finding_why(finding,
                            "max_restarts: %lld counts only lives shorter than min_uptime, which is 1s when it is not "
                            "set. An agent "
                            "that needs longer to crash is restarted for ever and shown as online.",
                            (long long)app->number[APP_MAX_RESTARTS]);
        if (wait >= uptime)
                finding_why(finding,
                            "%s (%s) is not shorter than min_uptime (%s): PM2 stops counting before the limit, or "
                            "leaves the app in "
                            "\"waiting restart\" for ever.",
                            what, text_span(one, (usec_t)wait * USEC_PER_MSEC),
                            text_span(two, (usec_t)uptime * USEC_PER_MSEC));
        finding_fix(finding,
                    "# in its ecosystem file, longer than a life in the loop and its wait together:\n"
                    "#   min_uptime: %lld\n"
                    "# then, as %s: pm2 restart ECOSYSTEM --only %s && pm2 save",
                    (long long)(wait + 30000), home->user, shell_word(app->name, word));
}

void look_app_limits(struct machine *machine, struct findings *findings)
{
        each_app(machine, findings, judge_limits);
}

/* A list saved while an agent was taken down keeps it down after a reboot, and nothing says so. */
static void judge_saved(struct machine *machine, const struct home *home, const struct app *app,
                        struct findings *findings)
{
        char id[HOME_AGENT_MAX], word[SHELL_WORD_MAX], other[SHELL_WORD_MAX];
        const json_t *agent = machine_agent(machine, home_agent(home, app, id));
        bool down = strcmp(app->status, "stopped") == 0 || strcmp(app->status, "errored") == 0;
        bool quarantined = field_true(agent, "quarantined");
        struct finding *finding;

        if (!agent || !down || (!quarantined && strcmp(field_text(agent, "claimed_state"), "running") != 0))
                return;
        finding = finding_new(findings, id, "the saved list has it as stopped");
        where_saved(finding, home);
        finding_why(
                finding,
                quarantined
                        ? "`pm2 save` ran while it was in quarantine: after a reboot PM2 leaves it down, and its trial "
                          "is forgotten."
                        : "It runs now; after a reboot it would stay down.");
        if (quarantined)
                finding_fix(finding, "govctl why %s   # mend it, release it, then save the list again:",
                            shell_word(app->name, word));
        finding_fix(finding, "%s save", home_pm2(home, other));
}

static const struct app *saved_like(const struct home *home, const char *name)
{
        for (size_t i = 0; i < home->apps_n; i++)
                if (strcmp(home->apps[i].name, name) == 0)
                        return &home->apps[i];
        return NULL;
}

static const struct running *running_like(const struct home *home, const char *name)
{
        for (size_t i = 0; i < home->running_n; i++)
                if (strcmp(home->running[i].name, name) == 0)
                        return &home->running[i];
        return NULL;
}

/* Agents that the daemon sees and that no saved list holds. */
static void look_unsaved(struct machine *machine, const struct home *home, struct findings *findings)
{
        char prefix[64], names[512] = "", held[256] = "", word[SHELL_WORD_MAX];
        unsigned missing = 0;
        struct finding *finding;
        size_t i;
        const json_t *agent;

        snprintf(prefix, sizeof prefix, "pm2:%s/", home->user);
        for (i = 0; home->listed && i < home->running_n; i++)
                if (!saved_like(home, home->running[i].name) &&
                    running_like(home, home->running[i].name) == &home->running[i])
                        text_append(names, sizeof names, "%s%s", missing++ ? ", " : "", home->running[i].name);
        json_array_foreach ((json_t *)field(machine->status, "agents"), i, agent) {
                const char *id = field_text(agent, "id");

                if (!text_starts(id, prefix) || strstr(id, "@/"))
                        continue;
                if (field_given(agent, "incident") && strcmp(field_text(agent, "claimed_state"), "stopped") == 0)
                        text_append(held, sizeof held, "%s%s", held[0] ? ", " : "", id + strlen(prefix));
                if (home->listed || saved_like(home, id + strlen(prefix)))
                        continue;
                text_append(names, sizeof names, "%s%s", missing++ ? ", " : "", id + strlen(prefix));
        }
        if (missing == 0)
                return;
        finding = finding_new(findings, home->path, "the saved list is older than what runs");
        where_saved(finding, home);
        finding_why(finding, "After a reboot PM2 would not start: %s.", names);
        if (held[0])
                finding_fix(finding, "# not while Governor holds these down, they would be saved as stopped: %s", held);
        finding_fix(finding, "%s save", home_pm2(home, word));
}

/* ---- the saved list beside the one that runs ---- */

/* What a reboot would bring up and nobody has any more. */
static void look_left_over(const struct home *home, struct findings *findings)
{
        char names[512] = "", word[SHELL_WORD_MAX];
        unsigned over = 0;
        struct finding *finding;

        for (size_t i = 0; i < home->apps_n; i++)
                if (!running_like(home, home->apps[i].name) && saved_like(home, home->apps[i].name) == &home->apps[i])
                        text_append(names, sizeof names, "%s%s", over++ ? ", " : "", home->apps[i].name);
        if (over == 0)
                return;
        finding = finding_new(findings, home->path, "the saved list holds what PM2 does not have any more");
        where_saved(finding, home);
        finding_why(finding, "After a reboot PM2 would start: %s.", names);
        finding_fix(finding, "# when they are not wanted; else start them again:\n%s save --force",
                    home_pm2(home, word));
}

/* Whether some saved instance of it is as this one. */
static bool is_saved_so(const struct home *home, const struct running *running)
{
        for (size_t i = 0; i < home->apps_n; i++)
                if (strcmp(home->apps[i].name, running->name) == 0 && home->apps[i].outline &&
                    outline_same(home->apps[i].outline, running->outline))
                        return true;
        return false;
}

/* An app is started with what was saved of it, and not with what it runs with now. */
static void look_otherwise(const struct home *home, struct findings *findings)
{
        for (size_t i = 0; i < home->running_n; i++) {
                const struct running *running = &home->running[i];
                const struct app *saved = saved_like(home, running->name);
                char id[HOME_AGENT_MAX], words[512], word[SHELL_WORD_MAX];
                struct finding *finding;

                if (!saved || !saved->outline || is_saved_so(home, running) ||
                    running_like(home, running->name) != running)
                        continue;
                outline_difference(saved->outline, running->outline, words, sizeof words);
                finding = finding_new(findings, home_agent(home, saved, id), "the saved list has it otherwise");
                where_saved(finding, home);
                finding_why(finding, "After a reboot PM2 would start it as it was saved. Since then: %s.", words);
                finding_fix(finding, "# when it is right as it runs:\n%s save", home_pm2(home, word));
        }
}

void look_app_saved(struct machine *machine, struct findings *findings)
{
        each_app(machine, findings, judge_saved);
        for (size_t h = 0; h < machine->homes_n; h++) {
                const struct home *home = machine->homes[h];

                if (home_god(machine, home))
                        look_unsaved(machine, home, findings);
                if (home->saved && home->listed) {
                        look_left_over(home, findings);
                        look_otherwise(home, findings);
                }
        }
}

static void judge_healers(struct machine *machine, const struct home *home, const struct app *app,
                          struct findings *findings)
{
        char id[HOME_AGENT_MAX], one[TEXT_BYTES_MAX], two[TEXT_BYTES_MAX], word[SHELL_WORD_MAX];
        const struct rule *rule = machine->policy ? policy_rule(machine->policy, home_agent(home, app, id)) : NULL;
        struct finding *finding;

        if (!rule || !rule->memory.ceiling_bytes || !app->given[APP_MAX_MEMORY] || app->number[APP_MAX_MEMORY] <= 0)
                return;
        finding = finding_new(findings, id, "two healers watch its memory");
        where_saved(finding, home);
        finding_why(finding,
                    "PM2 restarts it at max_memory_restart (%s of RSS, shared pages included, looked at every 30s), "
                    "Governor at the "
                    "ceiling of %s in %s:%u. Both count, neither knows of the other, and PM2's restart is no failure "
                    "to PM2.",
                    text_bytes(one, (uint64_t)app->number[APP_MAX_MEMORY]), text_bytes(two, rule->memory.ceiling_bytes),
                    rule->origin.file ? rule->origin.file : "the policy", rule->origin.line);
        shell_word(app->name, word);
        finding_fix(finding,
                    "# take max_memory_restart out of its ecosystem file, then, as %s:\n"
                    "# pm2 delete %s && pm2 start ECOSYSTEM --only %s && pm2 save",
                    home->user, word, word);
}

void look_app_healers(struct machine *machine, struct findings *findings)
{
        each_app(machine, findings, judge_healers);
}

static bool app_runs_as_root(const struct home *home, const struct app *app)
{
        if (app->run_as[0])
                return strcmp(app->run_as, "0") == 0 || strcmp(app->run_as, "root") == 0;
        return home->uid == 0;
}

/* One finding a home: it is one decision to mend. */
void look_app_root(struct machine *machine, struct findings *findings)
{
        for (size_t h = 0; h < machine->homes_n; h++) {
                const struct home *home = machine->homes[h];
                char names[512] = "";
                unsigned n = 0;
                struct finding *finding;

                for (size_t a = 0; a < home->apps_n; a++)
                        if (app_runs_as_root(home, &home->apps[a]))
                                text_append(names, sizeof names, "%s%s", n++ ? ", " : "", home->apps[a].name);
                if (n == 0)
                        continue;
                finding = finding_new(findings, home->path, "its apps run as root");
                where_saved(finding, home);
                finding_why(finding, "%u app%s: %s. What an agent is talked into doing it does with all rights.", n,
                            n == 1 ? "" : "s", names);
                finding_fix(finding,
                            "# move them to a user of their own:\n"
                            "useradd --system --create-home --shell /bin/bash agents\n"
                            "# start their ecosystem file as that user, `pm2 save` there, then as root:\n"
                            "# pm2 startup systemd -u agents --hp /home/agents && pm2 delete all && pm2 save --force");
        }
}

void look_app_secrets(struct machine *machine, struct findings *findings)
{
        for (size_t h = 0; h < machine->homes_n; h++) {
                const struct home *home = machine->homes[h];
                char word[SHELL_WORD_MAX];
                struct finding *finding;

                if (!home->everybody || home->apps_n == 0)
                        continue;
                finding = finding_new(findings, home->path, "every user may read the environment of its apps");
                where_saved(finding, home);
                finding_why(finding, "dump.pm2 holds the whole environment of %zu app%s, API keys and tokens included.",
                            home->apps_n, home->apps_n == 1 ? "" : "s");
                finding_fix(finding, "chmod 0700 %s", shell_word(home->path, word));
        }
}
