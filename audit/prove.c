/* Proofs out of a stored log: a few stored subtrees, at most 255 bodies on each side, and a check of the result. */

#include "audit/checkpoint.h"
#include "audit/cleanup.h"
#include "audit/genesis.h"
#include "audit/reader.h"
#include "audit/store.h"
#include "audit/tlog_proof.h"

#include <inttypes.h>
#include <string.h>

enum { BLOCK = 1 << AUDIT_SUBTREE_STEP }; /* records of one stored subtree */

struct proving {
        struct audit_reader *reader;
        sqlite3 *db;
        struct audit_genesis genesis;
        uint64_t kept_from;
        uint64_t records; /* their number */
        struct audit_checkpoint checkpoint;
        struct audit_note note; /* of the checkpoint */
};

static void done(struct proving *proving)
{
        audit_checkpoint_done(&proving->checkpoint);
}

static int read_genesis(struct proving *proving)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_slice body;
        const int r = audit_reader_body(proving->reader, 0, &statement, &body);

        if (r < 0)
                return r == -ENOENT ? -EUCLEAN : r;
        return audit_genesis_parse(body.text, body.length, &proving->genesis) ? 0 : -EUCLEAN;
}

static int begin(struct proving *proving)
{
        int64_t records;
        int r = audit_store_integer(proving->db, "SELECT coalesce(max(seq)+1,0) FROM record", &records);

        r = r ?: audit_reader_kept_from(proving->reader, &proving->kept_from);
        if (r < 0)
                return r;
        proving->records = (uint64_t)records;
        return records > 0 ? read_genesis(proving) : 0;
}

/* A checkpoint that is not ours, or that the log key has not signed, is not handed out. */
static int judge_checkpoint(struct proving *proving)
{
        const struct audit_checkpoint *checkpoint = &proving->checkpoint;
        const struct audit_genesis *genesis = &proving->genesis;
        struct audit_note *note = &proving->note;

        if (!audit_note_parse(checkpoint->text, checkpoint->length, note) || note->size != checkpoint->size ||
            note->size > proving->records || note->origin.length != strlen(genesis->origin) ||
            memcmp(note->origin.text, genesis->origin, note->origin.length) != 0 ||
            !audit_note_log_signed(note, genesis->log_key))
                return -EUCLEAN;
        return 0;
}

/* Would this need bodies that are in an archive? The genesis never is. */
static bool is_archived(const struct proving *proving, struct audit_span span)
{
        const uint64_t last_block = span.to & ~(uint64_t)(BLOCK - 1);
        const uint64_t from = span.from > last_block ? span.from : last_block;

        return from < span.to && span.to > 1 && proving->kept_from > 1 && from < proving->kept_from;
}

static int find_hash(const struct proving *proving, struct audit_span span, struct audit_hash *ret)
{
        struct audit_tree tree;
        int r;

        if (is_archived(proving, span))
                return -ESTALE;
        r = audit_store_load_span(proving->db, span.from, span.to, &tree);
        if (r < 0)
                return r;
        *ret = audit_tree_root(&tree);
        return 0;
}

static int find_hashes(const struct proving *proving, const struct audit_span *spans, unsigned n,
                       struct audit_hash ret[static AUDIT_PROOF_MAX])
{
        int r = 0;

