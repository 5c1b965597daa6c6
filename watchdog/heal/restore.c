#include "heal/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "io/straight.h"

#define NAME_ASIDE_MAX 32
#define PROC_FD_MAX (sizeof("/proc/self/fd/") + 3 * sizeof(int))
#define XATTRS_MAX 4096

enum step {
        STEP_TODO,
        STEP_READY,
        STEP_NAMED,  /* the new one has its passing name */
        STEP_ASIDE,  /* the new one has the name, the old one is set aside */
        STEP_PLACED, /* there was no old one */
        STEP_TAKEN,  /* there is no new one, the old one is set aside */
        STEP_DONE,
};

/* One file that differs. */
struct change {
        const struct version_file *from, *to; /* NULL: it is not there */
        enum step step;
        int folder, file; /* the new content, without a name yet; -1 none */
        bool late;        /* it is only written when it gets its name */
        unsigned made;    /* folders that were made for it */
        const char *name; /* within the folder */
        char aside[NAME_ASIDE_MAX];
        struct stat old;
};

struct restore {
        struct vault *vault;
        struct change *list;
        uint32_t n, at;
        uint32_t back, gone; /* files that were put back, and moved away */
        char text[RESTORE_TEXT_MAX];
};

static const char *path_of(const struct change *change)
{
        return change->to ? change->to->path : change->from->path;
}

static int say(struct restore *restore, int error, const struct change *change, const char *what)
{
        const char *path = path_of(change);
        size_t length = strlen(path);

        snprintf(restore->text, sizeof(restore->text), "%s%.160s %s", length > 160 ? "..." : "",
                 length > 160 ? path + length - 160 : path, what);
        return error;
}

/* An errno in words that name the file. */
static int say_error(struct restore *restore, int error, const struct change *change, const char *doing)
{
        char what[160];

        snprintf(what, sizeof(what), "cannot be %s: %s", doing, strerror(-error));
        return say(restore, error, change, what);
}

/* ---- where it is -------------------------------------------------------------------------------------------------------- */

static int open_folder(const char *path)
{
        return straight_open(path, O_RDONLY | O_DIRECTORY);
}

