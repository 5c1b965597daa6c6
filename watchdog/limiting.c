#include "limiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/history.h"
#include "io/record.h"
#include "io/unit_limits.h"
#include "judge/propose.h"
#include "observers.h"
#include "orders.h"
#include "perform/never.h"
#include "trials.h"
#include "views.h"

#define ID_PREFIX "systemd:"
#define ANSWER_MOST (5 * USEC_PER_SEC)
#define HISTORY_SPAN (7 * USEC_PER_DAY)
#define QUERIES_MAX 16

/* Somebody asked, and systemd has not answered yet. */
struct limiting_query {
        struct governor *governor;
        struct limiting_query *next;
        struct control_ticket ticket;
        char agent[AGENT_ID_MAX];
        usec_t deadline; /* judge time; systemd's silence is told sooner, a connection that is cut off may tell nothing */
        sd_bus_slot *slot;
};

static const char *unit_of(const char *agent)
{
        return agent + strlen(ID_PREFIX);
}

/* ---- what it used ------------------------------------------------------------------------------------------------------------ */

struct held {
        uint64_t bytes;
        uint32_t minutes;
};

struct measured {
        struct held *list;
        size_t n, room;
        uint64_t first_at, minutes;
        uint32_t cpu_most;
        bool failed;
};

static void take_sample(void *self, const struct history_sample *sample)
{
        struct measured *measured = self;
        uint32_t minutes = sample->step < 60 ? 1 : sample->step / 60;

        if (sample->memory_most == 0)
                return; /* it was down */
        if (measured->n == measured->room) {
                size_t room = measured->room ? 2 * measured->room : 1024;
                struct held *list = reallocarray(measured->list, room, sizeof(*list));

                if (!list) {
                        measured->failed = true;
                        return;
                }
                measured->list = list;
                measured->room = room;
        }
        if (measured->n == 0)
                measured->first_at = sample->at;
        measured->list[measured->n++] = (struct held){ sample->memory_most, minutes };
        measured->minutes += minutes;
        if (sample->cpu_permille > measured->cpu_most)
                measured->cpu_most = sample->cpu_permille;
}

