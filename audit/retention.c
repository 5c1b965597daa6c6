/* The long half of archiving: what is old enough, the archive of it, and the log without it. Reads only, beside the writer. */

#include "audit/retention.h"
#include "audit/archive.h"
#include "audit/cleanup.h"
#include "audit/files.h"
#include "audit/genesis.h"
#include "audit/staged.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ARCHIVES "archive"

enum { STEP = 1 << AUDIT_SUBTREE_STEP }; /* where a kept subtree ends */

struct retention {
        const struct audit_archive_options *options;
        uint64_t now_usec;
        char *database;
        sqlite3 *log;
        struct audit_genesis genesis;
        uint64_t size, sealed_size;
        struct audit_archiving *archiving;
};

static void done_retention(struct retention *retention)
{
        sqlite3_close(retention->log);
        free(retention->database);
}

static void step_done(const struct retention *retention, enum audit_step step)
{
        if (retention->options->step)
                retention->options->step(retention->options->step_userdata, step);
}

/* ---- verifying ------------------------------------------------------------------------------------------------ */

/* An unsealed tail is the log's own affair: only what is sealed leaves it. */
static int refuse(const struct audit_report *report, const char *what, struct audit_finding *ret_why)
{
        for (size_t i = 0; i < report->n_findings; i++) {
                const struct audit_finding *found = &report->findings[i];

                if (strcmp(found->code, "UNSEALED_TAIL") == 0)
                        continue;
                *ret_why = *found;
                snprintf(ret_why->detail, sizeof(ret_why->detail), "%s: %.120s", what, found->detail);
                return -EUCLEAN;
        }
        return 0;
}

static int verify(struct retention *retention, const struct audit_verify_options *options, const char *what)
{
        struct audit_verify_options timed = *options;
        struct audit_report *report = malloc(sizeof(*report));
        int r;

        if (!report)
                return -ENOMEM;
        timed.now_usec = retention->now_usec;
        audit_verify(&timed, report);
        r = refuse(report, what, &retention->archiving->why);
        free(report);
        return r;
}

/* ---- what is old enough ---------------------------------------------------------------------------------------- */

int audit_retention_made_at(sqlite3 *log, uint64_t seq, uint64_t *ret_usec)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_slice body;
        struct audit_view view;
        const int r = audit_store_body(log, seq, &statement, &body);

        if (r < 0)
                return r;
        if (audit_view(body.text, body.length, &view) < 0)
                return -EUCLEAN;
        *ret_usec = audit_ts_parse(view.ts.text);
        return 0;
}

bool audit_retention_is_over(uint64_t made_usec, uint64_t now_usec, uint64_t days)
{
        uint64_t kept;

        return !__builtin_mul_overflow(days, AUDIT_USEC_PER_DAY, &kept) && now_usec >= made_usec &&
               now_usec - made_usec >= kept;
}

int audit_retention_begin(sqlite3 *log, uint64_t *ret_from)
{
        int64_t first;
        int r = audit_store_integer(log, "SELECT coalesce(min(seq),1) FROM record WHERE seq>0", &first);

        if (r == 0)
                *ret_from = first == 1 ? 0 : (uint64_t)first;
        return r;
}

/* The largest step whose record is old enough. Each is asked, from the newest down: clocks may have gone back. */
static int choose_range(struct retention *retention)
{
        struct audit_archiving *archiving = retention->archiving;
        int r = audit_retention_begin(retention->log, &archiving->from);

        if (r < 0)
                return r;
        archiving->to = retention->sealed_size > 0 ? (retention->sealed_size - 1) / STEP * STEP : 0;
        for (; archiving->to > archiving->from; archiving->to -= STEP) {
                uint64_t made = 0;

                r = audit_retention_made_at(retention->log, archiving->to, &made);
                if (r < 0)
                        return r;
                if (made < retention->options->before_usec &&
                    audit_retention_is_over(made, retention->now_usec, retention->genesis.retention_days))
                        return 0;
        }
        return -ENODATA;
}

static int open_log(struct retention *retention)
{
        int64_t size, sealed;
        int r = audit_store_open_reader(retention->database, &retention->log);

        r = r ?: audit_store_integer(retention->log, "SELECT coalesce(max(seq)+1,0) FROM record", &size);
        r = r ?: audit_store_integer(retention->log, "SELECT coalesce(max(size),0) FROM checkpoint", &sealed);
        r = r ?: audit_genesis_read(retention->log, &retention->genesis);
        if (r < 0)
                return r;
        retention->size = (uint64_t)size;
        retention->sealed_size = (uint64_t)sealed;
        return 0;
}

/* ---- the archive ----------------------------------------------------------------------------------------------- */

/* Else no record could name it. */
static bool is_utf8(const char *name)
{
        _cleanup_(drop_json) json_t *text = json_string(name);

        return text != NULL;
}

