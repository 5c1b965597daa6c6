#include "guard/look.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"
#include "guard/traits.h"
#include "io/straight.h"

#define PIECE (256U << 10)
#define ALIGNED 4096U /* what every disk takes when it is read past the cache */
#define PROC_FD_MAX (sizeof("/proc/self/fd/") + 3 * sizeof(int))
#define NOT_A_BREACH (LOOK_CHANGED | LOOK_DEVICE)

char *look_words(unsigned differences, char text[LOOK_TEXT_MAX])
{
        static const struct {
                enum look_difference difference;
                const char *words;
        } all[] = {
                { LOOK_GONE, "gone" },
                { LOOK_UNREACHED, "out of reach" },
                { LOOK_MOUNTED, "mounted over" },
                { LOOK_KIND, "of another kind" },
                { LOOK_INODE, "replaced" },
                { LOOK_CONTENT, "content" },
                { LOOK_BENEATH, "written past the file system" },
                { LOOK_SIZE, "size" },
                { LOOK_MODE, "mode" },
                { LOOK_OWNER, "owner" },
                { LOOK_ATTRIBUTES, "attributes" },
                { LOOK_FLAGS, "flags" },
                { LOOK_NAMES, "another name" },
                { LOOK_TIME, "time" },
                { LOOK_CHANGED, "touched" },
                { LOOK_DEVICE, "device number" },
        };

        text[0] = '\0';
        for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++)
                if (differences & all[n].difference)
                        text_append(text, LOOK_TEXT_MAX, "%s%s", text[0] ? ", " : "", all[n].words);
        return text;
}

bool look_is_breach(unsigned differences)
{
        return (differences & ~(unsigned)NOT_A_BREACH) != 0;
}

/* ---- the folder --------------------------------------------------------------------------------------------------------- */

/* The last folder that was looked into, for as long as one step takes: it may be another one by then. */
struct folder {
        int fd;        /* or why not */
        size_t length; /* of its path, of which there is only this copy */
        char path[FILE_PATH_MAX];
};

static int open_folder(struct folder *folder, const char *path)
{
        const size_t length = (size_t)(strrchr(path, '/') - path);

        if (folder->fd >= 0 && length == folder->length && memcmp(folder->path, path, length) == 0)
                return folder->fd;
        close_fd(folder->fd);
        memcpy(folder->path, path, length);
        folder->path[length] = '\0';
        folder->length = length;
        folder->fd = straight_open(length > 0 ? folder->path : "/", O_PATH | O_DIRECTORY);
        return folder->fd;
}

static void folder_done(struct folder *folder)
{
        close_fd(folder->fd);
}

/* ---- what stat tells ---------------------------------------------------------------------------------------------------- */

static int64_t nanoseconds(const struct statx_timestamp *time)
{
        return time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
}

static bool is_mounted_over(const struct manifest_entry *entry, const struct statx *stx)
{
        if (!(stx->stx_attributes & STATX_ATTR_MOUNT_ROOT))
                return false;
        return !manifest_is_folder(entry) || stx->stx_ino != entry->inode;
}

/* The flag that counts most costs nothing here; not every file system tells it so. */
static bool has_other_flags(const struct manifest_entry *entry, const struct statx *stx)
{
        if (!(stx->stx_attributes_mask & STATX_ATTR_IMMUTABLE))
                return false;
        return !(stx->stx_attributes & STATX_ATTR_IMMUTABLE) != !(entry->flags & TRAITS_IMMUTABLE);
}

/* What says nothing of a folder, for it changes with what is in it. */
static unsigned compare_times(const struct manifest_entry *entry, const struct manifest_entry *now,
                              const struct statx *stx)
{
        unsigned found = 0;

        if (manifest_is_folder(entry))
                return 0;
        found |= entry->modified_ns != now->modified_ns ? LOOK_TIME : 0;
        found |= entry->changed_ns != now->changed_ns ? LOOK_CHANGED : 0;
        found |= entry->state.size != now->state.size ? LOOK_SIZE : 0;
        return found | (S_ISREG(stx->stx_mode) && stx->stx_nlink != 1 ? LOOK_NAMES : 0);
}

static void note_stat(const struct statx *stx, struct manifest_entry *now)
{
        const struct stat st = { .st_mode = stx->stx_mode,
                                 .st_size = (off_t)stx->stx_size,
                                 .st_uid = stx->stx_uid,
                                 .st_gid = stx->stx_gid };

        file_state_take(&now->state, &st);
        now->device = makedev(stx->stx_dev_major, stx->stx_dev_minor);
        now->inode = stx->stx_ino;
        now->changed_ns = nanoseconds(&stx->stx_ctime);
        now->modified_ns = nanoseconds(&stx->stx_mtime);
}

