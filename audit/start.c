/* How a writer begins: the lock, then what is there is judged by the start rules of governor-audit(5), then it is continued,
 * or set aside and a new log begun. */

#include "audit/chain.h"
#include "audit/cleanup.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { BALLAST = 16 << 20, BUSY_MS = 250, RETENTION_DAYS = 400 };

/* What judge() came to, beside a negative errno for "cannot tell". */
enum { JUDGED_GOOD, JUDGED_NONE, JUDGED_BAD };

static int bad(struct audit_how *how, const char *finding, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int bad(struct audit_how *how, const char *finding, const char *format, ...)
{
        va_list arguments;

        how->finding = finding;
        va_start(arguments, format);
        vsnprintf(how->detail, sizeof(how->detail), format, arguments);
        va_end(arguments);
        return JUDGED_BAD;
}

/* Damage is a judgement; what the system refuses is not. */
static int bad_or_errno(struct audit_how *how, int r, const char *what)
{
        return r == -EUCLEAN || r == -ENODATA ? bad(how, "CORRUPT", "%s cannot be read", what) : r;
}

/* ---- the parts of a log --------------------------------------------------------------------------------------- */

static int judge_schema(struct audit *audit, struct audit_how *how)
{
        int64_t application = 0, version = 0;
        struct audit_schema schema;
        int r = audit_store_integer(audit->db, "PRAGMA application_id", &application);

        r = r ?: audit_store_integer(audit->db, "PRAGMA user_version", &version);
        if (r < 0)
                return bad_or_errno(how, r, "the database header");
        if (application != AUDIT_APPLICATION_ID || version != AUDIT_USER_VERSION)
                return bad(how, "SCHEMA", "application_id %lld, user_version %lld are not this format's",
                           (long long)application, (long long)version);

        r = audit_store_compare_schema(audit->db, &schema);
        if (r < 0)
                return bad_or_errno(how, r, "the schema");
        return schema.is_ours ? JUDGED_GOOD : bad(how, "SCHEMA", "%s", schema.detail);
}

static int judge_genesis(struct audit *audit, struct audit_how *how)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        int r = audit_store_prepare(audit->db, "SELECT body FROM record WHERE seq=0", &statement);

        if (r < 0)
                return bad_or_errno(how, r, "record 0");
        r = sqlite3_step(statement);
        if (r == SQLITE_DONE)
                return bad(how, "GENESIS", "there is no record 0");
        if (r != SQLITE_ROW)
                return bad_or_errno(how, audit_sqlite_errno(audit->db, r), "record 0");
        if (!audit_genesis_parse((const char *)sqlite3_column_text(statement, 0),
                                 (size_t)sqlite3_column_bytes(statement, 0), &audit->genesis))
                return bad(how, "GENESIS", "record 0 is not the genesis of a log");
        return JUDGED_GOOD;
}

static bool copy_note(struct audit *audit, sqlite3_stmt *statement, struct audit_note *ret)
{
        const char *text = (const char *)sqlite3_column_text(statement, 1);
        const size_t length = (size_t)sqlite3_column_bytes(statement, 1);

        if (!text || length >= sizeof(audit->note))
                return false;
        memcpy(audit->note, text, length);
        audit->note[length] = '\0';
        return audit_note_parse(audit->note, length, ret);
}

static bool is_of_origin(const struct audit *audit, const struct audit_note *note)
{
        return note->origin.length == strlen(audit->genesis.origin) &&
               memcmp(note->origin.text, audit->genesis.origin, note->origin.length) == 0;
}

/* The key of the last seal is the one that the seal before it names, or genesis. */
static bool expected_seal_key(struct audit *audit, sqlite3_stmt *statement, uint64_t epoch,
                              uint8_t ret[AUDIT_PUBLIC_KEY])
{
        struct audit_note before;

        if (epoch == 0) {
                memcpy(ret, audit->genesis.seal_key, AUDIT_PUBLIC_KEY);
                return true;
        }
        if (sqlite3_step(statement) != SQLITE_ROW || (uint64_t)sqlite3_column_int64(statement, 0) != epoch - 1 ||
            !audit_note_parse((const char *)sqlite3_column_text(statement, 1),
                              (size_t)sqlite3_column_bytes(statement, 1), &before))
                return false;
        memcpy(ret, before.next, AUDIT_PUBLIC_KEY);
        return true;
}

