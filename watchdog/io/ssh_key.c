#include "io/ssh_key.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define BLOB_MAX 160 /* the longest application and a key fit */

static const char *const types[SSH_KEY_KIND_N] = {
        [SSH_KEY_ED25519] = "ssh-ed25519",
        [SSH_KEY_SECURITY] = "sk-ssh-ed25519@openssh.com",
};

const char *ssh_key_type(enum ssh_key_kind kind)
{
        return types[kind];
}

static enum ssh_key_kind kind_of(struct ssh_bytes type)
{
        enum ssh_key_kind kind = 0;

        while (kind < SSH_KEY_KIND_N && !ssh_is(type, types[kind]))
                kind++;
        return kind;
}

static bool take_application(struct ssh_bytes *blob, struct ssh_key *key)
{
        struct ssh_bytes application;

        if (!ssh_take_string(blob, &application) || application.size >= sizeof(key->application) ||
            memchr(application.data, '\0', application.size))
                return false;
        memcpy(key->application, application.data, application.size);
        return true;
}

const char *ssh_key_take(struct ssh_bytes blob, struct ssh_key *ret)
{
        struct ssh_bytes type, public_key;
        struct ssh_key key = { .kind = SSH_KEY_KIND_N };

        if (!ssh_take_string(&blob, &type))
                return "it is no key of OpenSSH, or only a part of one";
        key.kind = kind_of(type);
        if (key.kind == SSH_KEY_KIND_N)
                return "only keys of the kinds ssh-ed25519 and sk-ssh-ed25519 are taken";
        if (!ssh_take_string(&blob, &public_key) || public_key.size != SSH_PUBLIC_KEY ||
            (key.kind == SSH_KEY_SECURITY && !take_application(&blob, &key)) || blob.size != 0)
                return "the key is damaged";
        memcpy(key.public_key, public_key.data, SSH_PUBLIC_KEY);
        if (!crypto_core_ed25519_is_valid_point(key.public_key)) /* others accept signatures that nobody made */
                return "the key is weak: it is no point of the curve that a secret belongs to";
        *ret = key;
        return NULL;
}

/* The next word of the line, and what is behind it. */
static struct ssh_bytes take_word(const char **text, const char *end)
{
        const char *from = *text, *to;

        while (from < end && (*from == ' ' || *from == '\t'))
                from++;
        for (to = from; to < end && *to != ' ' && *to != '\t'; to++)
                ;
        *text = to;
        return (struct ssh_bytes){ (const uint8_t *)from, (size_t)(to - from) };
}

static size_t without_line_end(const char *text, size_t length)
{
        if (length > 0 && text[length - 1] == '\n')
                length--;
        if (length > 0 && text[length - 1] == '\r')
                length--;
        return length;
}

const char *ssh_key_read(const char *text, size_t length, struct ssh_key *ret)
{
        uint8_t bytes[BLOB_MAX];
        struct ssh_bytes type, base64, rest, inner, blob = { bytes, 0 };
        struct ssh_key key;
        const char *at = text, *why;

        length = without_line_end(text, length);
        if (length >= 5 && memcmp(text, "-----", 5) == 0)
                return "it is a private key, which stays where it is: give the file that ends in .pub";
        if (memchr(text, '\n', length) || memchr(text, '\0', length))
                return "it is more than one line: give a file with one public key";
        type = take_word(&at, text + length);
        base64 = take_word(&at, text + length);
        if (kind_of(type) == SSH_KEY_KIND_N)
                return "it does not begin with ssh-ed25519 or sk-ssh-ed25519@openssh.com, the kinds of keys that are taken";
        if (!ssh_base64_read((const char *)base64.data, base64.size, NULL, bytes, sizeof(bytes), &blob.size))
                return "the key is damaged";
        rest = blob;
        if (!ssh_take_string(&rest, &inner) || kind_of(inner) != kind_of(type))
                return "the key is of another kind than its line says";
        why = ssh_key_take(blob, &key);
        if (!why)
                *ret = key;
        return why;
}

void ssh_key_put(const struct ssh_key *key, struct ssh_blob *to)
{
        ssh_put_string(to, types[key->kind], strlen(types[key->kind]));
        ssh_put_string(to, key->public_key, SSH_PUBLIC_KEY);
        if (key->kind == SSH_KEY_SECURITY)
                ssh_put_string(to, key->application, strlen(key->application));
}

char *ssh_key_line(const struct ssh_key *key, char line[SSH_KEY_LINE_MAX])
{
        uint8_t bytes[BLOB_MAX];
        struct ssh_blob blob = { .data = bytes, .room = sizeof(bytes) };
        char base64[SSH_BASE64_MAX(BLOB_MAX)];

        ssh_key_put(key, &blob);
        snprintf(line, SSH_KEY_LINE_MAX, "%s %s", types[key->kind],
                 ssh_base64_write(base64, sizeof(base64), bytes, blob.size));
        return line;
}

char *ssh_key_fingerprint(const struct ssh_key *key, char text[SSH_FINGERPRINT_MAX])
{
        uint8_t bytes[BLOB_MAX], hash[crypto_hash_sha256_BYTES];
        struct ssh_blob blob = { .data = bytes, .room = sizeof(bytes) };
        char base64[SSH_BASE64_MAX(sizeof(hash))];

        ssh_key_put(key, &blob);
        crypto_hash_sha256(hash, bytes, blob.size);
        snprintf(text, SSH_FINGERPRINT_MAX, "SHA256:%.43s",
                 ssh_base64_write(base64, sizeof(base64), hash, sizeof(hash)));
        return text;
}

bool ssh_key_same(const struct ssh_key *a, const struct ssh_key *b)
{
        return a->kind == b->kind && memcmp(a->public_key, b->public_key, SSH_PUBLIC_KEY) == 0 &&
               strcmp(a->application, b->application) == 0;
}
