/* A log as C2SP tlog-tiles: hashes and records in files of 256 that never change once they are full, and the checkpoint,
 * which is replaced last, that says how many there are. */

#include "audit/cleanup.h"
#include "audit/sealed.h"
#include "audit/store.h"
#include "audit/tile_store.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define CHECKPOINT "checkpoint"
#define PENDING \
        ".checkpoint.pending" /* what is being exported: until there is a checkpoint, this says whose it will be */
#define NEW_CHECKPOINT ".checkpoint" AUDIT_TILE_UNFINISHED
#define NEW_TILE ".tile" AUDIT_TILE_UNFINISHED
#define NEW_BUNDLE ".bundle" AUDIT_TILE_UNFINISHED

enum {
        WIDTH = AUDIT_TILE_WIDTH,
        WIDTH_BITS = 8,
        LEVELS = 8, /* of more records than a number can count */
};

struct tile {
        uint64_t index;
        unsigned n;
        struct audit_hash hashes[WIDTH];
};

struct tiles {
        struct audit_sealed sealed;
        struct audit_tile_store store;
        uint64_t from;          /* records before are in full tiles already */
        struct audit_tree tree; /* of the records passed */
        struct tile level[LEVELS];
        FILE *bundle; /* of records, not full yet */
};

static void free_tiles(struct tiles **tiles)
{
        if (!*tiles)
                return;
        if ((*tiles)->bundle)
                fclose((*tiles)->bundle);
        audit_sealed_done(&(*tiles)->sealed);
        audit_tile_store_close(&(*tiles)->store);
        free(*tiles);
}

/* ---- what is there already -------------------------------------------------------------------------------------- */

/* 1: a checkpoint of this log is in that file, 0: there is no such file, -EEXIST: something else is. */
static int read_checkpoint(const struct tiles *tiles, const char *name, uint64_t *ret_size, struct audit_hash *ret_root)
{
        _cleanup_(free_memory) char *text = NULL;
        struct audit_note note;
        size_t length;
        const int r = audit_tile_store_read(&tiles->store, name, &text, &length);

        if (r < 0)
                return r == -ENOENT ? 0 : r == -EFBIG || r == -ELOOP || r == -EISDIR ? -EEXIST : r;
        if (!audit_note_parse_loose(text, length, &note) || !audit_sealed_is_ours(&tiles->sealed, &note))
                return -EEXIST;
        *ret_size = note.size;
        *ret_root = note.root;
        return 1;
}

/* An export that broke off before its first checkpoint left the pending one. */
static int look_for_strangers(const struct tiles *tiles)
{
        struct audit_hash root;
        uint64_t size;
        int r = audit_tile_store_is_empty(&tiles->store);

        if (r != 0)
                return r < 0 ? r : 0;
        r = read_checkpoint(tiles, PENDING, &size, &root);
        return r == 0 ? -EEXIST : r < 0 ? r : 0;
}

/* Sets `from`. An earlier export must be of what this log was then. */
static int look_at_directory(struct tiles *tiles)
{
        struct audit_hash old_root, root;
        uint64_t old_size;
        int r = read_checkpoint(tiles, CHECKPOINT, &old_size, &old_root);

        if (r <= 0)
                return r ?: look_for_strangers(tiles);
        if (old_size > tiles->sealed.note.size)
                return -ERANGE;
        r = audit_sealed_hash(&tiles->sealed, (struct audit_span){ 0, old_size }, &root);
        if (r < 0)
                return r;
        if (!audit_hash_equal(&root, &old_root))
                return -EUCLEAN;
        tiles->from = old_size & ~(uint64_t)(WIDTH - 1);
        return 0;
}

/* ---- tiles ---------------------------------------------------------------------------------------------------- */

static int write_tile(struct tiles *tiles, unsigned level)
{
        const struct tile *tile = &tiles->level[level];
        char kind[4];
        FILE *file;
        const int r = audit_tile_store_create(&tiles->store, NEW_TILE, &file);

        if (r < 0)
                return r;
        snprintf(kind, sizeof(kind), "%u", level);
        fwrite(tile->hashes, sizeof(tile->hashes[0]), tile->n, file);
        return audit_tile_store_place(&tiles->store, NEW_TILE, file, kind, tile->index, tile->n);
}

static struct audit_hash root_of_tile(const struct tile *tile)
{
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        struct audit_tree tree = { 0 };

        for (unsigned i = 0; i < tile->n; i++)
                audit_tree_push(&tree, &tile->hashes[i], completed);
        return audit_tree_root(&tree);
}

/* A full tile is written and becomes one hash of the level above. */
static int add_hash(struct tiles *tiles, const struct audit_hash *hash)
{
        struct audit_hash carry = *hash;

        for (unsigned level = 0; level < LEVELS; level++) {
                struct tile *tile = &tiles->level[level];
                int r;

                tile->hashes[tile->n++] = carry;
                if (tile->n < WIDTH)
                        return 0;
                r = write_tile(tiles, level);
                if (r < 0)
                        return r;
                carry = root_of_tile(tile);
                tile->index++;
                tile->n = 0;
        }
        return -EOVERFLOW;
}

static int place_bundle(struct tiles *tiles, uint64_t index, unsigned width)
{
        return audit_tile_store_place(&tiles->store, NEW_BUNDLE, TAKE_PTR(tiles->bundle), "entries", index, width);
}

static int write_partials(struct tiles *tiles)
{
        int r = tiles->bundle ? place_bundle(tiles, tiles->level[0].index, tiles->level[0].n) : 0;

        for (unsigned level = 0; level < LEVELS && r == 0; level++)
                if (tiles->level[level].n > 0)
                        r = write_tile(tiles, level);
        return r;
}

