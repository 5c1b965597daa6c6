#pragma once
/*
 * The manifest: which files are guarded, and how each was when it was sealed. As a text it is the same whenever its entries are, so its
 * digest in the chain says all of it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/cleanup.h"
#include "io/version.h"

#define MANIFEST_ENTRIES_MAX 65536

enum guard_class {
        GUARD_UNTOUCHABLE,
        GUARD_PROTECTED,
        GUARD_CLASS_N,
};

/*
 * A file, a link, or a folder that leads to some: links stand for themselves and are never followed. Of a folder neither the times nor
 * the size count, for they change with what is in it.
 */
struct manifest_entry {
        const char *path; /* absolute, and straight: no "." or ".." in it */
        enum guard_class class;
        uint32_t rule;  /* a number of the caller's */
        bool immutable; /* FS_IMMUTABLE_FL is wanted on it, where the file system has that */

        struct file_state state; /* the digest is of the content, or of a link's target; the vault has both */
        uint8_t attributes
                [DIGEST_SIZE]; /* of the extended attributes as guard/traits.h writes them; zeroes: it has none */
        uint32_t flags;        /* as FS_IOC_GETFLAGS gives them, those that TRAITS_FLAGS has */
        uint64_t device, inode;
        int64_t changed_ns, modified_ns; /* ctime, mtime */
};

bool manifest_is_folder(const struct manifest_entry *entry);

struct manifest;
int manifest_new(struct manifest **ret);
struct manifest *manifest_free(struct manifest *manifest);
DEFINE_CLEANUP_FUNC(struct manifest *, manifest_free);

/* Entries are in no order. What is returned is a loan until the manifest is changed; NULL: there is none. */
uint32_t manifest_count(const struct manifest *manifest);
const struct manifest_entry *manifest_at(const struct manifest *manifest, uint32_t n);
const struct manifest_entry *manifest_find(const struct manifest *manifest, const char *path);
const struct manifest_entry *manifest_find_inode(const struct manifest *manifest, uint64_t device, uint64_t inode);

/* Whether an entry names that content of the vault: for vault_sweep_on(). */
bool manifest_names(const struct manifest *manifest, const uint8_t digest[DIGEST_SIZE]);

/* Adds the entry, of which a copy is taken, or puts it in the place of the one with its path. -EINVAL: its path is none that can be
 * written down, or the class, kind or flags are none; -ENOSPC: there are too many. */
int manifest_set(struct manifest *manifest, const struct manifest_entry *entry);

/* -ENOENT: there is none of that path. */
int manifest_drop(struct manifest *manifest, const char *path);

/* All entries by their paths, as pointers into the manifest; allocated, manifest_count() of them. */
int manifest_sort(const struct manifest *manifest, const struct manifest_entry ***ret);

/* The text, and back: -EBADMSG unless it is one to the letter. Allocated, ended by a NUL that the size does not count. */
int manifest_write(const struct manifest *manifest, char **ret, size_t *ret_size);
int manifest_read(const char *text, size_t size, struct manifest **ret);

/* To a file that only we may read, in one step, and back; the digest is the BLAKE2b-256 of the text. */
int manifest_save(const struct manifest *manifest, const char *path, uint8_t ret[DIGEST_SIZE]);
int manifest_load(const char *path, struct manifest **ret, uint8_t ret_digest[DIGEST_SIZE]);
