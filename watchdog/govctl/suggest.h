#pragma once
/* Did you mean: the candidate nearest to a mistyped word. */
#include <stddef.h>

/* NULL when none is near enough to be worth saying. */
const char *suggest(const char *word, const char *const *candidates, size_t n);
