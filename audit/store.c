#include "audit/store.h"
#include "audit/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The one definition of the schema: what a new log is made with and what every log is compared to. */
/* clang-format off */
static const struct {
        const char *name;
        const char *sql;
} schema[] = {
        { "record", "CREATE TABLE record(seq INTEGER PRIMARY KEY CHECK(seq>=0), body TEXT NOT NULL) STRICT" },
        { "checkpoint", "CREATE TABLE checkpoint(epoch INTEGER PRIMARY KEY CHECK(epoch>=0), size INTEGER NOT NULL, note TEXT NOT NULL) STRICT" },
        { "subtree", "CREATE TABLE subtree(level INTEGER, idx INTEGER, hash BLOB NOT NULL, PRIMARY KEY(level,idx)) STRICT, WITHOUT ROWID" },
        { "cosig", "CREATE TABLE cosig(size INTEGER, line TEXT, PRIMARY KEY(size,line)) STRICT, WITHOUT ROWID" },
        { "record_next", "CREATE TRIGGER record_next BEFORE INSERT ON record WHEN NEW.seq<>(SELECT coalesce(max(seq)+1,0) FROM record) BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "subtree_next", "CREATE TRIGGER subtree_next BEFORE INSERT ON subtree WHEN EXISTS(SELECT 1 FROM subtree WHERE level=NEW.level AND idx=NEW.idx) BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "cosig_next", "CREATE TRIGGER cosig_next BEFORE INSERT ON cosig WHEN EXISTS(SELECT 1 FROM cosig WHERE size=NEW.size AND line=NEW.line) BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "checkpoint_next", "CREATE TRIGGER checkpoint_next BEFORE INSERT ON checkpoint WHEN NEW.epoch<>(SELECT coalesce(max(epoch)+1,0) FROM checkpoint) BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "record_no_update", "CREATE TRIGGER record_no_update BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "record_no_delete", "CREATE TRIGGER record_no_delete BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "checkpoint_no_update", "CREATE TRIGGER checkpoint_no_update BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "checkpoint_no_delete", "CREATE TRIGGER checkpoint_no_delete BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "subtree_no_update", "CREATE TRIGGER subtree_no_update BEFORE UPDATE ON subtree BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "subtree_no_delete", "CREATE TRIGGER subtree_no_delete BEFORE DELETE ON subtree BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "cosig_no_update", "CREATE TRIGGER cosig_no_update BEFORE UPDATE ON cosig BEGIN SELECT RAISE(ABORT,'append-only'); END" },
        { "cosig_no_delete", "CREATE TRIGGER cosig_no_delete BEFORE DELETE ON cosig BEGIN SELECT RAISE(ABORT,'append-only'); END" },
};

static const struct {
        int code;
        int error;
} meanings[] = {
        { SQLITE_OK,         0        },
        { SQLITE_FULL,       ENOSPC   },
        { SQLITE_IOERR,      EIO      },
        { SQLITE_BUSY,       EBUSY    },
        { SQLITE_LOCKED,     EBUSY    },
        { SQLITE_CORRUPT,    EUCLEAN  },
        { SQLITE_NOTADB,     EUCLEAN  },
        { SQLITE_CONSTRAINT, EUCLEAN  },
        { SQLITE_ERROR,      EUCLEAN  }, /* no such table, a view in its place: not the schema we know */
        { SQLITE_MISMATCH,   EUCLEAN  },
        { SQLITE_SCHEMA,     EUCLEAN  },
        { SQLITE_NOMEM,      ENOMEM   },
        { SQLITE_READONLY,   EROFS    },
        { SQLITE_PERM,       EACCES   },
        { SQLITE_AUTH,       EACCES   },
        { SQLITE_TOOBIG,     EMSGSIZE },
};
/* clang-format on */

enum {
        SCHEMA_N = sizeof(schema) / sizeof(schema[0]),
        TABLES_N = 4 /* the first of them */,
        TABLES_SEEN = (1 << TABLES_N) - 1
};

/* SQLite takes errno when it has tidied up after the failure, which may have failed for reasons of its own: what does not
 * say more than EIO is not believed. */
static int believed(int system_error)
{
        switch (system_error) {
        case ENOSPC:
        case EDQUOT: return ENOSPC;
        case EACCES:
        case EPERM:
        case EROFS:
        case EMFILE:
        case ENFILE: return system_error;
        default: return EIO;
        }
}

