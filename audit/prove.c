/* Proofs out of a stored log: a few stored subtrees, at most 255 bodies on each side, and a check of the result. */

#include "audit/cleanup.h"
#include "audit/sealed.h"
#include "audit/store.h"
#include "audit/tlog_proof.h"

#include <inttypes.h>

static int find_hashes(const struct audit_sealed *sealed, const struct audit_span *spans, unsigned n,
                       struct audit_hash ret[static AUDIT_PROOF_MAX])
{
        int r = 0;

        for (unsigned i = 0; i < n && r == 0; i++)
                r = audit_sealed_hash(sealed, spans[i], &ret[i]);
        return r;
}

/* Ends the stream; `r` is what was written into it, or why not. */
static int finish_text(FILE *out, int r, char **text, char **ret)
{
        if (fclose(out) != 0)
                r = r ?: -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(*text);
        return 0;
}

/* ---- inclusion ------------------------------------------------------------------------------------------------ */

/* One that witnesses have cosigned is worth more than a newer one. */
static int choose_checkpoint(struct audit_sealed *sealed, uint64_t seq)
{
        uint64_t cosigned = UINT64_MAX;
        int r = audit_checkpoint_most_cosigned(sealed->db, seq, &cosigned);

        if (r < 0 && r != -ENOENT)
                return r;
        r = audit_checkpoint_find(sealed->db, cosigned, &sealed->checkpoint);
        if (r == 0 && cosigned != UINT64_MAX && sealed->checkpoint.size != cosigned) { /* of no checkpoint of ours */
                audit_checkpoint_done(&sealed->checkpoint);
                r = audit_checkpoint_find(sealed->db, UINT64_MAX, &sealed->checkpoint);
        }
        if (r < 0)
                return r == -ENOENT ? -ENODATA : r;
        if (sealed->checkpoint.size <= seq)
                return -ENODATA;
        r = audit_checkpoint_add_cosignatures(sealed->db, &sealed->checkpoint);
        return r ?: audit_sealed_judge(sealed);
}

static int find_inclusion(const struct audit_sealed *sealed, struct audit_tlog_proof *proof)
{
        const struct audit_hash leaf = audit_leaf_hash(proof->record.text, proof->record.length);
        struct audit_span spans[AUDIT_PROOF_MAX];
        int r;

        proof->n = audit_inclusion_spans(proof->index, sealed->note.size, spans);
        r = find_hashes(sealed, spans, proof->n, proof->hashes);
        if (r < 0)
                return r;
        return audit_included(proof->index, &leaf, sealed->note.size, &sealed->note.root, proof->hashes, proof->n)
                       ? 0
                       : -EUCLEAN;
}

int audit_prove(struct audit_reader *reader, uint64_t seq, char **ret_proof)
{
        _cleanup_(audit_sealed_done) struct audit_sealed sealed = { 0 };
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        _cleanup_(free_memory) char *text = NULL;
        struct audit_tlog_proof proof = { .index = seq };
        size_t length;
        FILE *out;
        int r = audit_sealed_begin(&sealed, reader);

        if (r < 0)
                return r;
        if (seq >= sealed.records)
                return -ENOENT;
        if (seq > 0 && seq < sealed.kept_from && sealed.kept_from > 1)
                return -ESTALE;
        r = choose_checkpoint(&sealed, seq);
        r = r ?: audit_store_body(sealed.db, seq, &statement, &proof.record);
        r = r ?: find_inclusion(&sealed, &proof);
        if (r < 0)
                return r == -ENOENT ? -EUCLEAN : r; /* a hole where a record must be */

        out = open_memstream(&text, &length);
        if (!out)
                return -ENOMEM;
        proof.note = (struct audit_slice){ sealed.checkpoint.text, sealed.checkpoint.length };
        return finish_text(out, audit_tlog_proof_write(&proof, out), &text, ret_proof);
}

/* ---- consistency ---------------------------------------------------------------------------------------------- */

/* A checkpoint of that size, if there is one, must have been of the same root. */
static int judge_old_root(const struct audit_sealed *sealed, uint64_t size, const struct audit_hash *root)
{
        _cleanup_(audit_checkpoint_done) struct audit_checkpoint checkpoint = { 0 };
        struct audit_note note;
        const int r = audit_checkpoint_find(sealed->db, size, &checkpoint);

        if (r == -ENOENT || (r == 0 && checkpoint.size != size))
                return 0;
        if (r < 0)
                return r;
        return audit_note_parse(checkpoint.text, checkpoint.length, &note) && audit_hash_equal(&note.root, root)
                       ? 0
                       : -EUCLEAN;
}

static int find_consistency(const struct audit_sealed *sealed, uint64_t old_size,
                            struct audit_hash ret[static AUDIT_PROOF_MAX], unsigned *ret_n)
{
        const struct audit_note *note = &sealed->note;
        struct audit_span spans[AUDIT_PROOF_MAX];
        struct audit_hash old_root, root;
        unsigned n;
        int r = audit_sealed_hash(sealed, (struct audit_span){ 0, note->size }, &root);

        if (r < 0)
                return r;
        if (!audit_hash_equal(&root, &note->root))
                return -EUCLEAN;
        if (old_size == 0) {
                *ret_n = 0;
                return 0;
        }
        n = audit_consistency_spans(old_size, note->size, spans);
        r = audit_sealed_hash(sealed, (struct audit_span){ 0, old_size }, &old_root);
        r = r ?: judge_old_root(sealed, old_size, &old_root);
        r = r ?: find_hashes(sealed, spans, n, ret);
        if (r < 0)
                return r;
        if (!audit_consistent(old_size, old_root.bytes, note->size, note->root.bytes, ret[0].bytes, n))
                return -EUCLEAN;
        *ret_n = n;
        return 0;
}

int audit_add_checkpoint_body(struct audit_reader *reader, uint64_t old_size, char **ret_body, uint64_t *ret_size)
{
        _cleanup_(audit_sealed_done) struct audit_sealed sealed = { 0 };
        _cleanup_(free_memory) char *text = NULL;
        struct audit_hash hashes[AUDIT_PROOF_MAX];
        unsigned n = 0;
        size_t length;
        FILE *out;
        int r = audit_sealed_begin(&sealed, reader);

        r = r ?: audit_sealed_newest(&sealed);
        if (r == 0 && old_size > sealed.note.size)
                return -ERANGE;
        r = r ?: find_consistency(&sealed, old_size, hashes, &n);
        if (r < 0)
                return r;

        out = open_memstream(&text, &length);
        if (!out)
                return -ENOMEM;
        fprintf(out, "old %" PRIu64 "\n", old_size);
        for (unsigned i = 0; i < n; i++)
                audit_hash_write(&hashes[i], out);
        fprintf(out, "\n%s", sealed.checkpoint.text);
        r = finish_text(out, 0, &text, ret_body);
        if (r == 0)
                *ret_size = sealed.note.size;
        return r;
}
