#include "audit/cleanup.h"
#include "audit/export.h"
#include "audit/files.h"
#include "audit/sealkey.h"
#include "audit/snapshot.h"
#include "audit/store.h"
#include "audit/walk.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { TAIL_MAX_SEC = 300 };

struct verify {
        const struct audit_verify_options *options;
        struct audit_report *report;
        struct audit_walk walk;
        struct audit_source source;

        const char *seal_key; /* NULL: a detached copy */
        bool live;            /* the key must be there */
        struct audit_slot before[AUDIT_SLOTS];
        bool has_before;
};

/* ---- the key against the chain -------------------------------------------------------------------------------- */

static const struct audit_slot *lowest(const struct audit_slot slots[AUDIT_SLOTS])
{
        if (slots[0].valid && slots[1].valid)
                return slots[0].epoch < slots[1].epoch ? &slots[0] : &slots[1];
        return slots[0].valid ? &slots[0] : slots[1].valid ? &slots[1] : NULL;
}

static uint64_t highest_epoch(const struct audit_slot slots[AUDIT_SLOTS])
{
        uint64_t epoch = 0;

        for (unsigned i = 0; i < AUDIT_SLOTS; i++)
                if (slots[i].valid && slots[i].epoch > epoch)
                        epoch = slots[i].epoch;
        return epoch;
}

static void no_key(struct verify *verify, int error)
{
        if (error == -ENOENT && verify->live)
                audit_report_add(verify->report, CODE_KEY_MISSING, -1, -1, "keys/seal.key is not there");
        else if (error == -ENOENT)
                audit_report_add(verify->report, CODE_NOT_FOUND, -1, -1, "there is no such key file");
        else if (error == -EACCES || error == -EPERM)
                audit_report_add(verify->report, CODE_NOT_PERMITTED, -1, -1, "the key file may not be read");
        else
                audit_report_add(verify->report, CODE_IO, -1, -1, "the key file: %s", strerror(-error));
}

/* Before the snapshot is taken: a seal made in between must not look like a key that ran ahead. */
static void look_before(struct verify *verify)
{
        const struct audit_slot *slot;
        int r;

        verify->walk.wanted_epoch = -1;
        if (!verify->seal_key)
                return;
        r = audit_sealkey_look(verify->seal_key, verify->before);
        if (r < 0) {
                no_key(verify, r);
                return;
        }
        slot = lowest(verify->before);
        if (!slot) {
                audit_report_add(verify->report, CODE_KEY_MISSING, -1, -1, "the key file holds no key");
                return;
        }
        verify->has_before = true;
        verify->walk.wanted_epoch = (int64_t)slot->epoch;
}

static void check_key(struct verify *verify)
{
        const struct audit_slot *slot = lowest(verify->before);
        const struct audit_walk *walk = &verify->walk;
        struct audit_slot after[AUDIT_SLOTS];
        int r;

        if (!verify->has_before)
                return;
        if (walk->notes_unread)
                ; /* the last seal is not known */
        else if (slot->epoch > walk->epoch)
                audit_report_add(verify->report, CODE_KEY_AHEAD, -1, (int64_t)slot->epoch,
                                 "the key is of epoch %llu, the log ends before seal %llu",
                                 (unsigned long long)slot->epoch, (unsigned long long)walk->epoch);
        else if (walk->has_wanted_key && memcmp(walk->wanted_key, slot->public_key, AUDIT_PUBLIC_KEY) != 0)
                audit_report_add(verify->report, CODE_KEY_MISMATCH, -1, (int64_t)slot->epoch,
                                 "the key of this epoch is not the one that the log names");

        r = audit_sealkey_look(verify->seal_key, after);
        if (r < 0)
                no_key(verify, r);
        else if (highest_epoch(after) < walk->epoch)
                audit_report_add(verify->report, CODE_KEY_BEHIND, -1, (int64_t)highest_epoch(after),
                                 "the log expects the key of epoch %llu", (unsigned long long)walk->epoch);
}

/* ---- the log, wherever it is read from -------------------------------------------------------------------------- */

