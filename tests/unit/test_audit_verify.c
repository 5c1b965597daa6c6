/* What attackers try, and what verify says to it. Every log here has 600 records in groups of 20, each group sealed. */

#include "audit_world.h"

#include "audit/chain.h"

#include <errno.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define USEC_PER_SEC UINT64_C(1000000)

enum { RECORDS = 600, GROUP = 20, SIZE = RECORDS + 2, LAST_EPOCH = RECORDS / GROUP + 1 };

static struct audit_world *a_log(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, RECORDS, GROUP, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.size, SIZE);
        return world;
}

static void expect_at(const struct audit_world *world, const char *code, int64_t seq, int64_t epoch)
{
        const struct audit_finding *finding = audit_world_finding(world, code);

        assert_non_null(finding);
        assert_int_equal(finding->seq, seq);
        assert_int_equal(finding->epoch, epoch);
}

/* ---- records -------------------------------------------------------------------------------------------------- */

static void a_whole_log_is_ok_live_and_detached(void **state)
{
        struct audit_world *world = a_log(state);
        char *text;
        json_t *json;

        audit_world_verify_detached(world);
        audit_world_expect(world, 0, "");
        json = audit_report_json(&world->report);
        assert_int_equal(json_integer_value(json_object_get(json, "schema_version")), 1);
        assert_string_equal(json_string_value(json_object_get(json, "verdict")), "OK");
        assert_int_equal(json_integer_value(json_object_get(json, "exit")), 0);
        assert_int_equal(json_integer_value(json_object_get(json, "size")), SIZE);
        assert_int_equal(json_integer_value(json_object_get(json, "sealed_size")), SIZE);
        assert_true(json_is_false(json_object_get(json, "anchored")));
        assert_int_equal(json_array_size(json_object_get(json, "findings")), 0);
        text = json_dumps(json, 0);
        assert_non_null(strstr(text, "vps1.example/governor/"));
        free(text);
        json_decref(json);
}

static void an_edited_record_is_found_and_localised(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=100");
        audit_world_verify(world);
        audit_world_expect(world, 3, "PREV_MISMATCH ROOT_MISMATCH");
        expect_at(world, "PREV_MISMATCH", 101, -1);
        expect_at(world, "ROOT_MISMATCH", -1, 6); /* the first seal over it, and no other */
        assert_int_equal(world->report.n_findings, 2);
}

static void a_deleted_record_is_a_gap(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "DELETE FROM record WHERE seq BETWEEN 100 AND 102");
        audit_world_verify(world);
        audit_world_expect(world, 3, "SEQ_GAP");
        expect_at(world, "SEQ_GAP", 100, -1);
}

static void later_findings_are_not_hidden_by_a_gap(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "DELETE FROM record WHERE seq=100;"
                                 "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=400");
        audit_world_verify(world);
        audit_world_expect(world, 3, "SEQ_GAP PREV_MISMATCH ROOT_MISMATCH");
        expect_at(world, "PREV_MISMATCH", 401, -1);
}

static void records_that_moved_up_over_a_deleted_one_are_found(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "DELETE FROM record WHERE seq=100; UPDATE record SET seq=seq-1 WHERE seq>100");
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
        expect_at(world, "SEQ_ORDER", 100, -1);
        assert_true(audit_world_found(world, "CKPT_BEYOND_END"));
}

static void swapped_records_are_out_of_order(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "CREATE TEMP TABLE t AS SELECT * FROM record WHERE seq IN (50, 51);"
                                 "UPDATE record SET body=(SELECT body FROM t WHERE seq=51) WHERE seq=50;"
                                 "UPDATE record SET body=(SELECT body FROM t WHERE seq=50) WHERE seq=51");
        audit_world_verify(world);
        audit_world_expect(world, 3, "SEQ_ORDER PREV_MISMATCH ROOT_MISMATCH");
        expect_at(world, "SEQ_ORDER", 50, -1);
}

static void an_inserted_record_is_found(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "UPDATE record SET seq=seq+100000 WHERE seq>=300;"
                                 "INSERT INTO record SELECT 300, body FROM record WHERE seq=299;"
                                 "UPDATE record SET seq=seq-99999 WHERE seq>100000");
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
        expect_at(world, "SEQ_ORDER", 300, -1);
        expect_at(world, "PREV_MISMATCH", 300, -1);
        assert_true(audit_world_found(world, "ROOT_MISMATCH"));
}

