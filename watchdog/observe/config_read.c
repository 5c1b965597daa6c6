#include "observe/config_read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/cleanup.h"
#include "io/straight.h"

static int make_outlines(struct config_read *reading, const struct veil *veil)
{
        int r = veil_copy(veil, &reading->veil);

        reading->text = r < 0 ? NULL : malloc(sizeof(*reading->text));
        if (reading->text)
                unit_text_init(reading->text, reading->veil);
        return r < 0 ? r : reading->text ? 0 : -ENOMEM;
}

int config_read_init(struct config_read *reading, const struct veil *veil)
{
        int r;

        reading->fd = -1;
        reading->buffer = malloc(CONFIG_PIECE);
        r = reading->buffer ? digest_new(&reading->digest) : -ENOMEM;
        return r >= 0 && veil ? make_outlines(reading, veil) : r;
}

void config_read_end(struct config_read *reading)
{
        reading->fd = close_fd(reading->fd);
        reading->writer = vault_put_cancel(reading->writer);
}

void config_read_done(struct config_read *reading)
{
        config_read_end(reading);
        reading->digest = digest_free(reading->digest);
        veil_free(reading->veil);
        free(reading->text);
        free(reading->buffer);
        *reading = (struct config_read){ .fd = -1 };
}

/* A link is what it points to, as text: where that leads is not ours to follow. */
static int read_link(struct config_read *reading, int fd, struct config_found *found)
{
        ssize_t n = readlinkat(fd, "", (char *)reading->buffer, CONFIG_PIECE - 1);
        struct outline outline = { .n = 0 };

        if (n < 0)
                return -errno;
        reading->buffer[n] = '\0';
        digest_begin(reading->digest);
        digest_add(reading->digest, reading->buffer, (size_t)n);
        digest_end(reading->digest, found->digest);
        if (reading->text) {
                outline_show(&outline, CONFIG_LEADS_TO, (const char *)reading->buffer);
                found->outline = outline_finish(&outline);
        }
        found->kept = reading->vault ? 0 : -ENOENT;
        if (reading->vault && !vault_has(reading->vault, found->digest))
                found->kept = vault_put(reading->vault, reading->buffer, (size_t)n, found->digest);
        return 0;
}

/*
 * Whether it could be put back: by a path without links, for whoever may change a link would say where we write; and without bits
 * that lend its owner's rights. 0, or why not.
 */
static int may_be_kept(const struct vault *vault, const struct config_found *found)
{
        _cleanup_close_ int fd = -1;

        if (!vault)
                return -ENOENT;
        if (!S_ISREG(found->st.st_mode))
                return -EBADF;
        if (found->st.st_mode & 07000)
                return -EPERM;
        if ((uint64_t)found->st.st_size > vault_limits(vault)->content_most)
                return -EFBIG;
        fd = straight_open(found->path, O_PATH);
        return fd < 0 ? fd : 0;
}

/* The inode that was looked at is the one that is opened: no name is looked up between. What the cache holds may differ from
 * what the disk holds, so clean pages are dropped first, as far as the file system does that. */
static int open_again(int fd)
{
        char name[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        int again;

        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        again = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_NOATIME);
        if (again < 0 && errno == EPERM) /* without root, somebody else's */
                again = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (again >= 0)
                (void)posix_fadvise(again, 0, 0, POSIX_FADV_DONTNEED);
        return again;
}

/* Regular files by their mode alone. */
static bool is_kernels_own(int fd)
{
        static const unsigned long kinds[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC,      DEBUGFS_MAGIC,
                                               TRACEFS_MAGIC,    SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC,
                                               BPF_FS_MAGIC,     SELINUX_MAGIC,    CGROUP2_SUPER_MAGIC };
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return false;
        for (unsigned n = 0; n < sizeof(kinds) / sizeof(kinds[0]); n++)
                if ((unsigned long)fs.f_type == kinds[n])
                        return true;
        return false;
}

