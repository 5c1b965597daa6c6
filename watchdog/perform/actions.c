#include "perform/perform.h"

/* This table is the daemon's power over the host. What is not in it cannot be done.
 *
 * Nothing here is a safety act yet: a restart or stop that cannot be recorded is not done. */
/* clang-format off */
static const struct power powers[ACTION_N] = {
        /*                   name        audited                 safety  undone by      outlives us */
        [ACTION_RESTART] = { "restart",  AUDIT_BEFORE_AND_AFTER, false,  ACTION_NONE,   false },
        [ACTION_STOP]    = { "stop",     AUDIT_BEFORE_AND_AFTER, false,  ACTION_START,  true  },
        [ACTION_START]   = { "start",    AUDIT_BEFORE_AND_AFTER, false,  ACTION_STOP,   false },
};
/* clang-format on */

const struct power *perform_power(enum action action)
{
        return action > ACTION_NONE && action < ACTION_N ? &powers[action] : NULL;
}
