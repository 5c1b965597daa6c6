#pragma once
/*
 * A public key of OpenSSH, as it stands in a .pub file: ssh-ed25519, or sk-ssh-ed25519@openssh.com, whose secret half is in a
 * security key that must be touched. No other kind is taken: one kind of arithmetic is enough to trust.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/ssh_wire.h"

#define SSH_PUBLIC_KEY 32
#define SSH_APPLICATION_MAX 64 /* with NUL; "ssh:" unless somebody chose another */
#define SSH_KEY_LINE_MAX 256   /* type and base64, with NUL */
#define SSH_FINGERPRINT_MAX 52 /* "SHA256:" and 43 letters, with NUL */

enum ssh_key_kind {
        SSH_KEY_ED25519,
        SSH_KEY_SECURITY, /* in a security key */
        SSH_KEY_KIND_N,
};

struct ssh_key {
        enum ssh_key_kind kind;
        uint8_t public_key[SSH_PUBLIC_KEY];
        char application[SSH_APPLICATION_MAX]; /* of a security key; else "" */
};

/* OpenSSH's name of the kind. */
const char *ssh_key_type(enum ssh_key_kind kind);

/* Reads "TYPE BASE64 [COMMENT]", one line and its end. NULL, or why it is not taken, for people. */
const char *ssh_key_read(const char *text, size_t length, struct ssh_key *ret);

/* Takes one in its binary form; NULL, or why it is not taken. */
const char *ssh_key_take(struct ssh_bytes blob, struct ssh_key *ret);

/* The binary form, which is the same for the same key. */
void ssh_key_put(const struct ssh_key *key, struct ssh_blob *to);

/* "TYPE BASE64", without a comment. Returns `line`. */
char *ssh_key_line(const struct ssh_key *key, char line[SSH_KEY_LINE_MAX]);

/* As ssh-keygen -l prints it. Returns `text`. */
char *ssh_key_fingerprint(const struct ssh_key *key, char text[SSH_FINGERPRINT_MAX]);

bool ssh_key_same(const struct ssh_key *a, const struct ssh_key *b);
