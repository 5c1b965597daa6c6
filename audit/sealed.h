#pragma once

/* A checkpoint of a reader's log that the log key has signed, and hashes out of the tree that is stored below it. */

#include "audit/checkpoint.h"
#include "audit/genesis.h"
#include "audit/proof.h"
#include "audit/reader.h"

struct audit_sealed {
        struct audit_reader *reader;
        sqlite3 *db;
        uint64_t records;   /* their number, sealed or not */
        uint64_t kept_from; /* as audit_reader_kept_from */
        struct audit_genesis genesis;
        struct audit_checkpoint checkpoint;
        struct audit_note note; /* of the checkpoint */
};

/* Everything but the checkpoint, which the caller chooses. */
int audit_sealed_begin(struct audit_sealed *sealed, struct audit_reader *reader);
void audit_sealed_done(struct audit_sealed *sealed);

/* The newest checkpoint, judged. -ENODATA: there is none. */
int audit_sealed_newest(struct audit_sealed *sealed);

/* Of the checkpoint that is set: -EUCLEAN when it is not ours, or larger than the log. Sets the note. */
int audit_sealed_judge(struct audit_sealed *sealed);

/* Is this a note of this log, signed with its key? */
bool audit_sealed_is_ours(const struct audit_sealed *sealed, const struct audit_note *note);

/* -ESTALE: it takes bodies that are in an archive. */
int audit_sealed_hash(const struct audit_sealed *sealed, struct audit_span span, struct audit_hash *ret);
