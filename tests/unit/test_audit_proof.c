/* Inclusion and consistency proofs: the arithmetic of RFC 6962, and every proof of the vectors out of a real store. */

#include "audit/proof.h"
#include "audit/store.h"

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static json_t *vectors;

static int load(void **state)
{
        (void)state;
        vectors = json_load_file("tests/data/audit/vectors.json", JSON_ALLOW_NUL, NULL);
        return vectors && sodium_init() >= 0 ? 0 : -1;
}

static int unload(void **state)
{
        (void)state;
        json_decref(vectors);
        return 0;
}

static json_t *list_of(const char *key)
{
        json_t *list = json_object_get(vectors, key);

        assert_true(json_is_array(list));
        return list;
}

static const char *text_of(const json_t *object, const char *key)
{
        const char *text = json_string_value(json_object_get(object, key));

        assert_non_null(text);
        return text;
}

static uint64_t number_of(const json_t *object, const char *key)
{
        assert_true(json_is_integer(json_object_get(object, key)));
        return (uint64_t)json_integer_value(json_object_get(object, key));
}

static struct audit_hash hash_of(const char *hex)
{
        struct audit_hash hash;
        size_t n;

        assert_int_equal(sodium_hex2bin(hash.bytes, sizeof(hash.bytes), hex, strlen(hex), NULL, &n, NULL), 0);
        assert_int_equal(n, sizeof(hash.bytes));
        return hash;
}

static struct audit_hash root_of_size(uint64_t size)
{
        return hash_of(text_of(json_array_get(list_of("roots"), size), "root"));
}

/* ---- the arithmetic -------------------------------------------------------------------------------------------- */

/* MTH as RFC 6962 defines it, word by word. */
static struct audit_hash naive_hash(const struct audit_hash *leaves, uint64_t n)
{
        struct audit_hash left, right;
        uint64_t k = 1;

        if (n == 1)
                return leaves[0];
        while (2 * k < n)
                k *= 2;
        left = naive_hash(leaves, k);
        right = naive_hash(leaves + k, n - k);
        return audit_node_hash(&left, &right);
}

enum { LEAVES = 70 };

static void make_leaves(struct audit_hash ret[LEAVES])
{
        for (unsigned i = 0; i < LEAVES; i++) {
                char text[16];
                const int length = snprintf(text, sizeof(text), "%u", i);

                ret[i] = audit_leaf_hash(text, (size_t)length);
        }
}

static void fold(const struct audit_hash *leaves, const struct audit_span *spans, unsigned n, struct audit_hash *ret)
{
        for (unsigned i = 0; i < n; i++)
                ret[i] = naive_hash(leaves + spans[i].from, spans[i].to - spans[i].from);
}

static void every_leaf_of_every_small_tree_is_included(void **state)
{
        struct audit_hash leaves[LEAVES], proof[AUDIT_PROOF_MAX + 1] = { 0 };
        struct audit_span spans[AUDIT_PROOF_MAX];

        make_leaves(leaves);
        for (uint64_t size = 1; size <= LEAVES; size++) {
                const struct audit_hash root = naive_hash(leaves, size);

                for (uint64_t i = 0; i < size; i++) {
                        const unsigned n = audit_inclusion_spans(i, size, spans);

                        fold(leaves, spans, n, proof);
                        assert_true(audit_included(i, &leaves[i], size, &root, proof, n));

                        for (uint64_t other = 0; other < size + 2; other++)
                                if (other != i)
                                        assert_false(audit_included(other, &leaves[i], size, &root, proof, n));
                        assert_false(audit_included(i, &leaves[(i + 1) % LEAVES], size, &root, proof, n));
                        assert_false(audit_included(i, &leaves[i], size, &root, proof, n + 1));
                        for (unsigned k = 0; k < n; k++) {
                                assert_false(audit_included(i, &leaves[i], size, &root, proof, k));
                                proof[k].bytes[31] ^= 1;
                                assert_false(audit_included(i, &leaves[i], size, &root, proof, n));
                                proof[k].bytes[31] ^= 1;
                        }
                }
        }
}

