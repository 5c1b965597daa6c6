#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/proc.h"

#define TAIL " 1 42 42 0 -1 4194560 1 2 3 4 150 50 20 10 20 0 7 0 987654 1000 200 184467 1 1\n"

static int parse_stat(const char *text, struct proc_stat *ret)
{
        return proc_parse_stat(text, strlen(text), ret);
}

static void a_stat_line_gives_parent_time_and_start(void **state)
{
        struct proc_stat stat;

        assert_int_equal(parse_stat("42 (node) S" TAIL, &stat), 0);
        assert_string_equal(stat.comm, "node");
        assert_int_equal(stat.state, 'S');
        assert_int_equal(stat.parent, 1);
        assert_int_equal(stat.cpu_ticks, 200);
        assert_int_equal(stat.waited_ticks, 30);
        assert_int_equal(stat.start, 987654);
}

static void a_name_with_brackets_and_spaces_does_not_shift_the_fields(void **state)
{
        struct proc_stat stat;

        assert_int_equal(parse_stat("42 (PM2 v7.0.4: God) S 9 (x) R" TAIL, &stat), 0);
        assert_string_equal(stat.comm, "PM2 v7.0.4: God) S 9 (x");
        assert_int_equal(stat.parent, 1);
        assert_int_equal(stat.start, 987654);
}

static void a_stat_line_that_is_cut_anywhere_is_refused(void **state)
{
        static const char whole[] = "42 (node) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 7 0 9";
        struct proc_stat stat;

        for (size_t n = 0; n < sizeof(whole) - 1; n++)
                assert_int_equal(proc_parse_stat(whole, n, &stat), -EBADMSG);
        assert_int_equal(proc_parse_stat(whole, sizeof(whole) - 1, &stat), 0);
}

static void numbers_that_overflow_are_refused(void **state)
{
        struct proc_stat stat;
        struct proc_status status;
        static const char huge[] = "RssAnon:\t99999999999999999999 kB\nRssShmem:\t0 kB\n";
        static const char large[] = "RssAnon:\t18446744073709551615 kB\nRssShmem:\t0 kB\n";

        assert_int_equal(
                parse_stat("42 (x) S 1 42 42 0 -1 4194560 1 2 3 4 18446744073709551615 50 0 0 20 0 7 0 1\n", &stat),
                -EBADMSG);
        assert_int_equal(parse_stat("42 (x) S 99999999999 1 1 0 0 0 0 0 0 0 1 1 0 0 0 0 0 0 1\n", &stat), -EBADMSG);
        assert_int_equal(proc_parse_status(huge, strlen(huge), &status), -EBADMSG);
        assert_int_equal(proc_parse_status(large, strlen(large), &status), -EBADMSG);
}

static void memory_is_anonymous_shared_and_swapped(void **state)
{
        static const char text[] =
                "Name:\tRssAnon: 7 kB\nVmRSS:\t   54000 kB\nRssAnon:\t   10000 kB\nRssFile:\t   43000 kB\n"
                "RssShmem:\t    1000 kB\nVmSwap:\t     500 kB\n";
        struct proc_status status;

        assert_int_equal(proc_parse_status(text, strlen(text), &status), 0);
        assert_int_equal(status.memory_bytes, 11500 * 1024);
        assert_int_equal(status.voluntary + status.involuntary, 0);
}

/* Whoever named itself so is not believed. */
static void a_status_tells_how_often_the_main_thread_left_the_cpu(void **state)
{
        static const char text[] = "Name:\tvoluntary_ctxt_\nRssAnon:\t1 kB\nRssShmem:\t0 kB\n"
                                   "voluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t38\n"
                                   "x86_Thread_features:\t\n";
        struct proc_status status;

        assert_int_equal(proc_parse_status(text, strlen(text), &status), 0);
        assert_int_equal(status.voluntary, 150);
        assert_int_equal(status.involuntary, 38);
}

static void a_process_without_memory_says_so(void **state)
{
        struct proc_status status = { .memory_bytes = 7 };

        assert_int_equal(proc_parse_status("Name:\tkthreadd\n", 15, &status), -ENODATA);
        assert_int_equal(status.memory_bytes, 7);
}

