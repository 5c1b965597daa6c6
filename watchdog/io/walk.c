#include "io/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/straight.h"

static bool is_dots(const char *name)
{
        return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* The first one may be reached through links, unless the walk is straight: somebody declared it so. */
static int open_first(const struct walk *walk, const char *path)
{
        const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;

        return walk->straight ? straight_open(path, flags) : open(path, flags);
}

/* Enters the folder named by walk->path. */
static void enter(struct walk *walk, int at, const char *name)
{
        int fd;
        DIR *dir;

        if (walk->depth == WALK_DEPTH_MAX) {
                walk->cut = "folders are nested too deep";
                return;
        }
        fd = walk->depth == 0 ? open_first(walk, name)
                              : openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) {
                if (walk->depth == 0)
                        walk->missing = true;
                else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
                        walk->cut = "a folder cannot be read";
                return;
        }
        dir = fdopendir(fd);
        if (!dir) {
                close_fd(fd);
                walk->cut = "out of memory";
                return;
        }
        walk->stack[walk->depth].dir = dir;
        walk->stack[walk->depth].length = strlen(walk->path);
        walk->depth++;
        if (walk->folder)
                walk->folder(walk->self, walk->path[0] ? walk->path : "/", fd);
}

void walk_begin(struct walk *walk, const char *pattern, uint32_t most)
{
        size_t base = path_base(pattern);

        walk_end(walk);
        walk->pattern = pattern;
        walk->entries = 0;
        walk->most = most > 0 ? most : WALK_ENTRIES_MAX;
        walk->cut = NULL;
        walk->missing = base >= sizeof(walk->path);
        if (walk->missing)
                return;
        memcpy(walk->path, pattern, base);
        walk->path[base] = '\0';
        enter(walk, AT_FDCWD, base > 0 ? walk->path : "/");
}

static void look_at(struct walk *walk, const char *name)
{
        int fd = dirfd(walk->stack[walk->depth - 1].dir);
        struct stat st;
        char safe[FILE_PATH_MAX];
        size_t length = walk->stack[walk->depth - 1].length;

        if (length + 1 + strlen(name) >= sizeof(walk->path)) {
                walk->cut = "a path is too long";
                return;
        }
        walk->path[length] = '/';
        memcpy(walk->path + length + 1, name, strlen(name) + 1);
        if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return; /* gone again */
        if (S_ISDIR(st.st_mode)) {
                if (path_may_lead(walk->pattern, walk->path) && (!walk->enters || walk->enters(walk->self, walk->path)))
                        enter(walk, fd, name);
                return;
        }
        if (!path_glob(walk->pattern, walk->path))
                return;
        if (!text_copy_safe(safe, sizeof(safe), walk->path) || strcmp(safe, walk->path) != 0)
                walk->cut = "a name is not UTF-8, or holds control characters";
        else
                walk->file(walk->self, walk->path, &st);
}

bool walk_on(struct walk *walk, unsigned entries)
{
        for (; entries > 0 && walk->depth > 0; entries--) {
                struct dirent *entry = readdir(walk->stack[walk->depth - 1].dir);

                if (!entry) {
                        closedir(walk->stack[--walk->depth].dir);
                } else if (++walk->entries > walk->most) {
                        walk->cut = "it has more than a million entries";
                        walk_end(walk);
                } else if (!is_dots(entry->d_name)) {
                        look_at(walk, entry->d_name);
                }
        }
        return walk->depth > 0;
}

void walk_end(struct walk *walk)
{
        while (walk->depth > 0)
                closedir(walk->stack[--walk->depth].dir);
}
