#pragma once
/* In which ways a policy governs less than the one before it: what an approver has to agree to. */
#include "policy/keys.h"

/* Which way of changing a key loosens the policy. */
enum loosens {
        LOOSENS_UNSAID, /* nobody said so far: a test fails */
        LOOSENS_NEVER,  /* a name, or something that its own keys or other rows tell */
        LOOSENS_RAISED, /* a larger value, or a later word; where none is a limit that is not there, none is the largest */
        LOOSENS_LOWERED, /* a smaller value, or an earlier word; none is the smallest */
        LOOSENS_CHANGED, /* any other value */
        LOOSENS_GONE,    /* a section or an entry that is not there any more */
        LOOSENS_ADDED,   /* an entry that was not there before */
        LOOSENS_WINDOWS, /* a burst of restarts that was too many is not */
        LOOSENS_N,
};

enum loosens policy_loosens(enum section section, const char *key);

/*
 * Writes every way in which the new policy is looser, one a line, in words that name the rule and both values: a rule or path
 * that is gone, enforce that became observe, a limit raised, an exception added. Agents and files are compared by who owns them
 * under the one policy and under the other, so that order, names and spelling do not matter. Both were loaded by
 * policy_load() or its like. "" when it is not looser. 0 or -ENOMEM; allocated.
 */
int policy_looser(const struct policy *before, const struct policy *after, char **ret);
