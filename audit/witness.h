#pragma once

/* Whose keys a checker knows, and whether a signature line is a witness's cosignature of a checkpoint. */

#include "audit/note.h"

enum { AUDIT_KEY_LOG = 0x01, AUDIT_KEY_WITNESS = 0x04 }; /* C2SP's signature types */

/* A dash, a name, base64 of the largest payload that is read. */
enum { AUDIT_COSIGNATURE_LINE_MAX = AUDIT_ORIGIN_MAX + AUDIT_PAYLOAD_MAX / 3 * 4 + 16 };

/* Reads one signature line without its LF. -EBADMSG. */
int audit_signature_read(struct audit_slice line, struct audit_signature *ret);

/* Do name and id of the line say that it is by this key? Whether it is, the signature shows. */
bool audit_signed_by(const struct audit_signature *signature, const struct audit_vkey *vkey);

/* As audit_cosignature_check, over the text of a note that is parsed already. */
int audit_cosignature_judge(struct audit_slice text, const struct audit_signature *signature,
                            const struct audit_vkey *witness, uint64_t *ret_time);

/* How many of these witnesses have cosigned the note; a key that is listed twice counts once. -EKEYREJECTED: a line names one
 * of them and does not verify. */
int audit_witnesses_count(const struct audit_note *note, const struct audit_vkey *witnesses, size_t n, unsigned *ret);