/* Gives every record from `from` on the right prev again, as one who needs no key can. */
static void rechain(struct audit_world *world, uint64_t from)
{
        char path[256];
        sqlite3_stmt *read, *write;
        struct audit_hash last = { 0 };
        sqlite3 *db;

        snprintf(path, sizeof(path), "%s/audit.db", world->dir);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "BEGIN; DROP TRIGGER record_no_update", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_prepare_v2(db, "SELECT seq, body FROM record ORDER BY seq", -1, &read, NULL);
        sqlite3_prepare_v2(db, "UPDATE record SET body=?2 WHERE seq=?1", -1, &write, NULL);
        while (sqlite3_step(read) == SQLITE_ROW) {
                char *body = strdup((const char *)sqlite3_column_text(read, 1));

                if ((uint64_t)sqlite3_column_int64(read, 0) >= from) {
                        char hex[65];

                        sodium_bin2hex(hex, sizeof(hex), last.bytes, 32);
                        memcpy(strstr(body, "\"prev\":\"") + 8, hex, 64);
                        sqlite3_bind_int64(write, 1, sqlite3_column_int64(read, 0));
                        sqlite3_bind_text(write, 2, body, -1, SQLITE_STATIC);
                        assert_int_equal(sqlite3_step(write), SQLITE_DONE);
                        sqlite3_reset(write);
                }
                last = audit_leaf_hash(body, strlen(body));
                free(body);
        }
        sqlite3_finalize(read);
        sqlite3_finalize(write);
        assert_int_equal(sqlite3_exec(db,
                                      "CREATE TRIGGER record_no_update BEFORE UPDATE ON record BEGIN SELECT "
                                      "RAISE(ABORT,'append-only'); END; COMMIT",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        sqlite3_close(db);
}

static void a_rechained_log_does_not_make_the_sealed_roots(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=100");
        rechain(world, 101);
        audit_world_verify_detached(world);
        audit_world_expect(world, 3, "ROOT_MISMATCH");
        expect_at(world, "ROOT_MISMATCH", -1, 6);
}

static void bodies_in_other_clothes_are_not_canonical(void **state)
{
        static const char *const edits[] = {
                "replace(body, '\"actor\":', '\"actor\": ')",
                "body || char(10)",
                "body || char(13, 10)",
                "CAST(body || x'00' AS TEXT)",
                "CAST(substr(body, 1, 20) || x'00' || substr(body, 21) AS TEXT)",
                "replace(body, '\"details\":{', '\"details\":{\"n\":1,')",
                "replace(body, '\"v\":1', '\"v\":2')",
                "''",
                "replace(body, 'unit:', 'unit\\u003a')",
        };
        struct audit_world *world = a_log(state);
        char sql[256];

        for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
                audit_world_copy(world, "audit.db", "kept.db");
                snprintf(sql, sizeof(sql), "UPDATE record SET body=%s WHERE seq=200", edits[i]);
                audit_world_forge(world, sql);
                audit_world_verify(world);
                audit_world_expect(world, 3, "NOT_CANONICAL PREV_MISMATCH ROOT_MISMATCH");
                expect_at(world, "NOT_CANONICAL", 200, -1);
                audit_world_copy(world, "kept.db", "audit.db");
        }
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

static void any_flipped_bit_in_a_body_is_found(void **state)
{
        struct audit_world *world = a_log(state);
        char *body = audit_world_text(world, "SELECT hex(body) FROM record WHERE seq=77");
        const size_t length = strlen(body) / 2;
        char sql[2048];

        audit_world_copy(world, "audit.db", "kept.db");
        for (size_t i = 0; i < length; i += 11) {
                char digit = body[2 * i + 1];

                body[2 * i + 1] = "123406789abcdef5"[strchr("0123456789ABCDEF", digit) - "0123456789ABCDEF"];
                snprintf(sql, sizeof(sql), "UPDATE record SET body=CAST(x'%s' AS TEXT) WHERE seq=77", body);
                audit_world_forge(world, sql);
                audit_world_verify(world);
                assert_int_equal(world->report.exit_code, 3);
                body[2 * i + 1] = digit;
                audit_world_copy(world, "kept.db", "audit.db");
        }
        free(body);
}

static void another_genesis_is_no_genesis(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "UPDATE record SET body=replace(body, '\"retention_days\":400', "
                                 "'\"retention_days\":0') WHERE seq=0");
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
        assert_true(audit_world_found(world, "GENESIS"));
        expect_at(world, "PREV_MISMATCH", 1, -1);

        audit_world_forge(world, "UPDATE record SET body=replace(body, '\"retention_days\":0', "
                                 "'\"retention_days\":1') WHERE seq=0");
        audit_world_verify(world);
        audit_world_expect(world, 3, "PREV_MISMATCH ROOT_MISMATCH");
        audit_world_forge(world, "DELETE FROM record WHERE seq=0");
        audit_world_verify(world);
        audit_world_expect(world, 3, "GENESIS SEQ_GAP");
}

/* ---- seals ---------------------------------------------------------------------------------------------------- */

static void a_tail_cut_under_its_checkpoints_is_beyond_the_end(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "DELETE FROM record WHERE seq>=590; DELETE FROM subtree WHERE idx>=590/256");
        audit_world_verify_detached(world);
        audit_world_expect(world, 3, "CKPT_BEYOND_END");
        expect_at(world, "CKPT_BEYOND_END", -1, LAST_EPOCH);
}