static int largest_first(const void *a, const void *b)
{
        const struct held *x = a, *y = b;

        return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

/* The size that it exceeded in one of a thousand minutes. */
static uint64_t p999_of(struct measured *measured)
{
        uint64_t above = 0;
        size_t n = 0;

        qsort(measured->list, measured->n, sizeof(*measured->list), largest_first);
        while (n + 1 < measured->n && (above += measured->list[n].minutes) * 1000 <= measured->minutes)
                n++;
        return measured->list[n].bytes;
}

static void read_history(struct governor *governor, const char *agent, struct usage *usage)
{
        uint64_t now = clock_now(&governor->clock) / USEC_PER_SEC;
        struct measured measured = { .n = 0 };

        if (!governor->sampling.path ||
            history_read(governor->sampling.path, agent, now - HISTORY_SPAN / USEC_PER_SEC, take_sample, &measured) <
                    0 ||
            measured.n == 0 || measured.failed) {
                free(measured.list);
                return;
        }
        usage->span = now > measured.first_at ? (now - measured.first_at) * USEC_PER_SEC : 0;
        usage->memory_p999 = p999_of(&measured);
        usage->memory_most = measured.list[0].bytes;
        usage->cpu_most = measured.cpu_most;
        free(measured.list);
}

static struct usage usage_of(struct governor *governor, const struct agent_view *view)
{
        struct usage usage = { .memory_now = view->memory_bytes,
                               .machine_bytes = governor->host.host.total_bytes,
                               .machine_cpus = governor->host.host.cpus };
        uint64_t all;

        if (view->pid > 0 && observers_working_set(governor->observers, view->id, view->pid, &all) >= 0 &&
            all > usage.memory_now)
                usage.memory_now = all;
        return usage;
}

/* ---- who may not be limited --------------------------------------------------------------------------------------------------- */

/* Another agent whose process lives in the unit: what limits the unit limits that one too. */
static bool find_lodger(struct governor *governor, const char *unit, const char *agent, char lodger[AGENT_ID_MAX])
{
        usec_t now = clock_now(&governor->clock);
        struct agent_view view;

        for (uint32_t n = 0; n < judge_agents(governor->judge); n++) {
                judge_agent(governor->judge, n, now, &view);
                if (strcmp(view.id, agent) == 0 ||
                    (strcmp(view.via, unit) != 0 &&
                     (view.pid <= 0 || !observers_lives_in(governor->observers, view.pid, unit))))
                        continue;
                text_copy(lodger, AGENT_ID_MAX, view.id);
                return true;
        }
        return false;
}

#define REFUSAL_MAX 384
static bool is_refused(struct governor *governor, const struct agent_view *view, char why[REFUSAL_MAX])
{
        const char *never = never_touch(view->id, view->pid);
        char lodger[AGENT_ID_MAX];

        if (view->manager == MANAGER_PM2) {
                snprintf(
                        why, REFUSAL_MAX,
                        "all apps of one PM2 live in one control group%s%.128s: a limit for %.128s would be one for all of them",
                        *view->via ? ", that of " : "", view->via, view->name);
                return true;
        }
        if (never)
                snprintf(why, REFUSAL_MAX, "%.256s is never touched: %s", view->id, never);
        else if (find_lodger(governor, unit_of(view->id), view->id, lodger))
                snprintf(why, REFUSAL_MAX, "%.256s lives in it too, and would come under it as well", lodger);
        else
                return false;
        return true;
}

/* Only what runs can show what limits do to it. */
static bool is_unfit(struct governor *governor, const struct agent_view *view, struct control_error *error)
{
        struct trial_view trial;

        for (uint32_t n = 0; n < judge_trials(governor->judge); n++) {
                judge_trial(governor->judge, n, &trial);
                if (strcmp(trial.agent, view->id) != 0 || trial.state == TRIAL_OVER || trial.state == TRIAL_KEPT)
                        continue;
                control_refuse(error, 1, "govctl trials", "trial %llu of it is %s: keep it or take it back first",
                               (unsigned long long)trial.number, trial_state_name(trial.state));
                return true;
        }
        if (view->effective == EFFECTIVE_RUNNING)
                return false;
        control_refuse(error, 1, "govctl why AGENT", "%.128s is %s: a trial could not show what limits do to it",
                       view->name, effective_name(view->effective));
        return true;
}

/* ---- shown -------------------------------------------------------------------------------------------------------------------- */

static json_t *value_json(const struct limits *limits, enum limit limit)
{
        char text[LIMIT_TEXT_MAX];

        return limits_have(limits, limit) ? json_string(limit_text(limit, limits->value[limit], text)) : json_null();
}

static json_t *settings_json(const struct proposal *proposal, const struct limits *in_force)
{
        json_t *list = json_array();

        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:s}", "name", limit_name(limit), "proposed",
                                                      value_json(&proposal->limits, limit), "in_force",
                                                      value_json(in_force, limit), "why", proposal->why[limit]));
        return list;
}

static json_t *usage_json(const struct usage *usage)
{
        return json_pack("{s:I, s:I, s:I, s:I, s:i}", "memory_bytes", (json_int_t)usage->memory_now, "history_s",
                         (json_int_t)(usage->span / USEC_PER_SEC), "memory_p999_bytes", (json_int_t)usage->memory_p999,
                         "memory_most_bytes", (json_int_t)usage->memory_most, "cpu_most_permille",
                         (int)usage->cpu_most);
}

static json_t *files_json(const char *unit)
{
        char path[LIMITS_PATH_MAX];
        json_t *files = json_object();

        for (enum limits_place place = LIMITS_KEPT; place <= LIMITS_TRIAL; place++)
                if (limits_path(place, unit, path))
                        json_object_set_new(files, limits_place_name(place), json_string(path));
        return files;
}

/* What the kernel cannot keep here: systemd takes it all the same. */
static json_t *void_json(unsigned possible)
{
        json_t *list = json_array();

        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                if (limit != LIMIT_OOM_POLICY && !(possible & 1u << limit))
                        json_array_append_new(list, json_string(limit_name(limit)));
        return list;
}

