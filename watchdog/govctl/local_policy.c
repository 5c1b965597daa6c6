#include "govctl/local_policy.h"
#include "govctl/verbs.h"

#include <limits.h>
#include <string.h>

const char *local_config(const struct call *call)
{
        return call->options.config ? call->options.config : "/etc/governor/governor.yaml";
}

const char *local_policies(const struct call *call)
{
        return call->options.policies ? call->options.policies : "/etc/governor/policies.d";
}

struct policy *local_policy(struct call *call, const char *root)
{
        char config[PATH_MAX], policies[PATH_MAX];
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;
        bool here = strcmp(root, "/") == 0;

        snprintf(config, sizeof config, "%s%s", here ? "" : root, local_config(call));
        snprintf(policies, sizeof policies, "%s%s", here ? "" : root, local_policies(call));
        (void)policy_load(config, policies, &policy, &messages);
        policy_messages_done(&messages);
        return policy;
}

enum code local_retention(struct call *call, unsigned *ret_days)
{
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;
        int r = policy_load(local_config(call), local_policies(call), &policy, &messages);

        policy_messages_done(&messages);
        if (r < 0)
                return call_complain(call, CODE_FAILURE, "no log was begun",
                                     "the policy has errors, and a log keeps the retention it begins with",
                                     "govctl policy check, then the same again");
        *ret_days = policy->audit.retention_days;
        policy_free(policy);
        return CODE_OK;
}

enum code local_check_readable(const struct call *call)
{
        for (unsigned i = 0; i < call->arguments_n; i++) {
                char what[512], next[64];

                if (access(call->arguments[i], R_OK) == 0)
                        continue;
                snprintf(what, sizeof what, "cannot read %.400s", call->arguments[i]);
                snprintf(next, sizeof next, "govctl %s FILE...", call->verb->name);
                return call_complain(call,
                                     errno == ENOENT   ? CODE_NOT_FOUND
                                     : errno == EACCES ? CODE_DENIED
                                                       : CODE_FAILURE,
                                     what, strerror(errno), next);
        }
        return CODE_OK;
}
