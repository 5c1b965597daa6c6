#include "audit/walk.h"
#include "audit/against.h"
#include "audit/cleanup.h"

#include <string.h>

enum { MISSING_SUBTREES_MAX = 1 << 16 }; /* in a gap that is folded: each is a finding. With more it is just a gap. */

/* ---- checkpoints ---------------------------------------------------------------------------------------------- */

/* Both signatures. The key of a seal is what the seal before it says, whatever the note itself says. */
static void check_signatures(struct audit_walk *walk, const struct audit_looked_note *looked, int64_t epoch)
{
        if (walk->has_genesis && !audit_looked_log_signed(looked, walk->genesis.log_key))
                audit_report_add(walk->report, CODE_LOG_SIG, -1, epoch, "not signed by the log key");
        if (walk->has_seal_key && !audit_looked_sealed(looked, walk->seal_key))
                audit_report_add(walk->report, CODE_SEAL_SIG, -1, epoch,
                                 "not sealed by the key that the seal before it names");
}

/* An archive keeps copies of the seals over its records; cosignatures may have been added to them. */
static void compare_archived(struct audit_walk *walk, const struct audit_stored_note *ours)
{
        struct audit_stored_note theirs;
        struct audit_note note;

        while (walk->restored && audit_restored_note(walk->restored, ours->epoch, &theirs) > 0)
                if (theirs.length < ours->length || memcmp(theirs.text, ours->text, ours->length) != 0 ||
                    !audit_note_parse(theirs.text, theirs.length, &note))
                        audit_report_add(walk->report, CODE_BAD_NOTE, -1, (int64_t)theirs.epoch,
                                         "an archive holds another note of this epoch");
}

