/* What the control socket is told: the judge's views and the chain's records as JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "governor_inside.h"
#include "io/cleanup.h"
#include "observers.h"

#define SCHEMA_VERSION 1
#define STORY_MAX 200          /* records in an answer to `why` */
#define STORY_LOOKS_MAX 200000 /* records that are looked at for it: the newest ones */
#define WAIT_FOR_OUTCOME (10 * USEC_PER_MINUTE)

static void reader_closep(struct audit_reader **reader)
{
        audit_reader_close(*reader);
}

/* ---- views ------------------------------------------------------------------------------------------------------------- */

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

static json_t *agent_json(const struct agent_view *view)
{
        return json_pack(
                "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:o, s:o, s:I, s:i, s:i, s:b, s:o, s:s, s:I, s:s, "
                "s:{s:s, s:i, s:i, s:I}, s:o}",
                "id", view->id, "name", view->name, "manager", manager_name(view->manager), "via", view->via, "claimed",
                claimed_name(view->claimed), "effective", effective_name(view->effective), "word", view->word, "pid",
                (int)view->pid, "since", (json_int_t)view->since, "restarts", (json_int_t)view->restarts,
                "incarnations", windows_json(view, false), "limits", windows_json(view, true), "memory_bytes",
                (json_int_t)view->memory_bytes, "cpu_permille", (int)view->cpu_permille, "instances",
                (int)view->instances, "quarantined", view->quarantined, "incident", incident_json(view->incident),
                "mode", view->enforce ? "enforce" : "observe", "next", (json_int_t)view->next, "waiting_for",
                view->waiting_for, "last", "ending", ending_name(view->last_ending), "code", view->last_code, "signal",
                view->last_signal, "at", (json_int_t)view->last_death, "rule", rule_json(view->rule));
}

static json_t *agents_json(struct governor *governor, const char *only)
{
        json_t *agents = json_array();
        usec_t now = clock_now(&governor->clock);
        struct agent_view view;

        for (uint32_t i = 0; i < judge_agents(governor->judge); i++) {
                judge_agent(governor->judge, i, now, &view);
                if (only && !agent_answers_to(view.id, only))
                        continue;
                json_array_append_new(agents, agent_json(&view));
        }
        return agents;
}

static json_t *sources_json(const struct governor *governor)
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

static json_t *machine_json(struct governor *governor)
{
        struct audit_head head = { 0 };
        const struct fact *host = &governor->host;
        char name[256] = "";

        gethostname(name, sizeof(name) - 1);
        chronicle_head(governor->chronicle, &head);
        return json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:{s:b, s:b, s:s, s:i}, "
                         "s:{s:I, s:I, s:b, s:s}, s:i}",
                         "host", name, "version", GOVERNOR_VERSION, "mode",
                         governor_only_observes(governor) ? "observe" : mode_name(governor->policy->mode), "safe_mode",
                         governor->safe_mode, "disarmed", governor->disarmed, "now",
                         (json_int_t)clock_now(&governor->clock), "uptime_s",
                         (json_int_t)(host->host.uptime / USEC_PER_SEC), "memory_total_bytes",
                         (json_int_t)host->host.total_bytes, "memory_available_bytes",
                         (json_int_t)host->host.available_bytes, "cpus", (int)host->host.cpus, "load1_centi",
                         (int)host->host.load1, "psi_memory_some_centi", (int)host->host.memory_some_avg10,
                         "psi_cpu_some_centi", (int)host->host.cpu_some_avg10, "policy", "discovered",
                         governor->policy->discovered, "bad", governor->policy_bad, "digest", governor->policy->digest,
                         "rules", (int)governor->policy->rules_n, "audit", "size", (json_int_t)head.size, "sealed_size",
                         (json_int_t)head.sealed_size, "healthy", chronicle_healthy(governor->chronicle), "anchor",
                         head.anchor, "agents_max", (int)governor->policy->daemon.agents_max);
}

/* ---- what is asked ------------------------------------------------------------------------------------------------------- */

static json_t *answer_status(void *self, const struct control_request *request, struct control_error *error)
{
        (void)request, (void)error;
        return json_pack("{s:i, s:o, s:o, s:o}", "schema_version", SCHEMA_VERSION, "machine", machine_json(self),
                         "agents", agents_json(self, NULL), "sources", sources_json(self));
}

static json_t *answer_agents(void *self, const struct control_request *request, struct control_error *error)
{
        const char *name = json_string_value(json_object_get(request->params, "name"));
        json_t *agents = agents_json(self, name);

        if (name && json_array_size(agents) == 0) {
                char safe[128];

                json_decref(agents);
                text_copy_safe(safe, sizeof(safe), name);
                return control_refuse(error, 5, "govctl agents", "there is no agent '%s'", safe);
        }
        return json_pack("{s:i, s:o}", "schema_version", SCHEMA_VERSION, "agents", agents);
}

