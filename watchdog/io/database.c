#include "io/database.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/cleanup.h"

#define BUSY_MS 100 /* a reader in the way: the daemon does not wait for it longer */

int database_errno(sqlite3 *db, int code)
{
        switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE: return 0;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return -EUCLEAN;
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return -EBUSY;
        case SQLITE_NOMEM: return -ENOMEM;
        case SQLITE_READONLY: return -EROFS;
        case SQLITE_PERM:
        case SQLITE_AUTH: return -EACCES;
        case SQLITE_FULL: return -ENOSPC;
        case SQLITE_CANTOPEN:
        case SQLITE_IOERR: return db && sqlite3_system_errno(db) > 0 ? -sqlite3_system_errno(db) : -EIO;
        default: return -EUCLEAN; /* SQLITE_ERROR: no such table, no such column */
        }
}

int database_run(sqlite3 *db, const char *sql)
{
        return database_errno(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int database_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret)
{
        return database_errno(db, sqlite3_prepare_v2(db, sql, -1, ret, NULL));
}

int database_number(sqlite3 *db, const char *sql, int64_t *ret)
{
        _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
        int r = database_prepare(db, sql, &statement);

        if (r < 0)
                return r;
        r = sqlite3_step(statement);
        if (r != SQLITE_ROW)
                return database_errno(db, r);
        *ret = sqlite3_column_int64(statement, 0);
        return 0;
}

static int is_ours(sqlite3 *db, const struct database_kind *kind)
{
        int64_t application = 0, version = 0;
        int r = database_number(db, "PRAGMA application_id", &application);

        if (r >= 0)
                r = database_number(db, "PRAGMA user_version", &version);
        if (r < 0)
                return r;
        return application == kind->application_id && version == kind->version ? 0 : -EUCLEAN;
}

int database_open_as_is(const char *path, const struct database_kind *kind, int flags, sqlite3 **ret)
{
        _cleanup_(database_closep) sqlite3 *db = NULL;
        int r = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);

        if (r != SQLITE_OK)
                return database_errno(db, r);
        sqlite3_busy_timeout(db, BUSY_MS);
        sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        r = is_ours(db, kind);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(db);
        return 0;
}

static int make_file(const char *path, const struct database_kind *kind)
{
        _cleanup_(database_closep) sqlite3 *db = NULL;
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r;

        if (fd < 0)
                return -errno;
        close(fd);
        r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        r = r == SQLITE_OK ? database_run(db, kind->schema) : database_errno(db, r);
        if (r < 0)
                unlink(path);
        return r;
}

int database_set_aside(const char *path)
{
        char aside[PATH_MAX], journal[PATH_MAX];

        snprintf(aside, sizeof(aside), "%s.damaged", path);
        snprintf(journal, sizeof(journal), "%s-journal", path);
        if (rename(path, aside) < 0)
                return -errno;
        (void)unlink(journal); /* it would be rolled back into the new file */
        return 0;
}

int database_open(const char *path, const struct database_kind *kind, sqlite3 **ret)
{
        struct stat st;
        int result = 0;
        int r = lstat(path, &st) < 0 ? -errno : st.st_size == 0 || !S_ISREG(st.st_mode) ? -EUCLEAN : 0;

        if (r == 0)
                r = database_open_as_is(path, kind, SQLITE_OPEN_READWRITE, ret);
        if (r == -EUCLEAN) {
                r = database_set_aside(path);
                result = DATABASE_SET_ASIDE;
                if (r == 0)
                        r = -ENOENT;
        }
        if (r == -ENOENT) {
                r = make_file(path, kind);
                if (r >= 0)
                        r = database_open_as_is(path, kind, SQLITE_OPEN_READWRITE, ret);
        }
        return r < 0 ? r : result;
}
