#pragma once
/* Reads a unit file or a drop-in as it comes, in pieces, and makes an outline of it: which keys it sets, and to what. */
#include "io/outline.h"
#include "io/veil.h"
#include "observe/unit_keys.h"

#define UNIT_TEXT_KEYS_MAX 128 /* different ones in a file; the others count as one */

struct unit_text {
        struct veil *veil;
        uint8_t state;
        bool escaped;                  /* the byte before was a backslash */
        bool spaced;                   /* ... or white space within a value, which is told of only if more follows */
        char key[UNIT_KEY_MAX];        /* of the line under way */
        char value[OUTLINE_VALUE_MAX]; /* as much of it as could be shown */
        uint8_t key_length, value_length;
        struct unit_text_key {
                int16_t key; /* negative: all that systemd does not know */
                bool hidden;
                uint64_t veiled; /* of all values that it was given, in their order */
                char value[OUTLINE_VALUE_MAX];
        } keys[UNIT_TEXT_KEYS_MAX];
        unsigned keys_n;
};

/* Made once for many files; the veil is a loan. */
void unit_text_init(struct unit_text *text, struct veil *veil);

void unit_text_begin(struct unit_text *text);
void unit_text_piece(struct unit_text *text, const char *data, size_t size);

/* The outline; NULL when memory ended. */
char *unit_text_end(struct unit_text *text);
