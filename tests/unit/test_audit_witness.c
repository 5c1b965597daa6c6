/* Verifier keys of logs and witnesses, and cosignatures of checkpoints. */

#include "audit/audit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static json_t *vectors;

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

static const char *witness_text(const char *key)
{
        return json_string_value(json_object_get(json_object_get(vectors, "witness"), key));
}

/* The last line of the cosigned note, without its LF. */
static struct audit_slice cosignature(void)
{
        const char *note = witness_text("cosigned_note"), *at = note + strlen(note) - 1, *end = at;

        while (at[-1] != '\n')
                at--;
        return (struct audit_slice){ at, (size_t)(end - at) };
}

static struct audit_vkey vkey_of(const char *text)
{
        struct audit_vkey vkey;

        assert_int_equal(audit_vkey_read(text, &vkey), 0);
        return vkey;
}

static int check(struct audit_slice line, const struct audit_vkey *witness, uint64_t *ret_time)
{
        const char *note = witness_text("cosigned_note");

        return audit_cosignature_check(note, strlen(note), line, witness, ret_time);
}

static void keys_of_logs_and_witnesses_are_read(void **state)
{
        const struct audit_vkey log = vkey_of(json_string_value(json_object_get(vectors, "log_vkey")));
        const struct audit_vkey witness = vkey_of(witness_text("vkey"));

        assert_string_equal(log.name, "vps1.example/governor/1f2e3d4c");
        assert_int_equal(log.type, 0x01);
        assert_memory_equal(log.id, "\x16\xe8\x02\xf0", 4);
        assert_int_equal(log.key[0], 0x03);
        assert_string_equal(witness.name, "witness.example/w1");
        assert_int_equal(witness.type, 0x04);
        assert_memory_equal(witness.id, "\xb1\xc3\x05\x6e", 4);
}

static void other_keys_are_refused(void **state)
{
        static const char *const bad[] = {
                "",
                "+",
                "++",
                "witness.example/w1",
                "witness.example/w1+b1c3056e",
                "witness.example/w1+b1c3056e+",
                "witness.example/w1+b1c3056f+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin",   /* another id */
                "witness.example/w2+b1c3056e+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin",   /* another name */
                "witness.example/w1+b1c3056e+BZp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin",   /* another type */
                "witness.example/w1+b1c3056e+AZp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin",   /* a log's type */
                "witness.example/w1+b1c3056e+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJ==",   /* short */
                "witness.example/w1+b1c3056e+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJinAA", /* long */
                "witness.example/w1+B1C3056E+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin",   /* one form only */
                "witness.example/w1+b1c3056e+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin\n",
                "witness.example/w1+b1c3056e +BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin",
                "witness example/w1+b1c3056e+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin",
                "+b1c3056e+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin",
        };
        struct audit_vkey vkey;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (audit_vkey_read(bad[i], &vkey) != -EINVAL)
                        fail_msg("accepted: %s", bad[i]);
}

static void a_cosignature_says_who_and_when(void **state)
{
        const struct audit_vkey witness = vkey_of(witness_text("vkey"));
        uint64_t time = 0;

        assert_int_equal(check(cosignature(), &witness, &time), 0);
        assert_int_equal(time, json_integer_value(json_object_get(json_object_get(vectors, "witness"), "time")));
}

static void a_line_by_another_key_is_nobodys_word(void **state)
{
        struct audit_vkey witness = vkey_of(witness_text("vkey"));
        uint64_t time = 7;

        witness.id[3] ^= 1;
        assert_int_equal(check(cosignature(), &witness, &time), -ENOKEY);
        witness = vkey_of(witness_text("vkey"));
        witness.name[0] = 'W';
        assert_int_equal(check(cosignature(), &witness, &time), -ENOKEY);
        witness = vkey_of(json_string_value(json_object_get(vectors, "log_vkey")));
        assert_int_equal(check(cosignature(), &witness, &time), -ENOKEY);
        assert_int_equal(time, 7);
}

static void a_cosignature_of_something_else_is_rejected(void **state)
{
        const char *other =
                json_string_value(json_object_get(json_array_get(json_object_get(vectors, "checkpoints"), 2), "note"));
        struct audit_vkey witness = vkey_of(witness_text("vkey"));
        const struct audit_slice line = cosignature();
        char changed[512];
        uint64_t time;

        assert_int_equal(audit_cosignature_check(other, strlen(other), line, &witness, &time), -EKEYREJECTED);
        witness.key[31] ^= 1;
        assert_int_equal(check(line, &witness, &time), -EKEYREJECTED);
        witness.key[31] ^= 1;

        /* every character after the key id, changed: the time and the signature are covered */
        for (size_t i = line.length - 96; i < line.length - 4; i++) {
                memcpy(changed, line.text, line.length);
                changed[i] = changed[i] == 'A' ? 'B' : 'A';
                assert_int_equal(check((struct audit_slice){ changed, line.length }, &witness, &time), -EKEYREJECTED);
        }
}

static void what_is_no_line_of_a_note_is_malformed(void **state)
{
        const struct audit_vkey witness = vkey_of(witness_text("vkey"));
        const char *note = witness_text("cosigned_note");
        const struct audit_slice line = cosignature();
        static char long_line[16384];
        uint64_t time;

        assert_int_equal(check((struct audit_slice){ line.text, line.length + 1 }, &witness, &time), -EBADMSG);
        assert_int_equal(check((struct audit_slice){ line.text, line.length - 1 }, &witness, &time), -EBADMSG);
        assert_int_equal(check((struct audit_slice){ line.text + 1, line.length - 1 }, &witness, &time), -EBADMSG);
        assert_int_equal(check((struct audit_slice){ "", 0 }, &witness, &time), -EBADMSG);
        memset(long_line, 'A', sizeof(long_line));
        assert_int_equal(check((struct audit_slice){ long_line, sizeof(long_line) }, &witness, &time), -EBADMSG);
        assert_int_equal(audit_cosignature_check(note, strlen(note) - 1, line, &witness, &time), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keys_of_logs_and_witnesses_are_read),
                cmocka_unit_test(other_keys_are_refused),
                cmocka_unit_test(a_cosignature_says_who_and_when),
                cmocka_unit_test(a_line_by_another_key_is_nobodys_word),
                cmocka_unit_test(a_cosignature_of_something_else_is_rejected),
                cmocka_unit_test(what_is_no_line_of_a_note_is_malformed),
        };

        return cmocka_run_group_tests(tests, load, unload);
}
