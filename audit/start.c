/* How a writer begins: the lock, then what is there is continued, or set aside and a new log begun. */

#include "audit/chain.h"
#include "audit/cleanup.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { BUSY_MS = 250 };

/* ---- going on ------------------------------------------------------------------------------------------------- */

int audit_close_log(struct audit *audit)
{
        sqlite3_stmt **statements[] = { &audit->begin,
                                        &audit->commit,
                                        &audit->insert_record,
                                        &audit->insert_subtree,
                                        &audit->insert_checkpoint,
                                        &audit->data_version };

        for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
                sqlite3_finalize(TAKE_PTR(*statements[i]));
        return sqlite3_close(TAKE_PTR(audit->db)) == SQLITE_OK ? 0 : -EIO;
}

static int open_new_log(struct audit *audit)
{
        struct audit_how how = { 0 };
        int r = audit_judge(audit, &how);

        return r == AUDIT_JUDGED_GOOD || r < 0 ? r : -EIO;
}

/* Keeps what is there and begins anew; `start` says why: SET_ASIDE or ROTATED. */
static int replace_log(struct audit *audit, enum audit_start start, struct audit_how *how)
{
        char prev_log[AUDIT_NOTE_MAX], name[128];
        int r;

        strcpy(prev_log, audit->note);
        audit_close_log(audit);
        audit->next_stored = false;
        r = audit_set_aside(audit, name, sizeof(name));
        r = r ?: audit_begin_log(audit, prev_log, start == AUDIT_ROTATED);
        if (r < 0)
                return r;
        how->start = start;
        snprintf(how->aside, sizeof(how->aside), "%s/%s", audit->dir, name);
        return open_new_log(audit);
}

/* A crash came between the genesis and the first start record, which would have told. Who judged the old log is gone, and
 * with it what was found. */
static void tell_first_start(const struct audit *audit, struct audit_how *how)
{
        how->start = !audit->genesis.continues ? AUDIT_CREATED
                     : audit->genesis.rotated  ? AUDIT_ROTATED
                                               : AUDIT_SET_ASIDE;
        if (how->start != AUDIT_SET_ASIDE)
                return;
        how->finding = "UNKNOWN";
        snprintf(how->detail, sizeof(how->detail), "a start that set the log aside was cut short; see set-aside/");
}

/* Continues what is there, or puts a new log in its place. */
static int settle(struct audit *audit, struct audit_how *how)
{
        int r = audit_finish_swap(audit);

        if (r < 0)
                return r;
        audit_take_back(audit);
        r = audit_judge(audit, how);
        if (r == AUDIT_JUDGED_BAD)
                return replace_log(audit, AUDIT_SET_ASIDE, how);
        if (r == AUDIT_JUDGED_NONE) {
                how->start = AUDIT_CREATED;
                r = audit_begin_log(audit, "", false);
                return r ?: open_new_log(audit);
        }
        if (r < 0)
                return r;

        how->start = AUDIT_CONTINUED;
        if (audit->tree.size == 1)
                tell_first_start(audit, how);
        return 0;
}

/* A key that fits no more, left by a crash between a seal and its erasure, or before the seal. */
static int erase_stale_slot(struct audit *audit)
{
        struct audit_slot slots[AUDIT_SLOTS];
        const unsigned other = (audit->epoch + 1) % AUDIT_SLOTS;
        int r = audit_sealkey_read(audit->lock_fd, slots);

        if (r < 0 || !slots[other].valid)
                return r;
        return audit_sealkey_erase(audit->lock_fd, other);
}

static json_t *start_details(const struct audit *audit, const struct audit_how *how)
{
        const char *aside = how->aside[0] ? how->aside + strlen(audit->dir) + 1 : "";
        json_t *details = json_pack("{s:n, s:n, s:s}", "adopted_from", "adopted_to", "reason", audit->reason);

        if (details && how->adopted &&
            (json_object_set_new(details, "adopted_from", json_integer((json_int_t)how->adopted_from)) < 0 ||
             json_object_set_new(details, "adopted_to", json_integer((json_int_t)how->adopted_to)) < 0))
                json_decref(TAKE_PTR(details));
        if (details && how->finding &&
            json_object_set_new(
                    details, "set_aside",
                    json_pack("{s:s, s:s, s:s}", "detail", how->detail, "finding", how->finding, "path", aside)) < 0)
                json_decref(TAKE_PTR(details));
        if (details && how->start == AUDIT_ROTATED &&
            json_object_set_new(details, "rotated", json_pack("{s:s}", "path", aside)) < 0)
                json_decref(TAKE_PTR(details));
        return details;
}

