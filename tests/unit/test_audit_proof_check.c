/* The checker of proofs reads what anyone may have written: what it accepts is proven, what it refuses it names. */

#include "audit/audit.h"

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NO_RECORD "it does not hold the record"
#define BAD_INDEX "the index is missing, or not written as a number is"
#define BAD_HASH "a hash is not written as one is"
#define NO_CHECKPOINT "it does not end with a checkpoint"
#define NO_WAY "the hashes do not lead from the record to the checkpoint"
#define NOT_SIGNED "the log has not signed the checkpoint"

static json_t *vectors;
static struct audit_proved proved;

static int load(void **state)
{
        (void)state;
        vectors = json_load_file("tests/data/audit/vectors.json", JSON_ALLOW_NUL, NULL);
        return vectors ? 0 : -1;
}

static int unload(void **state)
{
        (void)state;
        json_decref(vectors);
        return 0;
}

static const char *good_proof(void)
{
        return json_string_value(json_object_get(vectors, "tlog_proof_seq_5"));
}

static const char *witness_text(const char *key)
{
        return json_string_value(json_object_get(json_object_get(vectors, "witness"), key));
}

static struct audit_trust trust_of_log(void)
{
        struct audit_trust trust = { .quorum = 0 };

        assert_int_equal(audit_vkey_read(json_string_value(json_object_get(vectors, "log_vkey")), &trust.log), 0);
        return trust;
}

static int check(const char *text, size_t length)
{
        const struct audit_trust trust = trust_of_log();
        char *exact = malloc(length ?: 1); /* so that a sanitizer sees a byte too far */
        int r;

        memcpy(exact, text, length);
        r = audit_proof_check(exact, length, &trust, &proved);
        free(exact);
        return r;
}

static void expect(const char *text, int error, const char *why)
{
        assert_int_equal(check(text, strlen(text)), error);
        assert_string_equal(proved.why, why);
}

/* The good proof with `from` replaced where it stands first. */
static const char *changed(const char *from, const char *to)
{
        static char text[8192];
        const char *good = good_proof(), *at = strstr(good, from);

        assert_non_null(at);
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
        return text;
}

/* ---- what is proven --------------------------------------------------------------------------------------------- */

static void a_good_proof_gives_the_record(void **state)
{
        const char *body =
                json_string_value(json_object_get(json_array_get(json_object_get(vectors, "records"), 5), "body"));

        assert_int_equal(check(good_proof(), strlen(good_proof())), 0);
        assert_null(proved.why);
        assert_int_equal(proved.seq, 5);
        assert_int_equal(proved.size, 10);
        assert_int_equal(proved.body.length, strlen(body));
        assert_string_equal(proved.body.text, body);
}

static void every_flipped_bit_is_noticed_or_meant_for_others(void **state)
{
        const size_t length = strlen(good_proof());
        const char *seal = strstr(good_proof(), "/seal ") - strlen("\xe2\x80\x94 vps1.example/governor/1f2e3d4c");
        char *text = strdup(good_proof());

        for (size_t i = 0; i < length; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        int r;

                        text[i] ^= (char)(1 << bit);
                        r = check(text, length);
                        text[i] ^= (char)(1 << bit);
                        if (r != -EBADMSG && r != -EKEYREJECTED && (r != 0 || i < (size_t)(seal - good_proof())))
                                fail_msg("byte %zu bit %u: %d", i, bit, r);
                }
        free(text);
}

static void any_shorter_proof_is_none(void **state)
{
        const char *seal_line = strstr(good_proof(), "/seal ") - strlen("\xe2\x80\x94 vps1.example/governor/1f2e3d4c");
        const size_t length = strlen(good_proof()), without_seal = (size_t)(seal_line - good_proof());

        for (size_t n = 0; n < length; n++) {
                const int r = check(good_proof(), n);

                assert_true(n == without_seal ? r == 0 : r == -EBADMSG || r == -EKEYREJECTED);
        }
}

/* ---- what is no proof ------------------------------------------------------------------------------------------- */

