#include "base/fact.h"
#include "base/names.h"

static const char *const fact_kind_names[] = {
        [FACT_NONE] = "none",         [FACT_AGENT] = "agent",
        [FACT_STARTED] = "started",   [FACT_ENDED] = "ended",
        [FACT_DIED] = "died",         [FACT_SAMPLE] = "sample",
        [FACT_HOST] = "host",         [FACT_DEPENDS] = "depends",
        [FACT_SOURCE] = "source",     [FACT_PLANNED] = "planned",
        [FACT_STRAY] = "stray",       [FACT_OUTCOME] = "outcome",
        [FACT_ASKED] = "asked",       [FACT_REMEMBERED] = "remembered",
        [FACT_BASELINE] = "baseline", [FACT_TICK] = "tick",
        [FACT_CONFIG] = "config",     [FACT_CHANGE] = "change",
        [FACT_TRIAL] = "trial",       [FACT_WEIGHT] = "weight",
        [FACT_OOM] = "oom",           [FACT_PACKAGE] = "package",
        [FACT_VERSION] = "version",   [FACT_FILE] = "file",
};

static const char *const source_state_names[] = {
        [SOURCE_UNKNOWN] = "unknown",
        [SOURCE_SEEING] = "seeing",
        [SOURCE_BLIND] = "blind",
        [SOURCE_ABSENT] = "absent",
};

static const char *const dependency_names[] = {
        [DEPENDENCY_NONE] = "none",
        [DEPENDENCY_REQUIRES] = "requires",
        [DEPENDENCY_BINDS] = "binds-to",
        [DEPENDENCY_PART] = "part-of",
};

static const char *const stray_names[] = {
        [STRAY_NONE] = "none",
        [STRAY_ORPHAN] = "orphan",
        [STRAY_DUPLICATE] = "duplicate",
        [STRAY_OVER] = "over",
};

static const char *const ask_names[] = {
        [ASK_NONE] = "none",
        [ASK_RESTART] = "restart",
        [ASK_RELEASE] = "release",
        [ASK_ENFORCE_OFF] = "disarm",
        [ASK_SAFE_MODE_ON] = "safe-mode-on",
        [ASK_SAFE_MODE_OFF] = "safe-mode-off",
        [ASK_ACKNOWLEDGE] = "acknowledge",
        [ASK_PLANNED] = "planned",
        [ASK_ROLLBACK] = "rollback",
};

static const char *const config_change_names[] = {
        [CONFIG_NONE] = "none",       [CONFIG_CHANGED] = "changed",   [CONFIG_ADDED] = "added",
        [CONFIG_REMOVED] = "removed", [CONFIG_RESTORED] = "restored", [CONFIG_SEALED] = "sealed",
        [CONFIG_PENDING] = "pending", [CONFIG_LOADED] = "loaded",     [CONFIG_FORGOTTEN] = "forgotten",
};

static const char *const config_of_names[] = {
        [CONFIG_OF_FILE] = "file",
        [CONFIG_OF_UNIT] = "unit",
        [CONFIG_OF_APP] = "app",
        [CONFIG_OF_POLICY] = "policy",
};

static const char *const change_step_names[] = {
        [CHANGE_STEP_NONE] = "none",
        [CHANGE_OPEN] = "open",
        [CHANGE_CLOSE] = "close",
};

static const char *const baseline_of_names[] = {
        [BASELINE_SIZE] = "size",
        [BASELINE_LOAD] = "load",
        [BASELINE_HABIT] = "habit",
        [BASELINE_FLOOR] = "floor",
};

static const char *const weighed_names[] = {
        [WEIGHED_NOT] = "not",
        [WEIGHED_ROLLUP] = "rollup",
        [WEIGHED_CGROUP] = "cgroup",
        [WEIGHED_STATUS] = "status",
};

static const char *const oom_what_names[] = {
        [OOM_NONE] = "none",
        [OOM_KILLED] = "killed",
        [OOM_NEAR] = "near",
};

static const char *const oom_by_names[] = {
        [OOM_BY_UNKNOWN] = "unknown",
        [OOM_BY_MACHINE] = "kernel",
        [OOM_BY_LIMIT] = "limit",
        [OOM_BY_OOMD] = "systemd-oomd",
};

static const char *const package_change_names[] = {
        [PACKAGE_NONE] = "none",
        [PACKAGE_INSTALLED] = "installed",
        [PACKAGE_UPGRADED] = "upgraded",
        [PACKAGE_REMOVED] = "removed",
};

static const char *const version_step_names[] = {
        [VERSION_NONE] = "none",
        [VERSION_SEEN] = "seen",
        [VERSION_HEALTHY] = "healthy",
        [VERSION_KNOWN] = "known",
};

static const char *const file_event_names[] = {
        [FILE_EVENT_NONE] = "none", [FILE_CHANGED] = "changed", [FILE_REMOVED] = "removed",
        [FILE_ADDED] = "added",     [FILE_MOVED] = "moved",     [FILE_BOUND] = "bound-over",
        [FILE_DENIED] = "denied",   [FILE_BACK] = "back",       [FILE_LEVEL] = "level",
};

static const char *const file_by_names[] = {
        [FILE_BY_UNKNOWN] = "unknown",
        [FILE_BY_OPENER] = "opener",
        [FILE_BY_AUDIT] = "audit",
        [FILE_BY_PIDFD] = "pidfd",
};

static const char *const file_level_names[] = {
        [FILE_LEVEL_NONE] = "none", [FILE_LEVEL_0] = "L0", [FILE_LEVEL_1] = "L1",
        [FILE_LEVEL_2] = "L2",      [FILE_LEVEL_3] = "L3",
};

NAMES_DEFINE(fact_kind, fact_kind_names)
NAMES_DEFINE(source_state, source_state_names)
NAMES_DEFINE(dependency, dependency_names)
NAMES_DEFINE(stray, stray_names)
NAMES_DEFINE(ask, ask_names)
NAMES_DEFINE(config_change, config_change_names)
NAMES_DEFINE(config_of, config_of_names)
NAMES_DEFINE(change_step, change_step_names)
NAMES_DEFINE(baseline_of, baseline_of_names)
NAMES_DEFINE(weighed, weighed_names)
NAMES_DEFINE(oom_what, oom_what_names)
NAMES_DEFINE(oom_by, oom_by_names)
NAMES_DEFINE(package_change, package_change_names)
NAMES_DEFINE(version_step, version_step_names)
NAMES_DEFINE(file_event, file_event_names)
NAMES_DEFINE(file_by, file_by_names)
NAMES_DEFINE(file_level, file_level_names)
