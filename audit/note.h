#pragma once

/* A checkpoint: a C2SP signed note (tlog-checkpoint) with our seal line, and the one-line anchor made from it. */

#include "audit/canon.h"
#include "audit/tree.h"

enum {
        AUDIT_PUBLIC_KEY = 32,
        AUDIT_SECRET_KEY = 64, /* libsodium's form: seed and public key */
        AUDIT_SIGNATURE = 64,
        AUDIT_KEY_ID = 4,
        AUDIT_NOTE_MAX = 4096,    /* of the notes we write: three lines and two signatures */
        AUDIT_PAYLOAD_MAX = 8192, /* of one signature line: room for a post-quantum one beside ours */
        AUDIT_VKEY_MAX = AUDIT_ORIGIN_MAX + 64,
};

/* What a note says, signatures not judged. Slices are on loan from the note. */
struct audit_note {
        struct audit_slice text; /* the three signed lines */
        struct audit_slice origin;
        struct audit_slice signatures; /* the lines after the empty one */
        uint64_t size;
        struct audit_hash root;

        /* from the seal line */
        bool has_seal;
        uint64_t epoch;
        uint8_t seal_key_id[AUDIT_KEY_ID];
        uint8_t next[AUDIT_PUBLIC_KEY];
        uint8_t seal[AUDIT_SIGNATURE];
};

#define AUDIT_SIGNATURE_MARK "\xe2\x80\x94 " /* an em dash and a space begin each signature line */

/* One signature line. The bytes begin with the key id. */
struct audit_signature {
        struct audit_slice name;
        size_t length;
        uint8_t payload[AUDIT_PAYLOAD_MAX];
};

/* Takes a signature line: 1, 0 at the end, -1 when it is malformed. */
int audit_signature_next(struct audit_slice *rest, struct audit_signature *ret);

/* Takes a line without its LF; false when there is none that ends in one. Foreign text is split on LF and on nothing else. */
bool audit_line_next(struct audit_slice *rest, struct audit_slice *ret);

/* A number of eight bytes, the highest first. */
uint64_t audit_number_read(const uint8_t bytes[static 8]);
void audit_number_write(uint8_t ret[static 8], uint64_t value);

/* A decimal number in its one form: no sign, no leading zero, at most 2^53-1. */
bool audit_size_parse(struct audit_slice text, uint64_t *ret);

/* What C2SP tells keys of one name apart by. `type` is one byte, or more after 0xff. */
void audit_key_id(struct audit_slice name, const void *type, size_t type_length, const uint8_t key[AUDIT_PUBLIC_KEY],
                  uint8_t ret[static AUDIT_KEY_ID]);

/* A well-formed note of ours: no extension lines, canonical base64, exactly one seal line, every line ended by LF. */
bool audit_note_parse(const char *note, size_t length, struct audit_note *ret);

/* The same, but the seal line may be missing: a note that others kept, not one that we stored. */
bool audit_note_parse_loose(const char *note, size_t length, struct audit_note *ret);

/* Is there a line by this log key, and does every line that names it verify? */
bool audit_note_log_signed(const struct audit_note *note, const uint8_t log_key[AUDIT_PUBLIC_KEY]);

/* Is the seal line by this key, over this text, for this epoch and next key? */
bool audit_note_sealed(const struct audit_note *note, const uint8_t seal_key[AUDIT_PUBLIC_KEY]);

/* Everything that one seal signs and says. */
struct audit_sealing {
        const char *origin;
        uint64_t size;
        struct audit_hash root;
        uint64_t epoch;
        const uint8_t *log_secret; /* AUDIT_SECRET_KEY each */
        const uint8_t *seal_secret;
        const uint8_t *next_public; /* AUDIT_PUBLIC_KEY */
};

/* Writes the note, ended by NUL, and its length without it. */
size_t audit_note_write(const struct audit_sealing *sealing, char ret_note[static AUDIT_NOTE_MAX]);

/* The text that the seal line signs. -1 when it does not fit. */
int audit_seal_message(uint64_t epoch, const uint8_t next[AUDIT_PUBLIC_KEY], struct audit_slice text, char *space,
                       size_t room);

/* "govaudit1 ORIGIN SIZE ROOT" */
void audit_anchor_write(const char *origin, uint64_t size, const struct audit_hash *root,
                        char ret[static AUDIT_ANCHOR_MAX]);

/* "ORIGIN+KEYID+BASE64", the C2SP verifier key, and back. */
void audit_vkey_write(const char *origin, const uint8_t log_key[AUDIT_PUBLIC_KEY], char ret[static AUDIT_VKEY_MAX]);
bool audit_vkey_parse(struct audit_slice vkey, const char *origin, uint8_t ret_log_key[AUDIT_PUBLIC_KEY]);

/* Base64 in its one canonical form: at most `room` bytes, or exactly so many. */
bool audit_base64_read(struct audit_slice text, uint8_t *ret, size_t room, size_t *ret_length);
bool audit_base64_decode(struct audit_slice text, uint8_t *ret, size_t room);

/* An origin is ASCII without space or plus, so that it can be a key name. */
bool audit_origin_is_good(struct audit_slice origin);
