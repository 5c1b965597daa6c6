#include "canary/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/file.h"

#define FOLDER_NAME "guarded"
#define FILE_NAME "canary"
#define ASIDE_NAME "aside"
#define MOVED_NAME PLACE_OURS "moved"
#define ALIAS_NAME PLACE_OURS "alias"

enum { FLAGS_GUARD = FS_IMMUTABLE_FL | FS_APPEND_FL };

static int name_all(const char *top, struct place *ret)
{
        *ret = (struct place){ 0 };
        if (!text_copy(ret->top, sizeof(ret->top), top))
                return -ENAMETOOLONG;
        text_append(ret->folder, sizeof(ret->folder), "%s/" FOLDER_NAME, top);
        text_append(ret->file, sizeof(ret->file), "%s/" FILE_NAME, ret->folder);
        text_append(ret->aside, sizeof(ret->aside), "%s/" ASIDE_NAME, top);
        return 0;
}

/* ---- flags ------------------------------------------------------------------------------------------------------------ */

/* Opened non-blocking and without following: what an attacker put there must not hold us up. */
static unsigned flags_of(const char *path)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        int flags = 0;

        return fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 ? (unsigned)flags : 0;
}

static void set_flags(const char *path, unsigned flags)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        int value = (int)flags;

        if (fd >= 0 && flags_of(path) != flags)
                (void)ioctl(fd, FS_IOC_SETFLAGS, &value);
}

/* So that it can be removed; only ever called for what is being removed or was left by an attack. */
static void loosen(const char *path)
{
        unsigned flags = flags_of(path);

        if (flags & FLAGS_GUARD)
                set_flags(path, flags & ~(unsigned)FLAGS_GUARD);
}

/* ---- making ----------------------------------------------------------------------------------------------------------- */

/* The mark, then lines that no other file has: so that its blocks can be found on a device. */
static int compose(struct place *place)
{
        uint64_t random[2];
        size_t size;

        if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
                return -EIO;
        (void)snprintf(place->token, sizeof(place->token), "%016llx%016llx", (unsigned long long)random[0],
                       (unsigned long long)random[1]);
        size = strlen(PLACE_MARK);
        memcpy(place->content, PLACE_MARK, size);
        for (size_t step = sizeof(place->token); size < PLACE_SIZE; size += step) {
                if (step > PLACE_SIZE - size)
                        step = PLACE_SIZE - size;
                memcpy(place->content + size, place->token, step);
                place->content[size + step - 1] = '\n';
        }
        return 0;
}

static int make_file(const struct place *place, const char *path, mode_t mode)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        int r;

        if (fd < 0)
                return -errno;
        r = file_write_all(fd, place->content, sizeof(place->content));
        if (r < 0)
                return r;
        if (fchown(fd, place->uid, place->gid) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

static int make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
        if (mkdir(path, 0700) < 0)
                return -errno;
        return lchown(path, uid, gid) < 0 || chmod(path, mode) < 0 ? -errno : 0;
}

/* Strangers must be able to reach the file, or it would be its folder that is tested. */
int place_create(const char *top, uid_t uid, gid_t gid)
{
        struct place place;
        int r = name_all(top, &place);

        place.uid = uid;
        place.gid = gid;
        if (r == 0)
                r = compose(&place);
        if (r == 0)
                r = make_folder(place.top, 0755, uid, gid);
        if (r < 0)
                return r;
        r = make_folder(place.folder, 0755, uid, gid);
        if (r == 0)
                r = make_folder(place.aside, 0700, uid, gid);
        if (r == 0)
                r = make_file(&place, place.file, 0644);
        if (r < 0)
                (void)place_remove(&place);
        return r;
}

/* ---- taking ----------------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int refuse(char why[PLACE_WHY_MAX], int error, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(why, PLACE_WHY_MAX, format, arguments);
        va_end(arguments);
        return error;
}

static bool trusted(uid_t uid)
{
        return uid == 0 || uid == geteuid();
}

/* From / down to TOP: nobody but root and us can put another folder in its place. In a sticky folder others may make names, but not
 * move those of ours. */
