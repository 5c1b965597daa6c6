#pragma once
/* Amounts that limits are set on, such as money: decimal and exact, counted in millionths. Pure. */
#include <stdbool.h>
#include <stdint.h>

#define DECIMAL_ONE 1000000
#define DECIMAL_TEXT_MAX 32

/* "1000", "0.25", "-3": digits, at most 12 before the point. What is finer than a millionth is rounded away from zero, so that
 * nothing passes below a limit by it. False for anything else; nothing is stored then. */
bool decimal_read(const char *text, int64_t *ret_millionths);

/* The same without needless zeros. Returns `buffer`. */
char *decimal_text(int64_t millionths, char buffer[DECIMAL_TEXT_MAX]);
