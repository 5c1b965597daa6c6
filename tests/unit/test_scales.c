/* Whose each process is, what an agent weighs, and what is said when that cannot be measured. */
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

#include "observe/scales.h"

#define MB (UINT64_C(1) << 20)
#define FACTS_MAX 64

struct stage {
        char path[64];
        struct proc proc, cgroups;
        sd_event *event;
        struct clock clock;
        struct scales *scales;
        unsigned facts;
        struct {
                char agent[AGENT_ID_MAX], name[64];
                struct fact fact;
        } list[FACTS_MAX];
};

static void take(void *self, const struct fact *fact)
{
        struct stage *stage = self;

        assert_int_equal(fact->kind, FACT_WEIGHT);
        assert_true(stage->facts < FACTS_MAX);
        snprintf(stage->list[stage->facts].agent, AGENT_ID_MAX, "%s", fact->agent);
        snprintf(stage->list[stage->facts].name, 64, "%s", fact->weight.name);
        stage->list[stage->facts++].fact = *fact;
}

/* Writes one small file below the machine's root, with all directories on the way. */
static void put(struct stage *stage, const char *file, const char *text)
{
        char path[256];
        FILE *to;

        snprintf(path, sizeof(path), "%s/%s", stage->path, file);
        for (char *slash = path + strlen(stage->path) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                mkdir(path, 0755);
                *slash = '/';
        }
        to = fopen(path, "we");
        assert_non_null(to);
        fputs(text, to);
        fclose(to);
}

/* A process that says it holds `mb`, and that really holds `pss_mb`; 0: that cannot be read. */
static void put_process(struct stage *stage, int pid, int parent, const char *comm, unsigned mb, unsigned pss_mb,
                        const char *unit)
{
        char file[64], text[512];

        snprintf(file, sizeof(file), "proc/%d/stat", pid);
        snprintf(text, sizeof(text), "%d (%s) S %d 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 7 0 %d 1\n", pid, comm,
                 parent, pid * 100);
        put(stage, file, text);
        snprintf(file, sizeof(file), "proc/%d/status", pid);
        snprintf(text, sizeof(text), "Name:\tx\nRssAnon:\t%u kB\nRssShmem:\t0 kB\nVmSwap:\t0 kB\n", mb * 1024);
        put(stage, file, text);
        snprintf(file, sizeof(file), "proc/%d/cgroup", pid);
        snprintf(text, sizeof(text), "0::/system.slice/%s\n", unit);
        put(stage, file, text);
        if (pss_mb == 0)
                return;
        snprintf(file, sizeof(file), "proc/%d/smaps_rollup", pid);
        snprintf(text, sizeof(text), "Rss: 99999 kB\nPss_Anon: %u kB\nPss_Shmem: 0 kB\nSwapPss: 1024 kB\n",
                 pss_mb * 1024);
        put(stage, file, text);
}

static int set_up(void **state)
{
        struct stage *stage = calloc(1, sizeof(*stage));
        struct scales_options options = {
                .clock = &stage->clock, .proc = &stage->proc, .cgroups = &stage->cgroups, .sink = { take, stage }
        };
        char path[96];

        strcpy(stage->path, "/tmp/scales.XXXXXX");
        assert_non_null(mkdtemp(stage->path));
        /* a PM2 daemon in its unit, two apps of it, one with a child; a service with a child of its own; a database */
        put_process(stage, 100, 1, "PM2 v7.0.4: God", 60, 50, "pm2-root.service");
        put_process(stage, 110, 100, "node lily", 100, 90, "pm2-root.service");
        put_process(stage, 111, 110, "python", 300, 250, "pm2-root.service");
        put_process(stage, 120, 100, "node otto", 200, 180, "pm2-root.service");
        put_process(stage, 130, 1, "agent", 80, 70, "agent-x.service");
        put_process(stage, 131, 1, "left its parent", 40, 30, "agent-x.service/inner");
        put_process(stage, 140, 1, "mysqld", 700, 600, "mysql.service");
        put(stage, "cgroup/x", "");
        snprintf(path, sizeof(path), "%s/proc", stage->path);
        assert_int_equal(proc_open(&stage->proc, path), 0);
        snprintf(path, sizeof(path), "%s/cgroup", stage->path);
        assert_int_equal(proc_open(&stage->cgroups, path), 0);
        clock_init(&stage->clock, 0);
        assert_true(sd_event_new(&stage->event) >= 0);
        assert_int_equal(scales_new(stage->event, &options, &stage->scales), 0);
        *state = stage;
        return 0;
}

