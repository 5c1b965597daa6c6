/* What the kernel says of a kill is read from its log: real reports, those of other kernels, and what only looks like one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/kmsg.h"

#define MB (UINT64_C(1) << 20)

/* Feeds a file of records, one a line; the number of kills in it, the last one in `ret`. */
static unsigned feed(struct kmsg_report *report, const char *path, struct kmsg_kill *ret)
{
        FILE *file = fopen(path, "re");
        struct kmsg_record record;
        unsigned kills = 0;
        char line[8192];

        assert_non_null(file);
        while (fgets(line, sizeof(line), file)) {
                assert_int_equal(kmsg_parse(line, strlen(line), &record), 0);
                assert_int_equal(record.facility, 0);
                kills += kmsg_report_take(report, record.text, ret);
        }
        fclose(file);
        return kills;
}

static bool feed_lines(struct kmsg_report *report, const char *const *lines, struct kmsg_kill *ret)
{
        bool killed = false;

        for (; *lines; lines++)
                killed = kmsg_report_take(report, *lines, ret);
        return killed;
}

static void a_kill_at_a_limit_names_victim_and_limit(void **state)
{
        struct kmsg_report report = { 0 };
        struct kmsg_kill kill;

        assert_int_equal(feed(&report, "tests/data/kmsg/limit", &kill), 1);
        assert_int_equal(kill.by, OOM_BY_LIMIT);
        assert_int_equal(kill.pid, 191);
        assert_string_equal(kill.comm, "python3");
        assert_string_equal(kill.cgroup, "/system.slice/agent-x.service");
        assert_string_equal(kill.limit, "/system.slice/agent-x.service");
        assert_int_equal(kill.limit_bytes, 40 * MB);
        assert_int_equal(kill.held_bytes, 40676 * 1024);
        assert_int_equal(kill.others_n, 0);
}

static void a_kill_of_the_machine_names_what_else_was_large(void **state)
{
        struct kmsg_report report = { 0 };
        struct kmsg_kill kill;

        assert_int_equal(feed(&report, "tests/data/kmsg/machine", &kill), 1);
        assert_int_equal(kill.by, OOM_BY_MACHINE);
        assert_int_equal(kill.pid, 193);
        assert_string_equal(kill.cgroup, "/system.slice/agent-y.service");
        assert_string_equal(kill.limit, "");
        assert_int_equal(kill.limit_bytes, 0);
        assert_int_equal(kill.held_bytes, 176852 * 1024);
        assert_int_equal(kill.others_n, 3);
        assert_int_equal(kill.others[0].pid, 125);
        assert_string_equal(kill.others[0].comm, "systemd-journal");
        assert_int_equal(kill.others[0].bytes, 254 * (uint64_t)sysconf(_SC_PAGESIZE));
        assert_int_equal(kill.others[1].pid, 149);
}

/* Columns of Linux 6.8 and later; and swap counts. */
static void newer_tables_are_read_by_their_headers(void **state)
{
        static const char *const lines[] = {
                "node invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO), order=0, oom_score_adj=0",
                "Tasks state (memory values in pages):",
                "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj "
                "name",
                "[    712]  1000   712   280000    45000    40000     5000         0  1200000      500             0 node",
                "[    713]  1000   713   280000    50000    45000     5000         0  1200000     1000          -250 my app",
                "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/"
                "user.slice/user-0.slice/session-1.scope,task=my app,pid=713,uid=1000",
                "Out of memory: Killed process 713 (my app) total-vm:1120000kB, anon-rss:180000kB, file-rss:20000kB, "
                "shmem-rss:0kB, UID:1000 pgtables:1200kB oom_score_adj:-250",
                NULL
        };
        struct kmsg_report report = { 0 };
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        struct kmsg_kill kill;

        assert_true(feed_lines(&report, lines, &kill));
        assert_string_equal(kill.comm, "my app");
        assert_string_equal(kill.cgroup, "/user.slice/user-0.slice/session-1.scope");
        assert_int_equal(kill.held_bytes, 180000 * 1024 + 1000 * page);
        assert_int_equal(kill.others_n, 1);
        assert_string_equal(kill.others[0].comm, "node");
        assert_int_equal(kill.others[0].bytes, 45500 * page);
}

