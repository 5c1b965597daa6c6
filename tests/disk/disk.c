#include "inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct disk *disk_watched;

/* ---- what belongs to it --------------------------------------------------------------------------------------- */

/* The part below the directory; NULL: it is elsewhere. The index of a WAL is rebuilt by whoever comes first. */
static const char *below(const struct disk *disk, const char *path)
{
        const size_t length = strlen(disk->dir);
        const char *shm = strstr(path, "-shm");

        if (strncmp(path, disk->dir, length) != 0 || (path[length] != '/' && path[length] != '\0') || shm)
                return NULL;
        path += length;
        while (*path == '/' || (path[0] == '.' && (path[1] == '\0' || path[1] == '/')))
                path++;
        return path;
}

bool disk_has_path(const char *path)
{
        return disk_watched && below(disk_watched, path);
}

static bool path_of(int fd, char ret[static PATH_MAX])
{
        char proc[32];
        ssize_t n;

        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
        n = readlink(proc, ret, PATH_MAX - 1);
        ret[n > 0 ? n : 0] = '\0';
        return n > 0;
}

bool disk_has_fd(int fd)
{
        char path[PATH_MAX];

        return disk_watched && path_of(fd, path) && below(disk_watched, path);
}

int disk_call(void)
{
        struct disk *disk = disk_watched;
        const size_t call = disk->calls++;

        return call >= disk->fail_from && call - disk->fail_from < disk->fail_count ? disk->fail_error : 0;
}

void disk_fail(struct disk *disk, size_t from, size_t count, int error)
{
        disk->fail_from = from;
        disk->fail_count = count;
        disk->fail_error = error;
}

size_t disk_calls(const struct disk *disk)
{
        return disk->calls;
}

/* ---- writing down --------------------------------------------------------------------------------------------- */

static struct step *add(struct disk *disk, enum kind kind, int file)
{
        if (disk->n == disk->room) {
                disk->room = 2 * disk->room + 256;
                disk->steps = reallocarray(disk->steps, disk->room, sizeof(*disk->steps));
                if (!disk->steps)
                        abort();
        }
        disk->steps[disk->n] = (struct step){ .kind = kind, .file = file, .holder = file };
        return &disk->steps[disk->n++];
}

static int find_file(const struct disk *disk, ino_t inode)
{
        for (int i = 0; i < disk->files_n; i++)
                if (disk->files[i].inode == inode && !disk->files[i].is_gone)
                        return i;
        return -1;
}

static int know_file(struct disk *disk, const struct stat *st)
{
        int i = find_file(disk, st->st_ino);

        if (i >= 0)
                return i;
        if (disk->files_n == FILES_MAX)
                abort();
        i = disk->files_n++;
        disk->files[i] = (struct file){ .inode = st->st_ino, .is_directory = S_ISDIR(st->st_mode) };
        return i;
}

static int file_of(struct disk *disk, int fd)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                abort();
        return know_file(disk, &st);
}

static void add_write(struct disk *disk, int file, const void *bytes, size_t length, size_t offset)
{
        struct step *step = add(disk, WRITE, file);

        step->bytes = malloc(length + 1);
        if (!step->bytes)
                abort();
        memcpy(step->bytes, bytes, length);
        step->length = length;
        step->offset = offset;
        disk_put(&disk->files[file], bytes, length, offset);
}

void disk_wrote(int fd, const void *bytes, size_t length, off_t offset)
{
        add_write(disk_watched, file_of(disk_watched, fd), bytes, length, (size_t)offset);
}

static void add_truncate(struct disk *disk, int file, size_t length)
{
        add(disk, TRUNCATE, file)->length = length;
        disk_cut_to(&disk->files[file], length);
}

void disk_truncated(int fd, off_t length)
{
        add_truncate(disk_watched, file_of(disk_watched, fd), (size_t)length);
}

static int directory_of(struct disk *disk, const char *name)
{
        const char *slash = strrchr(name, '/');
        char path[PATH_MAX + NAME_ROOM];
        struct stat st;

        snprintf(path, sizeof(path), "%s/%.*s", disk->dir, slash ? (int)(slash - name) : 0, name);
        if (stat(path, &st) < 0)
                abort();
        return know_file(disk, &st);
}

static struct step *add_name(struct disk *disk, enum kind kind, int file, const char *name)
{
        struct step *step = add(disk, kind, file);

        snprintf(step->name, NAME_ROOM, "%s", name);
        step->holder = directory_of(disk, name);
        return step;
}

void disk_named(const char *path)
{
        struct disk *disk = disk_watched;
        struct stat st;
        int known;

        if (stat(path, &st) < 0)
                abort();
        known = find_file(disk, st.st_ino);
        if (known >= 0 && (S_ISDIR(st.st_mode) || st.st_nlink == 1)) /* inode numbers are used again */
                disk->files[known].is_gone = true;
        add_name(disk, NAME, know_file(disk, &st), below(disk, path));
}

/* Inode numbers are used again: a file that had this one is gone. */
void disk_nameless(int fd)
{
        struct disk *disk = disk_watched;
        struct stat st;
        int known;

        if (fstat(fd, &st) < 0)
                abort();
        known = find_file(disk, st.st_ino);
        if (known >= 0)
                disk->files[known].is_gone = true;
        know_file(disk, &st);
}

void disk_first_named(const char *path)
{
        struct stat st;

        if (stat(path, &st) < 0)
                abort();
        add_name(disk_watched, NAME, know_file(disk_watched, &st), below(disk_watched, path));
}

