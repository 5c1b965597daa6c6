/*
 * The fresh inode is made without a name, gets the passing name ".governor-HASH" and exchanges it with what is in the place: so the
 * place is never empty, and what was found is never lost, also not when we die right then.
 */
#include "guard/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "guard/traits.h"
#include "io/file.h"
#include "io/straight.h"

#define TRIES \
        64 /* each may be lost to a writer in a tight loop, more so on a busy machine; all of them take some 10 ms */
#define PIECE (64 << 10)
#define PASSING_MAX (NAME_MAX + 1)
#define NAMES_TRIED 4 /* that chance may give twice */
#define PROC_FD_MAX (sizeof("/proc/self/fd/") + 3 * sizeof(int))

/* One file that is being sealed. */
struct sealing {
        const struct sealer *sealer;
        const struct manifest_entry *wanted;
        struct seal_outcome *outcome;
        bool safe_first; /* the inode is on the disk before it takes the place */
        bool as_it_is;   /* what is there is what is sealed: nobody may have changed it meanwhile */
        int folder;
        const char *name; /* within the folder */
        char passing[PASSING_MAX];
        bool by_chance; /* the passing name is, for something has the usual one */
        bool folder_lifted;
        struct stat old;
        bool there; /* something is in the place */
        char *content, *xattrs;
        size_t size, xattrs_size;
        int fresh; /* open for reading, with a lease; -1 for a link */
        bool leased;
        int lost[TRIES]; /* those that somebody wants to write to: he waits there for as long as we have them open */
        unsigned lost_n;
};

static int say(struct sealing *sealing, int error, const char *what)
{
        const char *path = sealing->wanted->path;
        size_t length = strlen(path);

        snprintf(sealing->outcome->text, SEAL_TEXT_MAX, "%s%.140s %s", length > 140 ? "..." : "",
                 length > 140 ? path + length - 140 : path, what);
        return error;
}

static int say_error(struct sealing *sealing, int error, const char *doing)
{
        char what[96];

        if (sealing->outcome->text[0]) /* told already, where more was known */
                return error;
        snprintf(what, sizeof(what), "cannot be %s: %s", doing, strerror(-error));
        return say(sealing, error, what);
}

char *seal_notes(unsigned notes, char text[SEAL_TEXT_MAX])
{
        static const struct {
                enum seal_note note;
                const char *words;
        } all[] = {
                { SEAL_NO_FLAGS, "its file system has no immutable flag" },
                { SEAL_FLAGS_REFUSED, "the immutable flag could not be set" },
                { SEAL_NO_LEASE, "whether a writer remains cannot be told" },
                { SEAL_ATTRIBUTES, "not every extended attribute was given back" },
                { SEAL_ANOTHER_FOLDER, "its folder is not the one that was sealed" },
                { SEAL_FOLDER_MADE, "its folder was made again" },
                { SEAL_NOT_KEPT, "what was found could not be kept" },
                { SEAL_SET_ASIDE, "the folder that was found stands beside it" },
                { SEAL_HAD_NAMES, "what was found has other names" },
                { SEAL_NOT_SAFE, "it is not safe from a power cut yet" },
        };

        text[0] = '\0';
        for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++)
                if (notes & all[n].note)
                        text_append(text, SEAL_TEXT_MAX, "%s%s", text[0] ? "; " : "", all[n].words);
        return text;
}

static void sealing_done(struct sealing *sealing)
{
        while (sealing->lost_n > 0)
                close_fd(sealing->lost[--sealing->lost_n]);
        close_fd(sealing->fresh);
        close_fd(sealing->folder);
        free(sealing->content);
        free(sealing->xattrs);
}

static const struct manifest_entry *entry_of(const struct sealing *sealing, const char *path)
{
        return sealing->sealer->manifest ? manifest_find(sealing->sealer->manifest, path) : NULL;
}

/* ---- the folder --------------------------------------------------------------------------------------------------------- */

/* As it was; or, where nobody wrote that down, for whoever owns the file, as far as the file itself may be read. */
static int dress_folder(struct sealing *sealing, int fd, const char *path)
{
        const struct manifest_entry *folder = entry_of(sealing, path);
        const struct file_state *state = folder ? &folder->state : &sealing->wanted->state;
        mode_t mode = folder ? state->mode & 07777 : 0700 | (state->mode & 0044) | (state->mode & 0044) >> 2;
        _cleanup_free_ char *xattrs = NULL;
        size_t size = 0;

        if (fchown(fd, state->uid, state->gid) < 0)
                return -errno;
        if (folder && (vault_get(sealing->sealer->vault, folder->attributes, TRAITS_XATTRS_MAX, &xattrs, &size) < 0 ||
                       traits_set_xattrs(fd, xattrs, size) < 0))
                sealing->outcome->notes |=
                        memcmp(folder->attributes, (uint8_t[DIGEST_SIZE]){ 0 }, DIGEST_SIZE) != 0 ? SEAL_ATTRIBUTES : 0;
        return fchmod(fd, mode) < 0 ? -errno : 0;
}

