#pragma once
/* Which policy rules: loaded at start, swapped whole or not at all, each load recorded. */
#include "governor_inside.h"

/* At start a policy that is wrong means discovery in observe mode, said loudly. */
int rules_load_first(struct governor *governor);

/* Records which policy rules and how it came to that. */
void rules_record(struct governor *governor, const char *text);