static json_t *incident_view_json(const struct incident_view *view)
{
        char where[512] = "";

        if (view->rule && view->rule->origin.file)
                snprintf(where, sizeof(where), "%s:%u", view->rule->origin.file, view->rule->origin.line);
        return json_pack("{s:o, s:s, s:s, s:s, s:s, s:I, s:o, s:I, s:s, s:[s], s:[]}", "id",
                         incident_json(view->incident), "agent", view->agent, "manager", manager_name(view->manager),
                         "cause", cause_name(view->cause), "state", view->open ? "open" : "resolved", "opened",
                         (json_int_t)view->opened, "resolved",
                         view->open ? json_null() : json_integer((json_int_t)view->resolved), "count",
                         (json_int_t)view->count, "rule", where, "evidence", view->reason, "actions");
}

static json_t *answer_incidents(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        bool all = json_is_true(json_object_get(request->params, "all"));
        json_t *list = json_array();
        struct incident_view view;

        (void)error;
        for (uint32_t i = 0; i < judge_incidents(governor->judge); i++) {
                judge_incident(governor->judge, i, &view);
                if (all || view.open)
                        json_array_append_new(list, incident_view_json(&view));
        }
        return json_pack("{s:i, s:o}", "schema_version", SCHEMA_VERSION, "incidents", list);
}

/* ---- why ------------------------------------------------------------------------------------------------------------------ */

/* The story of a subject or an incident: its newest records, in order. */
static json_t *story_of(const struct governor *governor, const char *incident, const char *agent)
{
        _cleanup_(reader_closep) struct audit_reader *reader = NULL;
        struct audit_range range = { .to = UINT64_MAX, .newest_first = true };
        json_t *story = json_array();
        struct audit_item item;

        if (audit_reader_open(governor->database, &reader) < 0 || audit_reader_seek(reader, &range) < 0)
                return story;
        for (unsigned looks = 0; looks < STORY_LOOKS_MAX && json_array_size(story) < STORY_MAX; looks++) {
                struct audit_view view;
                const struct audit_slice *mark;

                if (audit_reader_next(reader, &item) <= 0)
                        break;
                if (audit_view(item.body, item.length, &view) < 0)
                        continue;
                mark = incident ? &view.incident : &view.subject;
                if (mark->length == strlen(incident ? incident : agent) &&
                    memcmp(mark->text, incident ? incident : agent, mark->length) == 0)
                        json_array_insert_new(story, 0, json_loadb(item.body, item.length, 0, NULL));
        }
        return story;
}

static int find_incident(const struct governor *governor, uint64_t number, struct incident_view *ret)
{
        for (uint32_t i = 0; number && i < judge_incidents(governor->judge); i++) {
                judge_incident(governor->judge, i, ret);
                if (ret->incident == number)
                        return 0;
        }
        return -ENOENT;
}

/* The one agent that answers to this word; otherwise an error that names the candidates. */
static int find_agent(struct governor *governor, const char *word, struct control_error *error, struct agent_view *ret)
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

static json_t *answer_why(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *what = json_string_value(json_object_get(request->params, "what"));
        uint64_t number = incident_from_name(what);
        struct incident_view incident;
        struct agent_view agent;
        json_t *answer;

        if (number) {
                json_t *story = story_of(governor, what, NULL);

                answer =
                        json_pack("{s:i, s:s, s:o}", "schema_version", SCHEMA_VERSION, "subject", what, "story", story);
                if (find_incident(governor, number, &incident) == 0)
                        json_object_set_new(answer, "incident", incident_view_json(&incident));
                else if (json_array_size(story) == 0) {
                        json_decref(answer);
                        return control_refuse(error, 5, "govctl incidents --all", "there is no incident '%s'", what);
                }
                return answer;
        }
        if (find_agent(governor, what, error, &agent) < 0)
                return NULL;
        answer = json_pack("{s:i, s:s, s:o, s:o}", "schema_version", SCHEMA_VERSION, "subject", agent.id, "agent",
                           agent_json(&agent), "story", story_of(governor, NULL, agent.id));
        if (find_incident(governor, agent.incident, &incident) == 0)
                json_object_set_new(answer, "incident", incident_view_json(&incident));
        return answer;
}

/* ---- orders --------------------------------------------------------------------------------------------------------------- */

static void who_asks(const struct control_request *request, char who[64])
{
        snprintf(who, 64, "uid:%u pid:%d", (unsigned)request->uid, (int)request->pid);
}

static struct waiter *free_waiter(struct governor *governor)
{
        for (unsigned i = 0; i < WAITERS_MAX; i++)
                if (governor->waiters[i].deadline == 0)
                        return &governor->waiters[i];
        return NULL;
}

