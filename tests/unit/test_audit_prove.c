/* Proofs out of real logs: every record, every size, pruned and damaged ones too. */

#include "audit_world.h"

#include "audit/genesis.h"
#include "audit/proof.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct audit_reader *read_log(struct audit_world *world)
{
        struct audit_reader *reader;

        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
        return reader;
}

static struct audit_genesis genesis_of(struct audit_world *world)
{
        struct audit_genesis genesis;
        char *body = audit_world_text(world, "SELECT body FROM record WHERE seq=0");

        assert_true(audit_genesis_parse(body, strlen(body), &genesis));
        free(body);
        return genesis;
}

static struct audit_trust trust_of(struct audit_world *world)
{
        const struct audit_genesis genesis = genesis_of(world);
        struct audit_trust trust = { .quorum = 0 };
        char vkey[AUDIT_VKEY_MAX];

        audit_vkey_write(genesis.origin, genesis.log_key, vkey);
        assert_int_equal(audit_vkey_read(vkey, &trust.log), 0);
        return trust;
}

/* The record is proven, as it is stored, under a checkpoint of this size. */
static void expect_proof(struct audit_reader *reader, const struct audit_trust *trust, uint64_t seq, uint64_t size)
{
        static struct audit_proved proved;
        const struct audit_range one = { .from = seq, .to = seq };
        struct audit_item item;
        char *text;
        int r = audit_prove(reader, seq, &text);

        if (r < 0)
                fail_msg("record %llu: %s", (unsigned long long)seq, strerror(-r));
        r = audit_proof_check(text, strlen(text), trust, &proved);
        if (r < 0)
                fail_msg("record %llu: %s", (unsigned long long)seq, proved.why);
        free(text);
        assert_int_equal(proved.seq, seq);
        assert_int_equal(proved.size, size);

        assert_int_equal(audit_reader_seek(reader, &one), 0);
        assert_int_equal(audit_reader_next(reader, &item), 1);
        assert_int_equal(proved.body.length, item.length);
        assert_memory_equal(proved.body.text, item.body, item.length);
}

static void expect_no_proof(struct audit_reader *reader, uint64_t seq, int error)
{
        char *text = (char *)"untouched";

        assert_int_equal(audit_prove(reader, seq, &text), error);
        assert_string_equal(text, "untouched");
}

/* Takes a body apart with other eyes: "old N", hashes, an empty line, the note. */
static void expect_growth(struct audit_world *world, struct audit_reader *reader, uint64_t old_size, uint64_t new_size)
{
        uint8_t proof[AUDIT_PROOF_MAX * 32], old_root[32], new_root[32];
        uint64_t size, named;
        char *body, *at, *sql, *hex;
        struct audit_note note;
        unsigned n = 0;
        int r = audit_add_checkpoint_body(reader, old_size, &body, &size);

        if (r < 0)
                fail_msg("from %llu: %s", (unsigned long long)old_size, strerror(-r));
        assert_int_equal(size, new_size);
        assert_int_equal(sscanf(body, "old %llu\n", (unsigned long long *)&named), 1);
        assert_int_equal(named, old_size);
        for (at = strchr(body, '\n') + 1; *at != '\n'; at = strchr(at, '\n') + 1)
                assert_true(audit_base64_decode((struct audit_slice){ at, (size_t)(strchr(at, '\n') - at) },
                                                proof + 32 * n++, 32));
        assert_true(audit_note_parse(at + 1, strlen(at + 1), &note));
        assert_int_equal(note.size, new_size);
        memcpy(new_root, note.root.bytes, 32);
        free(body);
        if (old_size == 0) {
                assert_int_equal(n, 0);
                return;
        }

        /* the root of that time, as a checkpoint of then says it */
        assert_true(asprintf(&sql, "SELECT note FROM checkpoint WHERE size=%llu", (unsigned long long)old_size) > 0);
        hex = audit_world_text(world, sql);
        free(sql);
        if (!hex)
                return;
        assert_true(audit_note_parse(hex, strlen(hex), &note));
        memcpy(old_root, note.root.bytes, 32);
        free(hex);
        assert_true(audit_consistent(old_size, old_root, new_size, new_root, proof, n));
}

static void expect_no_growth(struct audit_reader *reader, uint64_t old_size, int error)
{
        char *body = (char *)"untouched";
        uint64_t size = 7;

        assert_int_equal(audit_add_checkpoint_body(reader, old_size, &body, &size), error);
        assert_string_equal(body, "untouched");
        assert_int_equal(size, 7);
}

