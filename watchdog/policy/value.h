#pragma once
/* Single values: each form's own parser and what it says when it is given something else. */
#include "policy/check.h"

/* Into `base` at the row's offsets. Complains when the value is not right; a list's earlier entries stay before new ones. */
void value_check(struct check *check, const struct key *key, const struct node *node, void *base);