/* Puts the order to the judge as a fact; the answer comes with the outcome. */
static json_t *order(struct governor *governor, const struct control_request *request, struct control_error *error,
                     enum ask what)
{
        const char *word = json_string_value(json_object_get(request->params, "agent"));
        const char *reason = json_string_value(json_object_get(request->params, "reason"));
        unsigned under_way = perform_under_way(governor->perform);
        struct waiter *waiter = free_waiter(governor);
        struct agent_view agent;
        struct fact fact;
        char who[64], id[AGENT_ID_MAX];

        if (find_agent(governor, word, error, &agent) < 0)
                return NULL;
        if (!waiter)
                return control_refuse(error, 1, "govctl status", "too many orders are under way");
        if (what == ASK_RELEASE && !agent.quarantined)
                return control_refuse(error, 1, "govctl status", "%s is not in quarantine, it is %s", agent.name,
                                      effective_name(agent.effective));
        who_asks(request, who);
        text_copy(id, sizeof(id), agent.id);
        fact = (struct fact){
                .kind = FACT_ASKED,
                .at = clock_now(&governor->clock),
                .manager = agent.manager,
                .agent = id,
                .instance = INSTANCE_ALL,
                .asked = { .ask = what, .who = who, .reason = reason ? reason : "" },
        };
        governor_take(governor, &fact);
        if (perform_under_way(governor->perform) == under_way)
                return control_refuse(error, 1, "govctl why AGENT", "nothing was begun for %s: see its story", id);
        waiter->deadline = fact.at + WAIT_FOR_OUTCOME;
        text_copy(waiter->agent, sizeof(waiter->agent), id);
        waiter->ticket = *request->later;
        error->later = true;
        return NULL;
}

static json_t *answer_restart(void *self, const struct control_request *request, struct control_error *error)
{
        return order(self, request, error, ASK_RESTART);
}

static json_t *answer_release(void *self, const struct control_request *request, struct control_error *error)
{
        return order(self, request, error, ASK_RELEASE);
}

static void answer_waiter(struct governor *governor, struct waiter *waiter, enum outcome outcome, const char *text)
{
        struct control_error error = { .exit_code = outcome == OUTCOME_TIMEOUT   ? 7
                                                    : outcome == OUTCOME_REFUSED ? 4
                                                                                 : 1 };
        json_t *result = NULL;

        if (outcome == OUTCOME_OK || outcome == OUTCOME_DRY)
                result = json_pack("{s:i, s:s, s:s, s:s}", "schema_version", SCHEMA_VERSION, "agent", waiter->agent,
                                   "outcome", outcome_name(outcome), "text", text);
        else
                control_refuse(&error, error.exit_code, "govctl why AGENT", "%s: %s: %s", waiter->agent,
                               outcome_name(outcome), text);
        waiter->deadline = 0;
        control_answer(governor->control, &waiter->ticket, result, &error);
}

void answers_outcome(struct governor *governor, const struct fact *outcome)
{
        for (unsigned i = 0; i < WAITERS_MAX; i++)
                if (governor->waiters[i].deadline && strcmp(governor->waiters[i].agent, outcome->agent) == 0)
                        answer_waiter(governor, &governor->waiters[i], outcome->outcome.outcome, outcome->outcome.text);
}

void answers_expire(struct governor *governor, usec_t now)
{
        for (unsigned i = 0; i < WAITERS_MAX; i++)
                if (governor->waiters[i].deadline && governor->waiters[i].deadline <= now)
                        answer_waiter(governor, &governor->waiters[i], OUTCOME_TIMEOUT, "no outcome yet");
}

static json_t *answer_acknowledge(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *name = json_string_value(json_object_get(request->params, "incident"));
        struct incident_view incident;
        char who[64];
        struct fact fact = {
                .kind = FACT_ASKED,
                .at = clock_now(&governor->clock),
                .agent = "",
                .asked = { .ask = ASK_ACKNOWLEDGE,
                           .number = incident_from_name(name),
                           .who = who,
                           .reason = json_string_value(json_object_get(request->params, "reason")) },
        };

        if (find_incident(governor, fact.asked.number, &incident) < 0 || !incident.open)
                return control_refuse(error, 5, "govctl incidents", "there is no open incident '%s'", name);
        who_asks(request, who);
        governor_take(governor, &fact);
        find_incident(governor, fact.asked.number, &incident);
        return json_pack("{s:i, s:s, s:s}", "schema_version", SCHEMA_VERSION, "incident", name, "state",
                         incident.open ? "open" : "resolved");
}

/* ---- governing --------------------------------------------------------------------------------------------------------------- */

