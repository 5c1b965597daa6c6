#pragma once

/* The text of a C2SP tlog-proof@v1 that carries its record in `extra`: written, and read strictly. */

#include "audit/note.h"
#include "audit/proof.h"

#include <stdio.h>

struct audit_tlog_proof {
        struct audit_slice record; /* as base64 when it was read, as it is when it is to be written */
        uint64_t index;
        struct audit_hash hashes[AUDIT_PROOF_MAX];
        unsigned n;
        struct audit_slice note;
};

/* Whether all was written, the stream says. -ENOMEM. */
int audit_tlog_proof_write(const struct audit_tlog_proof *proof, FILE *out);

/* One line of a proof. */
void audit_hash_write(const struct audit_hash *hash, FILE *out);

/* NULL, or what is wrong with it. The note is not parsed, the record not decoded. */
const char *audit_tlog_proof_read(const char *text, size_t length, struct audit_tlog_proof *ret);
