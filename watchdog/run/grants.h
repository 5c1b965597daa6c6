#pragma once
/* What the command may do with which files: the list that the Landlock rules are made of, and that --explain prints. */
#include <stdbool.h>
#include <stddef.h>

#define GRANTS_MAX 512 /* each has a descriptor, of which there are 1,024 unless somebody raised that */

enum grant_kind {
        GRANT_READ,   /* read, list, execute */
        GRANT_WRITE,  /* read too, and change, make and remove what is below */
        GRANT_ENTRY,  /* of a folder with a guarded part: as GRANT_WRITE, listed one by one */
        GRANT_DEVICE, /* write and command a device that everybody uses */
};

struct grant {
        enum grant_kind kind;
        char *path;     /* resolved: no symlink in it */
        int fd;         /* O_PATH */
        bool directory; /* else Landlock takes only the rights of files */
};

struct grants {
        struct grant *list; /* of GRANTS_MAX */
        size_t n;
        char **guards; /* resolved paths */
        size_t guards_n;
        bool read_some; /* reading is confined to the list; else everything may be read */
};

int grants_init(struct grants *grants);
void grants_done(struct grants *grants);

/* Nothing at this path or below it may be changed, whatever is granted later. -ENOENT and the like: it cannot be looked at. */
int grants_guard(struct grants *grants, const char *path);

/*
 * Adds the path. A folder with a guarded part is granted by its other entries as they are now: in the folders down to the guarded
 * part nothing can be made or removed. -EPERM: the path is guarded as a whole. -E2BIG: too many entries.
 */
int grants_add(struct grants *grants, enum grant_kind kind, const char *path);

/* The same for what may be missing on a machine, such as /lib64. */
int grants_add_if_there(struct grants *grants, enum grant_kind kind, const char *path);