static void every_small_tree_is_consistent_with_its_past(void **state)
{
        struct audit_hash leaves[LEAVES], proof[AUDIT_PROOF_MAX + 1] = { 0 };
        struct audit_span spans[AUDIT_PROOF_MAX];

        make_leaves(leaves);
        for (uint64_t size = 1; size <= LEAVES; size++) {
                const struct audit_hash root = naive_hash(leaves, size);

                for (uint64_t old = 1; old <= size; old++) {
                        const struct audit_hash old_root = naive_hash(leaves, old);
                        const unsigned n = audit_consistency_spans(old, size, spans);
                        const uint8_t *bytes = proof[0].bytes;

                        fold(leaves, spans, n, proof);
                        assert_true(audit_consistent(old, old_root.bytes, size, root.bytes, bytes, n));
                        assert_false(audit_consistent(old, old_root.bytes, size, root.bytes, bytes, n + 1));
                        assert_false(audit_consistent(old, leaves[69].bytes, size, root.bytes, bytes, n));
                        assert_false(audit_consistent(old, old_root.bytes, size, leaves[69].bytes, bytes, n));
                        assert_false(audit_consistent(0, old_root.bytes, size, root.bytes, bytes, n));
                        if (old != size) {
                                assert_false(audit_consistent(size, old_root.bytes, old, root.bytes, bytes, n));
                                assert_false(audit_consistent(size, old_root.bytes, size, root.bytes, bytes, 0));
                                assert_false(audit_consistent(old - 1, old_root.bytes, size, root.bytes, bytes, n));
                        }
                        for (unsigned k = 0; k < n; k++) {
                                assert_false(audit_consistent(old, old_root.bytes, size, root.bytes, bytes, k));
                                proof[k].bytes[0] ^= 0x80;
                                assert_false(audit_consistent(old, old_root.bytes, size, root.bytes, bytes, n));
                                proof[k].bytes[0] ^= 0x80;
                        }
                }
        }
}

