#pragma once
/* A scratch file made to be attacked, and the folder around it in which all of that happens.
 *
 *   TOP/guarded/canary     the file; TOP/guarded is its folder, which may be guarded too
 *   TOP/aside/             the attacker's own, on the same file system, never guarded
 *
 * What attacks make has a name that begins with PLACE_OURS, here and nowhere else: so it can be found and taken away. */
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define PLACE_MARK "This file belongs to governor-canary, which attacks it. Keep nothing in it.\n"
#define PLACE_OURS "attack-"
#define PLACE_XATTR_USER "user.governor-attack"
#define PLACE_XATTR_TRUSTED "trusted.governor-attack"

enum {
        PLACE_SIZE = 8192,     /* two blocks: small files are kept inside the inode by some file systems */
        PLACE_TOKEN_SIZE = 33, /* in each line of the content, of this one file only */
        PLACE_PATH_MAX = 1024, /* of TOP; what is below it is short */
        PLACE_ATTACK_TIME = 1, /* the mtime an attacker gives it: the second after the epoch */
        PLACE_WHY_MAX = 256,
};

struct place {
        char top[PLACE_PATH_MAX];
        char folder[PLACE_PATH_MAX + 16];
        char file[PLACE_PATH_MAX + 32];
        char aside[PLACE_PATH_MAX + 16];
        char device[PLACE_PATH_MAX]; /* a scratch block device below it that may be written; "" for none */

        /* As it is when nothing has happened to it. */
        mode_t mode;
        uid_t uid;
        gid_t gid;
        unsigned flags, folder_flags; /* FS_*_FL, 0 where the file system has none */
        char token[PLACE_TOKEN_SIZE];
        char content[PLACE_SIZE];
};

/* How the file differs, as anyone but the attacker sees it. */
enum {
        PLACE_GONE = 1 << 0,
        PLACE_REPLACED = 1 << 1, /* by something that is no regular file */
        PLACE_CONTENT = 1 << 2,
        PLACE_MODE = 1 << 3,
        PLACE_OWNER = 1 << 4,
        PLACE_XATTR = 1 << 5,
        PLACE_TIME = 1 << 6,
        PLACE_FLAGS = 1 << 7,   /* the attacker's flag is there; one that a guard sets is no difference */
        PLACE_MOUNTED = 1 << 8, /* something is mounted over it */
};

/* Makes TOP, which must not exist, and what is in it; the file and both folders belong to `uid` and `gid`. */
int place_create(const char *top, uid_t uid, gid_t gid);

/* Takes the place around FILE, made by place_create(), as it is now. 0, -EPERM when it is not certain that this file was made to be
 * attacked and that nobody else can put another in its place, or another negative errno; `why` is then a sentence. */
int place_take(const char *file, struct place *ret, char why[PLACE_WHY_MAX]);

/* What is different now: PLACE_* bits, 0 for nothing. Reads past the page cache where that is clean. */
unsigned place_look(const struct place *place);

/* "content, mode" in a fixed buffer. Returns `buffer`. */
char *place_words(char buffer[PLACE_WHY_MAX], unsigned changed);

/* Takes away what attacks left around the file: mounts, links, folders that were moved. Nothing to do the second time. */
int place_clean(const struct place *place);

/* Cleans, and puts the file back as it was if something is different. -EUCLEAN: it still is. */
int place_repair(const struct place *place);

/* Removes all of it, flags first. */
int place_remove(const struct place *place);
