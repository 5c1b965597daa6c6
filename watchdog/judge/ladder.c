#include "judge/ladder.h"

/* clang-format off */
const struct ladder_cell ladder_table[LADDER_N][INPUT_N] = {
        [LADDER_OK] = {
                [INPUT_FOUND]        = { LADDER_SUSPECT },
        },
        [LADDER_SUSPECT] = {
                [INPUT_SLOW]         = { LADDER_STOPPING,    ACTION_STOP,    PURPOSE_BACKOFF,    WAIT_REPLY },
                [INPUT_SLOW_DOWN]    = { LADDER_BACKOFF,     ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_REVIVE]       = { LADDER_REVIVING,    ACTION_RESTART, PURPOSE_HEAL,       WAIT_REPLY },
                [INPUT_REVIVE_DOWN]  = { LADDER_REVIVING,    ACTION_START,   PURPOSE_HEAL,       WAIT_REPLY },
                [INPUT_CONFINE]      = { LADDER_CONFINING,   ACTION_STOP,    PURPOSE_QUARANTINE, WAIT_REPLY },
                [INPUT_CONFINE_DOWN] = { LADDER_QUARANTINED, ACTION_NONE,    PURPOSE_NONE,       WAIT_TRIAL },
                [INPUT_ROLLBACK]     = { LADDER_ROLLING,     ACTION_ROLLBACK, PURPOSE_HEAL,      WAIT_REPLY },
                [INPUT_PROVEN]       = { LADDER_OK },
                [INPUT_CLEARED]      = { LADDER_OK },
                [INPUT_ASKED]        = { LADDER_REVIVING,    ACTION_RESTART, PURPOSE_ASKED,      WAIT_REPLY },
                [INPUT_ASKED_BACK]   = { LADDER_ROLLING,     ACTION_ROLLBACK, PURPOSE_ASKED,     WAIT_REPLY },
        },
        [LADDER_STOPPING] = {
                [INPUT_DONE]         = { LADDER_BACKOFF,     ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_FAILED]       = { LADDER_RETRY,       ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_STALE]        = { LADDER_SUSPECT },
                [INPUT_DRY]          = { LADDER_TOLD,        ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_REFUSED]      = { LADDER_TOLD },
                [INPUT_LOST]         = { LADDER_STOPPING,    ACTION_NONE,    PURPOSE_NONE,       WAIT_LOOK },
                [INPUT_CLEARED]      = { LADDER_OK },
        },
        [LADDER_BACKOFF] = {
                [INPUT_DUE]          = { LADDER_STARTING,    ACTION_START,   PURPOSE_BACKOFF,    WAIT_REPLY },
                [INPUT_BORN]         = { LADDER_SETTLING,    ACTION_NONE,    PURPOSE_NONE,       WAIT_SETTLE },
                [INPUT_CLEARED]      = { LADDER_OK },
                [INPUT_RELEASE]      = { LADDER_STARTING,    ACTION_START,   PURPOSE_ASKED,      WAIT_REPLY },
                [INPUT_ASKED]        = { LADDER_STARTING,    ACTION_START,   PURPOSE_ASKED,      WAIT_REPLY },
                [INPUT_ASKED_BACK]   = { LADDER_STARTING,    ACTION_ROLLBACK, PURPOSE_ASKED,     WAIT_REPLY },
        },
        [LADDER_STARTING] = { /* whatever happens, it is not left down */
                [INPUT_DONE]         = { LADDER_SETTLING,    ACTION_NONE,    PURPOSE_NONE,       WAIT_SETTLE },
                [INPUT_FAILED]       = { LADDER_BACKOFF,     ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_STALE]        = { LADDER_SETTLING,    ACTION_NONE,    PURPOSE_NONE,       WAIT_SETTLE },
                [INPUT_DRY]          = { LADDER_BACKOFF,     ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_REFUSED]      = { LADDER_TOLD },
                [INPUT_LOST]         = { LADDER_STARTING,    ACTION_NONE,    PURPOSE_NONE,       WAIT_LOOK },
                [INPUT_DEATH]        = { LADDER_SUSPECT,     ACTION_NONE,    PURPOSE_NONE,       WAIT_NONE, .failed = true },
                [INPUT_CLEARED]      = { LADDER_OK },
        },
        [LADDER_REVIVING] = {
                [INPUT_DONE]         = { LADDER_SETTLING,    ACTION_NONE,    PURPOSE_NONE,       WAIT_SETTLE },
                [INPUT_FAILED]       = { LADDER_RETRY,       ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF, .failed = true },
                [INPUT_STALE]        = { LADDER_SETTLING,    ACTION_NONE,    PURPOSE_NONE,       WAIT_SETTLE },
                [INPUT_DRY]          = { LADDER_TOLD,        ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_REFUSED]      = { LADDER_TOLD },
                [INPUT_LOST]         = { LADDER_REVIVING,    ACTION_NONE,    PURPOSE_NONE,       WAIT_LOOK },
                [INPUT_DEATH]        = { LADDER_RETRY,       ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF, .failed = true },
                [INPUT_CLEARED]      = { LADDER_OK },
        },
        [LADDER_SETTLING] = {
                [INPUT_DUE]          = { LADDER_SUSPECT,     ACTION_NONE,    PURPOSE_NONE,       WAIT_NONE, .failed = true },
                [INPUT_DEATH]        = { LADDER_SUSPECT,     ACTION_NONE,    PURPOSE_NONE,       WAIT_NONE, .failed = true },
                [INPUT_PROVEN]       = { LADDER_OK },
                [INPUT_CLEARED]      = { LADDER_OK },
                [INPUT_ASKED]        = { LADDER_REVIVING,    ACTION_RESTART, PURPOSE_ASKED,      WAIT_REPLY },
                [INPUT_ASKED_BACK]   = { LADDER_ROLLING,     ACTION_ROLLBACK, PURPOSE_ASKED,     WAIT_REPLY },
        },
        [LADDER_CONFINING] = {
                [INPUT_DONE]         = { LADDER_QUARANTINED, ACTION_NONE,    PURPOSE_NONE,       WAIT_TRIAL },
                [INPUT_FAILED]       = { LADDER_RETRY,       ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_STALE]        = { LADDER_SUSPECT },
                [INPUT_DRY]          = { LADDER_TOLD,        ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_REFUSED]      = { LADDER_TOLD },
                [INPUT_LOST]         = { LADDER_CONFINING,   ACTION_NONE,    PURPOSE_NONE,       WAIT_LOOK },
                [INPUT_CLEARED]      = { LADDER_OK },
        },
        [LADDER_QUARANTINED] = {
                [INPUT_DUE]          = { LADDER_TRYING,      ACTION_START,   PURPOSE_TRIAL,      WAIT_REPLY },
                [INPUT_DUE_SPENT]    = { LADDER_GIVEN_UP },
                [INPUT_BORN]         = { LADDER_TRIAL,       ACTION_NONE,    PURPOSE_NONE,       WAIT_SETTLE },
                [INPUT_RELEASE]      = { LADDER_TRYING,      ACTION_START,   PURPOSE_ASKED,      WAIT_REPLY },
                [INPUT_ASKED]        = { LADDER_TRYING,      ACTION_START,   PURPOSE_ASKED,      WAIT_REPLY },
                [INPUT_ASKED_BACK]   = { LADDER_TRYING,      ACTION_ROLLBACK, PURPOSE_ASKED,     WAIT_REPLY },
                [INPUT_CLEARED]      = { LADDER_OK },
        },
        [LADDER_TRYING] = {
                [INPUT_DONE]         = { LADDER_TRIAL,       ACTION_NONE,    PURPOSE_NONE,       WAIT_SETTLE },
                [INPUT_FAILED]       = { LADDER_QUARANTINED, ACTION_NONE,    PURPOSE_NONE,       WAIT_TRIAL, .failed = true },
                [INPUT_STALE]        = { LADDER_TRIAL,       ACTION_NONE,    PURPOSE_NONE,       WAIT_SETTLE },
                [INPUT_DRY]          = { LADDER_QUARANTINED, ACTION_NONE,    PURPOSE_NONE,       WAIT_TRIAL },
                [INPUT_REFUSED]      = { LADDER_GIVEN_UP },
                [INPUT_LOST]         = { LADDER_TRYING,      ACTION_NONE,    PURPOSE_NONE,       WAIT_LOOK },
                [INPUT_DEATH]        = { LADDER_SUSPECT,     ACTION_NONE,    PURPOSE_NONE,       WAIT_NONE, .failed = true },
                [INPUT_CLEARED]      = { LADDER_OK },
        },
        [LADDER_TRIAL] = {
                [INPUT_DUE]          = { LADDER_SUSPECT,     ACTION_NONE,    PURPOSE_NONE,       WAIT_NONE, .failed = true },
                [INPUT_DEATH]        = { LADDER_SUSPECT,     ACTION_NONE,    PURPOSE_NONE,       WAIT_NONE, .failed = true },
                [INPUT_PROVEN]       = { LADDER_OK },
                [INPUT_CLEARED]      = { LADDER_OK },
        },
        [LADDER_GIVEN_UP] = {
                [INPUT_BORN]         = { LADDER_TRIAL,       ACTION_NONE,    PURPOSE_NONE,       WAIT_SETTLE },
                [INPUT_RELEASE]      = { LADDER_TRYING,      ACTION_START,   PURPOSE_ASKED,      WAIT_REPLY },
                [INPUT_ASKED]        = { LADDER_TRYING,      ACTION_START,   PURPOSE_ASKED,      WAIT_REPLY },
                [INPUT_ASKED_BACK]   = { LADDER_TRYING,      ACTION_ROLLBACK, PURPOSE_ASKED,     WAIT_REPLY },
                [INPUT_CLEARED]      = { LADDER_OK },
        },
        [LADDER_TOLD] = {
                [INPUT_DUE]          = { LADDER_SUSPECT,     ACTION_NONE,    PURPOSE_NONE,       WAIT_NONE, .failed = true },
                [INPUT_DUE_SPENT]    = { LADDER_TOLD },
                [INPUT_PROVEN]       = { LADDER_OK },
                [INPUT_CLEARED]      = { LADDER_OK },
                [INPUT_ASKED]        = { LADDER_REVIVING,    ACTION_RESTART, PURPOSE_ASKED,      WAIT_REPLY },
                [INPUT_ASKED_BACK]   = { LADDER_ROLLING,     ACTION_ROLLBACK, PURPOSE_ASKED,     WAIT_REPLY },
        },
        [LADDER_RETRY] = {
                [INPUT_DUE]          = { LADDER_SUSPECT },
                [INPUT_PROVEN]       = { LADDER_OK },
                [INPUT_CLEARED]      = { LADDER_OK },
                [INPUT_ASKED]        = { LADDER_REVIVING,    ACTION_RESTART, PURPOSE_ASKED,      WAIT_REPLY },
                [INPUT_ASKED_BACK]   = { LADDER_ROLLING,     ACTION_ROLLBACK, PURPOSE_ASKED,     WAIT_REPLY },
        },
        [LADDER_ROLLING] = { /* a death meanwhile is of the life that the rollback ends */
                [INPUT_DONE]         = { LADDER_SETTLING,    ACTION_NONE,    PURPOSE_NONE,       WAIT_SETTLE },
                [INPUT_FAILED]       = { LADDER_RETRY,       ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF, .failed = true },
                [INPUT_STALE]        = { LADDER_RETRY,       ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_DRY]          = { LADDER_TOLD,        ACTION_NONE,    PURPOSE_NONE,       WAIT_BACKOFF },
                [INPUT_REFUSED]      = { LADDER_TOLD },
                [INPUT_LOST]         = { LADDER_ROLLING,     ACTION_NONE,    PURPOSE_NONE,       WAIT_LOOK },
                [INPUT_CLEARED]      = { LADDER_OK },
        },
};
/* clang-format on */

static const char *const states[LADDER_N] = {
        "blank",     "ok",          "suspect", "stopping", "backoff",  "starting", "reviving", "settling",
        "confining", "quarantined", "trying",  "trial",    "given-up", "told",     "retry",    "rolling",
};

static const char *const inputs[INPUT_N] = {
        "found",  "slow",   "slow-down", "revive",  "revive-down", "confine",  "confine-down", "done",
        "failed", "stale",  "dry",       "refused", "lost",        "due",      "due-spent",    "born",
        "death",  "proven", "cleared",   "release", "asked",       "rollback", "asked-back",
};

const char *ladder_state_name(enum ladder_state state)
{
        return (unsigned)state < LADDER_N ? states[state] : states[0];
}

const char *ladder_input_name(enum ladder_input input)
{
        return (unsigned)input < INPUT_N ? inputs[input] : "";
}
