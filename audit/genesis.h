#pragma once

/* Record 0: it fixes the format, the origin, both public keys and the retention of a log. */

#include "audit/note.h"
#include "audit/record.h"

#include <sqlite3.h>

struct audit_genesis {
        char origin[AUDIT_ORIGIN_MAX];
        uint8_t log_key[AUDIT_PUBLIC_KEY];
        uint8_t seal_key[AUDIT_PUBLIC_KEY]; /* of epoch 0 */
        uint64_t retention_days;
        bool continues; /* prev_log names another log ... */
        bool rotated;   /* ... that was ended on purpose: the subject of the record says so */
};

/* Writes the body of record 0. `prev_log` is a note or "". */
int audit_genesis_encode(const struct audit_genesis *genesis, const char *prev_log, const struct audit_place *place,
                         char *space, size_t *ret_length);

/* Out of a log. -EUCLEAN: it does not begin with one. */
int audit_genesis_read(sqlite3 *log, struct audit_genesis *ret);

bool audit_genesis_parse(const char *body, size_t length, struct audit_genesis *ret);
