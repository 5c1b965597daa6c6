#include "guard/evict.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "io/cleanup.h"
#include "io/straight.h"
#include "io/vault.h"

static int open_folder_of(const char *path, const char **ret_name)
{
        char folder[FILE_PATH_MAX];
        const char *slash = strrchr(path, '/');

        if (!slash || strlen(path) >= sizeof(folder))
                return -EINVAL;
        path_folder(path, folder);
        *ret_name = slash + 1;
        return straight_open(folder, O_RDONLY | O_DIRECTORY);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
               a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_size == b->st_size;
}

/* That it was not changed meanwhile is looked at once it is in the vault. */
static int keep_file(struct vault *vault, int folder, const char *name, const struct stat *st, uint8_t *ret)
{
        _cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat now;

        if (fd < 0 || fstat(fd, &now) < 0)
                return -errno;
        if (!is_same(st, &now))
                return -EAGAIN;
        if ((uint64_t)st->st_size > vault_limits(vault)->content_most)
                return -EFBIG;
        return vault_put_file(vault, fd, ret);
}

/* What has no content of its own (a socket, a pipe, a device) is just removed. */
static int keep(struct vault *vault, int folder, const char *name, const struct stat *st, uint8_t *ret)
{
        if (S_ISREG(st->st_mode))
                return keep_file(vault, folder, name, st, ret);
        if (S_ISLNK(st->st_mode))
                return vault_put_link(vault, folder, name, ret);
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