/* The folder above may be immutable itself. */
static int make_in(int above, const char *name)
{
        uint32_t flags = 0;
        int r = mkdirat(above, name, 0700) < 0 ? -errno : 0;

        if (r != -EPERM || traits_flags(above, &flags) < 0 || !(flags & TRAITS_FIXED))
                return r;
        r = traits_set_flags(above, 0, TRAITS_FIXED);
        if (r >= 0)
                r = mkdirat(above, name, 0700) < 0 ? -errno : 0;
        (void)traits_set_flags(above, flags, TRAITS_FIXED);
        return r;
}

static int open_folder(struct sealing *sealing, const char *path)
{
        char above[FILE_PATH_MAX];
        _cleanup_close_ int parent = -1, folder = -1;
        int r = straight_open(path, O_RDONLY | O_DIRECTORY);

        if (r != -ENOENT || strcmp(path, "/") == 0)
                return r;
        path_folder(path, above);
        r = parent = open_folder(sealing, above);
        if (r >= 0)
                r = make_in(parent, strrchr(path, '/') + 1);
        if (r < 0)
                return r;
        sealing->outcome->notes |= SEAL_FOLDER_MADE;
        r = folder = openat(parent, strrchr(path, '/') + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = r < 0 ? -errno : dress_folder(sealing, folder, path);
        return r < 0 ? r : TAKE_FD(folder);
}

/* The inode that is the root of a mount; 0: it is none. */
static uint64_t root_of_mount(int at, const char *name)
{
        struct statx stx;

        if (statx(at, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_INO, &stx) < 0)
                return 0;
        return stx.stx_attributes & STATX_ATTR_MOUNT_ROOT ? stx.stx_ino : 0;
}

/* Each folder on the way that the manifest has. */
static int check_ways(struct sealing *sealing)
{
        char path[FILE_PATH_MAX];

        for (path_folder(sealing->wanted->path, path); strcmp(path, "/") != 0; path_folder(path, path)) {
                const struct manifest_entry *sealed = entry_of(sealing, path);
                _cleanup_close_ int fd = sealed ? straight_open(path, O_PATH | O_DIRECTORY) : -1;

                uint64_t root = fd >= 0 ? root_of_mount(fd, "") : 0;

                if (root > 0 && root != sealed->inode)
                        return say(sealing, -EBUSY, "is not there: something is mounted over its folder");
        }
        return 0;
}

static void compare_folder(struct sealing *sealing, const char *path)
{
        const struct manifest_entry *sealed = entry_of(sealing, path);
        struct stat st;

        if (sealed && !(sealing->outcome->notes & SEAL_FOLDER_MADE) && fstat(sealing->folder, &st) >= 0 &&
            st.st_ino != sealed->inode)
                sealing->outcome->notes |= SEAL_ANOTHER_FOLDER;
}

static int find_folder(struct sealing *sealing, bool make)
{
        char path[FILE_PATH_MAX];
        int r = check_ways(sealing);

        if (r < 0)
                return r;
        path_folder(sealing->wanted->path, path);
        r = sealing->folder = make ? open_folder(sealing, path) : straight_open(path, O_RDONLY | O_DIRECTORY);
        if (r == -ELOOP)
                return say(sealing, r, "is reached through a symbolic link, which is not followed");
        if (r == -ENOTDIR)
                return say(sealing, r, "cannot be reached: what should be a folder on the way is none");
        if (r < 0)
                return say_error(sealing, r, "reached");
        sealing->name = strrchr(sealing->wanted->path, '/') + 1;
        snprintf(sealing->passing, sizeof(sealing->passing), ".governor-%08x", text_hash(sealing->wanted->path));
        compare_folder(sealing, path);
        return 0;
}

/* ---- what is there ------------------------------------------------------------------------------------------------------ */

static int look(struct sealing *sealing)
{
        struct stat *old = &sealing->old;

        sealing->there = fstatat(sealing->folder, sealing->name, old, AT_SYMLINK_NOFOLLOW) >= 0;
        if (!sealing->there)
                return errno == ENOENT ? 0 : say_error(sealing, -errno, "looked at");
        if (root_of_mount(sealing->folder, sealing->name) > 0)
                return say(sealing, -EBUSY, "is not there: something is mounted over it");
        return 0;
}

/* What a name means, open for reading; only what can be read without waiting. */
static int open_found(int folder, const char *name, struct stat *ret)
{
        _cleanup_close_ int seen = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        char again[PROC_FD_MAX];
        int fd;

        if (seen < 0 || fstat(seen, ret) < 0)
                return -errno;
        if (!S_ISREG(ret->st_mode) && !S_ISDIR(ret->st_mode))
                return -EBADF;
        snprintf(again, sizeof(again), "/proc/self/fd/%d", seen);
        fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Nothing immutable can be renamed; what has no flags has not these. */
static void lift(int folder, const char *name)
{
        struct stat st;
        _cleanup_close_ int fd = open_found(folder, name, &st);

        if (fd >= 0)
                (void)traits_set_flags(fd, 0, TRAITS_FIXED);
}

/* In an immutable folder nothing gets a name. */
static void lift_folder(struct sealing *sealing)
{
        uint32_t flags = 0;

        if (traits_flags(sealing->folder, &flags) >= 0 && (flags & TRAITS_FIXED) &&
            traits_set_flags(sealing->folder, 0, TRAITS_FIXED) >= 0)
                sealing->folder_lifted = true;
}

/* A folder that is to be immutable is so again; one that the manifest does not want so stays without. */
static void fix_folder(struct sealing *sealing)
{
        char path[FILE_PATH_MAX];
        const struct manifest_entry *sealed;

        path_folder(sealing->wanted->path, path);
        sealed = entry_of(sealing, path);
        if (sealing->folder_lifted && sealed && sealed->immutable &&
            traits_set_flags(sealing->folder, TRAITS_FIXED & sealed->flags, TRAITS_FIXED) < 0)
                sealing->outcome->notes |= SEAL_FLAGS_REFUSED;
}

/* ---- what is kept ------------------------------------------------------------------------------------------------------- */

/* A name that nobody can have taken beforehand. */
static void name_by_chance(const struct sealing *sealing, const char *what, char name[PASSING_MAX])
{
        uint32_t chance = 0;

        (void)!getrandom(&chance, sizeof(chance), 0);
        snprintf(name, PASSING_MAX, ".governor-%s%08x-%08x", what, text_hash(sealing->wanted->path), chance);
}

/* Under a name where it is in nobody's way: a person decides. */
static int set_aside(struct sealing *sealing)
{
        char name[PASSING_MAX];
        int r = -EEXIST;

        for (unsigned n = 0; r == -EEXIST && n < NAMES_TRIED; n++) {
                name_by_chance(sealing, "found-", name);
                r = renameat2(sealing->folder, sealing->passing, sealing->folder, name, RENAME_NOREPLACE) < 0 ? -errno
                                                                                                              : 0;
        }
        sealing->outcome->notes |= r >= 0 ? SEAL_SET_ASIDE : 0;
        return r;
}

static int keep_folder(struct sealing *sealing)
{
        if (unlinkat(sealing->folder, sealing->passing, AT_REMOVEDIR) >= 0)
                return 0;
        return errno == ENOTEMPTY || errno == EEXIST ? set_aside(sealing) : -errno;
}

/* What stands under the passing name goes into the vault. The digest only says what it was. */
static int keep(struct sealing *sealing, const struct stat *st, uint8_t digest[DIGEST_SIZE])
{
        struct vault *vault = sealing->sealer->vault;
        struct stat again;
        _cleanup_close_ int fd = -1;

        if (S_ISLNK(st->st_mode))
                return vault_put_link(vault, sealing->folder, sealing->passing, digest);
        if (!S_ISREG(st->st_mode))
                return 0; /* a fifo, a socket, a device: there is nothing in it */
        fd = open_found(sealing->folder, sealing->passing, &again);
        return fd < 0 ? fd : vault_put_file(vault, fd, digest);
}

/* Empties the passing name. The restore does not wait for what cannot be kept. */
static int clear_passing(struct sealing *sealing)
{
        struct seal_outcome *outcome = sealing->outcome;
        struct file_state found = { .there = false };
        struct stat st;
        int r;

        if (fstatat(sealing->folder, sealing->passing, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        lift(sealing->folder, sealing->passing);
        if (S_ISDIR(st.st_mode))
                return keep_folder(sealing);
        file_state_take(&found, &st);
        r = keep(sealing, &st, found.digest);
        if (r >= 0)
                r = vault_sync(sealing->sealer->vault);
        if (r < 0)
                outcome->notes |= SEAL_NOT_KEPT;
        else if (!outcome->kept)
                outcome->found = found;
        outcome->kept |= r >= 0;
        outcome->notes |= st.st_nlink > 1 ? SEAL_HAD_NAMES : 0;
        return unlinkat(sealing->folder, sealing->passing, 0) < 0 ? -errno : 0;
}

/* ---- the fresh inode ---------------------------------------------------------------------------------------------------- */

/* All that can be given before it takes the place. The owner first, for that takes rights away; the mode last, for an ACL changes it. */
static int dress(struct sealing *sealing, int fd)
{
        const struct manifest_entry *wanted = sealing->wanted;
        const struct timespec times[] = { { .tv_nsec = UTIME_NOW },
                                          { .tv_sec = wanted->modified_ns / 1000000000,
                                            .tv_nsec = wanted->modified_ns % 1000000000 } };

        if (fchown(fd, wanted->state.uid, wanted->state.gid) < 0)
                return -errno;
        if (traits_set_xattrs(fd, sealing->xattrs, sealing->xattrs_size) < 0)
                sealing->outcome->notes |= SEAL_ATTRIBUTES;
        if (fchmod(fd, wanted->state.mode & 07777) < 0)
                return -errno;
        (void)traits_set_flags(fd, wanted->flags, TRAITS_FLAGS & ~TRAITS_FIXED);
        if (wanted->modified_ns >= 0 && futimens(fd, times) < 0)
                return -errno;
        /* who got in before did so while the flag waited for the disk: the next time there is nothing to wait for */
        return (sealing->safe_first || sealing->outcome->tries > 1) && fsync(fd) < 0 ? -errno : 0;
}

/* Nobody writes to it any more through us: the lease below is refused to whoever has a writer. */
static int reopen(struct sealing *sealing, int fd)
{
        char proc[PROC_FD_MAX];

        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
        sealing->fresh = open(proc, O_RDONLY | O_NOCTTY | O_CLOEXEC);
        return sealing->fresh < 0 ? -errno : 0;
}

/*
 * From before it has a name until it is immutable, who opens it for writing has to wait, and us told of it by a signal that nobody
 * heeds: so he is not in time for this one, and as long as he waits here not for the next one either.
 */
static int lease(struct sealing *sealing)
{
        sealing->leased =
                fcntl(sealing->fresh, F_SETSIG, SIGURG) >= 0 && fcntl(sealing->fresh, F_SETLEASE, F_RDLCK) >= 0;
        if (!sealing->leased && errno == EAGAIN)
                return -EAGAIN;
        sealing->outcome->notes |= sealing->leased ? 0 : SEAL_NO_LEASE;
        return 0;
}

/* Nobody has it open for writing, or waits for that. */
static int check_lease(const struct sealing *sealing)
{
        return sealing->leased && fcntl(sealing->fresh, F_GETLEASE) != F_RDLCK ? -EAGAIN : 0;
}

static bool has_no_nameless(int error)
{
        return error == EOPNOTSUPP || error == EISDIR || error == EINVAL;
}

static int make_file(struct sealing *sealing)
{
        _cleanup_close_ int fd = openat(sealing->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        const bool named = fd < 0 && has_no_nameless(errno);
        char proc[PROC_FD_MAX];
        int r;

        if (named)
                fd = openat(sealing->folder, sealing->passing, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                            0600);
        if (fd < 0)
                return -errno;
        r = file_write_all(fd, sealing->content, sealing->size);
        if (r >= 0)
                r = dress(sealing, fd);
        if (r >= 0)
                r = reopen(sealing, fd);
        fd = close_fd(fd);
        if (r >= 0)
                r = lease(sealing);
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", sealing->fresh);
        if (r >= 0 && !named && linkat(AT_FDCWD, proc, sealing->folder, sealing->passing, AT_SYMLINK_FOLLOW) < 0)
                r = -errno;
        if (r < 0 && named)
                (void)unlinkat(sealing->folder, sealing->passing, 0);
        return r;
}

static int make_link(struct sealing *sealing)
{
        const struct file_state *state = &sealing->wanted->state;

        if (strlen(sealing->content) != sealing->size)
                return -EBADMSG;
        if (symlinkat(sealing->content, sealing->folder, sealing->passing) < 0)
                return -errno;
        return fchownat(sealing->folder, sealing->passing, state->uid, state->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
                                                                                                            : 0;
}

static int make_fresh(struct sealing *sealing)
{
        if (sealing->fresh >= 0)
                sealing->lost[sealing->lost_n++] = TAKE_FD(sealing->fresh);
        return S_ISLNK(sealing->wanted->state.mode) ? make_link(sealing) : make_file(sealing);
}

/* ---- in place ----------------------------------------------------------------------------------------------------------- */

static int exchange(struct sealing *sealing)
{
        return renameat2(sealing->folder, sealing->passing, sealing->folder, sealing->name, RENAME_EXCHANGE) < 0
                       ? -errno
                       : 0;
}

static int place(struct sealing *sealing)
{
        return renameat2(sealing->folder, sealing->passing, sealing->folder, sealing->name, RENAME_NOREPLACE) < 0
                       ? -errno
                       : 0;
}

/* Where two names cannot be exchanged in one step, what is there is kept first, as far as it can be. */
static int replace_plainly(struct sealing *sealing)
{
        struct sealing found = *sealing;
        struct file_state state = { .there = false };
        struct stat st;
        int r;

        text_copy(found.passing, sizeof(found.passing), sealing->name);
        if (fstatat(sealing->folder, sealing->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                r = -errno;
        else
                r = S_ISDIR(st.st_mode) ? keep_folder(&found) : keep(&found, &st, state.digest);
        if (r >= 0 && !S_ISDIR(st.st_mode)) {
                file_state_take(&state, &st);
                sealing->outcome->found = state;
                sealing->outcome->kept = true;
        }
        sealing->outcome->notes |= r < 0 ? SEAL_NOT_KEPT : 0;
        return renameat(sealing->folder, sealing->passing, sealing->folder, sealing->name) < 0 ? -errno : 0;
}

/* In one step, whatever is there, and whatever somebody makes of it meanwhile. */
static int take_place(struct sealing *sealing)
{
        int r = exchange(sealing);

        if (r == -ENOENT)
                r = place(sealing);
        if (r == -EPERM || r == -EACCES) {
                lift(sealing->folder, sealing->name);
                r = exchange(sealing);
                if (r == -ENOENT)
                        r = place(sealing);
        }
        if (r == -EINVAL || r == -ENOSYS || r == -EOPNOTSUPP)
                r = replace_plainly(sealing);
        return r == -EEXIST ? -EAGAIN : r;
}

static void make_immutable(struct sealing *sealing)
{
        const struct sealer *sealer = sealing->sealer;
        uint32_t flags = TRAITS_FIXED & sealing->wanted->flags;
        int r;

        if (!sealing->wanted->immutable && flags == 0)
                return;
        r = sealer->mark ? sealer->mark(sealer->self, sealing->wanted->path) : 0;
        if (r >= 0)
                r = traits_set_flags(sealing->fresh, flags | (sealing->wanted->immutable ? TRAITS_IMMUTABLE : 0),
                                     TRAITS_FIXED);
        if (r < 0)
                sealing->outcome->notes |= r == -EOPNOTSUPP ? SEAL_NO_FLAGS : SEAL_FLAGS_REFUSED;
}

/*
 * The kernel refuses the lease as long as anybody has it open for writing or mapped so. It is given back at once; who opens it
 * for writing in between has us told by a signal that nobody heeds.
 */
static int check_writers(struct sealing *sealing, int fd)
{
        int r = fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0 ? -errno : 0;

        if (r >= 0)
                (void)fcntl(fd, F_SETLEASE, F_UNLCK);
        else if (r != -EAGAIN)
                sealing->outcome->notes |= SEAL_NO_LEASE;
        return r == -EAGAIN ? r : 0;
}

/* Whoever was quick enough is found out by what he wrote. */
static int check_content(const struct sealing *sealing, int fd)
{
        _cleanup_free_ char *piece = malloc(PIECE);
        size_t at = 0;
        ssize_t n;

        if (!piece)
                return -ENOMEM;
        while ((n = pread(fd, piece, PIECE, (off_t)at)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if ((size_t)n > sealing->size - at || memcmp(piece, sealing->content + at, (size_t)n) != 0)
                        return -EAGAIN;
                at += (size_t)n;
        }
        return at == sealing->size ? 0 : -EAGAIN;
}

/* It is what the place has, under that name alone, as it was dressed. */
static int check_inode(const struct sealing *sealing, const struct manifest_entry *now)
{
        const struct file_state *wanted = &sealing->wanted->state;
        struct stat ours, st;

        if (fstat(sealing->fresh, &ours) < 0)
                return -errno;
        if (fstatat(sealing->folder, sealing->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != ours.st_ino ||
            st.st_dev != ours.st_dev || ours.st_nlink != 1)
                return -EAGAIN;
        return now->state.mode == wanted->mode && now->state.uid == wanted->uid && now->state.gid == wanted->gid
                       ? 0
                       : -EAGAIN;
}

static int seal_inode(struct sealing *sealing)
{
        struct manifest_entry *entry = &sealing->outcome->entry;
        int r;

        make_immutable(sealing);
        r = traits_take(sealing->fresh, entry);
        if (r >= 0)
                r = check_inode(sealing, entry);
        if (r >= 0)
                r = check_content(sealing, sealing->fresh);
        if (r >= 0)
                r = check_lease(sealing);
        if (r >= 0 && memcmp(entry->attributes, sealing->wanted->attributes, DIGEST_SIZE) != 0)
                sealing->outcome->notes |= SEAL_ATTRIBUTES;
        return r;
}

static int seal_link(struct sealing *sealing)
{
        _cleanup_close_ int fd = openat(sealing->folder, sealing->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        char target[PATH_MAX];
        ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target));

        if (n < 0 || (size_t)n != sealing->size || memcmp(target, sealing->content, sealing->size) != 0)
                return -EAGAIN; /* it is another by now */
        return traits_take(fd, &sealing->outcome->entry);
}

/* ---- all of it ---------------------------------------------------------------------------------------------------------- */

/* What was sealed is what had the place until now, to the last moment. */
static int check_replaced(struct sealing *sealing)
{
        struct stat st;
        _cleanup_close_ int fd = -1;

        if (fstatat(sealing->folder, sealing->passing, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0; /* two names could not be exchanged here */
        if (st.st_ino != sealing->old.st_ino || st.st_dev != sealing->old.st_dev ||
            st.st_mode != sealing->old.st_mode || st.st_uid != sealing->old.st_uid || st.st_gid != sealing->old.st_gid)
                return -EAGAIN;
        if (S_ISLNK(st.st_mode))
                return 0;
        fd = open_found(sealing->folder, sealing->passing, &st);
        if (fd < 0)
                return fd;
        return check_writers(sealing, fd) < 0 ? -EAGAIN : check_content(sealing, fd);
}

static int drop_passing(struct sealing *sealing, int r)
{
        (void)unlinkat(sealing->folder, sealing->passing, 0);
        return r;
}

/*
 * What a restore of a moment ago found may still have the usual name, and waits: to keep it takes longer than to end what is wrong now.
 * Or somebody put something there, which cannot even be moved, a mount say.
 */
static void choose_passing(struct sealing *sealing)
{
        struct stat st;

        if (sealing->outcome->tries == 1 && fstatat(sealing->folder, sealing->passing, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
            errno == ENOENT)
                return;
        if (sealing->outcome->tries > 1 && clear_passing(sealing) >= 0)
                return;
        name_by_chance(sealing, "", sealing->passing);
        sealing->by_chance = true;
}

static int seal_once(struct sealing *sealing)
{
        int r;

        choose_passing(sealing);
        r = make_fresh(sealing);
        if (r < 0)
                return r == -EAGAIN ? r : say_error(sealing, r, "written");
        r = take_place(sealing);
        if (r < 0)
                return drop_passing(sealing, r == -EAGAIN ? r : say_error(sealing, r, "replaced"));
        r = sealing->as_it_is ? check_replaced(sealing) : 0;
        if (r < 0)
                return exchange(sealing) < 0 ? -EIO : drop_passing(sealing, -ESTALE);
        return sealing->fresh < 0 ? seal_link(sealing) : seal_inode(sealing);
}

static int seal_until_nobody_writes(struct sealing *sealing)
{
        int r = -EAGAIN;

        lift_folder(sealing);
        while (r == -EAGAIN && sealing->outcome->tries++ < TRIES)
                r = seal_once(sealing);
        sealing->outcome->tries -= sealing->outcome->tries > TRIES;
        if (sealing->by_chance && clear_passing(sealing) < 0) /* nobody else will find it */
                sealing->outcome->notes |= SEAL_NOT_KEPT;
        fix_folder(sealing);
        if (r == -EAGAIN)
                return say(sealing, r, "is written to again and again");
        if (r == -ESTALE)
                return say(sealing, -EAGAIN, "was changed while it was sealed");
        return r < 0 ? say_error(sealing, r, "sealed") : 0;
}

static void begin(struct sealing *sealing, const struct sealer *sealer, const struct manifest_entry *wanted,
                  struct seal_outcome *outcome)
{
        *sealing =
                (struct sealing){ .sealer = sealer, .wanted = wanted, .outcome = outcome, .folder = -1, .fresh = -1 };
}

static void make_safe(struct sealing *sealing)
{
        struct stat st;
        _cleanup_close_ int fd = open_found(sealing->folder, sealing->name, &st);

        if ((fd >= 0 && fsync(fd) < 0) || fsync(sealing->folder) < 0)
                sealing->outcome->notes |= SEAL_NOT_SAFE;
}

/* The new name is safe before what was there loses its own. */
static void settle(struct sealing *sealing)
{
        make_safe(sealing);
        if (faccessat(sealing->folder, sealing->passing, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                lift_folder(sealing);
        if (clear_passing(sealing) < 0 && !sealing->outcome->kept)
                sealing->outcome->notes |= SEAL_NOT_KEPT;
        fix_folder(sealing);
}

static bool is_nothing(const uint8_t digest[DIGEST_SIZE])
{
        static const uint8_t zero[DIGEST_SIZE];

        return memcmp(digest, zero, DIGEST_SIZE) == 0;
}

/* What is to be there, all of it in memory before anything is touched. */
static int fetch(struct sealing *sealing)
{
        struct vault *vault = sealing->sealer->vault;
        const struct manifest_entry *wanted = sealing->wanted;
        int r = vault_get(vault, wanted->state.digest, vault_limits(vault)->content_most, &sealing->content,
                          &sealing->size);

        if (r == -ENOENT || r == -EBADMSG)
                return say(sealing, r,
                           r == -ENOENT ? "cannot be put back: nothing is stored of it"
                                        : "cannot be put back: what is stored of it is damaged");
        if (r < 0)
                return say_error(sealing, r, "fetched from what is stored");
        if (!is_nothing(wanted->attributes) &&
            vault_get(vault, wanted->attributes, TRAITS_XATTRS_MAX, &sealing->xattrs, &sealing->xattrs_size) < 0)
                sealing->outcome->notes |= SEAL_ATTRIBUTES;
        return 0;
}

static void begin_outcome(struct seal_outcome *outcome, const struct manifest_entry *wanted)
{
        *outcome = (struct seal_outcome){ .entry = *wanted };
}

/* The entry's own words stay, and the digest is that of what was written. */
static void end_outcome(struct seal_outcome *outcome, const struct manifest_entry *wanted)
{
        memcpy(outcome->entry.state.digest, wanted->state.digest, DIGEST_SIZE);
}

static int put_back(struct sealing *sealing)
{
        struct seal_outcome *outcome = sealing->outcome;
        int r = fetch(sealing);

        if (r >= 0)
                r = find_folder(sealing, true);
        if (r >= 0)
                r = look(sealing);
        if (r < 0)
                return r;
        if (sealing->there) {
                file_state_take(&outcome->found, &sealing->old);
                outcome->found.there = true;
        }
        r = seal_until_nobody_writes(sealing);
        end_outcome(outcome, sealing->wanted);
        return r;
}

int seal_restore(const struct sealer *sealer, const struct manifest_entry *entry, struct seal_outcome *ret)
{
        _cleanup_(sealing_done) struct sealing sealing;

        begin(&sealing, sealer, entry, ret);
        begin_outcome(ret, entry);
        return put_back(&sealing);
}

int seal_put(const struct sealer *sealer, const struct manifest_entry *entry, struct seal_outcome *ret)
{
        _cleanup_(sealing_done) struct sealing sealing;
        int r;

        begin(&sealing, sealer, entry, ret);
        begin_outcome(ret, entry);
        sealing.safe_first = true;
        r = put_back(&sealing);
        if (r >= 0)
                settle(&sealing);
        return r;
}

void seal_settle(const struct sealer *sealer, const struct manifest_entry *entry, struct seal_outcome *outcome)
{
        _cleanup_(sealing_done) struct sealing sealing;

        begin(&sealing, sealer, entry, outcome);
        outcome->text[0] = '\0';
        if (find_folder(&sealing, false) < 0)
                outcome->notes |= SEAL_NOT_SAFE;
        else
                settle(&sealing);
}

/* ---- as it is ----------------------------------------------------------------------------------------------------------- */

static int read_link(struct sealing *sealing)
{
        char target[PATH_MAX];
        ssize_t n = readlinkat(sealing->folder, sealing->name, target, sizeof(target));

        if (n < 0)
                return -errno;
        sealing->content = strndup(target, (size_t)n);
        sealing->size = (size_t)n;
        return sealing->content ? 0 : -ENOMEM;
}

static int read_file(struct sealing *sealing, struct manifest_entry *entry)
{
        _cleanup_close_ int fd = open_found(sealing->folder, sealing->name, &sealing->old);
        char proc[PROC_FD_MAX];
        int r;

        if (fd < 0)
                return fd == -EBADF ? say(sealing, fd, "is neither a file nor a link") : fd;
        if (S_ISDIR(sealing->old.st_mode))
                return say(sealing, -EISDIR, "is a folder");
        if (check_writers(sealing, fd) < 0)
                return say(sealing, -EBUSY, "is open for writing: seal it when nobody writes to it");
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
        r = file_read(proc, vault_limits(sealing->sealer->vault)->content_most, &sealing->content, &sealing->size);
        if (r == -EFBIG)
                return say(sealing, r, "is larger than what can be stored of one file");
        if (r >= 0)
                r = traits_xattrs(fd, &sealing->xattrs, &sealing->xattrs_size);
        return r < 0 ? r : traits_take(fd, entry);
}

/* The entry as it is to be; its content and attributes are safe in the vault. */
static int take_old(struct sealing *sealing, struct manifest_entry *entry)
{
        struct vault *vault = sealing->sealer->vault;
        int r = S_ISLNK(sealing->old.st_mode) ? read_link(sealing) : read_file(sealing, entry);

        if (r >= 0 && S_ISLNK(sealing->old.st_mode))
                file_state_take(&entry->state, &sealing->old);
        if (r < 0)
                return say_error(sealing, r, "read");
        r = vault_put(vault, sealing->content, sealing->size, entry->state.digest);
        if (r >= 0 && sealing->xattrs_size > 0)
                r = vault_put(vault, sealing->xattrs, sealing->xattrs_size, entry->attributes);
        if (r >= 0)
                r = vault_sync(vault);
        return r < 0 ? say_error(sealing, r, "stored") : 0;
}

int seal_take(const struct sealer *sealer, const struct manifest_entry *wanted, struct seal_outcome *ret)
{
        _cleanup_(sealing_done) struct sealing sealing;
        struct manifest_entry entry = *wanted;
        int r;

        begin(&sealing, sealer, &entry, ret);
        begin_outcome(ret, wanted);
        sealing.safe_first = sealing.as_it_is = true;
        r = find_folder(&sealing, false);
        if (r >= 0)
                r = look(&sealing);
        if (r >= 0 && !sealing.there)
                r = say(&sealing, -ENOENT, "is not there");
        if (r >= 0)
                r = take_old(&sealing, &entry);
        if (r < 0)
                return r;
        entry.flags &= wanted->immutable ? ~TRAITS_IMMUTABLE : ~0U; /* what we set is not what we found */
        r = seal_until_nobody_writes(&sealing);
        end_outcome(ret, &entry);
        if (r >= 0)
                settle(&sealing);
        return r;
}

int seal_folder(const struct sealer *sealer, const struct manifest_entry *wanted, struct seal_outcome *ret)
{
        _cleanup_(sealing_done) struct sealing sealing;
        _cleanup_free_ char *xattrs = NULL;
        size_t size = 0;
        int r;

        begin(&sealing, sealer, wanted, ret);
        begin_outcome(ret, wanted);
        r = sealing.fresh = straight_open(wanted->path, O_RDONLY | O_DIRECTORY);
        if (r >= 0)
                r = traits_xattrs(sealing.fresh, &xattrs, &size);
        if (r >= 0 && size > 0)
                r = vault_put(sealer->vault, xattrs, size, ret->entry.attributes);
        if (r < 0)
                return say_error(&sealing, r, "sealed");
        make_immutable(&sealing);
        r = traits_take(sealing.fresh, &ret->entry);
        return r < 0 ? say_error(&sealing, r, "looked at") : 0;
}

int seal_lift(const char *path)
{
        _cleanup_close_ int fd = straight_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        int r;

        if (fd < 0)
                return fd == -ENOENT || fd == -ELOOP || fd == -ENXIO ? 0 : fd;
        r = traits_set_flags(fd, 0, TRAITS_IMMUTABLE);
        return r == -EOPNOTSUPP ? 0 : r;
}