/* Checks one note by itself and against its predecessor. False: there is nothing in it to compare a root with. */
static bool take_note(struct audit_walk *walk, const struct audit_looked_note *looked, struct audit_note *ret)
{
        const struct audit_stored_note *stored = &looked->stored;
        const int64_t epoch = (int64_t)stored->epoch;

        if (stored->epoch != walk->epoch) {
                if (!walk->notes_unread)
                        audit_report_add(walk->report, CODE_EPOCH_GAP, -1, epoch, "seal %llu is expected here",
                                         (unsigned long long)walk->epoch);
                walk->has_seal_key = false; /* named by a seal that is missing */
        }
        walk->notes_unread = false;
        walk->epoch = stored->epoch + 1;

        if (!looked->is_note) {
                audit_report_add(walk->report, CODE_BAD_NOTE, -1, epoch, "not a well-formed note with one seal line");
                walk->has_seal_key = false;
                return false;
        }
        *ret = looked->note;
        compare_archived(walk, stored);
        if (walk->has_genesis && !audit_slice_is(ret->origin, walk->genesis.origin))
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
        audit_against_note(walk, ret, walk->has_seal_key ? walk->seal_key : NULL);
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

static int after_note_damage(struct audit_walk *walk, int error, const struct audit_looked_note **ret)
{
        audit_report_add(walk->report, error == -EUCLEAN ? CODE_CORRUPT : CODE_IO, -1, (int64_t)walk->epoch,
                         "the checkpoints cannot be read from here on");
        walk->notes_unread = true;
        return audit_look_skip_note_damage(walk->look, walk->epoch, ret);
}

/* Moves on to the next checkpoint that has a root to compare. */
static int next_checkpoint(struct audit_walk *walk)
{
        const struct audit_looked_note *looked;
        int r = 1;

        walk->has_due = false;
        while (r > 0 && !walk->has_due) {
                r = audit_look_next_note(walk->look, &looked);
                if (r == -EUCLEAN || r == -EIO)
                        r = after_note_damage(walk, r, &looked);
                walk->has_due = r > 0 && take_note(walk, looked, &walk->due);
        }
        return r < 0 ? r : 0;
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

static bool makes_root(struct audit_walk *walk)
{
        const struct audit_hash root = audit_tree_root(&walk->tree);

        if (walk->torn || !audit_hash_equal(&root, &walk->due.root))
                return false;
        walk->proven = walk->position;
        walk->in_doubt = walk->rows_wrong = false;
        return true;
}

static void root_mismatch(struct audit_walk *walk)
{
        audit_report_add(walk->report, CODE_ROOT_MISMATCH, -1, (int64_t)walk->due.epoch,
                         "the first %llu records do not make the sealed root", (unsigned long long)walk->position);
}

/* Whether the records made it. */
static int compare_root(struct audit_walk *walk, bool *ret_fits)
{
        const bool in_doubt = walk->in_doubt;
        int r;

        *ret_fits = makes_root(walk);
        if (*ret_fits)
                return 0;
        if (!in_doubt && !walk->rows_wrong) {
                root_mismatch(walk);
                audit_against_reached(walk); /* this is the tree of the records, as long as it is not mended */
        }
        r = mend_tree(walk);
        if (r < 0)
                return r;
        if (makes_root(walk)) {
                *ret_fits = in_doubt;
                return 0;
        }
        if (in_doubt)
                root_mismatch(walk);
        walk->torn = true;
        walk->in_doubt = false;
        walk->rows_wrong = walk->pruned.to > walk->proven;
        return 0;
}

/* Checkpoints of the size now reached; those passed over while records were missing have nothing to be compared with. */
static int compare_checkpoints(struct audit_walk *walk)
{
        int r = 0;

        while (walk->has_due && walk->due.size <= walk->position && r == 0) {
                bool fits = false;

                if (!walk->torn && walk->due.size == walk->position)
                        r = compare_root(walk, &fits);
                r = r ?: audit_against_checkpoint(walk, fits);
                memcpy(walk->sealed_ts, walk->ts, sizeof(walk->ts));
                walk->unsealed_ts[0] = '\0';
                r = r ?: next_checkpoint(walk);
        }
        return r;
}

/* As find_subtree of a source; what is not there is reported. */
static int find_subtree(struct audit_walk *walk, const struct audit_subtree *subtree, struct audit_hash *ret)
{
        const struct audit_source *source = walk->source;
        const int r = source->find_subtree(source->self, subtree, ret);

        if (r == 0)
                audit_report_add(walk->report, CODE_SUBTREE_MISMATCH, (int64_t)(subtree->index << subtree->level), -1,
                                 "subtree %u/%llu is missing", subtree->level, (unsigned long long)subtree->index);
        else if (r < 0 && r != -ENOMEM)
                audit_report_add(walk->report, CODE_CORRUPT, -1, -1, "subtree %u/%llu cannot be read", subtree->level,
                                 (unsigned long long)subtree->index);
        return r == -ENOMEM || r > 0 ? r : 0;
}

static int compare_subtree(struct audit_walk *walk, const struct audit_subtree *subtree)
{
        const bool is_folded = walk->position < walk->pruned.to;
        struct audit_hash stored;
        int r;

        if (!walk->source->find_subtree)
                return 0;
        r = find_subtree(walk, subtree, &stored);
        if (r > 0 && !audit_hash_equal(&stored, &subtree->hash)) {
                audit_report_add(walk->report, CODE_SUBTREE_MISMATCH, (int64_t)(subtree->index << subtree->level), -1,
                                 "subtree %u/%llu does not match the %s", subtree->level,
                                 (unsigned long long)subtree->index, is_folded ? "subtrees below it" : "records");
                walk->in_doubt = walk->in_doubt || is_folded;
        }
        return r < 0 ? r : 0;
}

static int grow_tree(struct audit_walk *walk, const struct audit_hash *leaf)
{
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        unsigned n;
        int r = 0;

        walk->position++;
        if (walk->torn)
                return walk->position % AUDIT_SUBTREE_LEAVES == 0 ? mend_tree(walk) : 0;

        n = audit_tree_push(&walk->tree, leaf, completed);
        for (unsigned i = 0; i < n && r == 0; i++)
                r = compare_subtree(walk, &completed[i]);
        return r;
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

/* ---- gaps ----------------------------------------------------------------------------------------------------- */

/* One stored subtree in place of the records of which it is made. */
static int fold_subtree(struct audit_walk *walk, uint64_t index)
{
        struct audit_subtree completed[AUDIT_SUBTREES_MAX], row = { .level = AUDIT_SUBTREE_STEP, .index = index };
        unsigned n;
        int r = find_subtree(walk, &row, &row.hash);

        if (r < 0)
                return r;
        walk->torn = walk->torn || r == 0;
        if (walk->torn) {
                walk->position += AUDIT_SUBTREE_LEAVES;
                return mend_tree(walk);
        }
        n = audit_tree_push_node(&walk->tree, row.level, &row.hash, completed);
        for (unsigned i = 0; i < n && r >= 0; i++)
                r = compare_subtree(walk, &completed[i]);
        walk->position += AUDIT_SUBTREE_LEAVES;
        return r < 0 ? r : 0;
}

/* Each subtree of a gap is asked for, and the number at its end is anyone's. */
static bool is_countable(const struct audit_walk *walk, uint64_t seq)
{
        const struct audit_source *source = walk->source;
        uint64_t rows = 0;

        source->count_subtrees(source->self, &rows); /* when that fails, none can be read */
        return (seq - walk->position) / AUDIT_SUBTREE_LEAVES <= rows + MISSING_SUBTREES_MAX;
}

/* Pruning leaves whole subtrees out, after record 0 or after what archives put back, and only once. Whether a record
 * explains it is told when all are known. */
static bool may_be_pruned(const struct audit_walk *walk, uint64_t seq)
{
        return walk->source->find_subtree && !walk->unread && !walk->pruned.to && seq % AUDIT_SUBTREE_LEAVES == 0 &&
               (walk->position == 1 || (walk->position > 0 && walk->position % AUDIT_SUBTREE_LEAVES == 0)) &&
               is_countable(walk, seq);
}

static int fold_gap(struct audit_walk *walk, uint64_t seq)
{
        int r = 0;

        walk->pruned.from = walk->position;
        walk->pruned.to = seq;
        walk->pruned.to_usec = INT64_MIN;
        if (walk->position == 1) { /* the first of the subtrees holds record 0 again */
                walk->position = 0;
                walk->tree = (struct audit_tree){ 0 };
                walk->torn = false;
        } else if (walk->torn)
                r = mend_tree(walk);

        while (walk->position < seq && r == 0) {
                r = fold_subtree(walk, walk->position / AUDIT_SUBTREE_LEAVES);
                r = r ?: compare_checkpoints(walk);
                audit_against_reached(walk);
        }
        walk->has_last = false;
        return r;
}

static int pass_gap(struct audit_walk *walk, uint64_t seq)
{
        if (may_be_pruned(walk, seq))
                return fold_gap(walk, seq);
        if (!walk->unread)
                audit_report_add(walk->report, CODE_SEQ_GAP, (int64_t)walk->position, -1,
                                 "%llu record(s) missing before %llu", (unsigned long long)(seq - walk->position),
                                 (unsigned long long)seq);
        walk->position = seq;
        walk->torn = true;
        walk->has_last = false;
        return seq % AUDIT_SUBTREE_LEAVES == 0 ? mend_tree(walk) : 0;
}

/* A file may hold what was there already; of a second beginning nothing else needs to be told. */
static int repeated_record(struct audit_walk *walk, uint64_t seq)
{
        if (seq == 0)
                audit_report_add(walk->report, CODE_GENESIS, 0, -1, "an archive begins with another record 0");
        else
                audit_report_add(walk->report, CODE_SEQ_ORDER, (int64_t)seq, -1, "record %llu comes again after %llu",
                                 (unsigned long long)seq, (unsigned long long)walk->position - 1);
        return 0;
}

static void learn_of_archiving(struct audit_walk *walk, const struct audit_looked *looked)
{
        struct audit_archived archived;

        if (!looked->is_record)
                return;
        if (walk->pruned.to > 0 && looked->item.seq == walk->pruned.to)
                walk->pruned.to_usec = (int64_t)audit_ts_parse(walk->ts);
        if (!audit_archived_read(&looked->view, &archived))
                return;
        audit_pruned_take(&walk->pruned, &looked->view, &archived);
        if (walk->restored && !audit_restored_fits(walk->restored, &archived))
                audit_report_add(walk->report, CODE_ROOT_MISMATCH, (int64_t)looked->item.seq, -1,
                                 "the archive of records %llu to %llu does not have the sha256 that this record names",
                                 (unsigned long long)archived.from, (unsigned long long)archived.to - 1);
}

static int take_record(struct audit_walk *walk, const struct audit_looked *looked)
{
        const uint64_t seq = looked->item.seq;
        int r = 0;

        if (seq < walk->position)
                return repeated_record(walk, seq);
        if (seq > walk->position)
                r = pass_gap(walk, seq);
        walk->unread = false;
        check_record(walk, looked);
        learn_of_archiving(walk, looked);

        walk->last = looked->leaf;
        walk->has_last = true;
        r = r ?: grow_tree(walk, &walk->last);
        r = r ?: compare_checkpoints(walk);
        audit_against_reached(walk);
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
        struct audit_stored_note archived;
        int r = 0;

        while (walk->has_due && r == 0) {
                if (!walk->unread)
                        audit_report_add(walk->report, CODE_CKPT_BEYOND_END, -1, (int64_t)walk->due.epoch,
                                         "seals %llu records, there are %llu", (unsigned long long)walk->due.size,
                                         (unsigned long long)walk->position);
                r = next_checkpoint(walk);
        }
        if (walk->restored && !walk->no_seals && !walk->notes_unread && r == 0 &&
            audit_restored_note(walk->restored, UINT64_MAX, &archived) > 0)
                audit_report_add(walk->report, CODE_CKPT_BEYOND_END, -1, (int64_t)archived.epoch,
                                 "an archive holds a later seal than the log");
        if (r == 0 && walk->epoch == 0 && walk->position > 0 && !walk->no_seals && !walk->notes_unread)
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

static void end_pruned(struct audit_walk *walk)
{
        audit_pruned_judge(&walk->pruned, walk->has_genesis ? &walk->genesis : NULL, walk->sealed_size, walk->now_usec,
                           walk->report);
        if (walk->rows_wrong)
                audit_report_add(walk->report, CODE_SUBTREE_MISMATCH, (int64_t)walk->pruned.from, -1,
                                 "the subtrees stored for the records before %llu make no sealed root",
                                 (unsigned long long)walk->pruned.to);
}

static int run(struct audit_walk *walk)
{
        int r = audit_against_begin(walk);

        walk->has_last = true; /* record 0 carries zeros */
        if (walk->has_genesis) {
                memcpy(walk->seal_key, walk->genesis.seal_key, AUDIT_PUBLIC_KEY);
                walk->has_seal_key = true;
        }
        r = r ?: next_checkpoint(walk);
        r = r ?: walk_records(walk);
        r = r ?: end_checkpoints(walk);
        end_pruned(walk);
        audit_against_end(walk);
        return r ?: count_subtrees(walk);
}

int audit_walk_run(struct audit_walk *walk)
{
        int r = audit_look_new(walk->source, walk->has_genesis ? &walk->genesis : NULL, walk->threads, &walk->look);

        r = r ?: run(walk);
        walk->look = audit_look_free(walk->look);
        audit_against_done(walk);
        return r;
}