int audit_sqlite_errno(sqlite3 *db, int code)
{
        const int system_error = db ? sqlite3_system_errno(db) : 0;

        code &= 0xff;
        if (code == SQLITE_IOERR || code == SQLITE_CANTOPEN)
                return -believed(system_error);
        for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
                if (meanings[i].code == code)
                        return -meanings[i].error;
        return -EIO;
}

int audit_store_run(sqlite3 *db, const char *sql)
{
        return audit_sqlite_errno(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int audit_store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret)
{
        return audit_sqlite_errno(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL));
}

int audit_store_step(sqlite3_stmt *statement)
{
        const int r = sqlite3_step(statement);

        if (r == SQLITE_ROW)
                return 1;
        return r == SQLITE_DONE ? 0 : audit_sqlite_errno(sqlite3_db_handle(statement), r);
}

int audit_store_body(sqlite3 *db, uint64_t seq, sqlite3_stmt **ret_statement, struct audit_slice *ret)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        int r = audit_store_prepare(db, "SELECT body FROM record NOT INDEXED WHERE seq=?1", &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)seq);
        r = seq > INT64_MAX ? 0 : audit_store_step(statement);
        if (r <= 0)
                return r ?: -ENOENT;
        if (sqlite3_column_type(statement, 0) != SQLITE_TEXT)
                return -EUCLEAN;
        ret->text = (const char *)sqlite3_column_text(statement, 0);
        ret->length = (size_t)sqlite3_column_bytes(statement, 0);
        *ret_statement = TAKE_PTR(statement);
        return 0;
}

int audit_store_integer(sqlite3 *db, const char *sql, int64_t *ret)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        int r = audit_store_prepare(db, sql, &statement);

        r = r ?: audit_store_step(statement);
        if (r < 0)
                return r;
        if (r == 0 || sqlite3_column_type(statement, 0) != SQLITE_INTEGER)
                return -ENODATA;
        *ret = sqlite3_column_int64(statement, 0);
        return 0;
}

enum { REPLACED_MAX = 8 }; /* times that a file may be replaced while it is opened */

/* ---- opening -------------------------------------------------------------------------------------------------- */

static int open_database(const char *path, int flags, sqlite3 **ret)
{
        _cleanup_(close_database) sqlite3 *db = NULL;
        int r = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

        if (r != SQLITE_OK)
                return audit_sqlite_errno(db, r);
        sqlite3_busy_timeout(db, 2000); /* a reader that recovers the WAL holds the lock for a moment */
        sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        *ret = TAKE_PTR(db);
        return 0;
}

int audit_store_create(const char *path, sqlite3 **ret)
{
        _cleanup_(close_database) sqlite3 *db = NULL;
        _cleanup_(close_fd) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        char numbers[96];
        int r;

        if (fd < 0)
                return -errno;
        r = open_database(path, SQLITE_OPEN_READWRITE, &db);
        if (r < 0)
                return r;

        snprintf(numbers, sizeof(numbers), "PRAGMA application_id=%d; PRAGMA user_version=%d", AUDIT_APPLICATION_ID,
                 AUDIT_USER_VERSION);
        r = audit_store_run(db, "PRAGMA encoding='UTF-8'; PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL; BEGIN");
        r = r ?: audit_store_run(db, numbers);
        for (size_t i = 0; i < TABLES_N && r == 0; i++)
                r = audit_store_run(db, schema[i].sql);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(db);
        return 0;
}

int audit_store_add_triggers(sqlite3 *db)
{
        int r = 0;

        for (size_t i = TABLES_N; i < SCHEMA_N && r == 0; i++)
                r = audit_store_run(db, schema[i].sql);
        return r;
}

/* Who is alone keeps the index of the WAL in its own memory, so this must be said before the first look at the file. */
static int open_writer(const char *path, const char *mode, sqlite3 **ret)
{
        _cleanup_(close_database) sqlite3 *db = NULL;
        int r = open_database(path, SQLITE_OPEN_READWRITE, &db);

        if (r < 0)
                return r;
        audit_store_keep_wal(db, true); /* until it is clear that this log is continued */
        r = audit_store_run(db, mode);
        r = r ?: audit_store_run(db, "PRAGMA synchronous=FULL; PRAGMA cell_size_check=ON");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(db);
        return 0;
}

int audit_store_open(const char *path, sqlite3 **ret)
{
        return open_writer(path, "PRAGMA locking_mode=NORMAL", ret);
}

