#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/process.h"

struct stage {
        sd_event *event;
        struct clock clock;
        struct proc proc;
        struct process *process;
        unsigned died, samples;
        struct fact last, source;
        char why[200];
        pid_t forget; /* the sink forgets this one when it hears of any death */
};

static void take(void *self, const struct fact *fact)
{
        struct stage *stage = self;

        if (fact->kind == FACT_DIED) {
                stage->died++;
                stage->last = *fact;
                if (stage->forget)
                        process_forget(stage->process, stage->forget, 0);
        } else if (fact->kind == FACT_SAMPLE) {
                stage->samples++;
                stage->last = *fact;
        } else if (fact->kind == FACT_SOURCE) {
                stage->source = *fact;
                snprintf(stage->why, sizeof(stage->why), "%s", fact->source.why);
        }
}

static int set_up(void **state)
{
        struct stage *stage = calloc(1, sizeof(*stage));
        struct process_options options = { .clock = &stage->clock, .proc = &stage->proc, .sink = { take, stage } };

        clock_init(&stage->clock, 0);
        assert_int_equal(proc_open(&stage->proc, "/proc"), 0);
        assert_true(sd_event_new(&stage->event) >= 0);
        assert_int_equal(process_new(stage->event, &options, &stage->process), 0);
        *state = stage;
        return 0;
}

static int tear_down(void **state)
{
        struct stage *stage = *state;

        process_free(stage->process);
        sd_event_unref(stage->event);
        proc_done(&stage->proc);
        free(stage);
        return 0;
}

static pid_t child(void)
{
        pid_t pid = fork();

        if (pid == 0) {
                pause();
                _exit(0);
        }
        assert_true(pid > 0);
        return pid;
}

static uint64_t start_of(const struct stage *stage, pid_t pid)
{
        struct proc_stat stat;

        assert_int_equal(proc_stat(&stage->proc, pid, &stat), 0);
        return stat.start;
}

/* Runs until a death was told, at most about 5 s. */
static void run_until_death(struct stage *stage)
{
        unsigned before = stage->died;

        for (int i = 0; i < 50 && stage->died == before; i++)
                assert_true(sd_event_run(stage->event, 100 * USEC_PER_MSEC) >= 0);
        assert_int_equal(stage->died, before + 1);
}

static void run_idle(struct stage *stage)
{
        while (sd_event_run(stage->event, 0) > 0)
                ;
}

static unsigned open_files(void)
{
        DIR *all = opendir("/proc/self/fd");
        unsigned n = 0;

        while (readdir(all))
                n++;
        closedir(all);
        return n;
}

static void a_kill_is_told_with_its_signal(void **state)
{
        struct stage *stage = *state;
        pid_t pid = child();
        uint64_t start = start_of(stage, pid);

        assert_int_equal(process_watch(stage->process, "pm2:root/lily", 3, pid, start), 0);
        kill(pid, SIGKILL);
        run_until_death(stage); /* still a zombie: nobody waited for it */
        assert_int_equal(stage->last.ended.pid, pid);
        assert_true(stage->last.ended.start == start);
        assert_int_equal(stage->last.instance, 3);
        assert_int_equal(stage->last.manager, MANAGER_PM2);
        assert_int_equal(stage->last.ended.ending, ENDING_SIGNAL);
        assert_int_equal(stage->last.ended.signal, SIGKILL);
        waitpid(pid, NULL, 0);
}

static void an_exit_is_told_with_its_code(void **state)
{
        struct stage *stage = *state;
        int gate[2];
        pid_t pid;
        char byte;

        assert_int_equal(pipe(gate), 0);
        pid = fork();
        if (pid == 0) {
                close(gate[1]);
                _exit(read(gate[0], &byte, 1) == 0 ? 7 : 1);
        }
        assert_int_equal(process_watch(stage->process, "systemd:x.service", 0, pid, start_of(stage, pid)), 0);
        close(gate[0]);
        close(gate[1]);
        run_until_death(stage);
        assert_int_equal(stage->last.ended.ending, ENDING_EXIT);
        assert_int_equal(stage->last.ended.code, 7);
        waitpid(pid, NULL, 0);
}

