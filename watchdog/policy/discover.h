#pragma once
/* Turns the agents that were found on a machine into a policy file to keep. */
#include <stddef.h>
#include <stdint.h>

#include "base/agent.h"

struct discovered {
        const char *id;         /* "pm2:root/lily" */
        uint64_t memory_bytes;  /* summed over instances; 0 unknown */
        uint64_t restarts;      /* the manager's counter; 0 none */
        uint64_t ceiling_bytes; /* to propose; 0: none */
        const char *why;        /* that much, in a few words */
};

/* A policy in observe mode with one rule an agent, in the order given. It passes the check, and says that `verb` ("discover")
 * found it. Allocated. */
int policy_discover_render(const struct discovered *agents, size_t n, const char *verb, char **ret);
