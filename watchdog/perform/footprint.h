#pragma once
/* The footprint: a plain text file that lists what outlives the daemon, so that a person or rescue.sh can undo it without
 * a daemon and without a database. One line each: `stopped AGENT`, `limits AGENT FILE`. */
#include <stdbool.h>

struct footprint;

/* Reads the file, which need not exist. */
int footprint_new(const char *path, struct footprint **ret);
struct footprint *footprint_free(struct footprint *footprint); /* the file stays */

bool footprint_has(const struct footprint *footprint, const char *what, const char *agent);

/* Calls `each` for the agents of all lines "WHAT AGENT"; it may not change the footprint. */
void footprint_each(const struct footprint *footprint, const char *what, void (*each)(void *self, const char *agent),
                    void *self);

/* Adds or removes the line "WHAT AGENT"; the file is replaced in one step. Already so: nothing is written. */
int footprint_set(struct footprint *footprint, const char *what, const char *agent, bool present);