static void what_an_end_gives_back_is_no_part_of_a_file(void **state)
{
        static const char rollup[] =
                "556e3b7c4000-7ffca0d3a000 ---p 00000000 00:00 0                          [rollup]\n"
                "Rss:               54000 kB\nPss:               20000 kB\nPss_Anon:          10000 kB\n"
                "Pss_File:           9000 kB\nPss_Shmem:          1000 kB\nPrivate_Clean:      8000 kB\n"
                "Private_Dirty:     10500 kB\nPrivate_Hugetlb:    2048 kB\nSwap:                900 kB\n"
                "SwapPss:             500 kB\n";
        static const char old[] = "Rss: 54000 kB\nPss: 20000 kB\nPrivate_Dirty: 10500 kB\n";
        struct proc_rollup got = { 0 };

        assert_int_equal(proc_parse_rollup(rollup, strlen(rollup), &got), 0);
        assert_int_equal(got.bytes, (10000 + 1000 + 2048) * 1024);
        assert_int_equal(got.swap_bytes, 500 * 1024);
        assert_int_equal(proc_parse_rollup(old, strlen(old), &got), 0);
        assert_int_equal(got.bytes, 10500 * 1024);
        assert_int_equal(got.swap_bytes, 0);
}

static void a_rollup_of_another_shape_is_refused(void **state)
{
        static const char *const bad[] = { "Pss_Anon: x kB\nPss_Shmem: 1 kB\n",
                                           "Pss_Anon: 18446744073709551615 kB\nPss_Shmem: 1 kB\n",
                                           "Pss_Anon: 18014398509481983 kB\nPss_Shmem: 18014398509481983 kB\n",
                                           "Pss_Anon: 1 kB\nPss_Shmem: 1 kB\nSwapPss: -1 kB\n" };
        struct proc_rollup got = { .bytes = 7 };

        for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++)
                assert_int_equal(proc_parse_rollup(bad[n], strlen(bad[n]), &got), -EBADMSG);
        assert_int_equal(proc_parse_rollup("", 0, &got), -ENODATA);
        assert_int_equal(proc_parse_rollup("Rss: 1 kB\n", 10, &got), -ENODATA);
        assert_int_equal(got.bytes, 7);
}

static void the_rollup_of_this_process_is_no_larger_than_what_it_holds(void **state)
{
        struct proc proc;
        struct proc_rollup got;
        void *held = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

        assert_ptr_not_equal(held, MAP_FAILED);
        assert_int_equal(proc_open(&proc, "/proc"), 0);
        assert_int_equal(proc_rollup(&proc, getpid(), &got), 0);
        assert_true(got.bytes + got.swap_bytes >= 32 << 20 && got.bytes < UINT64_C(4) << 30);
        assert_int_equal(proc_rollup(&proc, 0x7fffffff, &got), -ESRCH);
        proc_done(&proc);
        munmap(held, 32 << 20);
}

static void a_line_of_a_cgroup_is_found_by_its_whole_key(void **state)
{
        static const char stat[] = "anon 4096\nfile 8192\nslab 7\nslab_unreclaimable 512\nanon_thp 3\n";
        uint64_t value = 1;

        assert_int_equal(proc_parse_flat(stat, strlen(stat), "anon", &value), 0);
        assert_int_equal(value, 4096);
        assert_int_equal(proc_parse_flat(stat, strlen(stat), "slab_unreclaimable", &value), 0);
        assert_int_equal(value, 512);
        assert_int_equal(proc_parse_flat(stat, strlen(stat), "unreclaimable", &value), -ENODATA);
        assert_int_equal(proc_parse_flat("anon x\n", 7, "anon", &value), -EBADMSG);
}

static void unit_of(const char *file, const char *expected)
{
        char cgroup[PROC_CGROUP_MAX], unit[PROC_UNIT_MAX];

        assert_int_equal(proc_parse_cgroup(file, strlen(file), cgroup), 0);
        if (!expected) {
                assert_int_equal(proc_unit_of_cgroup(cgroup, unit), -ENODATA);
                return;
        }
        assert_int_equal(proc_unit_of_cgroup(cgroup, unit), 0);
        assert_string_equal(unit, expected);
}

static void the_unit_is_the_last_service_or_scope_of_the_cgroup(void **state)
{
        unit_of("0::/system.slice/agent-x.service\n", "agent-x.service");
        unit_of("12:memory:/x.service\n0::/system.slice/pm2-root.service/app\n", "pm2-root.service");
        unit_of("0::/user.slice/user-0.slice/user@0.service/app.slice/bot.service\n", "bot.service");
        unit_of("0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope");
        unit_of("0::/\n", NULL);
        unit_of("0::/../../x/.service\n", NULL);
}

static void a_machine_with_old_cgroups_only_has_no_unit(void **state)
{
        char cgroup[PROC_CGROUP_MAX];

        assert_int_equal(proc_parse_cgroup("3:cpu:/a.service\n", 17, cgroup), -ENODATA);
        assert_int_equal(proc_parse_cgroup("", 0, cgroup), -ENODATA);
}

/* A /proc of our own. */
struct fixture {
        char root[64];
        struct proc proc;
};

