/* dpkg's log: what is read from a line, and what is told of a file that is added to, rotated, cut or missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "observe/package.h"

static bool parse(const char *line, struct package_line *ret)
{
        return package_parse(line, strlen(line), ret);
}

static void changes_of_packages_are_read(void **state)
{
        struct package_line line;

        (void)state;
        assert_true(
                parse("2026-01-31 14:02:07 upgrade nodejs:amd64 18.19.0+dfsg-6~deb12u1 18.20.4+dfsg-1~deb12u1", &line));
        assert_int_equal(line.change, PACKAGE_UPGRADED);
        assert_string_equal(line.name, "nodejs");
        assert_string_equal(line.before, "18.19.0+dfsg-6~deb12u1");
        assert_string_equal(line.after, "18.20.4+dfsg-1~deb12u1");
        assert_int_equal(line.year, 2026);
        assert_int_equal(line.second, 7);
        assert_true(parse("2026-01-31 14:02:07 install libc++1-16:all <none> 1:16.0.6-15", &line));
        assert_int_equal(line.change, PACKAGE_INSTALLED);
        assert_string_equal(line.name, "libc++1-16");
        assert_string_equal(line.before, "");
        assert_string_equal(line.after, "1:16.0.6-15");
        assert_true(parse("2026-01-31 14:02:07 remove redis:amd64 5:7.0.15-1 <none>", &line));
        assert_int_equal(line.change, PACKAGE_REMOVED);
        assert_string_equal(line.after, "");
}

static void everything_else_is_no_news(void **state)
{
        static const char *const lines[] = {
                "",
                "2026-01-31 14:02:07 startup archives unpack",
                "2026-01-31 14:02:07 status installed nodejs:amd64 18.20.4",
                "2026-01-31 14:02:07 status half-configured nodejs:amd64 18.20.4",
                "2026-01-31 14:02:07 configure nodejs:amd64 18.20.4 <none>",
                "2026-01-31 14:02:07 trigproc libc-bin:amd64 2.36 <none>",
                "2026-01-31 14:02:07 conffile /etc/x keep",
                "2026-01-31 14:02:07 purge redis:amd64 <none> <none>",
                "2026-01-31 14:02:07 upgrade nodejs:amd64 18.19.0",
                "2026-01-31 14:02:07 upgrade nodejs:amd64 18.19.0 18.20.4 more",
                "2026-01-31 14:02:07 upgrade nodejs:amd64 18.19.0  18.20.4",
                "2026-01-31 14:02:07 upgrade Node;js:amd64 1 2",
                "2026-01-31 14:02:07 upgrade nodejs:amd64 1$(x) 2",
                "2026-13-31 14:02:07 upgrade nodejs:amd64 1 2",
                "2026-01-31T14:02:07 upgrade nodejs:amd64 1 2",
                "26-01-31 14:02:07 upgrade nodejs:amd64 1 2",
                " 2026-01-31 14:02:07 upgrade nodejs:amd64 1 2",
                "2026-01-31 14:02:07 upgrade n:amd64 1 2",
        };
        struct package_line line;

        (void)state;
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                if (parse(lines[i], &line))
                        fail_msg("'%s' is taken", lines[i]);
}

/* ---- a log ---------------------------------------------------------------------------------------------------------------- */

struct bed {
        char root[64], log[96];
        sd_event *event;
        struct clock clock;
        struct package *package;
        char told[4096], source[64];
        unsigned told_n;
        usec_t since;
};

static void take(void *self, const struct fact *fact)
{
        struct bed *bed = self;

        if (fact->kind == FACT_SOURCE)
                snprintf(bed->source, sizeof(bed->source), "%s %s", source_state_name(fact->source.state),
                         fact->source.why);
        if (fact->kind != FACT_PACKAGE)
                return;
        assert_string_equal(fact->agent, "");
        assert_true(fact->package.since <= fact->at);
        bed->told_n++;
        text_append(bed->told, sizeof(bed->told), "%s %s", fact->package.name,
                    package_change_name(fact->package.change));
        if (fact->package.more > 0)
                text_append(bed->told, sizeof(bed->told), " +%u", fact->package.more);
        text_append(bed->told, sizeof(bed->told), "\n");
}

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof(*bed));

        strcpy(bed->root, "/tmp/package-XXXXXX");
        assert_non_null(mkdtemp(bed->root));
        snprintf(bed->log, sizeof(bed->log), "%s/dpkg.log", bed->root);
        assert_true(sd_event_new(&bed->event) >= 0);
        clock_init(&bed->clock, 0);
        bed->since = clock_now(&bed->clock) - USEC_PER_HOUR;
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;
        char command[96];

        package_free(bed->package);
        sd_event_unref(bed->event);
        snprintf(command, sizeof(command), "rm -rf '%s'", bed->root);
        assert_int_equal(system(command), 0);
        free(bed);
        return 0;
}

static void begin(struct bed *bed)
{
        struct package_options options = {
                .clock = &bed->clock, .sink = { take, bed }, .log = bed->log, .since = bed->since
        };

        assert_int_equal(package_new(bed->event, &options, &bed->package), 0);
}

/* A line as dpkg would write it `ago` seconds ago, with what comes behind the time. */
static void add(struct bed *bed, unsigned ago, const char *rest)
{
        time_t when = time(NULL) - ago;
        struct tm tm;
        char text[64];
        FILE *file = fopen(bed->log, "a");

        localtime_r(&when, &tm);
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
        assert_non_null(file);
        fprintf(file, "%s %s", text, rest);
        assert_int_equal(fclose(file), 0);
}

