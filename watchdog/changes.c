#include "changes.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "observers.h"
#include "orders.h"
#include "views.h"

#define FOR_DEFAULT (15 * USEC_PER_MINUTE)
#define FOR_MOST (7 * USEC_PER_DAY)
#define RENEW_BEFORE USEC_PER_MINUTE /* the end of a window whose command still runs */
#define PATHS_MAX 16                 /* of what changed, in the answer and in the record; the rest is counted */

/* ---- what the governor knows of a window, beside the judge ------------------------------------------------------------- */

static struct changing *find(struct governor *governor, uint64_t number)
{
        for (unsigned n = 0; n < CHANGING_MAX; n++)
                if (governor->changing[n].number == number)
                        return &governor->changing[n];
        return NULL;
}

/* Of one that an earlier run opened there is only what happened since. */
static struct changing *changing_of(struct governor *governor, uint64_t number)
{
        struct changing *changing = find(governor, number);

        if (!changing)
                changing = find(governor, 0);
        if (changing && changing->number == 0) {
                changing->number = number;
                changing->paths = json_array();
        }
        return changing;
}

static bool view_of(const struct governor *governor, uint64_t number, struct change_view *ret)
{
        usec_t now = clock_now(&governor->clock);

        for (uint32_t n = 0; n < judge_changes(governor->judge); n++) {
                judge_change(governor->judge, n, now, ret);
                if (ret->number == number)
                        return true;
        }
        return false;
}

static void note_change(struct governor *governor, const struct fact *fact)
{
        struct change_view view;

        for (uint32_t n = 0; n < judge_changes(governor->judge); n++) {
                struct changing *changing;

                judge_change(governor->judge, n, fact->at, &view);
                if (!view.open || !judge_change_is_for(governor->judge, n, fact))
                        continue;
                changing = changing_of(governor, view.number);
                if (!changing)
                        continue;
                changing->changed++;
                if (json_array_size(changing->paths) < PATHS_MAX)
                        json_array_append_new(changing->paths,
                                              json_pack("{s:s, s:s, s:s, s:s}", "path", fact->config.path, "change",
                                                        config_change_name(fact->config.change), "of",
                                                        config_of_name(fact->config.of), "what",
                                                        fact->config.what ? fact->config.what : ""));
        }
}

void changes_follow(struct governor *governor, const struct fact *fact)
{
        if (fact->kind == FACT_CONFIG && config_is_change(fact->config.change))
                note_change(governor, fact);
}

/* ---- facts and records --------------------------------------------------------------------------------------------------- */

static void record(struct governor *governor, const char *verb, const struct change_view *view, const char *who,
                   json_t *details)
{
        struct audit_entry entry = {
                .action = verb,
                .actor = who,
                .subject = *view->agent ? view->agent : view->pattern,
                .outcome = AUDIT_INFO,
                .details = details,
        };

        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
}

/* `changing`: what its closer said of it, NULL when it is opened. */
static void tell_judge(struct governor *governor, enum change_step step, const struct change_view *view,
                       const struct changing *changing)
{
        struct fact fact = {
                .kind = FACT_CHANGE,
                .at = clock_now(&governor->clock),
                .manager = agent_manager(view->agent),
                .agent = view->agent,
                .instance = INSTANCE_ALL,
                .change = { .step = step,
                            .number = view->number,
                            .pattern = view->pattern,
                            .since = view->since,
                            .until = view->until,
                            .by = view->by,
                            .reason = view->reason,
                            .deploy = view->deploy },
        };

        if (step == CHANGE_CLOSE && changing) {
                fact.change.exited = changing->exited;
                fact.change.exit = changing->exit;
        }
        governor_take(governor, &fact);
}

static json_t *view_change(const struct change_view *view)
{
        return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:b}", "number", (json_int_t)view->number, "agent",
                         view->agent, "files", view->pattern, "by", view->by, "reason", view->reason, "since",
                         (json_int_t)view->since, "until", (json_int_t)view->until, "open", view->open, "deploy",
                         view->deploy);
}

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