static void a_tail_cut_with_its_checkpoints_leaves_the_key_ahead(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "DELETE FROM record WHERE seq>=582; DELETE FROM checkpoint WHERE size>582");
        audit_world_verify_detached(world);
        audit_world_expect(world, 0, ""); /* what only an anchor can show */
        audit_world_verify(world);
        audit_world_expect(world, 3, "KEY_AHEAD");
        expect_at(world, "KEY_AHEAD", -1, LAST_EPOCH + 1);

        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_SET_ASIDE);
        assert_string_equal(world->how.finding, "KEY_AHEAD");
}

static void an_older_copy_leaves_the_key_ahead(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_copy(world, "audit.db", "older.db");
        audit_world_open(world);
        audit_world_fill(world, 20, 20, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_copy(world, "older.db", "audit.db");
        audit_world_verify(world);
        audit_world_expect(world, 3, "KEY_AHEAD");
}

static void a_wal_deleted_after_a_kill_leaves_the_key_ahead(void **state)
{
        struct audit_world *world = *state;
        pid_t child = fork();
        int status;

        if (child == 0) {
                audit_world_open(world);
                audit_world_fill(world, 5, 1, AUDIT_SEAL);
                _exit(0);
        }
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_int_equal(unlink(audit_world_path(world, "audit.db-wal")), 0);
        unlink(audit_world_path(world, "audit.db-shm"));
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
        assert_true(audit_world_found(world, "KEY_AHEAD"));
}

static void a_missing_checkpoint_is_an_epoch_gap(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "DELETE FROM checkpoint WHERE epoch=7");
        audit_world_verify(world);
        audit_world_expect(world, 3, "EPOCH_GAP");
        expect_at(world, "EPOCH_GAP", -1, 8);
        audit_world_forge(world, "DELETE FROM checkpoint");
        audit_world_verify_detached(world);
        audit_world_expect(world, 3, "EPOCH_GAP");
}

static void checkpoints_that_moved_up_are_found(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world,
                          "DELETE FROM checkpoint WHERE epoch=7; UPDATE checkpoint SET epoch=epoch-1 WHERE epoch>7");
        audit_world_verify_detached(world);
        audit_world_expect(world, 3, "EPOCH_GAP SEAL_SIG");
        expect_at(world, "EPOCH_GAP", -1, 7);
        expect_at(world, "SEAL_SIG", -1, 7);
}

static void a_note_without_its_seal_is_no_note(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "UPDATE checkpoint SET note=substr(note, 1, instr(note, '/seal ') - 1) WHERE epoch=3");
        audit_world_verify(world);
        audit_world_expect(world, 3, "BAD_NOTE");
        expect_at(world, "BAD_NOTE", -1, 3);
}

