#pragma once

/* A disk that loses power or fails: what a program does to the files of one directory is written down while it runs, call
 * by call, and every state that a power cut could leave behind can be made from that.
 *
 * A write that was not synced may be there, missing or torn into sectors of 512 bytes; a name that was not synced may be the
 * old one. What mmap does is not seen; no file that counts is written so. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk;

/* What is in `dir` now is safe. Nothing is written down until it is watched, one disk at a time. */
struct disk *disk_new(const char *dir);
struct disk *disk_free(struct disk *disk);
void disk_watch(struct disk *disk);
void disk_unwatch(void);

/* Calls so far that change something or sync it. */
size_t disk_steps(const struct disk *disk);

/* What the call of a step was, for messages: "pwrite audit.db-wal". */
const char *disk_step_name(const struct disk *disk, size_t step);

/* From call `from` on (the next is disk_calls()), `count` calls fail with this errno. A write that fails for want of space
 * still writes its first half. What a failed sync was to make safe in a file never is, whatever
 * later syncs say: Linux forgets it. */
void disk_fail(struct disk *disk, size_t from, size_t count, int error);
size_t disk_calls(const struct disk *disk);

enum disk_kept {
        DISK_NOTHING, /* of what was not synced */
        DISK_EVERYTHING,
        DISK_WHOLE_WRITES, /* some */
        DISK_SECTORS,      /* some */
        DISK_KEPT_N
};

struct disk_cut {
        size_t at; /* the power goes after so many steps */
        enum disk_kept kept;
        bool journaled; /* names change in their order, as on ext4 and xfs; else each by itself */
        uint64_t seed;
};

/* Makes what that cut leaves in the directory `to`, which is emptied first. */
void disk_cut(const struct disk *disk, const struct disk_cut *cut, const char *to);