/* The last checkpoint, copied to audit->note, which `ret` points into. */
static int judge_checkpoint(struct audit *audit, struct audit_how *how, struct audit_note *ret)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        uint8_t seal_key[AUDIT_PUBLIC_KEY];
        uint64_t epoch;
        int r = audit_store_prepare(audit->db, "SELECT epoch, note FROM checkpoint ORDER BY epoch DESC LIMIT 2",
                                    &statement);

        if (r < 0)
                return bad_or_errno(how, r, "the last checkpoint");
        r = sqlite3_step(statement);
        if (r == SQLITE_DONE)
                return bad(how, "EPOCH_GAP", "there is no checkpoint");
        if (r != SQLITE_ROW)
                return bad_or_errno(how, audit_sqlite_errno(audit->db, r), "the last checkpoint");

        epoch = (uint64_t)sqlite3_column_int64(statement, 0);
        if (!copy_note(audit, statement, ret) || !is_of_origin(audit, ret)) {
                audit->note[0] = '\0';
                return bad(how, "BAD_NOTE", "checkpoint %llu is not a note of this log", (unsigned long long)epoch);
        }
        if (ret->epoch != epoch)
                return bad(how, "EPOCH_GAP", "checkpoint %llu holds the seal of epoch %llu", (unsigned long long)epoch,
                           (unsigned long long)ret->epoch);
        if (!audit_note_log_signed(ret, audit->genesis.log_key))
                return bad(how, "LOG_SIG", "checkpoint %llu is not signed by the log key", (unsigned long long)epoch);
        if (!expected_seal_key(audit, statement, epoch, seal_key) || !audit_note_sealed(ret, seal_key))
                return bad(how, "SEAL_SIG", "checkpoint %llu is not sealed by the key before it named",
                           (unsigned long long)epoch);
        return JUDGED_GOOD;
}

static int load_log_key(struct audit *audit)
{
        _cleanup_(free_memory) char *path = audit_path(audit, "keys/log.key");
        uint8_t seed[AUDIT_SECRET_KEY], public_key[AUDIT_PUBLIC_KEY];
        _cleanup_(close_fd) int fd = -1;
        ssize_t n;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? -ENOKEY : -errno;
        n = read(fd, seed, sizeof(seed));
        if (n < 0)
                return -errno;
        if (n != sizeof(seed))
                return -ENOKEY;
        crypto_sign_seed_keypair(public_key, audit->keys->log, seed);
        sodium_memzero(seed, sizeof(seed));
        return memcmp(public_key, audit->genesis.log_key, sizeof(public_key)) == 0 ? 0 : -EKEYREJECTED;
}

/* Only the right key fits the last seal: this is what notices, with no network, that the database is not the newest. */
static int judge_keys(struct audit *audit, struct audit_how *how, const struct audit_note *last)
{
        const uint64_t wanted = last->epoch + 1;
        struct audit_slot slots[AUDIT_SLOTS];
        int r = load_log_key(audit);

        if (r == -ENOKEY)
                return bad(how, "KEY_MISSING", "keys/log.key is not there");
        if (r == -EKEYREJECTED)
                return bad(how, "KEY_MISMATCH", "keys/log.key is not the key in the genesis record");
        r = r ?: audit_sealkey_read(audit->lock_fd, slots);
        if (r < 0)
                return r;

        for (unsigned i = 0; i < AUDIT_SLOTS; i++)
                if (slots[i].valid && slots[i].epoch == wanted &&
                    memcmp(slots[i].public_key, last->next, AUDIT_PUBLIC_KEY) == 0)
                        return audit_sealkey_load(audit->lock_fd, wanted, audit->keys->seal);

        for (unsigned i = 0; i < AUDIT_SLOTS; i++)
                if (slots[i].valid && slots[i].epoch > wanted)
                        return bad(how, "KEY_AHEAD", "the key is of epoch %llu, the database ends with seal %llu",
                                   (unsigned long long)slots[i].epoch, (unsigned long long)last->epoch);
        return bad(how, "KEY_MISSING", "no key in keys/seal.key fits seal %llu", (unsigned long long)last->epoch);
}