static void a_row_that_says_another_size_is_found(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "UPDATE checkpoint SET size=size+1 WHERE epoch=3");
        audit_world_verify(world);
        audit_world_expect(world, 3, "BAD_NOTE");
}

static void a_checkpoint_put_in_twice_is_out_of_order(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "UPDATE checkpoint SET note=(SELECT note FROM checkpoint WHERE epoch=3), "
                                 "size=(SELECT size FROM checkpoint WHERE epoch=3) WHERE epoch=4");
        audit_world_verify(world);
        audit_world_expect(world, 3, "EPOCH_GAP SEAL_SIG SIZE_ORDER");
        expect_at(world, "SIZE_ORDER", -1, 4);
}

static void load_secret(struct audit_world *world, const char *name, uint8_t secret[AUDIT_SECRET_KEY])
{
        assert_int_equal(audit_world_read(world, name, secret, AUDIT_SECRET_KEY), AUDIT_SECRET_KEY);
}

/* Replaces a checkpoint's root by one of our liking, signed with these keys; the seal line keeps naming the same next. */
static void reseal(struct audit_world *world, unsigned epoch, const uint8_t *log_secret, const uint8_t *seal_secret)
{
        char sql[4500], query[128], note_text[AUDIT_NOTE_MAX], *old;
        struct audit_note note;
        struct audit_sealing sealing;
        char origin[AUDIT_ORIGIN_MAX];

        snprintf(query, sizeof(query), "SELECT note FROM checkpoint WHERE epoch=%u", epoch);
        old = audit_world_text(world, query);
        assert_true(audit_note_parse(old, strlen(old), &note));
        snprintf(origin, sizeof(origin), "%.*s", (int)note.origin.length, note.origin.text);
        sealing = (struct audit_sealing){ .origin = origin,
                                          .size = note.size,
                                          .root = { { 1, 2, 3 } },
                                          .epoch = epoch,
                                          .log_secret = log_secret,
                                          .seal_secret = seal_secret,
                                          .next_public = note.next };
        audit_note_write(&sealing, note_text);
        snprintf(sql, sizeof(sql), "UPDATE checkpoint SET note='%s' WHERE epoch=%u", note_text, epoch);
        audit_world_forge(world, sql);
        free(old);
}

static void a_root_signed_with_a_stolen_log_key_has_no_seal(void **state)
{
        struct audit_world *world = a_log(state);
        uint8_t log_secret[AUDIT_SECRET_KEY], other[AUDIT_SECRET_KEY], unused[32];

        load_secret(world, "keys/log.key", log_secret);
        crypto_sign_keypair(unused, other);
        reseal(world, 9, log_secret, other);
        audit_world_verify(world);
        audit_world_expect(world, 3, "SEAL_SIG ROOT_MISMATCH");
        expect_at(world, "SEAL_SIG", -1, 9);
}

static void a_root_signed_by_a_stranger_has_no_log_signature(void **state)
{
        struct audit_world *world = a_log(state);
        uint8_t other[AUDIT_SECRET_KEY], unused[32];

        crypto_sign_keypair(unused, other);
        reseal(world, 9, other, other);
        audit_world_verify(world);
        audit_world_expect(world, 3, "LOG_SIG SEAL_SIG ROOT_MISMATCH");
}

/* Both current keys stolen: what is sealed stays, because the keys that sealed it are gone. */
static void both_stolen_keys_do_not_reseal_the_past(void **state)
{
        struct audit_world *world = a_log(state);
        uint8_t log_secret[AUDIT_SECRET_KEY], slot[1024], seal_secret[AUDIT_SECRET_KEY], unused[32];

        load_secret(world, "keys/log.key", log_secret);
        assert_int_equal(audit_world_read(world, "keys/seal.key", slot, sizeof(slot)), sizeof(slot));
        crypto_sign_seed_keypair(unused, seal_secret, slot + (slot[0] ? 0 : 512) + 16);
        reseal(world, LAST_EPOCH, log_secret, seal_secret);
        audit_world_verify(world);
        audit_world_expect(world, 3, "SEAL_SIG ROOT_MISMATCH");
}

/* ---- subtrees ------------------------------------------------------------------------------------------------- */

