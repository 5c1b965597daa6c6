#pragma once

/* Archives put back in front of what they were taken from: one source again, that begins at record 0. */

#include "audit/export.h"
#include "audit/pruned.h"

struct audit_restored;

/* `source` becomes the whole; it was what remains, which must outlive this. */
int audit_restored_new(struct audit_source *source, struct audit_restored **ret);
struct audit_restored *audit_restored_free(struct audit_restored *restored);

/* An archive FILE.jsonl, before anything is read; FILE.ckpt beside it may be missing, its notes are in what remains too. In
 * any order. -ENOENT, -EACCES, ... */
int audit_restored_add(struct audit_restored *restored, const char *path);

/* The archives' next note of an epoch up to this one; one of an earlier epoch was passed over by who asked. 1, 0: none. */
int audit_restored_note(struct audit_restored *restored, uint64_t epoch, struct audit_stored_note *ret);

/* False: the archive of this range, which was read, has another sha256. */
bool audit_restored_fits(const struct audit_restored *restored, const struct audit_archived *archived);
