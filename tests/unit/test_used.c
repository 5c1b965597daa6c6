/* What an agent used in figures: weighed by time, and honest about what is only kept in steps. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "govctl/ceiling.h"
#include "govctl/used.h"
#include "io/history.h"

#define MB (UINT64_C(1) << 20)
#define NOW UINT64_C(1795142400) /* a full hour */
#define LILY "pm2:root/lily"

static char path[64];

/* The last so many minutes of lily, in MB by `size`, written as they come. */
static void write_minutes(unsigned minutes, uint64_t (*size)(unsigned minute))
{
        for (unsigned from = 0; from < minutes; from += 60) {
                struct history_sample samples[60];
                unsigned n = minutes - from < 60 ? minutes - from : 60;

                for (unsigned i = 0; i < n; i++)
                        samples[i] = (struct history_sample){
                                .agent = LILY,
                                .at = NOW - (minutes - from - i) * 60,
                                .step = 60,
                                .memory_bytes = size(from + i) * MB,
                                .memory_most = size(from + i) * MB,
                                .cpu_permille = (from + i) % 50 == 0 ? 900 : 20,
                        };
                assert_true(history_write(path, &history_limits, samples, n, samples[n - 1].at + 60) >= 0);
        }
}

static struct used used_since(unsigned minutes)
{
        struct used used = { .ran = 0 };

        assert_int_equal(used_read(path, LILY, (NOW - minutes * 60) * USEC_PER_SEC, &used), 0);
        return used;
}

static int setup(void **state)
{
        static char directory[] = "/tmp/used-XXXXXX";

        (void)state;
        strcpy(directory, "/tmp/used-XXXXXX");
        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof path, "%s/history.db", directory);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        (void)unlink(path);
        *strrchr(path, '/') = '\0';
        return rmdir(path);
}

static uint64_t one_in_a_thousand(unsigned minute)
{
        return minute == 500 ? 900 : minute % 2 ? 60 : 64;
}

static void a_peak_of_a_minute_a_day_is_no_need(void **state)
{
        struct used used;

        (void)state;
        write_minutes(1440, one_in_a_thousand);
        used = used_since(1440);
        assert_int_equal(used.ran, USEC_PER_DAY);
        assert_int_equal(used.p999_bytes, 64 * MB);
        assert_int_equal(used.most_bytes, 900 * MB);
        assert_in_range(used.usual_bytes, 60 * MB, 64 * MB);
        assert_int_equal(used.cpu_usual, 20);
        assert_int_equal(used.cpu_p99, 900);
        assert_false(used.estimated);
        assert_int_equal(used_ceiling(&used), 100 * MB);
}

static uint64_t four_minutes(unsigned minute)
{
        return minute >= 500 && minute < 504 ? 900 : 60;
}

static void a_peak_of_minutes_is_one(void **state)
{
        struct used used;

        (void)state;
        write_minutes(1440, four_minutes);
        used = used_since(1440);
        assert_int_equal(used.p999_bytes, 900 * MB);
        assert_int_equal(used_ceiling(&used), 1350 * MB);
}

/* A week and more: tens and hours, in which a peak of a minute is still one of a minute. */
static uint64_t a_peak_a_day(unsigned minute)
{
        return minute % 1440 == 700 ? 600 : 60;
}

static void steps_do_not_make_peaks_longer(void **state)
{
        struct used used;

        (void)state;
        write_minutes(10 * 1440, a_peak_a_day);
        used = used_since(10 * 1440);
        assert_true(used.estimated);
        assert_in_range(used.ran, 10 * USEC_PER_DAY, 10 * USEC_PER_DAY + USEC_PER_HOUR);
        assert_in_range(used.p999_bytes, 59 * MB, 61 * MB);
        assert_int_equal(used.most_bytes, 600 * MB);
}

/* ... and one of ten minutes a day is one of ten minutes. */
static uint64_t ten_minutes_a_day(unsigned minute)
{
        return minute % 1440 >= 700 && minute % 1440 < 710 ? 600 : 60;
}

static void nor_shorter(void **state)
{
        (void)state;
        write_minutes(10 * 1440, ten_minutes_a_day);
        assert_int_equal(used_since(10 * 1440).p999_bytes, 600 * MB);
}

static uint64_t down_by_night(unsigned minute)
{
        return minute % 1440 < 720 ? 0 : 60;
}

static void what_is_down_does_not_run(void **state)
{
        struct used used;

        (void)state;
        write_minutes(1440, down_by_night);
        used = used_since(1440);
        assert_int_equal(used.ran, USEC_PER_DAY / 2);
        assert_int_equal(used_ceiling(&used), 0);
}

static void a_ceiling_is_proposed_or_it_is_said_why_not(void **state)
{
        struct used used = { .ran = USEC_PER_DAY - USEC_PER_HOUR, .p999_bytes = 61 * MB, .most_bytes = 61 * MB };
        struct ceiling ceiling;

        (void)state;
        ceiling_propose(&used, 0, false, &ceiling);
        assert_int_equal(ceiling.bytes, 0);
        assert_string_equal(ceiling.why,
                            "it was seen running for 23h; from 24h on there is a ceiling to propose, in 1h at "
                            "the earliest");
        ceiling_propose(&used, 300 * MB - 1, false, &ceiling);
        assert_int_equal(ceiling.bytes, 300 * MB);
        used.ran = USEC_PER_DAY;
        ceiling_propose(&used, 0, false, &ceiling);
        assert_int_equal(ceiling.bytes, 100 * MB);
        assert_string_equal(ceiling.why, "not above 61.0M in 99.9% of 1d, and half of it again");
        used.most_bytes = 500 * MB;
        ceiling_propose(&used, 0, false, &ceiling);
        assert_non_null(strstr(ceiling.why, "; it once held 500.0M"));
        ceiling_propose(&used, 0, true, &ceiling);
        assert_int_equal(ceiling.bytes, 0);
}

static void without_a_history_nothing_is_known(void **state)
{
        struct used used = { .ran = 7 };

        (void)state;
        assert_int_equal(used_read("/nonexistent/history.db", LILY, 0, &used), -ENOENT);
        assert_int_equal(used.ran, 7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_peak_of_a_minute_a_day_is_no_need, setup, teardown),
                cmocka_unit_test_setup_teardown(a_peak_of_minutes_is_one, setup, teardown),
                cmocka_unit_test_setup_teardown(steps_do_not_make_peaks_longer, setup, teardown),
                cmocka_unit_test_setup_teardown(nor_shorter, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_down_does_not_run, setup, teardown),
                cmocka_unit_test(a_ceiling_is_proposed_or_it_is_said_why_not),
                cmocka_unit_test(without_a_history_nothing_is_known),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