static json_t *messages_json(const struct policy_messages *messages)
{
        json_t *list = json_array();

        for (size_t i = 0; i < messages->n; i++) {
                const struct policy_message *message = &messages->list[i];
                char text[POLICY_RENDER_MAX];

                json_array_append_new(list, json_pack("{s:s?, s:i, s:i, s:s, s:s, s:s}", "file", message->file, "line",
                                                      (int)message->line, "column", (int)message->column, "severity",
                                                      message->warning ? "warning" : "error", "text", message->text,
                                                      "rendered", policy_message_render(message, false, text)));
        }
        return list;
}

static json_t *answer_reload(void *self, const struct control_request *request, struct control_error *error)
{
        struct policy_messages messages = { 0 };
        int r = governor_reload(self, &messages);
        json_t *answer = json_pack("{s:i, s:b, s:o}", "schema_version", SCHEMA_VERSION, "ok", r == 0, "messages",
                                   messages_json(&messages));

        (void)request, (void)error;
        policy_messages_done(&messages);
        return answer;
}

static json_t *answer_safe_mode(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *set = json_string_value(json_object_get(request->params, "set"));
        char who[64];

        if (set && strcmp(set, "on") != 0 && strcmp(set, "off") != 0)
                return control_refuse(error, 2, "govctl safe-mode off", "safe mode is 'on' or 'off'");
        who_asks(request, who);
        if (set && (strcmp(set, "on") == 0) != governor->safe_mode)
                governor_set_safe_mode(governor, strcmp(set, "on") == 0, who, "asked");
        return json_pack("{s:i, s:b}", "schema_version", SCHEMA_VERSION, "safe_mode", governor->safe_mode);
}

static json_t *answer_disarm(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        char who[64];

        (void)error;
        who_asks(request, who);
        governor_disarm(governor, who);
        return json_pack("{s:i, s:b, s:s}", "schema_version", SCHEMA_VERSION, "disarmed", true, "footprint",
                         governor->footprint);
}

static json_t *answer_policy(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        _cleanup_free_ char *text = NULL;
        int r = policy_show(governor->policy, true, &text);

        (void)request;
        if (r < 0)
                return control_refuse(error, 1, "govctl status", "the policy cannot be shown: %s", strerror(-r));
        return json_pack("{s:i, s:s, s:s, s:b}", "schema_version", SCHEMA_VERSION, "text", text, "digest",
                         governor->policy->digest, "discovered", governor->policy->discovered);
}

static json_t *answer_discover(void *self, const struct control_request *request, struct control_error *error)
{
        (void)request, (void)error;
        return json_pack("{s:i, s:o}", "schema_version", SCHEMA_VERSION, "agents", agents_json(self, NULL));
}

static json_t *answer_subscribe(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct audit_head head = { 0 };

        (void)request, (void)error;
        chronicle_head(governor->chronicle, &head);
        if (!control_has_subscribers(governor->control))
                governor->published = head.size;
        return json_pack("{s:i, s:I}", "schema_version", SCHEMA_VERSION, "size", (json_int_t)head.size);
}

static json_t *answer_version(void *self, const struct control_request *request, struct control_error *error)
{
        (void)self, (void)request, (void)error;
        return json_pack("{s:i, s:s}", "schema_version", SCHEMA_VERSION, "version", GOVERNOR_VERSION);
}

void answers_publish(struct governor *governor)
{
        _cleanup_(reader_closep) struct audit_reader *reader = NULL;
        struct audit_range range = { .from = governor->published, .to = UINT64_MAX };
        struct audit_item item;

        if (audit_reader_open(governor->database, &reader) < 0 || audit_reader_seek(reader, &range) < 0)
                return;
        while (audit_reader_next(reader, &item) > 0) {
                json_t *record = json_loadb(item.body, item.length, 0, NULL);

                if (record)
                        control_publish(governor->control, "record", record);
                json_decref(record);
                governor->published = item.seq + 1;
        }
}

control_call *const answers[METHOD_N] = {
        [METHOD_STATUS] = answer_status,           [METHOD_AGENTS] = answer_agents,
        [METHOD_INCIDENTS] = answer_incidents,     [METHOD_WHY] = answer_why,
        [METHOD_RESTART] = answer_restart,         [METHOD_RELEASE] = answer_release,
        [METHOD_ACKNOWLEDGE] = answer_acknowledge, [METHOD_RELOAD] = answer_reload,
        [METHOD_SAFE_MODE] = answer_safe_mode,     [METHOD_DISARM] = answer_disarm,
        [METHOD_POLICY] = answer_policy,           [METHOD_DISCOVER] = answer_discover,
        [METHOD_SUBSCRIBE] = answer_subscribe,     [METHOD_VERSION] = answer_version,
};
