#pragma once

/* What verify found: the table of codes, and the verdict that follows from them. */

#include "audit/audit.h"

enum audit_code {
        /* tampered: not what was sealed */
        CODE_SCHEMA,
        CODE_SEQ_GAP,
        CODE_SEQ_ORDER,
        CODE_PREV_MISMATCH,
        CODE_NOT_CANONICAL,
        CODE_GENESIS,
        CODE_BAD_NOTE,
        CODE_EPOCH_GAP,
        CODE_SIZE_ORDER,
        CODE_LOG_SIG,
        CODE_SEAL_SIG,
        CODE_ROOT_MISMATCH,
        CODE_CKPT_BEYOND_END,
        CODE_SUBTREE_MISMATCH,
        CODE_KEY_AHEAD,
        CODE_KEY_BEHIND,
        CODE_KEY_MISMATCH,
        CODE_KEY_MISSING,
        CODE_HEAD_MISMATCH,
        CODE_ANCHOR_MISMATCH,
        CODE_ANCHOR_AHEAD,
        CODE_ANCHOR_SIG,
        CODE_FORK,
        CODE_PRUNE_EARLY,
        /* unproven */
        CODE_UNSEALED_TAIL,
        CODE_STALE,
        CODE_NO_ANCHOR,
        CODE_ANCHOR_PRUNED,
        CODE_NO_SEAL,
        /* unreadable */
        CODE_IO,
        CODE_CORRUPT,
        CODE_VERSION,
        CODE_EMPTY,
        CODE_NOT_FOUND,
        CODE_NOT_PERMITTED,
        CODE_N,
};

/* One finding of a record, of a seal, or of neither (-1). */
void audit_report_add(struct audit_report *report, enum audit_code code, int64_t seq, int64_t epoch, const char *format,
                      ...) __attribute__((format(printf, 5, 6)));
