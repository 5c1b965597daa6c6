#pragma once
/* Trials as the governor handles them: kept and taken back by people, and listed; the judge decides, see judge/trial.h. */
#include "governor_inside.h"

/* The calls behind the control socket. */
json_t *trials_list(void *self, const struct control_request *request, struct control_error *error);
json_t *trials_keep(void *self, const struct control_request *request, struct control_error *error);
json_t *trials_undo(void *self, const struct control_request *request, struct control_error *error);

/* Tells the judge; `limits` is of TRIAL_BEGIN alone. */
void trials_tell(struct governor *governor, enum trial_step step, const struct trial_view *trial, usec_t span);

/* Once a minute: a trial or a quota whose file somebody else removed (a human, rescue.sh) is over, and claimed no longer. */
void trials_look(struct governor *governor, usec_t now);

/* Files of the footprint that no trial and no quota of the judge's stands for are taken back; `kept`: those that a human keeps, too. */
void trials_take_back(struct governor *governor, const char *reason, bool kept);
