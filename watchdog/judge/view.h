#pragma once
/* Views: the state as it is, beside the state as its manager claims it. */
#include "judge/memory.h"

enum effective view_effective(const struct judge *judge, const struct instance *instance);