/* The first transaction is always sealed: a week without power must not look like a week without seals. */
static int record_start(struct audit *audit, struct audit_how *how)
{
        _cleanup_(drop_json) json_t *details = NULL;
        int r;

        how->adopted = audit->tree.size > audit->sealed_size;
        how->adopted_from = audit->sealed_size;
        how->adopted_to = audit->tree.size - 1;

        details = start_details(audit, how);
        if (!details)
                return -ENOMEM;
        r = audit_append_remark(audit, "audit.start", NULL, details);
        r = r ?: audit_commit(audit, AUDIT_SEAL);
        return r < 0 ? r : 0;
}

static int genesis_anchor(struct audit *audit, char ret[static AUDIT_ANCHOR_MAX])
{
        struct audit_tree first;
        struct audit_hash root;
        int r = audit_store_load_tree(audit->db, 1, &first);

        if (r < 0)
                return r;
        root = audit_tree_root(&first);
        audit_anchor_write(audit->genesis.origin, 1, &root, ret);
        return 0;
}

int audit_begin_writing(struct audit *audit)
{
        int r;

        audit_store_keep_wal(audit->db, false);
        sqlite3_busy_timeout(audit->db, BUSY_MS); /* the daemon's one thread must not wait for a stranger's lock */
        r = audit_store_run(audit->db, "PRAGMA journal_mode=WAL");
        return r ?: audit_prepare_statements(audit);
}

static int go_on(struct audit *audit, struct audit_how *how)
{
        int r = erase_stale_slot(audit);

        if (r < 0)
                return r;
        r = audit_begin_writing(audit);
        r = r ?: audit_sync_directory(audit, "."); /* the new WAL's name: SQLite syncs it too, but hides a failure */
        r = r ?: record_start(audit, how);
        r = r ?: genesis_anchor(audit, how->genesis_anchor);
        if (r < 0)
                return r;
        audit_remove_staged(audit); /* space is all that it would cost */
        audit_keep_ballast(audit);
        return 0;
}

static int lock(struct audit *audit)
{
        _cleanup_(free_memory) char *path = audit_path(audit, "keys/seal.key");

        return path ? audit_sealkey_lock(path, &audit->lock_fd) : -ENOMEM;
}

int audit_start(struct audit *audit, struct audit_how *how)
{
        int r = lock(audit);

        r = r ?: settle(audit, how);
        return r ?: go_on(audit, how);
}

/* ---- ending on purpose ---------------------------------------------------------------------------------------- */

/* The last record of the old log, sealed if the key file lets us: a broken one may be why it is rotated. */
static int record_rotation(struct audit *audit, const char *reason, const char *actor)
{
        _cleanup_(drop_json) json_t *details = json_pack("{s:s}", "reason", reason);
        int r;

        if (!details)
                return -EINVAL;
        r = audit_append_remark(audit, "audit.rotate", actor, details);
        return r ?: audit_commit(audit, AUDIT_SEAL);
}

int audit_rotate(struct audit *audit, const char *reason, const char *actor, struct audit_how *ret_how)
{
        struct audit_how how = { 0 };
        int r, flags;

        if (!audit->db)
                return -EUCLEAN; /* a reopen failed */
        flags = record_rotation(audit, reason, actor);
        if (flags < 0)
                return flags;

        r = audit_replace_reason(audit, reason);
        r = r ?: replace_log(audit, AUDIT_ROTATED, &how);
        r = r ?: go_on(audit, &how);
        if (r < 0) {
                audit_close_log(audit); /* a reopen goes on with whichever log is there */
                return r;
        }
        if (ret_how)
                *ret_how = how;
        return flags;
}

int audit_rotate_offline(const char *state_dir, const struct audit_options *options, const char *reason,
                         const char *actor, struct audit_how *ret_how)
{
        _cleanup_(free_memory) char *database = NULL;
        struct audit_how how = { 0 };
        struct audit *audit;
        int r;

        if (asprintf(&database, "%s/audit.db", state_dir) < 0)
                return -ENOMEM;
        if (access(database, F_OK) < 0)
                return -errno;
        r = audit_open(state_dir, options, &audit, &how);
        if (r < 0)
                return r;
        if (how.start == AUDIT_CONTINUED)
                r = audit_rotate(audit, reason, actor, &how);
        audit_close(audit);
        if (r >= 0 && ret_how)
                *ret_how = how;
        return r;
}
