/*
 * A year of 300 agents in the real history: within its bound at each write, read right at its end, and no write does more than so
 * much. What is forgotten later is not simulated in full: the year is written by the hour, its last week by ten minutes, its last day
 * by the minute, each as it would stand there then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/history.h"

#define AGENTS 300
#define DAY ((uint64_t)86400)
#define BEGAN ((uint64_t)1795132800 - 365 * DAY)
#define NOW (BEGAN + 365 * DAY)
#define BATCH_MOST (16 << 20)     /* bytes written for ten minutes of 300 agents: their pages and the journal of them */
#define SHORTENED_MOST (64 << 20) /* when a tenth of the time goes */

struct bed {
        char directory[64], path[96], names[AGENTS][32];
        struct history_sample *samples;
        size_t n;
        uint64_t most_bytes, written_most, shortened_most;
        unsigned batches, shortened;
        double cpu_most;
        struct history_sample read[20000];
        unsigned read_n;
};

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof(*bed));

        snprintf(bed->directory, sizeof(bed->directory), "%s/history-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(bed->directory));
        snprintf(bed->path, sizeof(bed->path), "%s/history.db", bed->directory);
        bed->samples = calloc(AGENTS * (size_t)1440, sizeof(*bed->samples));
        assert_non_null(bed->samples);
        for (unsigned i = 0; i < AGENTS; i++)
                snprintf(bed->names[i], sizeof(bed->names[i]), "pm2:root/agent-%u", i);
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;
        char command[96];

        snprintf(command, sizeof(command), "rm -rf '%s'", bed->directory);
        assert_int_equal(system(command), 0);
        free(bed->samples);
        free(bed);
        return 0;
}

/* What this process gave the kernel to write. */
static uint64_t written(void)
{
        unsigned long long bytes = 0;
        FILE *io = fopen("/proc/self/io", "r");

        if (!io)
                return 0;
        if (fscanf(io, "rchar: %*u wchar: %llu", &bytes) != 1)
                bytes = 0;
        fclose(io);
        return bytes;
}

static double cpu_seconds(void)
{
        struct timespec now;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A sample of each agent every so many seconds: what there is to know of an agent at a moment follows from both. */
static uint64_t memory_of(unsigned agent, uint64_t at)
{
        return ((uint64_t)(40 + agent % 100) << 20) + at / 3600 % 24 * 1024;
}

static int write_from(struct bed *bed, uint64_t from, uint64_t until, uint64_t every, uint64_t now)
{
        uint64_t before = written();
        double began = cpu_seconds();
        struct stat st;
        int r;

        bed->n = 0;
        for (unsigned agent = 0; agent < AGENTS; agent++)
                for (uint64_t at = from; at < until; at += every)
                        bed->samples[bed->n++] = (struct history_sample){ .agent = bed->names[agent],
                                                                          .at = at,
                                                                          .step = 60,
                                                                          .memory_bytes = memory_of(agent, at),
                                                                          .memory_most = memory_of(agent, at) + 1024,
                                                                          .cpu_permille = 20 };
        r = history_write(bed->path, &history_limits, bed->samples, bed->n, now);
        assert_true(r >= 0);
        assert_int_equal(stat(bed->path, &st), 0);
        assert_in_range(st.st_size, 0, history_limits.bytes_most);
        bed->most_bytes = (uint64_t)st.st_size > bed->most_bytes ? (uint64_t)st.st_size : bed->most_bytes;
        bed->batches++;
        bed->shortened += (r & HISTORY_SHORTENED) > 0;
        if (every != 60)
                return r;
        if (cpu_seconds() - began > bed->cpu_most)
                bed->cpu_most = cpu_seconds() - began;
        if (r & HISTORY_SHORTENED)
                bed->shortened_most =
                        written() - before > bed->shortened_most ? written() - before : bed->shortened_most;
        else
                bed->written_most = written() - before > bed->written_most ? written() - before : bed->written_most;
        return r;
}

static void take(void *self, const struct history_sample *sample)
{
        struct bed *bed = self;

        assert_true(bed->read_n < sizeof(bed->read) / sizeof(bed->read[0]));
        bed->read[bed->read_n++] = *sample;
}

/* Whole, in order, as fine as promised, and right. */
static void expect_right(struct bed *bed, unsigned agent)
{
        unsigned steps[3] = { 0 };

        bed->read_n = 0;
        assert_int_equal(history_read(bed->path, bed->names[agent], 0, take, bed), 0);
        for (unsigned i = 0; i < bed->read_n; i++) {
                const struct history_sample *read = &bed->read[i];

                steps[0] += read->step == 60;
                steps[1] += read->step == 600;
                steps[2] += read->step == 3600;
                assert_int_equal(read->memory_bytes, memory_of(agent, read->at));
                assert_int_equal(read->memory_most, memory_of(agent, read->at) + 1024);
                assert_int_equal(read->cpu_permille, 20);
                if (i > 0)
                        assert_int_equal(read->at, bed->read[i - 1].at + bed->read[i - 1].step);
        }
        assert_int_equal(bed->read[bed->read_n - 1].at, NOW - 60);
        assert_in_range(steps[0], 12 * 60, 26 * 60); /* at the bound a tenth of a day's minutes may be gone, too */
        assert_in_range(steps[1], 4 * 144, 7 * 144);
        assert_true(steps[2] > 100 * 24);
}

static void a_year_of_300_agents_stays_within_its_bound(void **state)
{
        struct bed *bed = *state;

        for (uint64_t day = 0; day < 358; day++) /* read a week later: nothing finer than hours is left of it */
                write_from(bed, BEGAN + day * DAY, BEGAN + (day + 1) * DAY, 3600, BEGAN + (day + 9) * DAY);
        for (uint64_t at = NOW - 7 * DAY; at < NOW - DAY; at += DAY / 4)
                write_from(bed, at, at + DAY / 4, 600, at + DAY + DAY / 2);
        for (uint64_t at = NOW - DAY; at < NOW; at += 600)
                write_from(bed, at, at + 600, 60, at + 600);
        print_message(
                "# %u writes, at most %.1f MB of %.0f; shortened %u times; ten minutes: at most %.1f MB written, %.1f MB "
                "when shortened, %.0f ms of a processor\n",
                bed->batches, (double)bed->most_bytes / 1e6, (double)history_limits.bytes_most / 1e6, bed->shortened,
                (double)bed->written_most / 1e6, (double)bed->shortened_most / 1e6, bed->cpu_most * 1e3);
        assert_true(bed->shortened > 0);
        assert_true(bed->most_bytes > history_limits.bytes_most / 10 * 9);
        assert_in_range(bed->written_most, 0, BATCH_MOST);
        assert_in_range(bed->shortened_most, 0, SHORTENED_MOST);
        for (unsigned agent = 0; agent < AGENTS; agent += 37)
                expect_right(bed, agent);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_year_of_300_agents_stays_within_its_bound, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