/* Reports are rate-limited; the last line is not. */
static void the_last_line_alone_is_enough(void **state)
{
        struct kmsg_report report = { 0 };
        struct kmsg_kill kill;

        assert_true(
                kmsg_report_take(&report,
                                 "Memory cgroup out of memory: Killed process 88 (node) total-vm:1kB, anon-rss:2048kB, "
                                 "file-rss:0kB, shmem-rss:1024kB, UID:0 pgtables:0kB oom_score_adj:0",
                                 &kill));
        assert_int_equal(kill.by, OOM_BY_LIMIT);
        assert_int_equal(kill.pid, 88);
        assert_int_equal(kill.held_bytes, 3 * MB);
        assert_string_equal(kill.cgroup, "");
}

static void a_report_about_another_one_says_nothing_of_this(void **state)
{
        struct kmsg_report report = { 0 };
        struct kmsg_kill kill;

        (void)feed(&report, "tests/data/kmsg/limit", &kill);
        assert_true(kmsg_report_take(
                &report,
                "Memory cgroup out of memory: Killed process 192 (node) total-vm:1kB, anon-rss:2048kB, "
                "file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:0kB oom_score_adj:0",
                &kill));
        assert_string_equal(kill.cgroup, "");
        assert_int_equal(kill.limit_bytes, 0);
}

static void a_group_is_killed_as_a_whole(void **state)
{
        static const char *const first[] = {
                "node invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
                "memory: usage 65536kB, limit 65536kB, failcnt 12",
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/agents.slice,task_"
                "memcg=/agents.slice/x.service,task=node,pid=300,uid=0",
                "Memory cgroup out of memory: Killed process 300 (node) total-vm:1kB, anon-rss:1024kB, file-rss:0kB, "
                "shmem-rss:0kB, UID:0 pgtables:0kB oom_score_adj:0",
                NULL
        };
        static const char *const second[] = {
                "Tasks in /agents.slice/x.service are going to be killed due to memory.oom.group set",
                "Memory cgroup out of memory: Killed process 301 (helper) total-vm:1kB, anon-rss:1024kB, file-rss:0kB, "
                "shmem-rss:0kB, UID:0 pgtables:0kB oom_score_adj:0",
                NULL
        };
        struct kmsg_report report = { 0 };
        struct kmsg_kill kill;

        assert_true(feed_lines(&report, first, &kill));
        assert_string_equal(kill.limit, "/agents.slice");
        assert_int_equal(kill.limit_bytes, 64 * MB);
        assert_true(feed_lines(&report, second, &kill));
        assert_int_equal(kill.pid, 301);
        assert_string_equal(kill.cgroup, "/agents.slice/x.service");
}

/* A process is called as it likes, 15 bytes of it; a cgroup too. */
static void names_cannot_pretend(void **state)
{
        struct kmsg_report report = { 0 };
        struct kmsg_kill kill;

        assert_false(kmsg_report_take(
                &report,
                "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
                "task_memcg=/a.slice/b.service,task=x,pid=1,uid=0,pid=77,uid=5",
                &kill));
        assert_int_equal(report.pid, 77);
        assert_string_equal(report.cgroup, "/a.slice/b.service");
        assert_false(kmsg_report_take(
                &report,
                "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
                "task_memcg=/a.slice/b.service,task=y,task=z,pid=77,uid=5",
                &kill));
        assert_string_equal(report.cgroup, "/a.slice/b.service");
        assert_false(kmsg_report_take(
                &report,
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/"
                "evil,task_memcg=/system.slice/lily.service,x,task_memcg=/evil,task=node,pid=5,uid=0",
                &kill));
        assert_string_equal(report.cgroup, "");
        assert_true(
                kmsg_report_take(&report,
                                 "Out of memory: Killed process 9 (a) total-vm:1kB, anon-rss:999999kB) total-vm:4kB, "
                                 "anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:0kB oom_score_adj:0",
                                 &kill));
        assert_int_equal(kill.held_bytes, 4096);
}

