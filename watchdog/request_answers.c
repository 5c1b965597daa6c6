/* What people see of requests, and how they answer them. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "governor_inside.h"
#include "judge/verdict.h"
#include "orders.h"
#include "views.h"

#define LISTED_MAX 500 /* requests in one answer */

/* ---- looking ------------------------------------------------------------------------------------------------------------------ */

struct listing {
        const struct governor *governor;
        json_t *list;
};

static void list_one(void *self, const struct request *request)
{
        struct listing *listing = self;

        json_array_append_new(listing->list, request_view(listing->governor, request, false));
}

json_t *request_list(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct listing listing = { .governor = governor, .list = json_array() };
        bool all = json_is_true(json_object_get(request->params, "all"));
        int r = governor->requests.outbox ? outbox_each(governor->requests.outbox, all, LISTED_MAX, list_one, &listing)
                                          : -EIO;

        if (r < 0) {
                json_decref(listing.list);
                return control_refuse(error, 1, "govctl status", "outbox.db cannot be read: %s", strerror(-r));
        }
        return json_pack("{s:i, s:o}", "schema_version", SCHEMA_VERSION, "requests", listing.list);
}

json_t *request_show(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        bool full = json_is_true(json_object_get(request->params, "full"));
        struct control_error doubt = { .exit_code = 0 };
        struct kept_request kept;
        json_t *view;

        if (full && request->role != ROLE_OPERATOR)
                return control_refuse(error, 4, "govctl show REQUEST", "only root sees a request with its secrets");
        if (!request_find(governor, request, &kept, error))
                return NULL;
        view = request_view(governor, &kept.request, full);
        json_object_set_new(view, "schema_version", json_integer(SCHEMA_VERSION));
        if (!request_is_vouched_for(governor, &kept.request, &doubt))
                json_object_set_new(view, "doubt", json_string(doubt.why));
        return view;
}

/* ---- answering ---------------------------------------------------------------------------------------------------------------- */

static bool find_open(struct governor *governor, const struct control_request *request, struct kept_request *ret,
                      struct control_error *error)
{
        char name[REQUEST_NAME_MAX];

        if (!request_find(governor, request, ret, error))
                return false;
        request_name(name, ret->request.number);
        if (ret->request.state == REQUEST_OPEN && ret->request.expires > clock_now(&governor->clock))
                return request_is_vouched_for(governor, &ret->request, error);
        control_refuse(error, 1, "govctl requests", "%s is %s already", name,
                       ret->request.state == REQUEST_OPEN ? "expired" : request_state_name(ret->request.state));
        return false;
}

static json_t *conclude(struct governor *governor, const struct control_request *request, struct kept_request *kept,
                        enum request_state state, const char *by, const char *granted, struct control_error *error)
{
        char reason[REQUEST_REASON_MAX];
        json_t *view;

        request_text(request->params, "reason", reason, sizeof(reason));
        if (!request_conclude(governor, kept, state, by, reason, granted, error))
                return NULL;
        view = request_view(governor, &kept->request, false);
        json_object_set_new(view, "schema_version", json_integer(SCHEMA_VERSION));
        return view;
}

json_t *request_reject(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct kept_request kept;
        char who[64];

        if (!find_open(governor, request, &kept, error))
                return NULL;
        order_from(request, who);
        return conclude(governor, request, &kept, REQUEST_REJECTED, who, "", error);
}

/* Whether the policy denies it to whoever asks; its last word holds for humans too. */
static bool is_denied(const struct action_rule *rule, const char *params, struct judged *ret)
{
        struct parameter parameters[REQUEST_PARAMETERS_MAX];
        json_auto_t *object = json_loads(params, 0, NULL);
        unsigned n = 0;
        const char *key;
        json_t *value;

        json_object_foreach (object, key, value)
                if (n < REQUEST_PARAMETERS_MAX)
                        parameters[n++] = (struct parameter){ key, json_string_value(value) };
        verdict_of_change(rule, parameters, n, ret);
        return ret->verdict == VERDICT_DENIED;
}

/* By the policy as it is now, which may be another one than it was asked under. */
static bool may_be_granted(const struct governor *governor, const char *action, const char *params,
                           struct control_error *error)
{
        const struct action_rule *rule = policy_action(governor->policy, action);
        struct judged judged;

        if (!rule)
                control_refuse(error, 4, "govctl policy show", "no rule names this action any more");
        else if (!approval_is_by(&rule->approve, APPROVER_KEY))
                control_refuse(error, 4, "govctl policy show", "its rule lets no key approve it");
        else if (is_denied(rule, params, &judged))
                control_refuse(error, 4, "govctl policy show", "the policy denies it so: %s", judged.why);
        else
                return true;
        return false;
}

json_t *request_approve(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct kept_request kept;
        char by[64];

        if (!find_open(governor, request, &kept, error) || !may_be_granted(governor, kept.action, kept.params, error) ||
            !approving_proven(governor, by, error))
                return NULL;
        return conclude(governor, request, &kept, REQUEST_APPROVED, by, "", error);
}

json_t *request_modify(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const json_t *changes = json_object_get(request->params, "params");
        json_auto_t *params = NULL;
        struct kept_request kept;
        char granted[REQUEST_PARAMS_MAX], by[64];

        if (!find_open(governor, request, &kept, error))
                return NULL;
        params = json_loads(kept.params, 0, NULL);
        if (json_object_size(changes) == 0)
                return control_refuse(error, 2, "--param usd=500",
                                      "nothing is changed; to approve it as it is: approve");
        json_object_update(params, (json_t *)(uintptr_t)changes);
        if (!request_params(params, granted, error) || !may_be_granted(governor, kept.action, granted, error) ||
            !approving_proven(governor, by, error))
                return NULL;
        return conclude(governor, request, &kept, REQUEST_MODIFIED, by, granted, error);
}
