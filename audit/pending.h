#pragma once

/* Records that have their place in the chain and are not in the file yet: bodies end to end, in memory that grows. */

#include "audit/tree.h"

struct audit_waiting {
        size_t offset, length; /* in bytes */
        struct audit_hash hash;
};

struct audit_pending {
        char *bytes;
        size_t length, room;
        struct audit_waiting *list;
        size_t n, list_room;
};

/* Makes room for one more body, so that adding it cannot fail. */
int audit_pending_reserve(struct audit_pending *pending, size_t length);
void audit_pending_add(struct audit_pending *pending, const char *body, size_t length, const struct audit_hash *hash);
void audit_pending_drop_last(struct audit_pending *pending);

void audit_pending_clear(struct audit_pending *pending); /* keeps the memory */
void audit_pending_done(struct audit_pending *pending);
