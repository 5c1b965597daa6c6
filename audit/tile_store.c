#include "audit/tile_store.h"
#include "audit/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { SMALL_MAX = 65536, TILE_PATH_MAX = 128 };

/* ---- the directory -------------------------------------------------------------------------------------------- */

int audit_tile_store_open(const char *directory, struct audit_tile_store *ret)
{
        _cleanup_(close_fd) int fd = -1;

        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        ret->directory = TAKE_FD(fd);
        return 0;
}

void audit_tile_store_close(struct audit_tile_store *store)
{
        close_fd(&store->directory);
        store->directory = -1;
}

static void close_dir(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

static int open_dir(int at, const char *path, DIR **ret)
{
        _cleanup_(close_fd) int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir;

        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        TAKE_FD(fd);
        *ret = dir;
        return 0;
}

/* The next name that is not the directory itself or the one above; NULL at the end. */
static const char *next_name(DIR *dir)
{
        const struct dirent *entry;

        while ((entry = readdir(dir)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        return entry->d_name;
        return NULL;
}

static bool is_unfinished(const char *name)
{
        const size_t length = strlen(name), suffix = strlen(AUDIT_TILE_UNFINISHED);

        return name[0] == '.' && length > suffix && strcmp(name + length - suffix, AUDIT_TILE_UNFINISHED) == 0;
}

int audit_tile_store_is_empty(const struct audit_tile_store *store)
{
        _cleanup_(close_dir) DIR *dir = NULL;
        const char *name;
        const int r = open_dir(store->directory, ".", &dir);

        if (r < 0)
                return r;
        while ((name = next_name(dir)))
                if (!is_unfinished(name))
                        return 0;
        return 1;
}

int audit_tile_store_read(const struct audit_tile_store *store, const char *name, char **ret, size_t *ret_length)
{
        _cleanup_(close_fd) int fd = openat(store->directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        _cleanup_(free_memory) char *text = malloc(SMALL_MAX + 1);
        size_t length = 0;
        ssize_t n;

        if (fd < 0)
                return -errno;
        if (!text)
                return -ENOMEM;
        while (length < SMALL_MAX && (n = read(fd, text + length, SMALL_MAX - length)) != 0) {
                if (n < 0 && errno != EINTR)
                        return -errno;
                length += n > 0 ? (size_t)n : 0;
        }
        if (length == SMALL_MAX)
                return -EFBIG;
        text[length] = '\0';
        *ret = TAKE_PTR(text);
        *ret_length = length;
        return 0;
}

/* ---- names ---------------------------------------------------------------------------------------------------- */

/* 1234067 is "x001/x234/067". */
static char *put_index(char *at, uint64_t index)
{
        uint64_t above = UINT64_C(1);

        while (index / above >= 1000)
                above *= 1000;
        for (; above > 1; above /= 1000)
                at += sprintf(at, "x%03u/", (unsigned)(index / above % 1000));
        return at + sprintf(at, "%03u", (unsigned)(index % 1000));
}

static void tile_path(const char *kind, uint64_t index, unsigned width, char ret[static TILE_PATH_MAX])
{
        char *at = ret + snprintf(ret, TILE_PATH_MAX / 2, "tile/%s/", kind);

        at = put_index(at, index);
        if (width < AUDIT_TILE_WIDTH)
                sprintf(at, ".p/%u", width);
}

/* Every directory on the way to a file. */
static int make_way(int at, const char *path)
{
        char way[TILE_PATH_MAX];

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                snprintf(way, sizeof(way), "%.*s", (int)(slash - path), path);
                if (mkdirat(at, way, 0755) < 0 && errno != EEXIST)
                        return -errno;
        }
        return 0;
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

int audit_tile_store_create(const struct audit_tile_store *store, const char *name, FILE **ret)
{
        _cleanup_(close_fd) int fd = -1;
        FILE *file;

        if (unlinkat(store->directory, name, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(store->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        file = fdopen(fd, "w");
        if (!file)
                return -errno;
        TAKE_FD(fd);
        *ret = file;
        return 0;
}

static int move(int at, const char *from, const char *to)
{
        return renameat(at, from, at, to) < 0 ? -errno : 0;
}

/* What a stream could not write shows at its end at the latest. */
static int close_file(FILE *file, bool sync)
{
        int r = 0;

        errno = 0;
        if (ferror(file) || fflush(file) != 0 || (sync && fsync(fileno(file)) < 0))
                r = errno > 0 ? -errno : -EIO;
        if (fclose(file) != 0)
                r = r ?: -errno;
        return r;
}

/* Readers of the earlier checkpoint find the full tile in the place of these, as tlog-tiles lets them expect. */
static int remove_partials(int at, const char *full)
{
        _cleanup_(close_dir) DIR *dir = NULL;
        char path[TILE_PATH_MAX + 2];
        const char *name;
        int r;

        snprintf(path, sizeof(path), "%s.p", full);
        r = open_dir(at, path, &dir);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while ((name = next_name(dir)))
                if (unlinkat(dirfd(dir), name, 0) < 0)
                        return -errno;
        return unlinkat(at, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int audit_tile_store_place(const struct audit_tile_store *store, const char *name, FILE *file, const char *kind,
                           uint64_t index, unsigned width)
{
        const int at = store->directory;
        char path[TILE_PATH_MAX];
        int r = close_file(file, false);

        tile_path(kind, index, width, path);
        r = r ?: move(at, name, path);
        if (r == -ENOENT) { /* the first in its directory */
                r = make_way(at, path);
                r = r ?: move(at, name, path);
        }
        if (r < 0 || width < AUDIT_TILE_WIDTH)
                return r;
        return remove_partials(at, path);
}

int audit_tile_store_publish(const struct audit_tile_store *store, const char *name, FILE *file, const char *as)
{
        const int r = close_file(file, true);

        return r ?: move(store->directory, name, as);
}

int audit_tile_store_sync(const struct audit_tile_store *store)
{
        return syncfs(store->directory) < 0 ? -errno : 0;
}

int audit_tile_store_remove(const struct audit_tile_store *store, const char *name)
{
        return unlinkat(store->directory, name, 0) < 0 ? -errno : 0;
}
