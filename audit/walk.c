#include "audit/walk.h"
#include "audit/cleanup.h"

#include <string.h>

/* ---- checkpoints ---------------------------------------------------------------------------------------------- */

static bool is_of_this_log(const struct audit_walk *walk, const struct audit_note *note)
{
        return note->origin.length == strlen(walk->genesis.origin) &&
               memcmp(note->origin.text, walk->genesis.origin, note->origin.length) == 0;
}

/* Both signatures. The key of a seal is what the seal before it says, whatever the note itself says. */
static void check_signatures(struct audit_walk *walk, const struct audit_note *note, int64_t epoch)
{
        if (walk->has_genesis && !audit_note_log_signed(note, walk->genesis.log_key))
                audit_report_add(walk->report, CODE_LOG_SIG, -1, epoch, "not signed by the log key");
        if (walk->has_seal_key && !audit_note_sealed(note, walk->seal_key))
                audit_report_add(walk->report, CODE_SEAL_SIG, -1, epoch,
                                 "not sealed by the key that the seal before it names");
}

/* Checks one row by itself and against its predecessor. False: there is nothing in it to compare a root with. */
static bool take_checkpoint(struct audit_walk *walk, int64_t epoch, int64_t size, struct audit_note *ret)
{
        const char *text = (const char *)sqlite3_column_text(walk->checkpoints, 2);
        const size_t length = (size_t)sqlite3_column_bytes(walk->checkpoints, 2);

        if ((uint64_t)epoch != walk->epoch) {
                audit_report_add(walk->report, CODE_EPOCH_GAP, -1, epoch, "seal %llu is expected here",
                                 (unsigned long long)walk->epoch);
                walk->has_seal_key = false; /* named by a seal that is missing */
        }
        walk->epoch = (uint64_t)epoch + 1;

        if (!text || !audit_note_parse(text, length, ret)) {
                audit_report_add(walk->report, CODE_BAD_NOTE, -1, epoch, "not a well-formed note with one seal line");
                walk->has_seal_key = false;
                return false;
        }
        if (walk->has_genesis && !is_of_this_log(walk, ret))
                audit_report_add(walk->report, CODE_BAD_NOTE, -1, epoch, "the note of another log");
        if ((uint64_t)size != ret->size)
                audit_report_add(walk->report, CODE_BAD_NOTE, -1, epoch, "the row says size %lld, the note %llu",
                                 (long long)size, (unsigned long long)ret->size);
        if (ret->epoch != (uint64_t)epoch)
                audit_report_add(walk->report, CODE_EPOCH_GAP, -1, epoch, "holds the seal of epoch %llu",
                                 (unsigned long long)ret->epoch);

        if (epoch == walk->wanted_epoch && walk->has_seal_key) {
                memcpy(walk->wanted_key, walk->seal_key, AUDIT_PUBLIC_KEY);
                walk->has_wanted_key = true;
        }
        check_signatures(walk, ret, epoch);
        memcpy(walk->seal_key, ret->next, AUDIT_PUBLIC_KEY);
        walk->has_seal_key = true;

        if (epoch == 0 ? ret->size != 1 : ret->size <= walk->sealed_size) {
                audit_report_add(walk->report, CODE_SIZE_ORDER, -1, epoch, "size %llu after size %llu",
                                 (unsigned long long)ret->size, (unsigned long long)walk->sealed_size);
                return false;
        }
        walk->sealed_size = ret->size;
        return true;
}

/* Moves on to the next checkpoint that has a root to compare. */
static int next_checkpoint(struct audit_walk *walk)
{
        int r;

        walk->has_due = false;
        while ((r = sqlite3_step(walk->checkpoints)) == SQLITE_ROW)
                if (take_checkpoint(walk, sqlite3_column_int64(walk->checkpoints, 0),
                                    sqlite3_column_int64(walk->checkpoints, 1), &walk->due)) {
                        walk->has_due = true;
                        return 0;
                }
        if (r == SQLITE_DONE)
                return 0;
        r = audit_sqlite_errno(walk->db, r);
        if (r != -EUCLEAN && r != -EIO)
                return r;
        audit_report_add(walk->report, CODE_CORRUPT, -1, (int64_t)walk->epoch, "the checkpoints cannot be read on");
        return 0;
}

/* ---- the tree ------------------------------------------------------------------------------------------------- */

/* Puts the stored subtrees in place of what was computed, so that one wrong record does not spoil all later roots. */
static int mend_tree(struct audit_walk *walk)
{
        int r = audit_store_load_tree(walk->db, walk->position, &walk->tree);

        if (r == -ENOMEM)
                return r;
        walk->torn = r < 0;
        return 0;
}

