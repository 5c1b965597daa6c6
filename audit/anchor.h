#pragma once

/* Checkpoints kept elsewhere, in any text: one-line anchors and whole notes, in the order of their sizes. */

#include "audit/note.h"

struct audit_anchor {
        struct audit_slice origin; /* slices are on loan from the text that was added */
        uint64_t size;
        struct audit_hash root;
        struct audit_slice note; /* the whole note, or nothing when it was a line */
        uint64_t epoch;          /* of its seal */
        bool has_seal;
};

struct audit_anchors {
        struct audit_anchor *list;
        size_t n, room;
};

bool audit_anchor_is_of(const struct audit_anchor *anchor, const char *origin);
