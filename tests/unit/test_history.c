/* Samples of memory, CPU and starts: kept, thinned out, bounded, and never in the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>

#include "io/history.h"

#define NOW ((uint64_t)1795132800) /* begins an hour and a day */
#define DAY 86400

struct bed {
        char directory[64], path[96];
        struct history_sample read[8192];
        unsigned n;
};

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof(*bed));

        strcpy(bed->directory, "/tmp/history-XXXXXX");
        assert_non_null(mkdtemp(bed->directory));
        snprintf(bed->path, sizeof(bed->path), "%s/history.db", bed->directory);
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;
        char command[96];

        snprintf(command, sizeof(command), "rm -rf '%s'", bed->directory);
        assert_int_equal(system(command), 0);
        free(bed);
        return 0;
}

static struct history_sample minute(const char *agent, uint64_t at, uint64_t memory)
{
        return (struct history_sample){ .agent = agent,
                                        .at = at,
                                        .step = 60,
                                        .memory_bytes = memory,
                                        .memory_most = memory + 1024,
                                        .cpu_permille = 20 };
}

static int write_one(struct bed *bed, const char *agent, uint64_t at, uint64_t memory)
{
        struct history_sample sample = minute(agent, at, memory);

        return history_write(bed->path, &history_limits, &sample, 1, at);
}

/* Ten minutes at once, as the daemon does. */
static int write_ten(struct bed *bed, const struct history_limits *limits, const char *agent, uint64_t at)
{
        struct history_sample samples[10];

        for (unsigned i = 0; i < 10; i++)
                samples[i] = minute(agent, at + i * 60, (i + 1) << 20);
        return history_write(bed->path, limits, samples, 10, at + 600);
}

static void write_hours(struct bed *bed, const struct history_limits *limits, uint64_t at, unsigned hours)
{
        static struct history_sample samples[24 * 60];

        for (unsigned i = 0; i < hours * 60; i++)
                samples[i] = minute("pm2:root/lily", at + i * 60, (i % 10 + 1) << 20);
        assert_int_equal(history_write(bed->path, limits, samples, hours * 60, at + hours * 3600), 0);
}

static void take(void *self, const struct history_sample *sample)
{
        struct bed *bed = self;

        if (bed->n < sizeof(bed->read) / sizeof(bed->read[0]))
                bed->read[bed->n++] = *sample;
}

static unsigned read_back(struct bed *bed, const char *agent, uint64_t since)
{
        bed->n = 0;
        assert_int_equal(history_read(bed->path, agent, since, take, bed), 0);
        return bed->n;
}

