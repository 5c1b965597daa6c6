/* A new log: staged beside the old one under temporary names, then swapped in. audit.db.new is the point of no return:
 * once it has that name everything it needs is on disk, and whoever starts next finishes the swap. */

#include "audit/chain.h"
#include "audit/cleanup.h"
#include "audit/files.h"
#include "audit/staged.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

enum { LOG_KEY_FILE = AUDIT_SECRET_KEY, SEAL_KEY_FILE = AUDIT_SLOTS * AUDIT_SLOT_SIZE };

int audit_sync_directory(const struct audit *audit, const char *name)
{
        _cleanup_(free_memory) char *path = audit_path(audit, name);

        return path ? audit_files_sync_directory(path) : -ENOMEM;
}

int audit_remove_file(const struct audit *audit, const char *name)
{
        _cleanup_(free_memory) char *path = audit_path(audit, name);

        return path ? audit_files_remove(path) : -ENOMEM;
}

static int remove_files(const struct audit *audit, const char *const *names, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++)
                r = audit_remove_file(audit, names[i]);
        return r;
}

int audit_remove_companions(const struct audit *audit)
{
        static const char *const names[] = { "audit.db-wal", "audit.db-shm", "audit.db-journal" };

        return remove_files(audit, names, sizeof(names) / sizeof(names[0]));
}

int audit_remove_staged(const struct audit *audit)
{
        static const char *const names[] = { AUDIT_STAGED, AUDIT_STAGED "-journal", AUDIT_STAGED ".tmp",
                                             AUDIT_STAGED ".tmp-journal" };

        return remove_files(audit, names, sizeof(names) / sizeof(names[0]));
}

static int create_file(const struct audit *audit, const char *name, const void *bytes, size_t length, int *ret_fd)
{
        _cleanup_(free_memory) char *path = audit_path(audit, name);
        _cleanup_(close_fd) int fd = -1;
        ssize_t n;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        n = write(fd, bytes, length);
        if (n < 0 || fsync(fd) < 0)
                return -errno;
        if ((size_t)n != length)
                return -ENOSPC;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* 0 also when there is nothing under the first name: a swap may be repeated from any point. */
int audit_rename_file(const struct audit *audit, const char *from, const char *to)
{
        _cleanup_(free_memory) char *old = audit_path(audit, from);
        _cleanup_(free_memory) char *new = audit_path(audit, to);

        if (!old || !new)
                return -ENOMEM;
        return rename(old, new) < 0 && errno != ENOENT ? -errno : 0;
}

/* ---- staging -------------------------------------------------------------------------------------------------- */

static int remove_leftovers(const struct audit *audit)
{
        static const char *const names[] = { "audit.db.tmp",     "audit.db.tmp-journal", "audit.db.tmp-wal",
                                             "audit.db.tmp-shm", "audit.db.new-wal",     "audit.db.new-shm",
                                             "keys/log.key.new", "keys/seal.key.new" };

        return remove_files(audit, names, sizeof(names) / sizeof(names[0]));
}

/* The key of epoch 0 seals the genesis and is never on disk; the file begins with that of epoch 1. */
static int stage_keys(struct audit *audit)
{
        static const uint8_t empty[SEAL_KEY_FILE];
        _cleanup_(close_fd) int log_fd = -1, seal_fd = -1;
        uint8_t unused[AUDIT_PUBLIC_KEY];
        int r;

        crypto_sign_keypair(audit->genesis.log_key, audit->keys->log);
        crypto_sign_keypair(audit->genesis.seal_key, audit->keys->seal);
        crypto_sign_keypair(unused, audit->keys->next);

        r = create_file(audit, "keys/log.key.new", audit->keys->log, LOG_KEY_FILE, &log_fd);
        r = r ?: create_file(audit, "keys/seal.key.new", empty, sizeof(empty), &seal_fd);
        r = r ?: audit_sealkey_store(seal_fd, 1, audit->keys->next);
        return r ?: audit_sync_directory(audit, "keys");
}

static int insert(sqlite3 *db, const char *sql, const char *text, size_t length)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        int r = audit_store_prepare(db, sql, &statement);

        if (r < 0)
                return r;
        sqlite3_bind_text(statement, 1, text, (int)length, SQLITE_STATIC);
        return audit_store_step(statement);
}

