#pragma once
/* The files that the config observer knows: each as it was sealed and as it was last seen, found by its path. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "io/version.h"
#include "observe/config_names.h"

#define CONFIG_FILES_MAX 16384 /* about 4 MB; what does not fit is told as not watched */
#define CONFIG_NO_FILE UINT32_MAX

struct config_file {
        char *path; /* of an app: its agent's id */
        struct file_state sealed, seen;
        char *sealed_outline; /* io/outline.h; NULL: there is none */
        char *seen_outline;   /* NULL also where it is as it was sealed */
        char *owner;          /* as told while it is not as it should be, else NULL */
        uint32_t rule;        /* of the pattern that it was found by */
        uint32_t pattern;     /* ... and that pattern */
        uint32_t generation;  /* of the last walk that met it */
        bool fresh;           /* not read yet in this run: whatever stat() says */
        bool follow;          /* one that is declared by its own name is what a link there leads to */
        bool queued;          /* waits for its content to be read */
        bool parked;          /* ... and is large, and another large one is read now */
        bool pending;         /* what is in force is not what was seen */
        bool hushed;          /* told while a window was open; it is told again if it is not in force behind that */
        bool loaded_known;    /* the next is known: */
        uint64_t loaded;      /* the digest of what is in force, cut; 0: no file */
        bool read;            /* it was, in this run */
        int kept;             /* 0: the vault has what it is; else why not */
        uint8_t told_n;       /* changes told of late; each makes the next wait longer */
        uint64_t quiet_until; /* no other change of it is told before then; CLOCK_BOOTTIME */
        uint64_t inode;       /* what stat() said when it was read: the same again, and it need not be read again */
        int64_t modified_ns, changed_ns;
};

struct config_files {
        struct config_file *list;
        uint32_t n, room;
        uint32_t *table; /* hash of paths to slot + 1; 0 is free */
        uint32_t table_n;
};

void config_files_done(struct config_files *files);

/* The file of that path, or CONFIG_NO_FILE. */
uint32_t config_files_find(const struct config_files *files, const char *path);

/* Adds one that is not there yet; -ENOSPC when the table is full, -ENOMEM. */
int config_files_add(struct config_files *files, const char *path, uint32_t *ret);

/* Forgets those that `unwanted` names. */
void config_files_drop(struct config_files *files, bool (*unwanted)(void *self, const struct config_file *file),
                       void *self);

/* Whether it is not as it was sealed, or not in force as it is. */
bool config_file_is_off(const struct config_file *file);

/* Whether the file stands as it was when it was read, as far as stat() can say. */
bool config_file_untouched(const struct config_file *file, const struct stat *st);
void config_file_note(struct config_file *file, const struct stat *st);

/*
 * The manifest: files and names on disk, for the next run. What was sealed must outlive the daemon, and ten thousand files have no
 * room in the judge; the facts carry both sides of each change, so that replaying them needs no manifest. One that makes no sense
 * is -EBADMSG and leaves nothing behind.
 */
int config_manifest_write(const struct config_files *files, const struct config_names *names, char **ret,
                          size_t *ret_size);
int config_manifest_read(struct config_files *files, struct config_names *names, const char *text, size_t size);