static json_t *proposal_json(struct governor *governor, const struct agent_view *view, const struct unit_limits *now)
{
        struct usage usage = usage_of(governor, view);
        struct proposal proposal;
        char why[REFUSAL_MAX] = "";
        bool refused = is_refused(governor, view, why);

        read_history(governor, view->id, &usage);
        propose(view->rule, &usage, &now->limits, &proposal);
        return json_pack("{s:i, s:s, s:s, s:s, s:s?, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o}", "schema_version",
                         SCHEMA_VERSION, "agent", view->id, "name", view->name, "unit", unit_of(view->id), "refused",
                         refused ? why : NULL, "settings", settings_json(&proposal, &now->limits), "limits",
                         record_of_limits(&proposal.limits), "advice", proposal.advice, "stale", now->stale, "usage",
                         usage_json(&usage), "void", void_json(observers_limits_possible(governor->observers)), "files",
                         files_json(unit_of(view->id)), "trials", view_trials(governor, view->id, false));
}

/* ---- systemd is asked ------------------------------------------------------------------------------------------------------------ */

static void query_free(struct limiting_query *query)
{
        for (struct limiting_query **at = &query->governor->limiting_queries; *at; at = &(*at)->next)
                if (*at == query) {
                        *at = query->next;
                        break;
                }
        sd_bus_slot_unref(query->slot);
        free(query);
}

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct limiting_query *query = userdata;
        struct governor *governor = query->governor;
        struct control_error error = { .exit_code = 1 };
        struct unit_limits now;
        struct agent_view view;
        json_t *answer = NULL;

        (void)ret_error;
        if (sd_bus_message_is_method_error(message, NULL) || unit_limits_read(message, unit_of(query->agent), &now) < 0)
                control_refuse(&error, 1, "systemctl status UNIT", "systemd does not tell of %s",
                               unit_of(query->agent));
        else if (view_find_agent(governor, query->agent, &error, &view) == 0)
                answer = proposal_json(governor, &view, &now);
        control_answer(governor->control, &query->ticket, answer, &error);
        query_free(query);
        return 0;
}

static unsigned count_queries(const struct governor *governor)
{
        unsigned n = 0;

        for (const struct limiting_query *query = governor->limiting_queries; query; query = query->next)
                n++;
        return n;
}

static int ask(struct governor *governor, const struct control_request *request, const char *agent)
{
        sd_bus *bus = observers_bus(governor->observers);
        struct limiting_query *query;
        int r;

        if (!bus)
                return -ENOTCONN;
        if (count_queries(governor) == QUERIES_MAX)
                return -EBUSY;
        query = calloc(1, sizeof(*query));
        if (!query)
                return -ENOMEM;
        query->governor = governor;
        query->deadline = clock_now(&governor->clock) + 2 * ANSWER_MOST;
        query->next = governor->limiting_queries;
        governor->limiting_queries = query;
        text_copy(query->agent, sizeof(query->agent), agent);
        r = unit_limits_ask(bus, unit_of(agent), ANSWER_MOST, on_answer, query, &query->slot);
        if (r < 0)
                query_free(query);
        else
                query->ticket = *request->later;
        return r;
}

/* Of a PM2 app there is nothing to ask: how it gets a unit of its own is told by who asks. */
static json_t *refusal_of_app(struct governor *governor, const struct agent_view *view)
{
        char why[REFUSAL_MAX], home[sizeof(governor->sources[0].name)] = "";
        const char *own = strstr(view->id, "@/");

        is_refused(governor, view, why);
        for (unsigned n = 0; n < governor->sources_n; n++) {
                const char *name = governor->sources[n].name, *at = strchr(name, '@');

                if (at && text_starts(name, "pm2:") && strncmp(name, view->id, (size_t)(at - name)) == 0 &&
                    view->id[at - name] == '/' && (!own || strcmp(own, at) == 0))
                        text_copy(home, sizeof(home), at + 1);
        }
        return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:i}", "schema_version", SCHEMA_VERSION, "agent", view->id,
                         "name", view->name, "unit", "", "refused", why, "home", home, "pid", (int)view->pid);
}

