#pragma once
/*
 * Text without its secrets, for people to read: keys of known shapes, values of names that say what they are (TOKEN=, "api_key": ...),
 * passwords in URLs, and anything that looks like chance. What is left out becomes "***"; when in doubt it is left out.
 */
#include <stdbool.h>
#include <stddef.h>

#define REDACT_LINE_MAX 1024

/* One line, cut where it is too long; control characters become '?'. Returns whether something was left out of it as secret. */
bool redact_line(const char *line, size_t length, char *to, size_t size);

/* Whether the line is within a key in PEM armour: give it each line in turn, with `inside` false at first. */
bool redact_is_armoured(const char *line, size_t length, bool *inside);
