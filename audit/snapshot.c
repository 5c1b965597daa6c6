#include "audit/snapshot.h"
#include "audit/cleanup.h"
#include "audit/store.h"

#include <string.h>

/* The length is SQLite's, never strlen's: a body may hold a NUL, and must then be refused. */
static int take_record(sqlite3_stmt *statement, struct audit_item *ret)
{
        const int r = audit_store_step(statement);

        if (r <= 0)
                return r;
        *ret = (struct audit_item){ .seq = (uint64_t)sqlite3_column_int64(statement, 0) };
        if (sqlite3_column_type(statement, 1) == SQLITE_TEXT) {
                ret->body = (const char *)sqlite3_column_text(statement, 1);
                ret->length = (size_t)sqlite3_column_bytes(statement, 1);
        }
        return 1;
}

static int first_record(void *self, struct audit_item *ret)
{
        struct audit_snapshot *snapshot = self;

        sqlite3_reset(snapshot->first);
        return take_record(snapshot->first, ret);
}

static int next_record(void *self, struct audit_item *ret)
{
        struct audit_snapshot *snapshot = self;

        return take_record(snapshot->records, ret);
}

static void seek(sqlite3_stmt *statement, uint64_t from)
{
        sqlite3_reset(statement);
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)from);
}

/* Past the last number there can be, the first ones would come again. */
static bool reads_from(sqlite3_stmt *statement, uint64_t from)
{
        if (from > INT64_MAX)
                return false;
        seek(statement, from);
        return audit_store_step(statement) >= 0;
}

/* Moves on to the first row that can be read again. A page holds a handful of rows, a smashed inner page many: steps that
 * double get past either soon, halving them finds the very row, so that damage hides no more than it must. False: all the
 * rest is lost. */
static bool skip_rows(sqlite3_stmt *statement, uint64_t position)
{
        uint64_t lost = position, ahead = 1;

        while (!reads_from(statement, position + ahead)) {
                lost = position + ahead;
                ahead *= 2;
                if (ahead > UINT64_C(1) << 40)
                        return false;
        }
        for (ahead += position; ahead - lost > 1;) {
                const uint64_t middle = lost + (ahead - lost) / 2;

                *(reads_from(statement, middle) ? &ahead : &lost) = middle;
        }
        seek(statement, ahead);
        return true;
}

static int skip_damage(void *self, uint64_t position, struct audit_item *ret)
{
        struct audit_snapshot *snapshot = self;

        return skip_rows(snapshot->records, position) ? take_record(snapshot->records, ret) : 0;
}

static int take_note(struct audit_snapshot *snapshot, struct audit_stored_note *ret)
{
        const int r = audit_store_step(snapshot->notes);

        if (r <= 0)
                return r;
        *ret = (struct audit_stored_note){
                .epoch = (uint64_t)sqlite3_column_int64(snapshot->notes, 0),
                .size = (uint64_t)sqlite3_column_int64(snapshot->notes, 1),
                .text = (const char *)sqlite3_column_text(snapshot->notes, 2) ?: "",
                .length = (size_t)sqlite3_column_bytes(snapshot->notes, 2),
        };
        return 1;
}

static int next_note(void *self, struct audit_stored_note *ret)
{
        return take_note(self, ret);
}

static int skip_note_damage(void *self, uint64_t epoch, struct audit_stored_note *ret)
{
        struct audit_snapshot *snapshot = self;

        return skip_rows(snapshot->notes, epoch) ? take_note(snapshot, ret) : 0;
}

static int next_cosig(void *self, struct audit_cosig *ret)
{
        struct audit_snapshot *snapshot = self;
        const int r = audit_store_step(snapshot->cosigs);

        if (r <= 0)
                return r;
        ret->size = (uint64_t)sqlite3_column_int64(snapshot->cosigs, 0);
        ret->line.text = (const char *)sqlite3_column_text(snapshot->cosigs, 1) ?: "";
        ret->line.length = (size_t)sqlite3_column_bytes(snapshot->cosigs, 1);
        return 1;
}

static int find_subtree(void *self, const struct audit_subtree *subtree, struct audit_hash *ret)
{
        struct audit_snapshot *snapshot = self;
        int r;

        sqlite3_reset(snapshot->subtrees);
        sqlite3_bind_int(snapshot->subtrees, 1, (int)subtree->level);
        sqlite3_bind_int64(snapshot->subtrees, 2, (sqlite3_int64)subtree->index);
        r = audit_store_step(snapshot->subtrees);
        if (r <= 0)
                return r;
        memset(ret->bytes, 0, sizeof(ret->bytes)); /* of a wrong length is just wrong */
        if (sqlite3_column_bytes(snapshot->subtrees, 0) == sizeof(ret->bytes))
                memcpy(ret->bytes, sqlite3_column_blob(snapshot->subtrees, 0), sizeof(ret->bytes));
        return 1;
}

static int count_subtrees(void *self, uint64_t *ret)
{
        struct audit_snapshot *snapshot = self;
        int64_t rows;
        const int r = audit_store_integer(snapshot->db, "SELECT count(*) FROM subtree", &rows);

        if (r < 0)
                return r;
        *ret = (uint64_t)rows;
        return 1;
}

static int load_tree(void *self, uint64_t size, struct audit_tree *ret)
{
        struct audit_snapshot *snapshot = self;
        const int r = audit_store_load_tree(snapshot->db, size, ret);

        return r < 0 ? r : 1;
}

int audit_snapshot_init(struct audit_snapshot *snapshot, sqlite3 *db, struct audit_source *ret)
{
        const struct {
                sqlite3_stmt **statement;
                const char *sql;
        } list[] = {
                { &snapshot->first, "SELECT seq, body FROM record NOT INDEXED WHERE seq=0" },
                { &snapshot->records, "SELECT seq, body FROM record NOT INDEXED WHERE seq>=?1 ORDER BY seq" },
                { &snapshot->notes,
                  "SELECT epoch, size, note FROM checkpoint NOT INDEXED WHERE epoch>=?1 ORDER BY epoch" },
                { &snapshot->cosigs, "SELECT size, line FROM cosig WHERE size>=0 ORDER BY size, line" },
                { &snapshot->subtrees, "SELECT hash FROM subtree WHERE level=?1 AND idx=?2" },
        };
        int r = 0;

        *snapshot = (struct audit_snapshot){ .db = db };
        r = audit_store_run(db, "PRAGMA cache_size=-256"); /* KiB: what is read once and in order is not worth more */
        for (size_t i = 0; i < sizeof(list) / sizeof(list[0]) && r == 0; i++)
                r = audit_store_prepare(db, list[i].sql, list[i].statement);
        if (r < 0) {
                audit_snapshot_done(snapshot);
                return r;
        }
        seek(snapshot->records, 0);
        seek(snapshot->notes, 0);
        *ret = (struct audit_source){
                .self = snapshot,
                .first_record = first_record,
                .next_record = next_record,
                .skip_damage = skip_damage,
                .next_note = next_note,
                .skip_note_damage = skip_note_damage,
                .next_cosig = next_cosig,
                .find_subtree = find_subtree,
                .count_subtrees = count_subtrees,
                .load_tree = load_tree,
        };
        return 0;
}

void audit_snapshot_done(struct audit_snapshot *snapshot)
{
        sqlite3_finalize(TAKE_PTR(snapshot->first));
        sqlite3_finalize(TAKE_PTR(snapshot->records));
        sqlite3_finalize(TAKE_PTR(snapshot->notes));
        sqlite3_finalize(TAKE_PTR(snapshot->cosigs));
        sqlite3_finalize(TAKE_PTR(snapshot->subtrees));
}
