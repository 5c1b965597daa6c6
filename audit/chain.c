#include "audit/chain.h"
#include "audit/cleanup.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define USEC_PER_SEC UINT64_C(1000000)

enum {
        SEAL_AFTER_SEC = 10,
        SEAL_RECORDS = 256,
        HEARTBEAT_SEC = 3600,
        PENDING_MAX = 8192,         /* one turn of the loop, with every agent of a large machine in it */
        PENDING_MAX_FAILING = 1024, /* until the disk is well again */
};

void audit_step_done(const struct audit *audit, enum audit_step step)
{
        if (audit->step)
                audit->step(audit->step_userdata, step);
}

char *audit_path(const struct audit *audit, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s", audit->dir, name) < 0 ? NULL : path;
}

static uint64_t kernel_usec(clockid_t clock)
{
        struct timespec now;

        clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t boottime_usec(const struct audit *audit)
{
        return audit->clock.boottime_usec ? audit->clock.boottime_usec(audit->clock.userdata)
                                          : kernel_usec(CLOCK_BOOTTIME);
}

static uint64_t realtime_usec(const struct audit *audit)
{
        return audit->clock.realtime_usec ? audit->clock.realtime_usec(audit->clock.userdata)
                                          : kernel_usec(CLOCK_REALTIME);
}

struct audit_place audit_next_place(const struct audit *audit)
{
        return (struct audit_place){
                .seq = audit->tree.size + audit->pending.n,
                .prev = audit->last,
                .boot_id = audit->boot_id,
                .realtime_usec = realtime_usec(audit),
                .boottime_usec = boottime_usec(audit),
        };
}

/* ---- the pending group ---------------------------------------------------------------------------------------- */

static int make_room(struct audit_pending *pending, size_t length)
{
        if (pending->length + length > pending->room) {
                const size_t room = 2 * pending->room + length + 4096;
                char *bytes = realloc(pending->bytes, room);

                if (!bytes)
                        return -ENOMEM;
                pending->bytes = bytes;
                pending->room = room;
        }
        if (pending->n == pending->list_room) {
                const size_t room = 2 * pending->list_room + 16;
                struct audit_waiting *list = reallocarray(pending->list, room, sizeof(*list));

                if (!list)
                        return -ENOMEM;
                pending->list = list;
                pending->list_room = room;
        }
        return 0;
}

static uint64_t unsealed(const struct audit *audit)
{
        return audit->tree.size + audit->pending.n - audit->sealed_size;
}

/* Takes the body that stands in audit->space. */
static void add_pending(struct audit *audit, size_t length, uint64_t now)
{
        struct audit_pending *pending = &audit->pending;
        struct audit_waiting *waiting;

        if (unsealed(audit) == 0)
                audit->unsealed_since = now;
        waiting = &pending->list[pending->n++];
        *waiting = (struct audit_waiting){ pending->length, length, audit_leaf_hash(audit->space, length) };
        memcpy(pending->bytes + pending->length, audit->space, length);
        pending->length += length;
        audit->last = waiting->hash;
}

int audit_append_own(struct audit *audit, const struct audit_entry *entry, uint64_t *ret_seq)
{
        struct audit_place place = audit_next_place(audit);
        const uint64_t now = place.boottime_usec;
        size_t length;
        int r;

        if (entry->realtime_usec)
                place.realtime_usec = entry->realtime_usec;
        if (entry->boottime_usec)
                place.boottime_usec = entry->boottime_usec;

        r = audit_record_encode(entry, &place, audit->space, &length);
        r = r ?: make_room(&audit->pending, length);
        if (r < 0)
                return r;

        add_pending(audit, length, now);
        if (ret_seq)
                *ret_seq = place.seq;
        return 0;
}

static int append_remark(struct audit *audit, const char *action, const json_t *details)
{
        const struct audit_entry entry = {
                .action = action, .subject = "audit", .outcome = AUDIT_INFO, .details = details
        };

        return audit_append_own(audit, &entry, NULL);
}

/* What verify and the start rules read a meaning into is written by the chain alone. */
static bool is_reserved(const char *action)
{
        static const char *const own[] = { "audit.genesis",   "audit.start",    "audit.foreign_write",
                                           "audit.heartbeat", "audit.degraded", "audit.gap" };

        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                if (strcmp(own[i], action) == 0)
                        return true;
        return false;
}

/* A record that could not be written when it was made says so. */
static int append_late(struct audit *audit, const struct audit_entry *entry, uint64_t *ret_seq)
{
        _cleanup_(drop_json) json_t *details = entry->details ? json_copy((json_t *)entry->details) : json_object();
        struct audit_entry late = *entry;

        if (!details)
                return -ENOMEM;
        if (json_object_set_new(details, "late", json_true()) < 0)
                return -EINVAL; /* no object: what audit_append_own would say too */
        late.details = details;
        return audit_append_own(audit, &late, ret_seq);
}

int audit_append(struct audit *audit, const struct audit_entry *entry, uint64_t *ret_seq)
{
        if (!entry->action || is_reserved(entry->action))
                return -EINVAL;
        if (audit->pending.n >= (audit->failing ? PENDING_MAX_FAILING : PENDING_MAX)) {
                audit->lost += audit->failing; /* else the caller commits and comes again */
                return -ENOBUFS;
        }
        return audit->failing ? append_late(audit, entry, ret_seq) : audit_append_own(audit, entry, ret_seq);
}

bool audit_degraded(const struct audit *audit)
{
        return audit->failing || audit->ballast_given;
}

int audit_append_again(struct audit *audit, const char *body, size_t length)
{
        struct audit_out out = { .bytes = audit->space, .room = AUDIT_BODY_MAX };
        const struct audit_place place = audit_next_place(audit);
        struct audit_view view;
        const char *rest;
        int r;

        if (audit_view(body, length, &view) < 0)
                return -EBADMSG;
        rest = view.subject.text - strlen(",\"subject\":\"");
        audit_out_bytes(&out, body, (size_t)(view.prev.text - body));
        audit_out_hash(&out, &audit->last);
        audit_out_text(&out, "\",\"seq\":");
        audit_out_integer(&out, (int64_t)place.seq);
        audit_out_bytes(&out, rest, (size_t)(body + length - rest));
        r = out.full ? -EMSGSIZE : make_room(&audit->pending, out.length);
        if (r == 0)
                add_pending(audit, out.length, place.boottime_usec);
        return r;
}

size_t audit_pending_count(const struct audit *audit)
{
        return audit->pending.n;
}

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

static int run(struct audit *audit, sqlite3_stmt *statement)
{
        const int r = sqlite3_step(statement);

        sqlite3_reset(statement);
        return r == SQLITE_DONE || r == SQLITE_ROW ? 0 : audit_sqlite_errno(audit->db, r);
}

static int insert_subtrees(struct audit *audit, const struct audit_subtree *list, unsigned n)
{
        int r = 0;

        for (unsigned i = 0; i < n && r == 0; i++) {
                sqlite3_bind_int(audit->insert_subtree, 1, (int)list[i].level);
                sqlite3_bind_int64(audit->insert_subtree, 2, (sqlite3_int64)list[i].index);
                sqlite3_bind_blob(audit->insert_subtree, 3, list[i].hash.bytes, sizeof(list[i].hash.bytes),
                                  SQLITE_STATIC);
                r = run(audit, audit->insert_subtree);
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
                r = run(audit, audit->insert_record);
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
        return run(audit, audit->insert_checkpoint);
}

/* Within the transaction nobody else can commit, so what data_version says now holds until ours is in. A stranger who
 * added records has taken our place in the chain; one who did anything else is put on record and verify will tell. */
static int look_for_strangers(struct audit *audit)
{
        int64_t now, next_seq, next_epoch;
        int r;

        r = sqlite3_step(audit->data_version);
        now = sqlite3_column_int64(audit->data_version, 0);
        sqlite3_reset(audit->data_version);
        if (r != SQLITE_ROW)
                return audit_sqlite_errno(audit->db, r);
        if (now == audit->data_version_seen)
                return 0;

        r = audit_store_integer(audit->db, "SELECT coalesce(max(seq)+1,0) FROM record", &next_seq);
        r = r ?: audit_store_integer(audit->db, "SELECT coalesce(max(epoch)+1,0) FROM checkpoint", &next_epoch);
        if (r < 0)
                return r;
        if ((uint64_t)next_seq != audit->tree.size || (uint64_t)next_epoch != audit->epoch)
                return -EUCLEAN;

        r = append_remark(audit, "audit.foreign_write", NULL);
        if (r < 0)
                return r;
        audit->data_version_seen = now;
        audit->foreign_noted = true;
        return 0;
}

static int write_once(struct audit *audit, bool seal)
{
        struct audit_tree tree = audit->tree; /* so that a failure leaves ours as it is */
        char note[AUDIT_NOTE_MAX];
        int r = run(audit, audit->begin);

        if (r < 0)
                return r;
        r = look_for_strangers(audit);
        r = r ?: insert_records(audit, &tree);
        r = r ?: seal ? insert_checkpoint(audit, &tree, note) : 0;
        if (r == 0) {
                audit_step_done(audit, AUDIT_STEP_BEGUN);
                r = run(audit, audit->commit);
        }
        if (r < 0) {
                if (!sqlite3_get_autocommit(audit->db))
                        audit_store_run(audit->db, "ROLLBACK");
                return r;
        }

        audit->tree = tree;
        audit->pending.n = audit->pending.length = 0;
        if (seal)
                strcpy(audit->note, note);
        return 0;
}

/* What found no room is counted after what did. */
static int append_gap(struct audit *audit)
{
        _cleanup_(drop_json) json_t *details = json_pack("{s:I}", "lost", (json_int_t)audit->lost);
        const int r = details ? append_remark(audit, "audit.gap", details) : -ENOMEM;

        if (r == 0)
                audit->lost = 0;
        return r;
}

static int write_group(struct audit *audit, bool seal)
{
        int r = audit->lost > 0 ? append_gap(audit) : 0;

        r = r ?: write_once(audit, seal);
        if (r == -ENOSPC && audit_give_ballast(audit)) {
                r = append_remark(audit, "audit.degraded", NULL);
                audit->degraded_noted = true;
                r = r ?: write_once(audit, seal);
        }
        audit->failing = r < 0;
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
        audit->sealed_at = boottime_usec(audit);

        r = audit_sealkey_erase(audit->lock_fd, sealed);
        if (r == 0)
                audit_step_done(audit, AUDIT_STEP_ERASED);
        return r;
}

static int commit_sealed(struct audit *audit)
{
        int r;

        if (unsealed(audit) == 0) {
                if (!audit_seal_due(audit, boottime_usec(audit)))
                        return 0;
                r = append_remark(audit, "audit.heartbeat", NULL);
                if (r < 0)
                        return r;
        }

        audit->retry_at = boottime_usec(audit) + SEAL_AFTER_SEC * USEC_PER_SEC;
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
        if (audit->ballast_given && flags & AUDIT_SEAL)
                audit_keep_ballast(audit);
        return r;
}

uint64_t audit_seal_deadline(const struct audit *audit)
{
        const uint64_t waiting = unsealed(audit);
        uint64_t deadline = 0;

        if (waiting == 0)
                deadline = audit->sealed_at + HEARTBEAT_SEC * USEC_PER_SEC;
        else if (waiting < SEAL_RECORDS)
                deadline = audit->unsealed_since + SEAL_AFTER_SEC * USEC_PER_SEC;

        /* A key file that fails is not tried in a loop. */
        return deadline > audit->retry_at ? deadline : audit->retry_at;
}

bool audit_seal_due(const struct audit *audit, uint64_t boottime)
{
        return boottime >= audit_seal_deadline(audit);
}

/* ---- what is committed ---------------------------------------------------------------------------------------- */

void audit_head(const struct audit *audit, struct audit_head *ret)
{
        const struct audit_hash root = audit_tree_root(&audit->tree);

        *ret = (struct audit_head){ .size = audit->tree.size, .sealed_size = audit->sealed_size };
        memcpy(ret->root, root.bytes, sizeof(ret->root));
        audit_anchor_write(audit->genesis.origin, ret->size, &root, ret->anchor);
}

const char *audit_last_note(const struct audit *audit)
{
        return audit->note;
}
