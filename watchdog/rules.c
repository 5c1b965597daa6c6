#include <errno.h>
#include <string.h>

#include "io/cleanup.h"
#include "io/digest.h"
#include "io/log.h"
#include "memory.h"
#include "observers.h"
#include "rules.h"

static int digest_policy(struct policy *policy)
{
        _cleanup_free_ char *text = NULL;
        int r = policy_normalise(policy, &text);

        if (r < 0)
                return r;
        digest_hex(text, strlen(text), policy->digest);
        return 0;
}

static void log_messages(const struct policy_messages *messages)
{
        char text[POLICY_RENDER_MAX];

        for (size_t i = 0; i < messages->n; i++)
                log_with(messages->list[i].warning ? LOG_WARNING : LOG_ERR, NULL, "%s",
                         policy_message_render(&messages->list[i], false, text));
}

/* At start a policy that is wrong means discovery in observe mode, said loudly. */
int rules_load_first(struct governor *governor)
{
        struct policy_messages messages = { 0 };
        int r = policy_load(governor->options.config, governor->options.policies, &governor->policy, &messages);

        log_messages(&messages);
        policy_messages_done(&messages);
        if (r == -EINVAL) {
                log_error("The policy has errors: governing by discovery, in observe mode, until it is right");
                governor->policy_bad = true;
                r = policy_discovered(&governor->policy);
        }
        return r < 0 ? r : digest_policy(governor->policy);
}

void rules_record(struct governor *governor, const char *outcome_text)
{
        json_t *details =
                json_pack("{s:s, s:b, s:i, s:s}", "digest", governor->policy->digest, "discovered",
                          governor->policy->discovered, "rules", (int)governor->policy->rules_n, "text", outcome_text);
        struct audit_entry entry = {
                .action = "policy.load",
                .subject = "policy",
                .outcome = AUDIT_INFO,
                .details = details,
        };

        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
}

int governor_reload(struct governor *governor, struct policy_messages *ret_messages)
{
        struct policy *policy = NULL, *old = governor->policy;
        int r = policy_load(governor->options.config, governor->options.policies, &policy, ret_messages);

        log_messages(ret_messages);
        if (r >= 0)
                r = digest_policy(policy);
        if (r < 0) {
                policy_free(policy);
                rules_record(governor, "refused: it has errors, the old policy stays");
                log_error("The policy has errors: the old one stays");
                return r;
        }
        governor_tick(governor); /* what is due is decided by the old one, and by the new one all else as of now */
        policy->daemon.agents_max = old->daemon.agents_max; /* capacities are fixed for the life of the daemon */
        governor->policy = policy;
        governor->policy_bad = false;
        judge_set_policy(governor->judge, policy);
        policy_free(old);
        rules_record(governor, "loaded");
        anchoring_reload(governor);
        memory_write(governor, true);
        observers_again(governor->observers);
        governor_arm(governor);
        log_info("Policy loaded: %u rules", policy->rules_n);
        return 0;
}
