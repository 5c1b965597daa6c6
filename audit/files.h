#pragma once

/* Files by their names: joining, removing, comparing, hashing, and the sync that makes a name safe. */

#include <stdbool.h>
#include <stdint.h>

/* "DIR/NAME", allocated; NULL when memory is short. */
char *audit_files_join(const char *dir, const char *name);

/* "PATHSUFFIX", likewise. */
char *audit_files_suffixed(const char *path, const char *suffix);

/* What is not there is removed already. */
int audit_files_remove(const char *path);

/* Have both names one file? False also when one of them has none. */
bool audit_files_are_same(const char *a, const char *b);

/* New, removed and changed names are on disk after this. */
int audit_files_sync_directory(const char *directory);

/* SHA-256 of all that is left to read. */
int audit_files_hash(int fd, uint8_t ret[static 32]);
