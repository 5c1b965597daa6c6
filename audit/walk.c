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
static void check_signatures(struct audit_walk *walk, const struct audit_looked_note *looked, int64_t epoch)
{
        if (walk->has_genesis && !audit_looked_log_signed(looked, walk->genesis.log_key))
                audit_report_add(walk->report, CODE_LOG_SIG, -1, epoch, "not signed by the log key");
        if (walk->has_seal_key && !audit_looked_sealed(looked, walk->seal_key))
                audit_report_add(walk->report, CODE_SEAL_SIG, -1, epoch,
                                 "not sealed by the key that the seal before it names");
}

/* Checks one note by itself and against its predecessor. False: there is nothing in it to compare a root with. */
static bool take_note(struct audit_walk *walk, const struct audit_looked_note *looked, struct audit_note *ret)
{
        const struct audit_stored_note *stored = &looked->stored;
        const int64_t epoch = (int64_t)stored->epoch;

        if (stored->epoch != walk->epoch) {
                audit_report_add(walk->report, CODE_EPOCH_GAP, -1, epoch, "seal %llu is expected here",
                                 (unsigned long long)walk->epoch);
                walk->has_seal_key = false; /* named by a seal that is missing */
        }
        walk->epoch = stored->epoch + 1;

        if (!looked->is_note) {
                audit_report_add(walk->report, CODE_BAD_NOTE, -1, epoch, "not a well-formed note with one seal line");
                walk->has_seal_key = false;
                return false;
        }
        *ret = looked->note;
        if (walk->has_genesis && !is_of_this_log(walk, ret))
                audit_report_add(walk->report, CODE_BAD_NOTE, -1, epoch, "the note of another log");
        if (stored->size != ret->size)
                audit_report_add(walk->report, CODE_BAD_NOTE, -1, epoch, "the row says size %lld, the note %llu",
                                 (long long)stored->size, (unsigned long long)ret->size);
        if (ret->epoch != stored->epoch)
                audit_report_add(walk->report, CODE_EPOCH_GAP, -1, epoch, "holds the seal of epoch %llu",
                                 (unsigned long long)ret->epoch);

        if (epoch == walk->wanted_epoch && walk->has_seal_key) {
                memcpy(walk->wanted_key, walk->seal_key, AUDIT_PUBLIC_KEY);
                walk->has_wanted_key = true;
        }
        check_signatures(walk, looked, epoch);
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
        const struct audit_looked_note *looked;
        int r;

        walk->has_due = false;
        while ((r = audit_look_next_note(walk->look, &looked)) > 0)
                if (take_note(walk, looked, &walk->due)) {
                        walk->has_due = true;
                        return 0;
                }
        if (r != -EUCLEAN && r != -EIO)
                return r;
        audit_report_add(walk->report, CODE_CORRUPT, -1, (int64_t)walk->epoch, "the checkpoints cannot be read on");
        return 0;
}

/* ---- the tree ------------------------------------------------------------------------------------------------- */

/* Puts the stored subtrees in place of what was computed, so that one wrong record does not spoil all later roots. */
static int mend_tree(struct audit_walk *walk)
{
        const struct audit_source *source = walk->source;
        const int r = source->load_tree ? source->load_tree(source->self, walk->position, &walk->tree) : 0;

        if (r == -ENOMEM)
                return r;
        walk->torn = r <= 0;
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
        walk->torn = walk->torn || !audit_hash_equal(&root, &walk->due.root);
        return 0;
}

/* Checkpoints of the size now reached; those passed over while records were missing have nothing to be compared with. */
static int compare_checkpoints(struct audit_walk *walk)
{
        int r = 0;

        while (walk->has_due && walk->due.size <= walk->position && r == 0) {
                if (!walk->torn && walk->due.size == walk->position)
                        r = compare_root(walk);
                memcpy(walk->sealed_ts, walk->ts, sizeof(walk->ts));
                walk->unsealed_ts[0] = '\0';
                r = r ?: next_checkpoint(walk);
        }
        return r;
}

