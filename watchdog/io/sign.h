#pragma once
/*
 * Signatures of OpenSSH, as `ssh-keygen -Y sign -n governor` makes them and `-Y verify` takes them (PROTOCOL.sshsig). A human may
 * sign on any machine, with tools that are there already. What is taken is narrow: our namespace, one version, two kinds of keys.
 */
#include <stddef.h>
#include <stdint.h>

#include "io/ssh_key.h"

#define SIGN_NAMESPACE "governor"
#define SIGN_SECRET_KEY 64  /* libsodium's form: seed and public key */
#define SIGN_ARMOR_MAX 4096 /* what we make and what we read, with NUL; ours are a tenth of it */

enum sign_verdict {
        SIGN_GOOD,
        SIGN_NO_ARMOR,
        SIGN_DAMAGED,
        SIGN_OTHER_VERSION,
        SIGN_OTHER_NAMESPACE,
        SIGN_OTHER_HASH,
        SIGN_OTHER_KIND, /* of key */
        SIGN_OTHER_KEY,
        SIGN_NOT_TOUCHED, /* the security key was not asked for a human's touch */
        SIGN_FORGED,
        SIGN_VERDICT_N,
};

/* Why a signature is not taken, for people. */
const char *sign_why(enum sign_verdict verdict);

/* Whether `armor` is the key's signature over the message, letter by letter. */
enum sign_verdict sign_verify(const struct ssh_key *key, const char *armor, size_t armor_size, const void *message,
                              size_t size);

/* Whose signature it says it is; SIGN_GOOD when that could be read. It is not verified. */
enum sign_verdict sign_claims(const char *armor, size_t armor_size, struct ssh_key *ret);

/* Signs as ssh-keygen does. */
void sign_make(const uint8_t secret[SIGN_SECRET_KEY], const void *message, size_t size, char armor[SIGN_ARMOR_MAX]);
