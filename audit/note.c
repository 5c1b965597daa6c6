#include "audit/note.h"

#include <endian.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define SEAL_KIND "governor-seal/v1"
#define SEAL_SUFFIX "/seal"

enum {
        BASE64 = sodium_base64_VARIANT_ORIGINAL,
        KEY_ID = AUDIT_KEY_ID,
        LOG_PAYLOAD = KEY_ID + AUDIT_SIGNATURE,
        SEAL_PAYLOAD = KEY_ID + 8 + AUDIT_PUBLIC_KEY + AUDIT_SIGNATURE,
        BASE64_OF_32 = 4 * ((32 + 2) / 3) + 1, /* with NUL */
        BASE64_OF_SEAL = 4 * ((SEAL_PAYLOAD + 2) / 3) + 1,
        MESSAGE_MAX = AUDIT_ORIGIN_MAX + 512,
};

/* ---- keys and base64 ------------------------------------------------------------------------------------------ */

bool audit_base64_read(struct audit_slice text, uint8_t *ret, size_t room, size_t *ret_length)
{
        /* libsodium refuses what is not canonical: stray characters, missing padding, bits that say nothing. But where char is
         * signed it takes 0xAB and 0xAF for plus and slash. */
        for (size_t i = 0; i < text.length; i++)
                if ((unsigned char)text.text[i] > '~')
                        return false;
        return sodium_base642bin(ret, room, text.text, text.length, NULL, ret_length, NULL, BASE64) == 0;
}

bool audit_base64_decode(struct audit_slice text, uint8_t *ret, size_t room)
{
        size_t length;

        return audit_base64_read(text, ret, room, &length) && length == room;
}

void audit_key_id(struct audit_slice name, const void *type, size_t type_length, const uint8_t key[AUDIT_PUBLIC_KEY],
                  uint8_t ret[static AUDIT_KEY_ID])
{
        crypto_hash_sha256_state state;
        uint8_t hash[32];

        crypto_hash_sha256_init(&state);
        crypto_hash_sha256_update(&state, (const uint8_t *)name.text, name.length);
        crypto_hash_sha256_update(&state, (const uint8_t *)"\n", 1);
        crypto_hash_sha256_update(&state, type, type_length);
        crypto_hash_sha256_update(&state, key, AUDIT_PUBLIC_KEY);
        crypto_hash_sha256_final(&state, hash);
        memcpy(ret, hash, KEY_ID);
}

static void log_key_id(struct audit_slice origin, const uint8_t key[AUDIT_PUBLIC_KEY], uint8_t ret[KEY_ID])
{
        audit_key_id(origin, "\x01", 1, key, ret);
}

static void seal_key_id(struct audit_slice origin, const uint8_t key[AUDIT_PUBLIC_KEY], uint8_t ret[KEY_ID])
{
        char name[AUDIT_ORIGIN_MAX + sizeof(SEAL_SUFFIX)];
        const int length = snprintf(name, sizeof(name), "%.*s" SEAL_SUFFIX, (int)origin.length, origin.text);

        audit_key_id((struct audit_slice){ name, (size_t)length }, "\xff" SEAL_KIND, sizeof("\xff" SEAL_KIND) - 1, key,
                     ret);
}

void audit_vkey_write(const char *origin, const uint8_t log_key[AUDIT_PUBLIC_KEY], char ret[static AUDIT_VKEY_MAX])
{
        const struct audit_slice name = { origin, strlen(origin) };
        uint8_t id[KEY_ID], typed[1 + AUDIT_PUBLIC_KEY] = { 0x01 };
        char key[sodium_base64_ENCODED_LEN(sizeof(typed), BASE64)], hex[2 * KEY_ID + 1];

        memcpy(typed + 1, log_key, AUDIT_PUBLIC_KEY);
        log_key_id(name, log_key, id);
        sodium_bin2base64(key, sizeof(key), typed, sizeof(typed), BASE64);
        sodium_bin2hex(hex, sizeof(hex), id, sizeof(id));
        snprintf(ret, AUDIT_VKEY_MAX, "%s+%s+%s", origin, hex, key);
}