static int compare_subtree(struct audit_walk *walk, const struct audit_subtree *subtree)
{
        const struct audit_source *source = walk->source;
        struct audit_hash stored;
        int r;

        if (!source->find_subtree)
                return 0;
        r = source->find_subtree(source->self, subtree, &stored);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                audit_report_add(walk->report, CODE_CORRUPT, -1, -1, "subtree %u/%llu cannot be read", subtree->level,
                                 (unsigned long long)subtree->index);
        else if (r == 0 || !audit_hash_equal(&stored, &subtree->hash))
                audit_report_add(walk->report, CODE_SUBTREE_MISMATCH, (int64_t)(subtree->index << subtree->level), -1,
                                 "subtree %u/%llu %s", subtree->level, (unsigned long long)subtree->index,
                                 r > 0 ? "does not match the records" : "is missing");
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

/* ---- the daemon's memory -------------------------------------------------------------------------------------- */

static void compare_head(struct audit_walk *walk)
{
        const struct audit_hash root = audit_tree_root(&walk->tree);

        if (memcmp(root.bytes, walk->head->root, sizeof(root.bytes)) != 0)
                audit_report_add(walk->report, CODE_HEAD_MISMATCH, -1, -1,
                                 "the running daemon has another root for the first %llu records",
                                 (unsigned long long)walk->position);
}

static void end_head(struct audit_walk *walk)
{
        if (walk->head && walk->head->size > walk->position)
                audit_report_add(walk->report, CODE_HEAD_MISMATCH, -1, -1,
                                 "the running daemon has written %llu records, there are %llu",
                                 (unsigned long long)walk->head->size, (unsigned long long)walk->position);
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

/* ---- records -------------------------------------------------------------------------------------------------- */

static void check_record(struct audit_walk *walk, const struct audit_looked *looked)
{
        const struct audit_view *record = &looked->view;
        const uint64_t seq = looked->item.seq;

        if (!looked->is_record) {
                audit_report_add(walk->report, CODE_NOT_CANONICAL, (int64_t)seq, -1,
                                 "not the canonical bytes of a record");
                return;
        }
        if (record->seq != seq)
                audit_report_add(walk->report, CODE_SEQ_ORDER, (int64_t)seq, -1, "the record says it is %llu",
                                 (unsigned long long)record->seq);
        if (walk->has_last && !audit_hash_equal(&looked->prev, &walk->last))
                audit_report_add(walk->report, CODE_PREV_MISMATCH, (int64_t)seq, -1,
                                 "does not carry the hash of the record before it");

        memcpy(walk->ts, record->ts.text, AUDIT_TS_LENGTH);
        if (walk->unsealed_ts[0] == '\0')
                memcpy(walk->unsealed_ts, walk->ts, sizeof(walk->ts));
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

static int take_record(struct audit_walk *walk, const struct audit_looked *looked)
{
        const uint64_t seq = looked->item.seq;
        int r = 0;

        if (seq != walk->position) {
                pass_gap(walk, seq);
                r = seq % (1u << AUDIT_SUBTREE_STEP) == 0 ? mend_tree(walk) : 0;
        }
        walk->unread = false;
        check_record(walk, looked);

        walk->last = looked->leaf;
        walk->has_last = true;
        r = r ?: grow_tree(walk, &walk->last);
        r = r ?: compare_checkpoints(walk);
        compare_anchors(walk);
        if (walk->head && walk->head->size == walk->position && !walk->torn)
                compare_head(walk);
        return r;
}

static int after_damage(struct audit_walk *walk, int error, const struct audit_looked **ret)
{
        if (error == -ENOMEM)
                return error;
        audit_report_add(walk->report, error == -EUCLEAN ? CODE_CORRUPT : CODE_IO, (int64_t)walk->position, -1,
                         "the records cannot be read from here on");
        walk->unread = true;
        return audit_look_skip_damage(walk->look, walk->position, ret);
}

static int walk_records(struct audit_walk *walk)
{
        const struct audit_looked *looked;
        int r;

        for (;;) {
                r = audit_look_next(walk->look, &looked);
                if (r < 0)
                        r = after_damage(walk, r, &looked);
                if (r <= 0)
                        return r;
                r = take_record(walk, looked);
                if (r < 0)
                        return r;
        }
}

/* ---- the pass ------------------------------------------------------------------------------------------------- */

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
        if (r == 0 && walk->epoch == 0 && !walk->no_seals)
                audit_report_add(walk->report, CODE_EPOCH_GAP, -1, 0, "there is no checkpoint at all");
        if ((int64_t)walk->epoch == walk->wanted_epoch && walk->has_seal_key) {
                memcpy(walk->wanted_key, walk->seal_key, AUDIT_PUBLIC_KEY);
                walk->has_wanted_key = true;
        }
        return r;
}

static int count_subtrees(struct audit_walk *walk)
{
        const struct audit_source *source = walk->source;
        uint64_t wanted = 0, rows;
        int r;

        if (!source->count_subtrees || walk->unread)
                return 0;
        for (unsigned i = 1; i <= AUDIT_SUBTREES_MAX; i++)
                wanted += walk->position >> (i * AUDIT_SUBTREE_STEP);
        r = source->count_subtrees(source->self, &rows);
        if (r > 0 && rows != wanted)
                audit_report_add(walk->report, CODE_SUBTREE_MISMATCH, -1, -1,
                                 "%llu subtrees are stored, %llu records make %llu", (unsigned long long)rows,
                                 (unsigned long long)walk->position, (unsigned long long)wanted);
        return r == -ENOMEM ? r : 0;
}

static int run(struct audit_walk *walk)
{
        int r;

        walk->has_last = true; /* record 0 carries zeros */
        if (walk->has_genesis) {
                memcpy(walk->seal_key, walk->genesis.seal_key, AUDIT_PUBLIC_KEY);
                walk->has_seal_key = true;
        }
        r = next_checkpoint(walk);
        r = r ?: walk_records(walk);
        r = r ?: end_checkpoints(walk);
        if (!walk->unread) {
                end_anchors(walk);
                end_head(walk);
        }
        return r ?: count_subtrees(walk);
}

int audit_walk_run(struct audit_walk *walk)
{
        int r = audit_look_new(walk->source, walk->has_genesis ? &walk->genesis : NULL, walk->threads, &walk->look);

        r = r ?: run(walk);
        walk->look = audit_look_free(walk->look);
        return r;
}
