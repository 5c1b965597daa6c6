/* The calls behind the control socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "changes.h"
#include "evidence.h"
#include "governor_inside.h"
#include "io/cleanup.h"
#include "limiting.h"
#include "orders.h"
#include "trials.h"
#include "versions.h"
#include "views.h"

#define STORY_MAX 200          /* records in an answer to `why` */
#define STORY_LOOKS_MAX 200000 /* records that are looked at for it: the newest ones */

/* ---- what is asked ------------------------------------------------------------------------------------------------------- */

static json_t *answer_status(void *self, const struct control_request *request, struct control_error *error)
{
        (void)request, (void)error;
        return json_pack("{s:i, s:o, s:o, s:o, s:o}", "schema_version", SCHEMA_VERSION, "machine", view_machine(self),
                         "agents", view_agents(self, NULL), "sources", view_sources(self), "trials",
                         view_trials(self, NULL, false));
}

static json_t *answer_agents(void *self, const struct control_request *request, struct control_error *error)
{
        const char *name = json_string_value(json_object_get(request->params, "name"));
        json_t *agents = view_agents(self, name);

        if (name && json_array_size(agents) == 0) {
                char safe[128];

                json_decref(agents);
                text_copy_safe(safe, sizeof(safe), name);
                return control_refuse(error, 5, "govctl agents", "there is no agent '%s'", safe);
        }
        return json_pack("{s:i, s:o}", "schema_version", SCHEMA_VERSION, "agents", agents);
}

static json_t *answer_incidents(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        bool all = json_is_true(json_object_get(request->params, "all"));
        json_t *list = json_array();
        struct incident_view view;

        (void)error;
        for (uint64_t below = UINT64_MAX; judge_incident_below(governor->judge, below, &view); below = view.incident)
                if (all || view.open)
                        json_array_append_new(list, view_incident(&view));
        return json_pack("{s:i, s:o}", "schema_version", SCHEMA_VERSION, "incidents", list);
}

/* ---- why ------------------------------------------------------------------------------------------------------------------ */

/* The story of a subject or an incident: its newest records, in order. */
static json_t *story_of(const struct governor *governor, const char *incident, const char *agent)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
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
                if (view_find_incident(governor, number, &incident) == 0) {
                        json_object_set_new(answer, "incident", view_incident(&incident));
                        if (incident.open && incident.cause == CAUSE_MEMORY_FLOOR)
                                json_object_set_new(answer, "memory_floor", view_floor(governor));
                } else if (json_array_size(story) == 0) {
                        json_decref(answer);
                        return control_refuse(error, 5, "govctl incidents --all", "there is no incident '%s'", what);
                }
                return answer;
        }
        if (view_find_agent(governor, what, error, &agent) < 0)
                return NULL;
        answer = json_pack("{s:i, s:s, s:o, s:o, s:o}", "schema_version", SCHEMA_VERSION, "subject", agent.id, "agent",
                           view_agent(&agent), "story", story_of(governor, NULL, agent.id), "trials",
                           view_trials(governor, agent.id, false));
        if (view_find_incident(governor, agent.incident, &incident) == 0)
                json_object_set_new(answer, "incident", view_incident(&incident));
        return answer;
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
        json_t *answer = r == -EPERM ? control_refuse(error, 4, "govctl reload --sign-request",
                                                      "the policy became looser than what was signed meanwhile")
                                     : json_pack("{s:i, s:b, s:o}", "schema_version", SCHEMA_VERSION, "ok", r == 0,
                                                 "messages", messages_json(&messages));

        (void)request;
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
        order_from(request, who);
        if (set && (strcmp(set, "on") == 0) != governor->safe_mode)
                governor_set_safe_mode(governor, strcmp(set, "on") == 0, who, "asked");
        return json_pack("{s:i, s:b}", "schema_version", SCHEMA_VERSION, "safe_mode", governor->safe_mode);
}

static json_t *answer_disarm(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        char who[64];

        (void)error;
        order_from(request, who);
        governor_disarm(governor, who);
        return json_pack("{s:i, s:b, s:s}", "schema_version", SCHEMA_VERSION, "disarmed", true, "footprint",
                         governor->footprint_path);
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
        return json_pack("{s:i, s:o}", "schema_version", SCHEMA_VERSION, "agents", view_agents(self, NULL));
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
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
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
        [METHOD_STATUS] = answer_status,
        [METHOD_AGENTS] = answer_agents,
        [METHOD_INCIDENTS] = answer_incidents,
        [METHOD_WHY] = answer_why,
        [METHOD_RESTART] = order_restart,
        [METHOD_RELEASE] = order_release,
        [METHOD_ACKNOWLEDGE] = order_acknowledge,
        [METHOD_RELOAD] = answer_reload,
        [METHOD_SAFE_MODE] = answer_safe_mode,
        [METHOD_DISARM] = answer_disarm,
        [METHOD_POLICY] = answer_policy,
        [METHOD_DISCOVER] = answer_discover,
        [METHOD_SUBSCRIBE] = answer_subscribe,
        [METHOD_VERSION] = answer_version,
        [METHOD_AUDIT_HEAD] = evidence_head,
        [METHOD_AUDIT_SEAL] = evidence_seal,
        [METHOD_AUDIT_ARCHIVE] = archiving_order,
        [METHOD_AUDIT_ROTATE] = evidence_rotate,
        [METHOD_AUDIT_RESTORED] = evidence_restored,
        [METHOD_WITNESSES] = evidence_witnesses,
        [METHOD_HISTORY] = sampling_history,
        [METHOD_WITNESS_ADD] = evidence_witness_add,
        [METHOD_WITNESS_REMOVE] = evidence_witness_remove,
        [METHOD_ADD_CHECKPOINT] = evidence_add_checkpoint,
        [METHOD_COSIGN] = evidence_cosign,
        [METHOD_WITNESS_REFUSED] = evidence_witness_refused,
        [METHOD_CHANGE_OPEN] = change_open,
        [METHOD_CHANGE_CLOSE] = change_close,
        [METHOD_CHANGES] = change_list,
        [METHOD_PLANNED] = change_planned,
        [METHOD_LIMITS] = limiting_show,
        [METHOD_LIMIT] = limiting_begin,
        [METHOD_TRIALS] = trials_list,
        [METHOD_KEEP] = trials_keep,
        [METHOD_UNDO] = trials_undo,
        [METHOD_ROLLBACK] = order_rollback,
        [METHOD_VERSIONS] = versions_list,
        [METHOD_VERSION_DIFF] = versions_diff,
        [METHOD_ASK] = request_ask,
        [METHOD_REQUEST] = request_state,
        [METHOD_WITHDRAW] = request_withdraw,
        [METHOD_REQUESTS] = request_list,
        [METHOD_REQUEST_SHOW] = request_show,
        [METHOD_APPROVE] = request_approve,
        [METHOD_MODIFY] = request_modify,
        [METHOD_REJECT] = request_reject,
        [METHOD_APPROVERS] = approving_list,
        [METHOD_APPROVER_ADD] = approving_add,
        [METHOD_APPROVER_REMOVE] = approving_remove,
        [METHOD_APPROVER_RECOVER] = approving_recover,
};