static unsigned count_open(const struct governor *governor, usec_t now)
{
        struct change_view view;
        unsigned open = 0;

        for (uint32_t n = 0; n < judge_changes(governor->judge); n++) {
                judge_change(governor->judge, n, now, &view);
                open += view.open;
        }
        return open;
}

/* Fills in whom or what the window is for; false with an error. */
static bool take_what(struct governor *governor, const char *what, char id[AGENT_ID_MAX], struct change_view *view,
                      struct control_error *error)
{
        struct agent_view agent;

        view->agent = id;
        view->pattern = "";
        id[0] = '\0';
        if (what[0] == '/') {
                char safe[CHANGE_PATTERN_BYTES];

                view->pattern = what;
                if (text_copy_safe(safe, sizeof(safe), what) && strcmp(safe, what) == 0)
                        return true;
                control_refuse(error, 2, "govctl change open AGENT", "the pattern is too long, or no text");
                return false;
        }
        if (view_find_agent(governor, what, error, &agent) < 0)
                return false;
        text_copy(id, AGENT_ID_MAX, agent.id);
        return true;
}

/* It is held by whoever opened it: a window for a command ends with the command, and with whoever runs it. */
static void hold(struct changing *changing, const struct control_request *request, usec_t span)
{
        if (!changing)
                return;
        changing->client = request->later->client;
        changing->generation = request->later->generation;
        changing->span = json_object_get(request->params, "seconds") ? 0 : span;
}

json_t *change_open(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const json_t *seconds = json_object_get(request->params, "seconds");
        usec_t now = clock_now(&governor->clock), span = FOR_DEFAULT;
        char id[AGENT_ID_MAX], who[64];
        struct audit_head head = { 0 };
        struct changing *changing;
        struct change_view view = { .since = now,
                                    .by = who,
                                    .deploy = json_is_true(json_object_get(request->params, "deploy")),
                                    .reason = json_string_value(json_object_get(request->params, "reason")) };

        if (seconds && json_integer_value(seconds) > 0 &&
            (usec_t)json_integer_value(seconds) <= FOR_MOST / USEC_PER_SEC)
                span = (usec_t)json_integer_value(seconds) * USEC_PER_SEC;
        else if (seconds)
                return control_refuse(error, 2, "--for 15m", "a change window lasts from one second to seven days");
        if (!take_what(governor, json_string_value(json_object_get(request->params, "what")), id, &view, error))
                return NULL;
        if (!view.reason[0])
                return control_refuse(error, 2, "--reason TEXT", "a change window needs a reason");
        if (view.deploy && !*view.agent)
                return control_refuse(error, 2, "govctl deploy AGENT -- COMMAND...", "only an agent is deployed");
        if (count_open(governor, now) == CHANGING_MAX)
                return control_refuse(error, 1, "govctl change list", "%u change windows are open", CHANGING_MAX);
        chronicle_head(governor->chronicle, &head);
        order_from(request, who);
        view.number = head.size + 1; /* grows with the log, across restarts too */
        view.until = now + span;
        record(governor, "change.open", &view, who,
               json_pack("{s:I, s:I, s:s, s:I}", "at", (json_int_t)now, "number", (json_int_t)view.number, "reason",
                         view.reason, "until", (json_int_t)view.until));
        tell_judge(governor, CHANGE_OPEN, &view, NULL);
        changing = changing_of(governor, view.number);
        if (view.deploy)
                hold(changing, request, span);
        view.open = true;
        return json_pack("{s:i, s:o}", "schema_version", SCHEMA_VERSION, "change", view_change(&view));
}

/* ---- closing ------------------------------------------------------------------------------------------------------------- */

/* The strings of a view are the judge's, which may give their place to others. */
struct kept {
        struct change_view view;
        char agent[AGENT_ID_MAX], pattern[CHANGE_PATTERN_BYTES], by[64], reason[CHANGE_PATTERN_BYTES];
};

static void keep(struct kept *kept, const struct change_view *view)
{
        kept->view = *view;
        text_copy(kept->agent, sizeof(kept->agent), view->agent);
        text_copy(kept->pattern, sizeof(kept->pattern), view->pattern);
        text_copy(kept->by, sizeof(kept->by), view->by);
        text_copy(kept->reason, sizeof(kept->reason), view->reason);
        kept->view.agent = kept->agent;
        kept->view.pattern = kept->pattern;
        kept->view.by = kept->by;
        kept->view.reason = kept->reason;
}

