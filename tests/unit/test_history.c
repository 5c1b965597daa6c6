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
#include <sqlite3.h>

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

/* ---- sums ----------------------------------------------------------------------------------------------------------------- */

#define MODEL_DAYS 9

/* What an hour, ten minutes or a minute must say. */
struct model {
        uint64_t memory, most, cpu, starts, n;
};

static uint64_t chance(uint64_t *seed, uint64_t below)
{
        *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        return (*seed >> 33) % below;
}

static void add_to_model(struct model *model, const struct history_sample *sample)
{
        model->memory += sample->memory_bytes >> 10;
        model->most = sample->memory_most > model->most ? sample->memory_most : model->most;
        model->cpu += sample->cpu_permille;
        model->starts += sample->starts;
        model->n++;
}

/* Batches of any length, with holes between them, each written at its own time. */
static void write_at_random(struct bed *bed, const char *agent, struct model *minutes, uint64_t seed)
{
        struct history_sample batch[40];

        for (uint64_t at = 0; at < MODEL_DAYS * 1440;) {
                unsigned n = 0, length = 1 + (unsigned)chance(&seed, 40);

                for (unsigned i = 0; i < length && at < MODEL_DAYS * 1440; i++, at++) {
                        struct history_sample *sample = &batch[n++];

                        *sample = minute(agent, NOW + at * 60, chance(&seed, 300 << 20));
                        sample->memory_most = sample->memory_bytes + chance(&seed, 1 << 20) / 1024 * 1024;
                        sample->memory_most = sample->memory_most / 1024 * 1024;
                        sample->cpu_permille = (uint32_t)chance(&seed, 3);
                        sample->starts = chance(&seed, 20) == 0;
                        add_to_model(&minutes[at], sample);
                }
                assert_int_equal(history_write(bed->path, &history_limits, batch, n, NOW + at * 60), 0);
                at += chance(&seed, 4) == 0 ? chance(&seed, 90) : 0;
        }
}

static struct model sum_of(const struct model *minutes, uint64_t at, uint32_t step)
{
        struct model sum = { .memory = 0 };

        for (uint64_t i = at / 60; i < (at + step) / 60; i++) {
                sum.memory += minutes[i].memory;
                sum.most = minutes[i].most > sum.most ? minutes[i].most : sum.most;
                sum.cpu += minutes[i].cpu;
                sum.starts += minutes[i].starts;
                sum.n += minutes[i].n;
        }
        return sum;
}

static void coarser_steps_keep_sums_averages_and_maxima(void **state)
{
        static const char *const agents[] = { "pm2:root/lily", "pm2:root/rosa" };
        struct bed *bed = *state;

        for (unsigned k = 0; k < 2; k++) {
                struct model *minutes = calloc(MODEL_DAYS * 1440, sizeof(*minutes));
                uint64_t starts = 0, told = 0;

                write_at_random(bed, agents[k], minutes, k + 1);
                read_back(bed, agents[k], 0);
                for (unsigned i = 0; i < bed->n; i++) {
                        const struct history_sample *read = &bed->read[i];
                        struct model sum = sum_of(minutes, read->at - NOW, read->step);

                        assert_true(sum.n > 0);
                        assert_int_equal(read->memory_bytes >> 10, (sum.memory + sum.n / 2) / sum.n);
                        assert_int_equal(read->memory_most, sum.most);
                        assert_int_equal(read->cpu_permille, (sum.cpu + sum.n / 2) / sum.n);
                        assert_int_equal(read->starts, sum.starts);
                        told += read->starts;
                }
                for (unsigned i = 0; i < MODEL_DAYS * 1440; i++)
                        starts += minutes[i].starts;
                assert_int_equal(told, starts); /* no start is lost or told twice where the steps meet */
                free(minutes);
        }
}

static void an_agent_that_is_gone_is_still_read(void **state)
{
        struct bed *bed = *state;

        write_hours(bed, &history_limits, NOW, 3);
        assert_int_equal(write_one(bed, "pm2:root/rosa", NOW + 3 * DAY, 1 << 20), 0);
        assert_int_equal(read_back(bed, "pm2:root/lily", 0), 18);
        assert_int_equal(bed->read[0].step, 600);
        assert_int_equal(write_one(bed, "pm2:root/rosa", NOW + 30 * DAY, 1 << 20), 0);
        assert_int_equal(read_back(bed, "pm2:root/lily", 0), 3);
        assert_int_equal(bed->read[2].at, NOW + 2 * 3600);
        assert_int_equal(write_one(bed, "pm2:root/rosa", NOW + 500 * DAY, 1 << 20), 0);
        assert_int_equal(read_back(bed, "pm2:root/lily", 0), 0);
}

