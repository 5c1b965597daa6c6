#pragma once

/* Proofs of RFC 6962: which subtrees they consist of, and whether their hashes lead to a root. Nothing here reads a log. */

#include "audit/audit.h"
#include "audit/tree.h"

enum { AUDIT_PROOF_MAX = 64 }; /* hashes, of a tree of any size */

/* The hash over leaves [from, to) is one line of a proof. `from` is a multiple of a power of two not less than their number. */
struct audit_span {
        uint64_t from, to;
};

/* PATH(index, size) of RFC 6962, 2.1.1, from the leaf's sibling up; index < size. Returns their number. */
unsigned audit_inclusion_spans(uint64_t index, uint64_t size, struct audit_span ret[static AUDIT_PROOF_MAX]);

/* PROOF(old_size, new_size) of RFC 6962, 2.1.2; 0 < old_size <= new_size. */
unsigned audit_consistency_spans(uint64_t old_size, uint64_t new_size, struct audit_span ret[static AUDIT_PROOF_MAX]);

/* Does the proof lead from this leaf to this root? */
bool audit_included(uint64_t index, const struct audit_hash *leaf, uint64_t size, const struct audit_hash *root,
                    const struct audit_hash *proof, size_t n);
