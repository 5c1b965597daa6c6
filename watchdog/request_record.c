/* What a request says: its parameters, its records, and what is shown of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/redact.h"
#include "base/text.h"
#include "governor_inside.h"
#include "io/cleanup.h"
#include "io/digest.h"
#include "views.h"

#define VALUE_MAX 1024 /* bytes of one parameter */

/* ---- parameters ------------------------------------------------------------------------------------------------------------ */

bool request_is_name(const char *name, const char *letters, size_t most)
{
        size_t length = strlen(name);

        return length > 0 && length <= most && strspn(name, letters) == length;
}

/* A value as the text that it is kept as; numbers as short as they can be without being others. */
static bool value_text(const json_t *value, char text[VALUE_MAX])
{
        if (json_is_string(value))
                return json_string_length(value) == strlen(json_string_value(value)) &&
                       text_copy(text, VALUE_MAX, json_string_value(value));
        if (json_is_integer(value))
                snprintf(text, VALUE_MAX, "%lld", (long long)json_integer_value(value));
        else if (json_is_real(value))
                snprintf(text, VALUE_MAX, "%.15g", json_real_value(value));
        else if (json_is_boolean(value))
                text_copy(text, VALUE_MAX, json_is_true(value) ? "true" : "false");
        else
                return false;
        return true;
}

bool request_params(const json_t *given, char ret[REQUEST_PARAMS_MAX], struct control_error *error)
{
        json_auto_t *canon = json_object();
        _cleanup_free_ char *text = NULL;
        char value_as_text[VALUE_MAX], safe[64];
        const char *key;
        json_t *value;

        json_object_foreach ((json_t *)(uintptr_t)given, key, value) {
                text_copy_safe(safe, sizeof(safe), key);
                if (!request_is_name(key, "abcdefghijklmnopqrstuvwxyz0123456789_", 32))
                        control_refuse(error, 2, "--param usd=1500",
                                       "'%s' is no name of a parameter: 1 to 32 of a-z, 0-9 and _", safe);
                else if (!value_text(value, value_as_text))
                        control_refuse(error, 2, "--param usd=1500",
                                       "the parameter '%s' is no text, number or boolean of less than %d bytes", safe,
                                       VALUE_MAX);
                else if (json_object_set_new(canon, key, json_string(value_as_text)) == 0)
                        continue;
                return false;
        }
        text = json_dumps(canon, JSON_SORT_KEYS | JSON_COMPACT);
        if (text && json_object_size(canon) <= REQUEST_PARAMETERS_MAX && text_copy(ret, REQUEST_PARAMS_MAX, text))
                return true;
        control_refuse(error, 2, "fewer or shorter parameters",
                       "a request has at most %d parameters of %d bytes in all", REQUEST_PARAMETERS_MAX,
                       REQUEST_PARAMS_MAX - 1);
        return false;
}

void request_text(const json_t *params, const char *key, char *ret, size_t size)
{
        const char *text = json_string_value(json_object_get(params, key));

        text_copy_safe(ret, size, text ? text : "");
}

/* The parameters for people; `full`: as they are. */
static json_t *params_view(const char *params, bool full)
{
        json_t *view = json_loads(params, 0, NULL), *value;
        const char *key;
        void *next;

        if (!json_is_object(view)) {
                json_decref(view);
                return json_object();
        }
        json_object_foreach_safe (view, next, key, value) {
                char line[VALUE_MAX + 40], safe[VALUE_MAX + 40];
                size_t before = strlen(key) + 1;

                if (full || !json_is_string(value))
                        continue;
                snprintf(line, sizeof(line), "%s=%s", key,
                         json_string_value(value)); /* a name may say what its value is */
                redact_line(line, strlen(line), safe, sizeof(safe));
                json_object_set_new(view, key, json_string(strlen(safe) > before ? safe + before : ""));
        }
        return view;
}

/* What the log holds of a request's content: the action and its parameters, as they were asked for or granted. */
static void digest_of(const struct request *request, const char *params, char ret[DIGEST_HEX_MAX])
{
        char text[REQUEST_ACTION_MAX + REQUEST_PARAMS_MAX + 1];
        int n = snprintf(text, sizeof(text), "%.64s\n%.4095s", request->action, params);

        digest_hex(text, (size_t)n, ret);
}

static const char *effective_params(const struct request *request)
{
        return request->granted[0] ? request->granted : request->params;
}

/* ---- records --------------------------------------------------------------------------------------------------------------- */

static void add_masked(json_t *details, const char *key, const char *text)
{
        char safe[REQUEST_REASON_MAX];

        if (!text[0])
                return;
        redact_line(text, strlen(text), safe, sizeof(safe));
        json_object_set_new(details, key, json_string(safe));
}

static json_t *details_of(const struct request *request)
{
        char digest[DIGEST_HEX_MAX];
        json_t *details;

        digest_of(request, effective_params(request), digest);
        details = json_pack("{s:I, s:s, s:s, s:o, s:i, s:i, s:s, s:s, s:s}", "number", (json_int_t)request->number,
                            "act", request->action, "digest", digest, "parameters",
                            params_view(effective_params(request), false), "uid", (int)request->uid, "pid",
                            (int)request->pid, "exe", request->exe, "rule", request->rule, "why", request->why);
        add_masked(details, "asker_says", request->reason);
        return details;
}

static enum audit_outcome outcome_of(enum request_state state)
{
        if (state == REQUEST_OPEN || state == REQUEST_WITHDRAWN)
                return AUDIT_INFO;
        return request_is_granted(state) ? AUDIT_OK : AUDIT_DENIED;
}

