#include "base/outcome.h"
#include "base/names.h"

static const char *const outcome_names[] = {
        [OUTCOME_NONE] = "none",       [OUTCOME_OK] = "ok",           [OUTCOME_FAILED] = "failed",
        [OUTCOME_TIMEOUT] = "timeout", [OUTCOME_STALE] = "stale",     [OUTCOME_REFUSED] = "refused",
        [OUTCOME_DRY] = "dry",         [OUTCOME_UNKNOWN] = "unknown",
};

NAMES_DEFINE(outcome, outcome_names)