static void what_is_malformed_is_named(void **state)
{
        static const struct {
                const char *from, *to, *why;
        } changes[] = {
                { "tlog-proof@v1", "tlog-proof@v2", "the first line is not that of a proof" },
                { "c2sp.org", " c2sp.org", "the first line is not that of a proof" },
                { "@v1\n", "@v1\r\n", "the first line is not that of a proof" },
                { "extra ", "Extra ", NO_RECORD },
                { "extra ", "extra", NO_RECORD },
                { "extra ", "extra  ", "the record is not in canonical base64" },
                { "fQ==\n", "fQ=\n", "the record is not in canonical base64" },
                { "fQ==\n", "fR==\n", "the record is not in canonical base64" },
                { "fQ==\n", "fQ==\r\n", "the record is not in canonical base64" },
                { "extra eyJ", "extra ey-", "the record is not in canonical base64" },
                { "index 5", "index 05", BAD_INDEX },
                { "index 5", "index +5", BAD_INDEX },
                { "index 5", "index -5", BAD_INDEX },
                { "index 5", "index 5 ", BAD_INDEX },
                { "index 5", "index  5", BAD_INDEX },
                { "index 5", "index", BAD_INDEX },
                { "index 5", "index 9007199254740992", BAD_INDEX },
                { "index 5", "index 18446744073709551621", BAD_INDEX },
                { "index 5\n", "", BAD_INDEX },
                { "2dPk=\n", "2dPk\n", BAD_HASH },
                { "2dPk=\n", "2dPl=\n", BAD_HASH },
                { "2dPk=\n", "2dPk= \n", BAD_HASH },
                { "2dPk=\n", "2dPk=\r\n", BAD_HASH },
                { "CdZ2oH", " CdZ2oH", BAD_HASH },
                { "CdZ2oH", "CdZ2", BAD_HASH },
                { "\n\nvps1", "\nvps1", BAD_HASH },
                { "\n\nvps1", "\n\n\nvps1", NO_CHECKPOINT },
                { "\n10\n", "\n010\n", NO_CHECKPOINT },
                { "\n10\n", "\n10\nextension\n", NO_CHECKPOINT },
                { "\n\n\xe2\x80\x94", "\n\xe2\x80\x94", NO_CHECKPOINT },
                { "\xe2\x80\x94 vps1", "- vps1", NO_CHECKPOINT },
        };

        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
                expect(changed(changes[i].from, changes[i].to), -EBADMSG, changes[i].why);
        expect("", -EBADMSG, "the first line is not that of a proof");
        expect("c2sp.org/tlog-proof@v1\nextra AA==\nindex 0\n", -EBADMSG, "it ends before the checkpoint");
        expect("c2sp.org/tlog-proof@v1\nextra AA==\nindex 0\n\n", -EBADMSG, NO_CHECKPOINT);
}

static void there_are_limits(void **state)
{
        static const char hash[] = "CdZ2oH+mUPA81Qe9bYcQuisJvdE8AlGL8vmW4Ik2dPk=\n";
        static char many[65 * (sizeof(hash) - 1) + 16] = "";
        char *large = malloc(1 << 20), *at;

        strcpy(many, "index 5\n");
        for (unsigned i = 0; i < 61; i++)
                strcat(many, hash);
        expect(changed("index 5\n", many), -EBADMSG, "it has more hashes than any tree");

        memset(large, 'A', 1 << 20);
        assert_int_equal(check(large, 1 << 20), -EBADMSG);
        assert_string_equal(proved.why, "it is longer than a proof can be");

        /* a record of one byte too many: 65,536 */
        at = large + sprintf(large, "c2sp.org/tlog-proof@v1\nextra ");
        memset(at, 'A', 87384);
        strcpy(at + 87382, "==\nindex 0\n\n");
        strcat(large, strstr(good_proof(), "\n\n") + 2);
        expect(large, -EBADMSG, "the record is not in canonical base64");
        free(large);
}

/* ---- what proves nothing ----------------------------------------------------------------------------------------- */