int config_read_begin(struct config_read *reading, bool follow, struct config_found *found)
{
        _cleanup_close_ int fd = -1;

        config_read_end(reading);
        fd = open(found->path,
                  O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)); /* wakes no device and no FIFO's other end */
        if (fd < 0 || fstat(fd, &found->st) < 0)
                return -errno;
        memset(found->digest, 0, sizeof(found->digest));
        if (S_ISLNK(found->st.st_mode))
                return read_link(reading, fd, found);
        found->kept = reading->kept = may_be_kept(reading->vault, found);
        if (!S_ISREG(found->st.st_mode))
                return 0;
        if (is_kernels_own(fd))
                return -ENODEV;
        reading->fd = open_again(fd);
        if (reading->fd < 0)
                return -errno;
        reading->before = found->st;
        reading->taken = 0;
        digest_begin(reading->digest);
        if (reading->text)
                unit_text_begin(reading->text);
        return 1;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Not before it is known to be new: most files are what they were. */
static bool begin_keeping(struct config_read *reading, const uint8_t digest[DIGEST_SIZE])
{
        memcpy(reading->kept_as, digest, DIGEST_SIZE);
        if (lseek(reading->fd, 0, SEEK_SET) < 0)
                reading->kept = -errno;
        else
                reading->kept = vault_put_begin(reading->vault, &reading->writer);
        return reading->kept >= 0;
}

static int end_with(struct config_read *reading, int r)
{
        config_read_end(reading);
        return r;
}

static int finish(struct config_read *reading, struct config_found *found)
{
        if (fstat(reading->fd, &found->st) < 0)
                return end_with(reading, -errno);
        if (found->st.st_size != reading->before.st_size || !same_time(&found->st.st_mtim, &reading->before.st_mtim))
                return end_with(reading, -EAGAIN);
        digest_end(reading->digest, found->digest);
        if (reading->kept == 0 && !vault_has(reading->vault, found->digest) && begin_keeping(reading, found->digest))
                return 1;
        found->kept = reading->kept;
        found->outline = reading->text ? unit_text_end(reading->text) : NULL;
        return end_with(reading, 0);
}

/* It is in the vault, or it is not and `kept` says why: what it is we know either way. */
static int finish_keeping(struct config_read *reading, int kept, struct config_found *found)
{
        uint8_t written[DIGEST_SIZE];

        if (kept >= 0)
                kept = vault_put_end(TAKE_PTR(reading->writer), written);
        if (kept >= 0 && (memcmp(written, reading->kept_as, DIGEST_SIZE) != 0 || fstat(reading->fd, &found->st) < 0))
                return end_with(reading, -EAGAIN); /* it was written to between the first time and the second */
        if (kept < 0)
                found->st = reading->before;
        memcpy(found->digest, reading->kept_as, DIGEST_SIZE);
        found->kept = kept;
        found->outline = reading->text ? unit_text_end(reading->text) : NULL;
        return end_with(reading, 0);
}

/* One piece more into the vault, the second time over. */
static int keep_on(struct config_read *reading, struct config_found *found)
{
        ssize_t n = read(reading->fd, reading->buffer, CONFIG_PIECE);
        int r = n < 0 ? -errno : n > 0 ? vault_put_add(reading->writer, reading->buffer, (size_t)n) : 0;

        return r == -EINTR || (n > 0 && r >= 0) ? 1 : finish_keeping(reading, r, found);
}

int config_read_on(struct config_read *reading, struct config_found *found)
{
        ssize_t n;
        int error;

        if (reading->writer)
                return keep_on(reading, found);
        n = read(reading->fd, reading->buffer, CONFIG_PIECE);
        error = errno;
        if (n == 0)
                return finish(reading, found);
        if (n < 0 && error == EINTR)
                return 1;
        if (n > 0) {
                digest_add(reading->digest, reading->buffer, (size_t)n);
                if (reading->text)
                        unit_text_piece(reading->text, (const char *)reading->buffer, (size_t)n);
                reading->taken += (uint64_t)n;
                if (reading->taken <= (uint64_t)reading->before.st_size + CONFIG_PIECE)
                        return 1;
                error = EAGAIN; /* it grows faster than it is read */
        } else if (error == EAGAIN) {
                error = EIO;
        }
        config_read_end(reading);
        return -error;
}
