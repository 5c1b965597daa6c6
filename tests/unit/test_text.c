#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static void text_that_fits_is_copied_whole(void **state)
{
        char buffer[6];

        assert_true(text_copy(buffer, sizeof(buffer), "lilys"));
        assert_string_equal(buffer, "lilys");
        assert_true(text_copy(buffer, sizeof(buffer), ""));
        assert_string_equal(buffer, "");
}

static void text_that_does_not_fit_is_cut_between_characters(void **state)
{
        char buffer[6];

        assert_false(text_copy(buffer, sizeof(buffer), "lilies"));
        assert_string_equal(buffer, "lilie");
        assert_false(text_copy(buffer, sizeof(buffer), "lil\xE2\x82\xAC"));
        assert_string_equal(buffer, "lil");
        assert_false(text_copy(buffer, sizeof(buffer), "li\xE2\x82\xAC!"));
        assert_string_equal(buffer, "li\xE2\x82\xAC");
        assert_false(text_copy(buffer, 1, "x"));
        assert_string_equal(buffer, "");
        assert_false(text_copy(buffer, 0, "x"));
}

static void names_of_strangers_cannot_speak_to_the_terminal(void **state)
{
        char buffer[64];

        assert_true(text_copy_safe(buffer, sizeof(buffer), "a\x1b[31mb\nc\x7f"));
        assert_string_equal(buffer, "a?[31mb?c?");
        assert_true(text_copy_safe(buffer, sizeof(buffer),
                                   "\xC2\x9B"
                                   "31m"));
        assert_string_equal(buffer, "?31m");
        assert_true(text_copy_safe(buffer, sizeof(buffer),
                                   "b\xC3\xA4r \xE2\x80\xAE"
                                   "exe"));
        assert_string_equal(buffer, "b\xC3\xA4r ?exe");
        assert_true(text_copy_safe(buffer, sizeof(buffer), "\xFF\xC3(\xED\xA0\x80\xF4\x90\x80\x80\xC0\x80"));
        assert_string_equal(buffer, "??"
                                    "(?????????");
        assert_false(text_copy_safe(buffer, 4, "li\xC3\xA4"));
        assert_string_equal(buffer, "li");
}

static void appending_stops_at_the_end_of_the_buffer(void **state)
{
        char buffer[8] = "ab";

        text_append(buffer, sizeof(buffer), "%d", 12);
        assert_string_equal(buffer, "ab12");
        text_append(buffer, sizeof(buffer), "%s", "xy\xC3\xA4z");
        assert_string_equal(buffer, "ab12xy");
        text_append(buffer, sizeof(buffer), "%s", "34");
        assert_string_equal(buffer, "ab12xy3");
        text_append(buffer, sizeof(buffer), "%s", "5");
        assert_string_equal(buffer, "ab12xy3");
}

static void spans_read_as_people_say_them(void **state)
{
        static const struct {
                usec_t span;
                const char *text;
        } cases[] = {
                { 0, "0ms" },
                { 350 * USEC_PER_MSEC, "350ms" },
                { 3140 * USEC_PER_MSEC, "3.1s" },
                { 5 * USEC_PER_SEC, "5s" },
                { 45900 * USEC_PER_MSEC, "45s" },
                { 60 * USEC_PER_SEC, "1m" },
                { 90 * USEC_PER_SEC, "1m 30s" },
                { 12 * USEC_PER_MINUTE, "12m" },
                { 125 * USEC_PER_MINUTE, "2h 5m" },
                { 2 * USEC_PER_HOUR + 59 * USEC_PER_SEC, "2h" },
                { 76 * USEC_PER_HOUR, "3d 4h" },
                { USEC_INFINITY - 1, "213503982d 8h" },
                { USEC_INFINITY, "forever" },
        };
        char buffer[TEXT_SPAN_MAX];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(text_span(buffer, cases[i].span), cases[i].text);
}

static void bytes_read_as_people_say_them(void **state)
{
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = {
                { 0, "0B" },
                { 1023, "1023B" },
                { 512 << 10, "512K" },
                { (1 << 20) - 513, "1023K" },
                { (1 << 20) - 512, "1.0M" },
                { 64382566, "61.4M" },
                { UINT64_C(1) << 31, "2.0G" },
                { (UINT64_C(1) << 30) - 1, "1.0G" },
                { UINT64_MAX, "16.0E" },
        };
        char buffer[TEXT_BYTES_MAX];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(text_bytes(buffer, cases[i].bytes), cases[i].text);
}

static void a_count_is_grouped_by_thousands(void **state)
{
        static const struct {
                uint64_t count;
                const char *text;
        } cases[] = { { 0, "0" },
                      { 999, "999" },
                      { 1000, "1,000" },
                      { 38000, "38,000" },
                      { 100000, "100,000" },
                      { 1234567, "1,234,567" },
                      { UINT64_MAX, "18,446,744,073,709,551,615" } };
        char buffer[TEXT_COUNT_MAX];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(text_count(buffer, cases[i].count), cases[i].text);
}