static void hashes_lead_to_one_place_only(void **state)
{
        static const char *const hashes[] = {
                "CdZ2oH+mUPA81Qe9bYcQuisJvdE8AlGL8vmW4Ik2dPk=\n",
                "f7SUkWhKMRqI59C3Fm5pgX8zAHBAE5AxNJEzXV72wLg=\n",
                "QgCGauAuIlo6UiQShUwaGkxzm7gfn+HEAqjT8+/stuI=\n",
                "K9OsQIyNdOJsBPZN2S3Nz0vz4n4HShfPBqisNe2lsd0=\n",
        };
        char twice[128], other[64];

        for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
                expect(changed(hashes[i], ""), -EKEYREJECTED, NO_WAY); /* dropped */
                snprintf(twice, sizeof(twice), "%s%s", hashes[i], hashes[i]);
                expect(changed(hashes[i], twice), -EKEYREJECTED, NO_WAY); /* added */
                strcpy(other, hashes[i]);
                other[0] = other[0] == 'A' ? 'B' : 'A';
                expect(changed(hashes[i], other), -EKEYREJECTED, NO_WAY); /* changed */
        }
        snprintf(twice, sizeof(twice), "%s%s", hashes[0], hashes[1]);
        snprintf(other, sizeof(other), "%s", hashes[1]);
        expect(changed(twice, hashes[1]), -EKEYREJECTED, NO_WAY);
}

static void number_and_size_are_bound(void **state)
{
        expect(changed("index 5", "index 4"), -EKEYREJECTED, NO_WAY);
        expect(changed("index 5", "index 6"), -EKEYREJECTED, NO_WAY);
        expect(changed("index 5", "index 0"), -EKEYREJECTED, NO_WAY);
        expect(changed("index 5", "index 9"), -EKEYREJECTED, NO_WAY);
        expect(changed("index 5", "index 10"), -EKEYREJECTED, "the checkpoint is older than the record");
        expect(changed("index 5", "index 9007199254740991"), -EKEYREJECTED, "the checkpoint is older than the record");
        expect(changed("\n10\n", "\n9\n"), -EKEYREJECTED, NOT_SIGNED);
        expect(changed("\n10\n", "\n11\n"), -EKEYREJECTED, NOT_SIGNED);
        expect(changed("\n10\n", "\n0\n"), -EKEYREJECTED, NOT_SIGNED);
        expect(changed("extra eyJhY3", "extra eyJhY2"), -EKEYREJECTED, NO_WAY);
}

static void only_this_log_is_believed(void **state)
{
        const char *good = good_proof();
        struct audit_trust trust = trust_of_log();

        expect(changed("\n\nvps1", "\n\nvps2"), -EKEYREJECTED, "the checkpoint is of another log");
        strcpy(trust.log.name, "vps2.example");
        assert_int_equal(audit_proof_check(good, strlen(good), &trust, &proved), -EKEYREJECTED);
        trust = trust_of_log();
        trust.log.key[0] ^= 1;
        assert_int_equal(audit_proof_check(good, strlen(good), &trust, &proved), -EKEYREJECTED);
        assert_string_equal(proved.why, NOT_SIGNED);
        trust = trust_of_log();
        trust.log.type = 0x04;
        assert_int_equal(audit_proof_check(good, strlen(good), &trust, &proved), -EINVAL);
}

/* ---- witnesses --------------------------------------------------------------------------------------------------- */

static void a_quorum_of_witnesses_is_asked_for(void **state)
{
        const char *good = good_proof();
        const size_t head = (size_t)(strstr(good, "\n\n") - good) + 2;
        struct audit_trust trust = trust_of_log();
        struct audit_vkey witness;
        char text[8192], *at;

        assert_int_equal(audit_vkey_read(witness_text("vkey"), &witness), 0);
        trust.witnesses = &witness;
        trust.witnesses_n = 1;
        trust.quorum = 1;
        assert_int_equal(audit_proof_check(good, strlen(good), &trust, &proved), -EKEYREJECTED);
        assert_string_equal(proved.why, "too few witnesses have cosigned the checkpoint");

        snprintf(text, sizeof(text), "%.*s%s", (int)head, good, witness_text("cosigned_note"));
        assert_int_equal(audit_proof_check(text, strlen(text), &trust, &proved), 0);
        trust.quorum = 2;
        assert_int_equal(audit_proof_check(text, strlen(text), &trust, &proved), -EKEYREJECTED);

        /* a line that claims to be this witness's must be, even when nobody asks for one */
        at = strstr(text, "witness.example/w1 ") + strlen("witness.example/w1 scMFbgAAAABpVzXc");
        *at ^= 1;
        trust.quorum = 0;
        assert_int_equal(audit_proof_check(text, strlen(text), &trust, &proved), -EKEYREJECTED);
        assert_string_equal(proved.why, "the cosignature of a witness does not verify");

        /* by a witness that is not known it is nobody's word */
        trust.witnesses_n = 0;
        assert_int_equal(audit_proof_check(text, strlen(text), &trust, &proved), 0);
        witness.type = 0x01;
        trust.witnesses_n = 1;
        assert_int_equal(audit_proof_check(text, strlen(text), &trust, &proved), -EINVAL);
}

