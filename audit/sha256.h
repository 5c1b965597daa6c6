#pragma once

/* SHA-256 of one byte and what follows it, which is all that RFC 6962 hashes: with the CPU's own instructions where it has
 * them (a fifth of the time, and verify is mostly hashing), else by libsodium. */

#include <stddef.h>
#include <stdint.h>

void audit_sha256_prefixed(uint8_t prefix, const void *data, size_t length, uint8_t ret[32]);

/* libsodium's, for any CPU; the test compares the two. */
void audit_sha256_prefixed_portable(uint8_t prefix, const void *data, size_t length, uint8_t ret[32]);
