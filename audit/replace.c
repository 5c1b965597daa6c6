/* The short half of archiving: the writer brings the pruned log up to date and puts it in place of its own.
 *
 * It is alone with the file meanwhile. A reader who opened audit.db before the rename and looks after it would put the old
 * file together with the new one's WAL; one who reads already keeps us from beginning. */

#include "audit/chain.h"
#include "audit/cleanup.h"
#include "audit/files.h"
#include "audit/retention.h"
#include "audit/staged.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static bool is_there(const char *file, const char *suffix)
{
        _cleanup_(free_memory) char *path = audit_files_suffixed(file, suffix);

        return path && access(path, R_OK) == 0;
}

/* The clock that dates the record decides, not the one of the preparation. */
static int check_range(struct audit *audit, const struct audit_archiving *archiving)
{
        uint64_t from, made;
        int r = audit_retention_begin(audit->db, &from);

        if (r < 0)
                return r;
        if (archiving->from != from || archiving->to <= from || archiving->to % (1u << AUDIT_SUBTREE_STEP) != 0 ||
            archiving->to >= audit->sealed_size || !is_there(archiving->file, ".jsonl") ||
            !is_there(archiving->file, ".ckpt"))
                return -ESTALE;
        r = audit_retention_made_at(audit->db, archiving->to, &made);
        if (r < 0)
                return r == -ENOENT ? -ESTALE : r;
        return audit_retention_is_over(made, audit_realtime_usec(audit), audit->genesis.retention_days) ? 0 : -ENODATA;
}

static int open_again(struct audit *audit, int (*open_store)(const char *path, sqlite3 **ret))
{
        _cleanup_(free_memory) char *path = audit_path(audit, "audit.db");
        int r;

        if (!path)
                return -ENOMEM;
        audit_close_log(audit);
        r = open_store(path, &audit->db);
        r = r ?: audit_begin_writing(audit);
        return r ?: audit_compare_end(audit);
}

/* What a stranger did until now is on record with the next commit, and what is staged does not know of it. */
static int look_around(struct audit *audit)
{
        int r = audit_begin_transaction(audit);

        return r ?: audit_end_transaction(audit, audit->foreign_noted ? -ESTALE : 0);
}

static int record_archive(struct audit *audit, const struct audit_archiving *archiving, const char *actor)
{
        const char *slash = strrchr(archiving->file, '/');
        _cleanup_(drop_json) json_t *details = NULL;
        char name[sizeof(archiving->file) + sizeof(".jsonl")];
        int r;

        snprintf(name, sizeof(name), "%s.jsonl", slash ? slash + 1 : archiving->file);
        details = json_pack("{s:s, s:I, s:s, s:I}", "file", name, "from", (json_int_t)archiving->from, "sha256",
                            archiving->sha256, "to", (json_int_t)archiving->to);
        if (!details)
                return -EINVAL;
        r = audit_append_remark(audit, "audit.archive", actor, details);
        r = r ?: audit_commit(audit, AUDIT_SEAL);
        if (r < 0)
                return r;
        return audit_unsealed(audit) == 0 ? r : -EIO; /* without its seal it explains nothing */
}

/* ---- what is staged -------------------------------------------------------------------------------------------- */

/* By the rules of a start, with the live keys: it must end where we do. */
static int judge_staged(const struct audit *audit, sqlite3 *staged)
{
        struct audit candidate = { .dir = audit->dir, .lock_fd = audit->lock_fd, .db = staged };
        struct audit_how how;
        int r;

        candidate.keys = sodium_malloc(sizeof(*candidate.keys));
        if (!candidate.keys)
                return -ENOMEM;
        r = audit_judge_database(&candidate, &how);
        sodium_free(candidate.keys);
        if (r < 0)
                return r;
        return r == AUDIT_JUDGED_GOOD && candidate.epoch == audit->epoch &&
                               candidate.sealed_size == audit->sealed_size && candidate.tree.size == audit->tree.size &&
                               audit_hash_equal(&candidate.last, &audit->last) &&
                               strcmp(candidate.genesis.origin, audit->genesis.origin) == 0
                       ? 0
                       : -ESTALE;
}

static int bring_up(struct audit *audit, const struct audit_archiving *archiving)
{
        _cleanup_(free_memory) char *path = audit_path(audit, AUDIT_STAGED);
        _cleanup_(close_database) sqlite3 *staged = NULL;
        uint64_t from;
        int r;

        if (!path)
                return -ENOMEM;
        r = access(path, F_OK) < 0 ? -ESTALE : audit_store_open(path, &staged);
        r = r ?: audit_retention_begin(staged, &from);
        r = r ?: from == archiving->to ? 0 : -ESTALE;
        r = r ?: audit_staged_catch_up(audit->db, &audit->tree, staged);
        r = r ?: judge_staged(audit, staged);
        r = r
                    ?: audit_store_run(
                               staged,
                               "PRAGMA journal_mode=WAL"); /* who reads it first must not keep us from writing */
        if (r < 0)
                return r == -EUCLEAN ? -ESTALE : r;
        return sqlite3_close(TAKE_PTR(staged)) == SQLITE_OK ? 0 : -EIO;
}

/* Once audit.db is one file, what stands beside it can go; and it must be gone for good before the name changes hands. */
static int put_in_place(struct audit *audit)
{
        int64_t busy;
        int r = audit_store_integer(audit->db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy);

        r = r ?: busy ? -EBUSY : 0;
        r = r ?: audit_remove_companions(audit);
        r = r ?: audit_sync_directory(audit, ".");
        if (r < 0)
                return r;
        audit_store_leave_names(audit->db); /* the names beside it belong to the other file from here on */
        audit_step_done(audit, AUDIT_STEP_CAUGHT_UP);
        r = audit_rename_file(audit, AUDIT_STAGED, "audit.db");
        r = r ?: audit_sync_directory(audit, ".");
        if (r == 0)
                audit_step_done(audit, AUDIT_STEP_REPLACED);
        return r;
}

static int replace_alone(struct audit *audit, const struct audit_archiving *archiving, const char *actor)
{
        const int flags = record_archive(audit, archiving, actor);
        int r = flags < 0 ? flags : bring_up(audit, archiving);

        r = r ?: put_in_place(audit);
        return r ?: flags;
}

int audit_archive_commit(struct audit *audit, const struct audit_archiving *archiving, const char *actor)
{
        int r, reopened;

        if (!audit->db)
                return -EUCLEAN; /* a reopen failed */
        r = check_range(audit, archiving);
        r = r ?: look_around(audit);
        if (r < 0)
                return r;

        r = open_again(audit, audit_store_open_alone);
        r = r ?: replace_alone(audit, archiving, actor);

        reopened = open_again(audit, audit_store_open); /* whichever has the name now */
        if (reopened < 0)
                audit_close_log(audit);
        return r < 0 ? r : reopened < 0 ? reopened : r;
}
