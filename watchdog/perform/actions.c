#include "perform/perform.h"

/* This table is the daemon's power over the host. What is not in it cannot be done.
 *
 * A safety act waits for no disk, when the decision says that it is one: a critical agent that is dead is brought up. A stop
 * that cannot be recorded is never done. */
/* clang-format off */
static const struct power powers[ACTION_N] = {
        /*                   name        audited                 safety  undone by      outlives us */
        [ACTION_RESTART] = { "restart",  AUDIT_BEFORE_AND_AFTER, true,   ACTION_NONE,   false },
        [ACTION_STOP]    = { "stop",     AUDIT_BEFORE_AND_AFTER, false,  ACTION_START,  true  },
        [ACTION_START]   = { "start",    AUDIT_BEFORE_AND_AFTER, true,   ACTION_STOP,   false },
};
/* clang-format on */

const struct power *perform_power(enum action action)
{
        return action > ACTION_NONE && action < ACTION_N ? &powers[action] : NULL;
}
