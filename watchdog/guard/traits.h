#pragma once
/* What a file is beside its content: what stat(2) tells of it, its inode's flags, and its extended attributes, ACLs among them. */
#include <stddef.h>
#include <stdint.h>

#include "guard/manifest.h"

/* FS_SYNC_FL, FS_IMMUTABLE_FL, FS_APPEND_FL, FS_NODUMP_FL, FS_NOATIME_FL: what a person sets and no file system by itself. */
#define TRAITS_FLAGS 0xf8U
#define TRAITS_IMMUTABLE 0x10U
#define TRAITS_FIXED 0x30U /* those that nothing can be renamed or written with */

/* The flags of a file that is open for reading, of those that TRAITS_FLAGS has. -EOPNOTSUPP: its file system has none. */
int traits_flags(int fd, uint32_t *ret);

/* Makes those that `mask` has as they are in `flags`. -EOPNOTSUPP: its file system does not have them; -EPERM: we may not. */
int traits_set_flags(int fd, uint32_t flags, uint32_t mask);

/*
 * The extended attributes by their names, each "NAME\0", four bytes of length, the lowest first, and the value; allocated. Size 0, and
 * NULL: it has none, or its file system does not have them. What the kernel computes by itself (security.evm, security.ima) and
 * what overlayfs keeps for itself is not in it. -E2BIG: they are more than TRAITS_XATTRS_MAX.
 */
#define TRAITS_XATTRS_MAX (256U << 10)
int traits_xattrs(int fd, char **ret, size_t *ret_size);

/* Gives the file these, and takes those away that it has beside them. The first failure; the others were tried. */
int traits_set_xattrs(int fd, const char *list, size_t size);

/* How the open file is now, all but its content, path, class and rule. Of a link, opened with O_PATH, just what stat(2) tells. */
int traits_take(int fd, struct manifest_entry *entry);
