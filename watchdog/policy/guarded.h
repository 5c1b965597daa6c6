#pragma once
/* What a policy asks of guarded files that cannot be meant: places nobody may guard, rules that contradict each other. */
#include "policy/check.h"

/* Complains of file rules, one by one and in pairs. Their modes are settled already. */
void check_guarded(struct check *check);
