#pragma once

/* One pass over records and checkpoints side by side: each root is compared at the moment the tree has its size. */

#include "audit/anchor.h"
#include "audit/look.h"
#include "audit/pruned.h"
#include "audit/report.h"
#include "audit/restored.h"

struct audit_walk {
        struct audit_source *source;
        struct audit_restored *restored; /* what stands before it in archives; NULL: nothing */
        unsigned threads;                /* as in the options of verify */
        struct audit_look *look;         /* through which records and notes are read; the run's own */
        struct audit_report *report;
        struct audit_genesis genesis;
        bool has_genesis;
        uint64_t now_usec;

        /* records */
        uint64_t position;      /* records passed, those that are missing included */
        struct audit_tree tree; /* of them, unless it is */
        bool torn;   /* a record is missing or wrong: until the stored subtrees mend the tree, roots say nothing */
        bool unread; /* what stood before this could not be read: no word on it being there or not */
        struct audit_hash last;
        bool has_last;
        struct audit_pruned pruned;
        bool in_doubt; /* of two stored subtrees that contradict each other the next sealed root tells the right one */
        bool rows_wrong; /* what stands for the pruned records makes no sealed root */
        uint64_t proven; /* the largest size whose sealed root the records make */

        /* checkpoints */
        bool no_seals;         /* none are expected: an export of records alone */
        struct audit_note due; /* the next whose root is compared; its slices are on loan from the look */
        bool has_due;
        bool notes_unread; /* what stood before the next one could not be read */
        uint64_t epoch;    /* of the next checkpoint */
        uint64_t sealed_size;
        uint8_t seal_key[AUDIT_PUBLIC_KEY]; /* which must seal it */
        bool has_seal_key;

        /* what was kept elsewhere */
        const struct audit_head *head;       /* what the running daemon says, asked before the walk; NULL: none does */
        const struct audit_anchors *anchors; /* NULL: none */
        size_t next_anchor;
        const struct audit_anchor **sealed_anchors; /* notes of this log, by epoch */
        size_t sealed_anchors_n, next_sealed_anchor;
        const struct audit_vkey *witnesses;
        size_t witnesses_n;
        unsigned quorum;
        uint64_t *witnessed; /* by each of them: the largest size that fits; 0: none */
        struct audit_cosig cosig;
        bool has_cosig;
        bool require_anchor;
        bool saw_anchor; /* of this log */
        bool met_anchor; /* and it fits, or enough witnesses do */

        /* a key whose place in the chain of seals is wanted */
        int64_t wanted_epoch; /* -1: none */
        uint8_t wanted_key[AUDIT_PUBLIC_KEY];
        bool has_wanted_key;

        /* times, for the ages */
        char ts[AUDIT_TS_LENGTH + 1];          /* of the last record */
        char sealed_ts[AUDIT_TS_LENGTH + 1];   /* of the last that is under a seal */
        char unsealed_ts[AUDIT_TS_LENGTH + 1]; /* of the first that is not, "" when there is none */
};

/* Fills in findings, and everything above that a later check needs. -ENOMEM and the like only; damage is a finding. */
int audit_walk_run(struct audit_walk *walk);
