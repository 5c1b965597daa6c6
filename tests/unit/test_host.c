#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/host.h"

struct stage {
        struct host_watch watch;
        char root[64], dpkg[80];
        sd_event *event;
        struct clock clock;
        struct proc proc;
        struct host *host;
        unsigned hosts, sources, planned;
        struct fact last, source, plan;
        char why[200];
};

static void take(void *self, const struct fact *fact)
{
        struct stage *stage = self;

        if (fact->kind == FACT_HOST) {
                stage->hosts++;
                stage->last = *fact;
        } else if (fact->kind == FACT_SOURCE) {
                stage->sources++;
                stage->source = *fact;
                snprintf(stage->why, sizeof(stage->why), "%s", fact->source.why);
        } else if (fact->kind == FACT_PLANNED) {
                stage->planned++;
                stage->plan = *fact;
        }
}

static void put(const struct stage *stage, const char *path, const char *text)
{
        char whole[160];
        FILE *file;

        snprintf(whole, sizeof(whole), "%s/%s", stage->root, path);
        file = fopen(whole, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

static void make_folder(const struct stage *stage, const char *path)
{
        char whole[160];

        snprintf(whole, sizeof(whole), "%s/%s", stage->root, path);
        assert_int_equal(mkdir(whole, 0700), 0);
}

static int set_up(void **state)
{
        struct stage *stage = calloc(1, sizeof(*stage));

        snprintf(stage->root, sizeof(stage->root), "/tmp/governor-host-XXXXXX");
        assert_non_null(mkdtemp(stage->root));
        snprintf(stage->dpkg, sizeof(stage->dpkg), "%s/dpkg", stage->root);
        make_folder(stage, "dpkg");
        put(stage, "dpkg/lock-frontend", "");
        put(stage, "dpkg/lock", "");
        put(stage, "meminfo",
            "MemTotal:        4000000 kB\nMemFree:  1 kB\nMemAvailable:    1500000 kB\nSwapFree:  500 kB\n");
        put(stage, "loadavg", "1.25 0.50 0.10 2/345 6789\n");
        assert_int_equal(proc_open(&stage->proc, stage->root), 0);
        clock_init(&stage->clock, 0);
        assert_true(sd_event_new(&stage->event) >= 0);
        *state = stage;
        return 0;
}

static struct host_watch watch(void *self)
{
        return ((struct stage *)self)->watch;
}

static void begin(struct stage *stage)
{
        struct host_options options = {
                .clock = &stage->clock,
                .proc = &stage->proc,
                .sink = { take, stage },
                .dpkg = stage->dpkg,
                .watch = watch,
                .self = stage,
        };

        assert_int_equal(host_new(stage->event, &options, &stage->host), 0);
}

static int tear_down(void **state)
{
        struct stage *stage = *state;
        char command[128];

        host_free(stage->host);
        sd_event_unref(stage->event);
        proc_done(&stage->proc);
        snprintf(command, sizeof(command), "rm -r %s", stage->root);
        (void)!system(command);
        free(stage);
        return 0;
}

static void run_until(struct stage *stage, const unsigned *count)
{
        unsigned before = *count;

        for (int i = 0; i < 50 && *count == before; i++)
                assert_true(sd_event_run(stage->event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(*count > before);
}

static void the_machine_is_sampled(void **state)
{
        struct stage *stage = *state;

        make_folder(stage, "pressure");
        put(stage, "pressure/memory",
            "some avg10=1.23 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.45 avg60=0.00 avg300=0.00 total=1\n");
        put(stage, "pressure/cpu", "some avg10=100.00 avg60=0.00 avg300=0.00 total=1\n");
        put(stage, "stat", "cpu  100 0 0 900 0 0 0 50 0 0\nctxt 77\n");
        begin(stage);
        run_until(stage, &stage->hosts);
        assert_true(stage->last.host.total_bytes == UINT64_C(4000000) * 1024);
        assert_true(stage->last.host.available_bytes == UINT64_C(1500000) * 1024);
        assert_int_equal(stage->last.host.swap_free_bytes, 500 * 1024);
        assert_int_equal(stage->last.host.memory_some_avg10, 123);
        assert_int_equal(stage->last.host.memory_full_avg10, 45);
        assert_int_equal(stage->last.host.cpu_some_avg10, 10000);
        assert_int_equal(stage->last.host.load1, 125);
        assert_true(stage->last.host.cpu_busy == proc_usec_of_ticks(100));
        assert_true(stage->last.host.cpu_given == proc_usec_of_ticks(1000));
        assert_true(stage->last.host.cpu_steal == proc_usec_of_ticks(50));
        assert_int_equal(stage->last.host.switches, 77);
        assert_true(stage->last.host.cpus > 0 && stage->last.host.uptime > 0);
        assert_int_equal(stage->source.source.state, SOURCE_SEEING);
        assert_string_equal(stage->why, "");
}

static void a_kernel_without_pressure_is_said_and_is_no_error(void **state)
{
        struct stage *stage = *state;

        begin(stage);
        run_until(stage, &stage->hosts);
        assert_int_equal(stage->sources, 1);
        assert_int_equal(stage->source.source.state, SOURCE_SEEING);
        assert_non_null(strstr(stage->why, "/proc/pressure"));
}

static void memory_that_cannot_be_read_is_unknown_not_zero(void **state)
{
        struct stage *stage = *state;

        put(stage, "meminfo", "MemTotal: lots\n");
        begin(stage);
        run_until(stage, &stage->sources);
        assert_int_equal(stage->hosts, 0);
        assert_int_equal(stage->source.source.state, SOURCE_BLIND);
}

/* As apt does: opens the file and locks it with fcntl(). */
static pid_t lock_it(const struct stage *stage, int *ret_release)
{
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int ready[2], release[2];
        char path[160], byte;
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        assert_int_equal(pipe(release), 0);
        snprintf(path, sizeof(path), "%s/lock-frontend", stage->dpkg);
        pid = fork();
        if (pid == 0) {
                int fd = open(path, O_RDWR);

                close(release[1]);
                if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0)
                        _exit(1);
                (void)!write(ready[1], "", 1);
                (void)!read(release[0], &byte, 1);
                _exit(0);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
        close(release[0]);
        *ret_release = release[1];
        return pid;
}

static void a_package_run_is_announced_while_dpkg_is_locked(void **state)
{
        struct stage *stage = *state;
        int release, status;
        pid_t pid;

        begin(stage);
        run_until(stage, &stage->hosts);
        assert_false(host_package_run(stage->host));
        pid = lock_it(stage, &release);
        assert_true(host_package_run(stage->host));
        run_until(stage, &stage->planned);
        assert_int_equal(stage->plan.planned.ending, ENDING_PACKAGE);
        assert_true(stage->plan.planned.until > stage->plan.at);
        assert_string_equal(stage->plan.agent, "");
        close(release);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_false(host_package_run(stage->host));
}

static void needrestart_counts_after_the_lock_is_gone(void **state)
{
        struct stage *stage = *state;

        make_folder(stage, "77");
        put(stage, "77/stat", "77 (needrestart) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 7 0 987654 1\n");
        begin(stage);
        assert_true(host_package_run(stage->host));
}

static void a_machine_without_dpkg_has_no_package_runs(void **state)
{
        struct stage *stage = *state;

        snprintf(stage->dpkg, sizeof(stage->dpkg), "%s/nothing", stage->root);
        begin(stage);
        run_until(stage, &stage->hosts);
        assert_false(host_package_run(stage->host));
}

static void pressure_files_of_other_shapes_are_refused(void **state)
{
        uint32_t value = 7;

        assert_int_equal(host_parse_pressure("", "some", &value), -ENODATA);
        assert_int_equal(host_parse_pressure("some avg10=", "some", &value), -EBADMSG);
        assert_int_equal(host_parse_pressure("some avg10=1", "some", &value), -EBADMSG);
        assert_int_equal(host_parse_pressure("some avg10=1.2", "some", &value), -EBADMSG);
        assert_int_equal(host_parse_pressure("some avg10=99999999999.20", "some", &value), -EBADMSG);
        assert_int_equal(host_parse_pressure("full avg10=1.20\n", "some", &value), -ENODATA);
        assert_int_equal(host_parse_load("x", &value), -EBADMSG);
        assert_int_equal(value, 7);
        assert_int_equal(host_parse_pressure("some avg10=0.10\nfull avg10=1.20\n", "full", &value), 0);
        assert_int_equal(value, 120);
}

/* ---- near the floor -------------------------------------------------------------------------------------------------- */

#define MB (UINT64_C(1) << 20)

static usec_t period(uint64_t floor_mb, uint64_t available_mb, uint64_t before_mb, bool trigger)
{
        struct host_watch floor = { .floor_bytes = floor_mb * MB };
        struct host_tide tide = { .total_bytes = 4000 * MB,
                                  .available_bytes = available_mb * MB,
                                  .before_bytes = before_mb * MB,
                                  .passed = 15 * USEC_PER_SEC,
                                  .trigger = trigger };

        return host_period(&floor, &tide);
}

static void far_above_the_floor_nothing_more_is_looked_at(void **state)
{
        assert_true(period(0, 10, 10, false) == USEC_INFINITY); /* no floor at all */
        assert_true(period(500, 3000, 3000, true) == USEC_INFINITY);
        assert_true(period(500, 3000, 3000, false) == USEC_INFINITY);
        assert_true(period(500, 1010, 1010, true) == USEC_INFINITY);
}

static void the_nearer_the_floor_the_more_often_it_is_looked_at(void **state)
{
        usec_t last = USEC_INFINITY;

        for (uint64_t above = 480; above > 0; above -= 20) {
                usec_t now = period(500, 500 + above, 500 + above, true);

                assert_true(now <= last && now >= HOST_SAMPLE_NEAR);
                last = now;
        }
        assert_true(period(500, 510, 510, true) == HOST_SAMPLE_NEAR);
        assert_true(period(500, 500, 500, true) == HOST_SAMPLE_NEAR);
        assert_true(period(500, 100, 100, true) == HOST_SAMPLE_NEAR);
}

static void a_fall_brings_the_next_look_forward(void **state)
{
        /* 500 MB above it, and 500 lost in the last 15 s: half of that time at most */
        assert_true(period(500, 1000, 1500, true) <= 8 * USEC_PER_SEC);
        assert_true(period(500, 1000, 1500, true) > 6 * USEC_PER_SEC);
        assert_true(period(500, 2000, 2010, true) == USEC_INFINITY);
}

static void without_the_kernels_word_it_looks_oftener(void **state)
{
        assert_true(period(500, 1200, 1200, false) == 5 * USEC_PER_SEC);
        assert_true(period(500, 1600, 1600, false) == USEC_INFINITY);
}

static void what_is_done_about_it_is_watched_closely(void **state)
{
        struct host_watch closely = { .floor_bytes = 500 * MB, .closely = true };
        struct host_tide tide = { .total_bytes = 4000 * MB, .available_bytes = 3000 * MB };

        assert_true(host_period(&closely, &tide) == HOST_SAMPLE_NEAR);
        assert_true(host_period(&closely, &(struct host_tide){ 0 }) == HOST_SAMPLE_NEAR);
}

/* On the usual grid there would be one in the time that this waits at most. */
static void below_the_floor_samples_follow_each_other(void **state)
{
        struct stage *stage = *state;

        stage->watch.floor_bytes = UINT64_C(2) << 30;
        begin(stage);
        for (int n = 0; n < 4; n++)
                run_until(stage, &stage->hosts);
        put(stage, "meminfo", "MemTotal: 4000000 kB\nMemAvailable: 3900000 kB\n");
        run_until(stage, &stage->hosts);
        assert_true(stage->last.host.available_bytes == UINT64_C(3900000) * 1024);
}

static void a_trigger_is_never_written_to_what_is_no_file_of_the_kernels(void **state)
{
        static const char text[] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"
                                   "full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";
        struct stage *stage = *state;
        char back[256] = "";

        make_folder(stage, "pressure");
        put(stage, "pressure/memory", text);
        put(stage, "pressure/cpu", text);
        stage->watch.floor_bytes = UINT64_C(2) << 30;
        begin(stage);
        for (int n = 0; n < 2; n++)
                run_until(stage, &stage->hosts);
        assert_true(proc_read(&stage->proc, "pressure/memory", back, sizeof(back)) > 0);
        assert_string_equal(back, text);
        assert_int_equal(stage->source.source.state, SOURCE_SEEING);
        assert_non_null(strstr(stage->why, "without a pressure trigger"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_machine_is_sampled, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_kernel_without_pressure_is_said_and_is_no_error, set_up, tear_down),
                cmocka_unit_test_setup_teardown(memory_that_cannot_be_read_is_unknown_not_zero, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_package_run_is_announced_while_dpkg_is_locked, set_up, tear_down),
                cmocka_unit_test_setup_teardown(needrestart_counts_after_the_lock_is_gone, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_machine_without_dpkg_has_no_package_runs, set_up, tear_down),
                cmocka_unit_test(pressure_files_of_other_shapes_are_refused),
                cmocka_unit_test(far_above_the_floor_nothing_more_is_looked_at),
                cmocka_unit_test(the_nearer_the_floor_the_more_often_it_is_looked_at),
                cmocka_unit_test(a_fall_brings_the_next_look_forward),
                cmocka_unit_test(without_the_kernels_word_it_looks_oftener),
                cmocka_unit_test(what_is_done_about_it_is_watched_closely),
                cmocka_unit_test_setup_teardown(below_the_floor_samples_follow_each_other, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_trigger_is_never_written_to_what_is_no_file_of_the_kernels, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
