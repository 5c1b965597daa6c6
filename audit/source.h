#pragma once

/* Where verify reads from, each thing once and in order: a database in one snapshot, or the text files of an export. */

#include "audit/audit.h"
#include "audit/tree.h"

struct audit_stored_note {
        uint64_t epoch;
        uint64_t size; /* what is stored beside the note; an export stores nothing beside it */
        const char *text;
        size_t length;
};

/* A witness's signature line, kept beside the checkpoint of this size. */
struct audit_cosig {
        uint64_t size;
        struct audit_slice line;
};

/* Calls return 1 and something, 0 at the end, or a negative errno: -EUCLEAN and -EIO mean damage. What is returned is on
 * loan until the next call of the same kind. */
struct audit_source {
        void *self;

        /* Record 0, without moving on. */
        int (*first_record)(void *self, struct audit_item *ret);

        /* `body` is NULL when it is no text. */
        int (*next_record)(void *self, struct audit_item *ret);

        /* After damage: the first record that can be read again, from `position` on. */
        int (*skip_damage)(void *self, uint64_t position, struct audit_item *ret);

        int (*next_note)(void *self, struct audit_stored_note *ret);

        /* After damage: the first note that can be read again, from `epoch` on. */
        int (*skip_note_damage)(void *self, uint64_t epoch, struct audit_stored_note *ret);

        /* In the order of sizes. NULL: none are stored. */
        int (*next_cosig)(void *self, struct audit_cosig *ret);

        /* The stored hash of a subtree. NULL, and all below: none are stored. */
        int (*find_subtree)(void *self, const struct audit_subtree *subtree, struct audit_hash *ret);
        int (*count_subtrees)(void *self, uint64_t *ret);

        /* The right edge of the tree of `size` leaves, out of the stored subtrees. */
        int (*load_tree)(void *self, uint64_t size, struct audit_tree *ret);
};