static int tear_down(void **state)
{
        struct stage *stage = *state;
        char command[96];

        scales_free(stage->scales);
        sd_event_unref(stage->event);
        proc_done(&stage->proc);
        proc_done(&stage->cgroups);
        snprintf(command, sizeof(command), "rm -r %s", stage->path);
        assert_int_equal(system(command), 0);
        free(stage);
        return 0;
}

static const struct scales_subject subjects[] = {
        { .agent = "pm2:root/lily", .pid = 110, .start = 11000 },
        { .agent = "pm2:root/otto", .instance = 1, .pid = 120, .start = 12000, .spared = true },
        { .agent = "systemd:agent-x.service", .pid = 130, .start = 13000 },
        { .agent = "systemd:pm2-root.service", .pid = 100, .start = 10000 },
};

/* The answer is complete with the one that has nothing left behind it. */
static void wait_for(struct stage *stage)
{
        for (int n = 0; n < 100; n++) {
                if (stage->facts > 0 && stage->list[stage->facts - 1].fact.weight.left == 0)
                        return;
                assert_true(sd_event_run(stage->event, 100 * USEC_PER_MSEC) >= 0);
        }
        fail_msg("no answer");
}

static int ask(struct stage *stage, const struct scales_subject *list, size_t n, size_t only)
{
        const struct scales_question question = { .subjects = list, .n = n, .only = only };

        stage->facts = 0;
        return scales_weigh(stage->scales, &question);
}

static void weigh(struct stage *stage, size_t only)
{
        assert_int_equal(ask(stage, subjects, sizeof(subjects) / sizeof(subjects[0]), only), 0);
        wait_for(stage);
}

static const struct fact *of(struct stage *stage, const char *agent)
{
        for (unsigned n = 0; n < stage->facts; n++)
                if (strcmp(stage->list[n].agent, agent) == 0)
                        return &stage->list[n].fact;
        fail_msg("nothing is said of '%s'", agent);
        return NULL;
}

static void an_agent_weighs_what_its_whole_tree_would_give_back(void **state)
{
        const struct fact *lily;

        weigh(*state, SIZE_MAX);
        lily = of(*state, "pm2:root/lily");
        assert_int_equal(lily->weight.frees_bytes, 340 * MB);
        assert_int_equal(lily->weight.swap_bytes, 2 * MB);
        assert_int_equal(lily->weight.of, MEMORY_OF_TREE);
        assert_int_equal(lily->weight.how, WEIGHED_ROLLUP);
        assert_int_equal(lily->weight.pid, 110);
        assert_int_equal(lily->weight.start, 11000);
        assert_int_equal(lily->manager, MANAGER_PM2);
        assert_false(lily->weight.carries);
        assert_int_equal(of(*state, "pm2:root/otto")->weight.of, MEMORY_OF_PROCESS);
        assert_int_equal(of(*state, "pm2:root/otto")->instance, 1);
}

static void what_left_its_parents_still_is_its_units(void **state)
{
        weigh(*state, SIZE_MAX);
        assert_int_equal(of(*state, "systemd:agent-x.service")->weight.frees_bytes, 100 * MB);
}

static void a_unit_with_a_pm2_daemon_is_marked_and_its_apps_are_not_its(void **state)
{
        const struct fact *unit;

        weigh(*state, SIZE_MAX);
        unit = of(*state, "systemd:pm2-root.service");
        assert_true(unit->weight.carries);
        assert_int_equal(unit->weight.frees_bytes, 50 * MB);
}