bool audit_vkey_parse(struct audit_slice vkey, const char *origin, uint8_t ret_log_key[AUDIT_PUBLIC_KEY])
{
        const size_t before = strlen(origin) + 1 + 2 * KEY_ID + 1;
        uint8_t typed[1 + AUDIT_PUBLIC_KEY];
        char again[AUDIT_VKEY_MAX];

        if (vkey.length <= before ||
            !audit_base64_decode((struct audit_slice){ vkey.text + before, vkey.length - before }, typed,
                                 sizeof(typed)))
                return false;

        /* There is one way to write a key, so writing it again checks type, name and id at once. */
        audit_vkey_write(origin, typed + 1, again);
        if (strlen(again) != vkey.length || memcmp(again, vkey.text, vkey.length) != 0)
                return false;
        memcpy(ret_log_key, typed + 1, AUDIT_PUBLIC_KEY);
        return true;
}

bool audit_origin_is_good(struct audit_slice origin)
{
        if (origin.length == 0 || origin.length >= AUDIT_ORIGIN_MAX)
                return false;
        for (size_t i = 0; i < origin.length; i++)
                if (origin.text[i] <= ' ' || origin.text[i] > '~' || origin.text[i] == '+')
                        return false;
        return true;
}

void audit_anchor_write(const char *origin, uint64_t size, const struct audit_hash *root,
                        char ret[static AUDIT_ANCHOR_MAX])
{
        char base64[BASE64_OF_32];

        sodium_bin2base64(base64, sizeof(base64), root->bytes, sizeof(root->bytes), BASE64);
        snprintf(ret, AUDIT_ANCHOR_MAX, "govaudit1 %s %" PRIu64 " %s", origin, size, base64);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

bool audit_line_next(struct audit_slice *rest, struct audit_slice *ret)
{
        const char *end = memchr(rest->text, '\n', rest->length);

        if (!end)
                return false;
        *ret = (struct audit_slice){ rest->text, (size_t)(end - rest->text) };
        *rest = (struct audit_slice){ end + 1, rest->length - ret->length - 1 };
        return true;
}

uint64_t audit_number_read(const uint8_t bytes[static 8])
{
        uint64_t value;

        memcpy(&value, bytes, sizeof(value));
        return be64toh(value);
}

void audit_number_write(uint8_t ret[static 8], uint64_t value)
{
        value = htobe64(value);
        memcpy(ret, &value, sizeof(value));
}

bool audit_size_parse(struct audit_slice text, uint64_t *ret)
{
        struct audit_scan scan = audit_scan_begin(text.text, text.length);
        int64_t size;

        if (!audit_scan_integer(&scan, &size) || !audit_scan_done(&scan) || size < 0)
                return false;
        *ret = (uint64_t)size;
        return true;
}

int audit_signature_next(struct audit_slice *rest, struct audit_signature *ret)
{
        const size_t mark = sizeof(AUDIT_SIGNATURE_MARK) - 1;
        struct audit_slice line, base64;
        const char *space;

        if (rest->length == 0)
                return 0;
        if (!audit_line_next(rest, &line) || line.length <= mark || memcmp(line.text, AUDIT_SIGNATURE_MARK, mark) != 0)
                return -1;

        ret->name = (struct audit_slice){ line.text + mark, line.length - mark };
        space = memchr(ret->name.text, ' ', ret->name.length);
        if (!space)
                return -1;
        base64 = (struct audit_slice){ space + 1, (size_t)(line.text + line.length - space) - 1 };
        ret->name.length = (size_t)(space - ret->name.text);
        if (ret->name.length == 0 || memchr(ret->name.text, '+', ret->name.length) || !audit_is_text(ret->name))
                return -1;

        if (!audit_base64_read(base64, ret->payload, sizeof(ret->payload), &ret->length) || ret->length <= KEY_ID)
                return -1;
        return 1;
}

static bool is_origin(const struct audit_note *note, const struct audit_slice *name)
{
        return name->length == note->origin.length && memcmp(name->text, note->origin.text, name->length) == 0;
}

static bool is_seal(const struct audit_note *note, const struct audit_slice *name)
{
        const size_t suffix = sizeof(SEAL_SUFFIX) - 1;

        return name->length == note->origin.length + suffix &&
               memcmp(name->text, note->origin.text, note->origin.length) == 0 &&
               memcmp(name->text + note->origin.length, SEAL_SUFFIX, suffix) == 0;
}

static bool parse_seal(const struct audit_signature *line, struct audit_note *note)
{
        const uint8_t *at = line->payload;

        if (line->length != SEAL_PAYLOAD)
                return false;
        memcpy(note->seal_key_id, at, KEY_ID);
        note->epoch = audit_number_read(at += KEY_ID);
        memcpy(note->next, at += 8, AUDIT_PUBLIC_KEY);
        memcpy(note->seal, at += AUDIT_PUBLIC_KEY, AUDIT_SIGNATURE);
        note->has_seal = true;
        return note->epoch <= (uint64_t)AUDIT_INTEGER_MAX;
}

static bool parse_signatures(struct audit_note *note)
{
        struct audit_slice rest = note->signatures;
        struct audit_signature line;
        int r;

        note->has_seal = false;
        while ((r = audit_signature_next(&rest, &line)) > 0)
                if (is_seal(note, &line.name) && (note->has_seal || !parse_seal(&line, note)))
                        return false;
        return r == 0;
}

bool audit_note_parse_loose(const char *text, size_t length, struct audit_note *ret)
{
        struct audit_slice rest = { text, length }, size, root, empty;
        struct audit_note note;

        if (!audit_line_next(&rest, &note.origin) || !audit_origin_is_good(note.origin) ||
            !audit_line_next(&rest, &size) || !audit_size_parse(size, &note.size) || !audit_line_next(&rest, &root) ||
            !audit_base64_decode(root, note.root.bytes, sizeof(note.root.bytes)))
                return false;
        note.text = (struct audit_slice){ text, (size_t)(rest.text - text) };

        if (!audit_line_next(&rest, &empty) || empty.length != 0)
                return false;
        note.signatures = rest;
        if (!parse_signatures(&note))
                return false;
        *ret = note;
        return true;
}

bool audit_note_parse(const char *text, size_t length, struct audit_note *ret)
{
        struct audit_note note;

        if (!audit_note_parse_loose(text, length, &note) || !note.has_seal)
                return false;
        *ret = note;
        return true;
}

/* ---- judging -------------------------------------------------------------------------------------------------- */

bool audit_note_log_signed(const struct audit_note *note, const uint8_t log_key[AUDIT_PUBLIC_KEY])
{
        struct audit_slice rest = note->signatures;
        struct audit_signature line;
        uint8_t id[KEY_ID];
        bool is_signed = false;

        log_key_id(note->origin, log_key, id);
        while (audit_signature_next(&rest, &line) > 0) {
                if (!is_origin(note, &line.name) || memcmp(line.payload, id, KEY_ID) != 0)
                        continue;
                if (line.length != LOG_PAYLOAD ||
                    crypto_sign_verify_detached(line.payload + KEY_ID, (const uint8_t *)note->text.text,
                                                note->text.length, log_key) != 0)
                        return false;
                is_signed = true;
        }
        return is_signed;
}

int audit_seal_message(uint64_t epoch, const uint8_t next[AUDIT_PUBLIC_KEY], struct audit_slice text, char *space,
                       size_t room)
{
        char base64[BASE64_OF_32];
        int length;

        sodium_bin2base64(base64, sizeof(base64), next, AUDIT_PUBLIC_KEY, BASE64);
        length = snprintf(space, room, SEAL_KIND "\nepoch %" PRIu64 "\nnext %s\n%.*s", epoch, base64, (int)text.length,
                          text.text);
        return length < 0 || (size_t)length >= room ? -1 : length;
}

bool audit_note_sealed(const struct audit_note *note, const uint8_t seal_key[AUDIT_PUBLIC_KEY])
{
        char message[MESSAGE_MAX];
        uint8_t id[KEY_ID];
        int length;

        seal_key_id(note->origin, seal_key, id);
        if (memcmp(id, note->seal_key_id, KEY_ID) != 0)
                return false;
        length = audit_seal_message(note->epoch, note->next, note->text, message, sizeof(message));
        return length >= 0 && crypto_sign_verify_detached(note->seal, (const uint8_t *)message,
                                                          (unsigned long long)length, seal_key) == 0;
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

static const uint8_t *public_of(const uint8_t *secret)
{
        return secret + AUDIT_SECRET_KEY - AUDIT_PUBLIC_KEY;
}

static void out_signature(struct audit_out *out, const char *origin, const char *suffix, const uint8_t *payload,
                          size_t length)
{
        char base64[BASE64_OF_SEAL];

        sodium_bin2base64(base64, sizeof(base64), payload, length, BASE64);
        audit_out_text(out, AUDIT_SIGNATURE_MARK);
        audit_out_text(out, origin);
        audit_out_text(out, suffix);
        audit_out_text(out, " ");
        audit_out_text(out, base64);
        audit_out_text(out, "\n");
}

static void sign_log(const struct audit_sealing *sealing, struct audit_slice text, uint8_t ret[LOG_PAYLOAD])
{
        log_key_id((struct audit_slice){ sealing->origin, strlen(sealing->origin) }, public_of(sealing->log_secret),
                   ret);
        crypto_sign_detached(ret + KEY_ID, NULL, (const uint8_t *)text.text, text.length, sealing->log_secret);
}

static void sign_seal(const struct audit_sealing *sealing, struct audit_slice text, uint8_t ret[SEAL_PAYLOAD])
{
        char message[MESSAGE_MAX];
        const int length = audit_seal_message(sealing->epoch, sealing->next_public, text, message, sizeof(message));

        seal_key_id((struct audit_slice){ sealing->origin, strlen(sealing->origin) }, public_of(sealing->seal_secret),
                    ret);
        audit_number_write(ret + KEY_ID, sealing->epoch);
        memcpy(ret + KEY_ID + 8, sealing->next_public, AUDIT_PUBLIC_KEY);
        crypto_sign_detached(ret + KEY_ID + 8 + AUDIT_PUBLIC_KEY, NULL, (const uint8_t *)message,
                             (unsigned long long)length, sealing->seal_secret);
}

size_t audit_note_write(const struct audit_sealing *sealing, char ret_note[static AUDIT_NOTE_MAX])
{
        struct audit_out out = { .bytes = ret_note, .room = AUDIT_NOTE_MAX - 1 };
        uint8_t log_payload[LOG_PAYLOAD], seal_payload[SEAL_PAYLOAD];
        char base64[BASE64_OF_32];
        struct audit_slice text;

        sodium_bin2base64(base64, sizeof(base64), sealing->root.bytes, sizeof(sealing->root.bytes), BASE64);
        audit_out_text(&out, sealing->origin);
        audit_out_text(&out, "\n");
        audit_out_integer(&out, (int64_t)sealing->size);
        audit_out_text(&out, "\n");
        audit_out_text(&out, base64);
        audit_out_text(&out, "\n");
        text = (struct audit_slice){ ret_note, out.length };

        sign_log(sealing, text, log_payload);
        sign_seal(sealing, text, seal_payload);
        audit_out_text(&out, "\n");
        out_signature(&out, sealing->origin, "", log_payload, sizeof(log_payload));
        out_signature(&out, sealing->origin, SEAL_SUFFIX, seal_payload, sizeof(seal_payload));
        ret_note[out.length] = '\0';
        return out.length;
}
