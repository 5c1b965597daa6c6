#pragma once
/* Takes a file that is new out of a guarded place. What was in it is kept in the vault first; what is none of ours to read is refused. */
#include "io/version.h"

struct vault;

/* Never follows a link. -EISDIR: it is a folder; -EFBIG, -EDQUOT, -ENOSPC: the vault cannot keep it, and it stays where it is; -ELOOP:
 * a link is on the way. -EAGAIN: it was changed, or replaced, while it was read. */
int evict_file(struct vault *vault, const char *path, struct file_state *ret_found);
