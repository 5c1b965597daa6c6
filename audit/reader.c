#include "audit/reader.h"
#include "audit/cleanup.h"
#include "audit/genesis.h"
#include "audit/store.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define RECORDS "SELECT seq, body FROM record NOT INDEXED WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq"
#define OLDEST_FIRST RECORDS
#define NEWEST_FIRST RECORDS " DESC"
#define NOTES "SELECT note FROM checkpoint NOT INDEXED ORDER BY epoch"
#define LAST_SEALED "SELECT coalesce((SELECT size FROM checkpoint NOT INDEXED ORDER BY epoch DESC LIMIT 1), 0)"

struct audit_reader {
        sqlite3 *db;
        sqlite3_stmt *records, *notes;
};

static void close_reader(struct audit_reader **reader)
{
        audit_reader_close(*reader);
}

int audit_reader_open(const char *database, struct audit_reader **ret)
{
        _cleanup_(close_reader) struct audit_reader *reader = calloc(1, sizeof(*reader));
        int64_t application;
        int r;

        if (!reader)
                return -ENOMEM;
        if (sodium_init() < 0)
                return -EIO;
        r = audit_store_open_reader(database, &reader->db);
        r = r ?: audit_store_integer(reader->db, "PRAGMA application_id", &application);
        if (r < 0)
                return r;
        if (application != AUDIT_APPLICATION_ID)
                return -EUCLEAN;
        r = audit_reader_seek(reader, NULL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reader);
        return 0;
}

struct audit_reader *audit_reader_close(struct audit_reader *reader)
{
        if (!reader)
                return NULL;
        sqlite3_finalize(reader->records);
        sqlite3_finalize(reader->notes);
        sqlite3_close(reader->db);
        free(reader);
        return NULL;
}

sqlite3 *audit_reader_database(struct audit_reader *reader)
{
        return reader->db;
}

/* Ends the old snapshot and takes a new one: whoever never ends one keeps the daemon's WAL from being emptied. */
int audit_reader_seek(struct audit_reader *reader, const struct audit_range *range)
{
        static const struct audit_range everything = { .to = UINT64_MAX };
        uint64_t to;
        int r;

        range = range ?: &everything;
        to = range->to > INT64_MAX ? INT64_MAX : range->to;

        sqlite3_finalize(TAKE_PTR(reader->records));
        sqlite3_finalize(TAKE_PTR(reader->notes));
        r = audit_store_run(reader->db, "COMMIT; BEGIN");
        r = r ?: audit_store_prepare(reader->db, range->newest_first ? NEWEST_FIRST : OLDEST_FIRST, &reader->records);
        if (r < 0)
                return r;
        sqlite3_bind_int64(reader->records, 1, (sqlite3_int64)(range->from > INT64_MAX ? INT64_MAX : range->from));
        sqlite3_bind_int64(reader->records, 2, (sqlite3_int64)to);
        return 0;
}

int audit_reader_next(struct audit_reader *reader, struct audit_item *ret)
{
        const int r = audit_store_step(reader->records);

        if (r <= 0)
                return r;
        *ret = (struct audit_item){
                .seq = (uint64_t)sqlite3_column_int64(reader->records, 0),
                .body = (const char *)sqlite3_column_text(reader->records, 1) ?: "",
                .length = (size_t)sqlite3_column_bytes(reader->records, 1),
        };
        return 1;
}

int audit_reader_next_note(struct audit_reader *reader, struct audit_slice *ret)
{
        int r = reader->notes ? 0 : audit_store_prepare(reader->db, NOTES, &reader->notes);

        r = r ?: audit_store_step(reader->notes);
        if (r <= 0)
                return r;
        ret->text = (const char *)sqlite3_column_text(reader->notes, 0) ?: "";
        ret->length = (size_t)sqlite3_column_bytes(reader->notes, 0);
        return 1;
}

int audit_reader_head(struct audit_reader *reader, uint64_t *ret_size, uint64_t *ret_sealed_size)
{
        int64_t size, sealed;
        int r = audit_store_integer(reader->db, "SELECT coalesce(max(seq)+1,0) FROM record", &size);

        r = r ?: audit_store_integer(reader->db, LAST_SEALED, &sealed);
        if (r < 0)
                return r;
        *ret_size = (uint64_t)size;
        *ret_sealed_size = (uint64_t)sealed;
        return 0;
}