static unsigned compare_stat(const struct manifest_entry *entry, const struct statx *stx, struct manifest_entry *now)
{
        unsigned found = 0;

        if (is_mounted_over(entry, stx))
                return LOOK_MOUNTED;
        note_stat(stx, now);
        found |= entry->inode != now->inode ? LOOK_INODE : 0;
        found |= entry->device != now->device ? LOOK_DEVICE : 0;
        if ((entry->state.mode ^ now->state.mode) & S_IFMT)
                return found | LOOK_KIND;
        found |= entry->state.mode != now->state.mode ? LOOK_MODE : 0;
        found |= entry->state.uid != now->state.uid || entry->state.gid != now->state.gid ? LOOK_OWNER : 0;
        found |= has_other_flags(entry, stx) ? LOOK_FLAGS : 0;
        return found | compare_times(entry, now, stx);
}

/* What cannot go on: nothing more is to be compared. */
#define LOOK_IS_OTHER (LOOK_GONE | LOOK_UNREACHED | LOOK_MOUNTED | LOOK_KIND)

static int look_at_stat(struct folder *folder, const struct manifest_entry *entry, struct look_found *found)
{
        const int fd = open_folder(folder, entry->path);
        struct statx stx;
        int error = fd < 0 ? -fd : 0;

        *found = (struct look_found){ .now = *entry };
        if (fd >= 0 && statx(fd, strrchr(entry->path, '/') + 1, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
                             STATX_BASIC_STATS, &stx) < 0)
                error = errno;
        switch (error) {
        case 0: found->differences = compare_stat(entry, &stx, &found->now); return 0;
        case ENOENT: found->differences = LOOK_GONE; break;
        case ELOOP:
        case ENOTDIR: found->differences = LOOK_UNREACHED; break;
        default: return -error;
        }
        found->now.state.there = false;
        return 0;
}

/* ---- flags and attributes ----------------------------------------------------------------------------------------------- */

