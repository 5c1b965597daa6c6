#include "audit/proof.h"

#include <string.h>

/* ---- what a proof consists of --------------------------------------------------------------------------------- */

/* Where RFC 6962 splits n > 1 leaves: the largest power of two that is less than n. */
static uint64_t split_of(uint64_t n)
{
        return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* Spans are found from the root down and told from the leaf up. */
static unsigned turn_around(struct audit_span *spans, unsigned n)
{
        for (unsigned i = 0; i < n / 2; i++) {
                const struct audit_span span = spans[i];

                spans[i] = spans[n - 1 - i];
                spans[n - 1 - i] = span;
        }
        return n;
}

unsigned audit_inclusion_spans(uint64_t index, uint64_t size, struct audit_span ret[static AUDIT_PROOF_MAX])
{
        uint64_t from = 0, to = size;
        unsigned n = 0;

        while (to - from > 1) {
                const uint64_t middle = from + split_of(to - from);

                if (index < middle) {
                        ret[n++] = (struct audit_span){ middle, to };
                        to = middle;
                } else {
                        ret[n++] = (struct audit_span){ from, middle };
                        from = middle;
                }
        }
        return turn_around(ret, n);
}

/* Down to the old tree's last complete subtree. That is told too, unless it is the whole old tree, whose root is known. */
unsigned audit_consistency_spans(uint64_t old_size, uint64_t new_size, struct audit_span ret[static AUDIT_PROOF_MAX])
{
        uint64_t from = 0, to = new_size;
        unsigned n = 0;

        while (to != old_size) {
                const uint64_t middle = from + split_of(to - from);

                if (old_size <= middle) {
                        ret[n++] = (struct audit_span){ middle, to };
                        to = middle;
                } else {
                        ret[n++] = (struct audit_span){ from, middle };
                        from = middle;
                }
        }
        if (from != 0)
                ret[n++] = (struct audit_span){ from, to };
        return turn_around(ret, n);
}

/* ---- where a proof leads (RFC 9162, 2.1.3.2 and 2.1.4.2) ------------------------------------------------------ */

/* A node's place in its level, and that of the level's last node. */
struct place {
        uint64_t node, last;
};

static void go_up(struct place *place)
{
        place->node >>= 1;
        place->last >>= 1;
}

/* Is the next hash of the proof to the left of this node? Then also passes the levels where the last node stands alone. */
static bool sibling_is_left(struct place *place)
{
        if (!(place->node & 1) && place->node != place->last)
                return false;
        while (!(place->node & 1) && place->node != 0)
                go_up(place);
        return true;
}

bool audit_included(uint64_t index, const struct audit_hash *leaf, uint64_t size, const struct audit_hash *root,
                    const struct audit_hash *proof, size_t n)
{
        struct place place = { index, size - 1 };
        struct audit_hash hash = *leaf;

        if (index >= size)
                return false;
        for (size_t i = 0; i < n; i++) {
                if (place.last == 0)
                        return false; /* more than there is to prove */
                hash = sibling_is_left(&place) ? audit_node_hash(&proof[i], &hash) : audit_node_hash(&hash, &proof[i]);
                go_up(&place);
        }
        return place.last == 0 && audit_hash_equal(&hash, root);
}

static struct audit_hash hash_at(const uint8_t *bytes)
{
        struct audit_hash hash;

        memcpy(hash.bytes, bytes, sizeof(hash.bytes));
        return hash;
}

bool audit_consistent(uint64_t old_size, const uint8_t old_root[32], uint64_t new_size, const uint8_t new_root[32],
                      const uint8_t *proof, size_t n)
{
        struct place place = { old_size - 1, new_size - 1 };
        struct audit_hash before, after;
        size_t i = 0;

        if (old_size == 0 || old_size > new_size)
                return false;
        if (old_size == new_size)
                return n == 0 && memcmp(old_root, new_root, sizeof(before.bytes)) == 0;
        while (place.node & 1)
                go_up(&place);

        /* The old tree is one complete subtree, or the proof begins with its last one. */
        if (place.node == 0)
                before = hash_at(old_root);
        else if (n == 0)
                return false;
        else
                before = hash_at(proof + sizeof(before.bytes) * i++);
        after = before;

        for (; i < n; i++) {
                const struct audit_hash sibling = hash_at(proof + sizeof(sibling.bytes) * i);

                if (place.last == 0)
                        return false;
                if (sibling_is_left(&place)) {
                        before = audit_node_hash(&sibling, &before);
                        after = audit_node_hash(&sibling, &after);
                } else {
                        after = audit_node_hash(&after, &sibling);
                }
                go_up(&place);
        }
        return place.last == 0 && memcmp(before.bytes, old_root, sizeof(before.bytes)) == 0 &&
               memcmp(after.bytes, new_root, sizeof(after.bytes)) == 0;
}
