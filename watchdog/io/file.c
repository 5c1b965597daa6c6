#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/cleanup.h"
#include "io/file.h"

static int read_all(int fd, size_t most, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0, room = 0;

        for (;;) {
                ssize_t n;

                if (size + 1 >= room) {
                        room = room ? room * 2 : 4096;
                        char *larger = realloc(text, room);
                        if (!larger)
                                return -ENOMEM;
                        text = larger;
                }
                n = read(fd, text + size, room - size - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
                if (size > most)
                        return -EFBIG;
        }
        text[size] = '\0';
        if (ret_size)
                *ret_size = size;
        *ret = TAKE_PTR(text);
        return 0;
}

int file_read(const char *path, size_t most, char **ret, size_t *ret_size)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EBADF;
        return read_all(fd, most, ret, ret_size);
}

int file_write_all(int fd, const void *data, size_t size)
{
        for (const char *at = data; size > 0;) {
                ssize_t n = write(fd, at, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                at += n;
                size -= (size_t)n;
        }
        return 0;
}

static int sync_directory_of(const char *path)
{
        char directory[PATH_MAX];
        const char *slash = strrchr(path, '/');
        _cleanup_close_ int fd = -1;

        snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode)
{
        _cleanup_close_ int fd = -1;
        char temporary[PATH_MAX];
        int r;

        if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= sizeof(temporary))
                return -ENAMETOOLONG;
        fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = file_write_all(fd, data, size);
        if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0))
                r = -errno;
        if (r < 0) {
                unlink(temporary);
                return r;
        }
        return sync_directory_of(path);
}

int file_make_directory(const char *path, mode_t mode)
{
        char part[PATH_MAX];
        size_t length = strlen(path);

        if (length == 0 || length >= sizeof(part))
                return -ENAMETOOLONG;
        memcpy(part, path, length + 1);
        for (char *at = part + 1; *at; at++) {
                if (*at != '/')
                        continue;
                *at = '\0';
                if (mkdir(part, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *at = '/';
        }
        return mkdir(part, mode) < 0 && errno != EEXIST ? -errno : 0;
}
