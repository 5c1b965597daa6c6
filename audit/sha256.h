#pragma once

/* SHA-256 of one byte and what follows it, which is all that RFC 6962 hashes: with the instructions that x86-64 and arm64
 * have for it where this CPU has them (a quarter of the time, and verify is mostly hashing), else by libsodium. */

#include <stddef.h>
#include <stdint.h>

void audit_sha256_prefixed(uint8_t prefix, const void *data, size_t length, uint8_t ret[32]);

/* Two at once, in little more than half the time: each round waits for the one before it, but not for the other's. */
void audit_sha256_prefixed_two(uint8_t prefix, const void *const data[2], const size_t length[2],
                               uint8_t *const ret[2]);

/* libsodium's, for any CPU; the test compares the two. */
void audit_sha256_prefixed_portable(uint8_t prefix, const void *data, size_t length, uint8_t ret[32]);
