#pragma once
/* Matching of single rules, for the checks that policy_load() makes between them. */
#include "policy/policy.h"

bool rule_matches(const struct rule *rule, const char *agent);

/* Whether it is certain that every agent that `narrow` matches is matched by `wide` too. */
bool rule_covers(const struct rule *wide, const struct rule *narrow);

/* Whether one of the rule's `except` takes the path out of it. */
bool file_rule_excepts(const struct file_rule *rule, const char *path);
