#pragma once
/* The footprint: a plain text file that lists what outlives the daemon, so that a person or rescue.sh can undo it without
 * a daemon and without a database. One line each: `stopped AGENT`. */
#include <stdbool.h>

/* Adds or removes the line "WHAT AGENT"; the file is replaced in one step. Already so: nothing is written. */
int footprint_set(const char *path, const char *what, const char *agent, bool present);