static void what_is_no_kill_is_none(void **state)
{
        static const char *const lines[] = {
                "",
                "Out of memory: Killed process",
                "Out of memory: Killed process 0 (x) total-vm:1kB, anon-rss:1kB",
                "Out of memory: Killed process 99999999999999999999 (x) total-vm:1kB, anon-rss:1kB",
                "Out of memory: Killed process 12 (x) total-vm:1kB, anon-rss:-1kB",
                "said: Out of memory: Killed process 12 (x) total-vm:1kB, anon-rss:1kB",
                "Out of memory and no killable processes...",
                "oom-kill:constraint=",
                "[  pid  ] name",
                "[    191]     0",
                "memory: usage 1kB, limit xkB, failcnt 0",
        };
        struct kmsg_report report = { 0 };
        struct kmsg_kill kill;

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                assert_false(kmsg_report_take(&report, lines[i], &kill));
}

/* The last line of a report, cut after each of its bytes and at the end of what may be read. */
static void a_line_that_was_cut_tells_nothing_else(void **state)
{
        static const char line[] =
                "3,701,1,-;Memory cgroup out of memory: Killed process 191 (python3) total-vm:51788kB, "
                "anon-rss:40676kB, file-rss:9728kB, shmem-rss:128kB, UID:0 pgtables:132kB";
        struct kmsg_record record;
        struct kmsg_kill kill;

        for (size_t n = 0; n < sizeof(line); n++) {
                struct kmsg_report report = { 0 };
                char *cut = malloc(n ? n : 1);

                assert_non_null(cut);
                memcpy(cut, line, n);
                if (kmsg_parse(cut, n, &record) == 0 && kmsg_report_take(&report, record.text, &kill)) {
                        assert_int_equal(kill.pid, 191);
                        assert_string_equal(kill.comm, "python3");
                        assert_in_set(kill.held_bytes / 1024, ((const uintmax_t[]){ 40676, 40676 + 128 }), 2);
                }
                free(cut);
        }
}

static void records_are_parsed_strictly(void **state)
{
        static const char *const bad[] = {
                "",          ";",         "6",         "6,1,2;x",    "6,1,2,-",
                "x,1,2,-;x", "6,x,2,-;x", "6,1,x,-;x", "-6,1,2,-;x", "99999999999999999999,1,2,-;x",
        };
        struct kmsg_record record;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(kmsg_parse(bad[i], strlen(bad[i]), &record), -EBADMSG);
        assert_int_equal(kmsg_parse("14,27,123,-,caller=T1;a\\x09b\\x5c\\x00\n SUBSYSTEM=x\n", 46, &record), 0);
        assert_int_equal(record.facility, 1);
        assert_int_equal(record.seq, 27);
        assert_string_equal(record.text, "a\tb\\?");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_kill_at_a_limit_names_victim_and_limit),
                cmocka_unit_test(a_kill_of_the_machine_names_what_else_was_large),
                cmocka_unit_test(newer_tables_are_read_by_their_headers),
                cmocka_unit_test(the_last_line_alone_is_enough),
                cmocka_unit_test(a_report_about_another_one_says_nothing_of_this),
                cmocka_unit_test(a_group_is_killed_as_a_whole),
                cmocka_unit_test(names_cannot_pretend),
                cmocka_unit_test(what_is_no_kill_is_none),
                cmocka_unit_test(a_line_that_was_cut_tells_nothing_else),
                cmocka_unit_test(records_are_parsed_strictly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
