#pragma once
/* A finding is a judged difference from policy. Its cause comes from a closed list that scripts rely on. */
#include "base/agent.h"
#include "base/usec.h"

enum cause {
        CAUSE_NONE,
        CAUSE_CRASH_LOOP,
        CAUSE_HOT_LOOP,
        CAUSE_HIGH_RESTARTS,
        CAUSE_DEPENDENCY_DOWN,
        CAUSE_CLAIMED_NOT_RUNNING,
        CAUSE_ORPHAN,
        CAUSE_DUPLICATE,
        CAUSE_COMMON_CAUSE,
        CAUSE_MEMORY_CEILING,
        CAUSE_MEMORY_BUDGET,
        CAUSE_MEMORY_DRIFT,
        CAUSE_MEMORY_LEAK,
        CAUSE_MEMORY_FLOOR,
        CAUSE_OOM,
        CAUSE_CPU_SUSTAINED,
        CAUSE_CONFIG_DRIFT,
        CAUSE_UNIT_DRIFT,
        CAUSE_UNANNOUNCED_START,
        CAUSE_HEALTH,
        CAUSE_HEARTBEAT,
        CAUSE_NO_PROGRESS,
        CAUSE_LOG_RATE,
        CAUSE_USAGE_LIMIT,
        CAUSE_BUDGET,
        CAUSE_BREAKER,
        CAUSE_GUARD_CHANGE,
        CAUSE_GUARD_DENIED,
        CAUSE_GUARD_LEVEL,
        CAUSE_DISK,
        CAUSE_FD_LIMIT,
        CAUSE_CLOCK,
        CAUSE_CERTIFICATE,
        CAUSE_AUDIT_BROKEN,
        CAUSE_BLIND,
        CAUSE_SAFE_MODE,
        CAUSE_KILL_SWITCH,
        CAUSE_N,
};

const char *cause_name(enum cause cause);
enum cause cause_from_name(const char *name);

/* Incidents are numbered from 1 in the order in which they opened; people and records call number 17 "inc-17". */
#define INCIDENT_NAME_MAX 24
char *incident_name(char buffer[INCIDENT_NAME_MAX], uint64_t incident);
uint64_t incident_from_name(const char *name); /* 0 for anything else */