/* ---- the tree and the tail ------------------------------------------------------------------------------------ */

static int judge_subtree(struct audit *audit, struct audit_how *how, const struct audit_subtree *subtree)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        int r = audit_store_prepare(audit->db, "SELECT hash FROM subtree WHERE level=?1 AND idx=?2", &statement);

        if (r < 0)
                return bad_or_errno(how, r, "the subtree table");
        sqlite3_bind_int(statement, 1, (int)subtree->level);
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)subtree->index);
        r = sqlite3_step(statement);
        if (r != SQLITE_ROW && r != SQLITE_DONE)
                return bad_or_errno(how, audit_sqlite_errno(audit->db, r), "the subtree table");
        if (r == SQLITE_DONE || sqlite3_column_bytes(statement, 0) != sizeof(subtree->hash.bytes) ||
            memcmp(sqlite3_column_blob(statement, 0), subtree->hash.bytes, sizeof(subtree->hash.bytes)) != 0)
                return bad(how, "SUBTREE_MISMATCH", "subtree %u/%llu does not match the records", subtree->level,
                           (unsigned long long)subtree->index);
        return JUDGED_GOOD;
}

static int take_tail_record(struct audit *audit, struct audit_how *how, const char *body, size_t length)
{
        const unsigned long long seq = audit->tree.size;
        const struct audit_hash hash = audit_leaf_hash(body, length);
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        struct audit_view record;
        unsigned n;
        int r = JUDGED_GOOD;

        if (!audit_record_scan(body, length, &record))
                return bad(how, "NOT_CANONICAL", "record %llu after the last seal is not canonical", seq);
        if (record.seq != seq)
                return bad(how, "SEQ_ORDER", "record %llu after the last seal says it is %llu", seq,
                           (unsigned long long)record.seq);
        if (!audit_record_follows(&record, &audit->last))
                return bad(how, "PREV_MISMATCH", "record %llu after the last seal does not follow its predecessor", seq);

        n = audit_tree_push(&audit->tree, &hash, completed);
        audit->last = hash;
        for (unsigned i = 0; i < n && r == JUDGED_GOOD; i++)
                r = judge_subtree(audit, how, &completed[i]);
        return r;
}

/* From the last sealed record on, whose hash is what the first of the tail must carry. */
static int judge_tail(struct audit *audit, struct audit_how *how)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        int r = audit_store_prepare(audit->db, "SELECT seq, body FROM record WHERE seq>=?1 ORDER BY seq", &statement);

        if (r < 0)
                return bad_or_errno(how, r, "the record table");
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)audit->sealed_size - 1);

        while ((r = sqlite3_step(statement)) == SQLITE_ROW) {
                const uint64_t seq = (uint64_t)sqlite3_column_int64(statement, 0);
                const char *body = (const char *)sqlite3_column_text(statement, 1);
                const size_t length = (size_t)sqlite3_column_bytes(statement, 1);

                if (seq == audit->sealed_size - 1) {
                        audit->last = audit_leaf_hash(body, length);
                        continue;
                }
                if (seq != audit->tree.size)
                        return bad(how, "SEQ_GAP", "record %llu is missing", (unsigned long long)audit->tree.size);
                r = take_tail_record(audit, how, body, length);
                if (r != JUDGED_GOOD)
                        return r;
        }
        return r == SQLITE_DONE ? JUDGED_GOOD : bad_or_errno(how, audit_sqlite_errno(audit->db, r), "the record table");
}

/* A row too many would stop the writer at the record that completes the same subtree. */
static int judge_subtree_count(struct audit *audit, struct audit_how *how)
{
        uint64_t wanted = 0;
        int64_t rows;
        int r = audit_store_integer(audit->db, "SELECT count(*) FROM subtree", &rows);

        if (r < 0)
                return bad_or_errno(how, r, "the subtree table");
        for (unsigned i = 1; i <= AUDIT_SUBTREES_MAX; i++)
                wanted += audit->tree.size >> (i * AUDIT_SUBTREE_STEP);
        if ((uint64_t)rows != wanted)
                return bad(how, "SUBTREE_MISMATCH", "%lld subtrees are stored, the records make %llu",
                           (long long)rows, (unsigned long long)wanted);
        return JUDGED_GOOD;
}

