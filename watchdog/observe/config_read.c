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
        return 0;
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

static int finish(struct config_read *reading, struct config_found *found)
{
        int r = fstat(reading->fd, &found->st) < 0 ? -errno : 0;

        config_read_end(reading);
        if (r < 0)
                return r;
        if (found->st.st_size != reading->before.st_size || !same_time(&found->st.st_mtim, &reading->before.st_mtim))
                return -EAGAIN;
        digest_end(reading->digest, found->digest);
        found->outline = reading->text ? unit_text_end(reading->text) : NULL;
        return 0;
}

int config_read_on(struct config_read *reading, struct config_found *found)
{
        ssize_t n = read(reading->fd, reading->buffer, CONFIG_PIECE);
        int error = errno;

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
