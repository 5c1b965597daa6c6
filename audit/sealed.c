#include "audit/sealed.h"
#include "audit/cleanup.h"
#include "audit/store.h"

enum { BLOCK = 1 << AUDIT_SUBTREE_STEP }; /* records of one stored subtree */

int audit_sealed_begin(struct audit_sealed *sealed, struct audit_reader *reader)
{
        int64_t records;
        int r;

        *sealed = (struct audit_sealed){ .reader = reader, .db = audit_reader_database(reader) };
        r = audit_store_integer(sealed->db, "SELECT coalesce(max(seq)+1,0) FROM record", &records);
        r = r ?: audit_reader_kept_from(reader, &sealed->kept_from);
        if (r < 0)
                return r;
        sealed->records = (uint64_t)records;
        return records > 0 ? audit_genesis_read(sealed->db, &sealed->genesis) : 0;
}

void audit_sealed_done(struct audit_sealed *sealed)
{
        audit_checkpoint_done(&sealed->checkpoint);
}

bool audit_sealed_is_ours(const struct audit_sealed *sealed, const struct audit_note *note)
{
        const struct audit_genesis *genesis = &sealed->genesis;

        return audit_slice_is(note->origin, genesis->origin) && audit_note_log_signed(note, genesis->log_key);
}

int audit_sealed_judge(struct audit_sealed *sealed)
{
        const struct audit_checkpoint *checkpoint = &sealed->checkpoint;

        if (!audit_note_parse(checkpoint->text, checkpoint->length, &sealed->note) ||
            sealed->note.size != checkpoint->size || sealed->note.size > sealed->records ||
            !audit_sealed_is_ours(sealed, &sealed->note))
                return -EUCLEAN;
        return 0;
}

int audit_sealed_newest(struct audit_sealed *sealed)
{
        const int r = audit_checkpoint_find(sealed->db, UINT64_MAX, &sealed->checkpoint);

        if (r < 0)
                return r == -ENOENT ? -ENODATA : r;
        return audit_sealed_judge(sealed);
}

/* What is left of the last block comes from bodies. The genesis never is in an archive. */
static bool is_archived(const struct audit_sealed *sealed, struct audit_span span)
{
        const uint64_t last_block = span.to & ~(uint64_t)(BLOCK - 1);
        const uint64_t from = span.from > last_block ? span.from : last_block;

        return sealed->kept_from > 1 && span.to > 1 && from < span.to && from < sealed->kept_from;
}

int audit_sealed_hash(const struct audit_sealed *sealed, struct audit_span span, struct audit_hash *ret)
{
        struct audit_tree tree;
        int r;

        if (is_archived(sealed, span))
                return -ESTALE;
        r = audit_store_load_span(sealed->db, span.from, span.to, &tree);
        if (r < 0)
                return r;
        *ret = audit_tree_root(&tree);
        return 0;
}