/* Everything that happened in it is known: it ends here. Returns what its closer is told. */
static json_t *close_now(struct governor *governor, struct changing *changing, const char *why)
{
        json_t *answer = json_pack("{s:i, s:I, s:I, s:O}", "schema_version", SCHEMA_VERSION, "number",
                                   (json_int_t)changing->number, "changed", (json_int_t)changing->changed, "paths",
                                   changing->paths);
        usec_t now = clock_now(&governor->clock);
        struct change_view view;
        struct kept kept;
        json_t *details;

        if (view_of(governor, changing->number, &view)) {
                keep(&kept, &view);
                details = json_pack("{s:I, s:I, s:I, s:O, s:s, s:s}", "at", (json_int_t)now, "number",
                                    (json_int_t)changing->number, "changed", (json_int_t)changing->changed, "paths",
                                    changing->paths, "reason", kept.reason, "why", why);
                if (changing->exited)
                        json_object_set_new(details, "exit", json_integer(changing->exit));
                if (kept.view.deploy)
                        json_object_set_new(details, "deploy", json_true());
                record(governor, "change.close", &kept.view, changing->who[0] ? changing->who : NULL, details);
                tell_judge(governor, CHANGE_CLOSE, &kept.view, changing);
        }
        return answer;
}

static void close_and_answer(struct governor *governor, struct changing *changing, const char *why)
{
        struct changing closed = *changing;
        struct control_error error = { .exit_code = 1 };
        json_t *answer;

        *changing = (struct changing){ .number = 0 }; /* telling the judge comes by here again */
        answer = close_now(governor, &closed, why);
        json_decref(closed.paths);
        if (closed.closing)
                control_answer(governor->control, &closed.ticket, answer, &error);
        else
                json_decref(answer);
}

void changes_settled(struct governor *governor)
{
        for (unsigned n = 0; n < CHANGING_MAX; n++)
                if (governor->changing[n].number > 0 && governor->changing[n].closing)
                        close_and_answer(governor, &governor->changing[n], "closed");
}

/* The command is still running, and nobody said how long it may: its window lasts. */
static bool goes_on(struct governor *governor, const struct changing *changing, const struct change_view *view,
                    usec_t now)
{
        struct kept kept;

        if (changing->span == 0 || changing->generation == 0 || changing->closing || now >= view->since + FOR_MOST)
                return false;
        keep(&kept, view);
        kept.view.until = now + changing->span;
        tell_judge(governor, CHANGE_OPEN, &kept.view, NULL);
        return true;
}

void changes_expire(struct governor *governor, usec_t now)
{
        struct change_view view;

        for (uint32_t n = 0; n < judge_changes(governor->judge); n++) {
                struct changing *changing;

                judge_change(governor->judge, n, now, &view);
                if (view.open && view.until > now + RENEW_BEFORE)
                        continue;
                changing = view.number > 0 ? find(governor, view.number) : NULL;
                if (changing && goes_on(governor, changing, &view, now))
                        continue;
                if (changing && !view.open && view.until <= now)
                        close_and_answer(governor, changing, "its time is over");
        }
}

void changes_left(void *self, unsigned client, uint64_t generation)
{
        struct governor *governor = self;

        for (unsigned n = 0; n < CHANGING_MAX; n++) {
                struct changing *changing = &governor->changing[n];

                if (changing->number == 0 || changing->generation != generation || changing->client != client)
                        continue;
                changing->generation = 0;
                if (!changing->closing)
                        close_and_answer(governor, changing, "whoever ran the command left before its end");
        }
}

void changes_begin(struct governor *governor)
{
        struct change_view view;

        for (uint32_t n = 0; n < judge_changes(governor->judge); n++) {
                judge_change(governor->judge, n, 0, &view);
                if (view.open)
                        changing_of(governor, view.number);
        }
}

