#include "canary/attacks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"
#include "canary/ring.h"
#include "io/cleanup.h"
#include "io/file.h"

#define EVIL "EVIL\n"
enum { EVIL_SIZE = sizeof(EVIL) - 1, NODE_MODE = 0644, BLOCK = 4096 };

/* The attackers' own names, where they put things. */
#define IN_FOLDER(name) path_in(scene->place->folder, PLACE_OURS name)
#define ASIDE(name) path_in(scene->place->aside, PLACE_OURS name)

struct path {
        char text[PLACE_PATH_MAX + 64];
};

static struct path path_in(const char *folder, const char *name)
{
        struct path path = { 0 };

        text_append(path.text, sizeof(path.text), "%s/%s", folder, name);
        return path;
}

static int not_here(struct scene *scene, const char *why)
{
        (void)text_copy(scene->why, sizeof(scene->why), why);
        return ATTACK_NOT_HERE;
}

/* What a system call said, as we say it. */
static int said(long r)
{
        return r < 0 ? -errno : 0;
}

/* What a file system or kernel does not have is no merit of any guard. */
static int said_or_lacking(struct scene *scene, long r, const char *why)
{
        bool lacking = r < 0 && (errno == EOPNOTSUPP || errno == ENOTTY || errno == ENOSYS);

        return lacking ? not_here(scene, why) : said(r);
}

static int spoil(int fd)
{
        ssize_t size = pwrite(fd, EVIL, EVIL_SIZE, 0);

        return size == EVIL_SIZE ? 0 : size < 0 ? -errno : -EIO;
}

static int spoil_by_path(const char *path, int flags)
{
        _cleanup_close_ int fd = open(path, flags | O_CLOEXEC, NODE_MODE);

        return fd < 0 ? -errno : spoil(fd);
}

