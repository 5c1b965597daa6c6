#pragma once
/* Sizes, durations and percentages: read in their one spelling, written back in it, and guessed at in all others. */
#include <stdbool.h>
#include <stdint.h>

#include "policy/keys.h"

#define AMOUNT_MAX 32

/* Strictly "500M", "10m", "60%": whole number and unit. */
bool amount_read(enum form form, const char *text, uint64_t *ret);

/* In the largest unit that divides it. Returns `buffer`. */
char *amount_write(enum form form, uint64_t value, char buffer[AMOUNT_MAX]);

/* What "500MB", "1.5h", "1h30m" or "10 min" may have meant. */
bool amount_guess(enum form form, const char *text, uint64_t *ret);
