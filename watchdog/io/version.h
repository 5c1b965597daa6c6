#pragma once
/*
 * What a file is, and a version: what several files are together, as a text that is the same whenever they are. The vault has it
 * under its digest, which is the version's, as it has the contents that it names.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "io/digest.h"

struct vault;

/* What counts of a file. Nothing else of it is a change: not its times, not which inode it is. */
struct file_state {
        bool there;
        uint8_t digest[DIGEST_SIZE]; /* of the content, of a link's target; zeroes for what is neither */
        uint64_t size;
        uint32_t mode, uid, gid; /* mode with the type in it */
};

bool file_state_same(const struct file_state *a, const struct file_state *b);

/* All but the digest. */
void file_state_take(struct file_state *state, const struct stat *st);

/* "-" or "DIGEST:SIZE:MODE:UID:GID", with a blank behind it. Reading moves `at` behind that; -EBADMSG for anything else. */
void file_state_write(FILE *out, const struct file_state *state);
int file_state_read(const char **at, struct file_state *ret);

#define VERSION_FILES_MAX 4096
#define VERSION_TEXT_MAX (8 << 20)

struct version_file {
        const char *path;
        struct file_state state;
};

/* Files by their path, each once. */
struct version {
        struct version_file *list;
        uint32_t n;
        char *text; /* the paths are in here */
};

/* The text of these files, whose order is put right. Allocated. */
int version_write(struct version_file *list, uint32_t n, char **ret, size_t *ret_size);

/* -EBADMSG: it is no such text, to the letter. Takes no part of `text`. */
int version_read(const char *text, size_t size, struct version *ret);
void version_done(struct version *version);

/* The version whose text the vault has under that digest, in hexadecimal. -ENODEV: there is no vault; as vault_get() and
 * version_read(). */
int version_get(struct vault *vault, const char *hex, struct version *ret);

/* The file of that path, or NULL. */
const struct version_file *version_find(const struct version *version, const char *path);

/*
 * Walks over two versions at once, in the order of paths: true with what a path is in each, NULL where it is not. Start with zeroes in
 * `at`.
 */
struct version_walk {
        uint32_t a, b;
};
bool version_next(const struct version *a, const struct version *b, struct version_walk *walk,
                  const struct version_file **ret_a, const struct version_file **ret_b);

/* The same, past what is in both the same. */
bool version_next_different(const struct version *a, const struct version *b, struct version_walk *walk,
                            const struct version_file **ret_a, const struct version_file **ret_b);
