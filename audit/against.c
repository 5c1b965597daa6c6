#include "audit/against.h"
#include "audit/cleanup.h"
#include "audit/witness.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- witnesses ------------------------------------------------------------------------------------------------ */

/* A witness has seen that the log only ever grew, so its word on one size is its word on all that is smaller. So each may
 * have cosigned another checkpoint; each counts once, by the largest whose root the records make. */
static void count_witness(struct audit_walk *walk, const struct audit_vkey *witness, uint64_t size)
{
        for (size_t i = 0; i < walk->witnesses_n; i++)
                if (memcmp(walk->witnesses[i].key, witness->key, sizeof(witness->key)) == 0) {
                        if (size > walk->witnessed[i])
                                walk->witnessed[i] = size;
                        return; /* one key given twice is one witness */
                }
}

static unsigned witnesses_met(const struct audit_walk *walk)
{
        unsigned met = 0;

        for (size_t i = 0; i < walk->witnesses_n; i++)
                met += walk->witnessed[i] > 0;
        return met;
}

/* Whose line is this, of those that are known? */
static const struct audit_vkey *witness_of(const struct audit_walk *walk, const struct audit_signature *line)
{
        for (size_t i = 0; i < walk->witnesses_n; i++)
                if (audit_signed_by(line, &walk->witnesses[i]))
                        return &walk->witnesses[i];
        return NULL;
}

/* Every line whose name and id are known must verify; 1 when one does. */
static int judge_signature(struct audit_walk *walk, struct audit_slice text, const struct audit_signature *line,
                           const struct audit_vkey **ret)
{
        uint64_t time;

        *ret = witness_of(walk, line);
        if (!*ret)
                return 0;
        return audit_cosignature_judge(text, line, *ret, &time) == 0 ? 1 : -EKEYREJECTED;
}

/* The cosignatures among a note's own signature lines. How many verify, or -EKEYREJECTED. */
static int judge_signatures(struct audit_walk *walk, const struct audit_note *note, uint64_t size)
{
        struct audit_slice rest = note->signatures;
        const struct audit_vkey *witness;
        struct audit_signature line;
        int n = 0;

        while (walk->witnesses_n > 0 && audit_signature_next(&rest, &line) > 0) {
                const int r = judge_signature(walk, note->text, &line, &witness);

                if (r < 0)
                        return r;
                n += r;
                if (r > 0 && size > 0)
                        count_witness(walk, witness, size);
        }
        return n;
}

static bool names_witness(const struct audit_walk *walk, struct audit_slice line)
{
        for (size_t i = 0; i < walk->witnesses_n; i++)
                if (memmem(line.text, line.length, walk->witnesses[i].name, strlen(walk->witnesses[i].name)))
                        return true;
        return false;
}

/* A stored row, and the note of its size; NULL: there is none, so that it cannot verify. */
static void judge_cosig(struct audit_walk *walk, const struct audit_cosig *cosig, const struct audit_note *note,
                        bool fits)
{
        const struct audit_vkey *witness = NULL;
        struct audit_signature line;
        int r = audit_signature_read(cosig->line, &line);

        if (r < 0)
                r = names_witness(walk, cosig->line) ? -EKEYREJECTED : 0;
        else if (note)
                r = judge_signature(walk, note->text, &line, &witness);
        else
                r = witness_of(walk, &line) ? -EKEYREJECTED : 0;

        if (r < 0)
                audit_report_add(walk->report, CODE_ANCHOR_SIG, -1, note ? (int64_t)note->epoch : -1,
                                 note ? "a cosignature of size %llu does not verify"
                                      : "a cosignature of size %llu, of which there is no checkpoint",
                                 (unsigned long long)cosig->size);
        else if (r > 0 && fits)
                count_witness(walk, witness, note->size);
}

static int next_cosig(struct audit_walk *walk)
{
        const struct audit_source *source = walk->source;
        const int r = source->next_cosig && walk->witnesses_n > 0 ? source->next_cosig(source->self, &walk->cosig) : 0;

        walk->has_cosig = r > 0;
        if (r == -EUCLEAN || r == -EIO)
                audit_report_add(walk->report, CODE_CORRUPT, -1, -1, "the cosignatures cannot be read on");
        return r == -ENOMEM ? r : 0;
}

/* Rows up to this size; `note` is the checkpoint that has it. */
static int judge_cosigs(struct audit_walk *walk, uint64_t size, const struct audit_note *note, bool fits)
{
        int r = 0;

        while (walk->has_cosig && walk->cosig.size <= size && r == 0) {
                judge_cosig(walk, &walk->cosig, walk->cosig.size == size ? note : NULL, fits);
                r = next_cosig(walk);
        }
        return r;
}

/* ---- anchors -------------------------------------------------------------------------------------------------- */

static const struct audit_anchor *next_anchor(struct audit_walk *walk)
{
        for (; walk->anchors && walk->next_anchor < walk->anchors->n; walk->next_anchor++) {
                const struct audit_anchor *anchor = &walk->anchors->list[walk->next_anchor];

                if (walk->has_genesis && audit_slice_is(anchor->origin, walk->genesis.origin)) {
                        walk->saw_anchor = true;
                        return anchor;
                }
        }
        return NULL;
}

