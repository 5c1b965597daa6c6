#pragma once
/* The trouble that one instance is in: told when it is found, when it gets worse, and when it is over. */
#include "judge/memory.h"

/* A cause was diagnosed, or another one than before: then the old incident is superseded. */
void trouble_found(struct judge *judge, struct instance *instance, enum cause cause);

/* The evidence, and what changed before it began. */
void trouble_reason(const struct judge *judge, const struct instance *instance, enum cause cause,
                    char reason[REASON_MAX]);

/* It is over; the input tells the ladder how. */
void trouble_over(struct judge *judge, struct instance *instance, enum ladder_input input, const char *reason);

/* Proven well, stopped by its owner, or no longer listed. */
bool trouble_is_over(const struct judge *judge, const struct instance *instance);
void trouble_check_over(struct judge *judge, struct instance *instance);

/* Told again at 10, 100, 1000, ... deaths. */
bool trouble_is_worse(const struct judge *judge, const struct instance *instance);
void trouble_check_worse(struct judge *judge, struct instance *instance);
