#pragma once
/* The common-cause brake: when many agents of one manager, or on one base, fail at once, the cause lies outside them. */
#include "judge/memory.h"

/* The agent died, unplanned. */
void brake_note(struct judge *judge, struct agent *agent, usec_t at);

/* Opens, worsens and resolves common-cause incidents; sets when to look again through `due`. */
void brake_look(struct judge *judge, usec_t *due);

/* The brake that holds this agent, NULL when none does. */
const struct brake *brake_on(const struct judge *judge, const struct agent *agent);

/* A human closed this incident: the brake is off. */
void brake_forget(struct judge *judge, uint32_t incident);
