/* What a power cut leaves. */

#include "inside.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512 };

/* ---- images and names ----------------------------------------------------------------------------------------- */

void disk_put(struct file *file, const void *bytes, size_t length, size_t offset)
{
        if (offset + length > file->size) {
                file->bytes = realloc(file->bytes, offset + length + 1);
                if (!file->bytes)
                        abort();
                memset(file->bytes + file->size, 0, offset + length - file->size);
                file->size = offset + length;
        }
        if (length > 0)
                memcpy(file->bytes + offset, bytes, length);
}

void disk_cut_to(struct file *file, size_t size)
{
        if (size > file->size)
                disk_put(file, NULL, 0, size);
        file->size = size;
}

int disk_find_name(const struct names *names, const char *name)
{
        for (int i = 0; i < names->n; i++)
                if (strcmp(names->list[i].name, name) == 0)
                        return i;
        return -1;
}

static void drop_name(struct names *names, const char *name)
{
        const int i = disk_find_name(names, name);

        if (i >= 0)
                names->list[i] = names->list[--names->n];
}

static void set_name(struct names *names, const char *name, int file)
{
        drop_name(names, name);
        if (names->n == FILES_MAX)
                abort();
        snprintf(names->list[names->n].name, NAME_ROOM, "%s", name);
        names->list[names->n++].file = file;
}

void disk_take_names(struct names *names, const struct step *step)
{
        int i, other, file;

        switch (step->kind) {
        case NAME: set_name(names, step->name, step->file); break;
        case UNNAME: drop_name(names, step->name); break;
        case RENAME:
                set_name(names, step->to, step->file); /* also where the old name never came to the disk */
                drop_name(names, step->name);
                break;
        case EXCHANGE:
                i = disk_find_name(names, step->name);
                other = disk_find_name(names, step->to);
                if (i < 0 || other < 0)
                        break;
                file = names->list[i].file;
                names->list[i].file = names->list[other].file;
                names->list[other].file = file;
                break;
        default: break;
        }
}

/* ---- what is kept --------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *seed)
{
        uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

struct cutting {
        const struct disk *disk;
        const struct disk_cut *cut;
        uint64_t seed;
        bool *safe;         /* of each step */
        size_t names_until; /* journaled: names changed up to here are safe */
        struct names names;
        struct file files[FILES_MAX];
};

/* The first sync after a step decides: it is made safe, or forgotten. */
static void find_safe(struct cutting *cutting)
{
        bool synced[FILES_MAX] = { false };

        for (size_t i = cutting->cut->at; i-- > 0;) {
                const struct step *step = &cutting->disk->steps[i];

                if (step->kind == SYNC)
                        synced[step->holder] = true;
                else if (step->kind == FAILED_SYNC) /* names are in the journal, which forgets none */
                        synced[step->holder] &= cutting->disk->files[step->holder].is_directory;
                else
                        cutting->safe[i] = synced[step->holder];
        }
}

static bool is_kept(struct cutting *cutting)
{
        switch (cutting->cut->kept) {
        case DISK_NOTHING: return false;
        case DISK_EVERYTHING: return true;
        default: return next_random(&cutting->seed) & 1;
        }
}

static void keep_sectors(struct cutting *cutting, const struct step *step)
{
        for (size_t at = 0; at < step->length;) {
                size_t length = SECTOR - (step->offset + at) % SECTOR;

                if (length > step->length - at)
                        length = step->length - at;
                if (is_kept(cutting))
                        disk_put(&cutting->files[step->file], step->bytes + at, length, step->offset + at);
                at += length;
        }
}

static void keep_content(struct cutting *cutting, size_t i)
{
        const struct step *step = &cutting->disk->steps[i];
        struct file *file = &cutting->files[step->file];
        const bool safe = cutting->safe[i];

        if (step->kind == WRITE && !safe && cutting->cut->kept == DISK_SECTORS)
                keep_sectors(cutting, step);
        else if (!safe && !is_kept(cutting))
                return;
        else if (step->kind == WRITE)
                disk_put(file, step->bytes, step->length, step->offset);
        else
                disk_cut_to(file, step->length);
}

