/* The C library's calls that change files, in the place of its own: SQLite and the chain both come through here. */

#undef _FORTIFY_SOURCE
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wredundant-decls"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

/* The errno that this call is to fail with; also sets errno. */
static int refused(bool is_ours)
{
        const int error = is_ours ? disk_call() : 0;

        if (error)
                errno = error;
        return error;
}

/* ---- names ---------------------------------------------------------------------------------------------------- */

/* The whole path of what a name in a folder means. */
static const char *whole(int at, const char *path, char buffer[PATH_MAX])
{
        char proc[32];
        ssize_t n;

        if (at == AT_FDCWD || path[0] == '/')
                return path;
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", at);
        n = readlink(proc, buffer, PATH_MAX - 1);
        buffer[n > 0 ? n : 0] = '\0';
        snprintf(buffer + strlen(buffer), PATH_MAX - strlen(buffer), "/%s", path);
        return buffer;
}

static int open_any(int at, const char *name, int flags, mode_t mode)
{
        char buffer[PATH_MAX];
        const char *path = whole(at, name, buffer);
        const bool nameless = (flags & O_TMPFILE) == O_TMPFILE;
        const bool creates = disk_has_path(path) && (nameless || (flags & O_CREAT && access(path, F_OK) < 0));
        int fd;

        if (refused(creates))
                return -1;
        fd = (int)syscall(SYS_openat, at, name, flags, mode);
        if (creates && fd >= 0 && nameless)
                disk_nameless(fd);
        else if (creates && fd >= 0)
                disk_named(path);
        return fd;
}

static mode_t mode_of(int flags, va_list arguments)
{
        return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                            \
        int name(const char *path, int flags, ...)            \
        {                                                     \
                va_list arguments;                            \
                mode_t mode;                                  \
                                                              \
                va_start(arguments, flags);                   \
                mode = mode_of(flags, arguments);             \
                va_end(arguments);                            \
                return open_any(AT_FDCWD, path, flags, mode); \
        }

OPEN(open)
OPEN(open64)

#define OPENAT(name)                                       \
        int name(int at, const char *path, int flags, ...) \
        {                                                  \
                va_list arguments;                         \
                mode_t mode;                               \
                                                           \
                va_start(arguments, flags);                \
                mode = mode_of(flags, arguments);          \
                va_end(arguments);                         \
                return open_any(at, path, flags, mode);    \
        }

OPENAT(openat)
OPENAT(openat64)

int mkdirat(int at, const char *name, mode_t mode)
{
        char buffer[PATH_MAX];
        const char *path = whole(at, name, buffer);
        const bool is_ours = disk_has_path(path);
        int r;

        if (refused(is_ours))
                return -1;
        r = (int)syscall(SYS_mkdirat, at, name, mode);
        if (r == 0 && is_ours)
                disk_named(path);
        return r;
}

int mkdir(const char *path, mode_t mode)
{
        return mkdirat(AT_FDCWD, path, mode);
}

int linkat(int from_at, const char *from, int to_at, const char *name, int flags)
{
        char buffer[PATH_MAX];
        const char *to = whole(to_at, name, buffer);
        const bool is_ours = disk_has_path(to);
        int r;

        if (refused(is_ours))
                return -1;
        r = (int)syscall(SYS_linkat, from_at, from, to_at, name, flags);
        if (r == 0 && is_ours && strncmp(from, "/proc/self/fd/", strlen("/proc/self/fd/")) == 0)
                disk_first_named(to);
        else if (r == 0 && is_ours)
                disk_named(to);
        return r;
}

int link(const char *from, const char *to)
{
        return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int at, const char *name, int flags)
{
        char buffer[PATH_MAX];
        const char *path = whole(at, name, buffer);
        const bool is_ours = disk_has_path(path);
        int r;

        if (refused(is_ours))
                return -1;
        r = (int)syscall(SYS_unlinkat, at, name, flags);
        if (r == 0 && is_ours)
                disk_unnamed(path);
        return r;
}

int unlink(const char *path)
{
        return unlinkat(AT_FDCWD, path, 0);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
        char from_buffer[PATH_MAX], to_buffer[PATH_MAX];
        const char *from_path = whole(from_at, from, from_buffer), *to_path = whole(to_at, to, to_buffer);
        const bool is_ours = disk_has_path(to_path);
        int r;

        if (refused(is_ours))
                return -1;
        r = (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
        if (r == 0 && is_ours)
                disk_renamed(from_path, to_path, flags & RENAME_EXCHANGE);
        return r;
}

int rename(const char *from, const char *to)
{
        return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
        return renameat2(from_at, from, to_at, to, 0);
}

/* ---- contents ------------------------------------------------------------------------------------------------- */

/* A disk that is full takes a part before it says so. */
static ssize_t write_any(int fd, const void *bytes, size_t length, off_t offset)
{
        const bool is_ours = disk_has_fd(fd);
        const int error = refused(is_ours);
        ssize_t n;

        if (error && (error != ENOSPC || length < 2))
                return -1;
        if (error)
                length /= 2;
        n = offset < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, offset);
        if (n > 0 && is_ours)
                disk_wrote(fd, bytes, (size_t)n, offset < 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) - n : offset);
        return n;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
        return write_any(fd, bytes, length, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
        return write_any(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
        return write_any(fd, bytes, length, offset);
}

int ftruncate(int fd, off_t length)
{
        const bool is_ours = disk_has_fd(fd);
        int r;

        if (refused(is_ours))
                return -1;
        r = (int)syscall(SYS_ftruncate, fd, length);
        if (r == 0 && is_ours)
                disk_truncated(fd, length);
        return r;
}

int ftruncate64(int fd, off64_t length)
{
        return ftruncate(fd, length);
}

/* What is played needs no real sync. */
static int sync_any(int fd)
{
        int error;

        if (!disk_has_fd(fd))
                return 0;
        error = refused(true);
        disk_synced(fd, error == 0);
        return error ? -1 : 0;
}

int fsync(int fd)
{
        return sync_any(fd);
}

int fdatasync(int fd)
{
        return sync_any(fd);
}
