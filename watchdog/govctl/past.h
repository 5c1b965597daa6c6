#pragma once
/* The incidents of one agent that the audit log tells of. A daemon remembers those that are open and the newest that were, and none of
 * the time before it began. */
#include <jansson.h>

#include "audit/audit.h"
#include "base/usec.h"

/*
 * Adds to `list` those of `agent` ("": the machine's) that were open after `since` and are not in it yet, newest first, in the form
 * of the daemon's: { id, agent, manager, cause, state, opened, resolved, count, rule, evidence, actions }. 0 or a negative errno.
 */
int past_incidents(struct audit_reader *audit, const char *agent, usec_t since, json_t *list);
