#pragma once
/* Growth: what is only told of an agent that grew. A jump and a leak (see swell.h) are told apart, each once. */
#include "judge/memory.h"

/* Opens and resolves memory-drift and memory-leak. They are of one life: they end with it. */
void growth_look(struct judge *judge, struct agent *agent, struct instance *instance);