int audit_store_open_alone(const char *path, sqlite3 **ret)
{
        return open_writer(path, "PRAGMA locking_mode=EXCLUSIVE", ret);
}

void audit_store_keep_wal(sqlite3 *db, bool keep)
{
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, (int)keep, NULL);
}

void audit_store_leave_names(sqlite3 *db)
{
        int on = 1;

        sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
}

/* A URI that names the file whatever characters its path has. */
static char *uri_of(const char *path)
{
        static const char scheme[] = "file:", query[] = "?immutable=1";
        char *uri = malloc(sizeof(scheme) + 3 * strlen(path) + sizeof(query)), *at;

        if (!uri)
                return NULL;
        at = stpcpy(uri, scheme);
        for (; *path; path++)
                at += strchr("%?#", *path) ? sprintf(at, "%%%02X", (unsigned char)*path) : sprintf(at, "%c", *path);
        strcpy(at, query);
        return uri;
}

static bool has_wal(const char *path)
{
        _cleanup_(free_memory) char *wal = NULL;
        struct stat st;

        return asprintf(&wal, "%s-wal", path) < 0 || (stat(wal, &st) == 0 && st.st_size > 0);
}

static int begin_reading(sqlite3 *db)
{
        int64_t objects;
        int r = audit_store_run(db, "PRAGMA query_only=ON; PRAGMA cell_size_check=ON; BEGIN");

        /* The first read takes the snapshot, and shows whether the file can be read at all. */
        return r ?: audit_store_integer(db, "SELECT count(*) FROM sqlite_schema", &objects);
}

static int open_snapshot(const char *path, sqlite3 **ret)
{
        _cleanup_(close_database) sqlite3 *db = NULL;
        _cleanup_(free_memory) char *uri = NULL;
        int r = open_database(path, SQLITE_OPEN_READONLY, &db);

        r = r ?: begin_reading(db);

        /* A copy on a medium where no -shm can be made. Only without a WAL, which immutable would not see, and without a
         * writer, whom it would not heed. */
        if (r < 0 && r != -EUCLEAN && r != -ENOMEM && r != -EBUSY && !has_wal(path)) {
                sqlite3_close(TAKE_PTR(db));
                uri = uri_of(path);
                if (!uri)
                        return -ENOMEM;
                r = open_database(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &db);
                r = r ?: begin_reading(db);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(db);
        return 0;
}

/* A pruned log takes the place of the old one while nobody reads. Whoever had opened the old file by then, and begins to read
 * after it, would put it together with the WAL of the new one; once reading has begun, the file stays. */
int audit_store_open_reader(const char *path, sqlite3 **ret)
{
        struct stat before, after;
        sqlite3 *db;
        int r;

        if (access(path, R_OK) < 0 || stat(path, &before) < 0)
                return -errno;
        if (!S_ISREG(before.st_mode)) /* a pipe would keep SQLite waiting */
                return S_ISDIR(before.st_mode) ? -EISDIR : -ENODEV;
        for (unsigned i = 0; i < REPLACED_MAX; i++, before = after) {
                db = NULL;
                r = open_snapshot(path, &db);
                if (stat(path, &after) < 0)
                        r = r ?: -errno;
                else if (before.st_ino != after.st_ino || before.st_dev != after.st_dev)
                        r = -EBUSY;
                else
                        break;
                sqlite3_close(db);
        }
        if (r == 0)
                *ret = db;
        return r;
}

/* ---- the schema ----------------------------------------------------------------------------------------------- */

/* The columns of sqlite_schema, as we ask for them. */
enum { NAME, SQL, TYPE, TABLE };

static const char *column_text(sqlite3_stmt *statement, int column)
{
        return (const char *)sqlite3_column_text(statement, column) ?: "";
}

/* Byte for byte: what follows a NUL counts too. */
static bool says(sqlite3_stmt *statement, int column, const char *text, size_t length)
{
        return (size_t)sqlite3_column_bytes(statement, column) == length &&
               memcmp(column_text(statement, column), text, length) == 0;
}

static int find_object(sqlite3_stmt *statement)
{
        for (int i = 0; i < SCHEMA_N; i++)
                if (says(statement, NAME, schema[i].name, strlen(schema[i].name)))
                        return says(statement, SQL, schema[i].sql, strlen(schema[i].sql)) ? i : -1;
        return -1;
}

/* What SQLite keeps beside the text: a trigger is named after its table. */
static bool is_filed_well(sqlite3_stmt *statement, int i)
{
        const bool is_table = TABLES_SEEN >> i & 1;
        const char *type = is_table ? "table" : "trigger";

        return says(statement, TYPE, type, strlen(type)) &&
               says(statement, TABLE, schema[i].name, strcspn(schema[i].name, "_"));
}

/* Names in a file that someone changed may hold anything, and end up on a terminal. */
static void differs(struct audit_schema *schema_found, const char *name, const char *how)
{
        if (schema_found->detail[0] != '\0')
                return;
        snprintf(schema_found->detail, sizeof(schema_found->detail), "'%.64s' %s", name, how);
        for (char *at = schema_found->detail; *at; at++)
                if (*at < ' ' || *at > '~')
                        *at = '?';
}

int audit_store_compare_schema(sqlite3 *db, struct audit_schema *ret)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_schema found = { .is_empty = true };
        unsigned seen = 0;
        int r = audit_store_prepare(db, "SELECT name, sql, type, tbl_name FROM sqlite_schema", &statement);

        if (r < 0)
                return r;
        while ((r = audit_store_step(statement)) > 0) {
                const int i = find_object(statement);

                found.is_empty = false;
                if (i < 0 || !is_filed_well(statement, i))
                        differs(&found, column_text(statement, NAME), "is not as this format defines it");
                if (i >= 0)
                        seen |= 1u << i;
        }
        if (r < 0)
                return r;

        for (int i = 0; i < SCHEMA_N; i++)
                if (!(seen >> i & 1))
                        differs(&found, schema[i].name, "is missing");
        found.is_familiar = seen != 0;
        found.is_ours = found.detail[0] == '\0';
        found.has_tables = (seen & TABLES_SEEN) == TABLES_SEEN;
        *ret = found;
        return 0;
}