static int export_all_records(struct audit_reader *reader, FILE *out)
{
        return audit_export_jsonl(reader, NULL, out);
}

static void export_to(struct audit_world *world, struct audit_reader *reader,
                      int (*call)(struct audit_reader *reader, FILE *out), const char *name)
{
        FILE *out = fopen(audit_world_path(world, name), "we");

        assert_non_null(out);
        assert_int_equal(call(reader, out), 0);
        assert_int_equal(fclose(out), 0);
}

/* ---- whole logs ------------------------------------------------------------------------------------------------ */

static void every_record_of_a_log_is_proven(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;
        struct audit_trust trust;

        audit_world_open(world);
        audit_world_fill(world, 598, 37, AUDIT_SEAL);
        trust = trust_of(world);
        reader = read_log(world);
        for (uint64_t seq = 0; seq < 600; seq++)
                expect_proof(reader, &trust, seq, 600);
        expect_no_proof(reader, 600, -ENOENT);
        expect_no_proof(reader, UINT64_MAX, -ENOENT);
        audit_reader_close(reader);
}

static void growth_from_every_size_is_proven(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;

        audit_world_open(world);
        audit_world_fill(world, 598, 3, AUDIT_SEAL);
        reader = read_log(world);
        for (uint64_t size = 0; size <= 600; size++)
                expect_growth(world, reader, size, 600);
        expect_no_growth(reader, 601, -ERANGE);
        expect_no_growth(reader, UINT64_MAX, -ERANGE);
        audit_reader_close(reader);
}

static void what_is_not_sealed_yet_is_not_proven(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;
        struct audit_trust trust;

        audit_world_open(world);
        audit_world_fill(world, 10, 10, AUDIT_SEAL);
        audit_world_fill(world, 5, 5, 0);
        trust = trust_of(world);
        reader = read_log(world);
        expect_proof(reader, &trust, 11, 12);
        expect_no_proof(reader, 12, -ENODATA);
        expect_no_proof(reader, 16, -ENODATA);
        expect_no_proof(reader, 17, -ENOENT);
        expect_growth(world, reader, 12, 12);
        expect_no_growth(reader, 13, -ERANGE);
        audit_reader_close(reader);
}

static void three_levels_of_subtrees_make_short_work(void **state)
{
        static const uint64_t places[] = { 0, 1, 255, 256, 511, 65535, 65536, 65537, 69887, 69888, 69998, 69999 };
        struct audit_world *world = *state;
        struct audit_reader *reader;
        struct audit_trust trust;

        audit_world_open(world);
        audit_world_fill(world, 69998, 1000, AUDIT_SEAL);
        trust = trust_of(world);
        reader = read_log(world);
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
                expect_proof(reader, &trust, places[i], 70000);
                expect_growth(world, reader, places[i], 70000);
        }
        expect_growth(world, reader, 65002, 70000);
        expect_growth(world, reader, 66002, 70000);
        expect_growth(world, reader, 70000, 70000);

        /* pruned at 69,632: all above is proven, nothing below, but what only takes subtrees */
        audit_reader_close(reader);
        audit_world_forge(world, "DELETE FROM record WHERE seq>0 AND seq<69632");
        reader = read_log(world);
        expect_no_proof(reader, 0, -ESTALE);
        expect_no_proof(reader, 1, -ESTALE);
        expect_no_proof(reader, 69631, -ESTALE);
        for (uint64_t seq = 69632; seq < 70000; seq += 17)
                expect_proof(reader, &trust, seq, 70000);
        expect_no_growth(reader, 69631, -ESTALE);
        expect_no_growth(reader, 2, -ESTALE);
        expect_growth(world, reader, 0, 70000);
        expect_growth(world, reader, 65536, 70000);
        for (uint64_t size = 69632; size <= 70000; size += 16)
                expect_growth(world, reader, size, 70000);
        audit_reader_close(reader);
}

