#pragma once
/* SQLite files of the daemon's own: opened with care, errors as errno, set aside when they are damaged. */
#include <sqlite3.h>
#include <stdint.h>

/* What a file has to be to be ours. */
struct database_kind {
        uint32_t application_id;
        uint32_t version;
        const char *schema; /* makes one of an empty file; sets application_id and user_version */
};

#define DATABASE_SET_ASIDE 1

/*
 * Opens the file for writing, or makes it (0600). What is damaged or not ours is renamed to PATH.damaged and a new one is made:
 * DATABASE_SET_ASIDE. 0 or a negative errno.
 */
int database_open(const char *path, const struct database_kind *kind, sqlite3 **ret);

/* Opens what is there, with SQLITE_OPEN_READONLY or _READWRITE. -ENOENT; -EUCLEAN: damaged or not ours. */
int database_open_as_is(const char *path, const struct database_kind *kind, int flags, sqlite3 **ret);

/* Renames the file, closed, to PATH.damaged, over an earlier one. */
int database_set_aside(const char *path);

/* The negative errno of an SQLite result; 0 for OK, ROW and DONE. */
int database_errno(sqlite3 *db, int code);

int database_run(sqlite3 *db, const char *sql);
int database_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret);

/* The one number that a query gives; left alone when it gives none. */
int database_number(sqlite3 *db, const char *sql, int64_t *ret);

static inline void database_closep(sqlite3 **db)
{
        sqlite3_close(*db);
}

static inline void database_finalizep(sqlite3_stmt **statement)
{
        sqlite3_finalize(*statement);
}
