#pragma once
/*
 * The hand that seals: a file gets a fresh inode, which nobody has open or mapped, takes its place in one step, is made immutable
 * where the file system has that, and is looked at once more: no writer remains, it has one name, and the content is the one that was
 * meant. A restore is the same from the vault. Nothing is written in place, no link is followed, and what was found is kept.
 */
#include <stdbool.h>
#include <stdint.h>

#include "guard/manifest.h"
#include "io/vault.h"

#define SEAL_TEXT_MAX 256

struct sealer {
        struct vault *vault;
        const struct manifest *manifest; /* how the folders were: NULL: nothing is known of them */
        /* Called before a path is made immutable, for the footprint. A negative errno: it is not made so. NULL: nobody asks. */
        int (*mark)(void *self, const char *path);
        void *self;
};

/* What is to be told beside success. */
enum seal_note {
        SEAL_NO_FLAGS = 1 << 0,       /* the file system has no immutable flag */
        SEAL_FLAGS_REFUSED = 1 << 1,  /* we may not set it, or it could not be written down before */
        SEAL_NO_LEASE = 1 << 2,       /* whether a writer remains cannot be told here */
        SEAL_ATTRIBUTES = 1 << 3,     /* not every extended attribute could be given back */
        SEAL_ANOTHER_FOLDER = 1 << 4, /* the folder is not the one that was sealed: that was renamed, or replaced */
        SEAL_FOLDER_MADE = 1 << 5,    /* the folder was gone, and was made again */
        SEAL_NOT_KEPT = 1 << 6,       /* what was found did not fit into the vault, and is lost */
        SEAL_SET_ASIDE =
                1
                << 7, /* what was found is a folder that is not empty: it stands beside the file, under another name */
        SEAL_HAD_NAMES = 1 << 8, /* what was found has other names, which lead to it as before */
        SEAL_NOT_SAFE = 1 << 9,  /* it could not be made safe from a power cut */
};

struct seal_outcome {
        struct manifest_entry entry; /* as it is now sealed; the path is the caller's */
        struct file_state found;     /* what was in the place; its digest is right once it is kept: `kept` */
        bool kept;
        unsigned notes; /* enum seal_note */
        unsigned tries;
        char text[SEAL_TEXT_MAX]; /* of a failure: which file, and why */
};

/* The notes for people: "no immutable flag there; ..."; "" for none. Returns `text`. */
char *seal_notes(unsigned notes, char text[SEAL_TEXT_MAX]);

/*
 * Seals a file or a link as it is: path, class, rule and immutable are those of `wanted`. Its content is in the vault before that,
 * and the new inode is safe from a power cut before it takes the place. -EBUSY: somebody has it open for writing, or
 * something is mounted over it; -EAGAIN: it was changed meanwhile, each time; -EFBIG: it is larger than the vault takes.
 */
int seal_take(const struct sealer *sealer, const struct manifest_entry *wanted, struct seal_outcome *ret);

/* Seals content of the vault that is new, under the traits that the entry has: as seal_take(), and what was there is kept. */
int seal_put(const struct sealer *sealer, const struct manifest_entry *entry, struct seal_outcome *ret);

/*
 * Puts a file back as the entry has it. Fast: what was found still stands beside it, and nothing is safe from a power cut until
 * seal_settle() was called with the outcome. -EAGAIN: somebody wrote to it again each time; it may be as it should for all that.
 * -EBADMSG, -ENOENT: the vault does not have it; -EBUSY: something is mounted over it; -EROFS, -ENOSPC, -EDQUOT.
 */
int seal_restore(const struct sealer *sealer, const struct manifest_entry *entry, struct seal_outcome *ret);

/* Keeps what a restore found, and makes the restored file safe. May wait for the disk. Also after a crash, with an outcome of zeroes:
 * what a restore of before left beside the file. What cannot be done is in the outcome's notes. */
void seal_settle(const struct sealer *sealer, const struct manifest_entry *entry, struct seal_outcome *outcome);

/* Notes how a folder is, and makes it immutable where that is wanted: nothing in it can be made, renamed or removed then. */
int seal_folder(const struct sealer *sealer, const struct manifest_entry *wanted, struct seal_outcome *ret);

/* Takes the immutable flag off a file or folder; one that has none, or is not there, is well. */
int seal_lift(const char *path);
