#include "base/trial.h"

#include "base/names.h"

static const char *const trial_of_names[] = {
        [TRIAL_OF_NONE] = "none",
        [TRIAL_OF_LIMITS] = "limits",
};

static const char *const trial_step_names[] = {
        [TRIAL_STEP_NONE] = "none", [TRIAL_BEGIN] = "begin",   [TRIAL_KEEP] = "keep",
        [TRIAL_UNDO] = "undo",      [TRIAL_STANDS] = "stands",
};

static const char *const trial_state_names[] = {
        [TRIAL_NONE] = "none",       [TRIAL_BEGINNING] = "beginning", [TRIAL_RUNNING] = "running",
        [TRIAL_KEEPING] = "keeping", [TRIAL_KEPT] = "kept",           [TRIAL_ENDING] = "ending",
        [TRIAL_STUCK] = "stuck",     [TRIAL_OVER] = "over",
};

NAMES_DEFINE(trial_of, trial_of_names)
NAMES_DEFINE(trial_step, trial_step_names)
NAMES_DEFINE(trial_state, trial_state_names)
