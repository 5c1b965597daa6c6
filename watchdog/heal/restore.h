#pragma once
/*
 * Puts the files of one version in the place of those of another: first everything is prepared beside them, then all of it is put
 * in place, or nothing is. What is replaced is in the vault before that. No link is followed, in no folder on the way.
 */
#include <stdbool.h>
#include <stdint.h>

#include "io/vault.h"
#include "io/version.h"

#define RESTORE_FILES_MAX 256 /* that differ; each is an open file until all are ready */
#define RESTORE_TEXT_MAX 256

struct restore;

/* From the version that is there, to the other; both are loans until the end. -E2BIG: too many files differ. */
int restore_new(struct vault *vault, const struct version *from, const struct version *to, struct restore **ret);
struct restore *restore_free(struct restore *restore); /* what is only prepared is taken away */
DEFINE_CLEANUP_FUNC(struct restore *, restore_free);

/*
 * Prepares one file more: 1, there are others; 0, all are ready; a negative errno: it cannot be done, restore_text() says why, and
 * nothing was changed. -ESTALE: a file is not as it is in `from`.
 */
int restore_prepare(struct restore *restore);

/*
 * Puts everything in place. A negative errno: something stood in the way, and what was done already was undone, or restore_text() says
 * which files it was not.
 */
int restore_commit(struct restore *restore);

/* What came of it, for people. */
const char *restore_text(const struct restore *restore);

/* What was changed by restore_commit(), in the order of paths: calls `each` with how the file is now. */
void restore_each(const struct restore *restore,
                  void (*each)(void *self, const char *path, const struct file_state *now), void *self);
