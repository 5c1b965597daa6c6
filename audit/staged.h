#pragma once

/* The database that is to take the place of audit.db: the same log without the records that went to an archive. */

#include "audit/store.h"

#define AUDIT_STAGED "audit.db.pruned"

/* Writes record 0, the records from `from` on, and all checkpoints, subtrees and cosignatures to a new file at `path`. */
int audit_staged_write(sqlite3 *log, uint64_t from, const char *path);

/* Adds what `log` has got since. `tree` is of all records of the log: what is staged must lead to it, or -EUCLEAN. */
int audit_staged_catch_up(sqlite3 *log, const struct audit_tree *tree, sqlite3 *staged);