static void globs_match_whole_strings(void **state)
{
        static const struct {
                const char *pattern, *string;
                bool matches;
        } cases[] = {
                { "", "", true },
                { "", "a", false },
                { "*", "", true },
                { "*", "anything/at.all", true },
                { "lily", "lily", true },
                { "lily", "lily2", false },
                { "li?y", "lily", true },
                { "li?y", "liy", false },
                { "b?r", "b\xC3\xA4r", true },
                { "agent-*.service", "agent-lily.service", true },
                { "agent-*.service", "agent-.service", true },
                { "agent-*.service", "agent-lily.timer", false },
                { "*a*b*c", "xxaxxbxxbxc", true },
                { "*a*b*c", "xxaxxcxxb", false },
                { "w[0-9]", "w7", true },
                { "w[0-9]", "wa", false },
                { "w[!0-9]", "wa", true },
                { "w[^0-9]", "w1", false },
                { "w[]x]", "w]", true },
                { "w[a-]", "w-", true },
                { "w[\xC3\xA0-\xC3\xBC]", "w\xC3\xA4", true },
                { "w[0", "w[0", true },
                { "w[0", "w0", false },
                { "a\\*b", "a*b", true },
                { "a\\*b", "axb", false },
                { "a\\", "a\\", true },
                { "[\\]]", "]", true },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                if (text_glob(cases[i].pattern, cases[i].string) != cases[i].matches)
                        fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].string);
}

static void a_spiteful_glob_costs_no_more_than_its_length(void **state)
{
        char string[2048];

        memset(string, 'a', sizeof(string) - 1);
        string[sizeof(string) - 1] = '\0';
        assert_false(text_glob("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", string));
}

static void slips_of_the_finger_are_close(void **state)
{
        assert_int_equal(text_distance("restart", "restart", 3), 0);
        assert_int_equal(text_distance("restrat", "restart", 3), 1);
        assert_int_equal(text_distance("agnets", "agents", 3), 1);
        assert_int_equal(text_distance("max_per_hor", "max_per_hour", 3), 1);
        assert_int_equal(text_distance("kitten", "sitting", 5), 3);
        assert_int_equal(text_distance("", "abc", 5), 3);
        assert_int_equal(text_distance("abcdef", "uvwxyz", 2), 3);
}

static void a_very_long_word_is_never_close(void **state)
{
        char word[200];

        memset(word, 'a', sizeof(word) - 1);
        word[sizeof(word) - 1] = '\0';
        assert_int_equal(text_distance(word, "a", 3), 4);
        assert_int_equal(text_distance(word, word, 3), 0);
}

static void digits_are_read_to_their_end_and_no_further(void **state)
{
        const char *text = "18446744073709551615 kB", *at = text, *none = "kB", *more = "18446744073709551616",
                   *kept = more;
        uint64_t number = 0;

        assert_true(text_digits(&at, NULL, &number));
        assert_true(number == UINT64_MAX && *at == ' ');
        at = text;
        assert_true(text_digits(&at, text + 2, &number));
        assert_true(number == 18 && at == text + 2);
        assert_false(text_digits(&at, at, &number)); /* nothing is left before the end */
        assert_false(text_digits(&none, NULL, &number));
        assert_false(text_digits(&more, NULL, &number));
        assert_true(number == 18 && more == kept);
}

static void beginnings_and_ends_are_told(void **state)
{
        assert_true(text_starts("systemd:x", "systemd:"));
        assert_false(text_starts("sys", "systemd:"));
        assert_true(text_ends("x.service", ".service"));
        assert_false(text_ends("service", ".service"));
        assert_true(text_ends("x", ""));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_count_is_grouped_by_thousands),
                cmocka_unit_test(text_that_fits_is_copied_whole),
                cmocka_unit_test(text_that_does_not_fit_is_cut_between_characters),
                cmocka_unit_test(names_of_strangers_cannot_speak_to_the_terminal),
                cmocka_unit_test(appending_stops_at_the_end_of_the_buffer),
                cmocka_unit_test(spans_read_as_people_say_them),
                cmocka_unit_test(bytes_read_as_people_say_them),
                cmocka_unit_test(globs_match_whole_strings),
                cmocka_unit_test(a_spiteful_glob_costs_no_more_than_its_length),
                cmocka_unit_test(slips_of_the_finger_are_close),
                cmocka_unit_test(a_very_long_word_is_never_close),
                cmocka_unit_test(digits_are_read_to_their_end_and_no_further),
                cmocka_unit_test(beginnings_and_ends_are_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
