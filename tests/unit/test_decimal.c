#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/decimal.h"

static int64_t read(const char *text)
{
        int64_t value = INT64_MIN;

        assert_true(decimal_read(text, &value));
        return value;
}

static void an_amount_is_read_exactly(void **state)
{
        (void)state;
        assert_int_equal(read("1000"), 1000 * INT64_C(1000000));
        assert_int_equal(read("0.25"), 250000);
        assert_int_equal(read("010"), 10000000);
        assert_int_equal(read("-3.5"), -3500000);
        assert_int_equal(read("0.000001"), 1);
        assert_int_equal(read("999999999999.999999"), INT64_C(999999999999999999));
}

static void what_is_finer_than_a_millionth_counts_as_more(void **state)
{
        (void)state;
        assert_int_equal(read("1000.0000001"), 1000000001);
        assert_int_equal(read("1000.0000000"), 1000000000);
        assert_int_equal(read("-0.0000001"), -1);
}

static void anything_else_is_no_amount(void **state)
{
        static const char *const strange[] = { "",    "-",   ".5",  "5.",    "1e3", "0x10",          " 1", "1 ", "+1",
                                               "1,5", "nan", "inf", "1.2.3", "--1", "1000000000000", "12a" };
        int64_t value = 7;

        (void)state;
        for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
                assert_false(decimal_read(strange[i], &value));
        assert_int_equal(value, 7);
}

static void an_amount_is_written_without_needless_zeros(void **state)
{
        char text[DECIMAL_TEXT_MAX];

        (void)state;
        assert_string_equal(decimal_text(1000000000, text), "1000");
        assert_string_equal(decimal_text(250000, text), "0.25");
        assert_string_equal(decimal_text(-3500000, text), "-3.5");
        assert_string_equal(decimal_text(0, text), "0");
        assert_string_equal(decimal_text(1, text), "0.000001");
        assert_string_equal(decimal_text(INT64_MIN, text), "-9223372036854.775808");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_amount_is_read_exactly),
                cmocka_unit_test(what_is_finer_than_a_millionth_counts_as_more),
                cmocka_unit_test(anything_else_is_no_amount),
                cmocka_unit_test(an_amount_is_written_without_needless_zeros),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