static int judge_tree(struct audit *audit, struct audit_how *how, const struct audit_note *last)
{
        struct audit_hash root;
        int64_t size;
        int r = audit_store_integer(audit->db, "SELECT max(seq)+1 FROM record", &size);

        if (r < 0)
                return bad_or_errno(how, r, "the record table");
        if ((uint64_t)size < last->size)
                return bad(how, "CKPT_BEYOND_END", "seal %llu covers %llu records, there are %lld",
                           (unsigned long long)last->epoch, (unsigned long long)last->size, (long long)size);

        r = audit_store_load_tree(audit->db, last->size, &audit->tree);
        if (r == -EUCLEAN)
                return bad(how, "ROOT_MISMATCH", "the tree under seal %llu cannot be put together",
                           (unsigned long long)last->epoch);
        if (r < 0)
                return r;
        root = audit_tree_root(&audit->tree);
        if (!audit_hash_equal(&root, &last->root))
                return bad(how, "ROOT_MISMATCH", "the records do not make the root of seal %llu",
                           (unsigned long long)last->epoch);
        audit->sealed_size = last->size;
        r = judge_tail(audit, how);
        return r ?: judge_subtree_count(audit, how);
}

/* ---- judging the whole ---------------------------------------------------------------------------------------- */

static int judge_database(struct audit *audit, struct audit_how *how)
{
        struct audit_note last;
        int r = judge_schema(audit, how);

        r = r ?: judge_genesis(audit, how);
        r = r ?: judge_checkpoint(audit, how, &last);
        r = r ?: judge_keys(audit, how, &last);
        r = r ?: judge_tree(audit, how, &last);
        if (r == JUDGED_GOOD)
                audit->epoch = last.epoch + 1;
        return r;
}

/* No database: the first start, unless keys say that there was one. */
static int judge_absence(struct audit *audit, struct audit_how *how)
{
        _cleanup_(free_memory) char *log_key = audit_path(audit, "keys/log.key");
        struct audit_slot slots[AUDIT_SLOTS];
        int r;

        if (!log_key)
                return -ENOMEM;
        r = audit_sealkey_read(audit->lock_fd, slots);
        if (r < 0)
                return r;
        if (slots[0].valid || slots[1].valid || access(log_key, F_OK) == 0)
                return bad(how, "NOT_FOUND", "audit.db is gone, its keys are still there");
        return JUDGED_NONE;
}

static int judge(struct audit *audit, struct audit_how *how)
{
        _cleanup_(free_memory) char *path = audit_path(audit, "audit.db");
        int r;

        if (!path)
                return -ENOMEM;
        if (access(path, F_OK) < 0)
                return errno == ENOENT ? judge_absence(audit, how) : -errno;
        r = audit_store_open(path, &audit->db);
        if (r < 0)
                return bad_or_errno(how, r, "audit.db");
        return judge_database(audit, how);
}

/* ---- going on ------------------------------------------------------------------------------------------------- */

static int close_log(struct audit *audit)
{
        sqlite3_stmt **statements[] = { &audit->begin,          &audit->commit,            &audit->insert_record,
                                        &audit->insert_subtree, &audit->insert_checkpoint, &audit->data_version };

        for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
                sqlite3_finalize(TAKE_PTR(*statements[i]));
        return sqlite3_close(TAKE_PTR(audit->db)) == SQLITE_OK ? 0 : -EIO;
}

static int open_new_log(struct audit *audit)
{
        struct audit_how how = { 0 };
        int r = judge(audit, &how);

        return r == JUDGED_GOOD || r < 0 ? r : -EIO;
}

static int set_aside(struct audit *audit, struct audit_how *how)
{
        char prev_log[AUDIT_NOTE_MAX], name[128];
        int r;

        strcpy(prev_log, audit->note);
        close_log(audit);
        r = audit_set_aside(audit, name, sizeof(name));
        r = r ?: audit_begin_log(audit, prev_log);
        if (r < 0)
                return r;
        how->start = AUDIT_SET_ASIDE;
        snprintf(how->aside, sizeof(how->aside), "%s/%s", audit->dir, name);
        return open_new_log(audit);
}

