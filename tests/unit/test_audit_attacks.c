/* What comes from outside and means ill: bytes, sizes, clocks, and what SQLite keeps beside the text of a schema. */

#include "audit_world.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USEC_PER_SEC UINT64_C(1000000)
#define YEAR (365 * 24 * 3600 * USEC_PER_SEC)

static int append(struct audit_world *world, json_t *details)
{
        const int r = audit_append(
                world->audit,
                &(struct audit_entry){ .action = "file.access", .outcome = AUDIT_DENIED, .details = details }, NULL);

        json_decref(details);
        return r;
}

static char *last_details(struct audit_world *world)
{
        return audit_world_text(world, "SELECT body -> '$.details' FROM record ORDER BY seq DESC LIMIT 1");
}

static void expect_sealed(struct audit_world *world)
{
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

/* ---- bytes ---------------------------------------------------------------------------------------------------- */

static const struct {
        const char *bytes;
        size_t length;
        const char *details;
} texts[] = {
        { "/etc/shadow", 11, "{\"path\":\"/etc/shadow\"}" },
        { "/tmp/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 14, "{\"path\":\"/tmp/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}" },
        { "/tmp/\n\x1f\"\\\x7f", 10, "{\"path\":\"/tmp/\\n\\u001f\\\"\\\\\x7f\"}" },
        { "", 0, "{\"path\":\"\"}" },
        { "/tmp/\xff", 6, "{\"path_b64\":\"L3RtcC//\"}" },
        { "\xc0\xaf", 2, "{\"path_b64\":\"wK8=\"}" },             /* overlong */
        { "\xe0\x80\xaf", 3, "{\"path_b64\":\"4ICv\"}" },         /* overlong */
        { "\xed\xa0\x80", 3, "{\"path_b64\":\"7aCA\"}" },         /* half of a surrogate pair */
        { "\xf4\x90\x80\x80", 4, "{\"path_b64\":\"9JCAgA==\"}" }, /* past U+10FFFF */
        { "\xf0\x9f\x98", 3, "{\"path_b64\":\"8J+Y\"}" },         /* cut short */
        { "a\0b", 3, "{\"path_b64\":\"YQBi\"}" },
};

static void hostile_bytes_are_recorded_in_base64(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                json_t *details = json_object();
                char *stored;

                assert_int_equal(audit_details_bytes(details, "path", texts[i].bytes, texts[i].length), 0);
                assert_int_equal(append(world, details), 0);
                expect_sealed(world);
                stored = last_details(world);
                assert_string_equal(stored, texts[i].details);
                free(stored);
        }
}

/* Where nobody made base64 of them. */
static void hostile_bytes_as_text_are_refused(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        for (size_t i = 4; i < sizeof(texts) / sizeof(texts[0]); i++) {
                json_t *value = json_stringn_nocheck(texts[i].bytes, texts[i].length);

                assert_int_equal(append(world, json_pack("{s:O}", "path", value)), -EINVAL);
                assert_int_equal(append(world, json_pack("{s:[O]}", "list", value)), -EINVAL);
                json_decref(value);
                if (strlen(texts[i].bytes) < texts[i].length)
                        continue; /* a C string ends there */
                assert_int_equal(audit_append(world->audit,
                                              &(struct audit_entry){ .action = "file.access",
                                                                     .subject = texts[i].bytes,
                                                                     .outcome = AUDIT_OK },
                                              NULL),
                                 -EINVAL);
                assert_int_equal(audit_append(world->audit,
                                              &(struct audit_entry){ .action = "file.access",
                                                                     .actor = texts[i].bytes,
                                                                     .outcome = AUDIT_OK },
                                              NULL),
                                 -EINVAL);
        }
        assert_int_equal(audit_pending_count(world->audit), 0);
        assert_int_equal(append(world, NULL), 0);
        expect_sealed(world);
}

static void keys_are_not_made_of_anything(void **state)
{
        static const char *const keys[] = {
                "", "A", "a-b", "a b", "\xc3\xa9", "a.b", "a23456789012345678901234567890123", "\"", "$"
        };
        struct audit_world *world = *state;
        json_t *deep = json_object();

        audit_world_open(world);
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                assert_int_equal(append(world, json_pack("{s:i}", keys[i], 1)), -EINVAL);
        assert_int_equal(append(world, json_pack("{s:I}", "n", (json_int_t)9007199254740992)), -EINVAL);
        assert_int_equal(append(world, json_pack("{s:I}", "n", (json_int_t)INT64_MIN)), -EINVAL);
        assert_int_equal(append(world, json_pack("{s:I}", "n", (json_int_t)-9007199254740991)), 0);
        for (unsigned i = 0; i < 100; i++)
                deep = json_pack("{s:o}", "a", deep);
        assert_int_equal(append(world, deep), -EINVAL);
        expect_sealed(world);
}

/* ---- sizes ---------------------------------------------------------------------------------------------------- */

static void a_hundred_megabytes_of_details_are_refused(void **state)
{
        struct audit_world *world = *state;
        const size_t length = 100 << 20;
        char *large = malloc(length + 1);
        json_t *many = json_object(), *text;

        assert_non_null(large);
        memset(large, 'x', length);
        large[length] = '\0';
        text = json_stringn(large, length);
        free(large);
        audit_world_open(world);
        assert_int_equal(append(world, json_pack("{s:O}", "text", text)), -EMSGSIZE);
        json_decref(text);
        for (unsigned i = 0; i < 100000; i++) {
                char key[16];

                snprintf(key, sizeof(key), "k%u", i);
                json_object_set_new(many, key, json_integer(i));
        }
        assert_int_equal(append(world, many), -EMSGSIZE);
        assert_int_equal(audit_pending_count(world->audit), 0);
        assert_int_equal(append(world, json_pack("{s:s}", "sha256", "of what is too large")), 0);
        expect_sealed(world);
}

/* ---- clocks --------------------------------------------------------------------------------------------------- */

static void a_clock_that_jumps_a_year_is_recorded_and_no_alarm(void **state)
{
        struct audit_world *world = *state;
        static const int64_t jumps[] = { 1, -1, -1, 1, 0 };
        const uint64_t now = world->realtime;

        audit_world_open(world);
        for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
                audit_world_fill(world, 3, 2, AUDIT_SEAL);
                assert_false(
                        audit_seal_due(world->audit, world->boottime)); /* by the other clock, which did not jump */
                world->realtime = now + (uint64_t)(jumps[i] * (int64_t)YEAR);
                audit_world_fill(world, 3, 3, AUDIT_SEAL);
                audit_world_verify(world);
                audit_world_expect(world, 0, "");
                audit_world_close(world);
                audit_world_open(world);
                assert_int_equal(world->how.start, AUDIT_CONTINUED);
                expect_sealed(world);
        }
}