static int make_evil(const char *path)
{
        return spoil_by_path(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
}

/* ---- getting ready ---------------------------------------------------------------------------------------------------- */

static int prepare_beside(struct scene *scene)
{
        return make_evil(IN_FOLDER("new").text);
}

static int prepare_aside(struct scene *scene)
{
        return make_evil(ASIDE("new").text);
}

static int prepare_open(struct scene *scene)
{
        scene->file = open(scene->place->file, O_RDWR | O_CLOEXEC);
        return said(scene->file);
}

static int prepare_source(struct scene *scene)
{
        int r = prepare_aside(scene);

        if (r < 0)
                return r;
        scene->source = open(ASIDE("new").text, O_RDONLY | O_CLOEXEC);
        return said(scene->source);
}

static int prepare_open_and_source(struct scene *scene)
{
        int r = prepare_source(scene);

        return r < 0 ? r : prepare_open(scene);
}

static int prepare_map(struct scene *scene)
{
        void *map;
        int r = prepare_open(scene);

        if (r < 0)
                return r;
        map = mmap(NULL, PLACE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, scene->file, 0);
        if (map == MAP_FAILED)
                return -errno;
        scene->map = map;
        scene->file = close_fd(scene->file); /* a mapping needs no descriptor */
        return *(volatile char *)scene->map ? 0 : -EIO;
}

/* A page that was written to: its next write need not ask the kernel. */
static int prepare_dirty_map(struct scene *scene)
{
        int r = prepare_map(scene);

        if (r == 0)
                *(volatile char *)scene->map = scene->place->content[0];
        return r;
}

static int prepare_link(struct scene *scene)
{
        return said(link(scene->place->file, ASIDE("link").text));
}

static int prepare_namespace(struct scene *scene)
{
        if (unshare(CLONE_NEWNS) < 0)
                return -errno;
        return said(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

static int strike_open(struct scene *scene)
{
        return spoil_by_path(scene->place->file, O_WRONLY);
}

static int strike_openat2(struct scene *scene)
{
        struct open_how how = { .flags = O_WRONLY | O_CLOEXEC };
        _cleanup_close_ int fd = (int)syscall(__NR_openat2, AT_FDCWD, scene->place->file, &how, sizeof(how));

        return fd < 0 ? said_or_lacking(scene, fd, "this kernel has no openat2") : spoil(fd);
}

static int strike_creat(struct scene *scene)
{
        _cleanup_close_ int fd = creat(scene->place->file, NODE_MODE);

        return fd < 0 ? -errno : spoil(fd);
}

static int strike_open_trunc(struct scene *scene)
{
        return spoil_by_path(scene->place->file, O_RDWR | O_TRUNC);
}

static int strike_truncate(struct scene *scene)
{
        return said(truncate(scene->place->file, 1));
}

static int strike_link_write(struct scene *scene)
{
        return spoil_by_path(ASIDE("link").text, O_WRONLY);
}

static int strike_link(struct scene *scene)
{
        int r = prepare_link(scene);

        return r < 0 ? r : strike_link_write(scene);
}

static int strike_punch(struct scene *scene)
{
        _cleanup_close_ int fd = open(scene->place->file, O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return said_or_lacking(scene, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BLOCK),
                               "this file system punches no holes");
}

static int copy_over(const struct scene *scene, int to)
{
        loff_t from_start = 0, to_start = 0;

        return said(copy_file_range(scene->source, &from_start, to, &to_start, EVIL_SIZE, 0));
}

static int strike_copy(struct scene *scene)
{
        _cleanup_close_ int fd = open(scene->place->file, O_WRONLY | O_CLOEXEC);

        return fd < 0 ? -errno : copy_over(scene, fd);
}

/* A handle goes past every folder on the way, and past a read-only mount of the file's own. */
static int strike_handle(struct scene *scene)
{
        union {
                struct file_handle handle;
                char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
        } named = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
        _cleanup_close_ int mount_fd = open(scene->place->aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int fd = -EBADF;
        int mount_id;

        if (mount_fd < 0)
                return -errno;
        if (name_to_handle_at(AT_FDCWD, scene->place->file, &named.handle, &mount_id, 0) < 0)
                return said_or_lacking(scene, -1, "this file system gives no handles");
        fd = open_by_handle_at(mount_fd, &named.handle, O_WRONLY | O_CLOEXEC);
        return fd < 0 ? -errno : spoil(fd);
}

static int strike_magic_link(struct scene *scene)
{
        _cleanup_close_ int fd = open(scene->place->file, O_PATH | O_CLOEXEC);
        char path[64];

        if (fd < 0)
                return -errno;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return spoil_by_path(path, O_WRONLY);
}

/* ---- writing through what was opened before --------------------------------------------------------------------------- */

static int strike_held_write(struct scene *scene)
{
        return spoil(scene->file);
}

static int strike_held_truncate(struct scene *scene)
{
        return said(ftruncate(scene->file, 1));
}

static int strike_held_punch(struct scene *scene)
{
        return said_or_lacking(scene, fallocate(scene->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BLOCK),
                               "this file system punches no holes");
}

static int strike_held_copy(struct scene *scene)
{
        return copy_over(scene, scene->file);
}

/* Refused, it is killed by SIGBUS. */
static int strike_map(struct scene *scene)
{
        memcpy(scene->map, EVIL, EVIL_SIZE);
        return said(msync(scene->map, PLACE_SIZE, MS_SYNC));
}

/* ---- names ------------------------------------------------------------------------------------------------------------ */

static int strike_rename_beside(struct scene *scene)
{
        return said(rename(IN_FOLDER("new").text, scene->place->file));
}

static int strike_rename_aside(struct scene *scene)
{
        return said(rename(ASIDE("new").text, scene->place->file));
}

static int strike_exchange(struct scene *scene)
{
        return said_or_lacking(scene,
                               renameat2(AT_FDCWD, ASIDE("new").text, AT_FDCWD, scene->place->file, RENAME_EXCHANGE),
                               "this file system exchanges no names");
}

static int strike_rename_away(struct scene *scene)
{
        return said(rename(scene->place->file, ASIDE("away").text));
}

static int strike_unlink(struct scene *scene)
{
        return said(unlink(scene->place->file));
}

static int strike_recreate(struct scene *scene)
{
        int r = strike_unlink(scene);

        return r < 0 ? r : make_evil(scene->place->file);
}

static int strike_rename_folder(struct scene *scene)
{
        if (rename(scene->place->folder, path_in(scene->place->top, PLACE_OURS "moved").text) < 0 ||
            mkdir(scene->place->folder, 0755) < 0)
                return -errno;
        return make_evil(scene->place->file);
}

static int strike_symlink(struct scene *scene)
{
        if (symlink(ASIDE("new").text, IN_FOLDER("symlink").text) < 0)
                return -errno;
        return said(rename(IN_FOLDER("symlink").text, scene->place->file));
}

static int strike_tmpfile(struct scene *scene)
{
        _cleanup_close_ int fd = open(scene->place->aside, O_TMPFILE | O_RDWR | O_CLOEXEC, NODE_MODE);
        char path[64];
        int r;

        if (fd < 0)
                return said_or_lacking(scene, fd, "this file system has no O_TMPFILE");
        r = spoil(fd);
        if (r < 0 || unlink(scene->place->file) < 0)
                return r < 0 ? r : -errno;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return said(linkat(AT_FDCWD, path, AT_FDCWD, scene->place->file, AT_SYMLINK_FOLLOW));
}

/* As `sed -i` does it: a new file with the old one's mode and owner, renamed over it. */
static int strike_edit_rename(struct scene *scene)
{
        struct path fresh = IN_FOLDER("sed");
        _cleanup_close_ int fd = open(fresh.text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int r;

        if (fd < 0)
                return -errno;
        r = spoil(fd);
        if (r < 0 || fchown(fd, scene->place->uid, scene->place->gid) < 0 || fchmod(fd, scene->place->mode) < 0)
                return r < 0 ? r : -errno;
        return said(rename(fresh.text, scene->place->file));
}

/* As `vim` does it with backupcopy=yes: the old content is copied away, then the file itself is written. */
static int strike_edit_in_place(struct scene *scene)
{
        struct path backup = ASIDE("backup");
        _cleanup_close_ int fd = open(backup.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int r = fd < 0 ? -errno : file_write_all(fd, scene->place->content, PLACE_SIZE);

        if (r < 0)
                return r;
        r = spoil_by_path(scene->place->file, O_WRONLY | O_CREAT | O_TRUNC);
        (void)unlink(backup.text);
        return r;
}

/* ---- metadata --------------------------------------------------------------------------------------------------------- */

static int strike_chmod(struct scene *scene)
{
        return said(chmod(scene->place->file, 0777));
}

static int strike_chown(struct scene *scene)
{
        return said(chown(scene->place->file, 65534, 65534));
}

static int strike_utimes(struct scene *scene)
{
        const struct timespec times[2] = { { .tv_sec = PLACE_ATTACK_TIME }, { .tv_sec = PLACE_ATTACK_TIME } };

        return said(utimensat(AT_FDCWD, scene->place->file, times, 0));
}

/* Where users have no attributes, root may have some. */
static int strike_xattr(struct scene *scene)
{
        const char *file = scene->place->file;
        int r = setxattr(file, PLACE_XATTR_USER, EVIL, EVIL_SIZE, 0);

        if (r < 0 && errno == EOPNOTSUPP)
                r = setxattr(file, PLACE_XATTR_TRUSTED, EVIL, EVIL_SIZE, 0);
        return said_or_lacking(scene, r, "this file system has no extended attributes");
}

static int change_flags(struct scene *scene, const char *path, unsigned set, unsigned clear)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        int flags = 0, r;

        if (fd < 0)
                return -errno;
        r = ioctl(fd, FS_IOC_GETFLAGS, &flags);
        if (r < 0)
                return said_or_lacking(scene, r, "this file system has no flags");
        flags = (int)(((unsigned)flags | set) & ~clear);
        return said_or_lacking(scene, ioctl(fd, FS_IOC_SETFLAGS, &flags), "this file system sets no flags");
}

static int strike_flags(struct scene *scene)
{
        return change_flags(scene, scene->place->file, FS_NODUMP_FL, 0);
}

static int strike_unseal(struct scene *scene)
{
        int r = change_flags(scene, scene->place->file, 0, FS_IMMUTABLE_FL | FS_APPEND_FL);

        return r == 0 ? strike_open(scene) : r;
}

/* ---- mounts ----------------------------------------------------------------------------------------------------------- */

static int strike_bind_over(struct scene *scene)
{
        return said(mount(ASIDE("new").text, scene->place->file, NULL, MS_BIND, NULL));
}

static int strike_alias(struct scene *scene)
{
        struct path alias = ASIDE("alias");

        if (mkdir(alias.text, 0700) < 0 || mount(scene->place->folder, alias.text, NULL, MS_BIND, NULL) < 0)
                return -errno;
        return spoil_by_path(path_in(alias.text, "canary").text, O_WRONLY);
}

static int write_text(const char *path, const char *text)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
}

/* Any user is root of a namespace of his own; what he mounts there nobody else sees. */
static int strike_user_namespace(struct scene *scene)
{
        char map[64];
        int r;

        (void)snprintf(map, sizeof(map), "0 %u 1\n", geteuid());
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return errno == ENOSPC || errno == EINVAL ? not_here(scene, "user namespaces are switched off")
                                                          : -errno;
        r = write_text("/proc/self/uid_map", map);
        if (r < 0)
                return r;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        return strike_bind_over(scene);
}

/* ---- io_uring --------------------------------------------------------------------------------------------------------- */

DEFINE_CLEANUP_FUNC(struct ring *, ring_close);

static int ring_here(struct scene *scene, enum ring_way way, struct ring **ret)
{
        int r = ring_open(way, ret);
        char *off = NULL;

        if (r == -EINVAL || (r == -ENOSYS && prctl(PR_GET_SECCOMP) <= 0)) /* a filter may say ENOSYS too */
                return not_here(scene, "this kernel has no io_uring of this kind");
        if (r == -EPERM && file_read("/proc/sys/kernel/io_uring_disabled", 16, &off, NULL) == 0 && off[0] != '0')
                r = not_here(scene, "io_uring is switched off: kernel.io_uring_disabled");
        free(off);
        return r;
}

static int ring_write(struct scene *scene, enum ring_way way)
{
        _cleanup_(ring_closep) struct ring *ring = NULL;
        struct io_uring_sqe open_file = { .opcode = IORING_OP_OPENAT,
                                          .fd = AT_FDCWD,
                                          .open_flags = O_WRONLY | O_CLOEXEC };
        struct io_uring_sqe write_file = { .opcode = IORING_OP_WRITE, .len = EVIL_SIZE };
        int r = ring_here(scene, way, &ring);

        if (r != 0)
                return r;
        open_file.addr = (uintptr_t)scene->place->file;
        r = ring_ask(ring, &open_file);
        if (r < 0)
                return r;
        write_file.fd = r;
        write_file.addr = (uintptr_t)EVIL;
        r = ring_ask(ring, &write_file);
        (void)close(write_file.fd);
        return r < 0 ? r : 0;
}

static int strike_ring(struct scene *scene)
{
        return ring_write(scene, RING_INLINE);
}

static int strike_ring_async(struct scene *scene)
{
        return ring_write(scene, RING_ASYNC);
}

static int strike_ring_polled(struct scene *scene)
{
        return ring_write(scene, RING_POLLED);
}

static int strike_ring_rename(struct scene *scene)
{
        _cleanup_(ring_closep) struct ring *ring = NULL;
        struct path from = ASIDE("new");
        struct io_uring_sqe request = { .opcode = IORING_OP_RENAMEAT, .fd = AT_FDCWD, .len = (unsigned)AT_FDCWD };
        int r = ring_here(scene, RING_INLINE, &ring);

        if (r != 0)
                return r;
        request.addr = (uintptr_t)from.text;
        request.off = (uintptr_t)scene->place->file;
        return ring_ask(ring, &request);
}

/* ---- below the file system -------------------------------------------------------------------------------------------- */

/* Each block that holds this file's token, wherever the file system put it; right where the token is, so that it cannot be anything
 * else's. */
static int spoil_blocks(struct scene *scene, int device)
{
        const char *wanted = scene->place->token;
        char block[BLOCK];
        int found = 0;

        for (off_t at = 0; pread(device, block, BLOCK, at) == BLOCK; at += BLOCK) {
                const char *token = memmem(block, BLOCK, wanted, strlen(wanted));

                if (!token)
                        continue;
                if (pwrite(device, EVIL, EVIL_SIZE, at + (token - block)) != EVIL_SIZE)
                        return -errno;
                found++;
        }
        return found == 0 ? not_here(scene, "its blocks are not to be found on the device") : said(fsync(device));
}

/* The node is not the machine's but the attacker's own: there is always another name for a device. */
static int strike_device(struct scene *scene)
{
        struct stat status;
        struct path node = ASIDE("node");
        _cleanup_close_ int fd = -EBADF;

        if (stat(scene->place->device, &status) < 0 || !S_ISBLK(status.st_mode))
                return not_here(scene, "there is no such block device");
        if (mknod(node.text, S_IFBLK | 0600, status.st_rdev) < 0)
                return -errno;
        sync();
        fd = open(node.text, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* what was read before is older than the file */
        return spoil_blocks(scene, fd);
}

/* ---- the table -------------------------------------------------------------------------------------------------------- */

/* clang-format off */
enum { ROOT = ATTACK_NEEDS_ROOT, DEVICE = ATTACK_NEEDS_DEVICE, OWN_VIEW = ATTACK_OWN_VIEW };

const struct attack attacks[ATTACKS_N] = {
        /* name                what it does                                      ready beforehand         strikes */
        { "open-write",        "open O_WRONLY and write",                        NULL,                    strike_open },
        { "openat2-write",     "openat2 O_WRONLY and write",                     NULL,                    strike_openat2 },
        { "creat",             "creat and write",                                NULL,                    strike_creat },
        { "open-truncate",     "open O_RDWR|O_TRUNC and write",                  NULL,                    strike_open_trunc },
        { "truncate",          "truncate by path",                               NULL,                    strike_truncate },
        { "rename-beside",     "rename over it from the same folder",            prepare_beside,          strike_rename_beside },
        { "rename-over",       "rename over it from another folder",             prepare_aside,           strike_rename_aside },
        { "rename-exchange",   "exchange names with another file",               prepare_aside,           strike_exchange },
        { "rename-away",       "rename it away",                                 NULL,                    strike_rename_away },
        { "unlink",            "unlink",                                         NULL,                    strike_unlink },
        { "unlink-recreate",   "unlink and make a new one",                      NULL,                    strike_recreate },
        { "rename-folder",     "rename its folder, put another there",           NULL,                    strike_rename_folder },
        { "link-write",        "make a hard link, write through it",             NULL,                    strike_link },
        { "old-link-write",    "write through a hard link made before",          prepare_link,            strike_link_write },
        { "symlink-swap",      "rename a symbolic link over it",                 prepare_aside,           strike_symlink },
        { "map-clean",         "write to a mapping made before",                 prepare_map,             strike_map },
        { "map-dirty",         "write to a mapping made and written before",     prepare_dirty_map,       strike_map },
        { "held-write",        "write to a descriptor opened before",            prepare_open,            strike_held_write },
        { "held-truncate",     "ftruncate a descriptor opened before",           prepare_open,            strike_held_truncate },
        { "held-punch",        "punch a hole through one opened before",         prepare_open,            strike_held_punch },
        { "held-copy",         "copy_file_range to one opened before",           prepare_open_and_source, strike_held_copy },
        { "bind-over",         "mount another file over it",                     prepare_aside,           strike_bind_over,       ROOT },
        { "bind-alias",        "mount its folder elsewhere, write there",        NULL,                    strike_alias,           ROOT },
        { "chmod",             "chmod",                                          NULL,                    strike_chmod },
        { "chown",             "chown",                                          NULL,                    strike_chown,           ROOT },
        { "utimes",            "utimensat",                                      NULL,                    strike_utimes },
        { "setxattr",          "setxattr",                                       NULL,                    strike_xattr },
        { "punch",             "open and punch a hole",                          NULL,                    strike_punch },
        { "copy",              "open and copy_file_range",                       prepare_source,          strike_copy },
        { "tmpfile-link",      "unlink, link an O_TMPFILE in its place",         NULL,                    strike_tmpfile },
        { "namespace-write",   "write from another mount namespace",             prepare_namespace,       strike_open,            ROOT },
        { "userns-bind",       "mount over it in a user namespace",              prepare_aside,           strike_user_namespace,  OWN_VIEW },
        { "handle-write",      "open_by_handle_at and write",                    NULL,                    strike_handle,          ROOT },
        { "magic-link-write",  "O_PATH, then open /proc/self/fd/N",              NULL,                    strike_magic_link },
        { "edit-rename",       "edit as sed -i does",                            NULL,                    strike_edit_rename },
        { "edit-in-place",     "edit as vim does",                               NULL,                    strike_edit_in_place },
        { "ring-write",        "io_uring open and write, inline",                NULL,                    strike_ring },
        { "ring-async-write",  "io_uring open and write, by a kernel worker",    NULL,                    strike_ring_async },
        { "ring-polled-write", "io_uring open and write, by a polling thread",   NULL,                    strike_ring_polled },
        { "ring-rename",       "io_uring rename over it",                        prepare_aside,           strike_ring_rename },
        { "setflags",          "set another flag",                               NULL,                    strike_flags },
        { "unseal-write",      "chattr -i, then write",                          NULL,                    strike_unseal,          ROOT },
        { "device-write",      "write to the block device below",                NULL,                    strike_device,          ROOT | DEVICE },
};
/* clang-format on */

const struct attack *attack_find(const char *name)
{
        for (size_t i = 0; i < ATTACKS_N; i++)
                if (strcmp(attacks[i].name, name) == 0)
                        return &attacks[i];
        return NULL;
}
