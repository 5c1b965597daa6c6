#include "audit/checkpoint.h"
#include "audit/cleanup.h"
#include "audit/reader.h"
#include "audit/store.h"

#include <stdio.h>
#include <string.h>

void audit_checkpoint_done(struct audit_checkpoint *checkpoint)
{
        free(TAKE_PTR(checkpoint->text));
}

/* A row of text without NUL, so that it can go where strings go. */
static bool column_is_plain(sqlite3_stmt *statement, int column, struct audit_slice *ret)
{
        if (sqlite3_column_type(statement, column) != SQLITE_TEXT)
                return false;
        ret->text = (const char *)sqlite3_column_text(statement, column);
        ret->length = (size_t)sqlite3_column_bytes(statement, column);
        return ret->text && !memchr(ret->text, '\0', ret->length);
}

/* ---- finding -------------------------------------------------------------------------------------------------- */

static int size_of_epoch(sqlite3_stmt *statement, uint64_t epoch, uint64_t *ret)
{
        int r;

        sqlite3_reset(statement);
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)epoch);
        r = audit_store_step(statement);
        if (r <= 0)
                return r ?: -EUCLEAN; /* epochs are contiguous */
        *ret = (uint64_t)sqlite3_column_int64(statement, 0);
        return 0;
}

/* Sizes grow with epochs, so halving finds the place without an index. */
static int find_epoch(sqlite3 *db, uint64_t size, uint64_t *ret)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        uint64_t low = 0, high, at; /* what is wanted is in [low, high) - 1 */
        int64_t last;
        int r = audit_store_integer(db, "SELECT max(epoch) FROM checkpoint", &last);

        if (r < 0)
                return r == -ENODATA ? -ENOENT : r;
        r = audit_store_prepare(db, "SELECT size FROM checkpoint NOT INDEXED WHERE epoch=?1", &statement);
        for (high = (uint64_t)last + 1; r == 0 && low < high;) {
                const uint64_t middle = low + (high - low) / 2;

                r = size_of_epoch(statement, middle, &at);
                if (r == 0 && at <= size)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (r < 0)
                return r;
        if (low == 0)
                return -ENOENT;
        *ret = low - 1;
        return 0;
}

int audit_checkpoint_take(sqlite3_stmt *row, struct audit_checkpoint *ret)
{
        struct audit_slice text;
        char *copy;

        if (!column_is_plain(row, 2, &text))
                return -EUCLEAN;
        copy = strndup(text.text, text.length);
        if (!copy)
                return -ENOMEM;
        *ret = (struct audit_checkpoint){
                .epoch = (uint64_t)sqlite3_column_int64(row, 0),
                .size = (uint64_t)sqlite3_column_int64(row, 1),
                .text = copy,
                .length = text.length,
        };
        return 0;
}

int audit_checkpoint_find(sqlite3 *db, uint64_t size, struct audit_checkpoint *ret)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        uint64_t epoch = 0;
        int r = find_epoch(db, size, &epoch);

        r = r
                    ?: audit_store_prepare(db, "SELECT epoch, size, note FROM checkpoint NOT INDEXED WHERE epoch=?1",
                                           &statement);
        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)epoch);
        r = audit_store_step(statement);
        if (r <= 0)
                return r ?: -EUCLEAN;
        return audit_checkpoint_take(statement, ret);
}

int audit_checkpoint_most_cosigned(sqlite3 *db, uint64_t above, uint64_t *ret_size)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        int r = audit_store_prepare(
                db, "SELECT size FROM cosig WHERE size>?1 GROUP BY size ORDER BY count(*) DESC, size DESC LIMIT 1",
                &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)(above > INT64_MAX ? INT64_MAX : above));
        r = audit_store_step(statement);
        if (r <= 0)
                return r ?: -ENOENT;
        *ret_size = (uint64_t)sqlite3_column_int64(statement, 0);
        return 0;
}

/* ---- cosignatures --------------------------------------------------------------------------------------------- */

static int write_cosignatures(sqlite3 *db, uint64_t size, FILE *out)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_slice line;
        int r = audit_store_prepare(db, "SELECT line FROM cosig WHERE size=?1 ORDER BY line", &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)size);
        while ((r = audit_store_step(statement)) > 0) {
                if (!column_is_plain(statement, 0, &line) || memchr(line.text, '\n', line.length))
                        return -EUCLEAN;
                fwrite(line.text, 1, line.length, out);
                fputc('\n', out);
        }
        return r;
}

int audit_checkpoint_add_cosignatures(sqlite3 *db, struct audit_checkpoint *checkpoint)
{
        _cleanup_(free_memory) char *text = NULL;
        struct audit_note note;
        size_t length;
        FILE *out = open_memstream(&text, &length);
        int r;

        if (!out)
                return -ENOMEM;
        fwrite(checkpoint->text, 1, checkpoint->length, out);
        r = write_cosignatures(db, checkpoint->size, out);
        if (fclose(out) != 0)
                return -ENOMEM;
        if (r < 0)
                return r;
        if (!audit_note_parse(text, length, &note))
                return -EUCLEAN;
        free(checkpoint->text);
        checkpoint->text = TAKE_PTR(text);
        checkpoint->length = length;
        return 0;
}

int audit_reader_note_of(struct audit_reader *reader, uint64_t size, char **ret_note, uint64_t *ret_size)
{
        _cleanup_(audit_checkpoint_done) struct audit_checkpoint checkpoint = { 0 };
        sqlite3 *db = audit_reader_database(reader);
        int r = audit_checkpoint_find(db, size, &checkpoint);

        r = r ?: audit_checkpoint_add_cosignatures(db, &checkpoint);
        if (r < 0)
                return r;
        *ret_note = TAKE_PTR(checkpoint.text);
        *ret_size = checkpoint.size;
        return 0;
}