static void what_was_written_is_read_back(void **state)
{
        struct bed *bed = *state;
        struct stat st;

        assert_int_equal(write_one(bed, "pm2:root/lily", NOW, 64 << 20), 0);
        assert_int_equal(write_one(bed, "pm2:root/rosa", NOW, 32 << 20), 0);
        assert_int_equal(write_one(bed, "pm2:root/lily", NOW + 60, 65 << 20), 0);
        assert_int_equal(read_back(bed, "pm2:root/lily", 0), 2);
        assert_int_equal(bed->read[0].at, NOW);
        assert_int_equal(bed->read[0].step, 60);
        assert_int_equal(bed->read[0].memory_bytes, 64 << 20);
        assert_int_equal(bed->read[1].memory_bytes, 65 << 20);
        assert_int_equal(bed->read[1].cpu_permille, 20);
        assert_int_equal(read_back(bed, "pm2:root/lily", NOW + 60), 1);
        assert_int_equal(read_back(bed, "pm2:root/nobody", 0), 0);
        assert_int_equal(stat(bed->path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void minutes_become_tens_and_tens_become_hours(void **state)
{
        struct bed *bed = *state;
        unsigned steps[3] = { 0 };

        for (uint64_t at = NOW; at < NOW + 9 * DAY; at += 6 * 3600)
                write_hours(bed, &history_limits, at, 6);
        read_back(bed, "pm2:root/lily", 0);
        for (unsigned i = 0; i < bed->n; i++) {
                steps[0] += bed->read[i].step == 60;
                steps[1] += bed->read[i].step == 600;
                steps[2] += bed->read[i].step == 3600;
                if (i > 0) /* no moment twice and none left out */
                        assert_int_equal(bed->read[i].at, bed->read[i - 1].at + bed->read[i - 1].step);
                assert_int_equal(bed->read[i].memory_most,
                                 bed->read[i].step == 60 ? bed->read[i].memory_bytes + 1024 : (10 << 20) + 1024);
        }
        assert_in_range(steps[0], 24 * 60, 26 * 60);
        assert_in_range(steps[1], 5 * 144, 7 * 144);
        assert_in_range(steps[2], 24, 3 * 24);
        assert_in_range(bed->read[0].memory_bytes, 5 << 20, 6 << 20);
}

/* A year of a machine with five agents that come and go, at a bound that it meets many times. */
static void a_year_of_samples_stays_within_its_bound(void **state)
{
        struct bed *bed = *state;
        const struct history_limits limits = {
                .minutes_for = 6 * 3600, .tens_for = DAY, .hours_for = 400 * DAY, .bytes_most = 256 << 10
        };
        unsigned shortened = 0;
        struct stat st;

        for (unsigned day = 0; day < 365; day++) {
                struct history_sample samples[5 * 24];
                char names[5][32];

                for (unsigned i = 0; i < 5; i++) {
                        snprintf(names[i], sizeof(names[i]), "pm2:root/agent-%u", i + day / 60);
                        for (unsigned hour = 0; hour < 24; hour++)
                                samples[i * 24 + hour] =
                                        minute(names[i], NOW + day * (uint64_t)DAY + hour * 3600, i << 20);
                }

                int r = history_write(bed->path, &limits, samples, 5 * 24, NOW + (day + 1) * (uint64_t)DAY);

                assert_true(r >= 0);
                shortened += (r & HISTORY_SHORTENED) != 0;
                assert_int_equal(stat(bed->path, &st), 0);
                assert_in_range(st.st_size, 4096, limits.bytes_most);
        }
        assert_true(shortened > 0);
        assert_true(read_back(bed, "pm2:root/agent-10", NOW + 364 * (uint64_t)DAY) > 0);
}

static void put_bytes(struct bed *bed, const char *bytes, long at)
{
        FILE *file = fopen(bed->path, at == 0 ? "w" : "r+");

        assert_non_null(file);
        fseek(file, at, SEEK_SET);
        fputs(bytes, file);
        fclose(file);
}

static bool is_aside(const struct bed *bed)
{
        char path[128];

        snprintf(path, sizeof(path), "%s.damaged", bed->path);
        return access(path, F_OK) == 0;
}

static void what_is_no_history_is_moved_aside(void **state)
{
        struct bed *bed = *state;

        put_bytes(bed, "this is a shopping list, and nothing that SQLite has ever written to any disk\n", 0);
        assert_int_equal(history_read(bed->path, "x", 0, take, bed), -EUCLEAN);
        assert_int_equal(write_one(bed, "pm2:root/lily", NOW, 1 << 20), HISTORY_SET_ASIDE);
        assert_true(is_aside(bed));
        assert_int_equal(read_back(bed, "pm2:root/lily", 0), 1);
}

static void a_database_of_somebody_else_is_moved_aside(void **state)
{
        struct bed *bed = *state;
        char command[256];

        snprintf(command, sizeof(command), "sqlite3 '%s' 'CREATE TABLE sample(a, b); INSERT INTO sample VALUES(1, 2)'",
                 bed->path);
        if (system(command) != 0)
                skip();
        assert_int_equal(write_one(bed, "pm2:root/lily", NOW, 1 << 20), HISTORY_SET_ASIDE);
        assert_true(is_aside(bed));
        assert_int_equal(read_back(bed, "pm2:root/lily", 0), 1);
}

static void a_history_damaged_in_its_middle_is_begun_anew(void **state)
{
        struct bed *bed = *state;
        char noise[4097];

        write_hours(bed, &history_limits, NOW, 24);
        memset(noise, 'x', sizeof(noise) - 1);
        noise[sizeof(noise) - 1] = '\0';
        for (long page = 1; page < 8; page++)
                put_bytes(bed, noise, page * 4096);
        assert_int_equal(write_ten(bed, &history_limits, "pm2:root/lily", NOW + DAY), HISTORY_SET_ASIDE);
        assert_true(is_aside(bed));
        assert_int_equal(read_back(bed, "pm2:root/lily", 0), 10);
}

static void an_empty_file_and_a_link_are_moved_aside(void **state)
{
        struct bed *bed = *state;

        put_bytes(bed, "", 0);
        assert_int_equal(write_one(bed, "pm2:root/lily", NOW, 1 << 20), HISTORY_SET_ASIDE);
        assert_int_equal(unlink(bed->path), 0);
        assert_int_equal(symlink("/etc/passwd", bed->path), 0);
        assert_int_equal(write_one(bed, "pm2:root/lily", NOW, 1 << 20), HISTORY_SET_ASIDE);
        assert_int_equal(read_back(bed, "pm2:root/lily", 0), 1);
}

static void a_deleted_history_begins_again(void **state)
{
        struct bed *bed = *state;

        assert_int_equal(write_one(bed, "pm2:root/lily", NOW, 1 << 20), 0);
        assert_int_equal(unlink(bed->path), 0);
        assert_int_equal(history_read(bed->path, "pm2:root/lily", 0, take, bed), -ENOENT);
        assert_int_equal(write_one(bed, "pm2:root/lily", NOW + 60, 1 << 20), 0);
        assert_int_equal(read_back(bed, "pm2:root/lily", 0), 1);
}

/* A limit on the size of files stands for a disk that is full. */
static void a_full_disk_costs_samples_and_nothing_else(void **state)
{
        struct bed *bed = *state;
        struct rlimit before, small = { 24 << 10, RLIM_INFINITY };
        int r = 0;

        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(write_one(bed, "pm2:root/lily", NOW, 1 << 20), 0);
        getrlimit(RLIMIT_FSIZE, &before);
        small.rlim_max = before.rlim_max;
        setrlimit(RLIMIT_FSIZE, &small);
        for (uint64_t at = NOW; at < NOW + DAY && r >= 0; at += 600)
                r = write_ten(bed, &history_limits, "pm2:root/lily", at);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_true(r < 0 && r != -EUCLEAN);
        assert_true(read_back(bed, "pm2:root/lily", 0) > 10);
        assert_int_equal(write_ten(bed, &history_limits, "pm2:root/lily", NOW + DAY), 0);
        assert_false(is_aside(bed));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(what_was_written_is_read_back),
                TEST(minutes_become_tens_and_tens_become_hours),
                TEST(a_year_of_samples_stays_within_its_bound),
                TEST(what_is_no_history_is_moved_aside),
                TEST(a_database_of_somebody_else_is_moved_aside),
                TEST(a_history_damaged_in_its_middle_is_begun_anew),
                TEST(an_empty_file_and_a_link_are_moved_aside),
                TEST(a_deleted_history_begins_again),
                TEST(a_full_disk_costs_samples_and_nothing_else),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