        for (unsigned i = 0; i < n && r == 0; i++)
                r = find_hash(proving, spans[i], &ret[i]);
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
static int choose_checkpoint(struct proving *proving, uint64_t seq)
{
        uint64_t cosigned = UINT64_MAX;
        int r = audit_checkpoint_most_cosigned(proving->db, seq, &cosigned);

        if (r < 0 && r != -ENOENT)
                return r;
        r = audit_checkpoint_find(proving->db, cosigned, &proving->checkpoint);
        if (r == 0 && cosigned != UINT64_MAX && proving->checkpoint.size != cosigned) { /* of no checkpoint of ours */
                audit_checkpoint_done(&proving->checkpoint);
                r = audit_checkpoint_find(proving->db, UINT64_MAX, &proving->checkpoint);
        }
        if (r < 0)
                return r == -ENOENT ? -ENODATA : r;
        if (proving->checkpoint.size <= seq)
                return -ENODATA;
        r = audit_checkpoint_add_cosignatures(proving->db, &proving->checkpoint);
        return r ?: judge_checkpoint(proving);
}

static int find_inclusion(const struct proving *proving, struct audit_tlog_proof *proof)
{
        const struct audit_hash leaf = audit_leaf_hash(proof->record.text, proof->record.length);
        struct audit_span spans[AUDIT_PROOF_MAX];
        int r;

        proof->n = audit_inclusion_spans(proof->index, proving->note.size, spans);
        r = find_hashes(proving, spans, proof->n, proof->hashes);
        if (r < 0)
                return r;
        return audit_included(proof->index, &leaf, proving->note.size, &proving->note.root, proof->hashes, proof->n)
                       ? 0
                       : -EUCLEAN;
}

int audit_prove(struct audit_reader *reader, uint64_t seq, char **ret_proof)
{
        _cleanup_(done) struct proving proving = { .reader = reader, .db = audit_reader_database(reader) };
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        _cleanup_(free_memory) char *text = NULL;
        struct audit_tlog_proof proof = { .index = seq };
        size_t length;
        FILE *out;
        int r = begin(&proving);

        if (r < 0)
                return r;
        if (seq >= proving.records)
                return -ENOENT;
        if (seq > 0 && seq < proving.kept_from && proving.kept_from > 1)
                return -ESTALE;
        r = choose_checkpoint(&proving, seq);
        r = r ?: audit_reader_body(reader, seq, &statement, &proof.record);
        r = r ?: find_inclusion(&proving, &proof);
        if (r < 0)
                return r == -ENOENT ? -EUCLEAN : r; /* a hole where a record must be */

        out = open_memstream(&text, &length);
        if (!out)
                return -ENOMEM;
        proof.note = (struct audit_slice){ proving.checkpoint.text, proving.checkpoint.length };
        return finish_text(out, audit_tlog_proof_write(&proof, out), &text, ret_proof);
}

/* ---- consistency ---------------------------------------------------------------------------------------------- */

/* A checkpoint of that size, if there is one, must have been of the same root. */
static int judge_old_root(const struct proving *proving, uint64_t size, const struct audit_hash *root)
{
        _cleanup_(audit_checkpoint_done) struct audit_checkpoint checkpoint = { 0 };
        struct audit_note note;
        const int r = audit_checkpoint_find(proving->db, size, &checkpoint);

        if (r == -ENOENT || (r == 0 && checkpoint.size != size))
                return 0;
        if (r < 0)
                return r;
        return audit_note_parse(checkpoint.text, checkpoint.length, &note) && audit_hash_equal(&note.root, root)
                       ? 0
                       : -EUCLEAN;
}

static int find_consistency(const struct proving *proving, uint64_t old_size,
                            struct audit_hash ret[static AUDIT_PROOF_MAX], unsigned *ret_n)
{
        const struct audit_note *note = &proving->note;
        struct audit_span spans[AUDIT_PROOF_MAX];
        struct audit_hash old_root, root;
        unsigned n;
        int r = find_hash(proving, (struct audit_span){ 0, note->size }, &root);

        if (r < 0)
                return r;
        if (!audit_hash_equal(&root, &note->root))
                return -EUCLEAN;
        if (old_size == 0) {
                *ret_n = 0;
                return 0;
        }
        n = audit_consistency_spans(old_size, note->size, spans);
        r = find_hash(proving, (struct audit_span){ 0, old_size }, &old_root);
        r = r ?: judge_old_root(proving, old_size, &old_root);
        r = r ?: find_hashes(proving, spans, n, ret);
        if (r < 0)
                return r;
        if (!audit_consistent(old_size, old_root.bytes, note->size, note->root.bytes, ret[0].bytes, n))
                return -EUCLEAN;
        *ret_n = n;
        return 0;
}

int audit_add_checkpoint_body(struct audit_reader *reader, uint64_t old_size, char **ret_body, uint64_t *ret_size)
{
        _cleanup_(done) struct proving proving = { .reader = reader, .db = audit_reader_database(reader) };
        _cleanup_(free_memory) char *text = NULL;
        struct audit_hash hashes[AUDIT_PROOF_MAX];
        unsigned n = 0;
        size_t length;
        FILE *out;
        int r = begin(&proving);

        r = r ?: audit_checkpoint_find(proving.db, UINT64_MAX, &proving.checkpoint);
        if (r < 0)
                return r == -ENOENT ? -ENODATA : r;
        r = judge_checkpoint(&proving);
        if (r == 0 && old_size > proving.note.size)
                return -ERANGE;
        r = r ?: find_consistency(&proving, old_size, hashes, &n);
        if (r < 0)
                return r;

        out = open_memstream(&text, &length);
        if (!out)
                return -ENOMEM;
        fprintf(out, "old %" PRIu64 "\n", old_size);
        for (unsigned i = 0; i < n; i++)
                audit_hash_write(&hashes[i], out);
        fprintf(out, "\n%s", proving.checkpoint.text);
        r = finish_text(out, 0, &text, ret_body);
        if (r == 0)
                *ret_size = proving.note.size;
        return r;
}