/* Runs until so many are told, or for a while. */
static void run(struct bed *bed, unsigned told)
{
        for (unsigned turns = 0; turns < 200 && bed->told_n < told; turns++)
                assert_true(sd_event_run(bed->event, 20000) >= 0);
}

static void run_until_source(struct bed *bed, const char *source)
{
        for (unsigned turns = 0; turns < 200 && strcmp(bed->source, source) != 0; turns++)
                assert_true(sd_event_run(bed->event, 20000) >= 0);
        assert_string_equal(bed->source, source);
}

static void what_happened_since_is_told_at_start(void **state)
{
        struct bed *bed = *state;

        add(bed, 7200, "upgrade older:amd64 1 2\n");
        add(bed, 60, "upgrade nodejs:amd64 1 2\n");
        add(bed, 59, "status installed nodejs:amd64 2\n");
        begin(bed);
        run(bed, 1);
        assert_string_equal(bed->told, "nodejs upgraded\n");
        assert_string_equal(bed->source, "seeing ");
}

static void what_is_added_is_told_also_in_pieces(void **state)
{
        struct bed *bed = *state;
        FILE *file;

        add(bed, 60, "startup archives unpack\n");
        begin(bed);
        run_until_source(bed, "seeing ");
        add(bed, 0, "upgrade nod");
        file = fopen(bed->log, "a");
        fputs("ejs:amd64 1 2\n", file);
        fclose(file);
        add(bed, 0, "remove redis:amd64 1 <none>\n");
        run(bed, 2);
        assert_string_equal(bed->told, "nodejs upgraded\nredis removed\n");
}

static void a_rotated_log_is_read_to_its_end_and_its_successor_from_the_start(void **state)
{
        struct bed *bed = *state;
        char rotated[128];

        add(bed, 60, "upgrade one:amd64 1 2\n");
        begin(bed);
        run(bed, 1);
        snprintf(rotated, sizeof(rotated), "%s.1", bed->log);
        add(bed, 0, "upgrade two:amd64 1 2\n");
        assert_int_equal(rename(bed->log, rotated), 0);
        add(bed, 0, "upgrade three:amd64 1 2\n");
        run(bed, 3);
        add(bed, 0, "upgrade four:amd64 1 2\n");
        run(bed, 4);
        assert_string_equal(bed->told, "one upgraded\ntwo upgraded\nthree upgraded\nfour upgraded\n");
}

static void a_log_that_is_cut_is_read_anew(void **state)
{
        struct bed *bed = *state;

        add(bed, 60, "upgrade one:amd64 1 2\n");
        add(bed, 60, "status installed one:amd64 2, and quite some more of no interest to anybody\n");
        begin(bed);
        run(bed, 1);
        assert_int_equal(truncate(bed->log, 0), 0);
        add(bed, 0, "upgrade two:amd64 1 2\n");
        run(bed, 2);
        assert_string_equal(bed->told, "one upgraded\ntwo upgraded\n");
}

static void a_log_that_comes_later_is_seen(void **state)
{
        struct bed *bed = *state;

        begin(bed);
        run_until_source(bed, "absent there is no dpkg.log");
        add(bed, 0, "install one:amd64 <none> 1\n");
        run(bed, 1);
        assert_string_equal(bed->told, "one installed\n");
        assert_string_equal(bed->source, "seeing ");
}

static void a_long_run_is_counted(void **state)
{
        struct bed *bed = *state;
        char line[64];

        begin(bed);
        for (unsigned n = 0; n < 500; n++) {
                snprintf(line, sizeof(line), "upgrade package%u:amd64 1 2\n", n);
                add(bed, 30, line);
        }
        run(bed, 8);
        assert_int_equal(bed->told_n, 8);
        assert_non_null(strstr(bed->told, "package499 upgraded +492\n"));
}

static void what_is_no_log_is_said(void **state)
{
        struct bed *bed = *state;

        assert_int_equal(mkfifo(bed->log, 0600), 0);
        begin(bed);
        run_until_source(bed, "blind dpkg.log cannot be read");
}

static void garbage_does_no_harm(void **state)
{
        struct bed *bed = *state;
        FILE *file = fopen(bed->log, "w");

        for (unsigned n = 0; n < 100000; n++)
                fputc(n % 7 ? (int)(n * 31 % 256) : 'x', file);
        fputc('\n', file);
        fclose(file);
        add(bed, 10, "upgrade one:amd64 1 2\n");
        begin(bed);
        run(bed, 1);
        assert_string_equal(bed->told, "one upgraded\n");
}

#define IN_BED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(changes_of_packages_are_read),
                cmocka_unit_test(everything_else_is_no_news),
                IN_BED(what_happened_since_is_told_at_start),
                IN_BED(what_is_added_is_told_also_in_pieces),
                IN_BED(a_rotated_log_is_read_to_its_end_and_its_successor_from_the_start),
                IN_BED(a_log_that_is_cut_is_read_anew),
                IN_BED(a_log_that_comes_later_is_seen),
                IN_BED(a_long_run_is_counted),
                IN_BED(what_is_no_log_is_said),
                IN_BED(garbage_does_no_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
