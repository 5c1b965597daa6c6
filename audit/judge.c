/* The start rules of governor-audit(5): may what is in the directory be continued? */

#include "audit/chain.h"
#include "audit/cleanup.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_printf_(3, 4) static int bad(struct audit_how *how, const char *finding, const char *format, ...)
{
        va_list arguments;

        how->finding = finding;
        va_start(arguments, format);
        vsnprintf(how->detail, sizeof(how->detail), format, arguments);
        va_end(arguments);
        return AUDIT_JUDGED_BAD;
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
        return schema.is_ours ? AUDIT_JUDGED_GOOD : bad(how, "SCHEMA", "%s", schema.detail);
}

static int judge_genesis(struct audit *audit, struct audit_how *how)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_slice body = { .length = 0 };
        const int r = audit_store_body(audit->db, 0, &statement, &body);

        if (r == -ENOENT)
                return bad(how, "GENESIS", "there is no record 0");
        if (r < 0)
                return bad_or_errno(how, r, "record 0");
        if (!audit_genesis_parse(body.text, body.length, &audit->genesis))
                return bad(how, "GENESIS", "record 0 is not the genesis of a log");
        return AUDIT_JUDGED_GOOD;
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

        r = r ?: audit_store_step(statement);
        if (r < 0)
                return bad_or_errno(how, r, "the last checkpoint");
        if (r == 0)
                return bad(how, "EPOCH_GAP", "there is no checkpoint");

        epoch = (uint64_t)sqlite3_column_int64(statement, 0);
        if (!copy_note(audit, statement, ret) || !audit_slice_is(ret->origin, audit->genesis.origin)) {
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
        return AUDIT_JUDGED_GOOD;
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
        if (n == sizeof(seed))
                crypto_sign_seed_keypair(public_key, audit->keys->log, seed);
        sodium_memzero(seed, sizeof(seed));
        if (n != sizeof(seed))
                return n < 0 ? -errno : -ENOKEY;
        return memcmp(public_key, audit->genesis.log_key, sizeof(public_key)) == 0 ? 0 : -EKEYREJECTED;
}

/* Only the right key fits the last seal: this is what notices, with no network, that the database is not the newest. */
static int judge_keys(struct audit *audit, struct audit_how *how, const struct audit_note *last)
{
        const uint64_t wanted = last->epoch + 1;
        struct audit_slot slots[AUDIT_SLOTS];
        const struct audit_slot *ours = &slots[wanted % AUDIT_SLOTS]; /* the other's place is for the next key */
        int r = load_log_key(audit);

        if (r == -ENOKEY)
                return bad(how, "KEY_MISSING", "keys/log.key is not there");
        if (r == -EKEYREJECTED)
                return bad(how, "KEY_MISMATCH", "keys/log.key is not the key in the genesis record");
        r = r ?: audit_sealkey_read(audit->lock_fd, slots);
        if (r < 0)
                return r;

        if (ours->valid && ours->epoch == wanted && memcmp(ours->public_key, last->next, AUDIT_PUBLIC_KEY) == 0)
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
        r = audit_store_step(statement);
        if (r < 0)
                return bad_or_errno(how, r, "the subtree table");
        if (r == 0 || sqlite3_column_bytes(statement, 0) != sizeof(subtree->hash.bytes) ||
            memcmp(sqlite3_column_blob(statement, 0), subtree->hash.bytes, sizeof(subtree->hash.bytes)) != 0)
                return bad(how, "SUBTREE_MISMATCH", "subtree %u/%llu does not match the records", subtree->level,
                           (unsigned long long)subtree->index);
        return AUDIT_JUDGED_GOOD;
}

static int take_tail_record(struct audit *audit, struct audit_how *how, const char *body, size_t length)
{
        const unsigned long long seq = audit->tree.size;
        const struct audit_hash hash = audit_leaf_hash(body, length);
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        struct audit_view record;
        unsigned n;
        int r = AUDIT_JUDGED_GOOD;

        if (!audit_record_scan(body, length, &record))
                return bad(how, "NOT_CANONICAL", "record %llu after the last seal is not canonical", seq);
        if (record.seq != seq)
                return bad(how, "SEQ_ORDER", "record %llu after the last seal says it is %llu", seq,
                           (unsigned long long)record.seq);
        if (!audit_record_follows(&record, &audit->last))
                return bad(how, "PREV_MISMATCH", "record %llu after the last seal does not follow its predecessor",
                           seq);

        n = audit_tree_push(&audit->tree, &hash, completed);
        audit->last = hash;
        for (unsigned i = 0; i < n && r == AUDIT_JUDGED_GOOD; i++)
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

        while ((r = audit_store_step(statement)) > 0) {
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
                if (r != AUDIT_JUDGED_GOOD)
                        return r;
        }
        return r < 0 ? bad_or_errno(how, r, "the record table") : AUDIT_JUDGED_GOOD;
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
                return bad(how, "SUBTREE_MISMATCH", "%lld subtrees are stored, the records make %llu", (long long)rows,
                           (unsigned long long)wanted);
        return AUDIT_JUDGED_GOOD;
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

int audit_judge_database(struct audit *audit, struct audit_how *how)
{
        struct audit_note last;
        int r = judge_schema(audit, how);

        r = r ?: judge_genesis(audit, how);
        r = r ?: judge_checkpoint(audit, how, &last);
        r = r ?: judge_keys(audit, how, &last);
        r = r ?: judge_tree(audit, how, &last);
        if (r == AUDIT_JUDGED_GOOD)
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
        return AUDIT_JUDGED_NONE;
}

int audit_judge(struct audit *audit, struct audit_how *how)
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
        return audit_judge_database(audit, how);
}
