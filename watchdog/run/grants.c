#include "run/grants.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "io/cleanup.h"

int grants_init(struct grants *grants)
{
        *grants = (struct grants){ .list = calloc(GRANTS_MAX, sizeof *grants->list) };
        return grants->list ? 0 : -ENOMEM;
}

void grants_done(struct grants *grants)
{
        for (size_t i = 0; i < grants->n; i++) {
                free(grants->list[i].path);
                (void)close_fd(grants->list[i].fd);
        }
        for (size_t i = 0; i < grants->guards_n; i++)
                free(grants->guards[i]);
        free(grants->list);
        free(grants->guards);
        *grants = (struct grants){ 0 };
}

/* Where the descriptor really is. What was removed or lies beyond our root has no such path. */
static int path_of(int fd, char **ret)
{
        char link[64], path[PATH_MAX];
        struct stat here, there;
        ssize_t length;

        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        length = readlink(link, path, sizeof path);
        if (length < 0)
                return -errno;
        if (length == sizeof path)
                return -ENAMETOOLONG;
        path[length] = '\0';
        if (fstat(fd, &here) < 0 || stat(path, &there) < 0)
                return -errno;
        if (here.st_dev != there.st_dev || here.st_ino != there.st_ino)
                return -ESTALE;
        *ret = strdup(path);
        return *ret ? 0 : -ENOMEM;
}

/* path_is_within() wants a folder without '/' at its end, which the root has. */
static bool within(const char *path, const char *folder)
{
        return strcmp(folder, "/") == 0 || path_is_within(path, folder);
}

static bool is_guarded(const struct grants *grants, const char *path)
{
        for (size_t i = 0; i < grants->guards_n; i++)
                if (within(path, grants->guards[i]))
                        return true;
        return false;
}

static bool has_guarded_part(const struct grants *grants, const char *path)
{
        for (size_t i = 0; i < grants->guards_n; i++)
                if (within(grants->guards[i], path))
                        return true;
        return false;
}

int grants_guard(struct grants *grants, const char *path)
{
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
        char **more;
        int r;

        if (fd < 0)
                return -errno;
        more = reallocarray(grants->guards, grants->guards_n + 1, sizeof *more);
        if (!more)
                return -ENOMEM;
        grants->guards = more;
        r = path_of(fd, &more[grants->guards_n]);
        if (r >= 0)
                grants->guards_n++;
        return r;
}

static int add_opened(struct grants *grants, enum grant_kind kind, int fd, bool directory)
{
        struct grant grant = { .kind = kind, .directory = directory };
        int r;

        if (grants->n == GRANTS_MAX)
                return -E2BIG;
        r = path_of(fd, &grant.path);
        if (r < 0)
                return r;
        grant.fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (grant.fd < 0) {
                r = -errno;
                free(grant.path);
                return r;
        }
        grants->list[grants->n++] = grant;
        return 0;
}

static int add_entry(struct grants *grants, int folder, const char *name);

/* The folder holds something guarded: everything else in it, one by one. */
static int add_entries(struct grants *grants, int fd)
{
        _cleanup_closedir_ DIR *entries = NULL;
        const struct dirent *entry;
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

        if (copy < 0)
                return -errno;
        entries = fdopendir(copy);
        if (!entries) {
                (void)close_fd(copy);
                return -ENOMEM;
        }
        while (r >= 0 && (errno = 0, entry = readdir(entries)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = add_entry(grants, fd, entry->d_name);
        return r < 0 ? r : -errno;
}

static int add_entry(struct grants *grants, int folder, const char *name)
{
        _cleanup_close_ int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_free_ char *path = NULL;
        struct stat seen;
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fstat(fd, &seen) < 0)
                return -errno;
        if (S_ISLNK(seen.st_mode)) /* what it leads to is granted where that is, or not at all */
                return 0;
        r = path_of(fd, &path);
        if (r < 0)
                return r == -ENOENT || r == -ESTALE ? 0 : r;
        if (is_guarded(grants, path))
                return 0;
        if (S_ISDIR(seen.st_mode) && has_guarded_part(grants, path))
                return add_entries(grants, fd);
        return add_opened(grants, GRANT_ENTRY, fd, S_ISDIR(seen.st_mode));
}

int grants_add(struct grants *grants, enum grant_kind kind, const char *path)
{
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
        _cleanup_free_ char *real = NULL;
        struct stat seen;
        int r;

        if (fd < 0 || fstat(fd, &seen) < 0)
                return -errno;
        r = path_of(fd, &real);
        if (r < 0)
                return r;
        if (kind == GRANT_WRITE && is_guarded(grants, real))
                return -EPERM;
        if (kind == GRANT_WRITE && S_ISDIR(seen.st_mode) && has_guarded_part(grants, real))
                return add_entries(grants, fd);
        return add_opened(grants, kind, fd, S_ISDIR(seen.st_mode));
}

int grants_add_if_there(struct grants *grants, enum grant_kind kind, const char *path)
{
        int r = grants_add(grants, kind, path);

        return r == -ENOENT || r == -ENXIO ? 0 : r;
}
