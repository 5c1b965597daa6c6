#include "io/sign.h"

#include <assert.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#define MAGIC "SSHSIG" /* without its NUL, in the signature and in what is signed */
#define VERSION 1
#define BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define END "-----END SSH SIGNATURE-----"
#define COLUMNS 70
#define HASH "sha512"  /* the one that we sign with */
#define BLOB_MAX 3072  /* an RSA signature fits, to be refused for what it is */
#define SIGNED_MAX 160 /* the frame around a hash */
#define TOUCHED 0x01   /* of a security key's flags: a human was there */

/* A signature taken apart; all of it is on loan. */
struct parts {
        struct ssh_key key;
        struct ssh_bytes reserved, hash_name, signature;
        uint8_t flags; /* of a security key */
        uint32_t counter;
};

static const char *const whys[SIGN_VERDICT_N] = {
        [SIGN_GOOD] = "it is good",
        [SIGN_NO_ARMOR] = "it is no SSH signature: the lines from BEGIN SSH SIGNATURE to END SSH SIGNATURE are wanted",
        [SIGN_DAMAGED] = "the signature is damaged, or only a part of one",
        [SIGN_OTHER_VERSION] = "the signature is of another version than 1",
        [SIGN_OTHER_NAMESPACE] = ("the signature was made for something else: sign with -n " SIGN_NAMESPACE),
        [SIGN_OTHER_HASH] = "the signature uses another hash than sha512 or sha256",
        [SIGN_OTHER_KIND] = "the signature is of another kind of key than ssh-ed25519 or sk-ssh-ed25519",
        [SIGN_OTHER_KEY] = "the signature is of another key",
        [SIGN_NOT_TOUCHED] = "the security key signed without being touched",
        [SIGN_FORGED] = "the signature does not belong to this text",
};

const char *sign_why(enum sign_verdict verdict)
{
        return whys[verdict];
}

/* ---- taking apart --------------------------------------------------------------------------------------------------------- */

static bool is_white(char letter)
{
        return letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n';
}

/* What is between the two lines of the armor. Only white space may be around it: what is pasted is taken, what is hidden is not. */
static bool open_armor(const char *text, size_t size, uint8_t ret[BLOB_MAX], size_t *ret_size)
{
        const size_t begin = strlen(BEGIN) - 1, end = strlen(END);

        while (size > 0 && is_white(*text))
                text++, size--;
        while (size > 0 && is_white(text[size - 1]))
                size--;
        if (size < begin + end + 1 || memcmp(text, BEGIN, begin) != 0 || memcmp(text + size - end, END, end) != 0 ||
            !is_white(text[begin]) || text[size - end - 1] != '\n')
                return false;
        return ssh_base64_read(text + begin, size - begin - end, "\r\n", ret, BLOB_MAX, ret_size);
}

static enum sign_verdict take_signature(struct ssh_bytes blob, struct parts *parts)
{
        struct ssh_bytes kind;

        if (!ssh_take_string(&blob, &kind) || !ssh_is(kind, ssh_key_type(parts->key.kind)))
                return SIGN_OTHER_KIND;
        if (!ssh_take_string(&blob, &parts->signature) || parts->signature.size != crypto_sign_BYTES)
                return SIGN_DAMAGED;
        if (parts->key.kind == SSH_KEY_SECURITY &&
            (!ssh_take_byte(&blob, &parts->flags) || !ssh_take_number(&blob, &parts->counter)))
                return SIGN_DAMAGED;
        return blob.size == 0 ? SIGN_GOOD : SIGN_DAMAGED;
}

static enum sign_verdict take_apart(struct ssh_bytes blob, struct parts *ret)
{
        struct ssh_bytes key, name_space, signature;
        uint32_t version;

        if (blob.size < strlen(MAGIC) || memcmp(blob.data, MAGIC, strlen(MAGIC)) != 0)
                return SIGN_DAMAGED;
        blob.data += strlen(MAGIC);
        blob.size -= strlen(MAGIC);
        if (!ssh_take_number(&blob, &version))
                return SIGN_DAMAGED;
        if (version != VERSION)
                return SIGN_OTHER_VERSION;
        if (!ssh_take_string(&blob, &key) || !ssh_take_string(&blob, &name_space) ||
            !ssh_take_string(&blob, &ret->reserved) || !ssh_take_string(&blob, &ret->hash_name) ||
            !ssh_take_string(&blob, &signature) || blob.size != 0 || ret->reserved.size != 0)
                return SIGN_DAMAGED;
        if (!ssh_is(name_space, SIGN_NAMESPACE))
                return SIGN_OTHER_NAMESPACE;
        if (!ssh_is(ret->hash_name, "sha512") && !ssh_is(ret->hash_name, "sha256"))
                return SIGN_OTHER_HASH;
        if (ssh_key_take(key, &ret->key))
                return SIGN_OTHER_KIND;
        return take_signature(signature, ret);
}

/* ---- what is signed ------------------------------------------------------------------------------------------------------- */

static void frame(struct ssh_blob *to, struct ssh_bytes hash_name, const void *message, size_t size)
{
        uint8_t hash[crypto_hash_sha512_BYTES];
        const bool is_long = ssh_is(hash_name, "sha512");

        if (is_long)
                crypto_hash_sha512(hash, message, size);
        else
                crypto_hash_sha256(hash, message, size);
        ssh_put(to, MAGIC, strlen(MAGIC));
        ssh_put_string(to, SIGN_NAMESPACE, strlen(SIGN_NAMESPACE));
        ssh_put_string(to, "", 0); /* reserved */
        ssh_put_string(to, hash_name.data, hash_name.size);
        ssh_put_string(to, hash, is_long ? crypto_hash_sha512_BYTES : crypto_hash_sha256_BYTES);
        assert(!to->cut);
}

