#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/cleanup.h"
#include "io/digest.h"
#include "io/file.h"
#include "io/log.h"
#include "memory.h"
#include "observers.h"
#include "policy/looser.h"
#include "recall.h"
#include "rules.h"

#define KEPT_MAX (8 << 20)

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

/* ---- what an approver has to agree to -------------------------------------------------------------------------------------- */

int rules_compare_disk(const struct governor *governor, char ret_digest[POLICY_DIGEST_MAX], char **ret)
{
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;
        int r = policy_load(governor->options.config, governor->options.policies, &policy, &messages);

        if (r >= 0)
                r = digest_policy(policy);
        if (r >= 0)
                r = policy_looser(governor->policy, policy, ret);
        if (r >= 0)
                memcpy(ret_digest, policy->digest, POLICY_DIGEST_MAX);
        policy_free(policy);
        policy_messages_done(&messages);
        return r;
}

/* What cannot be compared counts as looser. */
static bool may_rule(const struct governor *governor, const struct policy *policy)
{
        _cleanup_free_ char *looser = NULL;

        if (!approving_guards(governor) || strcmp(policy->digest, governor->approving.agreed) == 0)
                return true;
        return policy_looser(governor->policy, policy, &looser) >= 0 && looser[0] == '\0';
}

/* Named as governor.yaml is, because it holds what only that may. */
static int kept_path(const struct governor *governor, char **ret)
{
        return asprintf(ret, "%s/keys/ruling/governor.yaml", governor->options.state) < 0 ? -ENOMEM : 0;
}

static int write_kept(const char *path, const char *text)
{
        _cleanup_free_ char *directory = strndup(path, (size_t)(strrchr(path, '/') - path));
        int r = directory ? file_make_directory(directory, 0700) : -ENOMEM;

        return r < 0 ? r : file_write_atomic(path, text, strlen(text), 0600);
}

void rules_keep(struct governor *governor)
{
        _cleanup_free_ char *text = NULL, *path = NULL;
        char digest[DIGEST_HEX_MAX] = "";
        int r;

        if (!approving_stands(governor))
                return;
        if (governor->policy->discovered) { /* there is nothing in it that could be loosened */
                approving_rules(governor, "");
                return;
        }
        r = kept_path(governor, &path);
        if (r >= 0)
                r = policy_show(governor->policy, false, &text);
        if (r >= 0)
                r = write_kept(path, text);
        if (r < 0) {
                log_failure(r, "Cannot keep the policy: after a restart only the audit log knows what ruled");
                text = NULL;
        }
        if (text)
                digest_hex(text, strlen(text), digest);
        approving_rules(governor, digest[0] ? digest : "-");
}

/* What was kept, if nobody has touched it; else what the judge went by, which stands in the audit log. */
static int read_kept(const struct governor *governor, char **ret_path, char **ret_text)
{
        char digest[DIGEST_HEX_MAX] = "";
        size_t size = 0;
        int r = kept_path(governor, ret_path);

        if (r < 0)
                return r;
        if (file_read(*ret_path, KEPT_MAX, ret_text, &size) >= 0)
                digest_hex(*ret_text, size, digest);
        if (digest[0] && (strcmp(digest, governor->approving.ruling) == 0 ||
                          strcmp(RULING_TRUSTED, governor->approving.ruling) == 0))
                return 0;
        log_error("'%s' is not what was kept there: what ruled is taken from the audit log", *ret_path);
        free(*ret_text);
        *ret_text = NULL;
        return recall_policy(governor->database, ret_text);
}

static int load_kept(const struct governor *governor, struct policy **ret)
{
        _cleanup_free_ char *path = NULL, *text = NULL;
        struct policy_messages messages = { 0 };
        int r = read_kept(governor, &path, &text);

        if (r >= 0)
                r = policy_load_text(path, text, strlen(text), ret, &messages);
        if (r >= 0)
                r = digest_policy(*ret);
        policy_messages_done(&messages);
        return r;
}

void rules_hold(struct governor *governor)
{
        _cleanup_free_ char *looser = NULL;
        struct policy *ruling = NULL;
        int r;

        if (!approving_guards(governor) || !governor->approving.ruling[0])
                return;
        r = load_kept(governor, &ruling);
        if (r >= 0)
                r = policy_looser(ruling, governor->policy, &looser);
        if (r < 0) {
                snprintf(governor->approving.why, sizeof(governor->approving.why),
                         "what ruled before is not known: the policy on disk rules, signed or not");
                log_failure(r, "Approvers: %s", governor->approving.why);
        }
        if (r < 0 || (!governor->policy_bad && !looser[0])) {
                policy_free(ruling);
                return;
        }
        log_error("The policy on disk is looser than the one that ruled, and nobody signed it: the old one goes on. %s",
                  looser);
        policy_free(governor->policy);
        governor->policy = ruling;
        governor->policy_held = true;
}

/* ---- another policy -------------------------------------------------------------------------------------------------------- */

static int refuse(struct governor *governor, struct policy *policy, int r)
{
        const char *why = r == -EPERM ? "refused: it is looser and no approver signed it, the old policy stays"
                                      : "refused: it has errors, the old policy stays";

        policy_free(policy);
        governor->approving.agreed[0] = '\0';
        rules_record(governor, why);
        log_error("The policy is %s", why);
        return r;
}

int governor_reload(struct governor *governor, struct policy_messages *ret_messages)
{
        struct policy *policy = NULL, *old = governor->policy;
        int r = policy_load(governor->options.config, governor->options.policies, &policy, ret_messages);

        log_messages(ret_messages);
        if (r >= 0)
                r = digest_policy(policy);
        if (r >= 0 && !may_rule(governor, policy))
                r = -EPERM;
        if (r < 0)
                return refuse(governor, policy, r);
        governor_tick(governor); /* what is due is decided by the old one, and by the new one all else as of now */
        policy->daemon.agents_max = old->daemon.agents_max; /* capacities are fixed for the life of the daemon */
        governor->policy = policy;
        governor->policy_bad = governor->policy_held = false;
        judge_set_policy(governor->judge, policy);
        policy_free(old);
        rules_record(governor, "loaded");
        anchoring_reload(governor);
        memory_write(governor, true);
        rules_keep(governor);
        observers_again(governor->observers);
        governor_arm(governor);
        log_info("Policy loaded: %u rules", policy->rules_n);
        return 0;
}
