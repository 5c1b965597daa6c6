#include "guard/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"
#include "guard/mounters.h"
#include "io/straight.h"

#define TABLE_MAX (16U << 20)

/* A mount's id is given to another once it is gone: the same id at the same place is the same mount only with the same root. */
struct known {
        uint32_t id, sum;
        char *point;
};

struct mounts {
        int fd;
        struct mounters *mounters; /* NULL: the kernel does not tell */
        struct known *list;        /* by id */
        size_t n;
        char *buffer;
        size_t room;
};

static void free_list(struct known *list, size_t n)
{
        for (size_t i = 0; i < n; i++)
                free(list[i].point);
        free(list);
}

int mounts_new(const char *table, struct mounts **ret)
{
        _cleanup_(mounts_freep) struct mounts *mounts = calloc(1, sizeof(*mounts));

        if (!mounts)
                return -ENOMEM;
        mounts->fd = open(table, O_RDONLY | O_CLOEXEC);
        if (mounts->fd < 0)
                return -errno;
        (void)mounters_new(&mounts->mounters); /* who it was is a luxury */
        *ret = TAKE_PTR(mounts);
        return 0;
}

struct mounts *mounts_free(struct mounts *mounts)
{
        if (!mounts)
                return NULL;
        close_fd(mounts->fd);
        mounters_free(mounts->mounters);
        free_list(mounts->list, mounts->n);
        free(mounts->buffer);
        free(mounts);
        return NULL;
}

int mounts_fd(const struct mounts *mounts)
{
        return mounts->fd;
}

/* Parsing one line, word by word. */
struct words {
        const char *at, *end;
};

static bool next_word(struct words *words, const char **ret, size_t *ret_size)
{
        while (words->at < words->end && *words->at == ' ')
                words->at++;
        *ret = words->at;
        while (words->at < words->end && *words->at != ' ')
                words->at++;
        *ret_size = (size_t)(words->at - *ret);
        return *ret_size > 0;
}

static bool is_octal(const char *at, const char *end)
{
        return end - at >= 4 && at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
               at[3] >= '0' && at[3] <= '7';
}

/* The kernel writes blanks, tabs, newlines and backslashes as \040 and so on. False: it was cut. */
static bool unescape(const char *from, size_t size, char *to, size_t room)
{
        const char *end = from + size;
        size_t n = 0;

        while (from < end && n + 1 < room) {
                if (is_octal(from, end)) {
                        to[n++] = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
                        from += 4;
                } else {
                        to[n++] = *from++;
                }
        }
        to[n] = '\0';
        return from == end;
}

static bool read_number(const char *word, size_t size, uint32_t *ret)
{
        uint64_t number;

        if (!text_digits(&word, word + size, &number) || number > UINT32_MAX)
                return false;
        *ret = (uint32_t)number;
        return true;
}

static bool read_device(const char *word, size_t size, dev_t *ret)
{
        const char *end = word + size;
        uint64_t major, minor;

        if (!text_digits(&word, end, &major) || word == end || *word++ != ':' || !text_digits(&word, end, &minor) ||
            word != end || major > UINT32_MAX || minor > UINT32_MAX)
                return false;
        *ret = makedev((unsigned)major, (unsigned)minor);
        return true;
}

int mounts_parse(const char *line, size_t size, struct mount *ret)
{
        struct words words = { line, line + size };
        struct mount mount = { 0 };
        const char *word;
        size_t length;

        if (memchr(line, '\0', size) || !next_word(&words, &word, &length) || !read_number(word, length, &mount.id))
                return -EBADMSG;
        if (!next_word(&words, &word, &length) || !next_word(&words, &word, &length) ||
            !read_device(word, length, &mount.device) || !next_word(&words, &word, &length))
                return -EBADMSG;
        (void)unescape(word, length, mount.root, sizeof(mount.root));
        if (!next_word(&words, &word, &length) || *word != '/')
                return -EBADMSG;
        if (!unescape(word, length, mount.point, sizeof(mount.point)))
                return -ENAMETOOLONG;
        do { /* options, then any number of others, then "-" */
                if (!next_word(&words, &word, &length))
                        return -EBADMSG;
        } while (length != 1 || *word != '-');
        if (!next_word(&words, &word, &length))
                return -EBADMSG;
        (void)unescape(word, length, mount.type, sizeof(mount.type));
        *ret = mount;
        return 0;
}

