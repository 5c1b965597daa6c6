#pragma once
/* What is told of the memory floor, in words: each call appends to the reason. */
#include "judge/memory.h"
#include "judge/victim.h"

/* How little there is, and what confirms it. */
void flush_say_sunk(const struct judge *judge, char reason[REASON_MAX]);

/* What the restart of this one is to bring. */
void flush_say_restart(const struct judge *judge, const struct instance *instance, char reason[REASON_MAX]);

/* What it brought: to the machine, and what the new life holds. */
void flush_say_verified(const struct judge *judge, const struct instance *instance, char reason[REASON_MAX]);

/* Who holds memory and is not touched. */
void flush_say_hold(const struct judge *judge, const struct victim_hold *hold, char reason[REASON_MAX]);

/* Why nobody is restarted: all of those, and the largest process that is nobody's. */
void flush_say_nobody(const struct judge *judge, const struct victim_choice *choice, char reason[REASON_MAX]);

/* Whether the life that a restart brought was measured. */
bool flush_is_weighed_anew(const struct judge *judge, const struct instance *instance);