/* Asked for a stretch: what ends after its beginning and begins before its end, as a step of any length. */
static void a_stretch_is_read_alone(void **state)
{
        struct bed *bed = *state;
        struct history *history;
        uint64_t end = 0;

        write_hours(bed, &history_limits, NOW, 24);
        assert_int_equal(history_open(bed->path, &history), 0);
        assert_int_equal(history_end(history, &end), 0);
        assert_int_equal(end, NOW + DAY);
        for (unsigned k = 0; k < 2; k++) { /* it may be asked again */
                bed->n = 0;
                assert_int_equal(history_each(history, "pm2:root/lily", NOW + 90, NOW + 210, take, bed), 0);
                assert_int_equal(bed->n, 3);
                assert_int_equal(bed->read[0].at, NOW + 60);
                assert_int_equal(bed->read[2].at, NOW + 180);
        }
        assert_int_equal(write_one(bed, "pm2:root/rosa", NOW + 9 * DAY, 1 << 20), 0); /* it holds nobody up */
        bed->n = 0;
        assert_int_equal(history_each(history, "pm2:root/lily", NOW + 3700, NOW + 3 * 3600, take, bed), 0);
        assert_int_equal(bed->n, 2);
        assert_int_equal(bed->read[0].step, 3600);
        assert_int_equal(bed->read[0].at, NOW + 3600);
        history_close(history);
}

/* ---- what gets in the way --------------------------------------------------------------------------------------------------- */

static void who_holds_the_file_costs_ten_minutes(void **state)
{
        struct bed *bed = *state;
        sqlite3 *other;

        assert_int_equal(write_one(bed, "pm2:root/lily", NOW, 1 << 20), 0);
        assert_int_equal(sqlite3_open(bed->path, &other), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(write_ten(bed, &history_limits, "pm2:root/lily", NOW + 600), -EBUSY);
        assert_int_equal(history_read(bed->path, "pm2:root/lily", 0, take, bed), -EBUSY);
        assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT * FROM sample", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(write_ten(bed, &history_limits, "pm2:root/lily", NOW + 600),
                         -EBUSY); /* a reader who lingers */
        sqlite3_close(other);
        assert_int_equal(write_ten(bed, &history_limits, "pm2:root/lily", NOW + 1200), 0);
        assert_int_equal(read_back(bed, "pm2:root/lily", 0), 11);
}

/* Ten years ahead for an hour, and back: what was written then is of a time that never was. */
static void a_clock_that_was_ahead_leaves_nothing(void **state)
{
        struct bed *bed = *state;
        const uint64_t ahead = NOW + 3650 * (uint64_t)DAY;
        const struct history_limits limits = {
                .minutes_for = 6 * 3600, .tens_for = DAY, .hours_for = 400 * DAY, .bytes_most = 64 << 10
        };
        unsigned shortened = 0;

        for (uint64_t at = ahead; at < ahead + 3600; at += 600)
                assert_int_equal(write_ten(bed, &limits, "pm2:root/lily", at), 0);
        for (uint64_t at = NOW; at < NOW + 20 * DAY; at += 600) {
                int r = write_ten(bed, &limits, "pm2:root/lily", at);

                assert_true(r >= 0);
                shortened += (r & HISTORY_SHORTENED) > 0;
        }
        read_back(bed, "pm2:root/lily", 0);
        assert_int_equal(bed->read[bed->n - 1].at, NOW + 20 * DAY - 60);
        for (unsigned i = 1; i < bed->n; i++)
                assert_int_equal(bed->read[i].at, bed->read[i - 1].at + bed->read[i - 1].step);
        assert_int_equal(shortened, 0);
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
                TEST(coarser_steps_keep_sums_averages_and_maxima),
                TEST(an_agent_that_is_gone_is_still_read),
                TEST(a_stretch_is_read_alone),
                TEST(who_holds_the_file_costs_ten_minutes),
                TEST(a_clock_that_was_ahead_leaves_nothing),
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