/* A folder that is gone too is made again, for whoever owns the file, as far as the file itself may be read. */
static int make_folder(struct change *change, const char *folder)
{
        const struct file_state *state = &change->to->state;
        mode_t mode = 0700 | (state->mode & 0044) | (state->mode & 0044) >> 2;
        char above[FILE_PATH_MAX];
        _cleanup_close_ int parent = -1;
        int r;

        path_folder(folder, above);
        r = parent = open_folder(above);
        if (r == -ENOENT && strcmp(above, "/") != 0)
                r = parent = make_folder(change, above);
        if (r < 0)
                return r;
        if (mkdirat(parent, strrchr(folder, '/') + 1, mode) < 0)
                return -errno;
        change->made++;
        r = openat(parent, strrchr(folder, '/') + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (r >= 0 && fchown(r, state->uid, state->gid) < 0) {
                int error = -errno;

                close_fd(r);
                return error;
        }
        return r < 0 ? -errno : r;
}

/* Folders that were made for nothing; one that is not empty stays. */
static void unmake_folders(struct change *change)
{
        char path[FILE_PATH_MAX], folder[FILE_PATH_MAX], above[FILE_PATH_MAX];

        text_copy(path, sizeof(path), path_of(change));
        for (; change->made > 0; change->made--) {
                _cleanup_close_ int parent = -1;

                path_folder(path, folder);
                path_folder(folder, above);
                parent = open_folder(above);
                if (parent < 0 || unlinkat(parent, strrchr(folder, '/') + 1, AT_REMOVEDIR) < 0)
                        return;
                text_copy(path, sizeof(path), folder);
        }
}

static int find_folder(struct restore *restore, struct change *change)
{
        char folder[FILE_PATH_MAX];

        path_folder(path_of(change), folder);
        change->name = strrchr(path_of(change), '/') + 1;
        change->folder = open_folder(folder);
        if (change->folder == -ENOENT && change->to)
                change->folder = make_folder(change, folder);
        if (change->folder == -ELOOP)
                return say(restore, -ELOOP, change, "is reached through a symbolic link, which is not followed");
        if (change->folder < 0)
                return say_error(restore, change->folder, change, "reached");
        return 0;
}

/* ---- what is there ------------------------------------------------------------------------------------------------------ */

/* The inode that was looked at is the one that is read: no name is looked up between. */
static int keep_old(struct vault *vault, struct change *change, uint8_t ret[DIGEST_SIZE])
{
        _cleanup_close_ int fd = -1;
        _cleanup_close_ int seen = openat(change->folder, change->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        char again[PROC_FD_MAX];

        if (seen < 0 || fstat(seen, &change->old) < 0)
                return -errno;
        if (S_ISLNK(change->old.st_mode))
                return vault_put_link(vault, change->folder, change->name, ret);
        if (!S_ISREG(change->old.st_mode))
                return -EBADF;
        snprintf(again, sizeof(again), "/proc/self/fd/%d", seen);
        fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? -errno : vault_put_file(vault, fd, ret);
}

static int say_kept(struct restore *restore, const struct change *change, int r)
{
        switch (r) {
        case -ENOENT: return say(restore, -ESTALE, change, "is gone by now");
        case -EBADF:
                return say(restore, r, change,
                           S_ISDIR(change->old.st_mode) ? "is a folder now" : "is neither a file nor a link");
        case -EFBIG: return say(restore, r, change, "is too large to be kept, and would be lost");
        case -EDQUOT: return say(restore, r, change, "cannot be kept, for the vault is full, and would be lost");
        default: return say_error(restore, r, change, "kept");
        }
}

/* What will be replaced is in the vault, and is what was decided about. */
static int check_old(struct restore *restore, struct change *change)
{
        struct file_state now = { .there = false };
        struct stat st;
        int r;

        if (!change->from) {
                if (fstatat(change->folder, change->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return errno == ENOENT ? 0 : say_error(restore, -errno, change, "looked at");
                if (S_ISDIR(st.st_mode))
                        return say(restore, -EISDIR, change, "is a folder now");
                return say(restore, -ESTALE, change, "is there by now");
        }
        r = keep_old(restore->vault, change, now.digest);
        if (r < 0)
                return say_kept(restore, change, r);
        file_state_take(&now, &change->old);
        if (!file_state_same(&now, &change->from->state))
                return say(restore, -ESTALE, change, "was changed meanwhile");
        return 0;
}

/* ---- what will be there ------------------------------------------------------------------------------------------------- */

/*
 * What the old file has beside its content and the new one cannot know of: attributes of its users, and who else may read it. Only
 * from the same owner: another one could let himself in by it.
 */
static void copy_attributes(const struct change *change, int to)
{
        _cleanup_close_ int old =
                openat(change->folder, change->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        char names[XATTRS_MAX], value[XATTRS_MAX];
        ssize_t all = old < 0 ? -1 : flistxattr(old, names, sizeof(names));

        for (const char *name = names; all > 0 && name < names + all; name += strlen(name) + 1) {
                ssize_t size;

                if (!text_starts(name, "user.") && strcmp(name, "system.posix_acl_access") != 0)
                        continue;
                size = fgetxattr(old, name, value, sizeof(value));
                if (size >= 0)
                        (void)fsetxattr(to, name, value, (size_t)size, 0);
        }
}

/* While it is still ours: the mode first, for whoever gives a file away may no longer change it. */
static int give_to_owner(int fd, const struct file_state *state)
{
        if (fchmod(fd, state->mode & 0777) < 0 || fchown(fd, state->uid, state->gid) < 0)
                return -errno;
        return 0;
}

static int fill(struct restore *restore, struct change *change)
{
        int r = vault_copy(restore->vault, change->to->state.digest, change->file);

        if (r == -EBADMSG || r == -ENOENT)
                return say(restore, r, change,
                           r == -EBADMSG ? "cannot be put back: what is stored of it is damaged"
                                         : "cannot be put back: nothing is stored of it");
        if (r >= 0 && change->from && S_ISREG(change->old.st_mode) && change->old.st_uid == change->to->state.uid)
                copy_attributes(change, change->file);
        if (r >= 0)
                r = give_to_owner(change->file, &change->to->state);
        if (r >= 0 && fsync(change->file) < 0)
                r = -errno;
        return r < 0 ? say_error(restore, r, change, "written") : 0;
}

/* Without a name until all are whole: nobody sees a part of it, and who watches the folder does not take it for one of its files. */
static int prepare_file(struct restore *restore, struct change *change)
{
        change->file = openat(change->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
        if (change->file >= 0)
                return fill(restore, change);
        if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
                return say_error(restore, -errno, change, "written");
        change->late = true; /* this file system has no such files */
        return 0;
}

/* A name that is always the same for the same file: what a crash left under it is found again. */
static void name_aside(struct change *change)
{
        snprintf(change->aside, sizeof(change->aside), ".governor-%08x", text_hash(path_of(change)));
}

/* What stands under our name is thrown away when the vault has it; anything else is somebody's, and in the way. */
static int clear_aside(struct restore *restore, struct change *change)
{
        struct change left = { .folder = change->folder, .name = change->aside, .file = -1 };
        uint8_t digest[DIGEST_SIZE];
        struct stat st;

        if (fstatat(change->folder, change->aside, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : say_error(restore, -errno, change, "prepared");
        if (keep_old(restore->vault, &left, digest) < 0 || unlinkat(change->folder, change->aside, 0) < 0)
                return say(restore, -EEXIST, change, "cannot be put back: something of its folder is in the way");
        return 0;
}

static int prepare_one(struct restore *restore, struct change *change)
{
        int r = find_folder(restore, change);

        name_aside(change);
        if (r >= 0)
                r = check_old(restore, change);
        if (r >= 0)
                r = clear_aside(restore, change);
        if (r >= 0 && change->to && S_ISREG(change->to->state.mode))
                r = prepare_file(restore, change);
        if (r >= 0 && change->to && !S_ISREG(change->to->state.mode) && !S_ISLNK(change->to->state.mode))
                r = say(restore, -EBADF, change, "was neither a file nor a link");
        if (r >= 0)
                change->step = STEP_READY;
        return r;
}

int restore_prepare(struct restore *restore)
{
        int r = restore->at < restore->n ? prepare_one(restore, &restore->list[restore->at++]) : 0;

        if (r >= 0 && restore->at == restore->n) {
                r = vault_sync(restore->vault); /* before anything of it is replaced */
                if (r < 0)
                        snprintf(restore->text, sizeof(restore->text), "the vault cannot be written: %s", strerror(-r));
        }
        return r < 0 ? r : restore->at < restore->n;
}

/* ---- in place ----------------------------------------------------------------------------------------------------------- */

/* Under its passing name, from which it takes the place of the old one. */
static int name_file(struct change *change)
{
        char proc[PROC_FD_MAX];

        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", change->file);
        if (linkat(AT_FDCWD, proc, change->folder, change->aside, AT_SYMLINK_FOLLOW) < 0)
                return -errno;
        change->step = STEP_NAMED;
        return 0;
}

static int write_late(struct restore *restore, struct change *change)
{
        change->file =
                openat(change->folder, change->aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (change->file < 0)
                return -errno;
        change->step = STEP_NAMED;
        return fill(restore, change);
}

static int name_link(struct restore *restore, struct change *change)
{
        const struct file_state *state = &change->to->state;
        _cleanup_free_ char *target = NULL;
        size_t size;
        int r = vault_get(restore->vault, state->digest, PATH_MAX - 1, &target, &size);

        if (r < 0)
                return r;
        if (strlen(target) != size || symlinkat(target, change->folder, change->aside) < 0)
                return strlen(target) != size ? -EBADMSG : -errno;
        change->step = STEP_NAMED;
        return fchownat(change->folder, change->aside, state->uid, state->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int name_new(struct restore *restore, struct change *change)
{
        if (S_ISLNK(change->to->state.mode))
                return name_link(restore, change);
        return change->late ? write_late(restore, change) : name_file(change);
}

/* Whether what has this name is what we wrote. */
static bool is_ours(const struct change *change, const char *name)
{
        struct stat ours, st;

        if (fstatat(change->folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        if (change->file < 0)
                return S_ISLNK(st.st_mode);
        return fstat(change->file, &ours) >= 0 && st.st_ino == ours.st_ino && st.st_dev == ours.st_dev;
}

static bool is_as_it_was(const struct change *change, const char *name)
{
        struct stat st;

        return fstatat(change->folder, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && st.st_ino == change->old.st_ino &&
               st.st_dev == change->old.st_dev && st.st_size == change->old.st_size &&
               st.st_mtim.tv_sec == change->old.st_mtim.tv_sec && st.st_mtim.tv_nsec == change->old.st_mtim.tv_nsec;
}

/* Where two names cannot be exchanged in one step, the old one goes as soon as it was looked at once more. */
static int replace_plainly(struct change *change)
{
        if (!is_as_it_was(change, change->name))
                return -ESTALE;
        if (renameat(change->folder, change->aside, change->folder, change->name) < 0)
                return -errno;
        change->step = STEP_DONE; /* the vault alone has the old one */
        return 0;
}

static int exchange(struct change *change)
{
        return renameat2(change->folder, change->aside, change->folder, change->name, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

/* The old and the new one change their names: what somebody wrote at the last moment is seen, and not lost. */
static int replace(struct restore *restore, struct change *change)
{
        int r = name_new(restore, change);

        if (r < 0)
                return r;
        r = exchange(change);
        if (r == -EINVAL || r == -ENOSYS || r == -EOPNOTSUPP)
                return replace_plainly(change);
        if (r < 0)
                return r;
        change->step = STEP_ASIDE;
        return is_as_it_was(change, change->aside) ? 0 : -ESTALE;
}

static int rename_only(const struct change *change, const char *from, const char *to)
{
        int r = renameat2(change->folder, from, change->folder, to, RENAME_NOREPLACE) < 0 ? -errno : 0;

        if (r == -EINVAL && faccessat(change->folder, to, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                r = renameat(change->folder, from, change->folder, to) < 0 ? -errno : 0;
        return r;
}

static int place(struct restore *restore, struct change *change)
{
        int r = name_new(restore, change);

        if (r >= 0)
                r = rename_only(change, change->aside, change->name);
        if (r >= 0)
                change->step = STEP_PLACED;
        return r == -EEXIST ? -ESTALE : r;
}

static int take_away(struct change *change)
{
        int r = rename_only(change, change->name, change->aside);

        if (r < 0)
                return r == -ENOENT ? -ESTALE : r;
        change->step = STEP_TAKEN;
        return is_as_it_was(change, change->aside) ? 0 : -ESTALE;
}

static int put_in_place(struct restore *restore, struct change *change)
{
        int r;

        restore->text[0] = '\0';
        r = !change->to ? take_away(change) : change->from ? replace(restore, change) : place(restore, change);
        if (r >= 0 || restore->text[0])
                return r;
        return r == -ESTALE ? say(restore, r, change, "was changed meanwhile")
                            : say_error(restore, r, change, "replaced");
}

static int throw_ours(const struct change *change, const char *name)
{
        return is_ours(change, name) && unlinkat(change->folder, name, 0) < 0 ? -errno : 0;
}

/* Back to how it was before; what somebody else put there meanwhile stays. 1: it is not as it was. */
static int undo(struct change *change)
{
        int r = 0;

        switch (change->step) {
        case STEP_NAMED: (void)throw_ours(change, change->aside); break;
        case STEP_ASIDE:
                r = exchange(change);
                if (r >= 0)
                        (void)throw_ours(change, change->aside);
                break;
        case STEP_PLACED: r = throw_ours(change, change->name); break;
        case STEP_TAKEN: r = rename_only(change, change->aside, change->name); break;
        case STEP_DONE: return 1;
        default: return 0;
        }
        change->step = r < 0 ? STEP_DONE : STEP_TODO;
        return r < 0;
}

static void undo_all(struct restore *restore)
{
        unsigned stayed = 0;

        for (uint32_t n = restore->n; n-- > 0;)
                stayed += (unsigned)undo(&restore->list[n]);
        if (stayed > 0)
                text_append(restore->text, sizeof(restore->text), "; of the others %u had been put back and stay%s so",
                            stayed, stayed == 1 ? "s" : "");
}

/* The old ones are in the vault: their passing names go. */
static void finish(struct restore *restore, struct change *change)
{
        if (change->step == STEP_ASIDE || change->step == STEP_TAKEN)
                (void)unlinkat(change->folder, change->aside, 0);
        change->step = STEP_DONE;
        restore->back += change->to != NULL;
        restore->gone += change->to == NULL;
}

static void say_done(struct restore *restore)
{
        restore->text[0] = '\0';
        if (restore->back > 0)
                text_append(restore->text, sizeof(restore->text), "%u file%s put back", restore->back,
                            restore->back == 1 ? "" : "s");
        if (restore->gone > 0)
                text_append(restore->text, sizeof(restore->text), "%s%u moved away", restore->back ? ", " : "",
                            restore->gone);
        if (restore->n == 0)
                text_append(restore->text, sizeof(restore->text), "every file was so already");
}

static bool is_same_folder(int a, int b)
{
        struct stat one, other;

        return fstat(a, &one) >= 0 && fstat(b, &other) >= 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

/* Files come in the order of their paths: what is in one folder mostly stands together, and is made safe together. */
static bool is_made_safe_by_the_last(const struct restore *restore, uint32_t n)
{
        return n > 0 && is_same_folder(restore->list[n - 1].folder, restore->list[n].folder);
}

int restore_commit(struct restore *restore)
{
        int r = 0;

        for (uint32_t n = 0; r >= 0 && n < restore->n; n++)
                r = put_in_place(restore, &restore->list[n]);
        /* the new names are safe before the old contents lose theirs */
        for (uint32_t n = 0; r >= 0 && n < restore->n; n++)
                if (!is_made_safe_by_the_last(restore, n) && fsync(restore->list[n].folder) < 0)
                        r = say_error(restore, -errno, &restore->list[n], "made safe");
        if (r < 0) {
                undo_all(restore);
                return r;
        }
        for (uint32_t n = 0; n < restore->n; n++)
                finish(restore, &restore->list[n]);
        say_done(restore);
        return 0;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------------- */

static int list_changes(struct restore *restore, const struct version *from, const struct version *to)
{
        const struct version_file *of_from, *of_to;
        struct version_walk walk = { 0 };

        while (version_next_different(from, to, &walk, &of_from, &of_to)) {
                if (restore->n == RESTORE_FILES_MAX)
                        return -E2BIG;
                restore->list[restore->n++] =
                        (struct change){ .from = of_from, .to = of_to, .folder = -1, .file = -1, .name = "" };
        }
        return 0;
}

int restore_new(struct vault *vault, const struct version *from, const struct version *to, struct restore **ret)
{
        _cleanup_(restore_freep) struct restore *restore = calloc(1, sizeof(*restore));
        int r;

        if (!restore)
                return -ENOMEM;
        restore->vault = vault;
        restore->list = calloc(RESTORE_FILES_MAX, sizeof(*restore->list));
        r = restore->list ? list_changes(restore, from, to) : -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(restore);
        return 0;
}

struct restore *restore_free(struct restore *restore)
{
        if (!restore)
                return NULL;
        for (uint32_t n = 0; restore->list && n < restore->n; n++) {
                close_fd(restore->list[n].file);
                close_fd(restore->list[n].folder);
                if (restore->list[n].step != STEP_DONE)
                        unmake_folders(&restore->list[n]);
        }
        free(restore->list);
        free(restore);
        return NULL;
}

const char *restore_text(const struct restore *restore)
{
        return restore->text;
}

void restore_each(const struct restore *restore,
                  void (*each)(void *self, const char *path, const struct file_state *now), void *self)
{
        static const struct file_state none = { .there = false };

        for (uint32_t n = 0; n < restore->n; n++)
                if (restore->list[n].step == STEP_DONE)
                        each(self, path_of(&restore->list[n]),
                             restore->list[n].to ? &restore->list[n].to->state : &none);
}
