#include "audit/cleanup.h"
#include "audit/sealkey.h"
#include "audit/walk.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define USEC_PER_SEC UINT64_C(1000000)

enum { TAIL_MAX_SEC = 300 };

struct verify {
        const struct audit_verify_options *options;
        struct audit_report *report;
        char *database, *seal_key;
        bool live; /* the key must be there */
        struct audit_slot before[AUDIT_SLOTS];
        bool has_before;
        struct audit_walk walk;
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
        if (slot->epoch > walk->epoch)
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

/* ---- the file ------------------------------------------------------------------------------------------------- */

static bool cannot_open(struct verify *verify, int error)
{
        switch (error) {
        case -ENOENT: audit_report_add(verify->report, CODE_NOT_FOUND, -1, -1, "there is no such database"); break;
        case -EACCES:
        case -EPERM:
                audit_report_add(verify->report, CODE_NOT_PERMITTED, -1, -1, "the database may not be read");
                break;
        case -EUCLEAN:
        case -ENODATA:
                audit_report_add(verify->report, CODE_CORRUPT, -1, -1, "not a database, or a damaged one");
                break;
        default: audit_report_add(verify->report, CODE_IO, -1, -1, "the database: %s", strerror(-error));
        }
        return false;
}

static bool read_genesis(struct verify *verify)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_walk *walk = &verify->walk;

        if (audit_store_prepare(walk->db, "SELECT body FROM record NOT INDEXED WHERE seq=0", &statement) < 0 ||
            sqlite3_step(statement) != SQLITE_ROW || sqlite3_column_type(statement, 0) != SQLITE_TEXT)
                return false;
        return audit_genesis_parse((const char *)sqlite3_column_text(statement, 0),
                                   (size_t)sqlite3_column_bytes(statement, 0), &walk->genesis);
}

/* The two numbers in the header are not signed, so they decide only whether a file is a stranger's. */
static bool check_identity(struct verify *verify, const struct audit_schema *schema)
{
        struct audit_walk *walk = &verify->walk;
        int64_t application = 0, version = 0;
        int r = audit_store_integer(walk->db, "PRAGMA application_id", &application);

        r = r ?: audit_store_integer(walk->db, "PRAGMA user_version", &version);
        if (r < 0)
                return cannot_open(verify, r);
        if (schema->is_empty) {
                audit_report_add(verify->report, CODE_EMPTY, -1, -1, "an empty database");
                return false;
        }

        walk->has_genesis = schema->has_tables && read_genesis(verify);
        if (application == AUDIT_APPLICATION_ID && version == AUDIT_USER_VERSION)
                return true;
        if (!walk->has_genesis) {
                audit_report_add(verify->report, CODE_VERSION, -1, -1, "not a log of this format");
                return false;
        }
        audit_report_add(verify->report, CODE_SCHEMA, -1, -1,
                         "application_id %lld and user_version %lld, yet record 0 is ours", (long long)application,
                         (long long)version);
        return true;
}

static bool check_schema(struct verify *verify)
{
        struct audit_schema schema;
        const int r = audit_store_compare_schema(verify->walk.db, &schema);

        if (r < 0)
                return cannot_open(verify, r);
        if (!check_identity(verify, &schema))
                return false;
        if (!schema.is_ours)
                audit_report_add(verify->report, CODE_SCHEMA, -1, -1, "%s", schema.detail);
        return schema.has_tables; /* a view in the place of a table is not read */
}

static void quick_check(struct verify *verify)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        const char *word = "";

        if (audit_store_prepare(verify->walk.db, "PRAGMA quick_check(1)", &statement) == 0 &&
            sqlite3_step(statement) == SQLITE_ROW)
                word = (const char *)sqlite3_column_text(statement, 0) ?: "";
        if (strcmp(word, "ok") != 0)
                audit_report_add(verify->report, CODE_CORRUPT, -1, -1, "the database file is damaged: %.80s", word);
}

static void check_genesis(struct verify *verify)
{
        struct audit_walk *walk = &verify->walk;
        int64_t records = 0;

        if (walk->has_genesis) {
                strcpy(verify->report->origin, walk->genesis.origin);
                return;
        }
        if (audit_store_integer(walk->db, "SELECT count(*) FROM (SELECT 1 FROM record LIMIT 1)", &records) == 0 &&
            records == 0)
                audit_report_add(verify->report, CODE_EMPTY, -1, -1, "a log without records");
        else
                audit_report_add(verify->report, CODE_GENESIS, 0, -1, "record 0 is not the genesis of a log");
}