/* All of the table, ended with NUL. It has no size before it is read. */
static int read_table(struct mounts *mounts, size_t *ret_size)
{
        size_t size = 0;

        if (lseek(mounts->fd, 0, SEEK_SET) < 0)
                return -errno;
        for (;;) {
                ssize_t n;

                if (mounts->room - size < 4096) {
                        size_t room = mounts->room ? 2 * mounts->room : 65536;
                        char *buffer = room > TABLE_MAX ? NULL : realloc(mounts->buffer, room);

                        if (!buffer)
                                return room > TABLE_MAX ? -EFBIG : -ENOMEM;
                        mounts->buffer = buffer;
                        mounts->room = room;
                }
                n = read(mounts->fd, mounts->buffer + size, mounts->room - size - 1);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
                size += n > 0 ? (size_t)n : 0;
        }
        *ret_size = size;
        return 0;
}

static int by_id(const void *a, const void *b)
{
        const struct known *one = a, *other = b;

        return one->id < other->id ? -1 : one->id > other->id;
}

static bool was_known(const struct mounts *mounts, const struct known *mount)
{
        const struct known *same = mounts->n ? bsearch(mount, mounts->list, mounts->n, sizeof(*mount), by_id) : NULL;

        return same && same->sum == mount->sum && strcmp(same->point, mount->point) == 0;
}

static int keep(struct known **list, size_t *n, size_t *room, const struct mount *mount)
{
        struct known known = { .id = mount->id, .sum = text_hash(mount->root) ^ (uint32_t)mount->device };

        if (*n == MOUNTS_MAX)
                return -ENOSPC;
        if (*n == *room) {
                size_t wider = *room ? 2 * *room : 64;
                void *more = realloc(*list, wider * sizeof(**list));

                if (!more)
                        return -ENOMEM;
                *list = more;
                *room = wider;
        }
        known.point = strdup(mount->point);
        if (!known.point)
                return -ENOMEM;
        (*list)[(*n)++] = known;
        return 0;
}

/* The table into a list; of those that were not known, calls `came`. */
static int take_table(struct mounts *mounts, size_t size, const struct mounts_sink *sink, struct known **list,
                      size_t *n)
{
        size_t room = 0;
        int r = 0;

        for (const char *line = mounts->buffer, *end = line + size, *stop; line < end; line = stop + 1) {
                struct mount mount;

                stop = memchr(line, '\n', (size_t)(end - line));
                stop = stop ? stop : end;
                if (mounts_parse(line, (size_t)(stop - line), &mount) < 0)
                        continue;
                r = keep(list, n, &room, &mount);
                if (r < 0)
                        return r;
                if (was_known(mounts, &(*list)[*n - 1]))
                        continue;
                mount.by = mounters_find(mounts->mounters, mount.point);
                sink->came(sink->self, &mount);
        }
        return 0;
}

static void tell_gone(const struct mounts *mounts, const struct known *old, size_t n, const struct mounts_sink *sink)
{
        for (size_t i = 0; i < n; i++)
                if (!was_known(mounts, &old[i]))
                        sink->went(sink->self, old[i].point);
}

int mounts_take(struct mounts *mounts, const struct mounts_sink *sink)
{
        struct known *list = NULL, *old = mounts->list;
        size_t n = 0, size = 0, old_n = mounts->n;
        int r;

        r = read_table(mounts, &size);
        if (r < 0)
                return r;
        mounters_take(mounts->mounters);
        r = take_table(mounts, size, sink, &list, &n);
        if (n > 0)
                qsort(list, n, sizeof(*list), by_id);
        mounts->list = list;
        mounts->n = n;
        if (r >= 0)
                tell_gone(mounts, old, old_n, sink);
        free_list(old, old_n);
        return r;
}

/* The open root of the mount holds it: between the look and the act nobody can put another one in its place. */
int mounts_detach(const struct mount *mount)
{
        _cleanup_close_ int fd = straight_open(mount->point, O_PATH);
        struct statx stx;
        char path[32];

        if (fd < 0)
                return fd;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
                return -errno;
        if (!(stx.stx_mask & STATX_MNT_ID) || stx.stx_mnt_id != mount->id)
                return -ESTALE;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return umount2(path, MNT_DETACH) < 0 ? -errno : 0;
}
