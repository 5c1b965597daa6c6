/* What is pending goes into the file: one transaction, and the seal around it. */

#include "audit/chain.h"
#include "audit/cleanup.h"

#include <sodium.h>
#include <string.h>

enum {
        SEAL_AFTER_SEC = 10,
        SEAL_RECORDS = 256,
        HEARTBEAT_SEC = 3600,
};

/* ---- one transaction ------------------------------------------------------------------------------------------ */

int audit_prepare_statements(struct audit *audit)
{
        const struct {
                sqlite3_stmt **statement;
                const char *sql;
        } list[] = {
                { &audit->begin, "BEGIN IMMEDIATE" },
                { &audit->commit, "COMMIT" },
                { &audit->insert_record, "INSERT INTO record(seq, body) VALUES(?1, ?2)" },
                { &audit->insert_subtree, "INSERT INTO subtree(level, idx, hash) VALUES(?1, ?2, ?3)" },
                { &audit->insert_checkpoint, "INSERT INTO checkpoint(epoch, size, note) VALUES(?1, ?2, ?3)" },
                { &audit->data_version, "PRAGMA data_version" },
        };
        int r = 0;

        for (size_t i = 0; i < sizeof(list) / sizeof(list[0]) && r == 0; i++)
                r = audit_store_prepare(audit->db, list[i].sql, list[i].statement);
        return r ?: audit_store_integer(audit->db, "PRAGMA data_version", &audit->data_version_seen);
}

static int run(sqlite3_stmt *statement)
{
        const int r = audit_store_step(statement);

        sqlite3_reset(statement);
        return r < 0 ? r : 0;
}

static int insert_subtrees(struct audit *audit, const struct audit_subtree *list, unsigned n)
{
        int r = 0;

        for (unsigned i = 0; i < n && r == 0; i++) {
                sqlite3_bind_int(audit->insert_subtree, 1, (int)list[i].level);
                sqlite3_bind_int64(audit->insert_subtree, 2, (sqlite3_int64)list[i].index);
                sqlite3_bind_blob(audit->insert_subtree, 3, list[i].hash.bytes, sizeof(list[i].hash.bytes),
                                  SQLITE_STATIC);
                r = run(audit->insert_subtree);
        }
        return r;
}

static int insert_records(struct audit *audit, struct audit_tree *tree)
{
        const struct audit_pending *pending = &audit->pending;
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        int r = 0;

        for (size_t i = 0; i < pending->n && r == 0; i++) {
                const struct audit_waiting *waiting = &pending->list[i];

                sqlite3_bind_int64(audit->insert_record, 1, (sqlite3_int64)tree->size);
                sqlite3_bind_text(audit->insert_record, 2, pending->bytes + waiting->offset, (int)waiting->length,
                                  SQLITE_STATIC);
                r = run(audit->insert_record);
                r = r ?: insert_subtrees(audit, completed, audit_tree_push(tree, &waiting->hash, completed));
        }
        return r;
}

static int insert_checkpoint(struct audit *audit, const struct audit_tree *tree, char ret_note[static AUDIT_NOTE_MAX])
{
        const struct audit_sealing sealing = {
                .origin = audit->genesis.origin,
                .size = tree->size,
                .root = audit_tree_root(tree),
                .epoch = audit->epoch,
                .log_secret = audit->keys->log,
                .seal_secret = audit->keys->seal,
                .next_public = audit->keys->next + AUDIT_SECRET_KEY - AUDIT_PUBLIC_KEY,
        };
        const size_t length = audit_note_write(&sealing, ret_note);

        sqlite3_bind_int64(audit->insert_checkpoint, 1, (sqlite3_int64)audit->epoch);
        sqlite3_bind_int64(audit->insert_checkpoint, 2, (sqlite3_int64)tree->size);
        sqlite3_bind_text(audit->insert_checkpoint, 3, ret_note, (int)length, SQLITE_STATIC);
        return run(audit->insert_checkpoint);
}

