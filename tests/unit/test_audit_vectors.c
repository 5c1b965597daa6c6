/* The vectors of governor-audit/1, and the known answers of the RFCs it stands on. */

#include "audit/genesis.h"
#include "audit/sealkey.h"
#include "audit/sha256.h"

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
        json_error_t error;

        (void)state;
        vectors = json_load_file("tests/data/audit/vectors.json", JSON_ALLOW_NUL, &error);
        if (!vectors)
                print_error("vectors.json:%d: %s\n", error.line, error.text);
        return vectors && sodium_init() >= 0 ? 0 : -1;
}

static int unload(void **state)
{
        (void)state;
        json_decref(vectors);
        return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
        const char *text = json_string_value(json_object_get(object, key));

        assert_non_null(text);
        return text;
}

static json_t *list_of(const char *key)
{
        json_t *list = json_object_get(vectors, key);

        assert_true(json_is_array(list));
        return list;
}

static void from_hex(const char *hex, void *ret, size_t length)
{
        size_t n;

        assert_int_equal(sodium_hex2bin(ret, length, hex, strlen(hex), NULL, &n, NULL), 0);
        assert_int_equal(n, length);
}

static void assert_hash(const struct audit_hash *hash, const char *hex)
{
        struct audit_hash wanted;

        from_hex(hex, wanted.bytes, sizeof(wanted.bytes));
        assert_memory_equal(hash->bytes, wanted.bytes, sizeof(wanted.bytes));
}

/* ---- canonical JSON ------------------------------------------------------------------------------------------- */

static void values_have_one_canonical_form(void **state)
{
        size_t i;
        json_t *c;

        json_array_foreach (list_of("canonical_ok"), i, c) {
                const char *wanted = text_of(c, "bytes");
                char space[1024];
                struct audit_out out = { .bytes = space, .room = sizeof(space) };

                assert_int_equal(audit_out_json(&out, json_object_get(c, "value"), 1), 0);
                assert_int_equal(out.length, strlen(wanted));
                assert_memory_equal(space, wanted, out.length);
                assert_true(audit_is_canonical(wanted, strlen(wanted)));
        }
}

static void other_forms_are_refused(void **state)
{
        size_t i;
        json_t *c;

        json_array_foreach (list_of("canonical_reject"), i, c)
                if (audit_is_canonical(json_string_value(c), json_string_length(c)))
                        fail_msg("accepted: %s", json_string_value(c));
}

static void bytes_that_are_no_utf8_are_refused(void **state)
{
        static const char *const bad[] = {
                "{\"a\":\"\x80\"}",
                "{\"a\":\"\xc0\xaf\"}",
                "{\"a\":\"\xc1\xbf\"}",
                "{\"a\":\"\xe0\x80\xaf\"}",
                "{\"a\":\"\xed\xa0\x80\"}",
                "{\"a\":\"\xf0\x80\x80\xaf\"}",
                "{\"a\":\"\xf4\x90\x80\x80\"}",
                "{\"a\":\"\xf5\x80\x80\x80\"}",
                "{\"a\":\"\xe2\x82\"}",
                "{\"a\":\"\xff\"}",
                "{\"a\":\"\xc3",
                "{\"a\":\"\xf0\x9f\x98",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(audit_is_canonical(bad[i], strlen(bad[i])));
        assert_true(audit_is_canonical("{\"a\":\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\"}", 18));
}

static void values_without_a_canonical_form_are_refused(void **state)
{
        static const char *const bad[] = { "{\"a\":1.5}",
                                           "{\"a\":9007199254740992}",
                                           "{\"a\":-9007199254740992}",
                                           "{\"A\":1}",
                                           "{\"\":1}",
                                           "{\"a-b\":1}",
                                           "{\"abcdefghijklmnopqrstuvwxyzabcdefg\":1}",
                                           "{\"a\":\"\\u0000\"}",
                                           "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}" };
        char space[1024];

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct audit_out out = { .bytes = space, .room = sizeof(space) };
                json_t *value = json_loads(bad[i], JSON_ALLOW_NUL, NULL);

                assert_non_null(value);
                assert_int_equal(audit_out_json(&out, value, 2), -EINVAL);
                json_decref(value);
        }
}

