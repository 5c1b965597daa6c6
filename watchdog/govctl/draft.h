#pragma once
/* The policy files in force as they would be: edited, held against the parser once more, and told as a difference. */
#include <stdbool.h>

#include "policy/policy.h"

/* Where proposals go. The policy was read from these files, in their order; all are loans. */
struct draft_of {
        const struct policy *policy;
        const struct policy_text *files;
        size_t files_n;
        const char *root; /* the difference is to be applied in it: "/" */
};

struct draft;

/* 0 or a negative errno. */
int draft_new(const struct draft_of *of, struct draft **ret);
struct draft *draft_free(struct draft *draft);

/* A name for a class of this rule that no file has yet: as the rule is called, or as `id`, where nobody gave it a name. */
#define DRAFT_CLASS_MAX 65
void draft_new_class(const struct draft *draft, const struct rule *rule, const char *id, char name[DRAFT_CLASS_MAX]);

/* The ceiling of the rule's class, in the file where that counts; a rule without one gets a class of this name. A negative
 * errno: nothing was changed, or -ENOMEM. */
int draft_ceiling(struct draft *draft, const struct rule *rule, const char *class_name, uint64_t bytes);

/* A key of the rule, as it is to stand there. */
int draft_rule_key(struct draft *draft, const struct rule *rule, const char *key, const char *value);

/* The difference, "" when there is none; or our mistake, that what came of it would not load. Both are allocated. */
int draft_difference(const struct draft *draft, char **ret_diff, char **ret_mistake);

/* The same for a file that is not there yet. */
int draft_whole_file(const char *path, const char *text, char **ret_diff, char **ret_mistake);
