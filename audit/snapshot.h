#pragma once

/* A database as a source: one read transaction on a connection that the caller owns. */

#include "audit/source.h"

#include <sqlite3.h>

struct audit_snapshot {
        sqlite3 *db;
        sqlite3_stmt *first, *records, *notes, *cosigs, *subtrees;
};

int audit_snapshot_init(struct audit_snapshot *snapshot, sqlite3 *db, struct audit_source *ret);
void audit_snapshot_done(struct audit_snapshot *snapshot);