static void keep_name(struct cutting *cutting, size_t i)
{
        if (cutting->safe[i] || (cutting->cut->journaled ? i < cutting->names_until : is_kept(cutting)))
                disk_take_names(&cutting->names, &cutting->disk->steps[i]);
}

/* One journal for all directories: a sync of one carries what was named before it anywhere. */
static size_t journal_end(struct cutting *cutting)
{
        const struct disk_cut *cut = cutting->cut;
        size_t safe = 0;

        for (size_t i = 0; i < cut->at; i++)
                if (cutting->disk->steps[i].kind == SYNC)
                        safe = i;
        switch (cut->kept) {
        case DISK_NOTHING: return safe;
        case DISK_EVERYTHING: return cut->at;
        default: return safe + next_random(&cutting->seed) % (cut->at - safe + 1);
        }
}

/* ---- making it ------------------------------------------------------------------------------------------------ */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st, (void)type;
        return ftw->level > 0 ? remove(path) : 0;
}

static bool has_directory(const struct names *names, const char *name)
{
        char directory[NAME_ROOM];
        char *slash;

        snprintf(directory, sizeof(directory), "%s", name);
        slash = strrchr(directory, '/');
        if (!slash)
                return true;
        *slash = '\0';
        return disk_find_name(names, directory) >= 0 && has_directory(names, directory);
}

static void make_file(const struct file *file, const char *path)
{
        const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, file->bytes, file->size) != (ssize_t)file->size)
                abort();
        close(fd);
}

static void make_name(struct cutting *cutting, int i, const char *to)
{
        const struct names *names = &cutting->names;
        const int file = names->list[i].file;
        char path[PATH_MAX], first[PATH_MAX];

        if (!has_directory(names, names->list[i].name))
                return;
        snprintf(path, sizeof(path), "%s/%s", to, names->list[i].name);
        for (int j = 0; j < i; j++)
                if (names->list[j].file == file && has_directory(names, names->list[j].name)) {
                        snprintf(first, sizeof(first), "%s/%s", to, names->list[j].name);
                        if (link(first, path) < 0)
                                abort();
                        return;
                }
        if (!cutting->disk->files[file].is_directory)
                make_file(&cutting->files[file], path);
}

/* A directory's name is shorter than those of what is in it. */
static void make_directories(const struct cutting *cutting, const char *to)
{
        const struct names *names = &cutting->names;
        char path[PATH_MAX];

        for (size_t length = 1; length < NAME_ROOM; length++)
                for (int i = 0; i < names->n; i++)
                        if (strlen(names->list[i].name) == length &&
                            cutting->disk->files[names->list[i].file].is_directory &&
                            has_directory(names, names->list[i].name)) {
                                snprintf(path, sizeof(path), "%s/%s", to, names->list[i].name);
                                if (mkdir(path, 0700) < 0)
                                        abort();
                        }
}

void disk_cut(const struct disk *disk, const struct disk_cut *cut, const char *to)
{
        struct cutting *cutting = calloc(1, sizeof(*cutting));

        if (!cutting || cut->at > disk->n)
                abort();
        *cutting = (struct cutting){ .disk = disk, .cut = cut, .seed = cut->seed };
        cutting->safe = calloc(cut->at + 1, sizeof(*cutting->safe));
        if (!cutting->safe)
                abort();
        find_safe(cutting);
        cutting->names_until = journal_end(cutting);
        for (size_t i = 0; i < cut->at; i++)
                if (disk->steps[i].kind <= TRUNCATE)
                        keep_content(cutting, i);
                else if (disk->steps[i].kind >= NAME)
                        keep_name(cutting, i);

        nftw(to, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        make_directories(cutting, to);
        for (int i = 0; i < cutting->names.n; i++)
                make_name(cutting, i, to);
        for (int i = 0; i < disk->files_n; i++)
                free(cutting->files[i].bytes);
        free(cutting->safe);
        free(cutting);
}
