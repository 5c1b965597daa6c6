#pragma once
/*
 * Tells of mounts that come and go in our mount namespace. A mount over a guarded file, or over a folder on the way to it, puts
 * another file in its place without a change that any watch could hear; one in a namespace of its own is seen by nobody else.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/path.h"
#include "io/cleanup.h"

struct mounts;

#define MOUNT_TYPE_MAX 32
#define MOUNTS_MAX 16384 /* machines full of containers have a few thousand */

struct mount {
        uint32_t id;
        dev_t device;
        char point
                [FILE_PATH_MAX];  /* where it is seen; longer ones are not told, and nothing that is guarded is there */
        char root[FILE_PATH_MAX]; /* what of its file system is seen there, cut where it is too long */
        char type[MOUNT_TYPE_MAX];
        pid_t by; /* who mounted it, where the kernel tells (Linux 6.14); 0 unknown */
};

struct mounts_sink {
        void (*came)(void *self, const struct mount *mount);
        void (*went)(void *self, const char *point); /* what was below it is seen again, or nothing is */
        void *self;
};

/* `table` is /proc/self/mountinfo. */
int mounts_new(const char *table, struct mounts **ret);
struct mounts *mounts_free(struct mounts *mounts);
DEFINE_CLEANUP_FUNC(struct mounts *, mounts_free);

/* To be polled for EPOLLPRI: the table changed. */
int mounts_fd(const struct mounts *mounts);

/*
 * Reads the table and tells what is other than the last time; the first time all of it came. What came and went between two looks is
 * not told. -EFBIG, -ENOSPC: more than we read, and what is told is not all.
 */
int mounts_take(struct mounts *mounts, const struct mounts_sink *sink);

/*
 * Takes that very mount away, whoever is still in it. -ESTALE: it is not the one that is seen there (another is over it, which has to
 * go first, or it is gone). -EPERM: not ours to take, as in a container.
 */
int mounts_detach(const struct mount *mount);

/* One line of the table. -EBADMSG: it is none; -ENAMETOOLONG: its place is too long. */
int mounts_parse(const char *line, size_t size, struct mount *ret);
