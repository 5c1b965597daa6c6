#pragma once
/* What the control socket asks of the audit log, and tells it: one call a method. */
#include "governor_inside.h"

json_t *evidence_head(void *self, const struct control_request *request, struct control_error *error);
json_t *evidence_restored(void *self, const struct control_request *request, struct control_error *error);
json_t *evidence_witnesses(void *self, const struct control_request *request, struct control_error *error);
json_t *evidence_witness_add(void *self, const struct control_request *request, struct control_error *error);
json_t *evidence_witness_remove(void *self, const struct control_request *request, struct control_error *error);
json_t *evidence_seal(void *self, const struct control_request *request, struct control_error *error);
json_t *evidence_rotate(void *self, const struct control_request *request, struct control_error *error);
json_t *evidence_cosign(void *self, const struct control_request *request, struct control_error *error);
json_t *evidence_witness_refused(void *self, const struct control_request *request, struct control_error *error);
json_t *evidence_add_checkpoint(void *self, const struct control_request *request, struct control_error *error);
