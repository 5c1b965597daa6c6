/* The text files of an export: bodies one a line, notes with an empty line between them, stored subtrees. */

#include "audit/checkpoint.h"
#include "audit/cleanup.h"
#include "audit/reader.h"
#include "audit/store.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#define RECORDS "SELECT body FROM record NOT INDEXED WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq"
#define NOTES                                                                                                     \
        "SELECT epoch, size, note, EXISTS(SELECT 1 FROM cosig WHERE cosig.size=checkpoint.size) FROM checkpoint " \
        "NOT INDEXED ORDER BY epoch"
#define SUBTREES "SELECT level, idx, hash FROM subtree ORDER BY level, idx"

/* A stream remembers that a write failed, but not why. */
static int stream_error(void)
{
        return errno > 0 ? -errno : -EIO;
}

struct export_rows {
        sqlite3 *db;
        sqlite3_stmt *statement;
        FILE *out;
        bool begun; /* a row was written before */
};

/* All rows are of the snapshot that the reader has, so that the files of one reader fit together. */
static int export_rows(struct export_rows *rows, int (*write_row)(struct export_rows *rows))
{
        int r;

        errno = 0;
        while ((r = audit_store_step(rows->statement)) > 0) {
                r = write_row(rows);
                if (r < 0)
                        return r;
                if (ferror(rows->out))
                        return stream_error();
                rows->begun = true;
        }
        if (r < 0)
                return r;
        errno = 0;
        return fflush(rows->out) == 0 ? 0 : stream_error();
}

static void done(struct export_rows *rows)
{
        sqlite3_finalize(rows->statement);
}

/* ---- records -------------------------------------------------------------------------------------------------- */

static int write_text(sqlite3_stmt *statement, int column, FILE *out)
{
        if (sqlite3_column_type(statement, column) != SQLITE_TEXT)
                return -EUCLEAN;
        fwrite(sqlite3_column_text(statement, column), 1, (size_t)sqlite3_column_bytes(statement, column), out);
        return 0;
}

static int write_record(struct export_rows *rows)
{
        const int r = write_text(rows->statement, 0, rows->out);

        fputc('\n', rows->out);
        return r;
}

static sqlite3_int64 rowid_of(uint64_t seq)
{
        return (sqlite3_int64)(seq > INT64_MAX ? INT64_MAX : seq);
}

int audit_export_jsonl(struct audit_reader *reader, const struct audit_range *range, FILE *out)
{
        static const struct audit_range everything = { .to = UINT64_MAX };
        _cleanup_(done) struct export_rows rows = { .db = audit_reader_database(reader), .out = out };
        int r;

        range = range ?: &everything;
        r = audit_store_prepare(rows.db, range->newest_first ? RECORDS " DESC" : RECORDS, &rows.statement);
        if (r < 0)
                return r;
        sqlite3_bind_int64(rows.statement, 1, rowid_of(range->from));
        sqlite3_bind_int64(rows.statement, 2, rowid_of(range->to));
        return export_rows(&rows, write_record);
}

/* ---- checkpoints ---------------------------------------------------------------------------------------------- */

/* Few are cosigned; those are looked at closely, because their lines are under no seal. */
static int write_cosigned(struct export_rows *rows)
{
        _cleanup_(audit_checkpoint_done) struct audit_checkpoint checkpoint = { 0 };
        int r = audit_checkpoint_take(rows->statement, &checkpoint);

        r = r ?: audit_checkpoint_add_cosignatures(rows->db, &checkpoint);
        if (r == 0)
                fwrite(checkpoint.text, 1, checkpoint.length, rows->out);
        return r;
}

static int write_note(struct export_rows *rows)
{
        if (rows->begun)
                fputc('\n', rows->out);
        return sqlite3_column_int(rows->statement, 3) ? write_cosigned(rows)
                                                      : write_text(rows->statement, 2, rows->out);
}

int audit_export_checkpoints(struct audit_reader *reader, FILE *out)
{
        _cleanup_(done) struct export_rows rows = { .db = audit_reader_database(reader), .out = out };
        const int r = audit_store_prepare(rows.db, NOTES, &rows.statement);

        return r < 0 ? r : export_rows(&rows, write_note);
}

/* ---- subtrees ------------------------------------------------------------------------------------------------- */

static int write_subtree(struct export_rows *rows)
{
        sqlite3_stmt *statement = rows->statement;
        char hex[2 * sizeof(struct audit_hash) + 1];

        if (sqlite3_column_bytes(statement, 2) != sizeof(struct audit_hash))
                return -EUCLEAN;
        sodium_bin2hex(hex, sizeof(hex), sqlite3_column_blob(statement, 2), sizeof(struct audit_hash));
        fprintf(rows->out, "%lld %lld %s\n", (long long)sqlite3_column_int64(statement, 0),
                (long long)sqlite3_column_int64(statement, 1), hex);
        return 0;
}

int audit_export_subtree(struct audit_reader *reader, FILE *out)
{
        _cleanup_(done) struct export_rows rows = { .db = audit_reader_database(reader), .out = out };
        const int r = audit_store_prepare(rows.db, SUBTREES, &rows.statement);

        return r < 0 ? r : export_rows(&rows, write_subtree);
}
