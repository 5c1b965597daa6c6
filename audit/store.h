#pragma once

/* audit.db: the exact schema, a connection that writes or one that only reads, and SQLite's errors as errno. */

#include "audit/note.h"
#include "audit/tree.h"

#include <sqlite3.h>

enum { AUDIT_APPLICATION_ID = 0x474F5641, AUDIT_USER_VERSION = 1 };

/* What a result code means to our callers: -ENOSPC, -EIO, -EBUSY, -EUCLEAN (damaged, or not what we wrote), ... */
int audit_sqlite_errno(sqlite3 *db, int code);

/* Creates the file (0600) with numbers and tables but no rows, inside a transaction that the caller commits, in rollback
 * journal mode so that one file is the whole database. Its triggers come after the rows. */
int audit_store_create(const char *path, sqlite3 **ret);
int audit_store_add_triggers(sqlite3 *db);

/* Opens for writing, synchronous=FULL. A close leaves the WAL as it is, because what will be set aside stays untouched,
 * until audit_store_keep_wal(db, false) says that this log is continued. */
int audit_store_open(const char *path, sqlite3 **ret);

/* The same with nobody else at the file, not even reading, until it is closed. -EBUSY on first use: somebody is. */
int audit_store_open_alone(const char *path, sqlite3 **ret);

void audit_store_keep_wal(sqlite3 *db, bool keep);

/* A close deletes no file by its name. */
void audit_store_leave_names(sqlite3 *db);

/* Read-only, query_only, defensive, in one read transaction already. */
int audit_store_open_reader(const char *path, sqlite3 **ret);

int audit_store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret);
int audit_store_run(sqlite3 *db, const char *sql);

/* 1 for a row, 0 at the end. */
int audit_store_step(sqlite3_stmt *statement);

/* The body of a record, on loan from the statement, which the caller finalizes. -ENOENT: no such record; -EUCLEAN: no text. */
int audit_store_body(sqlite3 *db, uint64_t seq, sqlite3_stmt **ret_statement, struct audit_slice *ret);

/* One integer out of the database; -ENODATA when there is no row or it is NULL. */
int audit_store_integer(sqlite3 *db, const char *sql, int64_t *ret);

/* How sqlite_schema compares with ours, byte for byte. */
struct audit_schema {
        bool is_ours;
        bool has_tables;  /* the four tables themselves are as they should be, so reading them makes sense */
        bool is_familiar; /* at least one object is ours, so it is no stranger's file */
        bool is_empty;
        char detail[120]; /* the first difference; printable whatever the name was */
};

int audit_store_compare_schema(sqlite3 *db, struct audit_schema *ret);

/* Puts together the right edge of the tree of `size` leaves from the kept subtrees and the last bodies. -EUCLEAN when rows
 * are missing. */
int audit_store_load_tree(sqlite3 *db, uint64_t size, struct audit_tree *ret);

/* The same of the leaves [from, to) alone, as a tree of their own. `from` is a multiple of a power of two that is not less
 * than their number, as it is of everything that a proof names. */
int audit_store_load_span(sqlite3 *db, uint64_t from, uint64_t to, struct audit_tree *ret);
