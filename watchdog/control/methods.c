#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "control/methods.h"

/* clang-format off */
static const struct method_row rows[METHOD_N] = {
        /*                        name              who                parameters: name, type, required */
        [METHOD_STATUS]         = { "status",         MAY_READ,          { { 0 } } },
        [METHOD_AGENTS]         = { "agents",         MAY_READ,          { { "name", JSON_STRING, false } } },
        [METHOD_INCIDENTS]      = { "incidents",      MAY_READ,          { { "all", JSON_TRUE, false } } },
        [METHOD_WHY]            = { "why",            MAY_READ,          { { "what", JSON_STRING, true } } },
        [METHOD_RESTART]        = { "restart",        MAY_ORDER,         { { "agent", JSON_STRING, true }, { "reason", JSON_STRING, false } } },
        [METHOD_RELEASE]        = { "release",        MAY_ORDER,         { { "agent", JSON_STRING, true }, { "reason", JSON_STRING, false } } },
        [METHOD_ACKNOWLEDGE]    = { "acknowledge",    MAY_ORDER,         { { "incident", JSON_STRING, true }, { "reason", JSON_STRING, true } } },
        [METHOD_RELOAD]         = { "reload",         MAY_ORDER,         { { 0 } } },
        [METHOD_SAFE_MODE]      = { "safe-mode",      MAY_ORDER,         { { "set", JSON_STRING, false } } },
        [METHOD_DISARM]         = { "disarm",         MAY_ORDER,         { { "all", JSON_TRUE, true } } },
        [METHOD_POLICY]         = { "policy",         MAY_READ,          { { 0 } } },
        [METHOD_DISCOVER]       = { "discover",       MAY_READ,          { { 0 } } },
        [METHOD_SUBSCRIBE]      = { "subscribe",      MAY_READ,          { { 0 } } },
        [METHOD_VERSION]        = { "version",        MAY_READ,          { { 0 } } },
        [METHOD_AUDIT_HEAD]     = { "audit-head",     MAY_READ_OR_CARRY, { { 0 } } },
        [METHOD_AUDIT_SEAL]     = { "audit-seal",     MAY_ORDER,         { { "nonce", JSON_STRING, false } } },
        [METHOD_AUDIT_ARCHIVE]  = { "audit-archive",  MAY_ORDER,         { { "before", JSON_STRING, true }, { "file", JSON_STRING, false } } },
        [METHOD_AUDIT_ROTATE]   = { "audit-rotate",   MAY_ORDER,         { { "reason", JSON_STRING, true } } },
        [METHOD_AUDIT_RESTORED] = { "audit-restored", MAY_ORDER,         { { "reason", JSON_STRING, true } } },
        [METHOD_HISTORY]        = { "history",        MAY_READ,          { { "agent", JSON_STRING, true }, { "since", JSON_INTEGER, false } } },
        [METHOD_WITNESSES]      = { "witnesses",      MAY_READ_OR_CARRY, { { 0 } } },
        [METHOD_WITNESS_ADD]    = { "witness-add",    MAY_ORDER,         { { "vkey", JSON_STRING, true }, { "url", JSON_STRING, true } } },
        [METHOD_WITNESS_REMOVE] = { "witness-remove", MAY_ORDER,         { { "name", JSON_STRING, true } } },
        [METHOD_ADD_CHECKPOINT] = { "add-checkpoint", MAY_CARRY,         { { "old_size", JSON_INTEGER, true } } },
        [METHOD_COSIGN]         = { "cosign",         MAY_CARRY,         { { "size", JSON_INTEGER, true }, { "line", JSON_STRING, true } } },
        [METHOD_WITNESS_REFUSED] = { "witness-refused", MAY_CARRY,       { { "name", JSON_STRING, true }, { "size", JSON_INTEGER, true }, { "text", JSON_STRING, true } } },
        [METHOD_CHANGE_OPEN]    = { "change-open",    MAY_ORDER,         { { "what", JSON_STRING, true }, { "reason", JSON_STRING, true }, { "seconds", JSON_INTEGER, false }, { "deploy", JSON_TRUE, false } } },
        [METHOD_CHANGE_CLOSE]   = { "change-close",   MAY_ORDER,         { { "what", JSON_STRING, false }, { "exit", JSON_INTEGER, false } } },
        [METHOD_CHANGES]        = { "changes",        MAY_READ,          { { 0 } } },
        [METHOD_LIMITS]         = { "limits",         MAY_READ,          { { "agent", JSON_STRING, true } } },
        [METHOD_LIMIT]          = { "limit",          MAY_ORDER,         { { "agent", JSON_STRING, true }, { "limits", JSON_OBJECT, true }, { "reason", JSON_STRING, false }, { "seconds", JSON_INTEGER, false } } },
        [METHOD_TRIALS]         = { "trials",         MAY_READ,          { { "all", JSON_TRUE, false } } },
        [METHOD_KEEP]           = { "keep",           MAY_ORDER,         { { "what", JSON_STRING, true }, { "reason", JSON_STRING, false } } },
        [METHOD_UNDO]           = { "undo",           MAY_ORDER,         { { "what", JSON_STRING, true }, { "reason", JSON_STRING, false } } },
        [METHOD_PLANNED]        = { "planned",        MAY_ORDER,         { { "incident", JSON_STRING, true }, { "reason", JSON_STRING, true } } },
        [METHOD_ROLLBACK]       = { "rollback",       MAY_ORDER,         { { "agent", JSON_STRING, true }, { "to", JSON_INTEGER, false }, { "reason", JSON_STRING, true } } },
        [METHOD_VERSIONS]       = { "versions",       MAY_READ,          { { "agent", JSON_STRING, true } } },
        [METHOD_VERSION_DIFF]   = { "version-diff",   MAY_ORDER,         { { "agent", JSON_STRING, true }, { "from", JSON_INTEGER, true }, { "to", JSON_INTEGER, true } } },
        [METHOD_ASK]            = { "ask",            MAY_ASK,           { { "action", JSON_STRING, true }, { "params", JSON_OBJECT, false }, { "reason", JSON_STRING, false }, { "seconds", JSON_INTEGER, false } } },
        [METHOD_REQUEST]        = { "request",        MAY_ASK,           { { "request", JSON_STRING, true }, { "wait", JSON_INTEGER, false } } },
        [METHOD_WITHDRAW]       = { "withdraw",       MAY_ASK,           { { "request", JSON_STRING, true } } },
        [METHOD_REQUESTS]       = { "requests",       MAY_READ,          { { "all", JSON_TRUE, false } } },
        [METHOD_REQUEST_SHOW]   = { "request-show",   MAY_READ,          { { "request", JSON_STRING, true }, { "full", JSON_TRUE, false } } },
        [METHOD_APPROVE]        = { "approve",        MAY_ORDER,         { { "request", JSON_STRING, true }, { "reason", JSON_STRING, false } } },
        [METHOD_MODIFY]         = { "modify",         MAY_ORDER,         { { "request", JSON_STRING, true }, { "params", JSON_OBJECT, true }, { "reason", JSON_STRING, false } } },
        [METHOD_REJECT]         = { "reject",         MAY_ORDER,         { { "request", JSON_STRING, true }, { "reason", JSON_STRING, false } } },
        [METHOD_APPROVERS]      = { "approvers",      MAY_READ,          { { 0 } } },
        [METHOD_APPROVER_ADD]   = { "approver-add",   MAY_ORDER,         { { "name", JSON_STRING, true }, { "key", JSON_STRING, true }, { "locked", JSON_STRING, false } } },
        [METHOD_APPROVER_REMOVE] = { "approver-remove", MAY_ORDER,       { { "name", JSON_STRING, true } } },
        [METHOD_APPROVER_RECOVER] = { "approver-recover", MAY_ORDER,     { { "code", JSON_STRING, false }, { "cancel", JSON_TRUE, false } } },
};
/* clang-format on */