/* pm2-runtime is a process like any other, in a unit that somebody else is the main process of. */
static void a_pm2_daemon_is_known_by_its_pid_too(void **state)
{
        static const pid_t gods[] = { 131 };
        struct stage *stage = *state;
        struct scales_question question = { .subjects = subjects, .n = 4, .only = SIZE_MAX };

        assert_int_equal(scales_weigh(stage->scales, &question), 0);
        wait_for(stage);
        assert_false(of(stage, "systemd:agent-x.service")->weight.carries);
        question.gods = gods;
        question.gods_n = 1;
        stage->facts = 0;
        assert_int_equal(scales_weigh(stage->scales, &question), 0);
        wait_for(stage);
        assert_true(of(stage, "systemd:agent-x.service")->weight.carries);
}

/* The largest first, then those that are not touched anyway, then the largest process that is nobody's. */
static void the_answer_has_an_order_and_an_end(void **state)
{
        struct stage *stage = *state;

        weigh(stage, SIZE_MAX);
        assert_int_equal(stage->facts, 5);
        assert_string_equal(stage->list[0].agent, "pm2:root/lily");
        assert_string_equal(stage->list[1].agent, "systemd:agent-x.service");
        assert_string_equal(stage->list[2].agent, "systemd:pm2-root.service");
        assert_string_equal(stage->list[3].agent, "pm2:root/otto");
        assert_string_equal(stage->list[4].agent, "");
        assert_string_equal(stage->list[4].name, "mysqld");
        assert_int_equal(stage->list[4].fact.weight.frees_bytes, 700 * MB);
        for (unsigned n = 0; n < stage->facts; n++)
                assert_int_equal(stage->list[n].fact.weight.left, 4 - n);
}

static void one_alone_is_weighed_when_only_one_is_asked_for(void **state)
{
        struct stage *stage = *state;

        weigh(stage, 2);
        assert_int_equal(stage->facts, 1);
        assert_string_equal(stage->list[0].agent, "systemd:agent-x.service");
        assert_int_equal(stage->list[0].fact.weight.left, 0);
        assert_int_equal(ask(stage, subjects, 2, 2), -EINVAL);
}

static void an_accounted_cgroup_is_read_instead(void **state)
{
        put(*state, "cgroup/system.slice/agent-x.service/memory.stat",
            "anon 104857600\nfile 900000000\nslab_unreclaimable 1048576\n");
        put(*state, "cgroup/system.slice/agent-x.service/memory.swap.current", "4096\n");
        put(*state, "cgroup/system.slice/pm2-root.service/memory.stat", "anon 904857600\n");
        weigh(*state, SIZE_MAX);
        assert_int_equal(of(*state, "systemd:agent-x.service")->weight.frees_bytes, 101 * MB);
        assert_int_equal(of(*state, "systemd:agent-x.service")->weight.swap_bytes, 4096);
        assert_int_equal(of(*state, "systemd:agent-x.service")->weight.of, MEMORY_OF_CGROUP);
        assert_int_equal(of(*state, "systemd:agent-x.service")->weight.how, WEIGHED_CGROUP);
        /* all apps live in this one: it says nothing about any of them */
        assert_int_equal(of(*state, "systemd:pm2-root.service")->weight.frees_bytes, 50 * MB);
}

static void who_vanished_is_no_error(void **state)
{
        struct stage *stage = *state;
        char command[96];

        snprintf(command, sizeof(command), "rm -r %s/proc/120", stage->path);
        assert_int_equal(system(command), 0);
        weigh(stage, 1);
        assert_int_equal(stage->list[0].fact.weight.how, WEIGHED_NOT);
        /* nor one whose pid belongs to somebody else by now */
        put(stage, "proc/110/stat", "110 (other) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 7 0 77777 1\n");
        weigh(stage, 0);
        assert_int_equal(stage->list[0].fact.weight.how, WEIGHED_NOT);
}

