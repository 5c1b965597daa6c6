/* The judge's views and the governor's own state as JSON. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "io/record.h"
#include "versions.h"
#include "views.h"

static json_t *incident_json(uint64_t incident)
{
        char name[INCIDENT_NAME_MAX];

        return incident ? json_string(incident_name(name, incident)) : json_null();
}

static json_t *rule_json(const struct rule *rule)
{
        if (!rule)
                return json_null();
        return json_pack("{s:s, s:s?, s:i, s:s}", "name", rule->name ? rule->name : "", "file", rule->origin.file,
                         "line", (int)rule->origin.line, "mode", mode_name(rule->mode));
}

/* "60s", "10m", "24h": as a policy would write it. */
static void window_name(char name[TEXT_SPAN_MAX], usec_t within)
{
        static const struct {
                usec_t unit;
                char letter;
        } units[] = { { USEC_PER_DAY, 'd' }, { USEC_PER_HOUR, 'h' }, { USEC_PER_MINUTE, 'm' } };

        for (unsigned i = 0; i < 3; i++)
                if (within % units[i].unit == 0 && within / units[i].unit > 1) {
                        snprintf(name, TEXT_SPAN_MAX, "%llu%c", (unsigned long long)(within / units[i].unit),
                                 units[i].letter);
                        return;
                }
        snprintf(name, TEXT_SPAN_MAX, "%llus", (unsigned long long)(within / USEC_PER_SEC));
}

static json_t *windows_json(const struct agent_view *view, bool limits)
{
        json_t *windows = json_object();
        char name[TEXT_SPAN_MAX];

        for (unsigned i = 0; i < view->windows_n; i++) {
                window_name(name, view->windows[i].within);
                json_object_set_new(
                        windows, name,
                        json_integer(limits ? (json_int_t)view->windows[i].more_than : (json_int_t)view->windows[i].n));
        }
        return windows;
}

/* What lives of its age usually hold; null: not known yet. */
static json_t *usual_json(const struct agent_view *view)
{
        if (view->usual.lives + view->usual.days == 0)
                return json_null();
        return json_pack("{s:I, s:I, s:i, s:i}", "low_bytes", (json_int_t)view->usual.low_bytes, "high_bytes",
                         (json_int_t)view->usual.high_bytes, "lives", (int)view->usual.lives, "days",
                         (int)view->usual.days);
}

/* 0: no such limit. */
static json_t *memory_json(const struct agent_view *view)
{
        const struct memory_limits *limits = &view->rule->memory;

        return json_pack("{s:s, s:s, s:I, s:I, s:o}", "of", memory_of_name(view->memory_of), "wanted_of",
                         memory_of_name(view->memory_bytes > 0 ? limits->of : view->memory_of), "budget_bytes",
                         (json_int_t)limits->budget_bytes, "ceiling_bytes", (json_int_t)limits->ceiling_bytes, "usual",
                         usual_json(view));
}

/* 0: no such limit, or nothing known yet. */
static json_t *cpu_json(const struct agent_view *view)
{
        const struct cpu_limits *limits = &view->rule->cpu;

        return json_pack("{s:s, s:i, s:I, s:I, s:I, s:I, s:i, s:I}", "of", memory_of_name(view->cpu.of),
                         "mean_permille", (int)view->cpu.permille, "over_s",
                         (json_int_t)(view->cpu.over / USEC_PER_SEC), "above_percent",
                         (json_int_t)limits->above_percent, "for_s", (json_int_t)(limits->lasting / USEC_PER_SEC),
                         "quota_percent", (json_int_t)limits->quota_percent, "held_percent",
                         (int)view->cpu.held_percent, "held_since", (json_int_t)view->cpu.held_since);
}

/* The last one; null: nobody deployed it by us. */
static json_t *deploy_json(const struct agent_view *view)
{
        if (!view->deployed)
                return json_null();
        return json_pack("{s:I, s:I, s:s, s:s, s:o}", "since", (json_int_t)view->deploy.since, "until",
                         (json_int_t)view->deploy.until, "by", view->deploy.by, "reason", view->deploy.reason, "exit",
                         view->deploy.exited ? json_integer(view->deploy.exit) : json_null());
}

static json_t *number_json(uint64_t number)
{
        return number ? json_integer((json_int_t)number) : json_null();
}

static json_t *configuration_json(const struct agent_view *view)
{
        const struct rule *rule = view->rule;
        bool rolls_back = false;

        for (unsigned n = 0; n < rule->heal.ladder_n; n++)
                rolls_back = rolls_back || rule->heal.ladder[n] == RUNG_ROLLBACK;
        return json_pack("{s:i, s:o, s:o, s:s, s:b}", "declared", (int)rule->config_n, "version",
                         number_json(view->version), "proven", number_json(view->proven_version), "lacks",
                         view->version_lacks, "rollback", rolls_back);
}