static void forged_missing_and_surplus_subtrees_are_found(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_copy(world, "audit.db", "kept.db");
        audit_world_forge(world, "UPDATE subtree SET hash=zeroblob(32) WHERE level=8 AND idx=1");
        audit_world_verify(world);
        audit_world_expect(world, 3, "SUBTREE_MISMATCH");
        expect_at(world, "SUBTREE_MISMATCH", 256, -1);
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_SET_ASIDE);
        assert_string_equal(world->how.finding, "ROOT_MISMATCH");
        audit_world_close(world);
}

static void a_missing_subtree_is_found(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "DELETE FROM subtree WHERE idx=0");
        audit_world_verify(world);
        audit_world_expect(world, 3, "SUBTREE_MISMATCH");
}

static void a_surplus_subtree_is_found(void **state)
{
        struct audit_world *world = a_log(state);

        assert_int_equal(audit_world_sql(world, "INSERT INTO subtree VALUES(8, 2, zeroblob(32))"), SQLITE_OK);
        audit_world_verify(world);
        audit_world_expect(world, 3, "SUBTREE_MISMATCH");
        audit_world_open(world);
        assert_string_equal(world->how.finding, "SUBTREE_MISMATCH");
}

/* ---- schema --------------------------------------------------------------------------------------------------- */

static void any_other_object_is_not_the_schema(void **state)
{
        static const char *const changes[] = {
                "CREATE INDEX i ON record(body)",
                "CREATE TABLE notes(x)",
                "CREATE VIEW v AS SELECT 1",
                "CREATE TRIGGER t AFTER INSERT ON record BEGIN SELECT 1; END",
                "DROP TRIGGER record_next",
                "DROP TRIGGER record_no_update;"
                "CREATE TRIGGER record_no_update BEFORE UPDATE ON record BEGIN SELECT 1; END",
                "ANALYZE",
                "ALTER TABLE cosig RENAME TO cosigs",
                "DROP TRIGGER record_no_delete; DROP TRIGGER record_no_update; DROP TRIGGER record_next;"
                "ALTER TABLE record RENAME TO hidden; CREATE VIEW record AS SELECT * FROM hidden",
        };
        struct audit_world *world = a_log(state);

        audit_world_copy(world, "audit.db", "kept.db");
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                assert_int_equal(audit_world_sql(world, changes[i]), SQLITE_OK);
                audit_world_verify(world);
                audit_world_expect(world, 3, "SCHEMA");
                audit_world_copy(world, "kept.db", "audit.db");
        }
        assert_int_equal(audit_world_sql(world, changes[0]), SQLITE_OK);
        audit_world_open(world);
        assert_string_equal(world->how.finding, "SCHEMA");
}

static void another_version_number_does_not_hide_an_edit(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "PRAGMA user_version=2; UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE "
                                 "seq=100");
        audit_world_verify(world);
        audit_world_expect(world, 3, "SCHEMA PREV_MISMATCH ROOT_MISMATCH");
        audit_world_forge(world, "PRAGMA application_id=0");
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
}

static void no_number_makes_a_strangers_file_of_ours(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_copy(world, "audit.db", "kept.db");
        audit_world_forge(world,
                          "PRAGMA user_version=2; PRAGMA application_id=7; UPDATE record SET body='{}' WHERE seq=0");
        audit_world_verify(world);
        audit_world_expect(world, 3, "SCHEMA GENESIS NOT_CANONICAL PREV_MISMATCH ROOT_MISMATCH");
        audit_world_copy(world, "kept.db", "audit.db");
        assert_int_equal(audit_world_sql(world, "PRAGMA user_version=2; DROP TRIGGER record_no_delete;"
                                                "DROP TRIGGER record_no_update; DROP TRIGGER record_next;"
                                                "ALTER TABLE record RENAME TO hidden;"
                                                "CREATE VIEW record AS SELECT * FROM hidden"),
                         SQLITE_OK);
        audit_world_verify(world);
        audit_world_expect(world, 3, "SCHEMA");
        audit_world_copy(world, "kept.db", "audit.db");
        audit_world_forge(world, "PRAGMA user_version=2; UPDATE record SET body=replace(body, 'governor-audit/1', "
                                 "'governor-audit/2') WHERE seq=0");
        audit_world_verify(world);
        audit_world_expect(world, 1, "VERSION");
}

