#pragma once

/* Checkpoints kept elsewhere, in any text: one-line anchors and whole notes, in the order of their sizes. */

#include "audit/note.h"

enum { AUDIT_NOTE_ROOM = 65536 }; /* a note with the cosignatures of many witnesses */

struct audit_anchor {
        struct audit_slice origin; /* slices lie in `texts` */
        uint64_t size;
        struct audit_hash root;
        struct audit_slice note; /* the whole note, or nothing when it was a line */
        uint64_t epoch;          /* of its seal */
        bool has_seal;
};

struct audit_anchors {
        struct audit_anchor *list;
        size_t n, room;
        char **texts; /* as they were before mailers, chats and people handled them */
        size_t texts_n;
};