static bool cannot_read(struct verify *verify, int error)
{
        switch (error) {
        case -ENOENT: audit_report_add(verify->report, CODE_NOT_FOUND, -1, -1, "there is no such file"); break;
        case -EACCES:
        case -EPERM: audit_report_add(verify->report, CODE_NOT_PERMITTED, -1, -1, "it may not be read"); break;
        case -EUCLEAN:
        case -ENODATA: audit_report_add(verify->report, CODE_CORRUPT, -1, -1, "no database, or a damaged one"); break;
        default: audit_report_add(verify->report, CODE_IO, -1, -1, "cannot be read: %s", strerror(-error));
        }
        return false;
}

/* Sets has_genesis. 0 when there is no record 0. */
static int read_genesis(struct verify *verify)
{
        struct audit_walk *walk = &verify->walk;
        struct audit_item item;
        const int r = verify->source.first_record(verify->source.self, &item);

        walk->has_genesis = r > 0 && item.body && audit_genesis_parse(item.body, item.length, &walk->genesis);
        if (walk->has_genesis)
                strcpy(verify->report->origin, walk->genesis.origin);
        return r;
}

/* ---- ages ----------------------------------------------------------------------------------------------------- */

static uint64_t usec_between(uint64_t from_usec, uint64_t to_usec)
{
        return (int64_t)to_usec > (int64_t)from_usec ? to_usec - from_usec : 0;
}

static void check_ages(struct verify *verify)
{
        const struct audit_walk *walk = &verify->walk;
        const int64_t sealed = (int64_t)walk->sealed_size;
        uint64_t span, age;

        if (walk->unsealed_ts[0] && !walk->no_seals && walk->sealed_size < walk->position) {
                span = usec_between(audit_ts_parse(walk->unsealed_ts), audit_ts_parse(walk->ts));
                if (span > TAIL_MAX_SEC * AUDIT_USEC_PER_SEC)
                        audit_report_add(verify->report, CODE_UNSEALED_TAIL, sealed, -1,
                                         "records of %llu s follow the last seal",
                                         (unsigned long long)(span / AUDIT_USEC_PER_SEC));
        }
        if (verify->options->has_max_age && walk->sealed_ts[0]) {
                age = usec_between(audit_ts_parse(walk->sealed_ts), walk->now_usec);
                if (age > verify->options->max_age_usec)
                        audit_report_add(verify->report, CODE_STALE, sealed - 1, -1,
                                         "the last sealed record is %llu s old",
                                         (unsigned long long)(age / AUDIT_USEC_PER_SEC));
        }
}

static void fill_head(struct verify *verify)
{
        const struct audit_walk *walk = &verify->walk;
        const struct audit_hash root = walk->torn ? (struct audit_hash){ 0 } : audit_tree_root(&walk->tree);

        verify->report->size = walk->position;
        verify->report->sealed_size = walk->sealed_size;
        verify->report->anchored = walk->met_anchor;
        memcpy(verify->report->root, root.bytes, sizeof(verify->report->root));
}

static void no_archive(struct verify *verify, int error, const char *path)
{
        const enum audit_code code = error == -ENOENT                      ? CODE_NOT_FOUND
                                     : error == -EACCES || error == -EPERM ? CODE_NOT_PERMITTED
                                     : error == -ENODATA                   ? CODE_EMPTY
                                                                           : CODE_IO;

        audit_report_add(verify->report, code, -1, -1, "the archive %.80s: %s", path, strerror(-error));
}

/* What is missing in archives that cannot be read is judged as if they had not been given. */
static int put_archives_back(struct verify *verify)
{
        const struct audit_verify_options *options = verify->options;
        int r = 0;

        if (options->archives_n == 0)
                return 0;
        r = audit_restored_new(&verify->source, &verify->walk.restored);
        for (size_t i = 0; i < options->archives_n && r == 0; i++) {
                const int error = audit_restored_add(verify->walk.restored, options->archives[i]);

                if (error == -ENOMEM)
                        return error;
                if (error < 0)
                        no_archive(verify, error, options->archives[i]);
        }
        return r;
}