/* The example of RFC 8785, 3.2.2 to 3.2.4, without its numbers, which are real and none of ours. */
static void rfc_8785_known_answers(void **state)
{
        static const char input[] = "{\"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\","
                                    " \"literals\": [null, true, false]}";
        static const char wanted[] =
                "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c22737472696e67223a22e282ac245c7530303066"
                "5c6e4127425c225c5c5c5c5c222f227d";
        json_t *value = json_loads(input, 0, NULL);
        uint8_t bytes[sizeof(wanted) / 2];
        char space[256];
        struct audit_out out = { .bytes = space, .room = sizeof(space) };

        assert_non_null(value);
        from_hex(wanted, bytes, sizeof(bytes));
        assert_int_equal(audit_out_json(&out, value, 1), 0);
        assert_int_equal(out.length, sizeof(bytes));
        assert_memory_equal(space, bytes, sizeof(bytes));
        assert_true(audit_is_canonical(space, out.length));
        json_decref(value);

        value = json_loads("{\"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3]}", 0, NULL);
        assert_int_equal(audit_out_json(&out, value, 1), -EINVAL);
        json_decref(value);
}

static void members_are_found_without_building_json(void **state)
{
        const char *text = "{\"a\":{\"intent\":1},\"b\":\"\\\"intent\\\":2\",\"intent\":42,\"z\":[3]}";
        struct audit_slice found;

        assert_true(audit_find_member((struct audit_slice){ text, strlen(text) }, "intent", &found));
        assert_int_equal(found.length, 2);
        assert_memory_equal(found.text, "42", 2);
        assert_false(audit_find_member((struct audit_slice){ text, strlen(text) }, "none", &found));
}

/* ---- records -------------------------------------------------------------------------------------------------- */

static enum audit_outcome outcome_named(const char *name)
{
        for (unsigned i = 0; i < AUDIT_OUTCOME_N; i++)
                if (strcmp(audit_outcome_name(i), name) == 0)
                        return i;
        fail();
        return 0;
}

static void records_are_encoded_byte_by_byte(void **state)
{
        struct audit_hash last = { 0 };
        size_t i;
        json_t *c;

        json_array_foreach (list_of("records"), i, c) {
                const char *body = text_of(c, "body");
                json_t *value = json_loads(body, 0, NULL);
                const struct audit_entry entry = {
                        .action = text_of(value, "action"),
                        .actor = text_of(value, "actor"),
                        .subject = text_of(value, "subject"),
                        .incident = text_of(value, "incident"),
                        .outcome = outcome_named(text_of(value, "outcome")),
                        .details = json_object_get(value, "details"),
                };
                const struct audit_place place = {
                        .seq = i,
                        .prev = last,
                        .boot_id = text_of(value, "boot"),
                        .boottime_usec = (uint64_t)json_integer_value(json_object_get(value, "mono")),
                        .realtime_usec = audit_ts_parse(text_of(value, "ts")),
                };
                char space[AUDIT_BODY_MAX];
                struct audit_view view;
                size_t length;

                assert_int_equal(audit_record_encode(&entry, &place, space, &length), 0);
                assert_int_equal(length, strlen(body));
                assert_memory_equal(space, body, length);

                assert_true(audit_record_scan(body, length, &view));
                assert_int_equal(view.seq, i);
                assert_int_equal(view.outcome, entry.outcome);
                assert_int_equal(view.boottime_usec, place.boottime_usec);
                assert_true(audit_record_follows(&view, &last));

                last = audit_leaf_hash(body, length);
                assert_hash(&last, text_of(c, "leaf_hash"));
                json_decref(value);
        }
}

static void a_record_with_one_byte_changed_is_no_record(void **state)
{
        const char *body = text_of(json_array_get(list_of("records"), 1), "body");
        static const char *const changes[][2] = {
                { "\"v\":1", "\"v\":2" },         { "\"outcome\":\"pending\"", "\"outcome\":\"PENDING\"" },
                { "\"seq\":1", "\"seq\":-" },     { "\"boot\":\"0", "\"boot\":\"g" },
                { "06.500000Z", "06.500000z" },   { "\"prev\":\"7", "\"prev\":\"F" },
                { "{\"action\"", "{\"actiom\"" }, { "\"mono\":3", "\"mono\":+" },
        };

        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                char *changed = strdup(body), *at = strstr(changed, changes[i][0]);
                struct audit_view view;

                assert_non_null(at);
                memcpy(at, changes[i][1], strlen(changes[i][1]));
                assert_false(audit_record_scan(changed, strlen(changed), &view));
                free(changed);
        }
}

