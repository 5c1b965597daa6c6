#include <stdio.h>

#include "base/finding.h"
#include "base/names.h"

static const char *const cause_names[] = {
        [CAUSE_NONE] = "none",
        [CAUSE_CRASH_LOOP] = "crash-loop",
        [CAUSE_HOT_LOOP] = "hot-loop",
        [CAUSE_HIGH_RESTARTS] = "high-restarts",
        [CAUSE_DEPENDENCY_DOWN] = "dependency-down",
        [CAUSE_CLAIMED_NOT_RUNNING] = "claimed-not-running",
        [CAUSE_ORPHAN] = "orphan",
        [CAUSE_DUPLICATE] = "duplicate",
        [CAUSE_COMMON_CAUSE] = "common-cause",
        [CAUSE_MEMORY_CEILING] = "memory-ceiling",
        [CAUSE_MEMORY_BUDGET] = "memory-budget",
        [CAUSE_MEMORY_DRIFT] = "memory-drift",
        [CAUSE_MEMORY_LEAK] = "memory-leak",
        [CAUSE_MEMORY_FLOOR] = "memory-floor",
        [CAUSE_OOM] = "oom",
        [CAUSE_CPU_SUSTAINED] = "cpu-sustained",
        [CAUSE_CONFIG_DRIFT] = "config-drift",
        [CAUSE_UNIT_DRIFT] = "unit-drift",
        [CAUSE_UNANNOUNCED_START] = "unannounced-start",
        [CAUSE_HEALTH] = "health",
        [CAUSE_HEARTBEAT] = "heartbeat",
        [CAUSE_NO_PROGRESS] = "no-progress",
        [CAUSE_LOG_RATE] = "log-rate",
        [CAUSE_USAGE_LIMIT] = "usage-limit",
        [CAUSE_BUDGET] = "budget",
        [CAUSE_BREAKER] = "breaker",
        [CAUSE_GUARD_CHANGE] = "guard-change",
        [CAUSE_GUARD_DENIED] = "guard-denied",
        [CAUSE_GUARD_LEVEL] = "guard-level",
        [CAUSE_DISK] = "disk",
        [CAUSE_FD_LIMIT] = "fd-limit",
        [CAUSE_CLOCK] = "clock",
        [CAUSE_CERTIFICATE] = "certificate",
        [CAUSE_AUDIT_BROKEN] = "audit-broken",
        [CAUSE_BLIND] = "blind",
        [CAUSE_SAFE_MODE] = "safe-mode",
        [CAUSE_KILL_SWITCH] = "kill-switch",
};

NAMES_DEFINE(cause, cause_names)

char *incident_name(char buffer[INCIDENT_NAME_MAX], uint64_t incident)
{
        snprintf(buffer, INCIDENT_NAME_MAX, "inc-%llu", (unsigned long long)incident);
        return buffer;
}

uint64_t incident_from_name(const char *name)
{
        uint64_t incident = 0;

        if (!name || strncmp(name, "inc-", 4) != 0 || !name[4])
                return 0;
        for (const char *digit = name + 4; *digit; digit++) {
                if (*digit < '0' || *digit > '9' || incident > (UINT64_MAX - 9) / 10)
                        return 0;
                incident = incident * 10 + (uint64_t)(*digit - '0');
        }
        return incident;
}
