#include "audit/pending.h"
#include "audit/cleanup.h"

#include <string.h>

int audit_pending_reserve(struct audit_pending *pending, size_t length)
{
        if (pending->length + length > pending->room) {
                const size_t room = 2 * pending->room + length + 4096;
                char *bytes = realloc(pending->bytes, room);

                if (!bytes)
                        return -ENOMEM;
                pending->bytes = bytes;
                pending->room = room;
        }
        if (pending->n == pending->list_room) {
                const size_t room = 2 * pending->list_room + 16;
                struct audit_waiting *list = reallocarray(pending->list, room, sizeof(*list));

                if (!list)
                        return -ENOMEM;
                pending->list = list;
                pending->list_room = room;
        }
        return 0;
}

void audit_pending_add(struct audit_pending *pending, const char *body, size_t length, const struct audit_hash *hash)
{
        pending->list[pending->n++] = (struct audit_waiting){ pending->length, length, *hash };
        memcpy(pending->bytes + pending->length, body, length);
        pending->length += length;
}

void audit_pending_drop_last(struct audit_pending *pending)
{
        pending->length = pending->list[--pending->n].offset;
}

void audit_pending_clear(struct audit_pending *pending)
{
        pending->n = pending->length = 0;
}

void audit_pending_done(struct audit_pending *pending)
{
        free(pending->bytes);
        free(pending->list);
        *pending = (struct audit_pending){ 0 };
}