const struct method_row *method_row(enum method method)
{
        return &rows[method];
}

bool method_is_for(const struct method_row *row, enum role role)
{
        return row->may & 1U << role;
}

enum method method_find(const char *name, const char **ret_near)
{
        unsigned best = 3; /* further away than that is no help */

        *ret_near = NULL;
        for (unsigned i = 0; i < METHOD_N; i++) {
                unsigned distance = text_distance(name, rows[i].name, best);

                if (distance == 0)
                        return (enum method)i;
                if (distance < best) {
                        best = distance;
                        *ret_near = rows[i].name;
                }
        }
        return METHOD_N;
}

static bool same_type(json_type want, const json_t *value)
{
        return want == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == want;
}

static const char *type_name(json_type type)
{
        switch (type) {
        case JSON_TRUE: return "boolean";
        case JSON_INTEGER: return "whole number";
        case JSON_OBJECT: return "object";
        default: return "string";
        }
}

static int check_known(const struct method_row *row, const json_t *params, char *text, size_t size)
{
        const char *key;
        json_t *value;

        json_object_foreach ((json_t *)(uintptr_t)params, key, value) {
                bool known = false;

                for (unsigned i = 0; i < METHOD_PARAMS_MAX && row->params[i].name; i++)
                        known |= strcmp(key, row->params[i].name) == 0;
                if (!known) {
                        char safe[64];

                        text_copy_safe(safe, sizeof(safe), key);
                        snprintf(text, size, "method '%s' takes no parameter '%s'", row->name, safe);
                        return -EINVAL;
                }
        }
        return 0;
}

int method_check(const struct method_row *row, const json_t *params, char *text, size_t size)
{
        if (params && !json_is_object(params)) {
                snprintf(text, size, "params must be an object");
                return -EINVAL;
        }
        for (unsigned i = 0; i < METHOD_PARAMS_MAX && row->params[i].name; i++) {
                const json_t *value = json_object_get(params, row->params[i].name);

                if (!value || json_is_null(value)) {
                        if (!row->params[i].required)
                                continue;
                        snprintf(text, size, "method '%s' needs the parameter '%s'", row->name, row->params[i].name);
                        return -EINVAL;
                }
                if (!same_type(row->params[i].type, value)) {
                        snprintf(text, size, "parameter '%s' of method '%s' must be a %s", row->params[i].name,
                                 row->name, type_name(row->params[i].type));
                        return -EINVAL;
                }
        }
        return check_known(row, params, text, size);
}