/* A security key signs for whom, whether it was touched, and its counter, beside the hash of what is to be signed. */
static void frame_security(struct ssh_blob *to, const struct parts *parts, const struct ssh_blob *framed)
{
        uint8_t hash[crypto_hash_sha256_BYTES];

        crypto_hash_sha256(hash, (const uint8_t *)parts->key.application, strlen(parts->key.application));
        ssh_put(to, hash, sizeof(hash));
        ssh_put(to, &parts->flags, 1);
        ssh_put_number(to, parts->counter);
        crypto_hash_sha256(hash, framed->data, framed->size);
        ssh_put(to, hash, sizeof(hash));
        assert(!to->cut);
}

/* ---- the three calls ------------------------------------------------------------------------------------------------------ */

enum sign_verdict sign_verify(const struct ssh_key *key, const char *armor, size_t armor_size, const void *message,
                              size_t size)
{
        uint8_t bytes[BLOB_MAX], text[SIGNED_MAX], security[SIGNED_MAX];
        struct ssh_blob framed = { .data = text, .room = sizeof(text) };
        struct ssh_blob touched = { .data = security, .room = sizeof(security) };
        struct ssh_bytes blob = { bytes, 0 };
        struct parts parts = { .flags = 0 };
        enum sign_verdict verdict;

        if (armor_size >= SIGN_ARMOR_MAX || !open_armor(armor, armor_size, bytes, &blob.size))
                return SIGN_NO_ARMOR;
        verdict = take_apart(blob, &parts);
        if (verdict != SIGN_GOOD)
                return verdict;
        if (!ssh_key_same(key, &parts.key))
                return SIGN_OTHER_KEY;
        frame(&framed, parts.hash_name, message, size);
        if (parts.key.kind == SSH_KEY_SECURITY) {
                if (!(parts.flags & TOUCHED))
                        return SIGN_NOT_TOUCHED;
                frame_security(&touched, &parts, &framed);
                framed = touched;
        }
        return crypto_sign_verify_detached(parts.signature.data, framed.data, framed.size, key->public_key) == 0
                       ? SIGN_GOOD
                       : SIGN_FORGED;
}

enum sign_verdict sign_claims(const char *armor, size_t armor_size, struct ssh_key *ret)
{
        uint8_t bytes[BLOB_MAX];
        struct ssh_bytes blob = { bytes, 0 };
        struct parts parts = { .flags = 0 };
        enum sign_verdict verdict;

        if (armor_size >= SIGN_ARMOR_MAX || !open_armor(armor, armor_size, bytes, &blob.size))
                return SIGN_NO_ARMOR;
        verdict = take_apart(blob, &parts);
        if (verdict == SIGN_GOOD)
                *ret = parts.key;
        return verdict;
}

static void close_armor(const struct ssh_blob *blob, char armor[SIGN_ARMOR_MAX])
{
        char base64[SSH_BASE64_MAX(BLOB_MAX)], *to = armor;
        size_t left;

        assert(!blob->cut);
        ssh_base64_write(base64, sizeof(base64), blob->data, blob->size);
        to = stpcpy(to, BEGIN);
        left = strlen(base64);
        for (const char *from = base64; left > 0;) {
                const size_t n = left < COLUMNS ? left : COLUMNS;

                to = mempcpy(to, from, n);
                *to++ = '\n';
                from += n;
                left -= n;
        }
        strcpy(to, END "\n");
}

/* The signature in its binary form: whose kind, and the bytes. */
static void put_signature(struct ssh_blob *to, const uint8_t secret[SIGN_SECRET_KEY], const void *message, size_t size)
{
        uint8_t text[SIGNED_MAX], signature[crypto_sign_BYTES], bytes[SIGNED_MAX];
        struct ssh_blob framed = { .data = text, .room = sizeof(text) },
                        inner = { .data = bytes, .room = sizeof(bytes) };
        const char *type = ssh_key_type(SSH_KEY_ED25519);

        frame(&framed, (struct ssh_bytes){ (const uint8_t *)HASH, strlen(HASH) }, message, size);
        crypto_sign_detached(signature, NULL, framed.data, framed.size, secret);
        ssh_put_string(&inner, type, strlen(type));
        ssh_put_string(&inner, signature, sizeof(signature));
        ssh_put_string(to, inner.data, inner.size);
}

static void put_key(struct ssh_blob *to, const uint8_t secret[SIGN_SECRET_KEY])
{
        uint8_t bytes[SIGNED_MAX];
        struct ssh_blob inner = { .data = bytes, .room = sizeof(bytes) };
        struct ssh_key key = { .kind = SSH_KEY_ED25519 };

        crypto_sign_ed25519_sk_to_pk(key.public_key, secret);
        ssh_key_put(&key, &inner);
        ssh_put_string(to, inner.data, inner.size);
}

void sign_make(const uint8_t secret[SIGN_SECRET_KEY], const void *message, size_t size, char armor[SIGN_ARMOR_MAX])
{
        uint8_t bytes[BLOB_MAX];
        struct ssh_blob blob = { .data = bytes, .room = sizeof(bytes) };

        ssh_put(&blob, MAGIC, strlen(MAGIC));
        ssh_put_number(&blob, VERSION);
        put_key(&blob, secret);
        ssh_put_string(&blob, SIGN_NAMESPACE, strlen(SIGN_NAMESPACE));
        ssh_put_string(&blob, "", 0); /* reserved */
        ssh_put_string(&blob, HASH, strlen(HASH));
        put_signature(&blob, secret, message, size);
        close_armor(&blob, armor);
}
