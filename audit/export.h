#pragma once

/* The text files of an export as a source: bodies, one a line, and notes with an empty line between them. */

#include "audit/source.h"

#include <stdio.h>

enum { AUDIT_LINE_MAX = AUDIT_BODY_MAX + 1, AUDIT_NOTES_MAX = 65536 };

struct audit_export {
        FILE *records, *notes; /* notes may be NULL */
        uint64_t position;     /* of the next record */
        uint64_t epoch;        /* of the next note */
        char first[AUDIT_LINE_MAX + 1], line[AUDIT_LINE_MAX + 1], note[AUDIT_NOTES_MAX];
        size_t first_length;
        bool has_first; /* read ahead, not yet passed on */
};

/* Opens the files; `notes` may be NULL. */
int audit_export_new(const char *records, const char *notes, struct audit_export **ret,
                     struct audit_source *ret_source);
struct audit_export *audit_export_free(struct audit_export *export);