static void no_seal(struct audit_walk *walk, uint64_t size)
{
        audit_report_add(walk->report, CODE_NO_SEAL, -1, -1, "the anchor of size %llu has no seal",
                         (unsigned long long)size);
}

/* A line is as good as the place it was kept in; a note must be signed wherever it comes from. A thief of the log key can
 * sign one at any time, so there must be a seal too, or the word of a witness. */
static bool is_good_anchor(struct audit_walk *walk, const struct audit_anchor *anchor, struct audit_note *ret_note)
{
        const unsigned long long size = anchor->size;
        int witnesses;

        if (anchor->note.length == 0)
                return true;
        if (!audit_note_parse_loose(anchor->note.text, anchor->note.length, ret_note) ||
            !audit_note_log_signed(ret_note, walk->genesis.log_key)) {
                audit_report_add(walk->report, CODE_ANCHOR_SIG, -1, -1,
                                 "the anchor of size %llu is not signed by the log key", size);
                return false;
        }
        witnesses = judge_signatures(walk, ret_note, 0);
        if (witnesses < 0) {
                audit_report_add(walk->report, CODE_ANCHOR_SIG, -1, -1,
                                 "a cosignature of the anchor of size %llu does not verify", size);
                return false;
        }
        if (!ret_note->has_seal && witnesses == 0)
                no_seal(walk, anchor->size);
        return ret_note->has_seal || witnesses > 0;
}

/* Two anchors of one size with two roots: whatever this file holds, the log was told in two ways. */
static void look_for_contradiction(struct audit_walk *walk, const struct audit_anchor *anchor)
{
        const struct audit_anchor *before = anchor - 1;

        if (walk->next_anchor > 0 && before->size == anchor->size &&
            audit_slice_is(before->origin, walk->genesis.origin) && !audit_hash_equal(&before->root, &anchor->root))
                audit_report_add(walk->report, CODE_FORK, -1, -1, "two anchors of size %llu contradict each other",
                                 (unsigned long long)anchor->size);
}

static void anchor_mismatch(struct audit_walk *walk, const struct audit_anchor *anchor, const char *what)
{
        audit_report_add(walk->report, CODE_ANCHOR_MISMATCH, -1, -1, "the first %llu records %s",
                         (unsigned long long)anchor->size, what);
}

/* The records that it counts are in an archive. What was sealed at this size may still contradict it. */
static void cannot_compare(struct audit_walk *walk, const struct audit_anchor *anchor)
{
        if (walk->has_due && walk->due.size == anchor->size && !audit_hash_equal(&walk->due.root, &anchor->root))
                anchor_mismatch(walk, anchor, "were sealed with another root than the anchor's");
        else
                audit_report_add(walk->report, CODE_ANCHOR_PRUNED, -1, -1,
                                 "the records that would make the anchor of size %llu are archived",
                                 (unsigned long long)anchor->size);
}

static bool is_pruned(const struct audit_walk *walk, uint64_t size)
{
        return size > walk->pruned.from && size < walk->pruned.to;
}

static void compare_anchor(struct audit_walk *walk, const struct audit_anchor *anchor)
{
        const struct audit_hash root = audit_tree_root(&walk->tree);
        struct audit_note note = { .size = 0 };

        if (!is_good_anchor(walk, anchor, &note))
                return;
        look_for_contradiction(walk, anchor);
        if (anchor->size < walk->position) {
                if (is_pruned(walk, anchor->size))
                        cannot_compare(walk, anchor);
                return; /* else the records it speaks of are missing, which is a finding already */
        }
        if (walk->torn)
                return; /* or wrong, likewise */
        if (!audit_hash_equal(&root, &anchor->root)) {
                anchor_mismatch(walk, anchor, "do not make the anchor's root");
                return;
        }
        walk->met_anchor = true;
        judge_signatures(walk, &note, anchor->size);
}

static void compare_anchors(struct audit_walk *walk, uint64_t size)
{
        const struct audit_anchor *anchor;

        for (; (anchor = next_anchor(walk)) && anchor->size <= size; walk->next_anchor++)
                compare_anchor(walk, anchor);
}

static void end_anchors(struct audit_walk *walk)
{
        const struct audit_anchor *anchor;
        struct audit_note note;

        for (; (anchor = next_anchor(walk)); walk->next_anchor++)
                if (is_good_anchor(walk, anchor, &note))
                        audit_report_add(walk->report, CODE_ANCHOR_AHEAD, -1, -1,
                                         "an anchor was made at size %llu, there are %llu records",
                                         (unsigned long long)anchor->size, (unsigned long long)walk->position);
}

/* ---- seals of anchors ----------------------------------------------------------------------------------------- */

static bool is_same_text(const struct audit_note *a, const struct audit_note *b)
{
        return a->text.length == b->text.length && memcmp(a->text.text, b->text.text, a->text.length) == 0;
}