/* The open window that is meant: by its number, by whom or what it is for, or because there is but one. */
static bool find_meant(struct governor *governor, const char *what, struct change_view *ret,
                       struct control_error *error)
{
        usec_t now = clock_now(&governor->clock);
        struct change_view view;
        unsigned found = 0;

        for (uint32_t n = 0; n < judge_changes(governor->judge); n++) {
                char number[24];

                judge_change(governor->judge, n, now, &view);
                snprintf(number, sizeof(number), "%llu", (unsigned long long)view.number);
                if (!view.open || (what && strcmp(what, number) != 0 && strcmp(what, view.pattern) != 0 &&
                                   (!*view.agent || !agent_answers_to(view.agent, what))))
                        continue;
                *ret = view;
                found++;
        }
        if (found == 1)
                return true;
        control_refuse(error, found ? 2 : 5, "govctl change list",
                       found ? "several change windows are meant: name one by its number"
                             : "there is no such open change window");
        return false;
}

json_t *change_close(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const json_t *exited = json_object_get(request->params, "exit");
        struct changing *changing;
        struct change_view view;

        if (!find_meant(governor, json_string_value(json_object_get(request->params, "what")), &view, error))
                return NULL;
        changing = changing_of(governor, view.number);
        if (!changing || changing->closing)
                return control_refuse(error, 1, "govctl change list", "that change window is being closed already");
        order_from(request, changing->who);
        changing->exited = exited != NULL;
        changing->exit = (int)json_integer_value(exited);
        if (!observers_look(governor->observers)) { /* what changed in it and was not seen yet belongs to it */
                struct changing closed = *changing;
                json_t *answer;

                *changing = (struct changing){ .number = 0 };
                answer = close_now(governor, &closed, "closed; the declared files cannot be watched");
                json_decref(closed.paths);
                return answer;
        }
        changing->closing = true;
        changing->ticket = *request->later;
        error->later = true;
        return NULL;
}

json_t *change_list(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        usec_t now = clock_now(&governor->clock);
        json_t *list = json_array();
        struct change_view view;

        (void)request, (void)error;
        for (uint32_t n = 0; n < judge_changes(governor->judge); n++) {
                judge_change(governor->judge, n, now, &view);
                if (view.open)
                        json_array_append_new(list, view_change(&view));
        }
        return json_pack("{s:i, s:o}", "schema_version", SCHEMA_VERSION, "changes", list);
}

/* ---- "this was me" -------------------------------------------------------------------------------------------------------- */

json_t *change_planned(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *name = json_string_value(json_object_get(request->params, "incident"));
        struct incident_view incident;
        enum config_of of = CONFIG_OF_FILE;
        bool drift;
        char who[64], agent[AGENT_ID_MAX];
        struct fact fact = {
                .kind = FACT_ASKED,
                .at = clock_now(&governor->clock),
                .agent = "",
                .asked = { .ask = ASK_PLANNED,
                           .number = incident_from_name(name),
                           .who = who,
                           .reason = json_string_value(json_object_get(request->params, "reason")) },
        };

        if (view_find_incident(governor, fact.asked.number, &incident) < 0 || !incident.open)
                return control_refuse(error, 5, "govctl incidents", "there is no open incident '%s'", name);
        drift = judge_drift_of(governor->judge, incident.incident, &of);
        if (!drift && incident.cause != CAUSE_UNANNOUNCED_START)
                return control_refuse(error, 2, "govctl acknowledge INCIDENT", "%s is %s, which nobody plans", name,
                                      cause_name(incident.cause));
        if (!fact.asked.reason[0])
                return control_refuse(error, 2, "--reason TEXT", "why %s was planned is to be kept in the log", name);
        text_copy(agent, sizeof(agent), incident.agent);
        order_from(request, who);
        governor_take(governor, &fact);
        if (drift)
                observers_seal(governor->observers, of, agent);
        return json_pack("{s:i, s:s, s:s, s:b}", "schema_version", SCHEMA_VERSION, "incident", name, "state",
                         "resolved", "sealed", drift);
}

void changes_end(struct governor *governor)
{
        for (unsigned n = 0; n < CHANGING_MAX; n++) {
                json_decref(governor->changing[n].paths);
                governor->changing[n] = (struct changing){ .number = 0 };
        }
}
