#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/tally.h"

#define S USEC_PER_SEC
#define T0 (1700000000 * S)

static void deaths_are_counted_to_the_microsecond(void **state)
{
        struct tally tally = { .n = 0 };

        (void)state;
        tally_add(&tally, T0);
        tally_add(&tally, T0 + 30 * S);
        tally_add(&tally, T0 + 60 * S);
        assert_int_equal(tally_within(&tally, T0 + 60 * S - 1, 60 * S), 3);
        assert_int_equal(tally_within(&tally, T0 + 60 * S, 60 * S), 2);
        assert_int_equal(tally_within(&tally, T0 + 90 * S, 60 * S), 1);
        assert_int_equal(tally_within(&tally, T0 + 120 * S, 60 * S), 0);
}

static void six_hundred_and_forty_three_in_a_day_show_as_that(void **state)
{
        struct tally tally = { .n = 0 };

        (void)state;
        for (int n = 0; n < 643; n++)
                tally_add(&tally, T0 + (usec_t)n * 130 * S);
        assert_int_equal(tally_shown(&tally, T0 + 643 * 130 * S, USEC_PER_DAY), 643);
        assert_int_equal(tally_shown(&tally, T0 + 643 * 130 * S, 10 * USEC_PER_MINUTE), 4);
        /* two days later nothing is left of it */
        tally_add(&tally, T0 + 3 * USEC_PER_DAY);
        assert_int_equal(tally_shown(&tally, T0 + 3 * USEC_PER_DAY, USEC_PER_DAY), 1);
}

static void a_death_told_late_keeps_the_order(void **state)
{
        struct tally tally = { .n = 0 };

        (void)state;
        tally_add(&tally, T0 + 10 * S);
        tally_add(&tally, T0 + 5 * S);
        assert_int_equal(tally_death(&tally, 0), T0 + 10 * S);
        assert_int_equal(tally_death(&tally, 1), T0 + 10 * S);
        assert_int_equal(tally_death(&tally, 2), 0);
}

static void a_death_that_was_wanted_is_taken_back(void **state)
{
        struct tally tally = { .n = 0 };

        (void)state;
        tally_retract(&tally);
        tally_add(&tally, T0);
        tally_add(&tally, T0 + S);
        tally_retract(&tally);
        assert_int_equal(tally_within(&tally, T0 + S, 60 * S), 1);
        assert_int_equal(tally_death(&tally, 0), T0);
}

static void over_one_a_second_for_ten_seconds_is_hot(void **state)
{
        struct tally tally = { .n = 0 };
        usec_t now = T0;

        (void)state;
        for (; now < T0 + 10 * S; now += 500 * USEC_PER_MSEC) {
                tally_add(&tally, now);
                assert_false(tally_is_hot(&tally, now));
        }
        assert_int_equal(tally_hot_at(&tally, now - 1), T0 + 10 * S);
        assert_true(tally_is_hot(&tally, T0 + 10 * S));
}

static void one_in_three_seconds_is_never_hot(void **state)
{
        struct tally tally = { .n = 0 };

        (void)state;
        for (usec_t now = T0; now < T0 + 300 * S; now += 3 * S) {
                tally_add(&tally, now);
                assert_false(tally_is_hot(&tally, now));
                assert_int_equal(tally_hot_at(&tally, now), 0);
        }
        assert_int_equal(tally_period(&tally, 10), 3 * S);
        assert_int_equal(tally_period(&tally, 1), 0);
}

static void a_pause_breaks_the_run(void **state)
{
        struct tally tally = { .n = 0 };

        (void)state;
        for (int n = 0; n < 60; n++)
                tally_add(&tally, T0 + (usec_t)n * 150 * USEC_PER_MSEC);
        tally_add(&tally, T0 + 12 * S);
        assert_false(tally_is_hot(&tally, T0 + 12 * S));
}

static void what_is_forgiven_is_shown_and_not_held_against_it(void **state)
{
        struct tally tally = { .n = 0 };

        (void)state;
        for (int n = 0; n < 5; n++)
                tally_add(&tally, T0 + (usec_t)n * S);
        tally_forgive(&tally, T0 + 5 * S);
        assert_int_equal(tally_within(&tally, T0 + 6 * S, 60 * S), 0);
        assert_int_equal(tally_shown(&tally, T0 + 6 * S, 60 * S), 5);
        tally_add(&tally, T0 + 7 * S);
        assert_int_equal(tally_within(&tally, T0 + 7 * S, 60 * S), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(deaths_are_counted_to_the_microsecond),
                cmocka_unit_test(six_hundred_and_forty_three_in_a_day_show_as_that),
                cmocka_unit_test(a_death_told_late_keeps_the_order),
                cmocka_unit_test(a_death_that_was_wanted_is_taken_back),
                cmocka_unit_test(over_one_a_second_for_ten_seconds_is_hot),
                cmocka_unit_test(one_in_three_seconds_is_never_hot),
                cmocka_unit_test(a_pause_breaks_the_run),
                cmocka_unit_test(what_is_forgiven_is_shown_and_not_held_against_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
