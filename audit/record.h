#pragma once

/* A record: the twelve members of governor-audit(5), to bytes and back. */

#include "audit/audit.h"
#include "audit/canon.h"
#include "audit/stamp.h"
#include "audit/tree.h"

/* What the chain adds to an entry. */
struct audit_place {
        uint64_t seq;
        struct audit_hash prev;
        const char *boot_id;
        uint64_t realtime_usec;
        uint64_t boottime_usec;
};

/* Writes the body into `space` of AUDIT_BODY_MAX bytes. -EINVAL, -EMSGSIZE, -ENOMEM as audit_append. */
int audit_record_encode(const struct audit_entry *entry, const struct audit_place *place, char *space,
                        size_t *ret_length);

/* 64 lower-case digits, as prev is written. */
void audit_out_hash(struct audit_out *out, const struct audit_hash *hash);

/* Is this canonical, with exactly our members and well-formed values? Allocates nothing. If not, `ret` holds anything. */
bool audit_record_scan(const char *body, size_t length, struct audit_view *ret);

/* The hash that a scanned record carries as its prev. */
void audit_record_prev(const struct audit_view *record, struct audit_hash *ret);

bool audit_record_follows(const struct audit_view *record, const struct audit_hash *prev);