static void walk_log(struct verify *verify)
{
        int r = put_archives_back(verify);

        r = r ?: audit_walk_run(&verify->walk);
        if (r < 0)
                cannot_read(verify, r);
        verify->walk.restored = audit_restored_free(verify->walk.restored);
}

/* What is the same for a database and an export: the pass, and what is judged by its end. */
static void check_log(struct verify *verify)
{
        struct audit_walk *walk = &verify->walk;
        const bool readable = read_genesis(verify) >= 0;

        walk->source = &verify->source;
        walk->threads = verify->options->threads;
        walk->anchors = verify->options->anchors;
        walk->head = verify->options->head;
        walk->witnesses = verify->options->witnesses;
        walk->witnesses_n = verify->options->witnesses_n;
        walk->quorum = verify->options->quorum;
        walk->require_anchor = verify->options->require_anchor;
        walk->now_usec = verify->options->now_usec ?: audit_clock_usec(CLOCK_REALTIME);
        walk_log(verify);
        if (walk->position == 0 && !walk->unread)
                audit_report_add(verify->report, CODE_EMPTY, -1, -1, "a log without records");
        else if (!walk->has_genesis && readable)
                audit_report_add(verify->report, CODE_GENESIS, 0, -1, "record 0 is not the genesis of a log");
        fill_head(verify);
        check_key(verify);
        check_ages(verify);
}

/* ---- a database ------------------------------------------------------------------------------------------------- */

/* Does record 0 say that this is a format of another version? */
static bool is_of_another_version(struct verify *verify)
{
        static const char format[] = "\"format\":\"governor-audit/", ours[] = "1\"";
        struct audit_item item;
        const char *at;

        if (!verify->source.self || verify->source.first_record(verify->source.self, &item) <= 0 || !item.body)
                return false;
        at = memmem(item.body, item.length, format, strlen(format));
        return at && strncmp(at + strlen(format), ours, strlen(ours)) != 0;
}

/* The two numbers in the header are not signed, so they decide only whether a file is a stranger's: what has our tables, or
 * some of them, is ours whatever it says. */
static bool check_identity(struct verify *verify, sqlite3 *db, const struct audit_schema *schema)
{
        int64_t application = 0, version = 0;
        int r = audit_store_integer(db, "PRAGMA application_id", &application);

        r = r ?: audit_store_integer(db, "PRAGMA user_version", &version);
        if (r < 0)
                return cannot_read(verify, r);
        if (application == AUDIT_APPLICATION_ID && version == AUDIT_USER_VERSION)
                return true;
        if (schema->is_familiar && !is_of_another_version(verify)) {
                audit_report_add(verify->report, CODE_SCHEMA, -1, -1,
                                 "application_id %lld and user_version %lld in a log of ours", (long long)application,
                                 (long long)version);
                return true;
        }
        audit_report_add(verify->report, CODE_VERSION, -1, -1, "not a log of this format");
        return false;
}

static void quick_check(struct verify *verify, sqlite3 *db)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        const char *word = "";

        if (audit_store_prepare(db, "PRAGMA quick_check(1)", &statement) == 0 && sqlite3_step(statement) == SQLITE_ROW)
                word = (const char *)sqlite3_column_text(statement, 0) ?: "";
        if (strcmp(word, "ok") != 0)
                audit_report_add(verify->report, CODE_CORRUPT, -1, -1, "the database file is damaged: %.80s", word);
}

/* Rows with numbers below 0, which a CHECK refuses that anyone may turn off, and text that is stored in another encoding. */
static void check_numbers(struct verify *verify, sqlite3 *db)
{
        int64_t number;

        if (audit_store_integer(db, "SELECT min(seq) FROM record", &number) == 0 && number < 0)
                audit_report_add(verify->report, CODE_SEQ_ORDER, -1, -1, "there is a record with the seq %lld",
                                 (long long)number);
        if (audit_store_integer(db, "SELECT min(epoch) FROM checkpoint", &number) == 0 && number < 0)
                audit_report_add(verify->report, CODE_EPOCH_GAP, -1, -1, "there is a checkpoint of epoch %lld",
                                 (long long)number);
        if (audit_store_integer(db, "SELECT encoding='UTF-8' FROM pragma_encoding", &number) == 0 && number == 0)
                audit_report_add(verify->report, CODE_SCHEMA, -1, -1, "the text is not stored as UTF-8");
}

