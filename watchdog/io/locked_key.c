#include "io/locked_key.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define METHOD "argon2id"

enum {
        PASSES = 4,
        MEMORY = 128 << 20, /* what a guess costs; small machines have it, and it is asked for by a human, once */
        PASSES_MOST = 16,   /* a text that costs more was not written by us: refused before it is paid */
        MEMORY_MOST = 1 << 30,
        LOCKED = crypto_sign_SEEDBYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES,
};

/* The text taken apart: argon2id:PASSES:BYTES:SALT:NONCE:SECRET, the last three in base64. */
struct locked {
        uint64_t passes, memory;
        uint8_t salt[crypto_pwhash_SALTBYTES];
        uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
        uint8_t secret[LOCKED];
};

/* Everything secret, in memory that is locked, guarded and erased. */
struct opened {
        uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
        uint8_t seed[crypto_sign_SEEDBYTES];
        uint8_t secret[SIGN_SECRET_KEY];
};

static struct opened *opened_new(void)
{
        return sodium_init() < 0 ? NULL : sodium_malloc(sizeof(struct opened));
}

/* ---- the text ------------------------------------------------------------------------------------------------------------ */

static bool take_number(const char **text, uint64_t *ret)
{
        if (!text_digits(text, NULL, ret) || **text != ':')
                return false;
        ++*text;
        return true;
}

static bool take_bytes(const char **text, uint8_t *ret, size_t size)
{
        const size_t length = strcspn(*text, ":");
        size_t got;

        if (!ssh_base64_read(*text, length, NULL, ret, size, &got) || got != size)
                return false;
        *text += length;
        if (**text == ':')
                ++*text;
        return true;
}

static int read_text(const char *text, struct locked *ret)
{
        const char *at = text;

        if (!text_starts(text, METHOD ":") || strlen(text) >= LOCKED_KEY_MAX)
                return -EINVAL;
        at += strlen(METHOD ":");
        if (!take_number(&at, &ret->passes) || !take_number(&at, &ret->memory) ||
            !take_bytes(&at, ret->salt, sizeof(ret->salt)) || !take_bytes(&at, ret->nonce, sizeof(ret->nonce)) ||
            !take_bytes(&at, ret->secret, sizeof(ret->secret)) || *at || at[-1] == ':')
                return -EINVAL;
        if (ret->passes < crypto_pwhash_OPSLIMIT_MIN || ret->memory < crypto_pwhash_MEMLIMIT_MIN)
                return -EINVAL;
        return ret->passes > PASSES_MOST || ret->memory > MEMORY_MOST ? -E2BIG : 0;
}

static void write_text(const struct locked *locked, char text[LOCKED_KEY_MAX])
{
        char salt[SSH_BASE64_MAX(sizeof(locked->salt))], nonce[SSH_BASE64_MAX(sizeof(locked->nonce))],
                secret[SSH_BASE64_MAX(sizeof(locked->secret))];

        snprintf(text, LOCKED_KEY_MAX, METHOD ":%" PRIu64 ":%" PRIu64 ":%s:%s:%s", locked->passes, locked->memory,
                 ssh_base64_write(salt, sizeof(salt), locked->salt, sizeof(locked->salt)),
                 ssh_base64_write(nonce, sizeof(nonce), locked->nonce, sizeof(locked->nonce)),
                 ssh_base64_write(secret, sizeof(secret), locked->secret, sizeof(locked->secret)));
}

/* ---- locking and opening ------------------------------------------------------------------------------------------------- */

static int derive(const struct locked *locked, const char *passphrase, struct opened *opened)
{
        return crypto_pwhash(opened->key, sizeof(opened->key), passphrase, strlen(passphrase), locked->salt,
                             locked->passes, (size_t)locked->memory, crypto_pwhash_ALG_ARGON2ID13) == 0
                       ? 0
                       : -ENOMEM;
}

static int lock(struct opened *opened, const char *passphrase, const struct ssh_key *key, struct locked *ret)
{
        int r;

        *ret = (struct locked){ .passes = PASSES, .memory = MEMORY };
        randombytes_buf(ret->salt, sizeof(ret->salt));
        randombytes_buf(ret->nonce, sizeof(ret->nonce));
        r = derive(ret, passphrase, opened);
        if (r >= 0)
                crypto_aead_xchacha20poly1305_ietf_encrypt(ret->secret, NULL, opened->seed, sizeof(opened->seed),
                                                           key->public_key, SSH_PUBLIC_KEY, NULL, ret->nonce,
                                                           opened->key);
        return r;
}

static int unlock(const struct locked *locked, const char *passphrase, const struct ssh_key *key, struct opened *opened)
{
        int r = derive(locked, passphrase, opened);

        if (r < 0)
                return r;
        return crypto_aead_xchacha20poly1305_ietf_decrypt(opened->seed, NULL, NULL, locked->secret,
                                                          sizeof(locked->secret), key->public_key, SSH_PUBLIC_KEY,
                                                          locked->nonce, opened->key) == 0
                       ? 0
                       : -EKEYREJECTED;
}

/* ---- the calls ------------------------------------------------------------------------------------------------------------ */

int locked_key_make(const char *passphrase, struct ssh_key *ret_public, char ret_text[LOCKED_KEY_MAX])
{
        struct opened *opened = opened_new();
        struct ssh_key key = { .kind = SSH_KEY_ED25519 };
        struct locked locked;
        int r;

        if (!opened)
                return -ENOMEM;
        randombytes_buf(opened->seed, sizeof(opened->seed));
        crypto_sign_seed_keypair(key.public_key, opened->secret, opened->seed);
        r = lock(opened, passphrase, &key, &locked);
        sodium_free(opened);
        if (r < 0)
                return r;
        write_text(&locked, ret_text);
        *ret_public = key;
        return 0;
}

int locked_key_check(const char *text)
{
        struct locked locked;

        return read_text(text, &locked);
}

int locked_key_sign(const char *text, const struct ssh_key *key, const char *passphrase, const void *message,
                    size_t size, char ret_armor[SIGN_ARMOR_MAX])
{
        struct opened *opened;
        struct locked locked;
        uint8_t public_key[SSH_PUBLIC_KEY];
        int r = read_text(text, &locked);

        if (r < 0)
                return r;
        opened = opened_new();
        if (!opened)
                return -ENOMEM;
        r = unlock(&locked, passphrase, key, opened);
        if (r >= 0) {
                crypto_sign_seed_keypair(public_key, opened->secret, opened->seed);
                sign_make(opened->secret, message, size, ret_armor);
        }
        sodium_free(opened);
        return r;
}
