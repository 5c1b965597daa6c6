#include "trials.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "io/log.h"
#include "limiting.h"
#include "orders.h"
#include "views.h"

#define LOOK_EVERY USEC_PER_MINUTE

/* ---- which one is meant ---------------------------------------------------------------------------------------------------- */

/* By its number, or by its agent; of one agent's the one under way, else the one that is kept. */
static bool is_meant(const struct trial_view *view, const char *what)
{
        char number[24];

        snprintf(number, sizeof(number), "%llu", (unsigned long long)view->number);
        return strcmp(number, what) == 0 || (view->state != TRIAL_OVER && agent_answers_to(view->agent, what));
}

static bool find_meant(const struct governor *governor, const char *what, struct trial_view *ret,
                       struct control_error *error)
{
        char candidates[256] = "", safe[128];
        struct trial_view view;
        bool found = false, ambiguous = false;

        for (uint32_t n = 0; n < judge_trials(governor->judge); n++) {
                judge_trial(governor->judge, n, &view);
                if (!is_meant(&view, what))
                        continue;
                text_append(candidates, sizeof(candidates), "%s%llu (%s)", found ? ", " : "",
                            (unsigned long long)view.number, view.agent);
                ambiguous |= found && strcmp(ret->agent, view.agent) != 0;
                if (!found || ret->state == TRIAL_KEPT)
                        *ret = view;
                found = true;
        }
        text_copy_safe(safe, sizeof(safe), what);
        if (!found)
                control_refuse(error, 5, "govctl trials", "nothing of '%s' is on trial or kept", safe);
        else if (ambiguous)
                control_refuse(error, 2, "govctl trials", "'%s' is ambiguous: %s", safe, candidates);
        return found && !ambiguous;
}

/* ---- orders ---------------------------------------------------------------------------------------------------------------- */

void trials_tell(struct governor *governor, enum trial_step step, const struct trial_view *trial, usec_t span)
{
        char agent[AGENT_ID_MAX];
        struct fact fact = {
                .kind = FACT_TRIAL,
                .at = clock_now(&governor->clock),
                .manager = agent_manager(trial->agent),
                .agent = agent,
                .instance = INSTANCE_ALL,
                .trial = { .step = step,
                           .of = trial->of,
                           .number = trial->number,
                           .span = span,
                           .limits = trial->limits,
                           .by = trial->by,
                           .reason = trial->reason,
                           .why = "" },
        };

        text_copy(agent, sizeof(agent), trial->agent);
        governor_take(governor, &fact);
}

static json_t *order(struct governor *governor, const struct control_request *request, struct control_error *error,
                     enum trial_step step, const struct trial_view *meant)
{
        const char *reason = json_string_value(json_object_get(request->params, "reason"));
        struct trial_view trial = *meant;
        char who[64];

        order_from(request, who);
        trial.by = who;
        trial.reason = reason ? reason : "";
        trials_tell(governor, step, &trial, 0);
        view_find_trial(governor, meant->number, &trial);
        order_waits_for_trial(governor, request, error, &trial, step == TRIAL_KEEP ? ACTION_LIMIT : ACTION_UNLIMIT);
        return NULL;
}

json_t *trials_keep(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *what = json_string_value(json_object_get(request->params, "what"));
        struct trial_view trial;

        if (!find_meant(governor, what, &trial, error) || !orders_have_room(governor, error))
                return NULL;
        switch (trial.state) {
        case TRIAL_RUNNING: return order(governor, request, error, TRIAL_KEEP, &trial);
        case TRIAL_KEPT:
                return control_refuse(error, 1, "govctl trials", "trial %llu of %s is kept already",
                                      (unsigned long long)trial.number, trial.agent);
        case TRIAL_OVER:
                return control_refuse(error, 1, "govctl limits AGENT --apply", "trial %llu of %s is over: %s",
                                      (unsigned long long)trial.number, trial.agent, trial.why);
        default:
                return control_refuse(error, 1, "govctl trials", "trial %llu of %s is %s",
                                      (unsigned long long)trial.number, trial.agent, trial_state_name(trial.state));
        }
}

json_t *trials_list(void *self, const struct control_request *request, struct control_error *error)
{
        (void)error;
        return json_pack("{s:i, s:o}", "schema_version", SCHEMA_VERSION, "trials",
                         view_trials(self, NULL, json_is_true(json_object_get(request->params, "all"))));
}

/* ---- what is not there any more ---------------------------------------------------------------------------------------------- */

