/* What outsiders ask of the log: an auditor's nonce under a seal, a witness's signature beside a checkpoint. */

#include "audit/chain.h"
#include "audit/checkpoint.h"
#include "audit/cleanup.h"

#include <string.h>

/* ---- nonces --------------------------------------------------------------------------------------------------- */

enum { NONCE_MIN = 16, NONCE_MAX = 128 };

static bool is_nonce(const char *nonce)
{
        const size_t length = strlen(nonce);

        return length >= NONCE_MIN && length <= NONCE_MAX && strspn(nonce, "0123456789abcdefABCDEF") == length;
}

int audit_seal_nonce(struct audit *audit, const char *nonce, const char *actor)
{
        _cleanup_(drop_json) json_t *details = NULL;
        int r;

        if (!is_nonce(nonce))
                return -EINVAL;
        details = json_pack("{s:s}", "nonce", nonce);
        if (!details)
                return -ENOMEM;
        r = audit_append_remark(audit, "audit.nonce", actor, details);
        r = r ?: audit_commit(audit, AUDIT_SEAL);
        if (r < 0)
                return r;
        return audit_unsealed(audit) == 0 ? r : -EIO; /* durable, but the key file failed: no answer */
}

/* ---- cosignatures --------------------------------------------------------------------------------------------- */

/* Only what is signed by this log is worth a witness's word. */
static int find_note(const struct audit *audit, uint64_t size, struct audit_checkpoint *ret)
{
        struct audit_note note;
        int r = audit_checkpoint_find(audit->db, size, ret);

        if (r < 0)
                return r;
        if (ret->size != size)
                return -ENOENT;
        if (!audit_note_parse(ret->text, ret->length, &note) || note.size != size ||
            !audit_note_log_signed(&note, audit->genesis.log_key))
                return -EUCLEAN;
        return 0;
}

static int check_line(const struct audit *audit, uint64_t size, const char *vkey, struct audit_slice line)
{
        _cleanup_(audit_checkpoint_done) struct audit_checkpoint checkpoint = { 0 };
        struct audit_vkey witness;
        uint64_t time;
        int r = audit_vkey_read(vkey, &witness);

        r = r ?: find_note(audit, size, &checkpoint);
        if (r < 0)
                return r;
        r = audit_cosignature_check(checkpoint.text, checkpoint.length, line, &witness, &time);
        return r == -ENOKEY || r == -EBADMSG ? -EKEYREJECTED : r;
}

/* One that is there already stays as it is: the trigger would call it a change. */
static int insert_line(struct audit *audit, uint64_t size, struct audit_slice line)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        int r = audit_store_prepare(audit->db,
                                    "INSERT INTO cosig(size, line) SELECT ?1, ?2 "
                                    "WHERE NOT EXISTS(SELECT 1 FROM cosig WHERE size=?1 AND line=?2)",
                                    &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)size);
        sqlite3_bind_text(statement, 2, line.text, (int)line.length, SQLITE_STATIC);
        return audit_store_step(statement);
}

int audit_cosign(struct audit *audit, uint64_t size, const char *vkey, struct audit_slice line)
{
        int r;

        if (!audit->db)
                return -EUCLEAN; /* a reopen failed */
        r = check_line(audit, size, vkey, line);
        r = r ?: audit_begin_transaction(audit);
        if (r < 0)
                return r;
        r = insert_line(audit, size, line);
        return audit_end_transaction(audit, r);
}
