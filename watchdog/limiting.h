#pragma once
/* Limits as the governor handles them: proposed beside what is in force, and put on trial when a human asks. */
#include "governor_inside.h"

/* The calls behind the control socket. */
json_t *limiting_show(void *self, const struct control_request *request, struct control_error *error);
json_t *limiting_begin(void *self, const struct control_request *request, struct control_error *error);

/* Whoever waits for systemd's answer for too long is told so; at the end such questions are dropped. */
void limiting_expire(struct governor *governor, usec_t now);
void limiting_end(struct governor *governor);
