#pragma once
/* Versions of agents' configurations as people see them, and the vault that keeps what is in them. */
#include "governor_inside.h"

/* The vault. Where it cannot be used nothing is kept and nothing can be put back: that is said, and no error. */
int versions_begin(struct governor *governor);
void versions_end(struct governor *governor);

/* A fact went by: what no version names any more is swept out of the vault, some time after a new one came. */
void versions_follow(struct governor *governor, const struct fact *fact);

/* For status. */
json_t *versions_view(const struct governor *governor);

/* The calls behind the control socket. */
json_t *versions_list(void *self, const struct control_request *request, struct control_error *error);
json_t *versions_diff(void *self, const struct control_request *request, struct control_error *error);
