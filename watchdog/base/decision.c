#include "base/decision.h"
#include "base/names.h"
#include "base/text.h"

static const char *const action_names[] = {
        [ACTION_NONE] = "none",         [ACTION_RESTART] = "restart", [ACTION_STOP] = "stop",
        [ACTION_START] = "start",       [ACTION_LIMIT] = "limit",     [ACTION_UNLIMIT] = "unlimit",
        [ACTION_ROLLBACK] = "rollback", [ACTION_RESTORE] = "restore",
};

static const char *const decision_kind_names[] = {
        [DECIDE_NOTHING] = "nothing", [DECIDE_OPEN] = "open", [DECIDE_WORSEN] = "worsen",
        [DECIDE_RESOLVE] = "resolve", [DECIDE_ACT] = "act",   [DECIDE_WITHHOLD] = "withhold",
};

static const char *const withheld_names[] = {
        [WITHHELD_NOT] = "not",
        [WITHHELD_BUDGET] = "budget",
        [WITHHELD_COMMON_CAUSE] = "common-cause",
        [WITHHELD_TOO_MANY] = "too-many",
        [WITHHELD_CRITICAL] = "critical",
        [WITHHELD_HUMAN] = "human",
        [WITHHELD_GRACE] = "grace",
        [WITHHELD_BASE_FIRST] = "base-first",
        [WITHHELD_BLIND] = "blind",
        [WITHHELD_SAFE_MODE] = "safe-mode",
        [WITHHELD_ILL] = "ill",
        [WITHHELD_COOLING] = "cooling",
        [WITHHELD_SHARED] = "shared",
        [WITHHELD_NO_VERSION] = "no-version",
};

static const char *const purpose_names[] = {
        [PURPOSE_NONE] = "none",       [PURPOSE_HEAL] = "heal",
        [PURPOSE_BACKOFF] = "backoff", [PURPOSE_QUARANTINE] = "quarantine",
        [PURPOSE_TRIAL] = "trial",     [PURPOSE_ASKED] = "asked",
        [PURPOSE_KEEP] = "keep",       [PURPOSE_UNDO] = "undo",
        [PURPOSE_FLUSH] = "flush",     [PURPOSE_GUARD] = "guard",
};

NAMES_DEFINE(action, action_names)
NAMES_DEFINE(purpose, purpose_names)

bool action_is_of_limits(enum action action)
{
        return action == ACTION_LIMIT || action == ACTION_UNLIMIT;
}

/* What the action is done to. */
static const char *verb_prefix(enum action action)
{
        return action == ACTION_RESTORE ? "file." : "agent.";
}

char *action_verb(enum action action, char buffer[ACTION_VERB_MAX])
{
        buffer[0] = '\0';
        text_append(buffer, ACTION_VERB_MAX, "%s%s", verb_prefix(action), action_name(action));
        return buffer;
}

enum action action_from_verb(const char *verb)
{
        const char *dot = verb ? strchr(verb, '.') : NULL;
        enum action action = dot ? action_from_name(dot + 1) : ACTION_NONE;

        return action != ACTION_NONE && text_starts(verb, verb_prefix(action)) ? action : ACTION_NONE;
}

bool action_is_verb(const char *verb)
{
        return (verb && text_starts(verb, "agent.")) || action_from_verb(verb) != ACTION_NONE;
}

const char *decision_kind_name(enum decision_kind kind)
{
        return names_at(decision_kind_names, NAMES_N(decision_kind_names), (size_t)kind);
}

const char *withheld_name(enum withheld withheld)
{
        return names_at(withheld_names, NAMES_N(withheld_names), (size_t)withheld);
}