json_t *view_agent(const struct agent_view *view)
{
        return json_pack(
                "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:o, s:o, s:I, s:i, s:i, s:b, s:o, s:s, s:I, s:s, "
                "s:{s:s, s:i, s:i, s:I}, s:o, s:s, s:o, s:o, s:o, s:o}",
                "id", view->id, "name", view->name, "manager", manager_name(view->manager), "via", view->via, "claimed",
                view->word[0] ? view->word : claimed_name(view->claimed), "effective", effective_name(view->effective),
                "word", view->word, "pid", (int)view->pid, "since", (json_int_t)view->since, "restarts",
                (json_int_t)view->restarts, "incarnations", windows_json(view, false), "limits",
                windows_json(view, true), "memory_bytes", (json_int_t)view->memory_bytes, "cpu_permille",
                (int)view->cpu_permille, "instances", (int)view->instances, "quarantined", view->quarantined,
                "incident", incident_json(view->incident), "mode", view->enforce ? "enforce" : "observe", "next",
                (json_int_t)view->next, "waiting_for", view->waiting_for, "last", "ending",
                ending_name(view->last_ending), "code", view->last_code, "signal", view->last_signal, "at",
                (json_int_t)view->last_death, "rule", rule_json(view->rule), "claimed_state",
                claimed_name(view->claimed), "memory", memory_json(view), "cpu", cpu_json(view), "configuration",
                configuration_json(view), "deploy", deploy_json(view));
}

json_t *view_agents(struct governor *governor, const char *only)
{
        json_t *agents = json_array();
        usec_t now = clock_now(&governor->clock);
        struct agent_view view;

        for (uint32_t i = 0; i < judge_agents(governor->judge); i++) {
                judge_agent(governor->judge, i, now, &view);
                if (only && !agent_answers_to(view.id, only))
                        continue;
                json_array_append_new(agents, view_agent(&view));
        }
        return agents;
}

json_t *view_sources(const struct governor *governor)
{
        json_t *sources = json_array();

        for (unsigned i = 0; i < governor->sources_n; i++) {
                const struct source *source = &governor->sources[i];

                json_array_append_new(sources, json_pack("{s:s, s:s, s:I, s:s}", "name", source->name, "state",
                                                         source_state_name(source->state), "since",
                                                         (json_int_t)source->since, "why", source->why));
        }
        return sources;
}

/* What Governor may do at most: the rules say it one by one. */
static const char *mode_now(const struct governor *governor)
{
        const struct policy *policy = governor->policy;
        bool enforces = false;

        for (unsigned i = 0; i < policy->rules_n; i++)
                enforces |= policy->rules[i].mode == MODE_ENFORCE;
        return mode_name(enforces && !governor_only_observes(governor) ? MODE_ENFORCE : MODE_OBSERVE);
}

static json_t *view_audit(const struct governor *governor)
{
        const struct audit_how *how = &governor->audit_how;
        struct audit_head head = { 0 };

        chronicle_head(governor->chronicle, &head);
        return json_pack("{s:I, s:I, s:b, s:s, s:s, s:s?, s:o, s:o}", "size", (json_int_t)head.size, "sealed_size",
                         (json_int_t)head.sealed_size, "healthy", chronicle_healthy(governor->chronicle), "anchor",
                         head.anchor, "genesis_anchor", how->genesis_anchor, "set_aside",
                         how->aside[0] ? how->aside : NULL, "verified", inspection_view(governor), "anchored",
                         anchoring_view(governor));
}

json_t *view_floor(const struct governor *governor)
{
        struct floor_view view;

        judge_floor(governor->judge, &view);
        if (view.floor_bytes == 0)
                return json_null();
        return json_pack("{s:I, s:I, s:I, s:b, s:s, s:I, s:o, s:I, s:o}", "floor_bytes", (json_int_t)view.floor_bytes,
                         "margin_bytes", (json_int_t)view.margin_bytes, "available_bytes",
                         (json_int_t)governor->host.host.available_bytes, "below", view.below, "state", view.state,
                         "falls_bytes_per_minute", (json_int_t)view.pace_bytes, "reached_in_s",
                         view.reached_in == USEC_INFINITY ? json_null()
                                                          : json_integer((json_int_t)(view.reached_in / USEC_PER_SEC)),
                         "next", (json_int_t)view.next, "incident", incident_json(view.incident));
}

static json_t *machine_cpu_json(const struct governor *governor)
{
        struct machine_view view;

        judge_machine(governor->judge, &view);
        return json_pack("{s:i, s:I, s:i, s:i, s:I, s:I, s:I, s:o}", "now_permille", (int)view.now_permille,
                         "switches_per_s", (json_int_t)view.switches_per_s, "mean_permille", (int)view.mean_permille,
                         "steal_permille", (int)view.mean_steal_permille, "over_s",
                         (json_int_t)(view.over / USEC_PER_SEC), "above_percent", (json_int_t)view.above_percent,
                         "for_s", (json_int_t)(view.lasting / USEC_PER_SEC), "incident", incident_json(view.incident));
}