static int name_archive(struct retention *retention)
{
        const struct audit_archive_options *options = retention->options;
        struct audit_archiving *archiving = retention->archiving;
        const char *part = strrchr(retention->genesis.origin, '/');
        char directory[sizeof(archiving->file)];
        int n;

        if (options->file && !is_utf8(options->file))
                return -EINVAL;
        if (options->file) {
                n = snprintf(archiving->file, sizeof(archiving->file), "%s", options->file);
                return n < (int)sizeof(archiving->file) ? 0 : -ENAMETOOLONG;
        }
        n = snprintf(directory, sizeof(directory), "%s/" ARCHIVES, options->state_dir);
        if (n >= (int)sizeof(directory))
                return -ENAMETOOLONG;
        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                return -errno;
        audit_archive_remove_unfinished(directory);
        n = snprintf(archiving->file, sizeof(archiving->file), "%s/%s.%llu-%llu", directory,
                     part ? part + 1 : retention->genesis.origin, (unsigned long long)archiving->from,
                     (unsigned long long)archiving->to);
        return n < (int)sizeof(archiving->file) ? 0 : -ENAMETOOLONG;
}

/* The first begins with the genesis, so it is a log of its own. */
static int verify_alone(struct retention *retention)
{
        const char *file = retention->archiving->file;
        _cleanup_(free_memory) char *records = audit_files_suffixed(file, ".jsonl");
        _cleanup_(free_memory) char *notes = audit_files_suffixed(file, ".ckpt");

        if (!records || !notes)
                return -ENOMEM;
        if (retention->archiving->from > 0)
                return 0;
        return verify(retention, &(struct audit_verify_options){ .jsonl = records, .checkpoints = notes },
                      "the archive");
}

static int make_archive(struct retention *retention)
{
        struct audit_archiving *archiving = retention->archiving;
        struct audit_archive archive = { .file = archiving->file, .from = archiving->from, .to = archiving->to };
        int r = name_archive(retention);

        r = r ?: audit_archive_write(retention->log, &archive);
        r = r ?: audit_archive_check(retention->log, &archive, &archiving->why);
        r = r ?: verify_alone(retention);
        if (r < 0)
                return r;
        strcpy(archiving->sha256, archive.sha256);
        step_done(retention, AUDIT_STEP_ARCHIVED);
        return 0;
}

/* ---- the log without it ---------------------------------------------------------------------------------------- */

/* No record says yet why some are missing, so the archive is shown together with it. */
static int verify_staged(struct retention *retention, const char *path)
{
        _cleanup_(free_memory) char *records = audit_files_suffixed(retention->archiving->file, ".jsonl");
        const char *const archives[] = { records };

        if (!records)
                return -ENOMEM;
        return verify(retention,
                      &(struct audit_verify_options){ .database = path, .archives = archives, .archives_n = 1 },
                      "the pruned log");
}

/* It gets its name when it is good, so what has that name is. */
static int stage(struct retention *retention)
{
        struct audit_archiving *archiving = retention->archiving;
        _cleanup_(free_memory) char *fresh = NULL, *journal = NULL;
        int r;

        if (snprintf(archiving->staged, sizeof(archiving->staged), "%s/" AUDIT_STAGED, retention->options->state_dir) >=
            (int)sizeof(archiving->staged))
                return -ENAMETOOLONG;
        fresh = audit_files_suffixed(archiving->staged, ".tmp");
        journal = fresh ? audit_files_suffixed(fresh, "-journal") : NULL;
        if (!journal)
                return -ENOMEM;
        r = audit_files_remove(fresh);
        r = r ?: audit_files_remove(journal);
        r = r ?: audit_staged_write(retention->log, archiving->to, fresh);
        r = r ?: verify_staged(retention, fresh);
        if (r == 0 && rename(fresh, archiving->staged) < 0)
                r = -errno;
        if (r < 0) {
                audit_files_remove(fresh);
                return r;
        }
        archiving->staged_size = retention->size;
        step_done(retention, AUDIT_STEP_PRUNED);
        return 0;
}

int audit_archive_prepare(const struct audit_archive_options *options, struct audit_archiving *ret)
{
        _cleanup_(done_retention) struct retention retention = {
                .options = options, .now_usec = options->now_usec ?: audit_clock_usec(CLOCK_REALTIME), .archiving = ret
        };
        int r;

        memset(ret, 0, sizeof(*ret));
        if (sodium_init() < 0)
                return -EIO;
        retention.database = audit_files_join(options->state_dir, "audit.db");
        if (!retention.database)
                return -ENOMEM;
        r = open_log(&retention);
        r = r ?: choose_range(&retention);
        r = r ?: verify(&retention, &(struct audit_verify_options){ .state_dir = options->state_dir }, "the log");
        r = r ?: make_archive(&retention);
        return r ?: stage(&retention);
}