static void put(struct fixture *fixture, const char *path, const char *bytes, size_t size)
{
        char whole[256];
        FILE *file;

        snprintf(whole, sizeof(whole), "%s/%s", fixture->root, path);
        for (char *slash = whole + strlen(fixture->root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
                *slash = '\0';
                mkdir(whole, 0700);
        }
        file = fopen(whole, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, size, file), size);
        fclose(file);
}

static int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        snprintf(fixture->root, sizeof(fixture->root), "/tmp/governor-proc-XXXXXX");
        assert_non_null(mkdtemp(fixture->root));
        assert_int_equal(proc_open(&fixture->proc, fixture->root), 0);
        *state = fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;
        char command[128];

        proc_done(&fixture->proc);
        snprintf(command, sizeof(command), "rm -r %s", fixture->root);
        (void)!system(command);
        free(fixture);
        return 0;
}

static void only_the_named_variables_are_taken_from_an_environment(void **state)
{
        struct fixture *fixture = *state;
        static const char bytes[] =
                "API_KEY=fixture-secret\0pm_id=12\0PM2_HOME=/home/a/.pm2\0XPM2_HOME=no\0EMPTY=\0pm_id=99";
        char home[32], id[8], empty[4] = "x", missing[4];
        struct proc_variable wanted[] = {
                { "PM2_HOME", home, sizeof(home) },
                { "pm_id", id, sizeof(id) },
                { "EMPTY", empty, sizeof(empty) },
                { "HOME", missing, sizeof(missing) },
        };

        put(fixture, "7/environ", bytes, sizeof(bytes));
        assert_int_equal(proc_environ(&fixture->proc, 7, wanted, 4), 0);
        assert_true(wanted[0].found && wanted[1].found && wanted[2].found && !wanted[3].found);
        assert_string_equal(home, "/home/a/.pm2");
        assert_string_equal(id, "12");
        assert_string_equal(empty, "");
}

static void a_value_across_read_borders_is_whole_and_one_too_long_is_not_there(void **state)
{
        struct fixture *fixture = *state;
        char bytes[9000], value[64], little[8];
        struct proc_variable wanted[] = { { "HERE", value, sizeof(value) }, { "LONG", little, sizeof(little) } };
        int n;

        memset(bytes, 'a', sizeof(bytes));
        memcpy(bytes, "PAD=", 4);
        bytes[4089] = '\0';
        n = snprintf(bytes + 4090, sizeof(bytes) - 4090, "HERE=0123456789") + 4090;
        n += snprintf(bytes + n + 1, sizeof(bytes) - (size_t)n - 1, "LONG=0123456789") + 1;
        put(fixture, "7/environ", bytes, (size_t)n + 1);
        assert_int_equal(proc_environ(&fixture->proc, 7, wanted, 2), 0);
        assert_true(wanted[0].found);
        assert_string_equal(value, "0123456789");
        assert_false(wanted[1].found);
}

static void a_vanished_process_is_told_as_such(void **state)
{
        struct fixture *fixture = *state;
        struct proc_stat stat;
        uint64_t bytes;
        char unit[PROC_UNIT_MAX];
        size_t n;

        assert_int_equal(proc_stat(&fixture->proc, 7, &stat), -ESRCH);
        assert_int_equal(proc_memory(&fixture->proc, 7, &bytes), -ESRCH);
        assert_int_equal(proc_unit(&fixture->proc, 7, unit), -ESRCH);
        assert_int_equal(proc_environ(&fixture->proc, 7, NULL, 0), -ESRCH);
        assert_int_equal(proc_children(&fixture->proc, 7, NULL, 0, &n), -ESRCH);
        put(fixture, "7/stat", "", 0); /* vanished after it was opened */
        assert_int_equal(proc_stat(&fixture->proc, 7, &stat), -ESRCH);
}

static void children_of_all_threads_are_found_and_counted(void **state)
{
        struct fixture *fixture = *state;
        pid_t children[2];
        size_t n;

        put(fixture, "7/task/7/children", "8 9 ", 4);
        put(fixture, "7/task/70/children", "", 0);
        put(fixture, "7/task/71/children", "10 ", 3);
        assert_int_equal(proc_children(&fixture->proc, 7, children, 2, &n), 0);
        assert_int_equal(n, 3);
}

static void the_cpus_are_told_apart_by_who_had_them(void **state)
{
        static const char text[] = "cpu  40 2 20 900 30 3 5 60 7 0\ncpu0 40 2 20 900 30 3 5 60 7 0\n"
                                   "intr 1 2 3\nctxt 123456\nbtime 1\n";
        struct fixture *fixture = *state;
        struct proc_totals totals;

        assert_int_equal(proc_totals(&fixture->proc, &totals), -ENOENT);
        put(fixture, "stat", text, strlen(text));
        assert_int_equal(proc_totals(&fixture->proc, &totals), 0);
        assert_int_equal(totals.busy_ticks, 70);
        assert_int_equal(totals.given_ticks, 1000);
        assert_int_equal(totals.steal_ticks, 60);
        assert_int_equal(totals.switches, 123456);
}

