#pragma once
/* What speaks against acting: evidence, humans, graces, bases, the brake, the budget; and against quarantine. */
#include "judge/memory.h"

struct guard {
        enum withheld withheld;
        usec_t until; /* when to look again; USEC_INFINITY: when something happens */
        char reason[REASON_MAX];
};

/* What speaks against this input now, the weightiest first; WITHHELD_NOT when nothing does. */
struct guard guard_now(const struct judge *judge, const struct instance *instance, enum ladder_input input);

/* Why this agent is not to be quarantined, WITHHELD_NOT when it may be. */
enum withheld guard_against_quarantine(const struct judge *judge, const struct instance *instance);

/* A fast loop is not acted on before it is known whether it is a hot one, unless its manager gave up. 0: nothing to wait for. */
usec_t guard_hold_until(const struct judge *judge, const struct instance *instance);

/* Whether the agent is only observed: by its rule, in safe mode, or disarmed. */
bool guard_observes(const struct judge *judge, const struct instance *instance);
