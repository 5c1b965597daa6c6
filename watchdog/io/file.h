#pragma once
/* Files read whole within a bound, and replaced in one step. */
#include <stddef.h>
#include <sys/types.h>

/* Reads a regular file of at most `most` bytes; the text ends in a NUL that `ret_size` (may be NULL) does not count.
 * -EFBIG: larger; -EBADF: not a regular file (never opened blockingly). */
int file_read(const char *path, size_t most, char **ret, size_t *ret_size);

/* Writes all of it, however often that is cut short. */
int file_write_all(int fd, const void *data, size_t size);

/* Replaces the file: temporary file beside it, fsync, rename, fsync of the directory. A reader sees the old or the new one. */
int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode);

/* Makes the directory and what is missing above it with this mode; an existing one is left as it is. */
int file_make_directory(const char *path, mode_t mode);