/* Continues what is there, or puts a new log in its place. */
static int settle(struct audit *audit, struct audit_how *how)
{
        int r = audit_finish_swap(audit);

        if (r < 0)
                return r;
        r = judge(audit, how);
        if (r == JUDGED_BAD)
                return set_aside(audit, how);
        if (r == JUDGED_NONE) {
                how->start = AUDIT_CREATED;
                r = audit_begin_log(audit, "");
                return r ?: open_new_log(audit);
        }
        if (r < 0)
                return r;

        how->start = AUDIT_CONTINUED;
        if (audit->tree.size == 1) { /* a crash came between genesis and the first start record, which would have told */
                how->start = audit->genesis.continues ? AUDIT_SET_ASIDE : AUDIT_CREATED;
                if (audit->genesis.continues)
                        bad(how, "UNKNOWN", "a start that set the log aside was cut short; see set-aside/");
        }
        return 0;
}

/* A key that fits no more, left by a crash between a seal and its erasure, or before the seal. */
static int erase_stale_slot(struct audit *audit)
{
        struct audit_slot slots[AUDIT_SLOTS];
        const unsigned other = (audit->epoch + 1) % AUDIT_SLOTS;
        int r = audit_sealkey_read(audit->lock_fd, slots);

        if (r < 0 || !slots[other].valid)
                return r;
        return audit_sealkey_erase(audit->lock_fd, other);
}

/* Space that a full disk gives back. Without it the log works too, so a failure only means that there is less to give. */
static void keep_ballast(const struct audit *audit)
{
        _cleanup_(free_memory) char *path = audit_path(audit, "audit.ballast");
        _cleanup_(close_fd) int fd = -1;
        struct stat st;

        if (audit->no_ballast || !path)
                return;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_size >= BALLAST)
                return;
        if (posix_fallocate(fd, 0, BALLAST) != 0)
                unlink(path); /* half of it would only make a full disk fuller */
}

static json_t *start_details(const struct audit *audit, const struct audit_how *how)
{
        const char *aside = how->aside[0] ? how->aside + strlen(audit->dir) + 1 : "";
        json_t *details = json_pack("{s:n, s:n, s:s}", "adopted_from", "adopted_to", "reason", audit->reason);

        if (details && how->adopted &&
            (json_object_set_new(details, "adopted_from", json_integer((json_int_t)how->adopted_from)) < 0 ||
             json_object_set_new(details, "adopted_to", json_integer((json_int_t)how->adopted_to)) < 0))
                json_decref(TAKE_PTR(details));
        if (details && how->finding &&
            json_object_set_new(details, "set_aside",
                                json_pack("{s:s, s:s, s:s}", "detail", how->detail, "finding", how->finding, "path",
                                          aside)) < 0)
                json_decref(TAKE_PTR(details));
        return details;
}

/* The first transaction is always sealed: a week without power must not look like a week without seals. */
static int record_start(struct audit *audit, struct audit_how *how)
{
        _cleanup_(drop_json) json_t *details = NULL;
        int r;

        how->adopted = audit->tree.size > audit->sealed_size;
        how->adopted_from = audit->sealed_size;
        how->adopted_to = audit->tree.size - 1;

        details = start_details(audit, how);
        if (!details)
                return -ENOMEM;
        r = audit_append_own(audit,
                             &(struct audit_entry){ .action = "audit.start", .subject = "audit",
                                                    .outcome = AUDIT_INFO, .details = details },
                             NULL);
        r = r ?: audit_commit(audit, AUDIT_SEAL);
        return r < 0 ? r : 0;
}

static int genesis_anchor(struct audit *audit, char ret[static AUDIT_ANCHOR_MAX])
{
        struct audit_tree first;
        struct audit_hash root;
        int r = audit_store_load_tree(audit->db, 1, &first);

        if (r < 0)
                return r;
        root = audit_tree_root(&first);
        audit_anchor_write(audit->genesis.origin, 1, &root, ret);
        return 0;
}

