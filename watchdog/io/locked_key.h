#pragma once
/*
 * An Ed25519 key that stays on this machine, its secret half under a passphrase: Argon2id makes a key of the passphrase, and
 * XChaCha20-Poly1305 locks the secret with it, bound to its public half. It is one word of text, with the costs it was locked at.
 * It is weaker than a key elsewhere: who has uid 0 can try passphrases, or watch one being typed.
 */
#include <stddef.h>

#include "io/sign.h"
#include "io/ssh_key.h"

#define LOCKED_KEY_MAX 256 /* with NUL */
#define PASSPHRASE_LEAST 12
#define PASSPHRASE_MAX 256 /* with NUL */

/* Makes a new key. -ENOMEM: the memory that locking costs is not there. */
int locked_key_make(const char *passphrase, struct ssh_key *ret_public, char ret_text[LOCKED_KEY_MAX]);

/* 0 when it could be such a text; -EINVAL: it is none; -E2BIG: it costs more than we pay. */
int locked_key_check(const char *text);

/*
 * Signs a message with it; the secret is in memory that is locked, and only for this call. -EKEYREJECTED: another passphrase, or
 * another public key. -EINVAL, -E2BIG: see locked_key_check(). -ENOMEM.
 */
int locked_key_sign(const char *text, const struct ssh_key *key, const char *passphrase, const void *message,
                    size_t size, char ret_armor[SIGN_ARMOR_MAX]);
