#pragma once

/* Stored checkpoints, with what witnesses said of them since. */

#include "audit/note.h"

#include <sqlite3.h>

struct audit_checkpoint {
        uint64_t epoch, size;
        char *text; /* a note; ends with NUL, holds none */
        size_t length;
};

void audit_checkpoint_done(struct audit_checkpoint *checkpoint);

/* The one of the greatest size that is at most `size`, as it is stored. -ENOENT: there is none. */
int audit_checkpoint_find(sqlite3 *db, uint64_t size, struct audit_checkpoint *ret);

/* Out of a row "epoch, size, note". -EUCLEAN: the note is no text, or holds a NUL. */
int audit_checkpoint_take(sqlite3_stmt *row, struct audit_checkpoint *ret);

/* Appends the cosignatures of its size. -EUCLEAN: one is no line of a note. */
int audit_checkpoint_add_cosignatures(sqlite3 *db, struct audit_checkpoint *checkpoint);

/* The size that most witnesses have cosigned, the newest of those, among sizes greater than `above`. -ENOENT: none. */
int audit_checkpoint_most_cosigned(sqlite3 *db, uint64_t above, uint64_t *ret_size);
