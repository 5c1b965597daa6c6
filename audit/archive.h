#pragma once

/* The two text files that old records leave the log for: FILE.jsonl with the records, FILE.ckpt with the seals over them. */

#include "audit/store.h"

struct audit_archive {
        const char *file;  /* without the suffixes */
        uint64_t from, to; /* records [from, to), seals of a size in (from, to]: archives can be laid end to end */
        char sha256[65];   /* of FILE.jsonl, once it is written */
};

/* Writes both from `log`, synced, and gives them their names. A file that has the name already is left alone: -EEXIST, unless
 * it is the same, as after an attempt that a crash ended. */
int audit_archive_write(sqlite3 *log, struct audit_archive *archive);

/* Removes what attempts that were cut short left in a directory that holds archives alone. */
void audit_archive_remove_unfinished(const char *directory);

/* Reads FILE.jsonl back: the bytes that were written, canonical, in a chain, and leading from the tree that `log` keeps for
 * `from` to the one for `to`? -EUCLEAN: `ret_why` says what not. */
int audit_archive_check(sqlite3 *log, const struct audit_archive *archive, struct audit_finding *ret_why);
