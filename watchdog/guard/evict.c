#include "guard/evict.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "io/cleanup.h"
#include "io/straight.h"
#include "io/vault.h"

#define PIECE (64U << 10)

static int open_folder_of(const char *path, const char **ret_name)
{
        char folder[FILE_PATH_MAX];
        const char *slash = strrchr(path, '/');
        const size_t length = slash && slash > path ? (size_t)(slash - path) : 1;

        if (!slash || length >= sizeof(folder))
                return -EINVAL;
        memcpy(folder, path, length);
        folder[length] = '\0';
        *ret_name = slash + 1;
        return straight_open(folder, O_RDONLY | O_DIRECTORY);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
               a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_size == b->st_size;
}

static int copy(int fd, struct vault_writer *writer)
{
        char piece[PIECE];
        ssize_t n;
        int r = 0;

        while (r >= 0 && (n = read(fd, piece, sizeof(piece))) != 0)
                r = n < 0 ? -errno : vault_put_add(writer, piece, (size_t)n);
        return r;
}

static int keep_file(struct vault *vault, int folder, const char *name, const struct stat *st, uint8_t *ret)
{
        _cleanup_(vault_put_cancelp) struct vault_writer *writer = NULL;
        _cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat now;
        int r;

        if (fd < 0 || fstat(fd, &now) < 0)
                return -errno;
        if (!is_same(st, &now))
                return -EAGAIN;
        if ((uint64_t)st->st_size > vault_limits(vault)->content_most)
                return -EFBIG;
        r = vault_put_begin(vault, &writer);
        if (r >= 0)
                r = copy(fd, writer);
        if (r < 0)
                return r;
        if (fstat(fd, &now) < 0 || !is_same(st, &now))
                return -EAGAIN;
        return vault_put_end(TAKE_PTR(writer), ret);
}

static int keep_target(struct vault *vault, int folder, const char *name, uint8_t *ret)
{
        char target[PATH_MAX];
        const ssize_t n = readlinkat(folder, name, target, sizeof(target));

        return n < 0 ? -errno : vault_put(vault, target, (size_t)n, ret);
}

/* What has no content of its own (a socket, a pipe, a device) is just removed. */
static int keep(struct vault *vault, int folder, const char *name, const struct stat *st, uint8_t *ret)
{
        if (S_ISREG(st->st_mode))
                return keep_file(vault, folder, name, st, ret);
        if (S_ISLNK(st->st_mode))
                return keep_target(vault, folder, name, ret);
        return S_ISDIR(st->st_mode) ? -EISDIR : 0;
}

int evict_file(struct vault *vault, const char *path, struct file_state *ret_found)
{
        const char *name = NULL;
        _cleanup_close_ int folder = open_folder_of(path, &name);
        struct file_state found = { 0 };
        struct stat st, now;
        int r;

        if (folder < 0)
                return folder;
        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        r = keep(vault, folder, name, &st, found.digest);
        if (r >= 0)
                r = vault_sync(vault);
        if (r < 0)
                return r;
        file_state_take(&found, &st);
        if (fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? -EAGAIN : -errno;
        if (!is_same(&st, &now))
                return -EAGAIN;
        if (unlinkat(folder, name, 0) < 0)
                return -errno;
        *ret_found = found;
        return 0;
}
