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

/* A message to hash, and where its hash goes. */
struct message {
        const uint8_t *data;
        size_t length;
        uint8_t *ret;
};

static void hash_portably(uint8_t prefix, const struct message *messages, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                audit_sha256_prefixed_portable(prefix, messages[i].data, messages[i].length, messages[i].ret);
}

/* The loader asks the CPU, once and before main (an ifunc): cpuid for each hash would cost more than the hash, and to keep
 * its answer would take a mutable global. Hence glibc. BENCH_PORTABLE_SHA256 is for the comparison in tests/bench. */
#if (defined(__x86_64__) || defined(__aarch64__)) && defined(__GLIBC__) && !defined(BENCH_PORTABLE_SHA256)

enum { BLOCK = 64, LANES = 2 };

#define INLINED inline __attribute__((always_inline))

#ifdef __clang__
#define UNROLLED _Pragma("unroll")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

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
static const uint32_t first_state[8] __attribute__((aligned(16))) = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
/* clang-format on */

/* ---- a message as blocks -------------------------------------------------------------------------------------- */

/* Of the padded message: the first block, which holds the prefix, and the last one or two are put together here, those
 * between them are read where they are. */
struct blocks {
        const uint8_t *data;
        size_t whole, n; /* without a byte of padding; all */
        uint8_t first[BLOCK], last[2 * BLOCK];
};

static void divide(struct blocks *blocks, uint8_t prefix, const struct message *message)
{
        const uint64_t bits = ((uint64_t)message->length + 1) * 8;
        size_t taken = 0, used = 0;

        blocks->data = message->data;
        blocks->whole = (1 + message->length) / BLOCK;
        blocks->n = (1 + message->length + 9 + BLOCK - 1) / BLOCK;
        memset(blocks->last, 0, sizeof(blocks->last));
        if (blocks->whole > 0) {
                blocks->first[0] = prefix;
                memcpy(blocks->first + 1, message->data, BLOCK - 1);
                taken = blocks->whole * BLOCK - 1;
        } else
                blocks->last[used++] = prefix;

        if (taken < message->length)
                memcpy(blocks->last + used, message->data + taken, message->length - taken);
        used += message->length - taken;
        blocks->last[used] = 0x80;
        for (unsigned i = 0; i < 8; i++)
                blocks->last[(blocks->n - blocks->whole) * BLOCK - 1 - i] = (uint8_t)(bits >> 8 * i);
}

static INLINED const uint8_t *block_at(const struct blocks *blocks, size_t i)
{
        if (i >= blocks->whole)
                return blocks->last + (i - blocks->whole) * BLOCK;
        return i == 0 ? blocks->first : blocks->data + i * BLOCK - 1;
}

/* ---- x86-64 --------------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

#define WITH_SHA __attribute__((target("sha,sse4.1")))

/* The state as the instructions want it: words a, b, e, f in one register, c, d, g, h in the other, high to low. */
struct state {
        __m128i abef, cdgh;
};

typedef __m128i four_words;

WITH_SHA static INLINED struct state begin(void)
{
        const __m128i dcba = _mm_load_si128((const __m128i *)first_state);
        const __m128i hgfe = _mm_load_si128((const __m128i *)(first_state + 4));
        const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);

        return (struct state){ _mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0) };
}

WITH_SHA static INLINED four_words load(const uint8_t *bytes)
{
        const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

        return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)bytes), big_endian);
}

/* Rounds 4i to 4i+3. Their words make room for those 16 words later. */
WITH_SHA static INLINED void four_rounds(struct state *state, four_words words[4], unsigned i)
{
        const __m128i sum = _mm_add_epi32(words[i % 4], _mm_load_si128((const __m128i *)(round_constants + 4 * i)));
        __m128i next;

        state->cdgh = _mm_sha256rnds2_epu32(state->cdgh, state->abef, sum);
        state->abef = _mm_sha256rnds2_epu32(state->abef, state->cdgh, _mm_shuffle_epi32(sum, 0x0e));
        if (i >= 12)
                return;
        next = _mm_sha256msg1_epu32(words[i % 4], words[(i + 1) % 4]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(words[(i + 3) % 4], words[(i + 2) % 4], 4));
        words[i % 4] = _mm_sha256msg2_epu32(next, words[(i + 3) % 4]);
}

WITH_SHA static INLINED void add(struct state *state, const struct state *before)
{
        state->abef = _mm_add_epi32(state->abef, before->abef);
        state->cdgh = _mm_add_epi32(state->cdgh, before->cdgh);
}

WITH_SHA static INLINED void store(const struct state *state, uint8_t ret[32])
{
        const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
        const __m128i feba = _mm_shuffle_epi32(state->abef, 0x1b), dchg = _mm_shuffle_epi32(state->cdgh, 0xb1);
        const __m128i dcba = _mm_blend_epi16(feba, dchg, 0xf0), hgfe = _mm_alignr_epi8(dchg, feba, 8);

        _mm_storeu_si128((__m128i *)ret, _mm_shuffle_epi8(dcba, big_endian));
        _mm_storeu_si128((__m128i *)(ret + 16), _mm_shuffle_epi8(hgfe, big_endian));
}