/* ---- the tree ------------------------------------------------------------------------------------------------- */

static int load_rows(sqlite3 *db, unsigned level, uint64_t from, uint64_t to, struct audit_tree *tree)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        int r = audit_store_prepare(
                db, "SELECT idx, hash FROM subtree WHERE level=?1 AND idx>=?2 AND idx<?3 ORDER BY idx", &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int(statement, 1, (int)level);
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)from);
        sqlite3_bind_int64(statement, 3, (sqlite3_int64)to);

        for (uint64_t i = from; i < to; i++) {
                struct audit_hash hash;

                r = audit_store_step(statement);
                if (r < 0)
                        return r;
                if (r == 0 || (uint64_t)sqlite3_column_int64(statement, 0) != i ||
                    sqlite3_column_bytes(statement, 1) != sizeof(hash.bytes))
                        return -EUCLEAN;
                memcpy(hash.bytes, sqlite3_column_blob(statement, 1), sizeof(hash.bytes));
                audit_tree_push_node(tree, level, &hash, completed);
        }
        return 0;
}

static int load_leaves(sqlite3 *db, uint64_t from, uint64_t to, struct audit_tree *tree)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        int r = audit_store_prepare(
                db, "SELECT seq, body FROM record NOT INDEXED WHERE seq>=?1 AND seq<?2 ORDER BY seq", &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)from);
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)to);

        for (uint64_t i = from; i < to; i++) {
                struct audit_hash hash;

                r = audit_store_step(statement);
                if (r < 0)
                        return r;
                if (r == 0 || (uint64_t)sqlite3_column_int64(statement, 0) != i)
                        return -EUCLEAN;
                hash = audit_leaf_hash(sqlite3_column_text(statement, 1), (size_t)sqlite3_column_bytes(statement, 1));
                audit_tree_push(tree, &hash, completed);
        }
        return 0;
}

/* From the largest subtrees down to the last bodies: at most 255 rows of each level below the top. */
int audit_store_load_span(sqlite3 *db, uint64_t from, uint64_t to, struct audit_tree *ret)
{
        struct audit_tree tree = { 0 };
        int r = 0;

        for (unsigned level = AUDIT_SUBTREES_MAX * AUDIT_SUBTREE_STEP; level > 0 && r == 0; level -= AUDIT_SUBTREE_STEP)
                if ((to - from) >> level != 0)
                        r = load_rows(db, level, (from + tree.size) >> level, to >> level, &tree);
        r = r ?: load_leaves(db, from + tree.size, to, &tree);
        if (r < 0)
                return r;
        *ret = tree;
        return 0;
}

int audit_store_load_tree(sqlite3 *db, uint64_t size, struct audit_tree *ret)
{
        return audit_store_load_span(db, 0, size, ret);
}
