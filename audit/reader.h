#pragma once

/* The snapshot of a reader, for what else is made from a log: proofs, exports. */

#include "audit/audit.h"

#include <sqlite3.h>

/* On loan; the read transaction in it ends with the next audit_reader_seek. */
sqlite3 *audit_reader_database(struct audit_reader *reader);

/* The records [1, kept_from) are in archives. 1: all are here. */
int audit_reader_kept_from(struct audit_reader *reader, uint64_t *ret);