int audit_compare_end(struct audit *audit)
{
        int64_t next_seq, next_epoch;
        int r = audit_store_integer(audit->db, "SELECT coalesce(max(seq)+1,0) FROM record", &next_seq);

        r = r ?: audit_store_integer(audit->db, "SELECT coalesce(max(epoch)+1,0) FROM checkpoint", &next_epoch);
        if (r < 0)
                return r;
        return (uint64_t)next_seq == audit->tree.size && (uint64_t)next_epoch == audit->epoch ? 0 : -EUCLEAN;
}

/* Within the transaction nobody else can commit, so what data_version says now holds until ours is in. A stranger who
 * added records has taken our place in the chain; one who did anything else is put on record and verify will tell. */
static int look_for_strangers(struct audit *audit)
{
        int64_t now;
        int r;

        r = audit_store_step(audit->data_version);
        now = sqlite3_column_int64(audit->data_version, 0);
        sqlite3_reset(audit->data_version);
        if (r < 0)
                return r;
        if (now == audit->data_version_seen)
                return 0;

        r = audit_compare_end(audit);
        r = r ?: audit_append_remark(audit, "audit.foreign_write", NULL, NULL);
        if (r < 0)
                return r;
        audit->data_version_seen = now;
        audit->foreign_noted = true;
        return 0;
}

/* What a stranger did since our last transaction is on record, or the log has ended, once this has begun. */
int audit_begin_transaction(struct audit *audit)
{
        int r = run(audit->begin);

        if (r < 0)
                return r;
        r = look_for_strangers(audit);
        return r < 0 ? audit_end_transaction(audit, r) : 0;
}

int audit_end_transaction(struct audit *audit, int r)
{
        r = r ?: run(audit->commit);
        if (r < 0 && !sqlite3_get_autocommit(audit->db))
                audit_store_run(audit->db, "ROLLBACK");
        return r;
}

static int write_once(struct audit *audit, bool seal)
{
        struct audit_tree tree = audit->tree; /* so that a failure leaves ours as it is */
        char note[AUDIT_NOTE_MAX];
        int r = audit_begin_transaction(audit);

        if (r < 0)
                return r;
        r = insert_records(audit, &tree);
        r = r ?: seal ? insert_checkpoint(audit, &tree, note) : 0;
        if (r == 0)
                audit_step_done(audit, AUDIT_STEP_BEGUN);
        r = audit_end_transaction(audit, r);
        if (r < 0)
                return r;

        audit->tree = tree;
        audit_pending_clear(&audit->pending);
        if (seal)
                strcpy(audit->note, note);
        return 0;
}

/* ---- a disk that is full --------------------------------------------------------------------------------------- */

static int append_gap(struct audit *audit)
{
        _cleanup_(drop_json) json_t *details = json_pack("{s:I}", "lost", (json_int_t)audit->lost);

        return details ? audit_append_remark(audit, "audit.gap", NULL, details) : -ENOMEM;
}

/* What found no room is counted after what did, once it is known how much that was. */
static int write_counted(struct audit *audit, bool seal)
{
        const struct audit_hash last = audit->last;
        const size_t n = audit->pending.n;
        int r;

        if (audit->lost == 0)
                return write_once(audit, seal);
        r = append_gap(audit);
        if (r < 0)
                return r;
        r = write_once(audit, seal);
        if (r == 0 || audit->pending.n != n + 1) {
                audit->lost = 0; /* written, or a record of a stranger follows it: it stays */
                return r;
        }
        audit_pending_drop_last(&audit->pending);
        audit->last = last;
        return r;
}

static bool is_trouble_of_the_disk(int r)
{
        return r == -ENOSPC || r == -EDQUOT || r == -EIO;
}

/* Once, when it begins: the record is written with what the ballast frees, or when there is space again. */
static int degrade(struct audit *audit, bool seal, int error)
{
        const bool freed = audit_give_ballast(audit);

        if (!audit->degraded && audit_append_remark(audit, "audit.degraded", NULL, NULL) == 0)
                audit->degraded = audit->degraded_noted = true;
        return freed ? write_counted(audit, seal) : error;
}