static void genesis_says_both_keys(void **state)
{
        const char *body = text_of(json_array_get(list_of("records"), 0), "body");
        struct audit_genesis genesis;
        uint8_t key[AUDIT_PUBLIC_KEY];
        char vkey[AUDIT_VKEY_MAX];

        assert_true(audit_genesis_parse(body, strlen(body), &genesis));
        assert_string_equal(genesis.origin, text_of(vectors, "origin"));
        from_hex(text_of(vectors, "log_public"), key, sizeof(key));
        assert_memory_equal(genesis.log_key, key, sizeof(key));
        from_hex(text_of(json_array_get(list_of("seal_keys"), 0), "public"), key, sizeof(key));
        assert_memory_equal(genesis.seal_key, key, sizeof(key));
        assert_int_equal(genesis.retention_days, 400);
        assert_false(genesis.continues);

        audit_vkey_write(genesis.origin, genesis.log_key, vkey);
        assert_string_equal(vkey, text_of(vectors, "log_vkey"));
        body = text_of(json_array_get(list_of("records"), 1), "body");
        assert_false(audit_genesis_parse(body, strlen(body), &genesis));
}

/* ---- the tree ------------------------------------------------------------------------------------------------- */

static void roots_are_those_of_the_vectors(void **state)
{
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        struct audit_tree tree = { 0 };
        size_t i;
        json_t *c;

        json_array_foreach (list_of("roots"), i, c) {
                const struct audit_hash root = audit_tree_root(&tree);
                char anchor[AUDIT_ANCHOR_MAX], wanted[AUDIT_ANCHOR_MAX];
                const char *body;
                struct audit_hash leaf;

                assert_int_equal(tree.size, json_integer_value(json_object_get(c, "size")));
                assert_hash(&root, text_of(c, "root"));
                audit_anchor_write(text_of(vectors, "origin"), tree.size, &root, anchor);
                snprintf(wanted, sizeof(wanted), "govaudit1 %s %zu %s", text_of(vectors, "origin"), i,
                         text_of(c, "root_b64"));
                assert_string_equal(anchor, wanted);

                if (i == json_array_size(list_of("records")))
                        break;
                body = text_of(json_array_get(list_of("records"), i), "body");
                leaf = audit_leaf_hash(body, strlen(body));
                assert_int_equal(audit_tree_push(&tree, &leaf, completed), 0);
        }
}

static void anchors_are_those_of_the_vectors(void **state)
{
        size_t i;
        json_t *c;

        assert_int_equal(json_array_size(list_of("anchors")), json_array_size(list_of("checkpoints")));
        json_array_foreach (list_of("checkpoints"), i, c) {
                const char *note = text_of(c, "note");
                char anchor[AUDIT_ANCHOR_MAX], origin[AUDIT_ORIGIN_MAX];
                struct audit_note parsed;

                assert_true(audit_note_parse(note, strlen(note), &parsed));
                snprintf(origin, sizeof(origin), "%.*s", (int)parsed.origin.length, parsed.origin.text);
                audit_anchor_write(origin, parsed.size, &parsed.root, anchor);
                assert_string_equal(anchor, json_string_value(json_array_get(list_of("anchors"), i)));
        }
}

static void check_sample(const struct audit_subtree *subtree, unsigned *seen)
{
        size_t i;
        json_t *sample;

        json_array_foreach (json_object_get(json_object_get(vectors, "subtree_70000"), "sample"), i, sample) {
                if (json_integer_value(json_array_get(sample, 0)) != subtree->level ||
                    json_integer_value(json_array_get(sample, 1)) != (json_int_t)subtree->index)
                        continue;
                assert_hash(&subtree->hash, json_string_value(json_array_get(sample, 2)));
                (*seen)++;
        }
}