static void a_pruned_log_proves_every_record_it_keeps(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;
        struct audit_trust trust;

        audit_world_open(world);
        audit_world_fill(world, 798, 7, AUDIT_SEAL);
        trust = trust_of(world);
        audit_world_close(world);
        audit_world_forge(world, "DELETE FROM record WHERE seq>0 AND seq<512");
        reader = read_log(world);
        for (uint64_t seq = 0; seq < 512; seq++)
                expect_no_proof(reader, seq, -ESTALE);
        for (uint64_t seq = 512; seq < 800; seq++)
                expect_proof(reader, &trust, seq, 800);
        expect_no_proof(reader, 800, -ENOENT);

        for (uint64_t size = 1; size < 512; size++)
                if (size % 256 != 0)
                        expect_no_growth(reader, size, -ESTALE);
        for (uint64_t size = 512; size <= 800; size++)
                expect_growth(world, reader, size, 800);
        expect_growth(world, reader, 0, 800);
        expect_growth(world, reader, 256, 800);
        audit_reader_close(reader);
}

/* As the daemon prunes it, and with everything that can be made of it afterwards. */
static void a_log_that_was_archived_proves_and_exports_what_it_keeps(void **state)
{
        struct audit_world *world = *state;
        struct audit_archiving *archiving = calloc(1, sizeof(*archiving));
        struct audit_archive_options options = { .state_dir = world->dir };
        struct audit_reader *reader;
        struct audit_trust trust;
        uint64_t size, sealed;

        audit_world_open(world);
        audit_world_fill(world, 700, 70, AUDIT_SEAL);
        world->realtime += 401 * UINT64_C(86400000000);
        audit_world_fill(world, 100, 50, AUDIT_SEAL);
        options.before_usec = options.now_usec = world->realtime;
        trust = trust_of(world);
        assert_int_equal(audit_archive_prepare(&options, archiving), 0);
        assert_int_equal(audit_archive_commit(world->audit, archiving, "user:alice"), 0);
        assert_int_equal(archiving->to, 512);

        reader = read_log(world);
        assert_int_equal(audit_reader_head(reader, &size, &sealed), 0);
        for (uint64_t seq = 0; seq < 512; seq += 73)
                expect_no_proof(reader, seq, -ESTALE);
        for (uint64_t seq = 512; seq < sealed; seq++)
                expect_proof(reader, &trust, seq, sealed);
        for (uint64_t old = 512; old <= sealed; old++)
                expect_growth(world, reader, old, sealed);
        expect_no_growth(reader, 511, -ESTALE);
        export_to(world, reader, export_all_records, "x.jsonl");
        export_to(world, reader, audit_export_checkpoints, "x.ckpt");
        export_to(world, reader, audit_export_subtree, "x.subtree");
        audit_reader_close(reader);

        audit_verify(&(struct audit_verify_options){ .jsonl = audit_world_path(world, "x.jsonl"),
                                                     .checkpoints = audit_world_path(world, "x.ckpt"),
                                                     .subtree = audit_world_path(world, "x.subtree"),
                                                     .now_usec = world->realtime },
                     &world->report);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.sealed_size, sealed);
        free(archiving);
}

/* ---- witnesses ------------------------------------------------------------------------------------------------- */

static void write_vkey(const char *name, const uint8_t key[32], char *ret, size_t room)
{
        uint8_t typed[33] = { 0x04 }, id[4];
        char base64[64], hex[9];

        memcpy(typed + 1, key, 32);
        audit_key_id((struct audit_slice){ name, strlen(name) }, typed, 1, key, id);
        sodium_bin2base64(base64, sizeof(base64), typed, sizeof(typed), sodium_base64_VARIANT_ORIGINAL);
        sodium_bin2hex(hex, sizeof(hex), id, sizeof(id));
        snprintf(ret, room, "%s+%s+%s", name, hex, base64);
}

/* A witness's line over the checkpoint of this size goes into the store. */
static void cosign(struct audit_world *world, uint64_t size, const char *name, const uint8_t secret[64])
{
        uint8_t payload[4 + 8 + 64] = { [11] = 42 }; /* in the year 1970 */
        char message[1024], base64[128], *sql, *note;
        struct audit_note parsed;

        assert_true(asprintf(&sql, "SELECT note FROM checkpoint WHERE size=%llu", (unsigned long long)size) > 0);
        note = audit_world_text(world, sql);
        free(sql);
        assert_non_null(note);
        assert_true(audit_note_parse(note, strlen(note), &parsed));
        audit_key_id((struct audit_slice){ name, strlen(name) }, "\x04", 1, secret + 32, payload);
        snprintf(message, sizeof(message), "cosignature/v1\ntime 42\n%.*s", (int)parsed.text.length, parsed.text.text);
        crypto_sign_detached(payload + 12, NULL, (const uint8_t *)message, strlen(message), secret);
        sodium_bin2base64(base64, sizeof(base64), payload, sizeof(payload), sodium_base64_VARIANT_ORIGINAL);
        assert_true(asprintf(&sql, "INSERT INTO cosig VALUES(%llu,'\xe2\x80\x94 %s %s')", (unsigned long long)size,
                             name, base64) > 0);
        assert_int_equal(audit_world_sql(world, sql), 0);
        free(sql);
        free(note);
}