static int check_way(const char *path, char why[PLACE_WHY_MAX])
{
        char part[PLACE_PATH_MAX + 32];
        struct stat status;

        for (const char *end = path; end; end = strchr(end + 1, '/')) {
                const char *next = strchr(end + 1, '/');
                size_t size = next ? (size_t)(next - path) : strlen(path);

                memcpy(part, path, size);
                part[size] = '\0';
                if (lstat(part, &status) < 0)
                        return refuse(why, -errno, "cannot look at %s: %s", part, strerror(errno));
                if (!S_ISDIR(status.st_mode))
                        return refuse(why, -EPERM, "%s on the way to it is not a folder", part);
                if (!trusted(status.st_uid) || ((status.st_mode & 0022) && !(status.st_mode & S_ISVTX)))
                        return refuse(why, -EPERM, "others than root can change %s on the way to it", part);
        }
        return 0;
}

static int check_file(struct place *place, char why[PLACE_WHY_MAX])
{
        _cleanup_close_ int fd = open(place->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat status;

        if (fd < 0 || fstat(fd, &status) < 0)
                return refuse(why, -errno, "cannot open %s: %s", place->file, strerror(errno));
        if (!S_ISREG(status.st_mode) || !trusted(status.st_uid))
                return refuse(why, -EPERM, "%s is not a regular file of root's or of its user's own", place->file);
        if (status.st_nlink != 1)
                return refuse(why, -EPERM, "%s has another name somewhere, and would be attacked there too",
                              place->file);
        if (status.st_size != PLACE_SIZE || pread(fd, place->content, PLACE_SIZE, 0) != PLACE_SIZE ||
            memcmp(place->content, PLACE_MARK, strlen(PLACE_MARK)) != 0)
                return refuse(why, -EPERM, "%s was not made by governor-canary --make", place->file);
        memcpy(place->token, place->content + strlen(PLACE_MARK), sizeof(place->token) - 1);
        place->mode = status.st_mode & 07777;
        place->uid = status.st_uid;
        place->gid = status.st_gid;
        place->flags = flags_of(place->file);
        place->folder_flags = flags_of(place->folder);
        return 0;
}

int place_take(const char *file, struct place *ret, char why[PLACE_WHY_MAX])
{
        static const char tail[] = "/" FOLDER_NAME "/" FILE_NAME;
        char top[PLACE_PATH_MAX + sizeof(tail)];
        int r;

        if (file[0] != '/' || strstr(file, "//") || strstr(file, "/../") || strstr(file, "/./"))
                return refuse(why, -EINVAL, "it must be a whole path, from / on and without . and ..");
        if (!text_copy(top, sizeof(top), file) || !text_ends(file, tail) || strlen(file) == strlen(tail))
                return refuse(why, -EPERM, "a file to attack is called TOP%s", tail);
        top[strlen(file) - strlen(tail)] = '\0';
        if (name_all(top, ret) < 0)
                return refuse(why, -ENAMETOOLONG, "the path is too long");
        r = check_way(ret->top, why);
        if (r == 0)
                r = check_way(ret->folder, why);
        return r < 0 ? r : check_file(ret, why);
}

/* ---- looking ---------------------------------------------------------------------------------------------------------- */

static bool is_mounted_over(const char *path)
{
        struct statx status;

        if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) < 0 ||
            !(status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
                return false;
        return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static bool same_content(const struct place *place, int fd)
{
        char now[PLACE_SIZE + 1];

        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        return pread(fd, now, sizeof(now), 0) == PLACE_SIZE && memcmp(now, place->content, PLACE_SIZE) == 0;
}

static unsigned look_at(const struct place *place, int fd, const struct stat *status)
{
        unsigned changed = 0;

        if (!same_content(place, fd))
                changed |= PLACE_CONTENT;
        if ((status->st_mode & 07777) != place->mode)
                changed |= PLACE_MODE;
        if (status->st_uid != place->uid || status->st_gid != place->gid)
                changed |= PLACE_OWNER;
        if (fgetxattr(fd, PLACE_XATTR_USER, NULL, 0) >= 0 || fgetxattr(fd, PLACE_XATTR_TRUSTED, NULL, 0) >= 0)
                changed |= PLACE_XATTR;
        if (status->st_mtim.tv_sec == PLACE_ATTACK_TIME)
                changed |= PLACE_TIME;
        if ((flags_of(place->file) & ~place->flags) & FS_NODUMP_FL)
                changed |= PLACE_FLAGS;
        return changed;
}

unsigned place_look(const struct place *place)
{
        _cleanup_close_ int fd = open(place->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        unsigned mounted = is_mounted_over(place->file) ? PLACE_MOUNTED : 0;
        struct stat status;

        if (fd < 0)
                return mounted | (errno == ENOENT ? PLACE_GONE : PLACE_REPLACED);
        if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
                return mounted | PLACE_REPLACED;
        return mounted | look_at(place, fd, &status);
}

char *place_words(char buffer[PLACE_WHY_MAX], unsigned changed)
{
        static const char *const words[] = { "gone",  "replaced", "content", "mode",        "owner",
                                             "xattr", "time",     "flags",   "mounted over" };

        buffer[0] = '\0';
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (changed & 1u << i)
                        text_append(buffer, PLACE_WHY_MAX, "%s%s", buffer[0] ? ", " : "", words[i]);
        return buffer;
}

/* ---- cleaning --------------------------------------------------------------------------------------------------------- */

/* A mount of a mount is possible; more than a few of them is somebody else's work. */
static void unmount_all(const char *path)
{
        for (int i = 0; i < 8 && is_mounted_over(path); i++)
                if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
                        return;
}

/* The attackers' own names in a folder. Nothing is followed, and a folder that is not empty stays. */
static void sweep(const char *folder)
{
        _cleanup_closedir_ DIR *dir = opendir(folder);
        const struct dirent *entry;
        char path[PLACE_PATH_MAX + 300];

        while (dir && (entry = readdir(dir))) {
                if (!text_starts(entry->d_name, PLACE_OURS))
                        continue;
                (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
                if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno == EPERM) {
                        loosen(path);
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
                }
                (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        }
}

/* The folder and its file, wherever the folder is now. */
static void remove_folder(const char *folder)
{
        char file[PLACE_PATH_MAX + 48];

        (void)snprintf(file, sizeof(file), "%s/" FILE_NAME, folder);
        loosen(folder);
        sweep(folder);
        loosen(file);
        (void)unlink(file);
        (void)rmdir(folder);
}

/* The true folder was moved away and a false one stands there. If a guard has put a good one there by now, ours is left over. */
static void bring_back(const struct place *place)
{
        char moved[PLACE_PATH_MAX + 32];

        (void)snprintf(moved, sizeof(moved), "%s/" MOVED_NAME, place->top);
        if (access(moved, F_OK) < 0)
                return;
        if (place_look(place) == 0) {
                remove_folder(moved);
                return;
        }
        remove_folder(place->folder);
        (void)rename(moved, place->folder);
}

int place_clean(const struct place *place)
{
        char alias[PLACE_PATH_MAX + 48];

        (void)snprintf(alias, sizeof(alias), "%s/" ALIAS_NAME, place->aside);
        unmount_all(alias);
        unmount_all(place->file);
        bring_back(place);
        sweep(place->folder);
        sweep(place->aside);
        return is_mounted_over(place->file) || is_mounted_over(alias) ? -EBUSY : 0;
}

/* A fresh file in the place of the attacked one, with the flags it had. */
int place_repair(const struct place *place)
{
        char fresh[PLACE_PATH_MAX + 48];
        int r = place_clean(place);

        if (place_look(place) == 0)
                return r;
        (void)snprintf(fresh, sizeof(fresh), "%s/" PLACE_OURS "fresh", place->aside);
        r = make_file(place, fresh, place->mode);
        if (r < 0)
                return r;
        loosen(place->folder);
        loosen(place->file);
        r = rename(fresh, place->file) < 0 ? -errno : 0;
        if (r < 0)
                (void)unlink(fresh);
        set_flags(place->file, place->flags);
        set_flags(place->folder, place->folder_flags);
        return r < 0 ? r : place_look(place) == 0 ? 0 : -EUCLEAN;
}

int place_remove(const struct place *place)
{
        (void)place_clean(place);
        remove_folder(place->folder);
        (void)rmdir(place->aside);
        return rmdir(place->top) < 0 && errno != ENOENT ? -errno : 0;
}
