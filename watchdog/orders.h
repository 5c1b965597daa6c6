#pragma once
/* What people order over the control socket: put to the judge as facts, answered when it is known what came of them. */
#include "governor_inside.h"

json_t *order_restart(void *self, const struct control_request *request, struct control_error *error);
json_t *order_release(void *self, const struct control_request *request, struct control_error *error);
json_t *order_rollback(void *self, const struct control_request *request, struct control_error *error);
json_t *order_acknowledge(void *self, const struct control_request *request, struct control_error *error);

/* "uid:0 pid:1234", for the record. */
void order_from(const struct control_request *request, char who[64]);

/* Whether one more may wait for an outcome; an error where not. */
bool orders_have_room(struct governor *governor, struct control_error *error);

/* The answer comes with the outcome of this action for this trial; there must be room. */
void order_waits_for_trial(struct governor *governor, const struct control_request *request,
                           struct control_error *error, const struct trial_view *trial, enum action action);

/* Tells whoever waits for this agent what came of the action, and whoever waited too long that nothing is known. */
void orders_outcome(struct governor *governor, const struct fact *outcome);
void orders_expire(struct governor *governor, usec_t now);