static void a_cosigned_checkpoint_is_preferred(void **state)
{
        struct audit_world *world = *state;
        uint8_t key[2][32], secret[2][64];
        struct audit_vkey witnesses[2];
        struct audit_reader *reader;
        struct audit_trust trust;
        char vkey[512];

        audit_world_open(world);
        audit_world_fill(world, 40, 10, AUDIT_SEAL);
        trust = trust_of(world);
        trust.witnesses = witnesses;
        trust.witnesses_n = 2;
        for (unsigned i = 0; i < 2; i++) {
                crypto_sign_keypair(key[i], secret[i]);
                write_vkey(i ? "two.example/w" : "one.example/w", key[i], vkey, sizeof(vkey));
                assert_int_equal(audit_vkey_read(vkey, &witnesses[i]), 0);
        }
        audit_world_close(world);
        cosign(world, 12, "one.example/w", secret[0]);
        cosign(world, 22, "one.example/w", secret[0]);
        cosign(world, 22, "two.example/w", secret[1]);
        cosign(world, 32, "two.example/w", secret[1]);
        assert_int_equal(audit_world_sql(world, "INSERT INTO cosig VALUES(37,'\xe2\x80\x94 x AAAAAAAA')"), 0);

        reader = read_log(world);
        trust.quorum = 2;
        expect_proof(reader, &trust, 3, 22); /* both have seen this one */
        expect_proof(reader, &trust, 21, 22);
        trust.quorum = 1;
        expect_proof(reader, &trust, 3, 22);
        trust.quorum = 0;
        expect_proof(reader, &trust, 22, 42); /* a row of no checkpoint counts for nothing */
        expect_proof(reader, &trust, 36, 42);
        expect_proof(reader, &trust, 41, 42);
        audit_reader_close(reader);

        assert_int_equal(audit_world_sql(world, "INSERT INTO cosig VALUES(22,'no line of a note')"), 0);
        reader = read_log(world);
        expect_no_proof(reader, 3, -EUCLEAN);
        audit_reader_close(reader);
}

static void one_key_under_two_names_is_one_witness(void **state)
{
        struct audit_world *world = *state;
        struct audit_vkey witnesses[2];
        static struct audit_proved proved;
        uint8_t key[32], secret[64];
        struct audit_reader *reader;
        struct audit_trust trust;
        char vkey[512], *text;

        audit_world_open(world);
        audit_world_fill(world, 4, 4, AUDIT_SEAL);
        trust = trust_of(world);
        audit_world_close(world);
        crypto_sign_keypair(key, secret);
        for (unsigned i = 0; i < 2; i++) {
                const char *name = i ? "two.example/w" : "one.example/w";

                write_vkey(name, key, vkey, sizeof(vkey));
                assert_int_equal(audit_vkey_read(vkey, &witnesses[i]), 0);
                cosign(world, 6, name, secret);
        }
        trust.witnesses = witnesses;
        trust.witnesses_n = 2;
        trust.quorum = 1;
        reader = read_log(world);
        expect_proof(reader, &trust, 3, 6);
        trust.quorum = 2;
        assert_int_equal(audit_prove(reader, 3, &text), 0);
        assert_int_equal(audit_proof_check(text, strlen(text), &trust, &proved), -EKEYREJECTED);
        assert_string_equal(proved.why, "too few witnesses have cosigned the checkpoint");
        free(text);
        audit_reader_close(reader);
}

/* ---- damage ---------------------------------------------------------------------------------------------------- */