static int compare_root(struct audit_walk *walk)
{
        struct audit_hash root = audit_tree_root(&walk->tree);
        int r;

        if (audit_hash_equal(&root, &walk->due.root))
                return 0;
        audit_report_add(walk->report, CODE_ROOT_MISMATCH, -1, (int64_t)walk->due.epoch,
                         "the first %llu records do not make the sealed root", (unsigned long long)walk->position);
        r = mend_tree(walk);
        if (r < 0)
                return r;
        root = audit_tree_root(&walk->tree);
        if (!audit_hash_equal(&root, &walk->due.root))
                walk->torn = true;
        return 0;
}

/* Checkpoints of the size now reached; those passed over while records were missing have nothing to be compared with. */
static int compare_checkpoints(struct audit_walk *walk)
{
        int r = 0;

        while (walk->has_due && walk->due.size <= walk->position && r == 0) {
                if (!walk->torn && walk->due.size == walk->position)
                        r = compare_root(walk);
                r = r ?: next_checkpoint(walk);
        }
        return r;
}

/* ---- anchors -------------------------------------------------------------------------------------------------- */

static const struct audit_anchor *next_anchor(struct audit_walk *walk)
{
        for (; walk->anchors && walk->next_anchor < walk->anchors->n; walk->next_anchor++) {
                const struct audit_anchor *anchor = &walk->anchors->list[walk->next_anchor];

                if (walk->has_genesis && audit_anchor_is_of(anchor, walk->genesis.origin))
                        return anchor;
        }
        return NULL;
}

/* A line is as good as the place it was kept in; a note must be signed wherever it comes from. */
static bool is_good_anchor(struct audit_walk *walk, const struct audit_anchor *anchor)
{
        const unsigned long long size = anchor->size;
        struct audit_note note;

        if (anchor->note.length == 0)
                return true;
        if (!audit_note_parse_loose(anchor->note.text, anchor->note.length, &note) ||
            !audit_note_log_signed(&note, walk->genesis.log_key)) {
                audit_report_add(walk->report, CODE_ANCHOR_SIG, -1, -1,
                                 "the anchor of size %llu is not signed by the log key", size);
                return false;
        }
        if (!note.has_seal)
                audit_report_add(walk->report, CODE_NO_SEAL, -1, -1, "the anchor of size %llu has no seal", size);
        return note.has_seal;
}

/* Two anchors of one size with two roots: whatever this file holds, the log was told in two ways. */
static void look_for_fork(struct audit_walk *walk, const struct audit_anchor *anchor)
{
        const struct audit_anchor *before = anchor - 1;

        if (walk->next_anchor > 0 && before->size == anchor->size && audit_anchor_is_of(before, walk->genesis.origin) &&
            !audit_hash_equal(&before->root, &anchor->root))
                audit_report_add(walk->report, CODE_FORK, -1, -1, "two anchors of size %llu contradict each other",
                                 (unsigned long long)anchor->size);
}

static void compare_anchor(struct audit_walk *walk, const struct audit_anchor *anchor)
{
        const struct audit_hash root = audit_tree_root(&walk->tree);

        if (!is_good_anchor(walk, anchor))
                return;
        look_for_fork(walk, anchor);
        if (walk->torn || anchor->size < walk->position)
                return; /* the records it speaks of are missing or wrong, which is a finding already */
        if (audit_hash_equal(&root, &anchor->root))
                walk->met_anchor = true;
        else
                audit_report_add(walk->report, CODE_ANCHOR_MISMATCH, -1, -1,
                                 "the first %llu records do not make the anchor's root",
                                 (unsigned long long)anchor->size);
}

static void compare_anchors(struct audit_walk *walk)
{
        const struct audit_anchor *anchor;

        for (; (anchor = next_anchor(walk)) && anchor->size <= walk->position; walk->next_anchor++)
                compare_anchor(walk, anchor);
}

static void end_anchors(struct audit_walk *walk)
{
        const struct audit_anchor *anchor;

        for (; (anchor = next_anchor(walk)); walk->next_anchor++)
                if (is_good_anchor(walk, anchor))
                        audit_report_add(walk->report, CODE_ANCHOR_AHEAD, -1, -1,
                                         "an anchor was made at size %llu, there are %llu records",
                                         (unsigned long long)anchor->size, (unsigned long long)walk->position);
}

