/* What is usual, counted from single sizes: rounded, in order, aged, and never from too little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/habit.h"

#define MIN USEC_PER_MINUTE
#define BEGIN (1000 * USEC_PER_DAY)

static struct habit habit;

static int forget(void **state)
{
        (void)state;
        habit = (struct habit){ .n = { 0 } };
        return 0;
}

/* A life of so many minutes, seen every half a minute. */
static struct habit_life live(uint32_t kib, unsigned minutes)
{
        struct habit_life life;

        habit_begin_life(&life, BEGIN);
        for (usec_t age = 0; age <= minutes * MIN; age += MIN / 2)
                habit_add(&habit, &life, BEGIN + age, kib);
        return life;
}

static struct habit_usual usual_at(usec_t age)
{
        struct habit_usual usual;

        habit_usual(&habit, age, &usual);
        return usual;
}

static void sizes_of_all_magnitudes_are_kept_to_a_quarter_of_a_percent(void **state)
{
        uint32_t last = 0;

        (void)state;
        for (uint64_t kib = 1; kib <= UINT32_MAX; kib += kib / 7 + 1) {
                struct habit_usual usual;

                forget(NULL);
                for (unsigned n = 0; n < 8; n++)
                        live((uint32_t)kib, 11);
                usual = usual_at(6 * MIN);
                assert_int_equal(usual.lives, 8);
                assert_int_equal(usual.low_kib, usual.high_kib);
                assert_true(usual.low_kib <= kib && kib - usual.low_kib <= kib / 256);
                assert_true(usual.low_kib >= last);
                assert_true(usual.limit_kib > usual.high_kib);
                last = usual.low_kib;
        }
}

static void nobody_knows_before_eight_lives(void **state)
{
        (void)state;
        for (unsigned n = 0; n < 7; n++)
                live(60 << 10, 11);
        assert_int_equal(usual_at(6 * MIN).lives, 0);
        live(60 << 10, 11);
        assert_int_equal(usual_at(6 * MIN).lives, 8);
        assert_int_equal(usual_at(11 * MIN).lives, 0); /* none was seen through that age */
        assert_int_equal(usual_at(MIN / 2).lives, 0);
        assert_int_equal(usual_at(0).lives, 0);
}

/* Sizes that rise: the smallest of each age is what counts of it. */
static void each_age_has_its_own_habit(void **state)
{
        struct habit_usual usual;
        usec_t from, last = 0;
        unsigned known = 0;

        (void)state;
        for (unsigned n = 0; n < 8; n++) {
                struct habit_life life;

                habit_begin_life(&life, BEGIN);
                for (unsigned minute = 0; minute <= 3 * 24 * 60; minute++)
                        habit_add(&habit, &life, BEGIN + minute * MIN, 1000 + minute);
        }
        for (unsigned age = 0; habit_age(&habit, age, &from, &usual); age++) {
                assert_true(from > last);
                last = from;
                if (usual.lives + usual.days == 0)
                        continue;
                known++;
                assert_in_range(usual.low_kib, (1000 + from / MIN) - (1000 + from / MIN) / 256, 1000 + from / MIN);
                assert_int_equal(usual.days > 0, from >= USEC_PER_DAY);
        }
        assert_int_equal(known, 12);
        assert_false(habit_age(&habit, HABIT_AGES, &from, &usual));
}

static void an_age_that_was_hardly_seen_tells_nothing(void **state)
{
        (void)state;
        for (unsigned n = 0; n < 8; n++) {
                struct habit_life life;

                habit_begin_life(&life, BEGIN);
                for (usec_t age = 0; age <= 50 * MIN; age += age < 24 * MIN ? MIN / 2 : 13 * MIN)
                        habit_add(&habit, &life, BEGIN + age, 1 << 16);
        }
        assert_int_equal(usual_at(15 * MIN).lives, 8);
        assert_int_equal(usual_at(25 * MIN).lives, 0);
}

static void a_life_seen_from_its_middle_on_is_seen_in_its_later_ages(void **state)
{
        (void)state;
        for (unsigned n = 0; n < 8; n++) {
                struct habit_life life;

                habit_begin_life(&life, BEGIN);
                for (usec_t age = 15 * MIN; age <= 50 * MIN; age += MIN / 2)
                        habit_add(&habit, &life, BEGIN + age, 1 << 16);
        }
        assert_int_equal(usual_at(15 * MIN).lives, 0);
        assert_int_equal(usual_at(25 * MIN).lives, 8);
}

static void one_of_sixteen_lives_does_not_count(void **state)
{
        (void)state;
        live(300 << 10, 11); /* too early to be judged */
        for (unsigned n = 0; n < 14; n++)
                live(60 << 10, 11);
        assert_true(usual_at(6 * MIN).high_kib > 290 << 10);
        live(60 << 10, 11);
        assert_true(usual_at(6 * MIN).high_kib < 70 << 10);
}

static void an_odd_life_is_no_habit_and_two_are(void **state)
{
        (void)state;
        for (unsigned n = 0; n < 8; n++)
                live(60 << 10, 41);
        assert_false(live(60 << 10, 41).found.above);
        assert_true(live(212 << 10, 41).found.above);
        assert_true(usual_at(25 * MIN).high_kib < 70 << 10);
        assert_int_equal(usual_at(25 * MIN).lives, 9);
        assert_true(live(212 << 10, 41).found.above);
        assert_int_equal(usual_at(25 * MIN).lives, 11);
        assert_false(live(212 << 10, 41).found.above);
}

static void what_is_found_is_over_when_it_is_halfway_back(void **state)
{
        struct habit_life life;

        (void)state;
        for (unsigned n = 0; n < 8; n++)
                live(60 << 10, 41);
        life = live(212 << 10, 41);
        assert_int_equal(life.found.kib, 212 << 10);
        assert_int_equal(life.found.age, 10 * MIN);
        habit_add(&habit, &life, BEGIN + 42 * MIN, life.found.usual.limit_kib);
        assert_true(life.found.above);
        habit_add(&habit, &life, BEGIN + 43 * MIN, 62 << 10);
        assert_false(life.found.above);
}

static void after_a_change_the_old_habit_is_held_with_reserve(void **state)
{
        uint32_t limit;

        (void)state;
        for (unsigned n = 0; n < 8; n++)
                live(60 << 10, 11);
        limit = usual_at(6 * MIN).limit_kib;
        habit_change(&habit);
        assert_true(usual_at(6 * MIN).changed);
        assert_true(usual_at(6 * MIN).limit_kib > 2 * (60 << 10) && limit < 2 * (60 << 10));
        for (unsigned n = 0; n < 8; n++)
                live(100 << 10, 11);
        assert_false(usual_at(6 * MIN).changed);
        assert_true(usual_at(6 * MIN).low_kib > 90 << 10);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(sizes_of_all_magnitudes_are_kept_to_a_quarter_of_a_percent, forget),
                cmocka_unit_test_setup(nobody_knows_before_eight_lives, forget),
                cmocka_unit_test_setup(each_age_has_its_own_habit, forget),
                cmocka_unit_test_setup(an_age_that_was_hardly_seen_tells_nothing, forget),
                cmocka_unit_test_setup(a_life_seen_from_its_middle_on_is_seen_in_its_later_ages, forget),
                cmocka_unit_test_setup(one_of_sixteen_lives_does_not_count, forget),
                cmocka_unit_test_setup(an_odd_life_is_no_habit_and_two_are, forget),
                cmocka_unit_test_setup(what_is_found_is_over_when_it_is_halfway_back, forget),
                cmocka_unit_test_setup(after_a_change_the_old_habit_is_held_with_reserve, forget),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