json_t *limiting_show(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct agent_view view;
        int r;

        if (view_find_agent(governor, json_string_value(json_object_get(request->params, "agent")), error, &view) < 0)
                return NULL;
        if (view.manager == MANAGER_PM2)
                return refusal_of_app(governor, &view);
        r = ask(governor, request, view.id);
        if (r == -ENOTCONN)
                return control_refuse(error, 1, "govctl doctor", "there is no connection to systemd now");
        if (r < 0)
                return control_refuse(error, 1, "govctl limits AGENT", "systemd cannot be asked: %s", strerror(-r));
        error->later = true;
        return NULL;
}

/* ---- begun -------------------------------------------------------------------------------------------------------------------- */

static bool take_limits(const json_t *asked, struct limits *ret, struct control_error *error)
{
        json_t *back;
        bool same = true;
        const char *key;
        json_t *value;

        *ret = record_to_limits(asked);
        ret->place = LIMITS_TRIAL;
        back = record_of_limits(ret);
        json_object_foreach ((json_t *)(uintptr_t)asked, key, value)
                same &= strcmp(key, "place") == 0 || json_equal(json_object_get(back, key), value);
        json_decref(back);
        if (!same)
                control_refuse(error, 2, "govctl limits AGENT", "the limits are not such that a unit can have");
        return same;
}

static bool take_span(const struct control_request *request, usec_t *ret, struct control_error *error)
{
        const json_t *seconds = json_object_get(request->params, "seconds");
        json_int_t value = json_integer_value(seconds);

        *ret = TRIAL_SPAN;
        if (!seconds)
                return true;
        if (value >= (json_int_t)(TRIAL_SPAN_LEAST / USEC_PER_SEC) &&
            value <= (json_int_t)(TRIAL_SPAN_MOST / USEC_PER_SEC)) {
                *ret = (usec_t)value * USEC_PER_SEC;
                return true;
        }
        control_refuse(error, 2, "--for 10m", "a trial lasts from ten seconds to a day");
        return false;
}

json_t *limiting_begin(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *reason = json_string_value(json_object_get(request->params, "reason"));
        char why[REFUSAL_MAX], allowed[PROPOSE_WHY_MAX], who[64];
        struct trial_view trial = { .of = TRIAL_OF_LIMITS, .by = who, .reason = reason ? reason : "" };
        struct agent_view view;
        struct usage usage;
        usec_t span;

        if (view_find_agent(governor, json_string_value(json_object_get(request->params, "agent")), error, &view) < 0 ||
            !take_limits(json_object_get(request->params, "limits"), &trial.limits, error) ||
            !take_span(request, &span, error))
                return NULL;
        if (is_refused(governor, &view, why))
                return control_refuse(error, 4, "govctl limits AGENT", "%s", why);
        if (is_unfit(governor, &view, error) || !orders_have_room(governor, error))
                return NULL;
        usage = usage_of(governor, &view);
        if (!propose_allows(&trial.limits, &usage, allowed))
                return control_refuse(error, 2, "govctl limits AGENT", "%s", allowed);
        order_from(request, who);
        trial.number = judge_trial_next(governor->judge);
        trial.agent = view.id;
        trials_tell(governor, TRIAL_BEGIN, &trial, span);
        if (!view_find_trial(governor, trial.number, &trial))
                return control_refuse(error, 1, "govctl trials", "there is no room for one more trial");
        order_waits_for_trial(governor, request, error, &trial, ACTION_LIMIT);
        return NULL;
}

void limiting_expire(struct governor *governor, usec_t now)
{
        struct control_error error = { .exit_code = 7 };

        for (struct limiting_query *query = governor->limiting_queries, *next; query; query = next) {
                next = query->next;
                if (query->deadline > now)
                        continue;
                control_refuse(&error, 7, "govctl doctor", "systemd does not answer");
                control_answer(governor->control, &query->ticket, NULL, &error);
                query_free(query);
        }
}

void limiting_end(struct governor *governor)
{
        while (governor->limiting_queries) {
                json_decref(governor->limiting_queries->ticket.id);
                query_free(governor->limiting_queries);
        }
}