static void a_record_below_0_is_out_of_order(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "PRAGMA ignore_check_constraints=ON; INSERT INTO record SELECT -1, body FROM record "
                                 "WHERE seq=5");
        audit_world_verify(world);
        audit_world_expect(world, 3, "SEQ_ORDER");
}

static void a_strange_database_is_only_unreadable(void **state)
{
        struct audit_world *world = *state;

        audit_verify(&(struct audit_verify_options){ .database = audit_world_path(world, "audit.db") }, &world->report);
        audit_world_expect(world, 5, "NOT_FOUND");
        assert_int_equal(audit_world_sql(world, "CREATE TABLE t(x)"), SQLITE_OK);
        audit_world_verify_detached(world);
        audit_world_expect(world, 1, "VERSION");
        unlink(audit_world_path(world, "audit.db"));
        audit_world_write(world, "audit.db", "", 0);
        audit_world_verify_detached(world);
        audit_world_expect(world, 1, "EMPTY");
}

static void a_log_without_records_is_not_ok(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "DELETE FROM record; DELETE FROM subtree");
        audit_world_verify(world);
        audit_world_expect(world, 3, "EMPTY CKPT_BEYOND_END");
        audit_world_forge(world, "DELETE FROM checkpoint");
        audit_world_verify(world);
        audit_world_expect(world, 3, "EMPTY KEY_AHEAD");
        audit_world_verify_detached(world);
        audit_world_expect(world, 1, "EMPTY"); /* nothing was sealed that this could contradict */
}

/* ---- damage --------------------------------------------------------------------------------------------------- */

static void smash(struct audit_world *world, unsigned page)
{
        static char bytes[4 << 20];
        const size_t n = audit_world_read(world, "audit.db", bytes, sizeof(bytes));

        assert_true(n > (size_t)page * 4096 + 4096);
        memset(bytes + (size_t)page * 4096, 0xa5, 4096);
        audit_world_write(world, "audit.db", bytes, n);
}

/* The page that holds a record, by the text in it. */
static unsigned page_of(struct audit_world *world, const char *needle)
{
        static char bytes[4 << 20];
        const size_t n = audit_world_read(world, "audit.db", bytes, sizeof(bytes));
        const char *at = memmem(bytes, n, needle, strlen(needle));

        assert_non_null(at);
        return (unsigned)((at - bytes) / 4096);
}

static void a_smashed_page_is_damage(void **state)
{
        struct audit_world *world = a_log(state);

        smash(world, page_of(world, "\"seq\":200,"));
        audit_world_verify(world);
        audit_world_expect(world, 1, "CORRUPT");
        assert_string_equal(audit_verdict_name(world->report.verdict), "UNREADABLE");
        assert_int_equal(world->report.size, SIZE);
}

static void an_edit_behind_damage_is_still_an_edit(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=400");
        smash(world, page_of(world, "\"seq\":200,"));
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
        assert_true(audit_world_found(world, "CORRUPT"));
        expect_at(world, "PREV_MISMATCH", 401, -1);
}

static void a_destroyed_header_is_damage(void **state)
{
        struct audit_world *world = a_log(state);

        smash(world, 0);
        audit_world_verify(world);
        audit_world_expect(world, 1, "CORRUPT");
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_SET_ASIDE);
        assert_string_equal(world->how.finding, "CORRUPT");
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

/* ---- the key -------------------------------------------------------------------------------------------------- */

static void a_deleted_key_is_missing(void **state)
{
        struct audit_world *world = a_log(state);

        assert_int_equal(unlink(audit_world_path(world, "keys/seal.key")), 0);
        audit_world_verify(world);
        audit_world_expect(world, 3, "KEY_MISSING");
        audit_world_write(world, "keys/seal.key", "", 0);
        audit_world_verify(world);
        audit_world_expect(world, 3, "KEY_MISSING");
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_SET_ASIDE);
        assert_string_equal(world->how.finding, "KEY_MISSING");
}

