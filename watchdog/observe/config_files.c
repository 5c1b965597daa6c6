#include "observe/config_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define ROOM_FIRST 64

static void file_done(struct config_file *file)
{
        free(file->path);
        free(file->sealed_outline);
        free(file->seen_outline);
        free(file->owner);
}

void config_files_done(struct config_files *files)
{
        for (uint32_t n = 0; n < files->n; n++)
                file_done(&files->list[n]);
        free(files->list);
        free(files->table);
        *files = (struct config_files){ .n = 0 };
}

/* Where the path is in the table, or where it would be. */
static uint32_t place_of(const struct config_files *files, const char *path)
{
        uint32_t place = text_hash(path) & (files->table_n - 1);

        while (files->table[place] && strcmp(files->list[files->table[place] - 1].path, path) != 0)
                place = (place + 1) & (files->table_n - 1);
        return place;
}

uint32_t config_files_find(const struct config_files *files, const char *path)
{
        return files->table_n > 0 ? files->table[place_of(files, path)] - 1 : CONFIG_NO_FILE;
}

static void fill_table(struct config_files *files)
{
        memset(files->table, 0, files->table_n * sizeof(*files->table));
        for (uint32_t n = 0; n < files->n; n++)
                files->table[place_of(files, files->list[n].path)] = n + 1;
}

static int grow(struct config_files *files)
{
        uint32_t room = files->room ? files->room * 2 : ROOM_FIRST;
        struct config_file *list = realloc(files->list, room * sizeof(*list));
        uint32_t *table;

        if (!list)
                return -ENOMEM;
        files->list = list;
        table = realloc(files->table, 2 * room * sizeof(*table));
        if (!table)
                return -ENOMEM;
        files->table = table;
        files->table_n = 2 * room;
        files->room = room;
        fill_table(files);
        return 0;
}

int config_files_add(struct config_files *files, const char *path, uint32_t *ret)
{
        char *copy;

        if (files->n == CONFIG_FILES_MAX)
                return -ENOSPC;
        if (files->n == files->room && grow(files) < 0)
                return -ENOMEM;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        files->list[files->n] = (struct config_file){ .path = copy, .fresh = true };
        files->table[place_of(files, path)] = files->n + 1;
        *ret = files->n++;
        return 0;
}

void config_files_drop(struct config_files *files, bool (*unwanted)(void *self, const struct config_file *file),
                       void *self)
{
        uint32_t kept = 0;

        for (uint32_t n = 0; n < files->n; n++)
                if (unwanted(self, &files->list[n]))
                        file_done(&files->list[n]);
                else
                        files->list[kept++] = files->list[n];
        if (kept == files->n)
                return;
        files->n = kept;
        fill_table(files);
}

bool config_file_is_off(const struct config_file *file)
{
        return file->pending || !file_state_same(&file->sealed, &file->seen);
}

static int64_t nanoseconds(const struct timespec *time)
{
        return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

bool config_file_untouched(const struct config_file *file, const struct stat *st)
{
        return !file->fresh && file->seen.there && file->inode == st->st_ino &&
               file->modified_ns == nanoseconds(&st->st_mtim) && file->changed_ns == nanoseconds(&st->st_ctim) &&
               file->seen.size == (uint64_t)st->st_size && file->seen.mode == st->st_mode &&
               file->seen.uid == st->st_uid && file->seen.gid == st->st_gid;
}

void config_file_note(struct config_file *file, const struct stat *st)
{
        file->fresh = false;
        file->inode = st->st_ino;
        file->modified_ns = nanoseconds(&st->st_mtim);
        file->changed_ns = nanoseconds(&st->st_ctim);
}
