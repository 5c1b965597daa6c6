#pragma once
/*
 * Starts that nobody announced: an agent that people deploy is younger than its last deploy, and neither its manager's automatic
 * restart nor we, a window, a package run, a reboot or a base explain that. Named, never acted on. Over when a human says that
 * it was planned, or when the agent is deployed again.
 */
#include "judge/memory.h"

/* Whether what somebody ordered then was announced: within a window of the agent, or shortly after it was deployed. */
bool start_was_announced(const struct judge *judge, const struct agent *agent, usec_t at);

/* A life of it began then by somebody's order. `unseen`: while we were away. */
void start_note(struct judge *judge, struct instance *instance, usec_t began, bool unseen);

/* Tells it once all that could explain it had time to be told; resolves it when the agent was deployed since. */
void start_look(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due);

/* A human says that it was planned: the incident is closed. */
void start_planned(struct judge *judge, uint32_t incident);
