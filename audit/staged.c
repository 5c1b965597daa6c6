#include "audit/staged.h"
#include "audit/cleanup.h"

/* What is in one table from a bound on, and how it goes in. What may have come at any place is added where it is missing. */
static const struct {
        const char *bound, *select, *insert;
} tables[] = {
        { "SELECT coalesce(max(seq)+1,0) FROM record",
          "SELECT seq, body FROM record NOT INDEXED WHERE seq>=?1 ORDER BY seq", "INSERT INTO record VALUES(?1,?2)" },
        { "SELECT coalesce(max(epoch)+1,0) FROM checkpoint",
          "SELECT epoch, size, note FROM checkpoint NOT INDEXED WHERE epoch>=?1 ORDER BY epoch",
          "INSERT INTO checkpoint VALUES(?1,?2,?3)" },
        { NULL, "SELECT level, idx, hash FROM subtree",
          "INSERT INTO subtree SELECT ?1,?2,?3 WHERE NOT EXISTS(SELECT 1 FROM subtree WHERE level=?1 AND idx=?2)" },
        { NULL, "SELECT size, line FROM cosig",
          "INSERT INTO cosig SELECT ?1,?2 WHERE NOT EXISTS(SELECT 1 FROM cosig WHERE size=?1 AND line=?2)" },
};

enum { TABLES_N = sizeof(tables) / sizeof(tables[0]), RECORDS = 0 };

static int copy_row(sqlite3_stmt *row, sqlite3_stmt *insert)
{
        int r;

        for (int i = 0; i < sqlite3_column_count(row); i++)
                sqlite3_bind_value(insert, i + 1, sqlite3_column_value(row, i));
        r = audit_store_step(insert);
        sqlite3_reset(insert);
        return r;
}

static int copy_rows(sqlite3 *from, const char *sql, int64_t bound, sqlite3 *to, const char *insert_sql)
{
        _cleanup_(finalize_statement) sqlite3_stmt *select = NULL, *insert = NULL;
        int r = audit_store_prepare(from, sql, &select);

        r = r ?: audit_store_prepare(to, insert_sql, &insert);
        if (r < 0)
                return r;
        if (sqlite3_bind_parameter_count(select) > 0)
                sqlite3_bind_int64(select, 1, bound);
        while ((r = audit_store_step(select)) > 0) {
                r = copy_row(select, insert);
                if (r < 0)
                        return r;
        }
        return r;
}

int audit_staged_write(sqlite3 *log, uint64_t from, const char *path)
{
        _cleanup_(close_database) sqlite3 *db = NULL;
        int r = audit_store_create(path, &db);

        r = r ?: copy_rows(log, "SELECT seq, body FROM record WHERE seq=0", 0, db, tables[RECORDS].insert);
        for (unsigned i = 0; i < TABLES_N && r == 0; i++)
                r = copy_rows(log, tables[i].select, i == RECORDS ? (int64_t)from : 0, db, tables[i].insert);
        r = r ?: audit_store_add_triggers(db);
        r = r ?: audit_store_run(db, "COMMIT");
        if (r < 0)
                return r;
        return sqlite3_close(TAKE_PTR(db)) == SQLITE_OK ? 0 : -EIO;
}

/* The records that were added, hashed on from the tree that was staged. */
static int compare_tree(sqlite3 *staged, uint64_t size, const struct audit_tree *wanted)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        struct audit_hash root, wanted_root;
        struct audit_tree tree;
        int r = audit_store_load_tree(staged, size, &tree);

        r = r ?: audit_store_prepare(staged, tables[RECORDS].select, &statement);
        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)size);
        while ((r = audit_store_step(statement)) > 0) {
                const struct audit_hash hash =
                        audit_leaf_hash(sqlite3_column_text(statement, 1), (size_t)sqlite3_column_bytes(statement, 1));

                audit_tree_push(&tree, &hash, completed);
        }
        if (r < 0)
                return r;
        root = audit_tree_root(&tree);
        wanted_root = audit_tree_root(wanted);
        return tree.size == wanted->size && audit_hash_equal(&root, &wanted_root) ? 0 : -EUCLEAN;
}

int audit_staged_catch_up(sqlite3 *log, const struct audit_tree *tree, sqlite3 *staged)
{
        int64_t size, bound = 0;
        int r = audit_store_integer(staged, tables[RECORDS].bound, &size);

        r = r ?: audit_store_run(staged, "BEGIN IMMEDIATE");
        for (unsigned i = 0; i < TABLES_N && r == 0; i++) {
                r = tables[i].bound ? audit_store_integer(staged, tables[i].bound, &bound) : 0;
                r = r ?: copy_rows(log, tables[i].select, bound, staged, tables[i].insert);
        }
        r = r ?: audit_store_run(staged, "COMMIT");
        return r ?: compare_tree(staged, (uint64_t)size, tree);
}
