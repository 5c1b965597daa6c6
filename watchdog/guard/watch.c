#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guard/watch_inside.h"
#include "io/remote.h"
#include "io/straight.h"

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200 /* Linux 6.5: also of file systems that could not open a handle again, as overlayfs */
#endif
#define HANDLE_MAX 128

#define FD_PATH_MAX 32

/* EVICTABLE marks are not for us: the kernel forgets them when memory is short. */
#define SELF (FAN_DELETE_SELF | FAN_MOVE_SELF)
#define NAMES (FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_ONDIR)
#define CONTENT (FAN_MODIFY | FAN_CLOSE_WRITE | FAN_ATTRIB)

static const struct {
        uint64_t fanotify;
        uint32_t inotify;
} masks[WATCH_ROLE_N] = {
        [WATCH_FILE] = { CONTENT | SELF, IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF },
        [WATCH_FOLDER] = { CONTENT | SELF | NAMES | FAN_EVENT_ON_CHILD, IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB |
                                                                                IN_CREATE | IN_DELETE | IN_MOVE |
                                                                                IN_DELETE_SELF | IN_MOVE_SELF },
        [WATCH_NAMES] = { SELF | NAMES, IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF },
        [WATCH_ABOVE] = { SELF | FAN_ONDIR, IN_DELETE_SELF | IN_MOVE_SELF },
};

/* From the best way to the least. Without CAP_SYS_ADMIN the kernel does not tell who did it. */
static const struct {
        unsigned flags;
        bool names_pids, holds_pids;
} ways[] = {
        { FAN_REPORT_PIDFD | FAN_UNLIMITED_MARKS, true, true },
        { FAN_UNLIMITED_MARKS, true, false },
        { 0, false, false },
};

