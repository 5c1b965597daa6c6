#pragma once
/* Which policy rules: loaded at start, swapped whole or not at all, each load recorded. */
#include "governor_inside.h"

/* At start a policy that is wrong means discovery in observe mode, said loudly. */
int rules_load_first(struct governor *governor);

/*
 * In which ways the policy on disk is looser than the one that rules, a line each; allocated, "" when it is not. -EINVAL: it has
 * errors, and would not be loaded.
 */
int rules_compare_disk(const struct governor *governor, char ret_digest[POLICY_DIGEST_MAX], char **ret);

/* Once somebody approves, the ruling policy is kept in the state directory, and goes on ruling until another may. */
void rules_keep(struct governor *governor);

/* At start: a policy on disk that is looser than the kept one, and that nobody signed, does not rule. Before there is a judge. */
void rules_hold(struct governor *governor);

/* Records which policy rules and how it came to that. */
void rules_record(struct governor *governor, const char *text);