static void seventy_thousand_leaves_complete_274_subtrees(void **state)
{
        const json_t *wanted = json_object_get(vectors, "subtree_70000");
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        struct audit_tree tree = { 0 }, edge = { 0 };
        unsigned count = 0, seen = 0;
        struct audit_hash root;

        for (unsigned i = 0; i < 70000; i++) {
                char text[16];
                const int length = snprintf(text, sizeof(text), "%u", i);
                const struct audit_hash leaf = audit_leaf_hash(text, (size_t)length);
                const unsigned n = audit_tree_push(&tree, &leaf, completed);

                for (unsigned k = 0; k < n; k++) {
                        struct audit_subtree unused[AUDIT_SUBTREES_MAX];

                        check_sample(&completed[k], &seen);
                        if (completed[k].level == 8) /* the same edge, built from subtrees */
                                audit_tree_push_node(&edge, 8, &completed[k].hash, unused);
                }
                count += n;
                if (i >= 69888)
                        audit_tree_push(&edge, &leaf, completed);
        }

        assert_int_equal(count, json_integer_value(json_object_get(wanted, "count")));
        assert_int_equal(seen, json_array_size(json_object_get(wanted, "sample")));
        root = audit_tree_root(&tree);
        assert_hash(&root, text_of(wanted, "root"));
        root = audit_tree_root(&edge);
        assert_hash(&root, text_of(wanted, "root"));
}

static void every_way_to_hash_agrees_at_every_length(void **state)
{
        uint8_t data[400], one[32], other[32], beside[32];

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t)(i * 7 + i / 13);
        for (size_t length = 0; length <= sizeof(data) - 3; length++) {
                audit_sha256_prefixed((uint8_t)length, data + length % 3, length, one);
                audit_sha256_prefixed_portable((uint8_t)length, data + length % 3, length, other);
                assert_memory_equal(one, other, sizeof(one));

                for (size_t second = 0; second <= sizeof(data); second += 37) {
                        audit_sha256_prefixed_two(
                                (uint8_t)length,
                                (const void *const[]){ data + length % 3, data + sizeof(data) - second },
                                (const size_t[]){ length, second }, (uint8_t *const[]){ one, beside });
                        assert_memory_equal(one, other, sizeof(one));
                        audit_sha256_prefixed_portable((uint8_t)length, data + sizeof(data) - second, second, one);
                        assert_memory_equal(one, beside, sizeof(one));
                }
        }
}

