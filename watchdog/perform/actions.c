#include "perform/perform.h"

/* This table is the daemon's power over the host. What is not in it cannot be done.
 *
 * A safety act waits for no disk, when the decision says that it is one: a critical agent that is dead is brought up. A stop
 * that cannot be recorded is never done.
 *
 * While a guarded file is not as it was sealed, somebody may read what was put there: it is put back first and recorded right
 * after, in the same turn of the loop. That makes nothing worse either, and a full disk must not be a way around it. */
/* clang-format off */
static const struct power powers[ACTION_N] = {
        /*                   name        audited                 safety  undone by       mark       marks */
        [ACTION_RESTART] = { "restart",  AUDIT_BEFORE_AND_AFTER, true,   ACTION_NONE,    "stopped", false },
        [ACTION_STOP]    = { "stop",     AUDIT_BEFORE_AND_AFTER, false,  ACTION_START,   "stopped", true  },
        [ACTION_START]   = { "start",    AUDIT_BEFORE_AND_AFTER, true,   ACTION_STOP,    "stopped", false },
        [ACTION_LIMIT]   = { "limit",    AUDIT_BEFORE_AND_AFTER, false,  ACTION_UNLIMIT, "limits",  true  },
        /* taking a file of our own away makes nothing worse: it waits for no disk either */
        [ACTION_UNLIMIT] = { "unlimit",  AUDIT_BEFORE_AND_AFTER, true,   ACTION_NONE,    "limits",  false },
        [ACTION_ROLLBACK] = { "rollback", AUDIT_BEFORE_AND_AFTER, false, ACTION_ROLLBACK, NULL,     false },
        [ACTION_RESTORE] = { "restore",  AUDIT_AFTER,            true,   ACTION_NONE,    NULL,      false },
};
/* clang-format on */

const struct power *perform_power(enum action action)
{
        return action > ACTION_NONE && action < ACTION_N ? &powers[action] : NULL;
}
