#include <sodium.h>

#include "io/digest.h"

void digest_hex(const void *data, size_t size, char hex[DIGEST_HEX_MAX])
{
        unsigned char digest[crypto_hash_sha256_BYTES];

        crypto_hash_sha256(digest, data, size);
        sodium_bin2hex(hex, DIGEST_HEX_MAX, digest, sizeof(digest));
}