int audit_reader_genesis_anchor(struct audit_reader *reader, char ret_anchor[AUDIT_ANCHOR_MAX])
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_genesis genesis;
        struct audit_slice body;
        struct audit_hash root;
        const int r = audit_store_body(reader->db, 0, &statement, &body);

        if (r < 0)
                return r == -ENOENT ? -ENODATA : r;
        if (!audit_genesis_parse(body.text, body.length, &genesis))
                return -EUCLEAN;
        root = audit_leaf_hash(body.text, body.length);
        audit_anchor_write(genesis.origin, 1, &root, ret_anchor);
        return 0;
}

int audit_reader_last_note(struct audit_reader *reader, char **ret_note)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        char *note;
        int r = audit_store_prepare(reader->db, "SELECT note FROM checkpoint ORDER BY epoch DESC LIMIT 1", &statement);

        r = r ?: audit_store_step(statement);
        if (r <= 0)
                return r ?: -ENODATA;
        note = strdup((const char *)sqlite3_column_text(statement, 0) ?: "");
        if (!note)
                return -ENOMEM;
        *ret_note = note;
        return 0;
}

int audit_reader_kept_from(struct audit_reader *reader, uint64_t *ret)
{
        int64_t first;
        int r = audit_store_integer(reader->db, "SELECT coalesce(min(seq),1) FROM record WHERE seq>0", &first);

        if (r < 0)
                return r;
        /* Archives end at a multiple of what one stored subtree covers; any other gap is damage, and is found as such. */
        *ret = first % (1 << AUDIT_SUBTREE_STEP) == 0 ? (uint64_t)first : 1;
        return 0;
}

/* ---- open intents --------------------------------------------------------------------------------------------- */

struct intents {
        uint64_t *list; /* ascending */
        size_t n, room;
};

static void free_intents(struct intents *intents)
{
        free(intents->list);
}

static int add_intent(struct intents *intents, uint64_t seq)
{
        if (intents->n == intents->room) {
                const size_t room = 2 * intents->room + 16;
                uint64_t *list = reallocarray(intents->list, room, sizeof(*list));

                if (!list)
                        return -ENOMEM;
                intents->list = list;
                intents->room = room;
        }
        intents->list[intents->n++] = seq;
        return 0;
}

/* An outcome mostly follows its intent closely, so the newest are looked at first. */
static void remove_intent(struct intents *intents, uint64_t seq)
{
        for (size_t i = intents->n; i > 0 && intents->list[i - 1] >= seq; i--) {
                if (intents->list[i - 1] != seq)
                        continue;
                memmove(intents->list + i - 1, intents->list + i, (intents->n - i) * sizeof(*intents->list));
                intents->n--;
                return;
        }
}

static int collect_intents(struct audit_reader *reader, uint64_t from_seq, struct intents *intents)
{
        struct audit_item item;
        struct audit_view view;
        int64_t intent;
        int r = audit_reader_seek(reader, &(struct audit_range){ .from = from_seq, .to = UINT64_MAX });

        while (r >= 0 && (r = audit_reader_next(reader, &item)) > 0) {
                if (audit_view(item.body, item.length, &view) < 0)
                        continue; /* verify's business */
                if (view.outcome == AUDIT_PENDING)
                        r = add_intent(intents, item.seq);
                else if (audit_view_integer(&view, "intent", &intent) && intent >= 0)
                        remove_intent(intents, (uint64_t)intent);
        }
        return r;
}

int audit_open_intents(struct audit_reader *reader, uint64_t from_seq,
                       int (*found)(void *userdata, const struct audit_item *intent), void *userdata)
{
        _cleanup_(free_intents) struct intents intents = { 0 };
        struct audit_item item;
        int r = collect_intents(reader, from_seq, &intents);

        for (size_t i = 0; i < intents.n && r >= 0; i++) {
                const struct audit_range one = { .from = intents.list[i], .to = intents.list[i] };

                r = audit_reader_seek(reader, &one);
                r = r ?: audit_reader_next(reader, &item);
                if (r > 0)
                        r = found(userdata, &item);
        }
        return r < 0 ? r : 0;
}
