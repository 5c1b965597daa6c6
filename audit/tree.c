#include "audit/tree.h"
#include "audit/sha256.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

struct audit_hash audit_leaf_hash(const void *body, size_t length)
{
        struct audit_hash hash;

        audit_sha256_prefixed(0x00, body, length, hash.bytes);
        return hash;
}

void audit_leaf_hash_two(const void *const bodies[2], const size_t lengths[2], struct audit_hash *const ret[2])
{
        audit_sha256_prefixed_two(0x00, bodies, lengths, (uint8_t *const[]){ ret[0]->bytes, ret[1]->bytes });
}

struct audit_hash audit_node_hash(const struct audit_hash *left, const struct audit_hash *right)
{
        const struct audit_hash pair[2] = { *left, *right };
        struct audit_hash hash;

        audit_sha256_prefixed(0x01, pair, sizeof(pair), hash.bytes);
        return hash;
}

bool audit_hash_equal(const struct audit_hash *a, const struct audit_hash *b)
{
        return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool is_kept(unsigned level)
{
        return level > 0 && level % AUDIT_SUBTREE_STEP == 0 && level <= AUDIT_SUBTREE_STEP * AUDIT_SUBTREES_MAX;
}

/* Adding a leaf is adding one to a binary number: each carry joins two subtrees of one level into one of the next. */
unsigned audit_tree_push_node(struct audit_tree *tree, unsigned level, const struct audit_hash *node,
                              struct audit_subtree ret_completed[AUDIT_SUBTREES_MAX])
{
        const uint64_t added = UINT64_C(1) << level;
        struct audit_hash carry = *node;
        unsigned n = 0;

        assert(level < AUDIT_TREE_LEVELS && (tree->size & (added - 1)) == 0);

        while (tree->size >> level & 1) {
                carry = audit_node_hash(&tree->node[level], &carry);
                level++;
                if (is_kept(level))
                        ret_completed[n++] = (struct audit_subtree){ level, tree->size >> level, carry };
        }

        tree->node[level] = carry;
        tree->size += added;
        return n;
}

unsigned audit_tree_push(struct audit_tree *tree, const struct audit_hash *leaf,
                         struct audit_subtree ret_completed[AUDIT_SUBTREES_MAX])
{
        return audit_tree_push_node(tree, 0, leaf, ret_completed);
}

struct audit_hash audit_tree_root(const struct audit_tree *tree)
{
        struct audit_hash root;
        unsigned level = 0;

        if (tree->size == 0) {
                crypto_hash_sha256(root.bytes, NULL, 0);
                return root;
        }

        while (!(tree->size >> level & 1))
                level++;
        root = tree->node[level];
        while (++level < AUDIT_TREE_LEVELS)
                if (tree->size >> level & 1)
                        root = audit_node_hash(&tree->node[level], &root);
        return root;
}