static int compare_subtree(struct audit_walk *walk, const struct audit_subtree *subtree)
{
        int r;

        sqlite3_reset(walk->subtrees);
        sqlite3_bind_int(walk->subtrees, 1, (int)subtree->level);
        sqlite3_bind_int64(walk->subtrees, 2, (sqlite3_int64)subtree->index);
        r = sqlite3_step(walk->subtrees);
        if (r == SQLITE_ROW && sqlite3_column_bytes(walk->subtrees, 0) == sizeof(subtree->hash.bytes) &&
            memcmp(sqlite3_column_blob(walk->subtrees, 0), subtree->hash.bytes, sizeof(subtree->hash.bytes)) == 0)
                return 0;
        if (r == SQLITE_ROW || r == SQLITE_DONE) {
                audit_report_add(walk->report, CODE_SUBTREE_MISMATCH, (int64_t)(subtree->index << subtree->level), -1,
                                 "subtree %u/%llu %s", subtree->level, (unsigned long long)subtree->index,
                                 r == SQLITE_ROW ? "does not match the records" : "is missing");
                return 0;
        }
        r = audit_sqlite_errno(walk->db, r);
        if (r == -ENOMEM)
                return r;
        audit_report_add(walk->report, CODE_CORRUPT, -1, -1, "subtree %u/%llu cannot be read", subtree->level,
                         (unsigned long long)subtree->index);
        return 0;
}

static int grow_tree(struct audit_walk *walk, const struct audit_hash *leaf)
{
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        unsigned n;
        int r = 0;

        walk->position++;
        if (walk->torn)
                return walk->position % (1u << AUDIT_SUBTREE_STEP) == 0 ? mend_tree(walk) : 0;

        n = audit_tree_push(&walk->tree, leaf, completed);
        for (unsigned i = 0; i < n && r == 0; i++)
                r = compare_subtree(walk, &completed[i]);
        return r;
}

/* ---- records -------------------------------------------------------------------------------------------------- */

static void note_times(struct audit_walk *walk, uint64_t seq, const char *ts)
{
        if (seq + 1 == walk->last_seal_covers)
                memcpy(walk->sealed_ts, ts, AUDIT_TS_LENGTH);
        if (seq == walk->last_seal_covers)
                memcpy(walk->unsealed_ts, ts, AUDIT_TS_LENGTH);
        memcpy(walk->last_ts, ts, AUDIT_TS_LENGTH);
}

static void check_record(struct audit_walk *walk, uint64_t seq, const char *body, size_t length)
{
        struct audit_view record;

        if (!body || !audit_record_scan(body, length, &record)) {
                audit_report_add(walk->report, CODE_NOT_CANONICAL, (int64_t)seq, -1,
                                 "not the canonical bytes of a record");
                return;
        }
        if (record.seq != seq)
                audit_report_add(walk->report, CODE_SEQ_ORDER, (int64_t)seq, -1, "the record says it is %llu",
                                 (unsigned long long)record.seq);
        if (walk->has_last && !audit_record_follows(&record, &walk->last))
                audit_report_add(walk->report, CODE_PREV_MISMATCH, (int64_t)seq, -1,
                                 "does not carry the hash of the record before it");
        note_times(walk, seq, record.ts.text);
}

static void pass_gap(struct audit_walk *walk, uint64_t seq)
{
        if (!walk->unread)
                audit_report_add(walk->report, CODE_SEQ_GAP, (int64_t)walk->position, -1,
                                 "%llu record(s) missing before %llu", (unsigned long long)(seq - walk->position),
                                 (unsigned long long)seq);
        walk->position = seq;
        walk->torn = true;
        walk->has_last = false;
}

static int take_record(struct audit_walk *walk)
{
        const uint64_t seq = (uint64_t)sqlite3_column_int64(walk->records, 0);
        const bool is_text = sqlite3_column_type(walk->records, 1) == SQLITE_TEXT;
        const char *body = is_text ? (const char *)sqlite3_column_text(walk->records, 1) : NULL;
        const size_t length = body ? (size_t)sqlite3_column_bytes(walk->records, 1) : 0;
        int r = 0;

        if (seq != walk->position) {
                pass_gap(walk, seq);
                r = seq % (1u << AUDIT_SUBTREE_STEP) == 0 ? mend_tree(walk) : 0;
        }
        walk->unread = false;
        check_record(walk, seq, body, length);

        walk->last = audit_leaf_hash(body, length);
        walk->has_last = true;
        r = r ?: grow_tree(walk, &walk->last);
        r = r ?: compare_checkpoints(walk);
        compare_anchors(walk);
        return r;
}