static void another_key_of_the_right_epoch_does_not_match(void **state)
{
        struct audit_world *world = a_log(state);
        uint8_t secret[AUDIT_SECRET_KEY], unused[32];
        int fd;

        crypto_sign_keypair(unused, secret);
        assert_int_equal(audit_sealkey_lock(audit_world_path(world, "keys/seal.key"), &fd), 0);
        assert_int_equal(audit_sealkey_store(fd, LAST_EPOCH + 1, secret), 0);
        close(fd);
        audit_world_verify(world);
        audit_world_expect(world, 3, "KEY_MISMATCH");
        audit_world_open(world);
        assert_string_equal(world->how.finding, "KEY_MISSING");
}

static void an_erased_key_put_back_is_behind(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 3, 1, AUDIT_SEAL);
        audit_world_copy(world, "keys/seal.key", "older.key");
        audit_world_fill(world, 3, 1, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_copy(world, "older.key", "keys/seal.key");
        audit_world_verify(world);
        audit_world_expect(world, 3, "KEY_BEHIND");
        audit_world_open(world);
        assert_string_equal(world->how.finding, "KEY_MISSING");
}

static void a_log_rebuilt_from_nothing_does_not_fit_the_key(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_copy(world, "keys/seal.key", "seal.kept");
        unlink(audit_world_path(world, "audit.db"));
        unlink(audit_world_path(world, "keys/seal.key"));
        unlink(audit_world_path(world, "keys/log.key"));
        audit_world_open(world);
        audit_world_fill(world, RECORDS, GROUP, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_copy(world, "seal.kept", "keys/seal.key");
        audit_world_verify(world);
        audit_world_expect(world, 3, "KEY_MISMATCH");
}

static void a_database_that_is_gone_is_not_a_first_start(void **state)
{
        struct audit_world *world = a_log(state);

        unlink(audit_world_path(world, "audit.db"));
        audit_world_verify(world);
        audit_world_expect(world, 5, "NOT_FOUND");
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_SET_ASIDE);
        assert_string_equal(world->how.finding, "NOT_FOUND");
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

/* ---- setting aside -------------------------------------------------------------------------------------------- */

static void what_is_set_aside_is_untouched_and_named(void **state)
{
        struct audit_world *world = a_log(state);
        static char before[4 << 20], after[4 << 20];
        char origin[AUDIT_ORIGIN_MAX], name[1200], *body, *last;
        size_t n;

        strcpy(origin, world->report.origin);
        audit_world_forge(world, "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=601");
        last = audit_world_text(world, "SELECT note FROM checkpoint ORDER BY epoch DESC LIMIT 1");
        n = audit_world_read(world, "audit.db", before, sizeof(before));

        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_SET_ASIDE);
        assert_string_equal(world->how.finding, "ROOT_MISMATCH");
        snprintf(name, sizeof(name), "%s/audit.db", world->how.aside + strlen(world->dir) + 1);
        assert_int_equal(audit_world_read(world, name, after, sizeof(after)), n);
        assert_memory_equal(before, after, n);

        body = audit_world_text(world, "SELECT body ->> '$.details.prev_log' FROM record WHERE seq=0");
        assert_string_equal(body, last);
        free(body);
        body = audit_world_text(world, "SELECT body ->> '$.details.set_aside.finding' FROM record WHERE seq=1");
        assert_string_equal(body, "ROOT_MISMATCH");
        free(body);
        free(last);
        audit_world_fill(world, 20, 5, AUDIT_SEAL);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_string_not_equal(world->report.origin, origin);
}

/* ---- ages ----------------------------------------------------------------------------------------------------- */

static void a_long_unsealed_tail_is_unproven(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 1, 1, 0);
        world->realtime += 299 * USEC_PER_SEC;
        audit_world_fill(world, 1, 1, 0);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        world->realtime += 2 * USEC_PER_SEC;
        audit_world_fill(world, 1, 1, 0);
        audit_world_verify(world);
        audit_world_expect(world, 7, "UNSEALED_TAIL");
        expect_at(world, "UNSEALED_TAIL", 2, -1);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

