#pragma once

/* The Merkle tree of RFC 6962 over the records: leaf hashes in, roots out, in a few hundred bytes of memory. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_TREE_LEVELS 64

struct audit_hash {
        uint8_t bytes[32];
};

/* The right edge of the tree. node[k] is the root of the complete subtree of 2^k leaves, where bit k of size is set. */
struct audit_tree {
        uint64_t size;
        struct audit_hash node[AUDIT_TREE_LEVELS];
};

struct audit_hash audit_leaf_hash(const void *body, size_t length);

/* Of two bodies at once, which is faster than one after the other. */
void audit_leaf_hash_two(const void *const bodies[2], const size_t lengths[2], struct audit_hash *const ret[2]);

struct audit_hash audit_node_hash(const struct audit_hash *left, const struct audit_hash *right);
bool audit_hash_equal(const struct audit_hash *a, const struct audit_hash *b);

/* A complete subtree that the store keeps, so that proofs and pruning need not hash every record again. */
struct audit_subtree {
        unsigned level;
        uint64_t index;
        struct audit_hash hash;
};

enum {
        AUDIT_SUBTREE_STEP = 8,
        AUDIT_SUBTREE_LEAVES = 256,
        AUDIT_SUBTREES_MAX = 3
}; /* levels 8, 16 and 24 are kept: 1/256 of the records */

/* Adds a complete subtree of 2^level leaves; size must be a multiple of 2^level. Fills in the kept subtrees that this
 * completed, lowest first, and returns their number. A level that is given is not "completed" by this. */
unsigned audit_tree_push_node(struct audit_tree *tree, unsigned level, const struct audit_hash *node,
                              struct audit_subtree ret_completed[AUDIT_SUBTREES_MAX]);

/* Adds one leaf, as above. */
unsigned audit_tree_push(struct audit_tree *tree, const struct audit_hash *leaf,
                         struct audit_subtree ret_completed[AUDIT_SUBTREES_MAX]);

/* The root over all leaves pushed; SHA-256 of nothing when there are none. */
struct audit_hash audit_tree_root(const struct audit_tree *tree);
