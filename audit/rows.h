#pragma once

/* The stored subtrees of an export, lines of "LEVEL IDX HEX" in any order, put where each is found at once: in a file
 * without a name, because a long log has more of them than memory should hold. */

#include "audit/tree.h"

struct audit_rows;

int audit_rows_read(const char *path, struct audit_rows **ret);
struct audit_rows *audit_rows_free(struct audit_rows *rows);

/* All lines, also those that are no row or one that was there before: a file with the right number of lines and each row
 * in it holds nothing else. */
uint64_t audit_rows_count(const struct audit_rows *rows);

/* 1, 0 when it is not there, or a negative errno. */
int audit_rows_find(const struct audit_rows *rows, const struct audit_subtree *subtree, struct audit_hash *ret);

/* The right edge of the tree of `size` leaves. 0: not of these rows alone. */
int audit_rows_load_tree(const struct audit_rows *rows, uint64_t size, struct audit_tree *ret);
