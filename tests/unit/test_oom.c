/* Who was killed for memory is told once, by whoever knows most; who is near it before that. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "observe/oom_inside.h"

#define MB (UINT64_C(1) << 20)
#define FACTS_MAX 64

struct told {
        struct fact fact;
        char agent[AGENT_ID_MAX], comm[64], cgroup[PROC_CGROUP_MAX], limit[PROC_CGROUP_MAX], others[256];
};

/* A machine in a folder, and a socket in place of the kernel's log: it keeps one record apart from the next as that does. */
struct stage {
        char root[64];
        sd_event *event;
        struct clock clock;
        struct proc proc, cgroups;
        struct oom *oom;
        int log;
        struct told told[FACTS_MAX];
        unsigned told_n;
        unsigned sources;
        enum source_state source;
        char why[160];
};

static void take(void *self, const struct fact *fact)
{
        struct stage *stage = self;
        struct told *told = &stage->told[stage->told_n];

        if (fact->kind == FACT_SOURCE) {
                stage->sources++;
                stage->source = fact->source.state;
                snprintf(stage->why, sizeof(stage->why), "%s", fact->source.why);
                return;
        }
        assert_int_equal(fact->kind, FACT_OOM);
        assert_true(stage->told_n < FACTS_MAX);
        stage->told_n++;
        told->fact = *fact;
        snprintf(told->agent, sizeof(told->agent), "%s", fact->agent);
        snprintf(told->comm, sizeof(told->comm), "%s", fact->oom.comm);
        snprintf(told->cgroup, sizeof(told->cgroup), "%s", fact->oom.cgroup);
        snprintf(told->limit, sizeof(told->limit), "%s", fact->oom.limit);
        snprintf(told->others, sizeof(told->others), "%s", fact->oom.others);
}

