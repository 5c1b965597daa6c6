/* What people order over the control socket: put to the judge as facts, answered when it is known what came of them. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "orders.h"
#include "views.h"

#define WAIT_FOR_OUTCOME (10 * USEC_PER_MINUTE)

void order_from(const struct control_request *request, char who[64])
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

bool orders_have_room(struct governor *governor, struct control_error *error)
{
        if (free_waiter(governor))
                return true;
        control_refuse(error, 1, "govctl status", "too many orders are under way");
        return false;
}

/* Puts the order to the judge as a fact; the answer comes with the outcome. */
static json_t *put_to_judge(struct governor *governor, const struct control_request *request,
                            struct control_error *error, const struct agent_view *agent, enum ask what, uint64_t number)
{
        const char *reason = json_string_value(json_object_get(request->params, "reason"));
        unsigned under_way = perform_under_way(governor->perform);
        struct waiter *waiter = free_waiter(governor);
        struct fact fact;
        char who[64], id[AGENT_ID_MAX];

        if (!orders_have_room(governor, error))
                return NULL;
        order_from(request, who);
        text_copy(id, sizeof(id), agent->id);
        fact = (struct fact){
                .kind = FACT_ASKED,
                .at = clock_now(&governor->clock),
                .manager = agent->manager,
                .agent = id,
                .instance = INSTANCE_ALL,
                .asked = { .ask = what, .number = number, .who = who, .reason = reason ? reason : "" },
        };
        governor_take(governor, &fact);
        if (perform_under_way(governor->perform) == under_way)
                return control_refuse(error, 1, "govctl why AGENT", "nothing was begun for %s: see its story", id);
        *waiter = (struct waiter){ .deadline = fact.at + WAIT_FOR_OUTCOME, .ticket = *request->later };
        text_copy(waiter->agent, sizeof(waiter->agent), id);
        error->later = true;
        return NULL;
}

void order_waits_for_trial(struct governor *governor, const struct control_request *request,
                           struct control_error *error, const struct trial_view *trial, enum action action)
{
        struct waiter *waiter = free_waiter(governor);

        *waiter = (struct waiter){ .trial = trial->number,
                                   .action = action,
                                   .deadline = clock_now(&governor->clock) + WAIT_FOR_OUTCOME,
                                   .ticket = *request->later };
        text_copy(waiter->agent, sizeof(waiter->agent), trial->agent);
        error->later = true;
}

static json_t *order(struct governor *governor, const struct control_request *request, struct control_error *error,
                     enum ask what)
{
        const char *word = json_string_value(json_object_get(request->params, "agent"));
        struct agent_view agent;

        if (view_find_agent(governor, word, error, &agent) < 0)
                return NULL;
        if (what == ASK_RELEASE && !agent.quarantined)
                return control_refuse(error, 1, "govctl status", "%s is not in quarantine, it is %s", agent.name,
                                      effective_name(agent.effective));
        return put_to_judge(governor, request, error, &agent, what, 0);
}

/* Back to the version that is named, or to the last one that was proven; the record says which. */
json_t *order_rollback(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *word = json_string_value(json_object_get(request->params, "agent"));
        const char *reason = json_string_value(json_object_get(request->params, "reason"));
        const json_t *to = json_object_get(request->params, "to");
        struct version_view version = { .number = 0 };
        struct agent_view agent;
        char why[REASON_MAX] = "";

        if (to && json_integer_value(to) <= 0)
                return control_refuse(error, 2, "govctl versions AGENT", "versions are numbered from 1");
        if (!reason[0])
                return control_refuse(error, 2, "--reason TEXT",
                                      "why its configuration goes back is to be kept in the log");
        if (view_find_agent(governor, word, error, &agent) < 0)
                return NULL;
        if (!judge_may_roll_back(governor->judge, agent.id, (uint64_t)json_integer_value(to), &version, why))
                return control_refuse(error, 1, "govctl versions AGENT", "%s: %s", agent.name, why);
        return put_to_judge(governor, request, error, &agent, ASK_ROLLBACK, version.number);
}

json_t *order_restart(void *self, const struct control_request *request, struct control_error *error)
{
        return order(self, request, error, ASK_RESTART);
}

json_t *order_release(void *self, const struct control_request *request, struct control_error *error)
{
        return order(self, request, error, ASK_RELEASE);
}

static void answer_waiter(struct governor *governor, struct waiter *waiter, enum outcome outcome, const char *text)
{
        struct trial_view trial;

        struct control_error error = { .exit_code = outcome == OUTCOME_TIMEOUT   ? 7
                                                    : outcome == OUTCOME_REFUSED ? 4
                                                                                 : 1 };
        json_t *result = NULL;

        if (outcome == OUTCOME_OK || outcome == OUTCOME_DRY)
                result = json_pack("{s:i, s:s, s:s, s:s}", "schema_version", SCHEMA_VERSION, "agent", waiter->agent,
                                   "outcome", outcome_name(outcome), "text", text);
        if (result && waiter->trial && view_find_trial(governor, waiter->trial, &trial))
                json_object_set_new(result, "trial", view_trial(&trial));
        if (!result)
                control_refuse(&error, error.exit_code, "govctl why AGENT", "%s: %s: %s", waiter->agent,
                               outcome_name(outcome), text);
        waiter->deadline = 0;
        control_answer(governor->control, &waiter->ticket, result, &error);
}

static bool is_awaited(const struct waiter *waiter, const struct fact *fact)
{
        if (waiter->deadline == 0 || strcmp(waiter->agent, fact->agent) != 0 || waiter->trial != fact->outcome.trial)
                return false;
        return waiter->trial == 0 || waiter->action == fact->outcome.action;
}

void orders_outcome(struct governor *governor, const struct fact *outcome)
{
        for (unsigned i = 0; i < WAITERS_MAX; i++)
                if (is_awaited(&governor->waiters[i], outcome))
                        answer_waiter(governor, &governor->waiters[i], outcome->outcome.outcome, outcome->outcome.text);
}

void orders_expire(struct governor *governor, usec_t now)
{
        for (unsigned i = 0; i < WAITERS_MAX; i++)
                if (governor->waiters[i].deadline && governor->waiters[i].deadline <= now)
                        answer_waiter(governor, &governor->waiters[i], OUTCOME_TIMEOUT, "no outcome yet");
}

json_t *order_acknowledge(void *self, const struct control_request *request, struct control_error *error)
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

        if (view_find_incident(governor, fact.asked.number, &incident) < 0 || !incident.open)
                return control_refuse(error, 5, "govctl incidents", "there is no open incident '%s'", name);
        order_from(request, who);
        governor_take(governor, &fact);
        view_find_incident(governor, fact.asked.number, &incident);
        return json_pack("{s:i, s:s, s:s}", "schema_version", SCHEMA_VERSION, "incident", name, "state",
                         incident.open ? "open" : "resolved");
}
