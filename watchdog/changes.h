#pragma once
/* Change windows as the governor handles them: opened and closed by people, told to the judge as facts, written down. */
#include "governor_inside.h"

/* The calls behind the control socket. */
json_t *change_open(void *self, const struct control_request *request, struct control_error *error);
json_t *change_close(void *self, const struct control_request *request, struct control_error *error);
json_t *change_list(void *self, const struct control_request *request, struct control_error *error);
json_t *change_planned(void *self, const struct control_request *request, struct control_error *error);

/* A fact went by: what changed in which window is told when that closes; and windows whose time is over are closed. */
void changes_follow(struct governor *governor, const struct fact *fact);
void changes_expire(struct governor *governor, usec_t now);

/* Somebody at the socket left: the windows that he held are closed. */
void changes_left(void *self, unsigned client, uint64_t generation);

/* Everything was looked at: windows that wait for that are closed. */
void changes_settled(struct governor *governor);

/* Windows that an earlier run left open go on, or end now. */
void changes_begin(struct governor *governor);
void changes_end(struct governor *governor);
