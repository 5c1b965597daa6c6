/* Whatever somebody hands in as a key, a signature or a locked key: refused with a reason, or read and written again to the letter. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/locked_key.h"
#include "io/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_key(const char *text, size_t size)
{
        struct ssh_key key, again;
        char line[SSH_KEY_LINE_MAX], fingerprint[SSH_FINGERPRINT_MAX];

        if (ssh_key_read(text, size, &key))
                return;
        ssh_key_line(&key, line);
        ssh_key_fingerprint(&key, fingerprint);
        if (ssh_key_read(line, strlen(line), &again) || !ssh_key_same(&key, &again) || strlen(fingerprint) != 50)
                abort();
}

/* Nobody here knows a secret, so nothing may be good. */
static void read_signature(const char *text, size_t size)
{
        struct ssh_key key;

        if (sign_claims(text, size, &key) == SIGN_GOOD &&
            sign_verify(&key, text, size, "never signed", 12) == SIGN_GOOD)
                abort();
}

static void read_locked(const char *text, size_t size)
{
        char *copy = strndup(text, size);

        if (!copy)
                abort();
        (void)locked_key_check(copy);
        free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (sodium_init() < 0)
                abort();
        read_key((const char *)data, size);
        read_signature((const char *)data, size);
        read_locked((const char *)data, size);
        return 0;
}
