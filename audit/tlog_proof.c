#include "audit/tlog_proof.h"
#include "audit/cleanup.h"
#include "audit/record.h"
#include "audit/witness.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define FIRST_LINE "c2sp.org/tlog-proof@v1"

enum {
        BASE64 = sodium_base64_VARIANT_ORIGINAL,
        NOTE_MAX = 65536, /* a note of ours and more witnesses than anyone has */
        TEXT_MAX = sodium_base64_ENCODED_LEN(AUDIT_BODY_MAX, BASE64) + 64 * (AUDIT_PROOF_MAX + 2) + NOTE_MAX,
};

/* ---- writing -------------------------------------------------------------------------------------------------- */

void audit_hash_write(const struct audit_hash *hash, FILE *out)
{
        char base64[sodium_base64_ENCODED_LEN(sizeof(hash->bytes), BASE64)];

        sodium_bin2base64(base64, sizeof(base64), hash->bytes, sizeof(hash->bytes), BASE64);
        fprintf(out, "%s\n", base64);
}

int audit_tlog_proof_write(const struct audit_tlog_proof *proof, FILE *out)
{
        const size_t room = sodium_base64_encoded_len(proof->record.length, BASE64);
        _cleanup_(free_memory) char *base64 = malloc(room);

        if (!base64)
                return -ENOMEM;
        sodium_bin2base64(base64, room, (const uint8_t *)proof->record.text, proof->record.length, BASE64);
        fprintf(out, FIRST_LINE "\nextra %s\nindex %" PRIu64 "\n", base64, proof->index);
        for (unsigned i = 0; i < proof->n; i++)
                audit_hash_write(&proof->hashes[i], out);
        fputc('\n', out);
        fwrite(proof->note.text, 1, proof->note.length, out);
        return 0;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* Takes the line "WORD VALUE". */
static bool take_value(struct audit_slice *rest, const char *word, struct audit_slice *ret)
{
        const size_t length = strlen(word);
        struct audit_slice line, after = *rest;

        if (!audit_line_next(&after, &line) || line.length <= length || memcmp(line.text, word, length) != 0 ||
            line.text[length] != ' ')
                return false;
        *ret = (struct audit_slice){ line.text + length + 1, line.length - length - 1 };
        *rest = after;
        return true;
}

const char *audit_tlog_proof_read(const char *text, size_t length, struct audit_tlog_proof *ret)
{
        struct audit_slice rest = { text, length }, line;
        struct audit_tlog_proof proof = { .n = 0 };

        if (length > TEXT_MAX)
                return "it is longer than a proof can be";
        if (!audit_line_next(&rest, &line) || !audit_slice_is(line, FIRST_LINE))
                return "the first line is not that of a proof";
        if (!take_value(&rest, "extra", &proof.record))
                return "it does not hold the record";
        if (!take_value(&rest, "index", &line) || !audit_size_parse(line, &proof.index))
                return "the index is missing, or not written as a number is";
        for (;;) {
                if (!audit_line_next(&rest, &line))
                        return "it ends before the checkpoint";
                if (line.length == 0)
                        break;
                if (proof.n == AUDIT_PROOF_MAX)
                        return "it has more hashes than any tree";
                if (!audit_base64_decode(line, proof.hashes[proof.n++].bytes, sizeof(proof.hashes[0].bytes)))
                        return "a hash is not written as one is";
        }
        proof.note = rest;
        *ret = proof;
        return NULL;
}

/* ---- checking ------------------------------------------------------------------------------------------------- */

static const char *judge_note(const struct audit_note *note, const struct audit_trust *trust)
{
        const struct audit_vkey *log = &trust->log;
        unsigned cosigned;

        if (!audit_slice_is(note->origin, log->name))
                return "the checkpoint is of another log";
        if (!audit_note_log_signed(note, log->key))
                return "the log has not signed the checkpoint";
        if (audit_witnesses_count(note, trust->witnesses, trust->witnesses_n, &cosigned) < 0)
                return "the cosignature of a witness does not verify";
        if (cosigned < trust->quorum)
                return "too few witnesses have cosigned the checkpoint";
        return NULL;
}

static const char *judge_record(const struct audit_tlog_proof *proof, const struct audit_note *note,
                                struct audit_slice body)
{
        const struct audit_hash leaf = audit_leaf_hash(body.text, body.length);
        struct audit_view view;

        if (proof->index >= note->size)
                return "the checkpoint is older than the record";
        if (!audit_included(proof->index, &leaf, note->size, &note->root, proof->hashes, proof->n))
                return "the hashes do not lead from the record to the checkpoint";
        if (!audit_record_scan(body.text, body.length, &view) || view.seq != proof->index)
                return "what is proven is not the record of this number";
        return NULL;
}

static bool is_trust(const struct audit_trust *trust)
{
        for (size_t i = 0; i < trust->witnesses_n; i++)
                if (trust->witnesses[i].type != AUDIT_KEY_WITNESS)
                        return false;
        return trust->log.type == AUDIT_KEY_LOG;
}

int audit_proof_check(const char *text, size_t length, const struct audit_trust *trust, struct audit_proved *ret)
{
        struct audit_tlog_proof proof;
        struct audit_slice body = { .text = ret->space };
        struct audit_note note;

        if (sodium_init() < 0)
                return -EIO;
        if (!is_trust(trust))
                return -EINVAL;
        ret->why = audit_tlog_proof_read(text, length, &proof);
        if (!ret->why && !audit_base64_read(proof.record, (uint8_t *)ret->space, AUDIT_BODY_MAX, &body.length))
                ret->why = "the record is not in canonical base64";
        if (!ret->why && !audit_note_parse_loose(proof.note.text, proof.note.length, &note))
                ret->why = "it does not end with a checkpoint";
        if (ret->why)
                return -EBADMSG;

        ret->space[body.length] = '\0';
        ret->why = judge_note(&note, trust) ?: judge_record(&proof, &note, body);
        if (ret->why)
                return -EKEYREJECTED;
        ret->seq = proof.index;
        ret->size = note.size;
        ret->body = body;
        return 0;
}