/* ---- ages ----------------------------------------------------------------------------------------------------- */

static uint64_t now_usec(const struct audit_verify_options *options)
{
        struct timespec now;

        if (options->now_usec)
                return options->now_usec;
        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

static void check_ages(struct verify *verify)
{
        const struct audit_walk *walk = &verify->walk;
        uint64_t from, to;

        if (walk->unsealed_ts[0]) {
                from = audit_ts_parse(walk->unsealed_ts);
                to = audit_ts_parse(walk->last_ts);
                if (to > from && to - from > TAIL_MAX_SEC * USEC_PER_SEC)
                        audit_report_add(verify->report, CODE_UNSEALED_TAIL, (int64_t)walk->last_seal_covers, -1,
                                         "records of %llu s follow the last seal",
                                         (unsigned long long)((to - from) / USEC_PER_SEC));
        }
        if (verify->options->max_age_usec && walk->sealed_ts[0]) {
                from = audit_ts_parse(walk->sealed_ts);
                to = now_usec(verify->options);
                if (to > from && to - from > verify->options->max_age_usec)
                        audit_report_add(verify->report, CODE_STALE, (int64_t)walk->last_seal_covers - 1, -1,
                                         "the last sealed record is %llu s old",
                                         (unsigned long long)((to - from) / USEC_PER_SEC));
        }
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static void fill_head(struct verify *verify)
{
        const struct audit_hash root =
                verify->walk.torn ? (struct audit_hash){ 0 } : audit_tree_root(&verify->walk.tree);

        verify->report->size = verify->walk.position;
        verify->report->sealed_size = verify->walk.sealed_size;
        memcpy(verify->report->root, root.bytes, sizeof(verify->report->root));
}

static void check_log(struct verify *verify)
{
        struct audit_walk *walk = &verify->walk;
        int64_t covers = 0;
        int r;

        if (!check_schema(verify))
                return;
        quick_check(verify);
        check_genesis(verify);
        audit_store_integer(walk->db, "SELECT size FROM checkpoint NOT INDEXED ORDER BY epoch DESC LIMIT 1", &covers);
        walk->last_seal_covers = (uint64_t)covers;
        walk->anchors = verify->options->anchors;

        r = audit_walk_run(walk);
        if (r < 0)
                audit_report_add(verify->report, CODE_IO, (int64_t)walk->position, -1, "%s", strerror(-r));
        fill_head(verify);
        check_key(verify);
        check_ages(verify);
        verify->report->anchored = walk->met_anchor;
        if (!walk->met_anchor && (verify->options->anchors || verify->options->require_anchor))
                audit_report_add(verify->report, CODE_NO_ANCHOR, -1, -1, "nothing kept elsewhere was compared");
}

static bool find_files(struct verify *verify)
{
        const struct audit_verify_options *options = verify->options;

        if (options->database) {
                verify->database = strdup(options->database);
                verify->seal_key = options->seal_key ? strdup(options->seal_key) : NULL;
                return verify->database && (verify->seal_key || !options->seal_key);
        }
        verify->live = true;
        if (asprintf(&verify->database, "%s/audit.db", options->state_dir) < 0)
                verify->database = NULL;
        if (asprintf(&verify->seal_key, "%s/keys/seal.key", options->state_dir) < 0)
                verify->seal_key = NULL;
        return verify->database && verify->seal_key;
}

void audit_verify(const struct audit_verify_options *options, struct audit_report *ret)
{
        struct verify verify = { .options = options, .report = ret };
        int r;

        memset(ret, 0, sizeof(*ret));
        verify.walk.report = ret;
        if (sodium_init() < 0 || !find_files(&verify)) {
                audit_report_add(ret, CODE_IO, -1, -1, "not enough memory");
        } else if (access(verify.database, F_OK) < 0) {
                cannot_open(&verify, -errno);
        } else {
                look_before(&verify);
                r = audit_store_open_reader(verify.database, &verify.walk.db);
                if (r < 0)
                        cannot_open(&verify, r);
                else
                        check_log(&verify);
        }

        audit_walk_done(&verify.walk);
        sqlite3_close(verify.walk.db);
        free(verify.database);
        free(verify.seal_key);
}
