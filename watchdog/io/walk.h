#pragma once
/* Walks over everything that a pattern may match, a few entries at a time. Follows no link and opens nothing but folders. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/path.h"

#define WALK_DEPTH_MAX 32         /* folders within folders; a loop of mounts ends here */
#define WALK_ENTRIES_MAX 1000000U /* looked at for one pattern: seconds of work */

struct walk {
        const char *pattern;
        char path[FILE_PATH_MAX];
        struct {
                DIR *dir;
                size_t length; /* of its path */
        } stack[WALK_DEPTH_MAX];
        unsigned depth;
        uint32_t entries, most;
        const char *cut; /* why something was left out, NULL: nothing was */
        bool missing;    /* the folder to begin with is not there, or may not be read */
        bool straight;   /* no link leads to the folder to begin with: set before the walk begins, and stays */

        bool (*enters)(void *self, const char *path);                      /* NULL: into every folder that may lead */
        void (*folder)(void *self, const char *path, int fd);              /* each that is walked */
        void (*file)(void *self, const char *path, const struct stat *st); /* each that matches */
        void *self;
};

/* Begins; the pattern is a loan until the walk ended. `most`: entries to look at, 0 for WALK_ENTRIES_MAX. */
void walk_begin(struct walk *walk, const char *pattern, uint32_t most);

/* Looks at up to `entries` more; false when all was seen. */
bool walk_on(struct walk *walk, unsigned entries);

/* Ends it wherever it is. */
void walk_end(struct walk *walk);