static void a_machine_without_agents_gets_an_answer_too(void **state)
{
        struct stage *stage = *state;

        assert_int_equal(ask(stage, NULL, 0, SIZE_MAX), 0);
        wait_for(stage);
        assert_int_equal(stage->facts, 1);
        assert_string_equal(stage->list[0].name, "mysqld");
}

static void the_newest_question_is_the_one_that_is_answered(void **state)
{
        struct stage *stage = *state;

        assert_int_equal(ask(stage, subjects, 4, SIZE_MAX), 0);
        assert_int_equal(ask(stage, subjects, 4, 2), 0);
        wait_for(stage);
        assert_int_equal(stage->facts, 1);
        for (int n = 0; n < 3; n++)
                assert_true(sd_event_run(stage->event, 10 * USEC_PER_MSEC) >= 0);
        assert_int_equal(stage->facts, 1);
}

/* A FIFO in place of the exact figures: the helper waits for a writer that never comes, and nobody waits for the helper. */
static void a_helper_that_is_stuck_keeps_nobody_waiting(void **state)
{
        struct stage *stage = *state;
        char path[128];
        FILE *writer;

        snprintf(path, sizeof(path), "%s/proc/110/smaps_rollup", stage->path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(ask(stage, subjects, 4, 0), 0);
        assert_int_equal(ask(stage, subjects, 4, 0), 0);
        wait_for(stage);
        assert_int_equal(stage->facts, 1);
        assert_int_equal(stage->list[0].fact.weight.how, WEIGHED_STATUS);
        assert_int_equal(stage->list[0].fact.weight.frees_bytes, 400 * MB);
        /* let it go: it must not outlive the test */
        writer = fopen(path, "we");
        assert_non_null(writer);
        fclose(writer);
}

/* The real thing: this test's own process and a child that holds 40 MB. */
static void a_real_child_weighs_what_it_holds(void **state)
{
        struct stage *stage = *state;
        struct scales_subject self = { .agent = "systemd:self.service" };
        struct proc_stat stat;
        int ready[2], hold[2];
        char byte = 0;
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        assert_int_equal(pipe(hold), 0);
        pid = fork();
        if (pid == 0) {
                close(hold[1]);
                if (mmap(NULL, 40 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) ==
                    MAP_FAILED)
                        _exit(1);
                (void)!write(ready[1], &byte, 1);
                (void)!read(hold[0], &byte, 1);
                _exit(0);
        }
        close(hold[0]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        proc_done(&stage->proc);
        assert_int_equal(proc_open(&stage->proc, "/proc"), 0);
        assert_int_equal(proc_stat(&stage->proc, pid, &stat), 0);
        self.pid = pid;
        self.start = stat.start;
        assert_int_equal(ask(stage, &self, 1, 0), 0);
        wait_for(stage);
        assert_int_equal(stage->list[0].fact.weight.how, WEIGHED_ROLLUP);
        assert_true(stage->list[0].fact.weight.frees_bytes >= 40 * MB);
        assert_true(stage->list[0].fact.weight.frees_bytes < 400 * MB);
        close(hold[1]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        close(ready[0]);
        close(ready[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(an_agent_weighs_what_its_whole_tree_would_give_back, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_left_its_parents_still_is_its_units, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_unit_with_a_pm2_daemon_is_marked_and_its_apps_are_not_its, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_pm2_daemon_is_known_by_its_pid_too, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_answer_has_an_order_and_an_end, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_alone_is_weighed_when_only_one_is_asked_for, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_accounted_cgroup_is_read_instead, set_up, tear_down),
                cmocka_unit_test_setup_teardown(who_vanished_is_no_error, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_machine_without_agents_gets_an_answer_too, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_newest_question_is_the_one_that_is_answered, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_helper_that_is_stuck_keeps_nobody_waiting, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_real_child_weighs_what_it_holds, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
