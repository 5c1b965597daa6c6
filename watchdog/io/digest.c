#include "io/digest.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

void digest_hex(const void *data, size_t size, char hex[DIGEST_HEX_MAX])
{
        unsigned char digest[crypto_hash_sha256_BYTES];

        crypto_hash_sha256(digest, data, size);
        sodium_bin2hex(hex, DIGEST_HEX_MAX, digest, sizeof(digest));
}

struct digest {
        crypto_generichash_state state;
};

int digest_new(struct digest **ret)
{
        struct digest *digest = aligned_alloc(_Alignof(struct digest), sizeof(*digest));

        if (!digest)
                return -ENOMEM;
        digest_begin(digest);
        *ret = digest;
        return 0;
}

struct digest *digest_free(struct digest *digest)
{
        free(digest);
        return NULL;
}

void digest_begin(struct digest *digest)
{
        crypto_generichash_init(&digest->state, NULL, 0, DIGEST_SIZE);
}

void digest_begin_keyed(struct digest *digest, const uint8_t key[DIGEST_SIZE])
{
        crypto_generichash_init(&digest->state, key, DIGEST_SIZE, DIGEST_SIZE);
}

void digest_add(struct digest *digest, const void *data, size_t size)
{
        crypto_generichash_update(&digest->state, data, size);
}

void digest_end(struct digest *digest, uint8_t ret[DIGEST_SIZE])
{
        crypto_generichash_final(&digest->state, ret, DIGEST_SIZE);
}

void digest_whole(const void *data, size_t size, uint8_t ret[DIGEST_SIZE])
{
        crypto_generichash(ret, DIGEST_SIZE, data, size, NULL, 0);
}

void digest_to_hex(const uint8_t digest[DIGEST_SIZE], char hex[DIGEST_HEX_MAX])
{
        sodium_bin2hex(hex, DIGEST_HEX_MAX, digest, DIGEST_SIZE);
}

int digest_from_hex(const char *hex, size_t length, uint8_t ret[DIGEST_SIZE])
{
        size_t n = 0;

        if (length != 2 * DIGEST_SIZE || sodium_hex2bin(ret, DIGEST_SIZE, hex, length, NULL, &n, NULL) != 0)
                return -EINVAL;
        return n == DIGEST_SIZE ? 0 : -EINVAL;
}