static void put(const struct stage *stage, const char *file, const char *text)
{
        char path[256];
        FILE *to;

        snprintf(path, sizeof(path), "%s/%s", stage->root, file);
        for (char *slash = path + strlen(stage->root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                mkdir(path, 0755);
                *slash = '/';
        }
        to = fopen(path, "we");
        assert_non_null(to);
        fputs(text, to);
        fclose(to);
}

static void put_process(const struct stage *stage, int pid, int parent, const char *cgroup)
{
        char file[64], text[256];

        snprintf(file, sizeof(file), "proc/%d/stat", pid);
        snprintf(
                text, sizeof(text),
                "%d (node) S %d 1 1 0 -1 4194560 1 0 0 0 5 3 0 0 20 0 11 0 %d 1 1 1 1 1 1 1 1 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n",
                pid, parent, pid * 10);
        put(stage, file, text);
        snprintf(file, sizeof(file), "proc/%d/cgroup", pid);
        snprintf(text, sizeof(text), "0::%s\n", cgroup);
        put(stage, file, text);
}

static void put_events(const struct stage *stage, const char *cgroup, unsigned max, unsigned oom, unsigned kills)
{
        char file[256], text[128];

        snprintf(file, sizeof(file), "cgroup%s/memory.events", cgroup);
        snprintf(text, sizeof(text), "low 0\nhigh 0\nmax %u\noom %u\noom_kill %u\noom_group_kill 0\n", max, oom, kills);
        put(stage, file, text);
}

static void put_memory(const struct stage *stage, const char *cgroup, const char *limit, uint64_t bytes,
                       const char *some)
{
        char file[256], text[128];

        snprintf(file, sizeof(file), "cgroup%s/memory.max", cgroup);
        snprintf(text, sizeof(text), "%s\n", limit);
        put(stage, file, text);
        snprintf(file, sizeof(file), "cgroup%s/memory.current", cgroup);
        snprintf(text, sizeof(text), "%llu\n", (unsigned long long)(bytes + 5 * MB));
        put(stage, file, text);
        snprintf(file, sizeof(file), "cgroup%s/memory.stat", cgroup);
        snprintf(text, sizeof(text), "anon 1\ninactive_file %llu\n", (unsigned long long)(5 * MB));
        put(stage, file, text);
        snprintf(file, sizeof(file), "cgroup%s/memory.pressure", cgroup);
        snprintf(text, sizeof(text),
                 "some avg10=%s avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
                 some);
        put(stage, file, text);
}

static void put_kills(const struct stage *stage, unsigned kills)
{
        char text[64];

        snprintf(text, sizeof(text), "nr_free_pages 1\noom_kill %u\nnuma_hit 3\n", kills);
        put(stage, "proc/vmstat", text);
}

#define X "/system.slice/agent-x.service"
#define PM2 "/system.slice/pm2-root.service"

static int set_up(void **state)
{
        struct stage *stage = calloc(1, sizeof(*stage));
        char path[128];

        snprintf(stage->root, sizeof(stage->root), "/tmp/governor-oom-XXXXXX");
        assert_non_null(mkdtemp(stage->root));
        put_kills(stage, 7);
        put(stage, "cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
        put_process(stage, 191, 1, X);
        put_process(stage, 300, 1, PM2);
        put_process(stage, 301, 300, PM2);
        put_process(stage, 302, 300, PM2);
        put_process(stage, 402, 301, PM2);
        put_events(stage, X, 3, 2, 2);
        put_events(stage, PM2, 0, 0, 0);
        put_memory(stage, X, "max", 10 * MB, "0.00");
        snprintf(path, sizeof(path), "%s/proc", stage->root);
        assert_int_equal(proc_open(&stage->proc, path), 0);
        snprintf(path, sizeof(path), "%s/cgroup", stage->root);
        assert_int_equal(proc_open(&stage->cgroups, path), 0);
        clock_init(&stage->clock, 0);
        assert_true(sd_event_new(&stage->event) >= 0);
        stage->log = -1;
        *state = stage;
        return 0;
}

static int tear_down(void **state)
{
        struct stage *stage = *state;
        char command[128];

        oom_free(stage->oom);
        sd_event_unref(stage->event);
        proc_done(&stage->proc);
        proc_done(&stage->cgroups);
        if (stage->log >= 0)
                close(stage->log);
        snprintf(command, sizeof(command), "rm -r %s", stage->root);
        (void)!system(command);
        free(stage);
        return 0;
}

static void run(struct stage *stage)
{
        while (sd_event_run(stage->event, 0) > 0)
                ;
}

static void begin(struct stage *stage, int log)
{
        struct oom_options options = {
                .clock = &stage->clock,
                .proc = &stage->proc,
                .cgroups = &stage->cgroups,
                .sink = { take, stage },
                .log = log,
        };
        int pair[2];

        if (log == 0) {
                assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
                stage->log = pair[0];
                options.log = pair[1];
        }
        assert_int_equal(oom_new(stage->event, &options, &stage->oom), 0);
        run(stage);
}

static void starts(struct stage *stage, const char *agent, uint32_t instance, int pid)
{
        struct fact fact = { .kind = FACT_STARTED,
                             .at = clock_now(&stage->clock),
                             .manager = agent_manager(agent),
                             .agent = agent,
                             .instance = instance,
                             .started = { .pid = pid, .start = (uint64_t)pid * 10 } };

        oom_follow(stage->oom, &fact);
}

static void is_killed(struct stage *stage, const char *agent, uint32_t instance, int pid)
{
        struct fact fact = { .kind = FACT_ENDED,
                             .at = clock_now(&stage->clock),
                             .agent = agent,
                             .instance = instance,
                             .ended = { .pid = pid, .ending = ENDING_SIGNAL, .signal = 9 } };

        oom_follow(stage->oom, &fact);
}

/* The agents of all stories: a service, and two apps of one PM2. */
static void begin_with(struct stage *stage, int log)
{
        begin(stage, log);
        starts(stage, "systemd:agent-x.service", 0, 191);
        starts(stage, "pm2:root/lily", 0, 301);
        starts(stage, "pm2:root/mia", 1, 302);
        oom_look(stage->oom);
        run(stage);
}

/* A file of records, one a line. */
static void log_file(struct stage *stage, const char *path)
{
        FILE *file = fopen(path, "re");
        char line[8192];

        assert_non_null(file);
        while (fgets(line, sizeof(line), file)) {
                assert_int_equal(send(stage->log, line, strlen(line), 0), strlen(line));
                run(stage);
        }
        fclose(file);
}

static void log_line(struct stage *stage, unsigned priority, const char *text)
{
        char line[2048];

        snprintf(line, sizeof(line), "%u,9000,1,-;%s\n", priority, text);
        assert_int_equal(send(stage->log, line, strlen(line), 0), strlen(line));
        run(stage);
}

/* Time goes by, and everything is looked at. */
static void later(struct stage *stage, usec_t time)
{
        stage->clock.epoch += time;
        oom_look(stage->oom);
        run(stage);
}

static const struct told *told_once(struct stage *stage)
{
        assert_int_equal(stage->told_n, 1);
        assert_int_equal(stage->told[0].fact.oom.what, OOM_KILLED);
        assert_int_equal(stage->told[0].fact.oom.killed, 1);
        return &stage->told[0];
}

static void a_victim_at_its_limit_is_its_agents(void **state)
{
        struct stage *stage = *state;
        const struct told *told;

        begin_with(stage, 0);
        assert_int_equal(stage->source, SOURCE_SEEING);
        assert_string_equal(stage->why, "");
        log_file(stage, "tests/data/kmsg/limit");
        told = told_once(stage);
        assert_string_equal(told->agent, "systemd:agent-x.service");
        assert_int_equal(told->fact.oom.by, OOM_BY_LIMIT);
        assert_int_equal(told->fact.oom.pid, 191);
        assert_string_equal(told->comm, "python3");
        assert_string_equal(told->limit, X);
        assert_int_equal(told->fact.oom.limit_bytes, 40 * MB);
        assert_int_equal(told->fact.oom.held_bytes, 40676 * 1024);
}

static void all_counters_count_what_the_log_told_and_it_is_told_once(void **state)
{
        struct stage *stage = *state;

        begin_with(stage, 0);
        put_events(stage, X, 9, 3, 3);
        put_kills(stage, 8);
        run(stage);
        log_file(stage, "tests/data/kmsg/limit");
        is_killed(stage, "systemd:agent-x.service", 0, 191);
        for (int i = 0; i < 5; i++)
                later(stage, 3 * USEC_PER_SEC);
        (void)told_once(stage);
}

/* Counters that are looked at four times a minute say nothing against a log that is heard at once. */
static void a_counter_that_is_read_late_tells_nothing_twice(void **state)
{
        struct stage *stage = *state;

        begin_with(stage, 0);
        put_kills(stage, 8);
        put_events(stage, X, 9, 3, 3);
        log_file(stage, "tests/data/kmsg/limit");
        for (int i = 0; i < 3; i++) {
                oom_settle(stage->oom);
                stage->clock.epoch += 7 * USEC_PER_SEC;
        }
        for (int i = 0; i < 3; i++)
                later(stage, 7 * USEC_PER_SEC);
        (void)told_once(stage);
}

static void a_child_is_its_apps(void **state)
{
        struct stage *stage = *state;
        const struct told *told;

        begin_with(stage, 0);
        log_line(
                stage, 3,
                "Out of memory: Killed process 402 (chrome) total-vm:9kB, anon-rss:102400kB, file-rss:0kB, shmem-rss:0kB, "
                "UID:0 pgtables:0kB oom_score_adj:0");
        told = told_once(stage);
        assert_string_equal(told->agent, "pm2:root/lily");
        assert_int_equal(told->fact.instance, 0);
        assert_int_equal(told->fact.oom.pid, 402);
        assert_string_equal(told->comm, "chrome");
        assert_int_equal(told->fact.oom.by, OOM_BY_MACHINE);
        assert_string_equal(told->cgroup, PM2);
}

static void one_that_died_a_moment_ago_is_still_known(void **state)
{
        struct stage *stage = *state;

        begin_with(stage, 0);
        is_killed(stage, "pm2:root/mia", 1, 302);
        log_line(
                stage, 3,
                "Out of memory: Killed process 302 (node) total-vm:9kB, anon-rss:1024kB, file-rss:0kB, shmem-rss:0kB, UID:0 "
                "pgtables:0kB oom_score_adj:0");
        assert_string_equal(told_once(stage)->agent, "pm2:root/mia");
        assert_int_equal(told_once(stage)->fact.instance, 1);
}

static void a_stranger_is_nobodys(void **state)
{
        struct stage *stage = *state;
        const struct told *told;

        begin_with(stage, 0);
        log_file(stage, "tests/data/kmsg/machine");
        told = told_once(stage);
        assert_string_equal(told->agent, "");
        assert_string_equal(told->cgroup, "/system.slice/agent-y.service");
        assert_true(text_starts(told->others, "systemd-journal 125 "));
}

/* What was large beside it is called as people call it. */
static void others_are_named_by_their_agents(void **state)
{
        struct stage *stage = *state;

        begin_with(stage, 0);
        log_line(stage, 4, "node invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=0");
        log_line(stage, 6, "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name");
        log_line(stage, 6, "[    301]     0   301    1   1000 1 0 0 node");
        log_line(stage, 6, "[    302]     0   302    1   2000 1 0 0 node");
        log_line(
                stage, 6,
                "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=" PM2
                ",task=node,pid=302,uid=0");
        log_line(
                stage, 3,
                "Out of memory: Killed process 302 (node) total-vm:9kB, anon-rss:8000kB, file-rss:0kB, shmem-rss:0kB, UID:0 "
                "pgtables:0kB oom_score_adj:0");
        assert_string_equal(told_once(stage)->agent, "pm2:root/mia");
        assert_true(text_starts(told_once(stage)->others, "lily (node 301) "));
}

static void only_the_kernel_is_believed(void **state)
{
        struct stage *stage = *state;

        begin_with(stage, 0);
        log_line(
                stage, 11,
                "Out of memory: Killed process 302 (node) total-vm:9kB, anon-rss:8000kB, file-rss:0kB, shmem-rss:0kB, UID:0 "
                "pgtables:0kB oom_score_adj:0");
        assert_int_equal(send(stage->log, "nonsense", 8, 0), 8);
        run(stage);
        assert_int_equal(stage->told_n, 0);
}

static void without_a_log_the_agents_own_counter_tells(void **state)
{
        struct stage *stage = *state;
        const struct told *told;

        put_memory(stage, X, "41943040", 10 * MB, "0.00");
        begin_with(stage, -EPERM);
        assert_int_equal(stage->source, SOURCE_SEEING);
        assert_non_null(strstr(stage->why, "Operation not permitted"));
        put_events(stage, X, 4, 3, 3);
        later(stage, 0);
        assert_int_equal(stage->told_n, 0);
        later(stage, 2 * USEC_PER_SEC);
        told = told_once(stage);
        assert_string_equal(told->agent, "systemd:agent-x.service");
        assert_int_equal(told->fact.oom.by, OOM_BY_LIMIT);
        assert_int_equal(told->fact.oom.limit_bytes, 40 * MB);
        assert_int_equal(told->fact.oom.pid, 0);
        put_kills(stage, 8);
        later(stage, 10 * USEC_PER_SEC);
        later(stage, 10 * USEC_PER_SEC);
        (void)told_once(stage);
}

/* All apps of a PM2 share one cgroup: the one that died by SIGKILL just now is meant, when it is one. */
static void without_a_log_the_app_that_died_is_named(void **state)
{
        struct stage *stage = *state;
        const struct told *told;

        begin_with(stage, -EPERM);
        put_events(stage, PM2, 0, 0, 1);
        is_killed(stage, "pm2:root/mia", 1, 302);
        later(stage, 0);
        later(stage, 2 * USEC_PER_SEC);
        told = told_once(stage);
        assert_string_equal(told->agent, "pm2:root/mia");
        assert_int_equal(told->fact.oom.pid, 302);
        assert_int_equal(told->fact.oom.by, OOM_BY_UNKNOWN);
}

static void when_two_died_nobody_is_accused(void **state)
{
        struct stage *stage = *state;

        begin_with(stage, -EPERM);
        put_events(stage, PM2, 0, 0, 1);
        is_killed(stage, "pm2:root/mia", 1, 302);
        is_killed(stage, "pm2:root/lily", 0, 301);
        later(stage, 0);
        later(stage, 2 * USEC_PER_SEC);
        assert_string_equal(told_once(stage)->agent, "");
        assert_string_equal(told_once(stage)->cgroup, PM2);
}

static void a_kill_of_which_nobody_told_is_counted(void **state)
{
        struct stage *stage = *state;

        begin_with(stage, -EPERM);
        put_kills(stage, 10);
        later(stage, 0);
        later(stage, 3 * USEC_PER_SEC);
        assert_int_equal(stage->told_n, 0);
        later(stage, 3 * USEC_PER_SEC);
        assert_int_equal(stage->told_n, 1);
        assert_int_equal(stage->told[0].fact.oom.killed, 3);
        assert_string_equal(stage->told[0].agent, "");
}

/* Its manager told of it, and its cgroup went with it. */
static void a_kill_of_which_its_manager_told_is_not_uncounted(void **state)
{
        struct stage *stage = *state;
        struct fact fact = { .kind = FACT_ENDED,
                             .at = clock_now(&stage->clock),
                             .agent = "systemd:agent-x.service",
                             .ended = { .pid = 191, .ending = ENDING_OOM, .signal = 9 } };

        begin_with(stage, 0);
        put_kills(stage, 8);
        oom_follow(stage->oom, &fact);
        for (int i = 0; i < 3; i++)
                later(stage, 7 * USEC_PER_SEC);
        assert_int_equal(stage->told_n, 0);
        put_kills(stage, 9);
        for (int i = 0; i < 3; i++)
                later(stage, 7 * USEC_PER_SEC);
        assert_string_equal(told_once(stage)->agent, "");
}

/* A unit that starts again has a new cgroup by the old name, whose counters begin at 0. */
static void a_new_cgroup_counts_from_nothing(void **state)
{
        struct stage *stage = *state;
        char command[256];

        begin_with(stage, -EPERM);
        snprintf(command, sizeof(command), "mv %s/cgroup" X " %s/old", stage->root, stage->root);
        assert_int_equal(system(command), 0);
        put_events(stage, X, 1, 1, 1);
        put_process(stage, 192, 1, X);
        starts(stage, "systemd:agent-x.service", 0, 192);
        later(stage, 0);
        later(stage, 2 * USEC_PER_SEC);
        assert_string_equal(told_once(stage)->agent, "systemd:agent-x.service");
}

/* The kernel's own word for a change of memory.events is what inotify hears. */
static void a_counter_is_heard_at_once(void **state)
{
        struct stage *stage = *state;

        put_memory(stage, X, "41943040", 36 * MB, "12.50");
        begin_with(stage, -EPERM);
        stage->told_n = 0;
        put_events(stage, X, 50, 2, 2);
        for (int i = 0; i < 50 && stage->told_n == 0; i++)
                assert_true(sd_event_run(stage->event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(stage->told_n > 0);
        assert_int_equal(stage->told[0].fact.oom.what, OOM_NEAR);
        assert_int_equal(stage->told[0].fact.oom.pushes, 47);
}

static void nearness_is_measured_and_not_judged(void **state)
{
        struct stage *stage = *state;
        const struct told *told = stage->told;

        put_memory(stage, X, "41943040", 20 * MB, "0.00");
        begin_with(stage, 0);
        assert_int_equal(stage->told_n, 0);
        put_memory(stage, X, "41943040", 30 * MB, "0.00");
        later(stage, 20 * USEC_PER_SEC);
        put_memory(stage, X, "41943040", 36 * MB, "12.50");
        later(stage, 20 * USEC_PER_SEC);
        assert_int_equal(stage->told_n, 2);
        assert_string_equal(told[1].agent, "systemd:agent-x.service");
        assert_int_equal(told[1].fact.oom.what, OOM_NEAR);
        assert_int_equal(told[1].fact.oom.limit_bytes, 40 * MB);
        assert_int_equal(told[1].fact.oom.held_bytes, 36 * MB);
        assert_int_equal(told[1].fact.oom.before_bytes, 20 * MB);
        assert_in_range(told[1].fact.oom.before, 40 * USEC_PER_SEC, 41 * USEC_PER_SEC);
        assert_int_equal(told[1].fact.oom.pressure, 1250);
        put_memory(stage, X, "41943040", 10 * MB, "0.00");
        later(stage, 20 * USEC_PER_SEC);
        assert_int_equal(told[2].fact.oom.held_bytes, 10 * MB);
        later(stage, 20 * USEC_PER_SEC);
        assert_int_equal(stage->told_n, 3);
}

static void a_cgroup_that_vanished_is_far_from_its_limit(void **state)
{
        struct stage *stage = *state;
        char command[256];

        put_memory(stage, X, "41943040", 36 * MB, "0.00");
        begin_with(stage, 0);
        assert_int_equal(stage->told_n, 1);
        snprintf(command, sizeof(command), "rm -r %s/cgroup" X, stage->root);
        assert_int_equal(system(command), 0);
        is_killed(stage, "systemd:agent-x.service", 0, 191);
        later(stage, 2 * USEC_PER_MINUTE);
        assert_int_equal(stage->told_n, 2);
        assert_int_equal(stage->told[1].fact.oom.limit_bytes, 0);
        later(stage, 2 * USEC_PER_MINUTE);
        assert_int_equal(stage->told_n, 2);
}

static void host_has(struct stage *stage, uint64_t available, uint32_t full)
{
        struct fact fact = {
                .kind = FACT_HOST,
                .at = clock_now(&stage->clock),
                .agent = "",
                .host = { .total_bytes = 1000 * MB, .available_bytes = available, .memory_full_avg10 = full }
        };

        oom_follow(stage->oom, &fact);
        for (int i = 0; i < 5; i++)
                assert_true(sd_event_run(stage->event, 5 * USEC_PER_MSEC) >= 0);
}

static void the_machine_is_told_when_little_is_left(void **state)
{
        struct stage *stage = *state;

        begin_with(stage, 0);
        host_has(stage, 600 * MB, 0);
        stage->clock.epoch += 15 * USEC_PER_SEC;
        host_has(stage, 400 * MB, 0);
        assert_int_equal(stage->told_n, 0);
        stage->clock.epoch += 15 * USEC_PER_SEC;
        host_has(stage, 200 * MB, 700);
        assert_int_equal(stage->told_n, 1);
        assert_int_equal(stage->told[0].fact.oom.by, OOM_BY_MACHINE);
        assert_int_equal(stage->told[0].fact.oom.limit_bytes, 1000 * MB);
        assert_int_equal(stage->told[0].fact.oom.held_bytes, 800 * MB);
        assert_int_equal(stage->told[0].fact.oom.before_bytes, 400 * MB);
        assert_int_equal(stage->told[0].fact.oom.pressure, 700);
        stage->clock.epoch += 500 * USEC_PER_MSEC; /* as close to its floor */
        host_has(stage, 150 * MB, 700);
        assert_int_equal(stage->told_n, 1);
        stage->clock.epoch += 1500 * USEC_PER_MSEC;
        host_has(stage, 100 * MB, 700);
        assert_int_equal(stage->told_n, 2);
}

static void nothing_to_see_is_said(void **state)
{
        struct stage *stage = *state;

        put(stage, "cgroup/cgroup.controllers", "cpu pids\n");
        put(stage, "proc/vmstat", "nr_free_pages 1\n");
        begin(stage, -ENODEV);
        assert_int_equal(stage->sources, 1);
        assert_int_equal(stage->source, SOURCE_BLIND);
        assert_non_null(strstr(stage->why, "the kernel's log cannot be read (No such device)"));
}

static void a_container_has_nothing_of_its_own_to_see(void **state)
{
        struct stage *stage = *state;

        put(stage, "cgroup/cgroup.controllers", "\n");
        put(stage, "proc/self/ns/pid", "");
        begin(stage, -ENODEV);
        assert_int_equal(stage->source, SOURCE_ABSENT);
        assert_non_null(strstr(stage->why, "there is no kernel log in here"));
        put_kills(stage, 100);
        later(stage, 0);
        later(stage, 20 * USEC_PER_SEC);
        assert_int_equal(stage->told_n, 0);
}

static void a_log_that_ends_is_said(void **state)
{
        struct stage *stage = *state;

        begin_with(stage, 0);
        close(stage->log);
        stage->log = -1;
        run(stage);
        assert_int_equal(stage->sources, 2);
        assert_non_null(strstr(stage->why, "counted, not named"));
}

static void counters_are_parsed_strictly(void **state)
{
        static const char *const bad[] = {
                "",
                "low 0\nhigh 0\nmax 1\noom 0\n",
                "high 0\nmax 1\noom 0\noom_kill x\n",
                "high 0\nmax -1\noom 0\noom_kill 0\n",
                "high 0\nmax 1\noom 0\noom_kill 99999999999999999999\n",
                "high 0\nmax 1 2\noom 0\noom_kill 0\n",
        };
        struct headroom_events events;
        uint64_t limit;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(headroom_parse_events(bad[i], &events), -EBADMSG);
        assert_int_equal(headroom_parse_events("low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n", &events),
                         0);
        assert_int_equal(events.oom, 3);
        assert_int_equal(events.oom_kill, 4);
        assert_int_equal(headroom_parse_limit("max\n", &limit), 0);
        assert_true(limit == HEADROOM_NO_LIMIT);
        assert_int_equal(headroom_parse_limit("1048576\n", &limit), 0);
        assert_int_equal(limit, MB);
        assert_int_equal(headroom_parse_limit("maximum\n", &limit), -EBADMSG);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                STORY(a_victim_at_its_limit_is_its_agents),
                STORY(all_counters_count_what_the_log_told_and_it_is_told_once),
                STORY(a_counter_that_is_read_late_tells_nothing_twice),
                STORY(a_child_is_its_apps),
                STORY(one_that_died_a_moment_ago_is_still_known),
                STORY(a_stranger_is_nobodys),
                STORY(others_are_named_by_their_agents),
                STORY(only_the_kernel_is_believed),
                STORY(without_a_log_the_agents_own_counter_tells),
                STORY(without_a_log_the_app_that_died_is_named),
                STORY(when_two_died_nobody_is_accused),
                STORY(a_kill_of_which_nobody_told_is_counted),
                STORY(a_kill_of_which_its_manager_told_is_not_uncounted),
                STORY(a_new_cgroup_counts_from_nothing),
                STORY(a_counter_is_heard_at_once),
                STORY(nearness_is_measured_and_not_judged),
                STORY(a_cgroup_that_vanished_is_far_from_its_limit),
                STORY(the_machine_is_told_when_little_is_left),
                STORY(nothing_to_see_is_said),
                STORY(a_container_has_nothing_of_its_own_to_see),
                STORY(a_log_that_ends_is_said),
                cmocka_unit_test(counters_are_parsed_strictly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