/* ---- what else the log may hold ----------------------------------------------------------------------------------- */

/* A log of one leaf that is no record, rightly signed: its bytes could be anything, such as a terminal's commands. */
static void what_is_logged_must_be_a_record(void **state)
{
        static const char leaf[] = "\x1b[2Jnot a record";
        uint8_t key[32], secret[64], root[32], payload[4 + 64], typed[33] = { 0x01 }, hash[32];
        char note[256], text[1024], base64[128], body[64];
        crypto_hash_sha256_state sha;
        struct audit_trust trust = { .quorum = 0 };

        assert_true(sodium_init() >= 0);
        crypto_sign_keypair(key, secret);
        memcpy(typed + 1, key, 32);
        crypto_hash_sha256_init(&sha);
        crypto_hash_sha256_update(&sha, (const uint8_t *)"l.example\n", 10);
        crypto_hash_sha256_update(&sha, typed, sizeof(typed));
        crypto_hash_sha256_final(&sha, hash);
        memcpy(payload, hash, 4);
        trust.log.type = 0x01;
        strcpy(trust.log.name, "l.example");
        memcpy(trust.log.key, key, 32);
        memcpy(trust.log.id, hash, 4);

        crypto_hash_sha256_init(&sha);
        crypto_hash_sha256_update(&sha, (const uint8_t *)"", 1);
        crypto_hash_sha256_update(&sha, (const uint8_t *)leaf, sizeof(leaf) - 1);
        crypto_hash_sha256_final(&sha, root);
        sodium_bin2base64(base64, sizeof(base64), root, 32, sodium_base64_VARIANT_ORIGINAL);
        snprintf(note, sizeof(note), "l.example\n1\n%s\n", base64);
        crypto_sign_detached(payload + 4, NULL, (const uint8_t *)note, strlen(note), secret);
        sodium_bin2base64(base64, sizeof(base64), payload, sizeof(payload), sodium_base64_VARIANT_ORIGINAL);
        sodium_bin2base64(body, sizeof(body), (const uint8_t *)leaf, sizeof(leaf) - 1, sodium_base64_VARIANT_ORIGINAL);
        snprintf(text, sizeof(text), "c2sp.org/tlog-proof@v1\nextra %s\nindex 0\n\n%s\n\xe2\x80\x94 l.example %s\n",
                 body, note, base64);
        assert_int_equal(audit_proof_check(text, strlen(text), &trust, &proved), -EKEYREJECTED);
        assert_string_equal(proved.why, "what is proven is not the record of this number");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_good_proof_gives_the_record),
                cmocka_unit_test(every_flipped_bit_is_noticed_or_meant_for_others),
                cmocka_unit_test(any_shorter_proof_is_none),
                cmocka_unit_test(what_is_malformed_is_named),
                cmocka_unit_test(there_are_limits),
                cmocka_unit_test(hashes_lead_to_one_place_only),
                cmocka_unit_test(number_and_size_are_bound),
                cmocka_unit_test(only_this_log_is_believed),
                cmocka_unit_test(a_quorum_of_witnesses_is_asked_for),
                cmocka_unit_test(what_is_logged_must_be_a_record),
        };

        return cmocka_run_group_tests(tests, load, unload);
}
