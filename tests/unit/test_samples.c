/* The sizes of the history told to a judge once more: what surely lasted, in the order of time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include "base/text.h"
#include "govctl/samples.h"
#include "io/history.h"

#define NOON ((uint64_t)1795132800 + 12 * 3600) /* begins an hour */
#define LILY "pm2:root/lily"
#define ROSA "pm2:root/rosa"

struct bed {
        char directory[64], path[96], told[8192];
        struct samples *samples;
        unsigned n;
        usec_t last;
};

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof(*bed));

        strcpy(bed->directory, "/tmp/samples-XXXXXX");
        assert_non_null(mkdtemp(bed->directory));
        snprintf(bed->path, sizeof(bed->path), "%s/history.db", bed->directory);
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;
        char command[96];

        samples_close(bed->samples);
        snprintf(command, sizeof(command), "rm -rf '%s'", bed->directory);
        assert_int_equal(system(command), 0);
        free(bed);
        return 0;
}

/* Minutes of so many megabytes, one after the other; 0 is a gap. As they are kept at `now`. */
static void keep(struct bed *bed, const char *agent, uint64_t at, const unsigned *mb, unsigned n, uint64_t now)
{
        struct history_sample *samples = calloc(n, sizeof(*samples));
        unsigned kept = 0;

        for (unsigned i = 0; i < n; i++)
                if (mb[i] > 0)
                        samples[kept++] = (struct history_sample){ .agent = agent,
                                                                   .at = at + i * 60,
                                                                   .step = 60,
                                                                   .memory_bytes = (uint64_t)mb[i] << 20,
                                                                   .memory_most = (uint64_t)mb[i] << 20,
                                                                   .cpu_permille = 20 };
        assert_int_equal(history_write(bed->path, &history_limits, samples, kept, now), 0);
        free(samples);
}

static void take(void *self, const struct sampled *sampled)
{
        struct bed *bed = self;
        uint64_t at = sampled->at / USEC_PER_SEC - NOON;

        assert_true(sampled->at >= bed->last);
        bed->last = sampled->at;
        bed->n++;
        text_append(bed->told, sizeof(bed->told), "%s%u:%02u %u", bed->told[0] ? ", " : "", (unsigned)(at / 60),
                    (unsigned)(at % 60), (unsigned)(sampled->bytes >> 20));
        if (sampled->most_bytes > 0)
                text_append(bed->told, sizeof(bed->told), " (most %u, sure %u)", (unsigned)(sampled->most_bytes >> 20),
                            (unsigned)(sampled->sure_bytes >> 20));
}

static const char *tell(struct bed *bed, uint64_t since, uint64_t until)
{
        bed->told[0] = '\0';
        bed->n = 0;
        bed->last = 0;
        bed->samples = samples_close(bed->samples);
        assert_int_equal(samples_open(bed->path, since * USEC_PER_SEC, &bed->samples), 0);
        assert_int_equal(samples_watch(bed->samples, LILY, true), 0);
        assert_int_equal(samples_until(bed->samples, until * USEC_PER_SEC, take, bed), 0);
        return bed->told;
}

/* A single minute's size was taken once in it: that it lasted is not known. */
static void between_two_minutes_the_lower_counts(void **state)
{
        struct bed *bed = *state;

        keep(bed, LILY, NOON, (unsigned[]){ 50, 90, 60 }, 3, NOON + 180);
        assert_string_equal(tell(bed, NOON, NOON + 180),
                            "0:30 50 (most 50, sure 50), 0:45 50, 1:00 50, 1:15 50, 1:30 90 (most 90, sure 60), "
                            "1:45 60, 2:00 60, 2:15 60, 2:30 60 (most 60, sure 60)");
        assert_int_equal(samples_told(bed->samples), 9);
        assert_true(samples_since(bed->samples, 60) == NOON * USEC_PER_SEC);
        assert_int_equal(samples_since(bed->samples, 600), 0);
}

