#pragma once

/* What disk.c writes down, calls.c tells it and cut.c makes disks from. Paths and descriptors of other directories are none
 * of its business. */

#include "disk.h"

#include <limits.h>
#include <sys/types.h>

enum { FILES_MAX = 256, NAME_ROOM = 96 };

enum kind { WRITE, TRUNCATE, SYNC, FAILED_SYNC, NAME, UNNAME, RENAME, EXCHANGE };

/* One thing that was done. `name` is a path below the directory, "" is the directory itself. */
struct step {
        enum kind kind;
        int file;   /* of WRITE, TRUNCATE and SYNC, and what NAME and RENAME name */
        int holder; /* whose sync makes it safe: the file, or the directory of a name */
        char name[NAME_ROOM], to[NAME_ROOM];
        uint64_t offset;
        size_t length;
        char *bytes;
};

/* A file or directory, whatever its names are, as the running program sees it. */
struct file {
        ino_t inode;
        bool is_directory, is_gone; /* a later file has its inode number */
        char *bytes;
        size_t size;
};

struct disk {
        char dir[PATH_MAX];
        struct step *steps;
        size_t n, room;
        struct file files[FILES_MAX];
        int files_n;
        size_t calls, fail_from, fail_count;
        int fail_error;
};

/* What each name means at a time. */
struct names {
        struct {
                char name[NAME_ROOM];
                int file;
        } list[FILES_MAX];
        int n;
};

extern struct disk *disk_watched;

/* Is the path, or what the descriptor is open on, in the watched directory? */
bool disk_has_path(const char *path);
bool disk_has_fd(int fd);

/* Counts a call. An errno: it is to fail. */
int disk_call(void);

void disk_wrote(int fd, const void *bytes, size_t length, off_t offset);
void disk_truncated(int fd, off_t length);
void disk_synced(int fd, bool well);
void disk_named(const char *path);
void disk_nameless(int fd);              /* a file that has no name yet */
void disk_first_named(const char *path); /* ... and now has one */
void disk_unnamed(const char *path);
void disk_renamed(const char *from, const char *to, bool exchanged);

/* Bytes into a file's image, which grows with zeros. */
void disk_put(struct file *file, const void *bytes, size_t length, size_t offset);
void disk_cut_to(struct file *file, size_t size);

int disk_find_name(const struct names *names, const char *name);
void disk_take_names(struct names *names, const struct step *step);
