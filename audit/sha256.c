#include "audit/sha256.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

void audit_sha256_prefixed_portable(uint8_t prefix, const void *data, size_t length, uint8_t ret[32])
{
        crypto_hash_sha256_state state;

        crypto_hash_sha256_init(&state);
        crypto_hash_sha256_update(&state, &prefix, 1);
        crypto_hash_sha256_update(&state, data, length);
        crypto_hash_sha256_final(&state, ret);
}

/* clang 14 cannot ask for the feature, and caching the answer of cpuid would take a mutable global. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#include <immintrin.h>

enum { BLOCK = 64 };

/* clang-format off */
static const uint32_t round_constants[64] __attribute__((aligned(16))) = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
/* clang-format on */

/* The state as the instructions want it: words a, b, e, f in one register, c, d, g, h in the other, high to low. */
struct state {
        __m128i abef, cdgh;
};

#define WITH_SHA __attribute__((target("sha,sse4.1")))

/* Four rounds for each of 16 groups of four message words; a group makes room for the one 16 words later. */
WITH_SHA static void compress(struct state *state, const uint8_t *data, size_t blocks)
{
        const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
        __m128i abef = state->abef, cdgh = state->cdgh;

        for (; blocks > 0; blocks--, data += BLOCK) {
                const __m128i abef_before = abef, cdgh_before = cdgh;
                __m128i words[4], sum, next;

                for (unsigned i = 0; i < 4; i++)
                        words[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), big_endian);

#pragma GCC unroll 16
                for (unsigned i = 0; i < 16; i++) {
                        sum = _mm_add_epi32(words[i % 4], _mm_load_si128((const __m128i *)(round_constants + 4 * i)));
                        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
                        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
                        if (i >= 12)
                                continue;
                        next = _mm_sha256msg1_epu32(words[i % 4], words[(i + 1) % 4]);
                        next = _mm_add_epi32(next, _mm_alignr_epi8(words[(i + 3) % 4], words[(i + 2) % 4], 4));
                        words[i % 4] = _mm_sha256msg2_epu32(next, words[(i + 3) % 4]);
                }
                abef = _mm_add_epi32(abef, abef_before);
                cdgh = _mm_add_epi32(cdgh, cdgh_before);
        }
        *state = (struct state){ abef, cdgh };
}

WITH_SHA static void put_digest(const struct state *state, uint8_t ret[32])
{
        const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
        const __m128i feba = _mm_shuffle_epi32(state->abef, 0x1b), dchg = _mm_shuffle_epi32(state->cdgh, 0xb1);
        const __m128i dcba = _mm_blend_epi16(feba, dchg, 0xf0), hgfe = _mm_alignr_epi8(dchg, feba, 8);

        _mm_storeu_si128((__m128i *)ret, _mm_shuffle_epi8(dcba, big_endian));
        _mm_storeu_si128((__m128i *)(ret + 16), _mm_shuffle_epi8(hgfe, big_endian));
}

/* The first block holds the prefix; those after it are read where they are; the last one or two hold the padding. */
static void hash_with_sha(uint8_t prefix, const uint8_t *data, size_t length, uint8_t ret[32])
{
        struct state state = { _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c),
                               _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19) };
        const uint64_t bits = ((uint64_t)length + 1) * 8;
        uint8_t block[2 * BLOCK] = { prefix };
        size_t used = 1, whole;

        if (length >= BLOCK - 1) {
                memcpy(block + 1, data, BLOCK - 1);
                compress(&state, block, 1);
                data += BLOCK - 1;
                length -= BLOCK - 1;
                whole = length / BLOCK;
                compress(&state, data, whole);
                data += whole * BLOCK;
                length -= whole * BLOCK;
                used = 0;
        }
        if (length > 0)
                memcpy(block + used, data, length);
        used += length;
        whole = used + 9 > BLOCK ? 2 : 1;
        memset(block + used, 0, whole * BLOCK - used);
        block[used] = 0x80;
        for (unsigned i = 0; i < 8; i++)
                block[whole * BLOCK - 1 - i] = (uint8_t)(bits >> 8 * i);
        compress(&state, block, whole);
        put_digest(&state, ret);
}

void audit_sha256_prefixed(uint8_t prefix, const void *data, size_t length, uint8_t ret[32])
{
        if (__builtin_cpu_supports("sha") && __builtin_cpu_supports("sse4.1"))
                hash_with_sha(prefix, data, length, ret);
        else
                audit_sha256_prefixed_portable(prefix, data, length, ret);
}

#else

void audit_sha256_prefixed(uint8_t prefix, const void *data, size_t length, uint8_t ret[32])
{
        audit_sha256_prefixed_portable(prefix, data, length, ret);
}

#endif
