#pragma once
/* Text in fixed buffers: copied whole or cut with a mark, never overrun, and made safe to show. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"

/* Copies `from` into the buffer, always ends it, returns false when it had to be cut (on a UTF-8 boundary). */
bool text_copy(char *to, size_t size, const char *from);

/* As text_copy(), but control characters and bytes that are not UTF-8 become '?': for names that somebody else chose. */
bool text_copy_safe(char *to, size_t size, const char *from);

/* Appends printf-style to the text already in the buffer; cuts silently at its end. */
__attribute__((format(printf, 3, 4))) void text_append(char *to, size_t size, const char *format, ...);

/* "3.1s", "45s", "12m", "2h 5m", "3d 4h": at most two units, for people. Returns `buffer`. */
#define TEXT_SPAN_MAX 32
char *text_span(char buffer[TEXT_SPAN_MAX], usec_t span);

/* "512K", "61.4M", "2.0G", for people. Returns `buffer`. */
#define TEXT_BYTES_MAX 16
char *text_bytes(char buffer[TEXT_BYTES_MAX], uint64_t bytes);

/* "38,000", for people. Returns `buffer`. */
#define TEXT_COUNT_MAX 32
char *text_count(char buffer[TEXT_COUNT_MAX], uint64_t count);

/* Shell-style match of a whole string: '*' any run, '?' one character, '[a-z]' a set, '\' takes the next literally. */
bool text_glob(const char *pattern, const char *string);

/* FNV-1a, 32 bits. Names on disk are made of it: it stays as it is. */
uint32_t text_hash(const char *text);

/* Edit distance (Damerau-Levenshtein, capped at `most` + 1), for did-you-mean. */
unsigned text_distance(const char *a, const char *b, unsigned most);

/* Reads decimal digits up to `end` (NULL: up to its NUL) and moves behind them; false, and nothing is moved, when there are none or
 * they are more than a uint64_t. */
bool text_digits(const char **text, const char *end, uint64_t *ret);

bool text_starts(const char *string, const char *prefix);
bool text_ends(const char *string, const char *suffix);