/* A large machine has more kinds of interrupts than fit into any buffer. */
static void a_line_of_any_length_is_passed_over(void **state)
{
        static char text[40000];
        struct fixture *fixture = *state;
        struct proc_totals totals;

        for (size_t length = 4060; length < 4140; length++) {
                int n = snprintf(text, sizeof(text), "cpu  1 0 0 9\nintr ");

                memset(text + n, '7', length);
                strcpy(text + n + length, "\nctxt 5\n");
                put(fixture, "stat", text, strlen(text));
                assert_int_equal(proc_totals(&fixture->proc, &totals), 0);
                assert_int_equal(totals.given_ticks, 10);
                assert_int_equal(totals.switches, 5);
        }
        memset(text, '7', sizeof(text) - 1);
        put(fixture, "stat", text, sizeof(text) - 1);
        assert_int_equal(proc_totals(&fixture->proc, &totals), -ENODATA);
}

static void times_that_make_no_sense_are_unknown(void **state)
{
        static const char *const lines[] = { "cpu  1 2 3",
                                             "cpu  1 2 3 x",
                                             "cpu",
                                             "cpu0 1 2 3 4",
                                             "",
                                             "cpu  1 2 3 9999999999999999999",
                                             "cpu  1 2 3 99999999999999999999999" };
        struct proc_totals totals = { .given_ticks = 7 };

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                assert_false(proc_parse_totals(lines[i], strlen(lines[i]), &totals));
        assert_int_equal(totals.given_ticks, 7);
}

static int count_one(void *self, pid_t pid)
{
        *(int *)self += pid;
        return 0;
}

static void only_numbers_are_processes(void **state)
{
        struct fixture *fixture = *state;
        int sum = 0;

        put(fixture, "7/stat", "", 0);
        put(fixture, "35/stat", "", 0);
        put(fixture, "meminfo", "", 0);
        put(fixture, "1x/stat", "", 0);
        assert_int_equal(proc_each(&fixture->proc, count_one, &sum), 0);
        assert_int_equal(sum, 42);
}

static void the_real_proc_knows_us(void **state)
{
        struct proc proc;
        struct proc_stat stat;
        struct proc_totals totals;
        uint64_t bytes;

        assert_int_equal(proc_open(&proc, "/proc"), 0);
        assert_int_equal(proc_stat(&proc, getpid(), &stat), 0);
        assert_int_equal(stat.parent, getppid());
        assert_string_equal(stat.comm, "test_proc");
        assert_int_equal(proc_memory(&proc, getpid(), &bytes), 0);
        assert_true(bytes > 0);
        assert_int_equal(proc_totals(&proc, &totals), 0);
        assert_true(totals.busy_ticks > 0 && totals.given_ticks > totals.busy_ticks && totals.switches > 0);
        proc_done(&proc);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_stat_line_gives_parent_time_and_start),
                cmocka_unit_test(a_name_with_brackets_and_spaces_does_not_shift_the_fields),
                cmocka_unit_test(a_stat_line_that_is_cut_anywhere_is_refused),
                cmocka_unit_test(numbers_that_overflow_are_refused),
                cmocka_unit_test(memory_is_anonymous_shared_and_swapped),
                cmocka_unit_test(a_status_tells_how_often_the_main_thread_left_the_cpu),
                cmocka_unit_test(what_an_end_gives_back_is_no_part_of_a_file),
                cmocka_unit_test(a_rollup_of_another_shape_is_refused),
                cmocka_unit_test(the_rollup_of_this_process_is_no_larger_than_what_it_holds),
                cmocka_unit_test(a_line_of_a_cgroup_is_found_by_its_whole_key),
                cmocka_unit_test(a_process_without_memory_says_so),
                cmocka_unit_test(the_unit_is_the_last_service_or_scope_of_the_cgroup),
                cmocka_unit_test(a_machine_with_old_cgroups_only_has_no_unit),
                cmocka_unit_test_setup_teardown(only_the_named_variables_are_taken_from_an_environment, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_value_across_read_borders_is_whole_and_one_too_long_is_not_there,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_vanished_process_is_told_as_such, set_up, tear_down),
                cmocka_unit_test_setup_teardown(children_of_all_threads_are_found_and_counted, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_cpus_are_told_apart_by_who_had_them, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_line_of_any_length_is_passed_over, set_up, tear_down),
                cmocka_unit_test(times_that_make_no_sense_are_unknown),
                cmocka_unit_test_setup_teardown(only_numbers_are_processes, set_up, tear_down),
                cmocka_unit_test(the_real_proc_knows_us),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
