#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/json_stream.h"

static const struct json_stream_field fields[] = {
        { { "a" }, 'a' },
        { { "list", "*" }, 'l' },
        { { "list", "*", "id" }, 'i' },
        { { "deep", "er", "x" }, 'x' },
        { { "bag", "?" }, 'e' },
        { { "bag", "own" }, 'o' },
};

struct seen {
        char text[4096];
        int refuse;
};

static int on_value(void *self, unsigned tag, enum json_stream_kind kind, const char *text, size_t length)
{
        static const char kinds[] = "sntf0()k";
        struct seen *seen = self;
        size_t used = strlen(seen->text);

        assert_int_equal(strlen(text) <= length, 1);
        (void)snprintf(seen->text + used, sizeof(seen->text) - used, "%c%c%s;", (char)tag, kinds[kind], text);
        return seen->refuse;
}

static int read_text(const char *text, size_t piece, struct seen *seen, struct json_stream *json)
{
        const struct json_stream_sink sink = { .value = on_value, .self = seen };
        size_t size = strlen(text);
        int r = 0;

        *seen = (struct seen){ .refuse = seen->refuse };
        json_stream_init(json, fields, 6);
        for (size_t at = 0; r == 0 && at < size; at += piece)
                r = json_stream_feed(json, text + at, size - at < piece ? size - at : piece, &sink);
        return r < 0 ? r : json_stream_end(json, &sink);
}

static void reads(const char *text, const char *expected)
{
        struct json_stream json;
        struct seen seen = { .refuse = 0 };

        for (size_t piece = 1; piece <= strlen(text); piece++) {
                assert_int_equal(read_text(text, piece, &seen, &json), 0);
                assert_string_equal(seen.text, expected);
        }
}

static void refuses(const char *text, int error)
{
        struct json_stream json;
        struct seen seen = { .refuse = 0 };

        assert_int_equal(read_text(text, 1, &seen, &json), error);
        assert_int_equal(read_text(text, strlen(text) + 1, &seen, &json), error);
}

static void only_fields_of_the_table_are_told(void **state)
{
        reads("{\"a\":1,\"b\":2,\"c\":{\"a\":3,\"id\":4},\"deep\":{\"x\":5,\"er\":{\"x\":\"y\",\"a\":0}}}", "an1;xsy;");
        reads("[{\"a\":1}]", "");
        reads("\"a\"", "");
}

static void elements_are_told_with_their_begin_and_end(void **state)
{
        reads("{\"list\":[{\"id\":1,\"env\":{\"id\":2}}, 7, [] , {\"id\":null}]}", "l(;in1;l);ln7;l(;l);l(;i0;l);");
}

static void members_are_named_without_their_values(void **state)
{
        (void)state;
        reads("{\"bag\":{\"KEY\":\"secret\",\"own\":1,\"x\":{\"y\":2},\"?\":3}}", "ekKEY;ekown;on1;ekx;ek?;");
        reads("{\"bag\":[\"KEY\"],\"b\":{\"KEY\":1}}", "");
}

static void every_kind_of_value_is_told(void **state)
{
        reads(" { \"a\" : true } ", "at;");
        reads("{\"a\":false}", "af;");
        reads("{\"a\":-1.5e+3}", "an-1.5e+3;");
        reads("{\"a\":{}}", "a(;a);");
        reads("{\"a\":\"\\\"\\\\\\/\\b\\n\\t\"}", "as\"\\/\b\n\t;");
}

static void escaped_characters_become_utf8(void **state)
{
        reads("{\"a\":\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"}", "asA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80;");
        reads("{\"a\":\"\\ud83dx\\ude00\\ud83d\\ud83d\"}", "as?x???;");
        reads("{\"\\u0061\":1}", "an1;");
}

static void long_strings_are_cut_and_long_keys_match_nothing(void **state)
{
        char text[1024], expected[300] = "as";
        struct json_stream json;
        struct seen seen = { .refuse = 0 };

        (void)snprintf(text, sizeof(text), "{\"%0*d\":1,\"a\":\"%0*d\"}", 400, 0, 400, 0);
        memset(expected + 2, '0', JSON_STREAM_TOKEN_MAX - 1);
        memcpy(expected + 2 + JSON_STREAM_TOKEN_MAX - 1, ";", 2);
        assert_int_equal(read_text(text, 97, &seen, &json), 0);
        assert_string_equal(seen.text, expected);
}

