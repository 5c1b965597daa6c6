#pragma once

/* A directory of C2SP tlog-tiles: each file appears whole under its name or not at all. */

#include <stdint.h>
#include <stdio.h>

enum { AUDIT_TILE_WIDTH = 256 };

struct audit_tile_store {
        int directory; /* locked; -1: closed */
};

/* Makes the directory if there is none. -EBUSY: another export writes into it. */
int audit_tile_store_open(const char *directory, struct audit_tile_store *ret);
void audit_tile_store_close(struct audit_tile_store *store);

/* 1: nothing is in it, or unfinished files of ours; 0: something else is. */
int audit_tile_store_is_empty(const struct audit_tile_store *store);

/* A small file in the top, allocated, ended by NUL. -ENOENT; -EFBIG. */
int audit_tile_store_read(const struct audit_tile_store *store, const char *name, char **ret, size_t *ret_length);

/* Files are written under a name in the top first, which begins with a dot and ends with this ... */
#define AUDIT_TILE_UNFINISHED ".new"
int audit_tile_store_create(const struct audit_tile_store *store, const char *name, FILE **ret);

/* ... and put in their place: `kind` is "entries" or a level, `width` 256 or less. A full tile sends away the partial ones
 * that it stands for now. The file is closed also when that fails. */
int audit_tile_store_place(const struct audit_tile_store *store, const char *name, FILE *file, const char *kind,
                           uint64_t index, unsigned width);

/* ... or take the place of another in the top, synced. What was placed before is on disk only after a sync of the store. */
int audit_tile_store_publish(const struct audit_tile_store *store, const char *name, FILE *file, const char *as);
int audit_tile_store_sync(const struct audit_tile_store *store);
int audit_tile_store_remove(const struct audit_tile_store *store, const char *name);
