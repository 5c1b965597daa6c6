#pragma once

/* Canonical JSON (RFC 8785, the profile of governor-audit(5)): writes it from jansson values, checks it without
 * allocating. Keys [a-z0-9_]{1,32} in byte order, integers up to 2^53-1, the shortest escapes, depth up to 8. */

#include "audit/audit.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool audit_slice_is(struct audit_slice slice, const char *text)
{
        return slice.length == strlen(text) && memcmp(slice.text, text, slice.length) == 0;
}

#define AUDIT_INTEGER_MAX INT64_C(9007199254740991)

/* Bytes being written into memory that the caller owns. What does not fit sets `full` and is not written. */
struct audit_out {
        char *bytes;
        size_t length;
        size_t room;
        bool full;
};

void audit_out_bytes(struct audit_out *out, const void *bytes, size_t length);
void audit_out_text(struct audit_out *out, const char *text);
void audit_out_integer(struct audit_out *out, int64_t value);

/* A quoted and escaped string. -EINVAL when it is not UTF-8 or holds a NUL. */
int audit_out_string(struct audit_out *out, const char *text, size_t length);

/* A whole value, `depth` levels below the top. -EINVAL when it has no canonical form in our profile (a real number, an
 * odd key, too deep), -ENOMEM. */
int audit_out_json(struct audit_out *out, const json_t *value, unsigned depth);

/* Where a check stands in its bytes. Every audit_scan_* moves past what it accepts and says whether it did. */
struct audit_scan {
        const unsigned char *at;
        const unsigned char *end;
};

/* SQLite gives no address for a text that is empty; there is nothing to add a length to then. */
static inline struct audit_scan audit_scan_begin(const char *text, size_t length)
{
        const unsigned char *begin = (const unsigned char *)(text ? text : "");

        return (struct audit_scan){ begin, begin + (text ? length : 0) };
}

static inline bool audit_scan_done(const struct audit_scan *scan)
{
        return scan->at == scan->end;
}

/* Here, so that a length known to the compiler needs no call: a record is a dozen of these. */
static inline bool audit_scan_literal(struct audit_scan *scan, const char *literal, size_t length)
{
        if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, literal, length) != 0)
                return false;
        scan->at += length;
        return true;
}

bool audit_scan_integer(struct audit_scan *scan, int64_t *ret);

/* A string, its quotes included; `ret` is what stands between them, escapes untouched. */
bool audit_scan_string(struct audit_scan *scan, struct audit_slice *ret);

/* An object, `depth` levels below the top (the top itself is 1). */
bool audit_scan_object(struct audit_scan *scan, unsigned depth);

/* Is this text one canonical object and nothing else? */
bool audit_is_canonical(const char *text, size_t length);

/* UTF-8 without control characters. */
bool audit_is_text(struct audit_slice text);

/* Finds one member of a canonical object; `ret` is its value's text. The object must have been scanned before. */
bool audit_find_member(struct audit_slice object, const char *key, struct audit_slice *ret);
