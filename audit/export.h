#pragma once

/* The text files of an export as a source: bodies, one a line; notes with an empty line between them; stored subtrees. */

#include "audit/rows.h"
#include "audit/source.h"

#include <stdio.h>

enum { AUDIT_LINE_MAX = AUDIT_BODY_MAX + 1, AUDIT_NOTES_MAX = 65536 };

struct audit_export {
        FILE *records, *notes; /* each may be NULL */
        struct audit_rows *rows;
        uint64_t position; /* of the next record */
        uint64_t epoch;    /* of the next note */
        char first[AUDIT_LINE_MAX + 1], line[AUDIT_LINE_MAX + 1], note[AUDIT_NOTES_MAX];
        size_t first_length;
        bool has_first; /* read ahead, not yet passed on */
};

struct audit_export_paths {
        const char *records, *notes, *subtree; /* each may be NULL */
};

int audit_export_new(const struct audit_export_paths *paths, struct audit_export **ret,
                     struct audit_source *ret_source);
struct audit_export *audit_export_free(struct audit_export *export);