/* Record 300 and the growth from size 300, of 600. */
static void try_both(struct audit_world *world, const char *sql, int expected)
{
        struct audit_reader *reader = read_log(world);
        char *proof = NULL, *body = NULL;
        uint64_t size;
        int r = audit_prove(reader, 300, &proof);

        if (r != expected)
                fail_msg("proof: %s, after: %s", strerror(-r), sql);
        r = audit_add_checkpoint_body(reader, 300, &body, &size);
        if (r != expected)
                fail_msg("growth: %s, after: %s", strerror(-r), sql);
        free(proof);
        free(body);
        audit_reader_close(reader);
}

static void damage_is_never_proven(void **state)
{
        static const char *const damage[] = {
                "UPDATE record SET body=replace(body,'nginx','apach') WHERE seq=300",
                "UPDATE record SET body=replace(body,'nginx','apach') WHERE seq=301",
                "UPDATE record SET body=replace(body,'nginx','apach') WHERE seq=599",
                "UPDATE record SET seq=1000 WHERE seq=300",
                "UPDATE record SET body='{}' WHERE seq=0",
                "DELETE FROM record WHERE seq=0",
                "DELETE FROM record WHERE seq=599",
                "UPDATE subtree SET hash=zeroblob(32) WHERE idx=0",
                "UPDATE subtree SET hash=x'00' WHERE idx=0",
                "DELETE FROM subtree",
                "UPDATE checkpoint SET note=replace(note,x'0a'||'600'||x'0a',x'0a'||'601'||x'0a') WHERE size=600",
                "UPDATE checkpoint SET note='' WHERE size=600",
                "UPDATE checkpoint SET note=note||char(0) WHERE size=600",
                "UPDATE checkpoint SET note=(SELECT note FROM checkpoint WHERE epoch=0) WHERE size=600",
                "UPDATE checkpoint SET size=700 WHERE size=600",
        };
        static const char harmless[] = "DELETE FROM record WHERE seq BETWEEN 1 AND 7"; /* not needed for these two */
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 598, 299, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_copy(world, "audit.db", "good.db");
        for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
                audit_world_copy(world, "good.db", "audit.db");
                audit_world_forge(world, damage[i]);
                try_both(world, damage[i], -EUCLEAN);
        }
        audit_world_copy(world, "good.db", "audit.db");
        audit_world_forge(world, harmless);
        try_both(world, harmless, 0);
}

static void a_checkpoint_signed_by_another_key_proves_nothing(void **state)
{
        struct audit_world *world = *state;
        uint8_t key[32], secret[64];
        struct audit_genesis genesis;
        struct audit_reader *reader;
        struct audit_sealing sealing;
        char note[AUDIT_NOTE_MAX], *sql, *old;
        struct audit_note parsed;

        audit_world_open(world);
        audit_world_fill(world, 8, 8, AUDIT_SEAL);
        genesis = genesis_of(world);
        audit_world_close(world);
        old = audit_world_text(world, "SELECT note FROM checkpoint WHERE size=10");
        assert_true(audit_note_parse(old, strlen(old), &parsed));
        crypto_sign_keypair(key, secret);
        sealing = (struct audit_sealing){ .origin = genesis.origin,
                                          .size = 10,
                                          .root = parsed.root,
                                          .epoch = parsed.epoch,
                                          .log_secret = secret,
                                          .seal_secret = secret,
                                          .next_public = key };
        audit_note_write(&sealing, note);
        assert_true(asprintf(&sql, "UPDATE checkpoint SET note='%s' WHERE size=10", note) > 0);
        audit_world_forge(world, sql);
        free(sql);
        free(old);
        reader = read_log(world);
        expect_no_proof(reader, 3, -EUCLEAN);
        expect_no_growth(reader, 2, -EUCLEAN);
        audit_reader_close(reader);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(every_record_of_a_log_is_proven),
                AUDIT_WORLD_TEST(growth_from_every_size_is_proven),
                AUDIT_WORLD_TEST(what_is_not_sealed_yet_is_not_proven),
                AUDIT_WORLD_TEST(three_levels_of_subtrees_make_short_work),
                AUDIT_WORLD_TEST(a_pruned_log_proves_every_record_it_keeps),
                AUDIT_WORLD_TEST(a_log_that_was_archived_proves_and_exports_what_it_keeps),
                AUDIT_WORLD_TEST(a_cosigned_checkpoint_is_preferred),
                AUDIT_WORLD_TEST(one_key_under_two_names_is_one_witness),
                AUDIT_WORLD_TEST(damage_is_never_proven),
                AUDIT_WORLD_TEST(a_checkpoint_signed_by_another_key_proves_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