static void a_gap_is_not_bridged(void **state)
{
        struct bed *bed = *state;

        keep(bed, LILY, NOON, (unsigned[]){ 50, 0, 60 }, 3, NOON + 180);
        assert_string_equal(tell(bed, NOON, NOON + 240), "0:30 50 (most 50, sure 0), 2:30 60 (most 60, sure 0)");
}

static void what_lasts_over_midnight_lasts(void **state)
{
        struct bed *bed = *state;
        uint64_t midnight = NOON + 12 * 3600;

        keep(bed, LILY, midnight - 60, (unsigned[]){ 50, 90 }, 2, midnight + 60);
        assert_string_equal(
                tell(bed, midnight - 60, midnight + 60),
                "719:30 50 (most 50, sure 50), 719:45 50, 720:00 50, 720:15 50, 720:30 90 (most 90, sure 50)");
}

/* Ten minutes are told a minute apart, an hour four: a judge takes sizes for one row that are not further apart than five. */
static void longer_steps_are_their_average(void **state)
{
        struct bed *bed = *state;
        unsigned mb[180];

        for (unsigned i = 0; i < 180; i++)
                mb[i] = i == 5 ? 200 : 60;
        keep(bed, LILY, NOON, mb, 60, NOON + 3600);
        keep(bed, ROSA, NOON + 2 * 86400, mb, 60,
             NOON + 2 * 86400 + 3600); /* time passes, and lily has no minutes any more */
        tell(bed, NOON, NOON + 3600);
        assert_int_equal(bed->n, 60);
        assert_non_null(strstr(bed->told, "0:30 74 (most 200, sure 74), 1:30 74,"));
        assert_non_null(strstr(bed->told, "9:30 74, 10:30 60 (most 60, sure 60)"));
        keep(bed, ROSA, NOON + 9 * 86400, mb, 60, NOON + 9 * 86400 + 3600);
        tell(bed, NOON, NOON + 3600);
        assert_int_equal(bed->n, 15);
        assert_non_null(strstr(bed->told, "2:00 62 (most 200, sure 62), 6:00 62"));
        assert_true(samples_since(bed->samples, 3600) == NOON * USEC_PER_SEC);
}

static void only_who_is_watched_is_told_of(void **state)
{
        struct bed *bed = *state;
        const unsigned mb[] = { 50, 60 };

        keep(bed, LILY, NOON, mb, 2, NOON + 120);
        keep(bed, ROSA, NOON, mb, 2, NOON + 120);
        tell(bed, NOON, NOON + 60);
        assert_int_equal(bed->n, 2);
        assert_int_equal(samples_watch(bed->samples, LILY, false), 0);
        assert_int_equal(samples_watch(bed->samples, ROSA, true), 0); /* from here on, in the middle of a day */
        bed->told[0] = '\0';
        assert_int_equal(samples_until(bed->samples, (NOON + 120) * USEC_PER_SEC, take, bed), 0);
        assert_string_equal(bed->told, "1:00 50, 1:15 50, 1:30 60 (most 60, sure 50)");
        assert_int_equal(samples_watch(bed->samples, ROSA, false), 0);
        assert_int_equal(samples_until(bed->samples, UINT64_MAX, take, bed), 0); /* nobody is left: it takes no time */
}

static void without_a_history_that_is_said(void **state)
{
        struct bed *bed = *state;
        FILE *file;

        assert_int_equal(samples_open(bed->path, 0, &bed->samples), -ENOENT);
        file = fopen(bed->path, "w");
        fputs("a shopping list, and long enough to be something that it is not, for all that SQLite can tell of it\n",
              file);
        fclose(file);
        assert_int_equal(samples_open(bed->path, 0, &bed->samples), -EUCLEAN);
        assert_null(bed->samples);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(between_two_minutes_the_lower_counts), TEST(a_gap_is_not_bridged),
                TEST(what_lasts_over_midnight_lasts),       TEST(longer_steps_are_their_average),
                TEST(only_who_is_watched_is_told_of),       TEST(without_a_history_that_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
