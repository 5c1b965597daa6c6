#pragma once
/* Digests of content: at once and as hex text, or piece by piece for what is too large to hold. */
#include <stddef.h>
#include <stdint.h>

#define DIGEST_HEX_MAX 65
#define DIGEST_SIZE 32

/* SHA-256 in lower-case hex. */
void digest_hex(const void *data, size_t size, char hex[DIGEST_HEX_MAX]);

/* BLAKE2b-256 of content that comes in pieces. Free with digest_free(), which takes NULL and returns it. */
struct digest;
int digest_new(struct digest **ret);
struct digest *digest_free(struct digest *digest);
void digest_begin(struct digest *digest); /* also to begin anew */
void digest_begin_keyed(struct digest *digest, const uint8_t key[DIGEST_SIZE]);
void digest_add(struct digest *digest, const void *data, size_t size);
void digest_end(struct digest *digest, uint8_t ret[DIGEST_SIZE]);

/* The same at once. */
void digest_whole(const void *data, size_t size, uint8_t ret[DIGEST_SIZE]);

/* A digest as lower-case hex, and back; -EINVAL for anything else. */
void digest_to_hex(const uint8_t digest[DIGEST_SIZE], char hex[DIGEST_HEX_MAX]);
int digest_from_hex(const char *hex, size_t length, uint8_t ret[DIGEST_SIZE]);