/* The tiles above the first record to come hold what is complete before it. */
static int load_tiles(struct tiles *tiles)
{
        int r = 0;

        for (unsigned level = 0; level < LEVELS; level++) {
                struct tile *tile = &tiles->level[level];
                const unsigned bits = level * WIDTH_BITS;
                const uint64_t complete = tiles->from >> bits;

                tile->index = complete / WIDTH;
                for (uint64_t i = tile->index * WIDTH; i < complete && r == 0; i++)
                        r = audit_sealed_hash(&tiles->sealed, (struct audit_span){ i << bits, (i + 1) << bits },
                                              &tile->hashes[tile->n++]);
        }
        return r;
}

/* ---- records -------------------------------------------------------------------------------------------------- */

static int no_record(struct tiles *tiles, struct audit_slice body, const struct audit_hash *leaf)
{
        (void)tiles, (void)body, (void)leaf;
        return 0;
}

static int add_record(struct tiles *tiles, struct audit_slice body, const struct audit_hash *leaf)
{
        const uint8_t length[2] = { (uint8_t)(body.length >> 8), (uint8_t)body.length };
        const struct tile *tile = &tiles->level[0];
        int r = 0;

        if (!tiles->bundle)
                r = audit_tile_store_create(&tiles->store, NEW_BUNDLE, &tiles->bundle);
        if (r < 0)
                return r;
        fwrite(length, 1, sizeof(length), tiles->bundle);
        fwrite(body.text, 1, body.length, tiles->bundle);
        if (tile->n == WIDTH - 1)
                r = place_bundle(tiles, tile->index, WIDTH);
        return r ?: add_hash(tiles, leaf);
}

static int take_row(struct tiles *tiles, sqlite3_stmt *statement,
                    int (*take)(struct tiles *tiles, struct audit_slice body, const struct audit_hash *leaf))
{
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        struct audit_slice body;
        struct audit_hash leaf;

        if ((uint64_t)sqlite3_column_int64(statement, 0) != tiles->tree.size ||
            sqlite3_column_type(statement, 1) != SQLITE_TEXT)
                return -EUCLEAN;
        body.text = (const char *)sqlite3_column_text(statement, 1);
        body.length = (size_t)sqlite3_column_bytes(statement, 1);
        if (body.length > AUDIT_BODY_MAX)
                return -EUCLEAN;
        leaf = audit_leaf_hash(body.text, body.length);
        audit_tree_push(&tiles->tree, &leaf, completed);
        return take(tiles, body, &leaf);
}

/* From `from` to the checkpoint. -EUCLEAN when that does not lead to its root. */
static int each_record(struct tiles *tiles,
                       int (*take)(struct tiles *tiles, struct audit_slice body, const struct audit_hash *leaf))
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        const struct audit_note *note = &tiles->sealed.note;
        sqlite3 *db = tiles->sealed.db;
        struct audit_hash root;
        int r = audit_store_load_tree(db, tiles->from, &tiles->tree);

        r = r
                    ?: audit_store_prepare(
                               db, "SELECT seq, body FROM record NOT INDEXED WHERE seq>=?1 AND seq<?2 ORDER BY seq",
                               &statement);
        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)tiles->from);
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)note->size);
        while ((r = audit_store_step(statement)) > 0) {
                r = take_row(tiles, statement, take);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        root = audit_tree_root(&tiles->tree);
        return tiles->tree.size == note->size && audit_hash_equal(&root, &note->root) ? 0 : -EUCLEAN;
}

/* ---- all of it ------------------------------------------------------------------------------------------------ */

static int write_checkpoint(struct tiles *tiles, const char *as)
{
        const struct audit_checkpoint *checkpoint = &tiles->sealed.checkpoint;
        FILE *file;
        const int r = audit_tile_store_create(&tiles->store, NEW_CHECKPOINT, &file);

        if (r < 0)
                return r;
        fwrite(checkpoint->text, 1, checkpoint->length, file);
        return audit_tile_store_publish(&tiles->store, NEW_CHECKPOINT, file, as);
}

static int write_all(struct tiles *tiles)
{
        int r = each_record(tiles, no_record); /* nothing false is ever written, because what is full stays */

        r = r ?: load_tiles(tiles);
        r = r ?: write_checkpoint(tiles, PENDING);
        r = r ?: each_record(tiles, add_record);
        r = r ?: write_partials(tiles);
        r = r ?: audit_tile_store_sync(&tiles->store);
        r = r ?: write_checkpoint(tiles, CHECKPOINT);
        return r ?: audit_tile_store_remove(&tiles->store, PENDING);
}

int audit_export_tiles(struct audit_reader *reader, const char *directory)
{
        _cleanup_(free_tiles) struct tiles *tiles = calloc(1, sizeof(*tiles));
        struct audit_sealed *sealed;
        int r;

        if (!tiles)
                return -ENOMEM;
        tiles->store.directory = -1;
        sealed = &tiles->sealed;
        r = audit_sealed_begin(sealed, reader);
        r = r ?: audit_sealed_newest(sealed);
        r = r ?: audit_checkpoint_add_cosignatures(sealed->db, &sealed->checkpoint);
        r = r ?: audit_sealed_judge(sealed);
        if (r == 0 && sealed->kept_from > 1 && access(directory, F_OK) < 0)
                return -ESTALE; /* and no empty directory for it */
        r = r ?: audit_tile_store_open(directory, &tiles->store);
        r = r ?: look_at_directory(tiles);
        if (r < 0)
                return r;
        if (sealed->kept_from > 1 && tiles->from < sealed->kept_from)
                return -ESTALE;
        return write_all(tiles);
}