static int hear(struct watch *watch, int fd)
{
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

        return epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int begin_inotify(struct watch *watch)
{
        int r;

        if (watch->inotify >= 0)
                return 0;
        watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (watch->inotify < 0)
                return -errno;
        r = hear(watch, watch->inotify);
        if (r < 0)
                watch->inotify = close_fd(watch->inotify);
        return r;
}

static int begin_fanotify(struct watch *watch)
{
        const unsigned always = FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK;

        for (unsigned n = 0; n < sizeof(ways) / sizeof(ways[0]); n++) {
                watch->fanotify = fanotify_init(always | ways[n].flags, O_RDONLY | O_CLOEXEC);
                if (watch->fanotify < 0) {
                        watch->why = watch->why ? watch->why : -errno;
                        continue;
                }
                watch->names_pids = ways[n].names_pids;
                watch->holds_pids = ways[n].holds_pids;
                return hear(watch, watch->fanotify);
        }
        return 0;
}

int watch_new(struct watch **ret)
{
        _cleanup_(watch_freep) struct watch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        watch->fanotify = watch->inotify = -EBADF;
        watch->renames = true;
        watch->self = getpid();
        watch->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (watch->epoll < 0)
                return -errno;
        r = begin_fanotify(watch);
        if (r >= 0 && watch->fanotify < 0)
                r = begin_inotify(watch);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(watch);
        return 0;
}

struct watch *watch_free(struct watch *watch)
{
        if (!watch)
                return NULL;
        close_fd(watch->fanotify);
        close_fd(watch->inotify);
        close_fd(watch->epoll);
        places_done(&watch->places);
        free(watch);
        return NULL;
}

int watch_fd(const struct watch *watch)
{
        return watch->epoll;
}

void watch_state(const struct watch *watch, struct watch_state *ret)
{
        *ret = (struct watch_state){
                .fanotify = watch->fanotify >= 0,
                .names_pids = watch->names_pids,
                .holds_pids = watch->holds_pids,
                .why = watch->why,
                .places = watch->places.n,
        };
        for (uint32_t n = 0; n < watch->places.room; n++)
                for (const struct place *place = watch->places.by_path[n]; place; place = place->next_by_path) {
                        ret->by_inotify += place->by_inotify;
                        ret->gone += place->gone;
                }
}

/* Marks want a path; this one leads to the open file and nowhere else. */
static const char *path_of(int fd, char path[FD_PATH_MAX])
{
        snprintf(path, FD_PATH_MAX, "/proc/self/fd/%d", fd);
        return path;
}

/* -EOPNOTSUPP and others: the file system has no handles, or not such that fanotify could name its files. */
static int handle_of(int fd, struct identity *ret)
{
        union {
                struct file_handle handle;
                char room[sizeof(struct file_handle) + HANDLE_MAX];
        } file = { .handle.handle_bytes = HANDLE_MAX };
        struct statfs fs;
        int mount;

        if (fstatfs(fd, &fs) < 0)
                return -errno;
        if (name_to_handle_at(fd, "", &file.handle, &mount, AT_EMPTY_PATH | AT_HANDLE_FID) < 0) {
                file.handle.handle_bytes = HANDLE_MAX;
                if (name_to_handle_at(fd, "", &file.handle, &mount, AT_EMPTY_PATH) < 0)
                        return -errno;
        }
        identity_of_handle(ret, &fs.f_fsid, file.handle.f_handle, file.handle.handle_bytes, file.handle.handle_type);
        return 0;
}

static uint64_t fanotify_mask(unsigned roles)
{
        uint64_t mask = 0;

        for (unsigned role = 0; role < WATCH_ROLE_N; role++)
                mask |= roles & 1U << role ? masks[role].fanotify : 0;
        return mask;
}

static uint32_t inotify_mask(unsigned roles)
{
        uint32_t mask = 0;

        for (unsigned role = 0; role < WATCH_ROLE_N; role++)
                mask |= roles & 1U << role ? masks[role].inotify : 0;
        return mask;
}

/* Before Linux 5.17 the two ends of a move are told apart. */
static uint64_t known_here(const struct watch *watch, uint64_t mask)
{
        return watch->renames || !(mask & FAN_RENAME) ? mask : (mask & ~(uint64_t)FAN_RENAME) | FAN_MOVE;
}

static int mark(struct watch *watch, int fd, uint64_t mask)
{
        char path[FD_PATH_MAX];

        path_of(fd, path);
        if (fanotify_mark(watch->fanotify, FAN_MARK_ADD, known_here(watch, mask), AT_FDCWD, path) >= 0)
                return 0;
        if (errno == EINVAL && watch->renames && mask & FAN_RENAME) {
                watch->renames = false;
                return mark(watch, fd, mask);
        }
        return -errno;
}

static int arm_fanotify(struct watch *watch, int fd, unsigned roles, struct identity *ret)
{
        int r;

        if (watch->fanotify < 0)
                return -EOPNOTSUPP;
        r = handle_of(fd, ret);
        return r < 0 ? r : mark(watch, fd, fanotify_mask(roles));
}

static int arm_inotify(struct watch *watch, int fd, unsigned roles, struct identity *ret)
{
        char path[FD_PATH_MAX];
        int r, wd;

        r = begin_inotify(watch);
        if (r < 0)
                return r;
        wd = inotify_add_watch(watch->inotify, path_of(fd, path), inotify_mask(roles) | IN_MASK_ADD);
        if (wd < 0)
                return -errno;
        identity_of_descriptor(ret, wd);
        return 0;
}

/* Opens a file again that is elsewhere by now, given any file of its file system. */
static int open_handle(const struct place *place, const char *near)
{
        union {
                struct file_handle handle;
                char room[sizeof(struct file_handle) + HANDLE_MAX];
        } file;
        _cleanup_close_ int mount = open(near, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int fd;

        if (mount < 0)
                return -errno;
        file.handle.handle_bytes = place->identity_size - 12U;
        memcpy(&file.handle.handle_type, place->identity + 8, sizeof(file.handle.handle_type));
        memcpy(file.handle.f_handle, place->identity + 12, file.handle.handle_bytes);
        fd = open_by_handle_at(mount, &file.handle, O_PATH | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* A file that cannot be found again keeps its mark as long as it lives; what is heard of it is nobody's then, and dropped. */
static void unmark(struct watch *watch, const struct place *place)
{
        char folder[FILE_PATH_MAX], path[FD_PATH_MAX];
        _cleanup_close_ int fd = -EBADF;
        int wd;

        if (place->by_inotify) {
                memcpy(&wd, place->identity, sizeof(wd));
                (void)inotify_rm_watch(watch->inotify, wd);
                return;
        }
        snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(place->path, '/') - place->path + 1), place->path);
        fd = open_handle(place, folder);
        if (fd >= 0)
                (void)fanotify_mark(watch->fanotify, FAN_MARK_REMOVE, known_here(watch, fanotify_mask(place->roles)),
                                    AT_FDCWD, path_of(fd, path));
}

/* Two paths may lead to one file, by hard links or mounts: its mark goes with the last. */
static void forget(struct watch *watch, struct place *place)
{
        struct identity identity = { .size = place->identity_size };
        struct place *first;

        memcpy(identity.bytes, place->identity, identity.size);
        first = places_known(&watch->places, &identity);
        if (first == place && !places_next(place, &identity))
                unmark(watch, place);
        places_remove(&watch->places, place);
}

static int keep(struct watch *watch, const char *path, unsigned roles, bool by_inotify, const struct identity *identity)
{
        struct place *place = places_find(&watch->places, path);
        int r;

        if (place && !place_is(place, identity)) { /* another file has the name now */
                forget(watch, place);
                place = NULL;
        }
        if (!place) {
                r = places_add(&watch->places, path, identity, &place);
                if (r < 0)
                        return r;
        }
        place->roles = roles;
        place->by_inotify = by_inotify;
        place->gone = false;
        return 0;
}

static bool may_be_path(const char *path)
{
        return path[0] == '/' && strlen(path) < FILE_PATH_MAX;
}

/* What fanotify cannot watch inotify may; a machine that has no room for more says so for both. */
static int arm(struct watch *watch, int fd, unsigned roles, bool *ret_by_inotify, struct identity *ret)
{
        int r = arm_fanotify(watch, fd, roles, ret);

        *ret_by_inotify = r < 0 && r != -ENOSPC && r != -ENOMEM;
        return *ret_by_inotify ? arm_inotify(watch, fd, roles, ret) : r;
}

int watch_add(struct watch *watch, const char *path, enum watch_role role)
{
        const struct place *place = places_find(&watch->places, path);
        unsigned roles = (place ? place->roles : 0) | 1U << role;
        _cleanup_close_ int fd = -EBADF;
        struct identity identity;
        bool by_inotify;
        int r;

        if (!may_be_path(path))
                return path[0] == '/' ? -ENAMETOOLONG : -EINVAL;
        fd = straight_open(path, O_PATH | (role == WATCH_FILE ? 0 : O_DIRECTORY));
        if (fd < 0)
                return fd;
        r = arm(watch, fd, roles, &by_inotify, &identity);
        if (r >= 0)
                r = keep(watch, path, roles, by_inotify, &identity);
        if (r < 0)
                return r;
        return remote_file(fd) ? WATCH_IN_PART : 0;
}

int watch_add_above(struct watch *watch, const char *path)
{
        char folder[FILE_PATH_MAX];
        int r, first = 0;

        if (!may_be_path(path))
                return path[0] == '/' ? -ENAMETOOLONG : -EINVAL;
        memcpy(folder, path, strlen(path) + 1);
        while (strcmp(folder, "/") != 0) {
                char *end = strrchr(folder, '/');

                end[end == folder] = '\0';
                r = watch_add(watch, folder, WATCH_ABOVE);
                if (r < 0 && first == 0)
                        first = r;
        }
        return first;
}

void watch_drop(struct watch *watch, const char *path)
{
        struct place *place = places_find(&watch->places, path);

        if (place)
                forget(watch, place);
}