static int go_on(struct audit *audit, struct audit_how *how)
{
        int r = erase_stale_slot(audit);

        if (r < 0)
                return r;
        audit_store_keep_wal(audit->db, false);
        sqlite3_busy_timeout(audit->db, BUSY_MS); /* the daemon's one thread must not wait for a stranger's lock */
        r = audit_store_run(audit->db, "PRAGMA journal_mode=WAL");
        r = r ?: audit_prepare_statements(audit);
        r = r ?: record_start(audit, how);
        r = r ?: genesis_anchor(audit, how->genesis_anchor);
        if (r < 0)
                return r;
        keep_ballast(audit);
        return 0;
}

/* ---- opening and closing -------------------------------------------------------------------------------------- */

static int read_boot_id(char ret[static 33])
{
        _cleanup_(close_fd) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        char text[64] = "";
        size_t n = 0;

        if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
                return -errno;
        for (const char *at = text; *at && n < 32; at++)
                if (strchr("0123456789abcdef", *at))
                        ret[n++] = *at;
        ret[n] = '\0';
        return n == 32 ? 0 : -EBADMSG;
}

static int take_options(struct audit *audit, const struct audit_options *options)
{
        static const struct audit_options defaults;

        options = options ?: &defaults;
        audit->clock = options->clock;
        audit->clock.boot_id = NULL;
        audit->retention_days = options->retention_days ?: RETENTION_DAYS;
        audit->no_ballast = options->no_ballast;
        audit->step = options->step;
        audit->step_userdata = options->step_userdata;
        audit->reason = strdup(options->reason ?: "start");
        if (!audit->reason)
                return -ENOMEM;

        if (options->host)
                snprintf(audit->host, sizeof(audit->host), "%s", options->host);
        else if (gethostname(audit->host, sizeof(audit->host) - 1) < 0)
                return -errno;
        if (!options->clock.boot_id)
                return read_boot_id(audit->boot_id);
        if (strlen(options->clock.boot_id) != 32)
                return -EINVAL;
        strcpy(audit->boot_id, options->clock.boot_id);
        return 0;
}

static int audit_new(const char *state_dir, const struct audit_options *options, struct audit **ret)
{
        struct audit *audit = calloc(1, sizeof(*audit));
        int r;

        if (!audit)
                return -ENOMEM;
        audit->lock_fd = -1;
        audit->dir = strdup(state_dir);
        audit->space = malloc(AUDIT_BODY_MAX);
        audit->keys = sodium_malloc(sizeof(*audit->keys));
        r = audit->dir && audit->space && audit->keys ? take_options(audit, options) : -ENOMEM;
        if (r < 0) {
                audit_close(audit);
                return r;
        }
        *ret = audit;
        return 0;
}

static int make_directories(const struct audit *audit)
{
        _cleanup_(free_memory) char *keys = audit_path(audit, "keys");

        if (!keys)
                return -ENOMEM;
        if (mkdir(audit->dir, 0700) < 0 && errno != EEXIST)
                return -errno;
        return mkdir(keys, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int lock(struct audit *audit)
{
        _cleanup_(free_memory) char *path = audit_path(audit, "keys/seal.key");

        return path ? audit_sealkey_lock(path, &audit->lock_fd) : -ENOMEM;
}

static void close_audit(struct audit **audit)
{
        audit_close(*audit);
}

int audit_open(const char *state_dir, const struct audit_options *options, struct audit **ret,
               struct audit_how *ret_how)
{
        _cleanup_(close_audit) struct audit *audit = NULL;
        struct audit_how how = { 0 };
        int r;

        if (sodium_init() < 0)
                return -EIO;
        r = audit_new(state_dir, options, &audit);
        r = r ?: make_directories(audit);
        r = r ?: lock(audit);
        r = r ?: settle(audit, &how);
        r = r ?: go_on(audit, &how);
        if (r < 0)
                return r;

        if (ret_how)
                *ret_how = how;
        *ret = TAKE_PTR(audit);
        return 0;
}

struct audit *audit_close(struct audit *audit)
{
        if (!audit)
                return NULL;
        close_log(audit);
        close_fd(&audit->lock_fd);
        sodium_free(audit->keys);
        free(audit->pending.bytes);
        free(audit->pending.list);
        free(audit->space);
        free(audit->reason);
        free(audit->dir);
        free(audit);
        return NULL;
}
