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

static void begin(struct stage *stage)
{
        struct host_options options = {
                .clock = &stage->clock,
                .proc = &stage->proc,
                .sink = { take, stage },
                .dpkg = stage->dpkg,
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
        begin(stage);
        run_until(stage, &stage->hosts);
        assert_true(stage->last.host.total_bytes == UINT64_C(4000000) * 1024);
        assert_true(stage->last.host.available_bytes == UINT64_C(1500000) * 1024);
        assert_int_equal(stage->last.host.swap_free_bytes, 500 * 1024);
        assert_int_equal(stage->last.host.memory_some_avg10, 123);
        assert_int_equal(stage->last.host.memory_full_avg10, 45);
        assert_int_equal(stage->last.host.cpu_some_avg10, 10000);
        assert_int_equal(stage->last.host.load1, 125);
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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