/* Whether the file that we wrote for it is there no more. */
static bool is_missing(const char *agent, enum limits_place place)
{
        char path[LIMITS_PATH_MAX];

        return text_starts(agent, "systemd:") && limits_path(place, agent + strlen("systemd:"), path) &&
               access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static bool is_gone(const struct trial_view *view)
{
        return view->of == TRIAL_OF_LIMITS && (view->state == TRIAL_RUNNING || view->state == TRIAL_KEPT) &&
               is_missing(view->agent, view->limits.place);
}

static void unlimit(struct governor *governor, const char *agent, enum limits_place place, const char *reason)
{
        struct decision undo = {
                .kind = DECIDE_ACT,
                .at = clock_now(&governor->clock),
                .agent = agent,
                .instance = INSTANCE_ALL,
                .manager = MANAGER_SYSTEMD,
                .action = ACTION_UNLIMIT,
                .purpose = PURPOSE_UNDO,
                .enforce = !governor->options.observe,
                .safety = true,
                .limits = { .place = place },
                .rule = "",
                .rule_file = "",
        };

        text_copy(undo.reason, sizeof(undo.reason), reason);
        log_with(LOG_NOTICE, NULL, "%s: unlimit (undo): %s", agent, undo.reason);
        perform_decision(governor->perform, &undo);
}

static void look_at_quotas(struct governor *governor, usec_t now)
{
        struct agent_view view;

        for (uint32_t n = 0; n < judge_agents(governor->judge); n++) {
                judge_agent(governor->judge, n, now, &view);
                if (view.cpu.held_percent > 0 && is_missing(view.id, LIMITS_QUOTA))
                        unlimit(governor, view.id, LIMITS_QUOTA, "somebody else removed its CPU quota");
        }
}

/* Taking it back finds nothing to remove, and sees to it that systemd knows. */
void trials_look(struct governor *governor, usec_t now)
{
        struct trial_view view;

        if (usec_since(now, governor->trials_looked_at) < LOOK_EVERY)
                return;
        governor->trials_looked_at = now;
        look_at_quotas(governor, now);
        for (uint32_t n = 0; n < judge_trials(governor->judge); n++) {
                judge_trial(governor->judge, n, &view);
                if (!is_gone(&view))
                        continue;
                view.by = "somebody else";
                view.reason = "its file is gone";
                trials_tell(governor, TRIAL_UNDO, &view, 0);
        }
}

/* ---- what nobody knows any more ---------------------------------------------------------------------------------------------- */

struct taking_back {
        struct governor *governor;
        const char *reason;
        const char *of; /* of agents that answer to this alone; NULL: of all */
        bool kept;
        unsigned n;
};

static bool is_known(const struct governor *governor, const char *agent, enum limits_place place)
{
        struct trial_view view;

        if (place == LIMITS_QUOTA)
                return judge_holds_quota(governor->judge, agent);
        for (uint32_t n = 0; n < judge_trials(governor->judge); n++) {
                judge_trial(governor->judge, n, &view);
                if (view.state != TRIAL_OVER && view.limits.place == place && strcmp(view.agent, agent) == 0)
                        return true;
        }
        return false;
}

/* `subject` is "AGENT FILE". */
static void take_back(void *self, const char *subject)
{
        struct taking_back *back = self;
        struct governor *governor = back->governor;
        const char *file = strrchr(subject, ' ');
        char agent[AGENT_ID_MAX] = "systemd:", unit[LIMITS_PATH_MAX];
        enum limits_place place = file ? limits_place_of(file + 1, unit) : LIMITS_NOWHERE;

        if (place == LIMITS_NOWHERE || (place == LIMITS_KEPT && !back->kept))
                return;
        text_append(agent, sizeof(agent), "%s", unit);
        if (is_known(governor, agent, place) || (back->of && !agent_answers_to(agent, back->of)))
                return;
        back->n++;
        unlimit(governor, agent, place, back->reason);
}

void trials_take_back(struct governor *governor, const char *reason, bool kept)
{
        struct taking_back back = { .governor = governor, .reason = reason, .kept = kept };

        if (governor->footprint)
                footprint_each(governor->footprint, "limits", take_back, &back);
}

/* Limits that were kept in a log that is lost: the footprint still knows them. */
static json_t *undo_unknown(struct governor *governor, const char *what, struct control_error *error)
{
        struct taking_back back = { .governor = governor, .reason = "asked for by a human", .of = what, .kept = true };

        if (governor->footprint)
                footprint_each(governor->footprint, "limits", take_back, &back);
        if (back.n == 0)
                return NULL; /* the error says that there is none */
        error->exit_code = 0;
        return json_pack("{s:i, s:s, s:s, s:s}", "schema_version", SCHEMA_VERSION, "agent", what, "outcome", "pending",
                         "text", "being taken back, as the footprint lists it");
}

json_t *trials_undo(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *what = json_string_value(json_object_get(request->params, "what"));
        struct trial_view trial;

        if (!find_meant(governor, what, &trial, error))
                return error->exit_code == 5 ? undo_unknown(governor, what, error) : NULL;
        if (!orders_have_room(governor, error))
                return NULL;
        switch (trial.state) {
        case TRIAL_BEGINNING:
        case TRIAL_RUNNING:
        case TRIAL_KEPT:
        case TRIAL_STUCK: return order(governor, request, error, TRIAL_UNDO, &trial);
        case TRIAL_OVER:
                return control_refuse(error, 1, "govctl trials", "trial %llu of %s is over already: %s",
                                      (unsigned long long)trial.number, trial.agent, trial.why);
        default:
                return control_refuse(error, 1, "govctl trials", "trial %llu of %s is %s now: try again in a moment",
                                      (unsigned long long)trial.number, trial.agent, trial_state_name(trial.state));
        }
}