static void age_is_measured_from_the_given_now(void **state)
{
        struct audit_world *world = a_log(state);
        struct audit_verify_options options = { .state_dir = world->dir,
                                                .has_max_age = true,
                                                .max_age_usec = 60 * USEC_PER_SEC,
                                                .now_usec = world->realtime + 59 * USEC_PER_SEC };

        audit_verify(&options, &world->report);
        audit_world_expect(world, 0, "");
        options.now_usec += 2 * USEC_PER_SEC;
        audit_verify(&options, &world->report);
        audit_world_expect(world, 7, "STALE");
        options.has_max_age = false;
        options.require_anchor = true;
        audit_verify(&options, &world->report);
        audit_world_expect(world, 7, "NO_ANCHOR");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(a_whole_log_is_ok_live_and_detached),
                AUDIT_WORLD_TEST(an_edited_record_is_found_and_localised),
                AUDIT_WORLD_TEST(a_deleted_record_is_a_gap),
                AUDIT_WORLD_TEST(later_findings_are_not_hidden_by_a_gap),
                AUDIT_WORLD_TEST(records_that_moved_up_over_a_deleted_one_are_found),
                AUDIT_WORLD_TEST(swapped_records_are_out_of_order),
                AUDIT_WORLD_TEST(an_inserted_record_is_found),
                AUDIT_WORLD_TEST(a_rechained_log_does_not_make_the_sealed_roots),
                AUDIT_WORLD_TEST(bodies_in_other_clothes_are_not_canonical),
                AUDIT_WORLD_TEST(any_flipped_bit_in_a_body_is_found),
                AUDIT_WORLD_TEST(another_genesis_is_no_genesis),
                AUDIT_WORLD_TEST(a_tail_cut_under_its_checkpoints_is_beyond_the_end),
                AUDIT_WORLD_TEST(a_tail_cut_with_its_checkpoints_leaves_the_key_ahead),
                AUDIT_WORLD_TEST(an_older_copy_leaves_the_key_ahead),
                AUDIT_WORLD_TEST(a_wal_deleted_after_a_kill_leaves_the_key_ahead),
                AUDIT_WORLD_TEST(a_missing_checkpoint_is_an_epoch_gap),
                AUDIT_WORLD_TEST(checkpoints_that_moved_up_are_found),
                AUDIT_WORLD_TEST(a_note_without_its_seal_is_no_note),
                AUDIT_WORLD_TEST(a_row_that_says_another_size_is_found),
                AUDIT_WORLD_TEST(a_checkpoint_put_in_twice_is_out_of_order),
                AUDIT_WORLD_TEST(a_root_signed_with_a_stolen_log_key_has_no_seal),
                AUDIT_WORLD_TEST(a_root_signed_by_a_stranger_has_no_log_signature),
                AUDIT_WORLD_TEST(both_stolen_keys_do_not_reseal_the_past),
                AUDIT_WORLD_TEST(forged_missing_and_surplus_subtrees_are_found),
                AUDIT_WORLD_TEST(a_missing_subtree_is_found),
                AUDIT_WORLD_TEST(a_surplus_subtree_is_found),
                AUDIT_WORLD_TEST(any_other_object_is_not_the_schema),
                AUDIT_WORLD_TEST(another_version_number_does_not_hide_an_edit),
                AUDIT_WORLD_TEST(no_number_makes_a_strangers_file_of_ours),
                AUDIT_WORLD_TEST(a_record_below_0_is_out_of_order),
                AUDIT_WORLD_TEST(a_strange_database_is_only_unreadable),
                AUDIT_WORLD_TEST(a_log_without_records_is_not_ok),
                AUDIT_WORLD_TEST(a_smashed_page_is_damage),
                AUDIT_WORLD_TEST(an_edit_behind_damage_is_still_an_edit),
                AUDIT_WORLD_TEST(a_destroyed_header_is_damage),
                AUDIT_WORLD_TEST(a_deleted_key_is_missing),
                AUDIT_WORLD_TEST(another_key_of_the_right_epoch_does_not_match),
                AUDIT_WORLD_TEST(an_erased_key_put_back_is_behind),
                AUDIT_WORLD_TEST(a_log_rebuilt_from_nothing_does_not_fit_the_key),
                AUDIT_WORLD_TEST(a_database_that_is_gone_is_not_a_first_start),
                AUDIT_WORLD_TEST(what_is_set_aside_is_untouched_and_named),
                AUDIT_WORLD_TEST(a_long_unsealed_tail_is_unproven),
                AUDIT_WORLD_TEST(age_is_measured_from_the_given_now),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
