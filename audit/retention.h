#pragma once

/* What may leave a log: where it begins now, and when a record is old enough. */

#include "audit/store.h"

/* The first record that has not left: of an unpruned log 0, though record 0 never leaves. */
int audit_retention_begin(sqlite3 *log, uint64_t *ret_from);

/* When a record was made. -ENOENT: there is none of this number. */
int audit_retention_made_at(sqlite3 *log, uint64_t seq, uint64_t *ret_usec);

bool audit_retention_is_over(uint64_t made_usec, uint64_t now_usec, uint64_t days);
