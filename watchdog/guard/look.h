#pragma once
/*
 * How guarded files are now, beside how they were sealed: what stat(2) tells of all of them in one sweep, or everything, the content as
 * the disk holds it. No link is followed, nothing is waited for but the disk.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/path.h"
#include "guard/manifest.h"

enum look_difference {
        LOOK_GONE = 1 << 0,      /* nothing is there */
        LOOK_UNREACHED = 1 << 1, /* it cannot be looked at: a link is on the way, or no folder */
        LOOK_MOUNTED = 1 << 2,   /* something is mounted over it; nothing else was compared */
        LOOK_KIND = 1 << 3,      /* it is no file, link or folder any more, as it was */
        LOOK_INODE = 1 << 4,     /* it is another one */
        LOOK_CONTENT = 1 << 5,
        LOOK_BENEATH =
                1 << 6, /* beside LOOK_CONTENT: nothing says that it was written to, so that was past the file system */
        LOOK_SIZE = 1 << 7,
        LOOK_MODE = 1 << 8,
        LOOK_OWNER = 1 << 9,
        LOOK_ATTRIBUTES = 1 << 10,
        LOOK_FLAGS = 1 << 11,
        LOOK_NAMES = 1 << 12, /* it has more names than one */
        LOOK_TIME = 1 << 13,  /* of its last change, as anybody may set it */
        LOOK_CHANGED =
                1 << 14, /* something of it was changed since; only its content can say what, if nothing else does */
        LOOK_DEVICE = 1 << 15, /* the number of its device: those are given anew when a machine starts */
};

/* The differences for people: "content, mode"; "" for none. Returns `text`. */
#define LOOK_TEXT_MAX 160
char *look_words(unsigned differences, char text[LOOK_TEXT_MAX]);

/* Whether it is not as it was sealed. LOOK_CHANGED and LOOK_DEVICE alone are no breach, if the content was read: such a file is to be
 * noted as it is now. */
bool look_is_breach(unsigned differences);

enum look_depth {
        LOOK_AT_STAT, /* and at flags and attributes of what that shows to be changed */
        LOOK_AT_ALL,
};

/* What was found. */
struct look_found {
        unsigned differences;      /* enum look_difference */
        struct manifest_entry now; /* as far as it was looked at; what was not is as it was sealed */
};

/* Looks at one. A negative errno: it could not be told (the disk fails, it was written to while it was read: -EAGAIN). */
int look_at(const struct manifest_entry *entry, enum look_depth depth, struct look_found *ret);

/*
 * Looks at all entries, some at a time. In between the manifest may change: what is sealed meanwhile is not looked at, and nothing
 * that was there from the beginning is left out.
 */
struct look_reading;
struct look_sweep {
        const struct manifest *manifest;
        enum look_depth depth;
        /* Called for each that differs, or could not be told: `r` as of look_at(). It may change the manifest. */
        void (*differs)(void *self, const struct manifest_entry *entry, int r, const struct look_found *found);
        void *self;

        uint32_t left;            /* entries */
        char path[FILE_PATH_MAX]; /* what is being read */
        struct look_reading *reading;
};

/* The four members above `left` are the caller's to set before. */
int look_sweep_begin(struct look_sweep *sweep);

/* One step more: so many entries by their stat(2), or pieces of 256 KB of content. True: there is more. */
bool look_sweep_on(struct look_sweep *sweep, unsigned steps);
void look_sweep_end(struct look_sweep *sweep); /* wherever it is */
