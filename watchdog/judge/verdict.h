#pragma once
/* What becomes of an action that an agent asks for: the rule's numbers against the parameters'. Pure; nothing is remembered. */
#include "policy/policy.h"

enum verdict {
        VERDICT_ALLOWED,
        VERDICT_ASK, /* a human says */
        VERDICT_DENIED,
};

struct parameter {
        const char *name, *text;
};

#define VERDICT_WHY_MAX 192
struct judged {
        enum verdict verdict;
        const struct action_rule *rule; /* NULL: the policy has none */
        char why[VERDICT_WHY_MAX];      /* for the agent, the human and the log */
};

/*
 * Any of the parameters that the rule names decides: too much of one is too much. One that the rule names and that is missing, no
 * number or negative makes it denied.
 */
void verdict_of(const struct policy *policy, const char *action, const struct parameter *parameters, unsigned n,
                struct judged *ret);

/* The same for what a human changes it to: whatever deny_above forbids is forbidden to them too. VERDICT_ASK: it may be approved. */
void verdict_of_change(const struct action_rule *rule, const struct parameter *parameters, unsigned n,
                       struct judged *ret);
