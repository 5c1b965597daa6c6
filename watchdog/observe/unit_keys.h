#pragma once
/* The keys of unit files. Only these names are ever told: what looks like a key may be half of a broken value. */
#include <stdbool.h>

#define UNIT_KEY_MAX 48

/* Its number, or -1 for what systemd does not know. */
int unit_key_find(const char *name);
const char *unit_key_name(int key);

/* Whether its value is nobody's secret: a number, a word, a path, the name of a unit or a user. */
bool unit_key_is_shown(int key);