#define ASKED_OF_THE_LOADER void

static INLINED bool has_sha(void)
{
        unsigned a, b, c, d;

        return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1) && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
               (b & bit_SHA);
}

#define HAS_SHA has_sha()

/* ---- arm64 ---------------------------------------------------------------------------------------------------- */

#else
#include <arm_neon.h>
#include <sys/auxv.h>

#define WITH_SHA __attribute__((target("+crypto")))

struct state {
        uint32x4_t abcd, efgh;
};

typedef uint32x4_t four_words;

WITH_SHA static INLINED struct state begin(void)
{
        return (struct state){ vld1q_u32(first_state), vld1q_u32(first_state + 4) };
}

WITH_SHA static INLINED four_words load(const uint8_t *bytes)
{
        return vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes)));
}

WITH_SHA static INLINED void four_rounds(struct state *state, four_words words[4], unsigned i)
{
        const uint32x4_t sum = vaddq_u32(words[i % 4], vld1q_u32(round_constants + 4 * i)), abcd = state->abcd;

        state->abcd = vsha256hq_u32(abcd, state->efgh, sum);
        state->efgh = vsha256h2q_u32(state->efgh, abcd, sum);
        if (i < 12)
                words[i % 4] = vsha256su1q_u32(vsha256su0q_u32(words[i % 4], words[(i + 1) % 4]), words[(i + 2) % 4],
                                               words[(i + 3) % 4]);
}

WITH_SHA static INLINED void add(struct state *state, const struct state *before)
{
        state->abcd = vaddq_u32(state->abcd, before->abcd);
        state->efgh = vaddq_u32(state->efgh, before->efgh);
}

WITH_SHA static INLINED void store(const struct state *state, uint8_t ret[32])
{
        vst1q_u8(ret, vrev32q_u8(vreinterpretq_u8_u32(state->abcd)));
        vst1q_u8(ret + 16, vrev32q_u8(vreinterpretq_u8_u32(state->efgh)));
}

#define ASKED_OF_THE_LOADER uint64_t hwcap
#define HAS_SHA ((hwcap & HWCAP_SHA2) != 0)

#endif

/* ---- one or two messages -------------------------------------------------------------------------------------- */

/* The next block of each lane; the loops vanish where `lanes` is a constant. */
WITH_SHA static INLINED void compress(struct state *states, const uint8_t *const *blocks, unsigned lanes)
{
        struct state before[LANES];
        four_words words[LANES][4];

        for (unsigned lane = 0; lane < lanes; lane++) {
                before[lane] = states[lane];
                for (unsigned i = 0; i < 4; i++)
                        words[lane][i] = load(blocks[lane] + 16 * i);
        }
        UNROLLED
        for (unsigned i = 0; i < 16; i++)
                for (unsigned lane = 0; lane < lanes; lane++)
                        four_rounds(&states[lane], words[lane], i);
        for (unsigned lane = 0; lane < lanes; lane++)
                add(&states[lane], &before[lane]);
}

WITH_SHA static void hash_with_sha(uint8_t prefix, const struct message *messages, unsigned n)
{
        struct blocks blocks[LANES];
        struct state states[LANES];
        size_t together = 0;

        for (unsigned lane = 0; lane < n; lane++) {
                divide(&blocks[lane], prefix, &messages[lane]);
                states[lane] = begin();
        }
        if (n == 2)
                together = blocks[0].n < blocks[1].n ? blocks[0].n : blocks[1].n;
        for (size_t i = 0; i < together; i++)
                compress(states, (const uint8_t *const[]){ block_at(&blocks[0], i), block_at(&blocks[1], i) }, 2);
        for (unsigned lane = 0; lane < n; lane++) {
                for (size_t i = together; i < blocks[lane].n; i++)
                        compress(&states[lane], (const uint8_t *const[]){ block_at(&blocks[lane], i) }, 1);
                store(&states[lane], messages[lane].ret);
        }
}

typedef void hash_function(uint8_t prefix, const struct message *messages, unsigned n);

/* It runs before the program is ready for anything, sanitizers included. */
#ifdef __clang__
#define UNTOUCHED __attribute__((used, no_stack_protector, disable_sanitizer_instrumentation))
#else
#define UNTOUCHED __attribute__((used, no_stack_protector, no_sanitize("address", "thread", "undefined")))
#endif

UNTOUCHED static hash_function *best_hash(ASKED_OF_THE_LOADER)
{
        return HAS_SHA ? hash_with_sha : hash_portably;
}

static void hash(uint8_t prefix, const struct message *messages, unsigned n) __attribute__((ifunc("best_hash")));

#else
#define hash hash_portably
#endif

void audit_sha256_prefixed(uint8_t prefix, const void *data, size_t length, uint8_t ret[32])
{
        const struct message message = { data, length, ret };

        hash(prefix, &message, 1);
}

void audit_sha256_prefixed_two(uint8_t prefix, const void *const data[2], const size_t length[2], uint8_t *const ret[2])
{
        const struct message messages[] = { { data[0], length[0], ret[0] }, { data[1], length[1], ret[1] } };

        hash(prefix, messages, 2);
}
