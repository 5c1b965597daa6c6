#pragma once
/* The policy files of this machine, as the daemon would read them. */
#include "govctl/call.h"
#include "io/cleanup.h"
#include "policy/policy.h"

/* --config and --policies, or what is installed. */
const char *local_config(const struct call *call);
const char *local_policies(const struct call *call);

/* The policy below `root`, or NULL when there is none that is right; its errors are `policy check`'s to tell. */
struct policy *local_policy(struct call *call, const char *root);

/* The files that it is read from, in their order, as they are: names and texts are allocated, see local_texts_done(). 0 or a
 * negative errno. */
struct local_texts {
        struct policy_text *list;
        size_t n;
};
int local_texts(struct call *call, const char *root, struct local_texts *ret);
void local_texts_done(struct local_texts *texts);

DEFINE_CLEANUP_FUNC(struct policy *, policy_free);

/* The policy of a run in the log: by its words there, or the one that is installed when it is the same. NULL: it is not known. */
struct relive_start;
struct policy *local_policy_then(const struct call *call, const struct relive_start *start);

/* Each argument is a file that may be read: one that is not is no error of a policy. Complains. */
enum code local_check_readable(const struct call *call);

/* How long a log that begins now will keep its records. They are fixed in its first record for good, so a policy with errors
 * is no reason to guess: complains. */
enum code local_retention(struct call *call, unsigned *ret_days);