void disk_unnamed(const char *path)
{
        add_name(disk_watched, UNNAME, -1, below(disk_watched, path));
}

void disk_renamed(const char *from, const char *to, bool exchanged)
{
        struct stat st;
        struct step *step;

        if (stat(to, &st) < 0)
                abort();
        step = add_name(disk_watched, exchanged ? EXCHANGE : RENAME, know_file(disk_watched, &st),
                        below(disk_watched, from));
        snprintf(step->to, NAME_ROOM, "%s", below(disk_watched, to));
        step->holder = directory_of(disk_watched, step->to); /* whoever moves a file makes the new name safe */
}

/* ---- what came another way ------------------------------------------------------------------------------------ */

/* stdio writes past our calls. What a sync finds in the file is what it makes safe. */
static void catch_up(struct disk *disk, int fd, int file)
{
        const struct file *known = &disk->files[file];
        char proc[32], *bytes;
        struct stat st;
        int again;

        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
        again = open(proc, O_RDONLY | O_CLOEXEC); /* the descriptor itself may be for writing only */
        if (again < 0 || fstat(again, &st) < 0)
                abort();
        bytes = malloc((size_t)st.st_size + 1);
        if (!bytes || pread(again, bytes, (size_t)st.st_size, 0) != st.st_size)
                abort();
        if ((size_t)st.st_size != known->size)
                add_truncate(disk, file, (size_t)st.st_size);
        if (st.st_size > 0 && memcmp(known->bytes, bytes, (size_t)st.st_size) != 0)
                add_write(disk, file, bytes, (size_t)st.st_size, 0);
        free(bytes);
        close(again);
}

/* Names that a directory has by now and that no call told of. */
static void catch_up_names(struct disk *disk, const char *directory)
{
        static struct names names;
        char path[PATH_MAX + NAME_ROOM + 2], name[NAME_ROOM];
        struct dirent *entry;
        DIR *all;

        names.n = 0;
        for (size_t i = 0; i < disk->n; i++)
                disk_take_names(&names, &disk->steps[i]);
        snprintf(path, sizeof(path), "%s/%s", disk->dir, directory);
        all = opendir(path);
        while (all && (entry = readdir(all))) {
                if (entry->d_name[0] == '.' || strstr(entry->d_name, "-shm"))
                        continue;
                snprintf(name, sizeof(name), "%s%s%.64s", directory, *directory ? "/" : "", entry->d_name);
                snprintf(path, sizeof(path), "%s/%s", disk->dir, name);
                if (disk_find_name(&names, name) < 0)
                        disk_named(path);
        }
        if (all)
                closedir(all);
}

void disk_synced(int fd, bool well)
{
        struct disk *disk = disk_watched;
        const int file = file_of(disk, fd);
        char path[PATH_MAX];

        path_of(fd, path);
        if (disk->files[file].is_directory)
                catch_up_names(disk, below(disk, path));
        else
                catch_up(disk, fd, file);
        snprintf(add(disk, well ? SYNC : FAILED_SYNC, file)->name, NAME_ROOM, "%s", below(disk, path));
}

/* ---- beginning and ending ------------------------------------------------------------------------------------- */

static int take_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        struct disk *disk = disk_watched;
        const char *name = below(disk, path);
        int fd;

        (void)type, (void)ftw;
        if (!name)
                return 0;
        if (*name)
                add_name(disk, NAME, know_file(disk, st), name);
        if (!S_ISREG(st->st_mode))
                return 0;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                abort();
        disk_synced(fd, true);
        close(fd);
        return 0;
}

static int sync_directory(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)type, (void)ftw;
        if (S_ISDIR(st->st_mode))
                add(disk_watched, SYNC, know_file(disk_watched, st));
        return 0;
}

struct disk *disk_new(const char *dir)
{
        struct disk *disk = calloc(1, sizeof(*disk));

        if (!disk || !realpath(dir, disk->dir))
                abort();
        disk_watched = disk;
        nftw(disk->dir, take_entry, 16, FTW_PHYS);
        nftw(disk->dir, sync_directory, 16, FTW_PHYS);
        disk_watched = NULL;
        return disk;
}

struct disk *disk_free(struct disk *disk)
{
        if (!disk)
                return NULL;
        if (disk_watched == disk)
                disk_watched = NULL;
        for (size_t i = 0; i < disk->n; i++)
                free(disk->steps[i].bytes);
        for (int i = 0; i < disk->files_n; i++)
                free(disk->files[i].bytes);
        free(disk->steps);
        free(disk);
        return NULL;
}

void disk_watch(struct disk *disk)
{
        disk_watched = disk;
}

void disk_unwatch(void)
{
        disk_watched = NULL;
}

size_t disk_steps(const struct disk *disk)
{
        return disk->n;
}

static const char *name_of_file(const struct disk *disk, size_t before, int file)
{
        static struct names names;

        names.n = 0;
        for (size_t i = 0; i < before; i++)
                disk_take_names(&names, &disk->steps[i]);
        for (int i = 0; i < names.n; i++)
                if (names.list[i].file == file)
                        return names.list[i].name;
        return "?";
}

const char *disk_step_name(const struct disk *disk, size_t i)
{
        static const char *const kinds[] = { "write", "truncate", "sync",   "failed sync",
                                             "name",  "unlink",   "rename", "exchange" };
        static char text[256];
        const struct step *step = &disk->steps[i];

        snprintf(text, sizeof(text), "%s %s %s", kinds[step->kind],
                 step->kind <= TRUNCATE ? name_of_file(disk, i, step->file) : step->name, step->to);
        return text;
}
