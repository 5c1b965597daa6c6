#pragma once
/* The global budget: at most so many actions within so much time, whatever the rules want. */
#include "judge/memory.h"

bool budget_is_spent(const struct judge *judge);

/* When there is room for one more action. */
usec_t budget_free_at(const struct judge *judge);

/* Counted when ordered, not when done: an action that hangs has spent it too. */
void budget_spend(struct judge *judge);