static int write_group(struct audit *audit, bool seal)
{
        int r = write_counted(audit, seal);

        if (is_trouble_of_the_disk(r))
                r = degrade(audit, seal, r);
        audit->failing = r < 0;
        if (!audit_degraded(audit))
                audit->degraded = false;
        return r;
}

/* ---- sealing -------------------------------------------------------------------------------------------------- */

/* A commit that failed may still be found in the WAL after a crash, so its next key must stay the next key. */
static int store_next_key(struct audit *audit)
{
        uint8_t public_key[AUDIT_PUBLIC_KEY];
        int r;

        if (!audit->next_stored)
                crypto_sign_keypair(public_key, audit->keys->next);
        r = audit_sealkey_store(audit->lock_fd, audit->epoch + 1, audit->keys->next);
        audit->next_stored = true; /* even a write that failed may be on the disk */
        if (r == 0)
                audit_step_done(audit, AUDIT_STEP_NEXT_KEY);
        return r;
}

/* The seal is durable: the key that made it must not outlive it. */
static int turn_key(struct audit *audit)
{
        const uint64_t sealed = audit->epoch++;
        int r;

        memcpy(audit->keys->seal, audit->keys->next, AUDIT_SECRET_KEY);
        sodium_memzero(audit->keys->next, AUDIT_SECRET_KEY);
        audit->next_stored = false;
        audit->sealed_size = audit->tree.size;
        audit->sealed_at = audit_boottime_usec(audit);

        r = audit_sealkey_erase(audit->lock_fd, sealed);
        if (r == 0)
                audit_step_done(audit, AUDIT_STEP_ERASED);
        return r;
}

static int commit_sealed(struct audit *audit)
{
        int r;

        if (audit_unsealed(audit) == 0) {
                if (!audit_seal_due(audit, audit_boottime_usec(audit)))
                        return 0;
                r = audit_append_remark(audit, "audit.heartbeat", NULL, NULL);
                if (r < 0)
                        return r;
        }

        audit->retry_at = audit_boottime_usec(audit) + SEAL_AFTER_SEC * AUDIT_USEC_PER_SEC;
        r = store_next_key(audit);
        if (r < 0) { /* go on without a seal: records matter more */
                r = audit->pending.n > 0 ? write_group(audit, false) : 0;
                return r < 0 ? r : AUDIT_KEY_FAULT;
        }

        r = write_group(audit, true);
        if (r < 0)
                return r;
        audit_step_done(audit, AUDIT_STEP_COMMITTED);
        r = turn_key(audit);
        if (r < 0)
                return AUDIT_KEY_FAULT;
        audit->retry_at = 0;
        return 0;
}

int audit_commit(struct audit *audit, unsigned flags)
{
        int r = 0;

        if (!audit->db)
                return -EUCLEAN; /* a reopen failed */
        if (flags & AUDIT_SEAL)
                r = commit_sealed(audit);
        else if (audit->pending.n > 0)
                r = write_group(audit, false);
        if (r < 0)
                return r;

        if (audit->foreign_noted)
                r |= AUDIT_FOREIGN_WRITE;
        if (audit->degraded_noted)
                r |= AUDIT_DISK_FULL;
        audit->foreign_noted = audit->degraded_noted = false;
        if (!audit->has_ballast && flags & AUDIT_SEAL)
                audit_keep_ballast(audit);
        return r;
}

uint64_t audit_seal_deadline(const struct audit *audit)
{
        const uint64_t waiting = audit_unsealed(audit);
        uint64_t deadline = 0;

        if (waiting == 0)
                deadline = audit->sealed_at + HEARTBEAT_SEC * AUDIT_USEC_PER_SEC;
        else if (waiting < SEAL_RECORDS)
                deadline = audit->unsealed_since + SEAL_AFTER_SEC * AUDIT_USEC_PER_SEC;

        /* A key file that fails is not tried in a loop. */
        return deadline > audit->retry_at ? deadline : audit->retry_at;
}

bool audit_seal_due(const struct audit *audit, uint64_t boottime)
{
        return boottime >= audit_seal_deadline(audit);
}
