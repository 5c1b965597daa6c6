#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/clock.h"

static usec_t real_time(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

static void judge_time_starts_at_unix_time(void **state)
{
        usec_t before = real_time();
        struct clock clock;

        clock_init(&clock, 0);
        assert_in_range(clock_now(&clock), before, before + 10 * USEC_PER_SEC);
}

static void judge_time_goes_on_from_the_chain_when_the_clock_was_set_back(void **state)
{
        usec_t last = real_time() + USEC_PER_DAY;
        struct clock clock;

        clock_init(&clock, last);
        assert_in_range(clock_now(&clock), last, last + 10 * USEC_PER_SEC);
}

static void judge_time_never_runs_backwards(void **state)
{
        struct clock clock;
        usec_t before;

        clock_init(&clock, 0);
        before = clock_now(&clock);
        for (int i = 0; i < 1000; i++) {
                usec_t now = clock_now(&clock);

                assert_true(now >= before);
                before = now;
        }
}

static void timers_get_boottime_and_infinity_stays_infinite(void **state)
{
        struct clock clock = { .epoch = 1000 };

        assert_int_equal(clock_boottime(&clock, 1500), 500);
        assert_int_equal(clock_boottime(&clock, 500), 0);
        assert_true(clock_boottime(&clock, USEC_INFINITY) == USEC_INFINITY);
}

static void start_ticks_become_judge_time(void **state)
{
        struct clock clock = { .epoch = 5 };
        uint64_t hertz = (uint64_t)sysconf(_SC_CLK_TCK);

        assert_int_equal(clock_of_ticks(&clock, 0), 5);
        assert_int_equal(clock_of_ticks(&clock, 3 * hertz + hertz / 2), 5 + 3 * USEC_PER_SEC + USEC_PER_SEC / 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(judge_time_starts_at_unix_time),
                cmocka_unit_test(judge_time_goes_on_from_the_chain_when_the_clock_was_set_back),
                cmocka_unit_test(judge_time_never_runs_backwards),
                cmocka_unit_test(timers_get_boottime_and_infinity_stays_infinite),
                cmocka_unit_test(start_ticks_become_judge_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
