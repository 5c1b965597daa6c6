/* Verifier keys (C2SP signed-note) and what a witness says about a checkpoint (C2SP tlog-cosignature). */

#include "audit/witness.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum {
        TYPED_KEY = 1 + AUDIT_PUBLIC_KEY,
        COSIGNATURE = AUDIT_KEY_ID + 8 + AUDIT_SIGNATURE,
        MESSAGE_MAX = AUDIT_ORIGIN_MAX + 256,
};

static bool is_known_type(uint8_t type)
{
        return type == AUDIT_KEY_LOG || type == AUDIT_KEY_WITNESS;
}

/* "NAME+ID+KEY". A name has no plus, a base64 key may: so the first two part them. */
int audit_vkey_read(const char *text, struct audit_vkey *ret)
{
        const char *plus = strchr(text, '+');
        const struct audit_slice name = { text, plus ? (size_t)(plus - text) : 0 };
        char id[2 * AUDIT_KEY_ID + 1];
        uint8_t typed[TYPED_KEY];
        struct audit_vkey vkey = { .name = "" };
        struct audit_slice key;

        if (!audit_origin_is_good(name) || strlen(plus) < sizeof("+01234567+") || plus[sizeof(id)] != '+')
                return -EINVAL;
        key.text = plus + sizeof(id) + 1;
        key.length = strlen(key.text);
        if (!audit_base64_decode(key, typed, sizeof(typed)) || !is_known_type(typed[0]))
                return -EINVAL;

        vkey.type = typed[0];
        memcpy(vkey.name, name.text, name.length);
        memcpy(vkey.key, typed + 1, sizeof(vkey.key));
        audit_key_id(name, &vkey.type, 1, vkey.key, vkey.id);
        sodium_bin2hex(id, sizeof(id), vkey.id, sizeof(vkey.id));
        if (memcmp(plus + 1, id, sizeof(id) - 1) != 0)
                return -EINVAL;
        *ret = vkey;
        return 0;
}

bool audit_signed_by(const struct audit_signature *signature, const struct audit_vkey *vkey)
{
        return audit_slice_is(signature->name, vkey->name) &&
               memcmp(signature->payload, vkey->id, sizeof(vkey->id)) == 0;
}

int audit_cosignature_judge(struct audit_slice text, const struct audit_signature *signature,
                            const struct audit_vkey *witness, uint64_t *ret_time)
{
        char message[MESSAGE_MAX];
        uint64_t time;
        int length;

        if (witness->type != AUDIT_KEY_WITNESS || !audit_signed_by(signature, witness))
                return -ENOKEY;
        if (signature->length != COSIGNATURE)
                return -EKEYREJECTED;
        time = audit_number_read(signature->payload + AUDIT_KEY_ID);
        length = snprintf(message, sizeof(message), "cosignature/v1\ntime %" PRIu64 "\n%.*s", time, (int)text.length,
                          text.text);
        if (time > INT64_MAX || length < 0 || (size_t)length >= sizeof(message) ||
            crypto_sign_verify_detached(signature->payload + AUDIT_KEY_ID + 8, (const uint8_t *)message,
                                        (unsigned long long)length, witness->key) != 0)
                return -EKEYREJECTED;
        *ret_time = time;
        return 0;
}

/* The line goes to audit_signature_next, which wants its LF. */
int audit_signature_read(struct audit_slice line, struct audit_signature *ret)
{
        char text[AUDIT_COSIGNATURE_LINE_MAX];
        struct audit_slice rest = { text, line.length + 1 };

        if (line.length + 1 > sizeof(text) || memchr(line.text, '\n', line.length))
                return -EBADMSG;
        memcpy(text, line.text, line.length);
        text[line.length] = '\n';
        if (audit_signature_next(&rest, ret) <= 0)
                return -EBADMSG;
        ret->name.text = line.text + (ret->name.text - text);
        return 0;
}

int audit_cosignature_check(const char *note, size_t length, struct audit_slice line, const struct audit_vkey *witness,
                            uint64_t *ret_time)
{
        struct audit_signature signature;
        struct audit_note parsed;
        int r;

        if (sodium_init() < 0)
                return -EIO;
        if (!audit_note_parse_loose(note, length, &parsed))
                return -EBADMSG;
        r = audit_signature_read(line, &signature);
        return r ?: audit_cosignature_judge(parsed.text, &signature, witness, ret_time);
}

/* ---- a quorum ------------------------------------------------------------------------------------------------- */

static int has_cosigned(const struct audit_note *note, const struct audit_vkey *witness)
{
        struct audit_slice rest = note->signatures;
        struct audit_signature signature;
        uint64_t time;
        int has = 0;

        while (audit_signature_next(&rest, &signature) > 0) {
                const int r = audit_cosignature_judge(note->text, &signature, witness, &time);

                if (r == 0)
                        has = 1;
                else if (r != -ENOKEY)
                        return r;
        }
        return has;
}

/* What a witness signs does not hold its name, so one key under two names is one witness. */
static bool is_counted(const struct audit_note *note, const struct audit_vkey *witnesses, size_t i)
{
        for (size_t k = 0; k < i; k++)
                if (memcmp(witnesses[k].key, witnesses[i].key, sizeof(witnesses[i].key)) == 0 &&
                    has_cosigned(note, &witnesses[k]) > 0)
                        return true;
        return false;
}

int audit_witnesses_count(const struct audit_note *note, const struct audit_vkey *witnesses, size_t n, unsigned *ret)
{
        unsigned count = 0;

        for (size_t i = 0; i < n; i++) {
                const int r = has_cosigned(note, &witnesses[i]);

                if (r < 0)
                        return r;
                if (r > 0 && !is_counted(note, witnesses, i))
                        count++;
        }
        *ret = count;
        return 0;
}
