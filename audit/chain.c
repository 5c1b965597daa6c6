#include "audit/chain.h"
#include "audit/cleanup.h"
#include "audit/files.h"

#include <string.h>

enum {
        PENDING_MAX = 8192,         /* one turn of the loop, with every agent of a large machine in it */
        PENDING_MAX_FAILING = 1024, /* until the disk is well again */
};

void audit_step_done(const struct audit *audit, enum audit_step step)
{
        if (audit->step)
                audit->step(audit->step_userdata, step);
}

char *audit_path(const struct audit *audit, const char *name)
{
        return audit_files_join(audit->dir, name);
}

uint64_t audit_boottime_usec(const struct audit *audit)
{
        return audit->clock.boottime_usec ? audit->clock.boottime_usec(audit->clock.userdata)
                                          : audit_clock_usec(CLOCK_BOOTTIME);
}

uint64_t audit_realtime_usec(const struct audit *audit)
{
        return audit->clock.realtime_usec ? audit->clock.realtime_usec(audit->clock.userdata)
                                          : audit_clock_usec(CLOCK_REALTIME);
}

struct audit_place audit_next_place(const struct audit *audit)
{
        return (struct audit_place){
                .seq = audit->tree.size + audit->pending.n,
                .prev = audit->last,
                .boot_id = audit->boot_id,
                .realtime_usec = audit_realtime_usec(audit),
                .boottime_usec = audit_boottime_usec(audit),
        };
}

/* ---- appending ------------------------------------------------------------------------------------------------ */

uint64_t audit_unsealed(const struct audit *audit)
{
        return audit->tree.size + audit->pending.n - audit->sealed_size;
}

/* Takes the body that stands in audit->space. */
static void add_pending(struct audit *audit, size_t length, uint64_t now)
{
        if (audit_unsealed(audit) == 0)
                audit->unsealed_since = now;
        audit->last = audit_leaf_hash(audit->space, length);
        audit_pending_add(&audit->pending, audit->space, length, &audit->last);
}

int audit_append_own(struct audit *audit, const struct audit_entry *entry, uint64_t *ret_seq)
{
        struct audit_place place = audit_next_place(audit);
        const uint64_t now = place.boottime_usec;
        size_t length;
        int r;

        if (entry->realtime_usec)
                place.realtime_usec = entry->realtime_usec;
        if (entry->boottime_usec)
                place.boottime_usec = entry->boottime_usec;

        r = audit_record_encode(entry, &place, audit->space, &length);
        r = r ?: audit_pending_reserve(&audit->pending, length);
        if (r < 0)
                return r;

        add_pending(audit, length, now);
        if (ret_seq)
                *ret_seq = place.seq;
        return 0;
}

int audit_append_remark(struct audit *audit, const char *action, const char *actor, const json_t *details)
{
        const struct audit_entry entry = {
                .action = action, .actor = actor, .subject = "audit", .outcome = AUDIT_INFO, .details = details
        };

        return audit_append_own(audit, &entry, NULL);
}

/* What verify and the start rules read a meaning into is written by the chain alone. */
static bool is_reserved(const char *action)
{
        static const char *const own[] = { "audit.genesis",   "audit.start",    "audit.foreign_write",
                                           "audit.heartbeat", "audit.degraded", "audit.gap",
                                           "audit.nonce",     "audit.rotate",   "audit.archive" };

        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                if (strcmp(own[i], action) == 0)
                        return true;
        return false;
}

/* A record that could not be written when it was made says so. */
static int append_late(struct audit *audit, const struct audit_entry *entry, uint64_t *ret_seq)
{
        _cleanup_(drop_json) json_t *details = entry->details ? json_copy((json_t *)entry->details) : json_object();
        struct audit_entry late = *entry;

        if (!details)
                return -ENOMEM;
        if (json_object_set_new(details, "late", json_true()) < 0)
                return -EINVAL; /* no object: what audit_append_own would say too */
        late.details = details;
        return audit_append_own(audit, &late, ret_seq);
}

int audit_append(struct audit *audit, const struct audit_entry *entry, uint64_t *ret_seq)
{
        if (!entry->action || is_reserved(entry->action))
                return -EINVAL;
        if (audit->pending.n >= (audit->failing ? PENDING_MAX_FAILING : PENDING_MAX)) {
                audit->lost += audit->failing; /* else the caller commits and comes again */
                return -ENOBUFS;
        }
        return audit->failing ? append_late(audit, entry, ret_seq) : audit_append_own(audit, entry, ret_seq);
}

bool audit_degraded(const struct audit *audit)
{
        return audit->failing || audit->ballast_given;
}

int audit_append_again(struct audit *audit, const char *body, size_t length)
{
        struct audit_out out = { .bytes = audit->space, .room = AUDIT_BODY_MAX };
        const struct audit_place place = audit_next_place(audit);
        struct audit_view view;
        const char *rest;
        int r;

        if (audit_view(body, length, &view) < 0)
                return -EBADMSG;
        rest = view.subject.text - strlen(",\"subject\":\"");
        audit_out_bytes(&out, body, (size_t)(view.prev.text - body));
        audit_out_hash(&out, &audit->last);
        audit_out_text(&out, "\",\"seq\":");
        audit_out_integer(&out, (int64_t)place.seq);
        audit_out_bytes(&out, rest, (size_t)(body + length - rest));
        r = out.full ? -EMSGSIZE : audit_pending_reserve(&audit->pending, out.length);
        if (r == 0)
                add_pending(audit, out.length, place.boottime_usec);
        return r;
}

size_t audit_pending_count(const struct audit *audit)
{
        return audit->pending.n;
}

/* ---- what is committed ---------------------------------------------------------------------------------------- */

void audit_head(const struct audit *audit, struct audit_head *ret)
{
        const struct audit_hash root = audit_tree_root(&audit->tree);

        *ret = (struct audit_head){ .size = audit->tree.size, .sealed_size = audit->sealed_size };
        memcpy(ret->root, root.bytes, sizeof(ret->root));
        audit_anchor_write(audit->genesis.origin, ret->size, &root, ret->anchor);
}

const char *audit_last_note(const struct audit *audit)
{
        return audit->note;
}
