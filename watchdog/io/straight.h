#pragma once
/*
 * Opens what a path leads to only where it leads there straight: no folder on the way, and nothing at its end, is a symbolic link.
 * Whoever may write to a folder on the way could otherwise say where it leads. Done folder by folder: openat2(2) can do the
 * same in one call, and is forbidden where systemd's RestrictSUIDSGID= is set.
 */

/* `flags` as open(2) takes them, without O_CREAT. A descriptor, -ELOOP: a link is on the way or at the end; -EINVAL: the path is not
 * absolute, or has ".." in it; or another negative errno. */
int straight_open(const char *path, int flags);
