#pragma once
/*
 * The vault: contents, each under the name of its own BLAKE2b-256 digest, in a folder that only we may enter. What is in it was
 * written whole or is not there; what is read from it is what was put in, or is refused.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/cleanup.h"
#include "io/digest.h"

struct vault;

struct vault_limits {
        uint64_t bytes_most;   /* of all contents together */
        uint64_t content_most; /* of one */
        uint32_t contents_most;
};

/* Enough for the configuration of many agents, and small beside any disk. */
#define VAULT_LIMITS_DEFAULT \
        ((struct vault_limits){ .bytes_most = 256 << 20, .content_most = 8 << 20, .contents_most = 65536 })

/*
 * Opens the folder, which is made unless it is there, and throws away what was never finished. -ENOTDIR: something else is there,
 * a link too; -EPERM: it is somebody else's.
 */
int vault_open(const char *path, const struct vault_limits *limits, struct vault **ret);
struct vault *vault_free(struct vault *vault); /* the folder stays */
DEFINE_CLEANUP_FUNC(struct vault *, vault_free);

/* A content in it does not have its digest: it was taken out. Called from within the call that found it. */
void vault_on_damage(struct vault *vault, void (*damaged)(void *self, const uint8_t digest[DIGEST_SIZE]), void *self);

const struct vault_limits *vault_limits(const struct vault *vault);
uint64_t vault_bytes(const struct vault *vault);
uint32_t vault_contents(const struct vault *vault);

/* Whether it is there, by its name; what it holds is looked at when it is read. */
bool vault_has(const struct vault *vault, const uint8_t digest[DIGEST_SIZE]);

/*
 * Puts a content in, piece by piece. -EFBIG: larger than one may be; -EDQUOT: the vault is full; -ENOSPC: the disk is. After
 * vault_put_end(), which frees the writer whatever it returns, the content is there and whole, also after a power cut; that it
 * is there at all is only sure after vault_sync().
 */
struct vault_writer;
int vault_put_begin(struct vault *vault, struct vault_writer **ret);
int vault_put_add(struct vault_writer *writer, const void *data, size_t size);
int vault_put_end(struct vault_writer *writer, uint8_t ret[DIGEST_SIZE]);
struct vault_writer *vault_put_cancel(struct vault_writer *writer);
DEFINE_CLEANUP_FUNC(struct vault_writer *, vault_put_cancel);

/* The same for a content that is in memory. */
int vault_put(struct vault *vault, const void *data, size_t size, uint8_t ret[DIGEST_SIZE]);

/* The same for what is left to read of an open file, and for a link's target. */
int vault_put_file(struct vault *vault, int fd, uint8_t ret[DIGEST_SIZE]);
int vault_put_link(struct vault *vault, int folder, const char *name, uint8_t ret[DIGEST_SIZE]);

/* From here on what was put in before survives a power cut. */
int vault_sync(struct vault *vault);

/* -ENOENT: it is not there; -EBADMSG: it was damaged, and is not there any more. -EFBIG: larger than `most`. */
int vault_get(struct vault *vault, const uint8_t digest[DIGEST_SIZE], size_t most, char **ret, size_t *ret_size);

/* Writes it to a descriptor as it reads it: after a failure throw away what was written. */
int vault_copy(struct vault *vault, const uint8_t digest[DIGEST_SIZE], int to);

/* Takes a content out for good, at once and also after a power cut, whoever names it. -ENOENT: it is not there. What the disk holds
 * of it is the file system's to write over. */
int vault_forget(struct vault *vault, const uint8_t digest[DIGEST_SIZE]);

/*
 * Removes what nobody names any more, a few folders at a time: 1, there is more; 0, that was all. What was put in, or asked for,
 * since it began stays.
 */
void vault_sweep_begin(struct vault *vault);
int vault_sweep_on(struct vault *vault, bool (*keep)(void *self, const uint8_t digest[DIGEST_SIZE]), void *self);