/* The key of this epoch seals once. Two notes that it sealed are two histories; a note that says what was sealed, and is
 * not sealed with it, was tampered with. */
static void compare_seal(struct audit_walk *walk, const struct audit_anchor *anchor, const struct audit_note *ours,
                         const uint8_t *seal_key)
{
        struct audit_note note;
        bool is_same;

        if (!audit_note_parse(anchor->note.text, anchor->note.length, &note) ||
            !audit_note_log_signed(&note, walk->genesis.log_key))
                return;
        is_same = is_same_text(&note, ours);
        if (audit_note_sealed(&note, seal_key)) {
                if (!is_same || memcmp(note.next, ours->next, sizeof(note.next)) != 0)
                        audit_report_add(walk->report, CODE_FORK, -1, (int64_t)note.epoch,
                                         "seal %llu was made twice: here of size %llu, in an anchor of size %llu",
                                         (unsigned long long)note.epoch, (unsigned long long)ours->size,
                                         (unsigned long long)note.size);
        } else if (is_same)
                audit_report_add(walk->report, CODE_ANCHOR_SIG, -1, (int64_t)note.epoch,
                                 "the anchor of size %llu does not have the seal of its epoch",
                                 (unsigned long long)note.size);
}

static int by_epoch(const void *a, const void *b)
{
        const struct audit_anchor *const *x = a, *const *y = b;

        return ((*x)->epoch > (*y)->epoch) - ((*x)->epoch < (*y)->epoch);
}

static int sort_sealed_anchors(struct audit_walk *walk)
{
        const size_t n = walk->anchors ? walk->anchors->n : 0;

        if (n == 0 || !walk->has_genesis)
                return 0;
        walk->sealed_anchors = calloc(n, sizeof(const struct audit_anchor *));
        if (!walk->sealed_anchors)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (walk->anchors->list[i].has_seal &&
                    audit_slice_is(walk->anchors->list[i].origin, walk->genesis.origin))
                        walk->sealed_anchors[walk->sealed_anchors_n++] = &walk->anchors->list[i];
        qsort(walk->sealed_anchors, walk->sealed_anchors_n, sizeof(const struct audit_anchor *), by_epoch);
        return 0;
}

void audit_against_note(struct audit_walk *walk, const struct audit_note *note, const uint8_t *seal_key)
{
        for (; walk->next_sealed_anchor < walk->sealed_anchors_n; walk->next_sealed_anchor++) {
                const struct audit_anchor *anchor = walk->sealed_anchors[walk->next_sealed_anchor];

                if (anchor->epoch > note->epoch)
                        return;
                if (anchor->epoch == note->epoch && seal_key)
                        compare_seal(walk, anchor, note, seal_key);
        }
}

/* ---- the walk's moments --------------------------------------------------------------------------------------- */

int audit_against_begin(struct audit_walk *walk)
{
        const int r = sort_sealed_anchors(walk);

        if (r == 0 && walk->witnesses_n > 0) {
                walk->witnessed = calloc(walk->witnesses_n, sizeof(*walk->witnessed));
                if (!walk->witnessed)
                        return -ENOMEM;
        }
        return r ?: next_cosig(walk);
}

int audit_against_checkpoint(struct audit_walk *walk, bool fits)
{
        const struct audit_note *due = &walk->due;

        if (is_pruned(walk, due->size))
                compare_anchors(walk, due->size);
        if (judge_signatures(walk, due, fits ? due->size : 0) < 0)
                audit_report_add(walk->report, CODE_ANCHOR_SIG, -1, (int64_t)due->epoch,
                                 "a cosignature in the note does not verify");
        return judge_cosigs(walk, due->size, due, fits);
}

void audit_against_reached(struct audit_walk *walk)
{
        compare_anchors(walk, walk->position);
        if (walk->head && walk->head->size == walk->position && !walk->torn)
                compare_head(walk);
}

/* Anchored means: by what the caller trusts. Who asks for a quorum gets no less than that. */
static void conclude(struct audit_walk *walk)
{
        const unsigned met = witnesses_met(walk);

        if (met > 0 && met >= walk->quorum)
                walk->met_anchor = true;
        if (met < walk->quorum) {
                walk->met_anchor = false;
                audit_report_add(walk->report, CODE_NO_ANCHOR, -1, -1,
                                 "%u of the witnesses cosigned a checkpoint of this log, %u are asked for", met,
                                 walk->quorum);
        } else if (!walk->met_anchor && (walk->require_anchor || (walk->anchors && !walk->saw_anchor)))
                audit_report_add(walk->report, CODE_NO_ANCHOR, -1, -1, "nothing kept elsewhere was compared");
}

void audit_against_end(struct audit_walk *walk)
{
        if (!walk->unread) {
                end_anchors(walk);
                end_head(walk);
        }
        judge_cosigs(walk, UINT64_MAX, NULL, false);
        conclude(walk);
}

void audit_against_done(struct audit_walk *walk)
{
        free(walk->sealed_anchors);
        free(walk->witnessed);
        walk->sealed_anchors = NULL;
        walk->witnessed = NULL;
}