/* After a page that cannot be read: the first record beyond it that can, by steps that double. False at the end. */
static bool skip_damage(struct audit_walk *walk)
{
        for (uint64_t step = 1; step < UINT64_C(1) << 40; step *= 2) {
                sqlite3_reset(walk->records);
                sqlite3_bind_int64(walk->records, 1, (sqlite3_int64)(walk->position + step));
                switch (sqlite3_step(walk->records)) {
                case SQLITE_ROW: return true;
                case SQLITE_DONE: return false;
                }
        }
        return false;
}

static int walk_records(struct audit_walk *walk)
{
        int r, code;

        sqlite3_bind_int64(walk->records, 1, 0);
        code = sqlite3_step(walk->records);
        while (code != SQLITE_DONE) {
                if (code != SQLITE_ROW) {
                        r = audit_sqlite_errno(walk->db, code);
                        if (r == -ENOMEM)
                                return r;
                        audit_report_add(walk->report, r == -EUCLEAN ? CODE_CORRUPT : CODE_IO, (int64_t)walk->position,
                                         -1, "the records cannot be read from here on: %s", sqlite3_errstr(code));
                        walk->unread = true;
                        if (!skip_damage(walk))
                                return 0;
                }
                r = take_record(walk);
                if (r < 0)
                        return r;
                code = sqlite3_step(walk->records);
        }
        return 0;
}

/* ---- the pass ------------------------------------------------------------------------------------------------- */

static int prepare(struct audit_walk *walk)
{
        const struct {
                sqlite3_stmt **statement;
                const char *sql;
        } list[] = {
                { &walk->records, "SELECT seq, body FROM record NOT INDEXED WHERE seq>=?1 ORDER BY seq" },
                { &walk->checkpoints, "SELECT epoch, size, note FROM checkpoint NOT INDEXED ORDER BY epoch" },
                { &walk->subtrees, "SELECT hash FROM subtree WHERE level=?1 AND idx=?2" },
        };
        int r = 0;

        for (size_t i = 0; i < sizeof(list) / sizeof(list[0]) && r == 0; i++)
                r = audit_store_prepare(walk->db, list[i].sql, list[i].statement);
        return r;
}

/* Checkpoints that are left speak of records that are not there. */
static int end_checkpoints(struct audit_walk *walk)
{
        int r = 0;

        while (walk->has_due && r == 0) {
                if (!walk->unread)
                        audit_report_add(walk->report, CODE_CKPT_BEYOND_END, -1, (int64_t)walk->due.epoch,
                                         "seals %llu records, there are %llu", (unsigned long long)walk->due.size,
                                         (unsigned long long)walk->position);
                r = next_checkpoint(walk);
        }
        if (r == 0 && walk->epoch == 0)
                audit_report_add(walk->report, CODE_EPOCH_GAP, -1, 0, "there is no checkpoint at all");
        if ((int64_t)walk->epoch == walk->wanted_epoch && walk->has_seal_key) {
                memcpy(walk->wanted_key, walk->seal_key, AUDIT_PUBLIC_KEY);
                walk->has_wanted_key = true;
        }
        return r;
}

static int count_subtrees(struct audit_walk *walk)
{
        uint64_t wanted = 0;
        int64_t rows;
        int r = audit_store_integer(walk->db, "SELECT count(*) FROM subtree", &rows);

        if (r == -ENOMEM)
                return r;
        for (unsigned i = 1; i <= AUDIT_SUBTREES_MAX; i++)
                wanted += walk->position >> (i * AUDIT_SUBTREE_STEP);
        if (r == 0 && (uint64_t)rows != wanted && !walk->unread)
                audit_report_add(walk->report, CODE_SUBTREE_MISMATCH, -1, -1,
                                 "%lld subtrees are stored, %llu records make %llu", (long long)rows,
                                 (unsigned long long)walk->position, (unsigned long long)wanted);
        return 0;
}

int audit_walk_run(struct audit_walk *walk)
{
        int r = prepare(walk);

        if (r < 0)
                return r;
        walk->has_last = true; /* record 0 carries zeros */
        if (walk->has_genesis) {
                memcpy(walk->seal_key, walk->genesis.seal_key, AUDIT_PUBLIC_KEY);
                walk->has_seal_key = true;
        }
        r = next_checkpoint(walk);
        r = r ?: walk_records(walk);
        r = r ?: end_checkpoints(walk);
        if (!walk->unread)
                end_anchors(walk);
        return r ?: count_subtrees(walk);
}

void audit_walk_done(struct audit_walk *walk)
{
        sqlite3_finalize(walk->records);
        sqlite3_finalize(walk->checkpoints);
        sqlite3_finalize(walk->subtrees);
}
