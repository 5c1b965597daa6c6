#include "audit/pruned.h"
#include "audit/canon.h"
#include "audit/record.h"
#include "audit/tree.h"

#include <string.h>

#define ACTION "audit.archive"

static bool read_size(struct audit_slice details, const char *key, uint64_t *ret)
{
        struct audit_slice value;

        return audit_find_member(details, key, &value) && audit_size_parse(value, ret);
}

bool audit_archived_read(const struct audit_view *record, struct audit_archived *ret)
{
        struct audit_archived archived = { 0 };

        if (!audit_slice_is(record->action, ACTION) || record->outcome == AUDIT_FAIL ||
            record->outcome == AUDIT_DENIED || !read_size(record->details, "from", &archived.from) ||
            !read_size(record->details, "to", &archived.to) || archived.to <= archived.from ||
            archived.to > record->seq || (archived.from > 1 && archived.from % AUDIT_SUBTREE_LEAVES != 0))
                return false;
        if (audit_find_member(record->details, "sha256", &archived.sha256) && archived.sha256.length >= 2)
                archived.sha256 = (struct audit_slice){ archived.sha256.text + 1, archived.sha256.length - 2 };
        *ret = archived;
        return true;
}

/* The first record that is seen may go on where records that are archived themselves had ended. After it, a range that
 * begins past all that was covered leaves a hole that nothing accounts for. An archiving that was cut short is repeated,
 * so ranges overlap, and the gap may end where an earlier one does. */
void audit_pruned_take(struct audit_pruned *pruned, const struct audit_view *record,
                       const struct audit_archived *archived)
{
        if (pruned->has_seen && archived->from > 1 && archived->from > pruned->covered)
                return;
        pruned->has_seen = true;
        pruned->is_whole = pruned->is_whole || archived->to == pruned->from ||
                           (archived->to == pruned->to && archived->from == pruned->from);
        if (archived->to > pruned->covered)
                pruned->covered = archived->to;
        if (archived->to != pruned->to || pruned->is_explained)
                return;
        pruned->is_explained = true;
        pruned->by = record->seq;
        pruned->by_usec = (int64_t)audit_ts_parse(record->ts.text);
}

static int64_t retention_usec(const struct audit_genesis *genesis)
{
        int64_t usec;

        return __builtin_mul_overflow(genesis->retention_days, AUDIT_USEC_PER_DAY, &usec) ? INT64_MAX : usec;
}

void audit_pruned_judge(const struct audit_pruned *pruned, const struct audit_genesis *genesis, uint64_t sealed_size,
                        uint64_t now_usec, struct audit_report *report)
{
        const unsigned long long from = pruned->from, to = pruned->to, by = pruned->by;

        if (!pruned->to)
                return;
        if (!pruned->is_explained)
                audit_report_add(report, CODE_SEQ_GAP, (int64_t)from, -1,
                                 "%llu record(s) missing before %llu, no audit.archive record explains it", to - from,
                                 to);
        else if (pruned->from > 1 && !pruned->is_whole)
                audit_report_add(report, CODE_SEQ_GAP, (int64_t)from, -1,
                                 "%llu record(s) missing before %llu, nothing was archived from %llu on", to - from, to,
                                 from);
        else if (pruned->by >= sealed_size)
                audit_report_add(report, CODE_SEQ_GAP, (int64_t)from, -1,
                                 "%llu record(s) missing before %llu, record %llu that says why is not sealed",
                                 to - from, to, by);
        else if (pruned->by_usec - (int64_t)now_usec > (int64_t)AUDIT_USEC_PER_DAY)
                audit_report_add(report, CODE_PRUNE_EARLY, (int64_t)pruned->by, -1,
                                 "the archiving of records before %llu is dated in the future", to);
        else if (genesis && pruned->to_usec != INT64_MIN && pruned->by_usec - pruned->to_usec < retention_usec(genesis))
                audit_report_add(report, CODE_PRUNE_EARLY, (int64_t)pruned->by, -1,
                                 "record %llu was younger than %llu days when those before it were archived", to,
                                 (unsigned long long)genesis->retention_days);
}