/* A view in the place of a table is not read. */
static void check_tables(struct verify *verify, sqlite3 *db, const struct audit_schema *schema)
{
        _cleanup_(audit_snapshot_done) struct audit_snapshot snapshot = { 0 };
        const int r = schema->has_tables ? audit_snapshot_init(&snapshot, db, &verify->source) : 0;

        if (r < 0) {
                cannot_read(verify, r);
                return;
        }
        if (!check_identity(verify, db, schema))
                return;
        if (!schema->is_ours)
                audit_report_add(verify->report, CODE_SCHEMA, -1, -1, "%s", schema->detail);
        if (!schema->has_tables)
                return;
        check_numbers(verify, db);
        quick_check(verify, db);
        check_log(verify);
}

static void verify_database(struct verify *verify, const char *path)
{
        _cleanup_(close_database) sqlite3 *db = NULL;
        struct audit_schema schema;
        int r;

        if (access(path, F_OK) < 0) {
                cannot_read(verify, -errno);
                return;
        }
        look_before(verify);
        r = audit_store_open_reader(path, &db);
        r = r ?: audit_store_compare_schema(db, &schema);
        if (r < 0)
                cannot_read(verify, r);
        else if (schema.is_empty)
                audit_report_add(verify->report, CODE_EMPTY, -1, -1, "an empty database");
        else
                check_tables(verify, db, &schema);
}

/* DIR/NAME if there is such a file, allocated. */
static char *find_file(const char *dir, const char *name)
{
        char *path = audit_files_join(dir, name);

        if (path && access(path, F_OK) < 0)
                free(TAKE_PTR(path));
        return path;
}

/* A power cut may come between the new keys of a log and its database: what is staged completely is the log already, as
 * the next start ends the swap. */
static void verify_live(struct verify *verify, const char *state_dir)
{
        _cleanup_(free_memory) char *database = find_file(state_dir, "audit.db.new");
        _cleanup_(free_memory) char *seal_key = database ? find_file(state_dir, "keys/seal.key.new") : NULL;

        if ((!database && asprintf(&database, "%s/audit.db", state_dir) < 0) ||
            (!seal_key && asprintf(&seal_key, "%s/keys/seal.key", state_dir) < 0)) {
                cannot_read(verify, -ENOMEM);
                return;
        }
        verify->live = true;
        verify->seal_key = seal_key;
        verify_database(verify, database);
}

/* ---- an export -------------------------------------------------------------------------------------------------- */

static void free_export(struct audit_export **export)
{
        audit_export_free(*export);
}

static void verify_export(struct verify *verify)
{
        const struct audit_verify_options *options = verify->options;
        _cleanup_(free_export) struct audit_export *export = NULL;
        const struct audit_export_paths paths = { options->jsonl, options->checkpoints, options->subtree };
        const int r = audit_export_new(&paths, &export, &verify->source);

        if (r < 0) {
                cannot_read(verify, r);
                return;
        }
        verify->walk.wanted_epoch = -1;
        verify->walk.no_seals = !options->checkpoints;
        if (verify->walk.no_seals)
                audit_report_add(verify->report, CODE_NO_SEAL, -1, -1, "records without their checkpoints");
        check_log(verify);
}

void audit_verify(const struct audit_verify_options *options, struct audit_report *ret)
{
        struct verify verify = { .options = options, .report = ret, .seal_key = options->seal_key };

        memset(ret, 0, sizeof(*ret));
        verify.walk.report = ret;
        if (sodium_init() < 0)
                cannot_read(&verify, -EIO);
        else if (options->jsonl)
                verify_export(&verify);
        else if (options->database)
                verify_database(&verify, options->database);
        else
                verify_live(&verify, options->state_dir);
}
