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

DEFINE_CLEANUP_FUNC(struct policy *, policy_free);

/* Each argument is a file that may be read: one that is not is no error of a policy. Complains. */
enum code local_check_readable(const struct call *call);

/* How long a log that begins now will keep its records. They are fixed in its first record for good, so a policy with errors
 * is no reason to guess: complains. */
enum code local_retention(struct call *call, unsigned *ret_days);