/* What the test files of Certificate Transparency say of their eight leaves. */
static void certificate_transparency_known_answers(void **state)
{
        static const char *const roots[] = { "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                             "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                             "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                             "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                             "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                             "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                             "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" };
        static const struct {
                uint64_t index, size;
                const char *leaf;
                unsigned n;
                const char *proof[4];
        } included[] = {
                { 0, 1, "", 0, { NULL } },
                { 0,
                  8,
                  "",
                  3,
                  { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4" } },
                { 5,
                  8,
                  "\x40\x41\x42\x43",
                  3,
                  { "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" } },
                { 2, 3, "\x10", 1, { "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" } },
                { 1,
                  5,
                  "\x00",
                  3,
                  { "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b" } },
        };
        static const struct {
                uint64_t from, to;
                unsigned n;
                const char *proof[4];
        } consistent[] = {
                { 1, 1, 0, { NULL } },
                { 1,
                  8,
                  3,
                  { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4" } },
                { 6,
                  8,
                  3,
                  { "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" } },
                { 2,
                  5,
                  2,
                  { "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b" } },
        };
        struct audit_hash proof[4];

        for (size_t i = 0; i < sizeof(included) / sizeof(included[0]); i++) {
                const size_t length = strlen(included[i].leaf) ?: (included[i].index == 1 ? 1 : 0);
                const struct audit_hash leaf = audit_leaf_hash(included[i].leaf, length);
                const struct audit_hash root = hash_of(roots[included[i].size - 1]);

                for (unsigned k = 0; k < included[i].n; k++)
                        proof[k] = hash_of(included[i].proof[k]);
                assert_true(audit_included(included[i].index, &leaf, included[i].size, &root, proof, included[i].n));
        }
        for (size_t i = 0; i < sizeof(consistent) / sizeof(consistent[0]); i++) {
                const struct audit_hash before = hash_of(roots[consistent[i].from - 1]);
                const struct audit_hash after = hash_of(roots[consistent[i].to - 1]);

                for (unsigned k = 0; k < consistent[i].n; k++)
                        proof[k] = hash_of(consistent[i].proof[k]);
                assert_true(audit_consistent(consistent[i].from, before.bytes, consistent[i].to, after.bytes,
                                             proof[0].bytes, consistent[i].n));
        }
}

/* ---- a log with the keys of the vectors ------------------------------------------------------------------------- */

struct log {
        char path[64];
        sqlite3 *db;
        struct audit_reader *reader;
};

static void insert(struct log *log, const char *sql, uint64_t key, uint64_t size, const char *text)
{
        sqlite3_stmt *statement;

        assert_int_equal(audit_store_prepare(log->db, sql, &statement), 0);
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)key);
        sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
        if (sqlite3_bind_parameter_count(statement) == 3)
                sqlite3_bind_int64(statement, 3, (sqlite3_int64)size);
        assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
        sqlite3_finalize(statement);
}

static void secret_of(const char *seed_hex, uint8_t ret[AUDIT_SECRET_KEY])
{
        const struct audit_hash seed = hash_of(seed_hex);
        uint8_t public_key[AUDIT_PUBLIC_KEY];

        crypto_sign_seed_keypair(public_key, ret, seed.bytes);
}

/* The first records of the vectors under one checkpoint; all ten under the four of the vectors. */
static void make_log(struct log *log, uint64_t size)
{
        const json_t *notes = list_of("checkpoints");
        size_t i;
        json_t *c;

        strcpy(log->path, "/tmp/audit-proof-XXXXXX");
        close(mkstemp(log->path));
        unlink(log->path);
        assert_int_equal(audit_store_create(log->path, &log->db), 0);
        for (uint64_t seq = 0; seq < size; seq++)
                insert(log, "INSERT INTO record VALUES(?1,?2)", seq, 0,
                       text_of(json_array_get(list_of("records"), seq), "body"));
        if (size == 10) {
                json_array_foreach (notes, i, c)
                        insert(log, "INSERT INTO checkpoint VALUES(?1,?3,?2)", i, number_of(c, "size"),
                               text_of(c, "note"));
        } else {
                uint8_t log_secret[AUDIT_SECRET_KEY], seal_secret[AUDIT_SECRET_KEY];
                const struct audit_sealing sealing = {
                        .origin = text_of(vectors, "origin"),
                        .size = size,
                        .root = root_of_size(size),
                        .log_secret = log_secret,
                        .seal_secret = seal_secret,
                        .next_public = seal_secret + 32,
                };
                char note[AUDIT_NOTE_MAX];

                secret_of(text_of(vectors, "log_seed"), log_secret);
                secret_of(text_of(json_array_get(list_of("seal_keys"), 0), "seed"), seal_secret);
                audit_note_write(&sealing, note);
                insert(log, "INSERT INTO checkpoint VALUES(?1,?3,?2)", 0, size, note);
        }
        assert_int_equal(audit_store_run(log->db, "COMMIT"), 0);
        assert_int_equal(audit_reader_open(log->path, &log->reader), 0);
}

static void drop_log(struct log *log)
{
        audit_reader_close(log->reader);
        sqlite3_close(log->db);
        unlink(log->path);
}

/* The lines between `after` and the first empty one are these hashes. */
static void assert_hash_lines(const char *text, const char *after, const json_t *hashes)
{
        const char *at = strstr(text, after);
        size_t i;
        json_t *hex;

        assert_non_null(at);
        at = strchr(at, '\n') + 1;
        json_array_foreach (hashes, i, hex) {
                const struct audit_hash hash = hash_of(json_string_value(hex));
                char line[64];

                sodium_bin2base64(line, sizeof(line), hash.bytes, sizeof(hash.bytes), sodium_base64_VARIANT_ORIGINAL);
                strcat(line, "\n");
                assert_memory_equal(at, line, strlen(line));
                at += strlen(line);
        }
        assert_int_equal(*at, '\n');
}

static void all_inclusion_proofs_are_those_of_the_vectors(void **state)
{
        size_t i;
        json_t *c;

        assert_int_equal(json_array_size(list_of("inclusion")), 55);
        for (uint64_t size = 1; size <= 10; size++) {
                struct log log;

                make_log(&log, size);
                json_array_foreach (list_of("inclusion"), i, c) {
                        char after[32], *text;

                        if (number_of(c, "size") != size)
                                continue;
                        assert_int_equal(audit_prove(log.reader, number_of(c, "index"), &text), 0);
                        snprintf(after, sizeof(after), "\nindex %d\n", (int)number_of(c, "index"));
                        assert_hash_lines(text, after + 1, json_object_get(c, "proof"));
                        free(text);
                }
                drop_log(&log);
        }
}

static void all_consistency_proofs_are_those_of_the_vectors(void **state)
{
        size_t i;
        json_t *c;

        assert_int_equal(json_array_size(list_of("consistency")), 55);
        for (uint64_t size = 1; size <= 10; size++) {
                struct log log;

                make_log(&log, size);
                json_array_foreach (list_of("consistency"), i, c) {
                        const uint64_t from = number_of(c, "from");
                        const struct audit_hash before = root_of_size(from), after = root_of_size(size);
                        struct audit_hash proof[8];
                        uint64_t to;
                        char *text;
                        size_t k;
                        json_t *hex;

                        if (number_of(c, "to") != size)
                                continue;
                        assert_int_equal(audit_add_checkpoint_body(log.reader, from, &text, &to), 0);
                        assert_int_equal(to, size);
                        assert_hash_lines(text, "old ", json_object_get(c, "proof"));
                        free(text);

                        json_array_foreach (json_object_get(c, "proof"), k, hex)
                                proof[k] = hash_of(json_string_value(hex));
                        assert_true(audit_consistent(from, before.bytes, size, after.bytes, proof[0].bytes, k));
                }
                drop_log(&log);
        }
}

static void the_proof_of_record_5_is_that_of_the_vectors(void **state)
{
        struct log log;
        char *text;

        make_log(&log, 10);
        assert_int_equal(audit_prove(log.reader, 5, &text), 0);
        assert_string_equal(text, text_of(vectors, "tlog_proof_seq_5"));
        free(text);
        drop_log(&log);
}

static void the_body_for_a_witness_is_that_of_the_vectors(void **state)
{
        const char *wanted = text_of(json_object_get(vectors, "witness"), "add_checkpoint_body");
        struct log log;
        uint64_t size;
        char *text;

        make_log(&log, 10);
        assert_int_equal(audit_add_checkpoint_body(log.reader, 4, &text, &size), 0);
        assert_string_equal(text, wanted);
        assert_int_equal(size, 10);
        free(text);

        /* What a witness said does not go to the next. */
        assert_int_equal(audit_reader_seek(log.reader, NULL), 0);
        insert(&log, "INSERT INTO cosig VALUES(?1,?2)", 10, 0, "\xe2\x80\x94 w AAAAAAAA");
        assert_int_equal(audit_reader_seek(log.reader, NULL), 0);
        assert_int_equal(audit_add_checkpoint_body(log.reader, 4, &text, &size), 0);
        assert_string_equal(text, wanted);
        free(text);
        drop_log(&log);
}

static void notes_stand_with_their_cosignatures(void **state)
{
        const char *wanted = text_of(json_object_get(vectors, "witness"), "cosigned_note");
        const char *third = text_of(json_array_get(list_of("checkpoints"), 2), "note");
        char line[512], *text;
        struct log log;
        uint64_t size;

        make_log(&log, 10);
        snprintf(line, sizeof(line), "%s", strstr(wanted, "\xe2\x80\x94 witness"));
        line[strlen(line) - 1] = '\0';
        insert(&log, "INSERT INTO cosig VALUES(?1,?2)", 10, 0, line);
        assert_int_equal(audit_reader_seek(log.reader, NULL), 0);

        assert_int_equal(audit_reader_note_of(log.reader, 99, &text, &size), 0);
        assert_string_equal(text, wanted);
        assert_int_equal(size, 10);
        free(text);
        assert_int_equal(audit_reader_note_of(log.reader, 9, &text, &size), 0);
        assert_string_equal(text, third);
        assert_int_equal(size, number_of(json_array_get(list_of("checkpoints"), 2), "size"));
        free(text);
        assert_int_equal(audit_reader_note_of(log.reader, 1, &text, &size), 0);
        assert_int_equal(size, 1);
        free(text);
        assert_int_equal(audit_reader_note_of(log.reader, 0, &text, &size), -ENOENT);

        assert_int_equal(audit_prove(log.reader, 5, &text), 0);
        assert_non_null(strstr(text, wanted));
        free(text);
        drop_log(&log);
}

/* The script shares no code with us and knows only public specifications. */
static void an_outsider_agrees_about_proof_and_witness(void **state)
{
        char path[] = "/tmp/audit-proof-XXXXXX", command[1024], said[2048];
        const char *proof = text_of(vectors, "tlog_proof_seq_5");
        const json_t *witness = json_object_get(vectors, "witness");
        FILE *file, *pipe;

        if (system("node --version >/dev/null 2>&1") != 0)
                skip(); /* `make setup` brings it */
        file = fdopen(mkstemp(path), "w");
        fprintf(file, "%.*s%s", (int)(strstr(proof, "\n\n") + 2 - proof), proof, text_of(witness, "cosigned_note"));
        fclose(file);
        snprintf(command, sizeof(command), "node tests/unit/tlog_outside.js proof %s '%s' '%s'", path,
                 text_of(vectors, "log_vkey"), text_of(witness, "vkey"));
        pipe = popen(command, "re");
        assert_non_null(fgets(said, sizeof(said), pipe));
        assert_int_equal(pclose(pipe), 0);
        said[strcspn(said, "\n")] = '\0';
        assert_string_equal(said, text_of(json_array_get(list_of("records"), 5), "body"));
        unlink(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_leaf_of_every_small_tree_is_included),
                cmocka_unit_test(every_small_tree_is_consistent_with_its_past),
                cmocka_unit_test(certificate_transparency_known_answers),
                cmocka_unit_test(all_inclusion_proofs_are_those_of_the_vectors),
                cmocka_unit_test(all_consistency_proofs_are_those_of_the_vectors),
                cmocka_unit_test(the_proof_of_record_5_is_that_of_the_vectors),
                cmocka_unit_test(the_body_for_a_witness_is_that_of_the_vectors),
                cmocka_unit_test(notes_stand_with_their_cosignatures),
                cmocka_unit_test(an_outsider_agrees_about_proof_and_witness),
        };

        return cmocka_run_group_tests(tests, load, unload);
}