static void rfc_6962_known_answers(void **state)
{
        static const struct {
                const char *leaf;
                size_t length;
                const char *root; /* of this and all before */
        } answers[] = {
                { "", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
                { "\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
                { "\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
                { "\x20\x21", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" },
                { "\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4" },
                { "\x40\x41\x42\x43", 4, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef" },
                { "\x50\x51\x52\x53\x54\x55\x56\x57", 8,
                  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
                { "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16,
                  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
        };
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        struct audit_tree tree = { 0 };
        struct audit_hash root = audit_tree_root(&tree);

        assert_hash(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
                const struct audit_hash leaf = audit_leaf_hash(answers[i].leaf, answers[i].length);

                audit_tree_push(&tree, &leaf, completed);
                root = audit_tree_root(&tree);
                assert_hash(&root, answers[i].root);
        }
}

/* ---- notes and keys ------------------------------------------------------------------------------------------- */

static void secret_of(const char *seed_hex, uint8_t ret[AUDIT_SECRET_KEY])
{
        uint8_t seed[32], public_key[AUDIT_PUBLIC_KEY];

        from_hex(seed_hex, seed, sizeof(seed));
        crypto_sign_seed_keypair(public_key, ret, seed);
}

static void rfc_8032_known_answers(void **state)
{
        static const struct {
                const char *seed, *public_key, *message, *signature;
        } answers[] = {
                { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
                  "d25bf5f0595bbe24655141438e7a100b" },
                { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "\x72",
                  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
                  "387b2eaeb4302aeeb00d291612bb0c00" },
                { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "\xaf\x82",
                  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
                  "4a7c15e9716ed28dc027beceea1ec40a" },
        };

        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
                uint8_t secret[AUDIT_SECRET_KEY], public_key[32], signature[64], wanted[64];
                const uint8_t *message = (const uint8_t *)answers[i].message;
                const size_t length = strlen(answers[i].message);

                secret_of(answers[i].seed, secret);
                from_hex(answers[i].public_key, public_key, sizeof(public_key));
                from_hex(answers[i].signature, wanted, sizeof(wanted));
                assert_memory_equal(secret + 32, public_key, 32);
                crypto_sign_detached(signature, NULL, message, length, secret);
                assert_memory_equal(signature, wanted, sizeof(wanted));
                assert_int_equal(crypto_sign_verify_detached(wanted, message, length, public_key), 0);
                wanted[i] ^= 1;
                assert_int_not_equal(crypto_sign_verify_detached(wanted, message, length, public_key), 0);
        }
}

static void checkpoints_are_written_byte_by_byte(void **state)
{
        uint8_t log_secret[AUDIT_SECRET_KEY];
        size_t i;
        json_t *c;

        secret_of(text_of(vectors, "log_seed"), log_secret);
        json_array_foreach (list_of("checkpoints"), i, c) {
                uint8_t seal_secret[AUDIT_SECRET_KEY], next_secret[AUDIT_SECRET_KEY];
                const size_t size = (size_t)json_integer_value(json_object_get(c, "size"));
                struct audit_sealing sealing = {
                        .origin = text_of(vectors, "origin"),
                        .size = size,
                        .epoch = i,
                        .log_secret = log_secret,
                        .seal_secret = seal_secret,
                        .next_public = next_secret + 32,
                };
                char note[AUDIT_NOTE_MAX];
                size_t length;

                secret_of(text_of(json_array_get(list_of("seal_keys"), i), "seed"), seal_secret);
                secret_of(text_of(json_array_get(list_of("seal_keys"), i + 1), "seed"), next_secret);
                from_hex(text_of(json_array_get(list_of("roots"), size), "root"), sealing.root.bytes, 32);
                length = audit_note_write(&sealing, note);
                assert_string_equal(note, text_of(c, "note"));
                assert_int_equal(length, strlen(note));
        }
}

static void check_note(const char *text, size_t epoch)
{
        const json_t *seal_key = json_array_get(list_of("seal_keys"), epoch);
        uint8_t log_key[AUDIT_PUBLIC_KEY], key[AUDIT_PUBLIC_KEY], id[4];
        struct audit_note note;

        from_hex(text_of(vectors, "log_public"), log_key, sizeof(log_key));
        from_hex(text_of(seal_key, "public"), key, sizeof(key));
        from_hex(text_of(seal_key, "key_id"), id, sizeof(id));

        assert_true(audit_note_parse(text, strlen(text), &note));
        assert_int_equal(note.epoch, epoch);
        assert_memory_equal(note.seal_key_id, id, sizeof(id));
        assert_true(audit_note_log_signed(&note, log_key));
        assert_true(audit_note_sealed(&note, key));
        assert_false(audit_note_sealed(&note, log_key));
        assert_false(audit_note_log_signed(&note, key));
}

static void checkpoints_verify_and_a_cosignature_does_not_disturb(void **state)
{
        size_t i;
        json_t *c;

        json_array_foreach (list_of("checkpoints"), i, c)
                check_note(text_of(c, "note"), i);
        check_note(text_of(json_object_get(vectors, "witness"), "cosigned_note"), 3);
}

static void the_seal_message_names_epoch_next_and_text(void **state)
{
        const char *wanted = text_of(vectors, "seal_message_epoch_3");
        const char *text = text_of(json_array_get(list_of("checkpoints"), 3), "note");
        struct audit_note note;
        char message[1024];

        assert_true(audit_note_parse(text, strlen(text), &note));
        assert_int_equal(audit_seal_message(3, note.next, note.text, message, sizeof(message)), strlen(wanted));
        assert_string_equal(message, wanted);
        assert_int_equal(audit_seal_message(3, note.next, note.text, message, strlen(wanted)), -1);
}

static void malformed_notes_are_refused(void **state)
{
        const char *good = text_of(json_array_get(list_of("checkpoints"), 1), "note");
        static const char *const changes[][2] = {
                { "/1f2e3d4c\n4\n", "/1f2e3d4c\n04\n" },      /* a size with a leading zero */
                { "\n4\n", "\n4\nextension\n" },              /* extension lines */
                { "/1f2e3d4c\n4", "/1f2e3d4c\r\n4" },         /* CR is not LF */
                { "stuI=\n", "stuJ=\n" },                     /* base64 with bits that say nothing */
                { "stuI=\n", "stuI\n" },                      /* without padding */
                { "stuI=\n", "stuI= \n" },                    /* with a space */
                { "GAZO/ruO", "GAZO\xafruO" },                /* a slash with its top bit set */
                { "/seal K+Gp", "/seat K+Gp" },               /* no seal line */
                { "/seal K+Gp", "/seal  K+Gp" },              /* two spaces */
                { "\n\n\xe2\x80\x94", "\n\n\n\xe2\x80\x94" }, /* an empty line among the signatures */
                { "\n\n\xe2\x80\x94", "\n\n-" },              /* a hyphen is no dash */
        };
        char changed[2048], *twice;
        struct audit_note note;

        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                const char *at = strstr(good, changes[i][0]);

                assert_non_null(at);
                snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - good), good, changes[i][1],
                         at + strlen(changes[i][0]));
                if (audit_note_parse(changed, strlen(changed), &note))
                        fail_msg("accepted %zu: %s", i, changed);
        }

        twice = strstr(good, "/seal ") - strlen(text_of(vectors, "origin")) - 4;
        snprintf(changed, sizeof(changed), "%s%s", good, twice);
        assert_false(audit_note_parse(changed, strlen(changed), &note)); /* two seals */
        assert_false(audit_note_parse(good, strlen(good) - 1, &note));   /* the last LF is missing */
}

static void the_seal_key_file_has_two_slots(void **state)
{
        const char *hex = text_of(vectors, "seal_key_file_epoch_4");
        const json_t *key = json_array_get(list_of("seal_keys"), 4);
        char path[] = "/tmp/audit-sealkey-XXXXXX";
        uint8_t wanted[1024], bytes[1024] = { 0 }, secret[AUDIT_SECRET_KEY], loaded[AUDIT_SECRET_KEY];
        struct audit_slot slots[AUDIT_SLOTS];
        const int fd = mkstemp(path);

        from_hex(hex, wanted, sizeof(wanted));
        secret_of(text_of(key, "seed"), secret);
        assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
        assert_int_equal(audit_sealkey_store(fd, 3, secret), 0);
        assert_int_equal(audit_sealkey_erase(fd, 3), 0);
        assert_int_equal(audit_sealkey_store(fd, 4, secret), 0);
        assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
        assert_memory_equal(bytes, wanted, sizeof(wanted));

        assert_int_equal(audit_sealkey_read(fd, slots), 0);
        assert_true(slots[0].valid);
        assert_int_equal(slots[0].epoch, 4);
        assert_false(slots[1].valid);
        assert_int_equal(audit_sealkey_load(fd, 4, loaded), 0);
        assert_memory_equal(loaded, secret, sizeof(secret));
        assert_int_equal(audit_sealkey_load(fd, 5, loaded), -ENOKEY);

        bytes[20] ^= 1; /* a slot whose hash is wrong is empty */
        assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
        assert_int_equal(audit_sealkey_read(fd, slots), 0);
        assert_false(slots[0].valid);
        close(fd);
        unlink(path);
}

static void times_go_there_and_back(void **state)
{
        char ts[AUDIT_TS_LENGTH + 1];

        audit_ts_format(UINT64_C(1767323045000001), ts);
        assert_string_equal(ts, "2026-01-02T03:04:05.000001Z");
        assert_int_equal(audit_ts_parse(ts), UINT64_C(1767323045000001));
        audit_ts_format(UINT64_C(951827696999999), ts);
        assert_string_equal(ts, "2000-02-29T12:34:56.999999Z");
        assert_int_equal(audit_ts_parse(ts), UINT64_C(951827696999999));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_have_one_canonical_form),
                cmocka_unit_test(other_forms_are_refused),
                cmocka_unit_test(bytes_that_are_no_utf8_are_refused),
                cmocka_unit_test(values_without_a_canonical_form_are_refused),
                cmocka_unit_test(rfc_8785_known_answers),
                cmocka_unit_test(members_are_found_without_building_json),
                cmocka_unit_test(records_are_encoded_byte_by_byte),
                cmocka_unit_test(a_record_with_one_byte_changed_is_no_record),
                cmocka_unit_test(genesis_says_both_keys),
                cmocka_unit_test(roots_are_those_of_the_vectors),
                cmocka_unit_test(anchors_are_those_of_the_vectors),
                cmocka_unit_test(seventy_thousand_leaves_complete_274_subtrees),
                cmocka_unit_test(every_way_to_hash_agrees_at_every_length),
                cmocka_unit_test(rfc_6962_known_answers),
                cmocka_unit_test(rfc_8032_known_answers),
                cmocka_unit_test(checkpoints_are_written_byte_by_byte),
                cmocka_unit_test(checkpoints_verify_and_a_cosignature_does_not_disturb),
                cmocka_unit_test(the_seal_message_names_epoch_next_and_text),
                cmocka_unit_test(malformed_notes_are_refused),
                cmocka_unit_test(the_seal_key_file_has_two_slots),
                cmocka_unit_test(times_go_there_and_back),
        };

        return cmocka_run_group_tests(tests, load, unload);
}