static void a_pid_that_belongs_to_somebody_else_by_now_is_a_death(void **state)
{
        struct stage *stage = *state;
        pid_t pid = child();
        uint64_t start = start_of(stage, pid);

        assert_int_equal(process_watch(stage->process, "systemd:x.service", 0, pid, start - 1), 0);
        assert_int_equal(stage->died, 0); /* told in a turn of its own */
        run_until_death(stage);
        assert_true(stage->last.ended.start == start - 1);
        assert_int_equal(stage->last.ended.ending, ENDING_UNKNOWN);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        run_idle(stage);
        assert_int_equal(stage->died, 1);
}

static void one_that_is_gone_already_is_a_death(void **state)
{
        struct stage *stage = *state;
        pid_t pid = child();

        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        assert_int_equal(process_watch(stage->process, "systemd:x.service", 0, pid, 0), 0);
        run_until_death(stage);
        assert_int_equal(stage->last.ended.pid, pid);
}

static void what_is_forgotten_is_not_told_and_leaves_no_descriptor(void **state)
{
        struct stage *stage = *state;
        unsigned before;

        run_idle(stage);
        before = open_files();
        for (int i = 0; i < 20; i++) {
                pid_t pid = child();

                assert_int_equal(process_watch(stage->process, "systemd:x.service", 0, pid, 0), 0);
                assert_int_equal(process_watch(stage->process, "systemd:x.service", 0, pid, 0), 0); /* twice is once */
                if (i % 2)
                        process_forget(stage->process, pid, 0);
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                run_idle(stage);
        }
        assert_int_equal(stage->died, 10);
        assert_int_equal(open_files(), before);
}

static void the_sink_may_forget_while_it_is_told(void **state)
{
        struct stage *stage = *state;
        pid_t first = child(), second = child();

        assert_int_equal(process_watch(stage->process, "systemd:a.service", 0, first, 0), 0);
        assert_int_equal(process_watch(stage->process, "systemd:b.service", 0, second, 0), 0);
        stage->forget = second;
        kill(first, SIGKILL);
        run_until_death(stage);
        kill(second, SIGKILL);
        waitpid(first, NULL, 0);
        waitpid(second, NULL, 0);
        run_idle(stage);
        assert_int_equal(stage->died, 1);
}

static void without_descriptors_it_says_so_and_gets_better(void **state)
{
        struct stage *stage = *state;
        struct rlimit before, none;
        pid_t pid = child();

        run_idle(stage);
        assert_int_equal(stage->source.source.state, SOURCE_SEEING);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = 3;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        assert_int_equal(process_watch(stage->process, "systemd:x.service", 0, pid, 0), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        run_idle(stage);
        assert_int_equal(stage->source.source.state, SOURCE_BLIND);
        assert_non_null(strstr(stage->why, "1 of 1"));
        process_forget(stage->process, pid, 0);
        run_idle(stage);
        assert_int_equal(stage->source.source.state, SOURCE_SEEING);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static void samples_are_due_on_a_grid(void **state)
{
        assert_true(process_next_sample(0) == PROCESS_SAMPLE_EVERY);
        assert_true(process_next_sample(PROCESS_SAMPLE_EVERY - 1) == PROCESS_SAMPLE_EVERY);
        assert_true(process_next_sample(PROCESS_SAMPLE_EVERY) == 2 * PROCESS_SAMPLE_EVERY);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_kill_is_told_with_its_signal, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_exit_is_told_with_its_code, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_pid_that_belongs_to_somebody_else_by_now_is_a_death, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(one_that_is_gone_already_is_a_death, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_forgotten_is_not_told_and_leaves_no_descriptor, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(the_sink_may_forget_while_it_is_told, set_up, tear_down),
                cmocka_unit_test_setup_teardown(without_descriptors_it_says_so_and_gets_better, set_up, tear_down),
                cmocka_unit_test(samples_are_due_on_a_grid),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