/* ---- the schema's own rows ------------------------------------------------------------------------------------ */

static void what_sqlite_keeps_beside_the_schemas_text_counts(void **state)
{
        static const char *const changes[] = {
                "UPDATE sqlite_schema SET sql=CAST(sql || x'00' || 'x' AS TEXT) WHERE name='record_no_update'",
                "UPDATE sqlite_schema SET type='Trigger' WHERE name='record_no_update'",
                "UPDATE sqlite_schema SET sql=replace(sql, 'BEFORE', 'before') WHERE name='record_no_update'",
        };
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 3, 3, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_copy(world, "audit.db", "kept.db");
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                char sql[256];

                snprintf(sql, sizeof(sql), "PRAGMA writable_schema=ON; %s", changes[i]);
                assert_int_equal(audit_world_sql(world, sql), SQLITE_OK);
                audit_world_verify(world);
                audit_world_expect(world, 3, "SCHEMA");
                audit_world_copy(world, "kept.db", "audit.db");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(hostile_bytes_are_recorded_in_base64),
                AUDIT_WORLD_TEST(hostile_bytes_as_text_are_refused),
                AUDIT_WORLD_TEST(keys_are_not_made_of_anything),
                AUDIT_WORLD_TEST(a_hundred_megabytes_of_details_are_refused),
                AUDIT_WORLD_TEST(a_clock_that_jumps_a_year_is_recorded_and_no_alarm),
                AUDIT_WORLD_TEST(what_sqlite_keeps_beside_the_schemas_text_counts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