/* The inode that was looked at, open for reading, past the cache where that can be. */
static int open_again(int folder, const char *name, bool direct)
{
        _cleanup_close_ int seen = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
        char again[PROC_FD_MAX];
        struct stat st;
        int fd;

        if (seen < 0 || fstat(seen, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
                return -EAGAIN; /* it was one a moment ago */
        snprintf(again, sizeof(again), "/proc/self/fd/%d", seen);
        fd = open(again, flags | (direct && S_ISREG(st.st_mode) ? O_DIRECT : 0));
        if (fd < 0 && direct && errno == EINVAL)
                fd = open(again, flags);
        return fd < 0 ? -errno : fd;
}

static int compare_traits(int fd, const struct manifest_entry *entry, struct look_found *found)
{
        struct manifest_entry *now = &found->now;
        const int r = traits_take(fd, now);

        if (r < 0)
                return r;
        if (now->flags != entry->flags)
                found->differences |= LOOK_FLAGS;
        if (memcmp(now->attributes, entry->attributes, DIGEST_SIZE) != 0)
                found->differences |= LOOK_ATTRIBUTES;
        return 0;
}

/* A link has a target, and no more; it is read at any depth, for that costs nothing. */
static int compare_target(int folder, const struct manifest_entry *entry, struct look_found *found)
{
        char target[PATH_MAX];
        const ssize_t n = readlinkat(folder, strrchr(entry->path, '/') + 1, target, sizeof(target));

        if (n < 0)
                return errno == EINVAL || errno == ENOENT ? -EAGAIN : -errno;
        digest_whole(target, (size_t)n, found->now.state.digest);
        if (memcmp(found->now.state.digest, entry->state.digest, DIGEST_SIZE) != 0)
                found->differences |= LOOK_CONTENT;
        return 0;
}

/* ---- content ------------------------------------------------------------------------------------------------------------ */

struct look_reading {
        struct digest *digest;
        void *piece; /* aligned */
        int fd;
        uint64_t at;
        struct manifest_entry entry; /* as it was when this began; the path is the sweep's */
        struct look_found found;
};

static struct look_reading *reading_free(struct look_reading *reading)
{
        if (!reading)
                return NULL;
        close_fd(reading->fd);
        digest_free(reading->digest);
        free(reading->piece);
        free(reading);
        return NULL;
}
DEFINE_CLEANUP_FUNC(struct look_reading *, reading_free);

static int reading_new(struct look_reading **ret)
{
        _cleanup_(reading_freep) struct look_reading *reading = calloc(1, sizeof(*reading));
        int r;

        if (!reading)
                return -ENOMEM;
        reading->fd = -1;
        reading->piece = aligned_alloc(ALIGNED, PIECE);
        r = reading->piece ? digest_new(&reading->digest) : -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reading);
        return 0;
}

/* Begins with what is left after stat: 1, there is content to read; 0, that was all. */
static int reading_begin(struct look_reading *reading, struct folder *folder, const struct manifest_entry *entry,
                         enum look_depth depth)
{
        struct look_found *found = &reading->found;
        const char *name = strrchr(entry->path, '/') + 1;
        int r = look_at_stat(folder, entry, found);

        reading->entry = *entry;
        reading->at = 0;
        if (r < 0 || found->differences & LOOK_IS_OTHER)
                return r;
        if (S_ISLNK(entry->state.mode))
                return compare_target(folder->fd, entry, found);
        if (depth == LOOK_AT_STAT && found->differences == 0)
                return 0;
        reading->fd = open_again(folder->fd, name, depth == LOOK_AT_ALL);
        if (reading->fd < 0)
                return reading->fd;
        r = compare_traits(reading->fd, entry, found);
        if (r < 0 || depth == LOOK_AT_STAT || !S_ISREG(entry->state.mode))
                return r;
        digest_begin(reading->digest);
        /* clean pages of the cache, where the file system reads through it for all that was asked of it */
        (void)posix_fadvise(reading->fd, 0, 0, POSIX_FADV_DONTNEED);
        return 1;
}

/* It was not written to while it was read, or what was read is nothing that ever was. */
static int reading_finish(struct look_reading *reading)
{
        struct look_found *found = &reading->found;
        struct manifest_entry *now = &found->now;
        struct stat st;

        if (fstat(reading->fd, &st) < 0)
                return -errno;
        if (st.st_size != (off_t)reading->at || now->changed_ns != st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec)
                return -EAGAIN;
        digest_end(reading->digest, now->state.digest);
        if (memcmp(now->state.digest, reading->entry.state.digest, DIGEST_SIZE) != 0)
                found->differences |= LOOK_CONTENT |
                                      (found->differences & (LOOK_INODE | LOOK_CHANGED | LOOK_TIME) ? 0 : LOOK_BENEATH);
        return 0;
}

/* Some file systems take the flag and refuse the reading. */
static ssize_t read_piece(struct look_reading *reading)
{
        ssize_t n = pread(reading->fd, reading->piece, PIECE, (off_t)reading->at);

        if (n < 0 && errno == EINVAL && fcntl(reading->fd, F_SETFL, O_NONBLOCK) >= 0)
                n = pread(reading->fd, reading->piece, PIECE, (off_t)reading->at);
        return n < 0 ? -errno : n;
}

/* One piece more: 1, there is more. */
static int reading_on(struct look_reading *reading)
{
        const ssize_t n = read_piece(reading);

        if (n == -EINTR)
                return 1;
        if (n < 0)
                return (int)n;
        digest_add(reading->digest, reading->piece, (size_t)n);
        reading->at += (uint64_t)n;
        if (reading->at > reading->found.now.state.size)
                return -EAGAIN; /* it grows */
        return n == 0 || reading->at == reading->found.now.state.size ? reading_finish(reading) : 1;
}

static void reading_end(struct look_reading *reading)
{
        reading->fd = close_fd(reading->fd);
}

int look_at(const struct manifest_entry *entry, enum look_depth depth, struct look_found *ret)
{
        _cleanup_(reading_freep) struct look_reading *reading = NULL;
        _cleanup_(folder_done) struct folder folder = { .fd = -1 };
        int r = reading_new(&reading);

        if (r >= 0)
                r = reading_begin(reading, &folder, entry, depth);
        while (r > 0)
                r = reading_on(reading);
        if (reading)
                *ret = reading->found;
        return r;
}

/* ---- all of them -------------------------------------------------------------------------------------------------------- */

int look_sweep_begin(struct look_sweep *sweep)
{
        sweep->reading = NULL;
        sweep->left = manifest_count(sweep->manifest);
        return reading_new(&sweep->reading);
}

void look_sweep_end(struct look_sweep *sweep)
{
        sweep->reading = reading_free(sweep->reading);
        sweep->left = 0;
}

static void tell(struct look_sweep *sweep, int r)
{
        struct look_reading *reading = sweep->reading;

        reading_end(reading);
        if (r < 0 || reading->found.differences != 0)
                sweep->differs(sweep->self, &reading->entry, r, &reading->found);
}

/* From the end: what is dropped meanwhile moves only what was looked at already. */
static void step(struct look_sweep *sweep, struct folder *folder)
{
        struct look_reading *reading = sweep->reading;
        const struct manifest_entry *entry;
        int r;

        if (reading->fd >= 0) {
                r = reading_on(reading);
        } else {
                if (sweep->left > manifest_count(sweep->manifest))
                        sweep->left = manifest_count(sweep->manifest);
                if (sweep->left == 0)
                        return;
                entry = manifest_at(sweep->manifest, --sweep->left);
                r = reading_begin(reading, folder, entry, sweep->depth);
                text_copy(sweep->path, sizeof(sweep->path), entry->path);
                reading->entry.path = reading->found.now.path = sweep->path;
        }
        if (r <= 0)
                tell(sweep, r);
}

bool look_sweep_on(struct look_sweep *sweep, unsigned steps)
{
        _cleanup_(folder_done) struct folder folder = { .fd = -1 };

        while (steps-- > 0 && (sweep->left > 0 || sweep->reading->fd >= 0))
                step(sweep, &folder);
        return sweep->left > 0 || sweep->reading->fd >= 0;
}
