#pragma once
/* What the governor shows of itself: the judge's views and its own state as JSON objects, new ones that the caller owns. */
#include <jansson.h>

#include "governor_inside.h"

#define SCHEMA_VERSION 1

json_t *view_agent(const struct agent_view *view);
json_t *view_agents(struct governor *governor, const char *only); /* NULL: all of them */
json_t *view_sources(const struct governor *governor);
json_t *view_machine(struct governor *governor);

/* Free memory against its floor; null where the policy has none. */
json_t *view_floor(const struct governor *governor);
json_t *view_incident(const struct incident_view *view);

json_t *view_trial(const struct trial_view *view);
json_t *view_trials(const struct governor *governor, const char *agent,
                    bool all); /* NULL: any; without all those that are over are left out */

bool view_find_trial(const struct governor *governor, uint64_t number, struct trial_view *ret);

/* -ENOENT: no such incident in the judge's memory. */
int view_find_incident(const struct governor *governor, uint64_t number, struct incident_view *ret);

/* The one agent that answers to this word; otherwise -ENOENT and an error that names the candidates. */
int view_find_agent(struct governor *governor, const char *word, struct control_error *error, struct agent_view *ret);
