#pragma once
/* What the control socket asks of the audit log, and tells it: one call a method. */
#include "governor_inside.h"

json_t *evidence_head(void *self, const struct control_request *request, struct control_error *error);