static int insert_genesis(struct audit *audit, sqlite3 *db, const char *prev_log)
{
        struct audit_place place = audit_next_place(audit);
        char note[AUDIT_NOTE_MAX];
        struct audit_sealing sealing;
        size_t length;
        int r;

        place.seq = 0;
        memset(place.prev.bytes, 0, sizeof(place.prev.bytes));
        r = audit_genesis_encode(&audit->genesis, prev_log, &place, audit->space, &length);
        if (r < 0)
                return r;

        sealing = (struct audit_sealing){
                .origin = audit->genesis.origin,
                .size = 1,
                .root = audit_leaf_hash(audit->space, length),
                .log_secret = audit->keys->log,
                .seal_secret = audit->keys->seal,
                .next_public = audit->keys->next + AUDIT_SECRET_KEY - AUDIT_PUBLIC_KEY,
        };
        r = insert(db, "INSERT INTO record(seq, body) VALUES(0, ?1)", audit->space, length);
        if (r < 0)
                return r;
        length = audit_note_write(&sealing, note);
        return insert(db, "INSERT INTO checkpoint(epoch, size, note) VALUES(0, 1, ?1)", note, length);
}

static int stage_database(struct audit *audit, const char *prev_log)
{
        _cleanup_(free_memory) char *path = audit_path(audit, "audit.db.tmp");
        _cleanup_(close_database) sqlite3 *db = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = audit_store_create(path, &db);
        r = r ?: insert_genesis(audit, db, prev_log);
        r = r ?: audit_store_add_triggers(db);
        r = r ?: audit_store_run(db, "COMMIT");
        r = r ?: audit_store_run(db, "PRAGMA journal_mode=WAL"); /* here, where a cut leaves no journal beside a log */
        if (r < 0)
                return r;
        if (sqlite3_close(TAKE_PTR(db)) != SQLITE_OK)
                return -EIO;
        r = audit_rename_file(audit, "audit.db.tmp", "audit.db.new");
        return r ?: audit_sync_directory(audit, ".");
}

/* A host name may hold what a key name may not. */
static void choose_origin(struct audit *audit)
{
        const uint32_t random = randombytes_random();

        for (char *at = audit->host; *at; at++)
                if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *at))
                        *at = '-';
        snprintf(audit->genesis.origin, sizeof(audit->genesis.origin), "%s/governor/%08x",
                 audit->host[0] ? audit->host : "localhost", random);
}

int audit_begin_log(struct audit *audit, const char *prev_log, bool rotated)
{
        int r;

        audit->genesis.retention_days = audit->retention_days;
        audit->genesis.rotated = rotated;
        choose_origin(audit);

        r = remove_leftovers(audit);
        r = r ?: stage_keys(audit);
        r = r ?: stage_database(audit, prev_log);
        sodium_memzero(audit->keys, sizeof(*audit->keys)); /* they come back from the files when the log is opened */
        if (r < 0)
                return r;
        audit_step_done(audit, AUDIT_STEP_STAGED);
        r = audit_finish_swap(audit);
        return r < 0 ? r : 0;
}

/* ---- swapping ------------------------------------------------------------------------------------------------- */

/* The new key file is locked before it gets its name, so that no second writer can slip in between. */
static int swap_seal_key(struct audit *audit)
{
        _cleanup_(free_memory) char *path = audit_path(audit, "keys/seal.key.new");
        _cleanup_(close_fd) int fd = -1;
        int r;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        r = audit_rename_file(audit, "keys/seal.key.new", "keys/seal.key");
        if (r < 0)
                return r;
        close_fd(&audit->lock_fd);
        audit->lock_fd = TAKE_FD(fd);
        return 0;
}

int audit_finish_swap(struct audit *audit)
{
        _cleanup_(free_memory) char *staged = audit_path(audit, "audit.db.new");
        int r = 0;

        if (!staged)
                return -ENOMEM;
        if (access(staged, F_OK) < 0)
                return errno == ENOENT ? 0 : -errno;

        r = audit_remove_companions(audit);
        r = r ?: audit_rename_file(audit, "keys/log.key.new", "keys/log.key");
        r = r ?: swap_seal_key(audit);
        r = r ?: audit_sync_directory(audit, "keys");
        if (r < 0)
                return r;
        audit_step_done(audit, AUDIT_STEP_SWAPPED);
        r = audit_rename_file(audit, "audit.db.new", "audit.db");
        r = r ?: audit_sync_directory(audit, ".");
        return r < 0 ? r : 1;
}