json_t *view_machine(struct governor *governor)
{
        const struct fact *host = &governor->host;
        char name[256] = "";

        gethostname(name, sizeof(name) - 1);
        return json_pack(
                "{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:{s:b, s:b, s:b, s:s, s:i}, "
                "s:o, s:i, s:i, s:o, s:o, s:o, s:o}",
                "host", name, "version", GOVERNOR_VERSION, "mode", mode_now(governor), "safe_mode", governor->safe_mode,
                "disarmed", judge_is_disarmed(governor->judge), "now", (json_int_t)clock_now(&governor->clock),
                "uptime_s", (json_int_t)(host->host.uptime / USEC_PER_SEC), "memory_total_bytes",
                (json_int_t)host->host.total_bytes, "memory_available_bytes", (json_int_t)host->host.available_bytes,
                "cpus", (int)host->host.cpus, "load1_centi", (int)host->host.load1, "psi_memory_some_centi",
                (int)host->host.memory_some_avg10, "psi_cpu_some_centi", (int)host->host.cpu_some_avg10, "policy",
                "discovered", governor->policy->discovered, "bad", governor->policy_bad, "held", governor->policy_held,
                "digest", governor->policy->digest, "rules", (int)governor->policy->rules_n, "audit",
                view_audit(governor), "agents_max", (int)governor->policy->daemon.agents_max, "psi_memory_full_centi",
                (int)host->host.memory_full_avg10, "memory_floor", view_floor(governor), "cpu",
                machine_cpu_json(governor), "vault", versions_view(governor), "approvers", approving_view(governor));
}

json_t *view_incident(const struct incident_view *view)
{
        char where[512] = "";

        if (view->origin.file && view->origin.file[0])
                snprintf(where, sizeof(where), "%s:%u", view->origin.file, view->origin.line);
        return json_pack("{s:o, s:s, s:s, s:s, s:s, s:I, s:o, s:I, s:s, s:[s], s:[]}", "id",
                         incident_json(view->incident), "agent", view->agent, "manager", manager_name(view->manager),
                         "cause", cause_name(view->cause), "state", view->open ? "open" : "resolved", "opened",
                         (json_int_t)view->opened, "resolved",
                         view->open ? json_null() : json_integer((json_int_t)view->resolved), "count",
                         (json_int_t)view->count, "rule", where, "evidence", view->reason, "actions");
}

json_t *view_trial(const struct trial_view *view)
{
        char limits[LIMITS_TEXT_MAX];

        return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:s, s:s, s:s}", "number", (json_int_t)view->number,
                         "agent", view->agent, "of", trial_of_name(view->of), "state", trial_state_name(view->state),
                         "since", (json_int_t)view->since, "until", (json_int_t)view->until, "limits",
                         record_of_limits(&view->limits), "text", limits_text(&view->limits, limits), "by", view->by,
                         "reason", view->reason, "why", view->why);
}

json_t *view_trials(const struct governor *governor, const char *agent, bool all)
{
        json_t *list = json_array();
        struct trial_view view;

        for (uint32_t n = 0; n < judge_trials(governor->judge); n++) {
                judge_trial(governor->judge, n, &view);
                if ((all || view.state != TRIAL_OVER) && (!agent || strcmp(agent, view.agent) == 0))
                        json_array_append_new(list, view_trial(&view));
        }
        return list;
}

bool view_find_trial(const struct governor *governor, uint64_t number, struct trial_view *ret)
{
        for (uint32_t n = 0; n < judge_trials(governor->judge); n++) {
                judge_trial(governor->judge, n, ret);
                if (ret->number == number)
                        return true;
        }
        return false;
}

int view_find_incident(const struct governor *governor, uint64_t number, struct incident_view *ret)
{
        bool found = number > 0 && judge_incident_below(governor->judge, number + 1, ret);

        return found && ret->incident == number ? 0 : -ENOENT;
}

/* The one agent that answers to this word; otherwise an error that names the candidates. */
int view_find_agent(struct governor *governor, const char *word, struct control_error *error, struct agent_view *ret)
{
        usec_t now = clock_now(&governor->clock);
        char candidates[256] = "", safe[128];
        unsigned found = 0;
        struct agent_view view;

        for (uint32_t i = 0; i < judge_agents(governor->judge); i++) {
                judge_agent(governor->judge, i, now, &view);
                if (!agent_answers_to(view.id, word))
                        continue;
                text_append(candidates, sizeof(candidates), "%s%s", found ? ", " : "", view.id);
                *ret = view;
                found++;
        }
        if (found == 1)
                return 0;
        text_copy_safe(safe, sizeof(safe), word);
        if (found == 0)
                control_refuse(error, 5, "govctl agents", "there is no agent '%s'", safe);
        else
                control_refuse(error, 2, "govctl agents", "'%s' is ambiguous: %s", safe, candidates);
        return -ENOENT;
}