/* Durable and sealed on return: whoever asked hears of nothing that the log may still lose. */
int request_record(struct governor *governor, const struct request *request, const char *actor, uint64_t *ret_seq)
{
        json_auto_t *details = details_of(request);
        char verb[48];
        struct audit_entry entry = {
                .action = verb,
                .actor = actor,
                .subject = request->agent,
                .outcome = outcome_of(request->state),
                .details = details,
        };
        uint64_t seq;
        int r;

        snprintf(verb, sizeof(verb), "approval.%s",
                 request->state == REQUEST_OPEN ? "asked" : request_state_name(request->state));
        if (request->state == REQUEST_OPEN)
                json_object_set_new(details, "expires", json_integer((json_int_t)request->expires));
        if (request->answer_seq != request->asked_seq || request->state > REQUEST_DENIED)
                json_object_set_new(details, "asked", json_integer((json_int_t)request->asked_seq));
        add_masked(details, "reason", request->answer);
        r = chronicle_event_seq(governor->chronicle, &entry, &seq);
        if (r >= 0)
                r = chronicle_settle(governor->chronicle);
        if (r >= 0)
                *ret_seq = seq;
        return r;
}

/* Whether the record of that number is about this content. */
static bool record_says(const struct governor *governor, uint64_t seq, const char *verb, const struct request *request,
                        const char *params)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        struct audit_range range = { .from = seq, .to = seq };
        json_auto_t *body = NULL;
        const json_t *details;
        struct audit_item item;
        char digest[DIGEST_HEX_MAX];
        const char *found, *action;

        if (audit_reader_open(governor->database, &reader) < 0 || audit_reader_seek(reader, &range) < 0 ||
            audit_reader_next(reader, &item) <= 0 || item.seq != seq)
                return false;
        body = json_loadb(item.body, item.length, 0, NULL);
        details = json_object_get(body, "details");
        action = json_string_value(json_object_get(body, "action"));
        found = json_string_value(json_object_get(details, "digest"));
        digest_of(request, params, digest);
        return action && text_starts(action, "approval.") && strcmp(action + strlen("approval."), verb) == 0 && found &&
               strcmp(found, digest) == 0 &&
               json_integer_value(json_object_get(details, "number")) == (json_int_t)request->number;
}

bool request_is_vouched_for(const struct governor *governor, const struct request *request, struct control_error *error)
{
        enum request_state state = request->state;
        char name[REQUEST_NAME_MAX];

        if (state == REQUEST_OPEN ? record_says(governor, request->asked_seq, "asked", request, request->params)
                                  : record_says(governor, request->answer_seq, request_state_name(state), request,
                                                effective_params(request)))
                return true;
        control_refuse(
                error, 1, "ask again; govctl audit log --action 'approval.*'",
                "the audit log does not say of %s what outbox.db says: another program wrote to it, or the record "
                "is in an archive",
                request_name(name, request->number));
        return false;
}

/* A proof that the record stands in the sealed log, for whoever has the log's key; NULL when there is none to be had. */
static char *proof_of(const struct governor *governor, uint64_t seq)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        char *proof = NULL;

        if (audit_reader_open(governor->database, &reader) < 0 || audit_prove(reader, seq, &proof) < 0)
                return NULL;
        return proof;
}

/* ---- views ----------------------------------------------------------------------------------------------------------------- */

json_t *request_view(const struct governor *governor, const struct request *request, bool full)
{
        char name[REQUEST_NAME_MAX], reason[REQUEST_REASON_MAX];
        usec_t now = clock_now(&governor->clock);
        json_t *view;

        text_copy(reason, sizeof(reason), request->reason);
        if (!full)
                redact_line(request->reason, strlen(request->reason), reason, sizeof(reason));
        view = json_pack("{s:s, s:s, s:b, s:s, s:o, s:s, s:s, s:i, s:i, s:s, s:s, s:s, s:I, s:I}", "request",
                         request_name(name, request->number), "state", request_state_name(request->state), "granted",
                         request_is_granted(request->state), "action", request->action, "params",
                         params_view(request->params, full), "reason", reason, "agent", request->agent, "uid",
                         (int)request->uid, "pid", (int)request->pid, "exe", request->exe, "rule", request->rule, "why",
                         request->why, "created", (json_int_t)request->created, "expires",
                         (json_int_t)request->expires);
        if (request->state == REQUEST_OPEN)
                json_object_set_new(view, "seconds_left",
                                    json_integer(request->expires > now
                                                         ? (json_int_t)((request->expires - now) / USEC_PER_SEC)
                                                         : 0));
        if (request->state == REQUEST_OPEN)
                return view;
        if (request_is_granted(request->state))
                json_object_set_new(view, "granted_params", params_view(effective_params(request), full));
        json_object_update_new(view, json_pack("{s:s, s:s, s:I, s:I}", "by", request->by, "answer", request->answer,
                                               "answered", (json_int_t)request->answered, "record",
                                               (json_int_t)request->answer_seq));
        return view;
}

/* For whoever asked: with what it takes to check it. */
json_t *request_answer(const struct governor *governor, const struct request *request)
{
        json_t *view = request_view(governor, request, true);
        _cleanup_free_ char *proof = request->state == REQUEST_OPEN ? NULL : proof_of(governor, request->answer_seq);

        json_object_set_new(view, "schema_version", json_integer(SCHEMA_VERSION));
        if (proof)
                json_object_set_new(view, "proof", json_string(proof));
        return view;
}
