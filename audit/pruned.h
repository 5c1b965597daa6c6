#pragma once

/* The one gap that an honest archiving leaves, and the audit.archive records that have to explain it. */

#include "audit/genesis.h"
#include "audit/report.h"

struct audit_pruned {
        uint64_t from, to; /* records [from, to) are missing; to == 0: no gap was admitted */
        int64_t to_usec;   /* when record `to` was made; INT64_MIN: it does not say */

        uint64_t covered; /* up to here, by the archive records seen */
        bool has_seen;    /* one of them */
        bool is_whole;    /* an archive ended where the gap begins, unless it begins after record 0 */
        bool is_explained;
        uint64_t by; /* by this record */
        int64_t by_usec;
};

/* What an audit.archive record says. */
struct audit_archived {
        uint64_t from, to;
        struct audit_slice sha256;
};

/* False: it is no such record, or one of something that failed. */
bool audit_archived_read(const struct audit_view *record, struct audit_archived *ret);

void audit_pruned_take(struct audit_pruned *pruned, const struct audit_view *record,
                       const struct audit_archived *archived);

/* At the end: SEQ_GAP when no sealed record explains the gap, PRUNE_EARLY when one does that came too early. */
void audit_pruned_judge(const struct audit_pruned *pruned, const struct audit_genesis *genesis, uint64_t sealed_size,
                        uint64_t now_usec, struct audit_report *report);