static void what_is_not_json_is_refused(void **state)
{
        static const char *const bad[] = {
                "",           "{",     "}",         "[1,]", "{\"a\"}", "{\"a\":}",    "{\"a\" 1}",   "{a:1}", "nul",
                "nulL",       "truex", "{\"a\":1]", "[1}",  "\"open",  "\"\\x\"",     "\"\\u12g4\"", "{,}",   "[1 2]",
                "{\"a\":1,}", "1 1",   "[]]",       "{}{}", "'a'",     "{\"a\":1,,}", "undefined",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
                refuses(bad[i], -EBADMSG);
}

static void nesting_beyond_reason_is_refused(void **state)
{
        char text[100001];

        memset(text, '[', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        refuses(text, -E2BIG);
        reads("{\"b\":[[[[[[[[[[[[{\"a\":1}]]]]]]]]]]]],\"a\":2}", "an2;");
}

static void a_sink_that_refuses_ends_the_reading(void **state)
{
        struct json_stream json;
        struct seen seen = { .refuse = -ENOSPC };

        assert_int_equal(read_text("{\"a\":1,\"a\":2}", 5, &seen, &json), -ENOSPC);
        assert_string_equal(seen.text, "an1;");
}

static void nothing_unwanted_is_stored(void **state)
{
        static const char text[] =
                "{\"env\":{\"KEY\":\"sk-FAKE-1\",\"a\":\"sk-FAKE-2\"},\"b\":\"sk-FAKE-3\",\"a\":\"sk-FAKE-4\"}";
        struct json_stream json;
        struct seen seen = { .refuse = 0 };

        assert_int_equal(read_text(text, 7, &seen, &json), 0);
        assert_string_equal(seen.text, "assk-FAKE-4;");
        assert_null(memmem(&json, sizeof(json), "sk-FAKE-1", 9));
        assert_null(memmem(&json, sizeof(json), "sk-FAKE-2", 9));
        assert_null(memmem(&json, sizeof(json), "sk-FAKE-3", 9));
        json_stream_wipe(&json);
        assert_null(memmem(&json, sizeof(json), "FAKE", 4));
}

static void whole_numbers_are_whole(void **state)
{
        int64_t number = 7;

        assert_true(json_stream_integer(JSON_STREAM_NUMBER, "-12", &number));
        assert_int_equal(number, -12);
        assert_false(json_stream_integer(JSON_STREAM_STRING, "1", &number));
        assert_false(json_stream_integer(JSON_STREAM_NUMBER, "1.5", &number));
        assert_false(json_stream_integer(JSON_STREAM_NUMBER, "99999999999999999999", &number));
        assert_false(json_stream_integer(JSON_STREAM_NUMBER, "-", &number));
        assert_int_equal(number, -12);
}

/* ---- members ------------------------------------------------------------------------------------------------------------- */

static const struct json_stream_field member_fields[] = {
        { { "a", "env" }, 'e', true },
        { { "a" }, 'a', true },
        { { "a", "x" }, 'x' },
};

static bool on_member(void *self, unsigned tag, const char *key)
{
        struct seen *seen = self;
        size_t used = strlen(seen->text);

        (void)snprintf(seen->text + used, sizeof(seen->text) - used, "%c %s;", (char)tag, key);
        return key[0] != 'n';
}

static void on_raw(void *self, const char *data, size_t size)
{
        struct seen *seen = self;
        size_t used = strlen(seen->text);

        assert_true(size > 0);
        (void)snprintf(seen->text + used, sizeof(seen->text) - used, "%.*s", (int)size, data);
}

static int on_member_end(void *self, enum json_stream_kind kind)
{
        struct seen *seen = self;
        size_t used = strlen(seen->text);

        (void)snprintf(seen->text + used, sizeof(seen->text) - used, "|%d;", (int)kind);
        return seen->refuse;
}

static int read_members(const char *text, size_t piece, struct seen *seen)
{
        const struct json_stream_sink sink = { on_value, seen, on_member, on_raw, on_member_end };
        struct json_stream json;
        size_t size = strlen(text);
        int r = 0;

        *seen = (struct seen){ .refuse = seen->refuse };
        json_stream_init(&json, member_fields, 3);
        for (size_t at = 0; r == 0 && at < size; at += piece)
                r = json_stream_feed(&json, text + at, size - at < piece ? size - at : piece, &sink);
        return r < 0 ? r : json_stream_end(&json, &sink);
}

static void reads_members(const char *text, const char *expected)
{
        struct seen seen = { .refuse = 0 };

        for (size_t piece = 1; piece <= strlen(text); piece++) {
                assert_int_equal(read_members(text, piece, &seen), 0);
                assert_string_equal(seen.text, expected);
        }
}

static void members_come_raw_and_as_they_stand(void **state)
{
        (void)state;
        reads_members("{\"a\":{\"s\":\"x \\\" y\",\"t\":true,\"i\":12 ,\"no\":3}}",
                      "a(;a s;\"x \\\" y\"|0;a t;true|2;a i;12|1;a no;a);");
        reads_members("{ \"a\" : { \"o\" : { \"b\" : [ 1 , \"2 3\" ] } , \"i\":-1.5e3}, \"b\": { \"c\": 1 } }",
                      "a(;a o;{\"b\":[1,\"2 3\"]}|6;a i;-1.5e3|1;a);");
}

static void objects_with_members_stand_in_each_other(void **state)
{
        (void)state;
        reads_members("{\"a\":{\"i\":1,\"nenv\":{\"env\":2},\"x\":null}}", "a(;a i;1|1;a nenv;a x;nulx0;l|4;a);");
        reads_members("{\"a\":{\"env\":{\"k\":1}}}",
                      "a(;a env;e(;{\"k\":1e);}|6;a);"); /* wanted raw: not asked about again */
}

static void a_sink_may_end_it_at_a_member(void **state)
{
        struct seen seen = { .refuse = -5 };

        (void)state;
        assert_int_equal(read_members("{\"a\":{\"k\":1}}", 3, &seen), -5);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_fields_of_the_table_are_told),
                cmocka_unit_test(elements_are_told_with_their_begin_and_end),
                cmocka_unit_test(members_are_named_without_their_values),
                cmocka_unit_test(every_kind_of_value_is_told),
                cmocka_unit_test(escaped_characters_become_utf8),
                cmocka_unit_test(long_strings_are_cut_and_long_keys_match_nothing),
                cmocka_unit_test(what_is_not_json_is_refused),
                cmocka_unit_test(nesting_beyond_reason_is_refused),
                cmocka_unit_test(a_sink_that_refuses_ends_the_reading),
                cmocka_unit_test(nothing_unwanted_is_stored),
                cmocka_unit_test(whole_numbers_are_whole),
                cmocka_unit_test(members_come_raw_and_as_they_stand),
                cmocka_unit_test(objects_with_members_stand_in_each_other),
                cmocka_unit_test(a_sink_may_end_it_at_a_member),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
