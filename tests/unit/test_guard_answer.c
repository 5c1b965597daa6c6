/* Who may open a guarded file for writing is answered while the opener waits; nobody else waits, and nobody waits for ever. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "guard/answer.h"

static struct proc proc;

/* A folder with `guarded`, which nobody may write, and what was told of it. */
struct stage {
        char root[64], cgroup[256], cgroup_path[PROC_CGROUP_MAX];
        const char *own[2];
        struct answer *answer;
        struct answer_record told[8];
        unsigned told_n;
        uint64_t dropped;
};

static const char *at(const struct stage *stage, const char *name)
{
        static char paths[8][256];
        static unsigned n;
        char *path = paths[n++ % 8];

        snprintf(path, sizeof(paths[0]), "%s/%s", stage->root, name);
        return path;
}

static void put(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void guard(struct stage *stage, const char *name, const char *allowed)
{
        struct answer_file file = { .allowed = { allowed } };
        char why[NEEDED_WHY_MAX];
        struct stat st;

        assert_int_equal(stat(at(stage, name), &st), 0);
        file.device = st.st_dev;
        file.inode = st.st_ino;
        assert_int_equal(answer_set(stage->answer, &file, 1), 0);
        assert_int_equal(answer_mark(stage->answer, at(stage, name), why), 0);
}

/* Here a kernel may refuse it: in most containers. NULL then, and the test is skipped. */
static struct stage *begin(void)
{
        struct stage *stage = calloc(1, sizeof(*stage));
        struct answer_options options = { .proc = &proc };
        int r;

        assert_non_null(stage);
        options.own = stage->own;
        r = answer_new(&options, &stage->answer);
        if (r < 0) {
                assert_true(r == -EPERM || r == -ENOSYS || r == -EINVAL);
                free(stage);
                skip();
        }
        strcpy(stage->root, "/tmp/answer-XXXXXX");
        assert_non_null(mkdtemp(stage->root));
        assert_int_equal(chmod(stage->root, 0755), 0);
        put(at(stage, "guarded"), "#!/bin/true\n");
        put(at(stage, "plain"), "plain");
        return stage;
}

static void end(struct stage *stage)
{
        char command[128];

        answer_free(stage->answer);
        if (stage->cgroup[0])
                (void)rmdir(stage->cgroup);
        snprintf(command, sizeof(command), "rm -rf '%s'", stage->root);
        assert_int_equal(system(command), 0);
        free(stage);
}

static void keep(void *self, const struct answer_record *record)
{
        struct stage *stage = self;

        if (stage->told_n < 8)
                stage->told[stage->told_n] = *record;
        stage->told_n++;
}

static void take(struct stage *stage)
{
        uint64_t dropped;

        answer_take(stage->answer, keep, stage, &dropped);
        stage->dropped += dropped;
}

/* What a child that does this ends with; its errno. */
static int in_child(int (*act)(const struct stage *stage), const struct stage *stage, pid_t *ret_pid)
{
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(act(stage));
        assert_true(pid > 0);
        if (ret_pid)
                *ret_pid = pid;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int opens(const struct stage *stage, int flags)
{
        int fd = open(at(stage, "guarded"), flags | O_CLOEXEC, 0644);

        return fd < 0 ? errno : close(fd);
}

static int reads(const struct stage *stage)
{
        return opens(stage, O_RDONLY);
}

static int writes(const struct stage *stage)
{
        return opens(stage, O_WRONLY);
}

static int reads_and_writes(const struct stage *stage)
{
        return opens(stage, O_RDWR);
}

static int truncates_read_only(const struct stage *stage)
{
        return opens(stage, O_RDONLY | O_TRUNC);
}

static int appends_or_creates(const struct stage *stage)
{
        return opens(stage, O_WRONLY | O_APPEND | O_CREAT);
}

static int opens_for_ioctls(const struct stage *stage)
{
        return opens(stage, O_ACCMODE);
}

static int reads_by_openat2(const struct stage *stage)
{
        struct open_how how = { .flags = O_RDONLY };
        long fd = syscall(SYS_openat2, AT_FDCWD, at(stage, "guarded"), &how, sizeof(how));

        return fd < 0 ? errno : 0;
}

static int executes(const struct stage *stage)
{
        execl(at(stage, "guarded"), "guarded", (char *)NULL);
        return errno;
}

static int by_handle(const struct stage *stage, int flags)
{
        union {
                struct file_handle handle;
                char room[sizeof(struct file_handle) + 128];
        } file = { .handle.handle_bytes = 128 };
        int mount, fd, folder = open(stage->root, O_RDONLY | O_CLOEXEC);

        if (name_to_handle_at(AT_FDCWD, at(stage, "guarded"), &file.handle, &mount, 0) < 0)
                return errno;
        fd = open_by_handle_at(folder, &file.handle, flags | O_CLOEXEC);
        return fd < 0 ? errno : 0;
}

static int reads_by_handle(const struct stage *stage)
{
        return by_handle(stage, O_RDONLY);
}

static int writes_by_handle(const struct stage *stage)
{
        return by_handle(stage, O_RDWR);
}

static void reading_is_everybodys_and_writing_nobodys(void **state)
{
        static const struct {
                int (*act)(const struct stage *);
                int error;
                enum answer_reason reason;
        } cases[] = {
                { reads, 0, ANSWER_READS },
                { executes, 0, ANSWER_READS },
                { reads_by_handle, 0, ANSWER_READS },
                { writes, EPERM, ANSWER_WRITES },
                { reads_and_writes, EPERM, ANSWER_WRITES },
                { truncates_read_only, EPERM, ANSWER_WRITES },
                { appends_or_creates, EPERM, ANSWER_WRITES },
                { opens_for_ioctls, EPERM, ANSWER_WRITES },
                { writes_by_handle, EPERM, ANSWER_WRITES },
                { reads_by_openat2, EPERM, ANSWER_CANNOT_SAY },
        };
        struct stage *stage = begin();

        (void)state;
        guard(stage, "guarded", NULL);
        for (unsigned n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
                pid_t pid;

                stage->told_n = 0;
                assert_int_equal(in_child(cases[n].act, stage, &pid), cases[n].error);
                take(stage);
                assert_int_equal(stage->told_n, cases[n].error != 0);
                if (cases[n].error == 0)
                        continue;
                assert_int_equal(stage->told[0].reason, cases[n].reason);
                assert_int_equal(stage->told[0].who.pid, pid);
                assert_int_equal(stage->told[0].who.source, WHO_BLOCKED);
                assert_non_null(strstr(stage->told[0].who.exe, "guard_answer"));
                assert_true(stage->told[0].who.has_uid && stage->told[0].call >= 0);
        }
        end(stage);
}

/* We ourselves are never held up by us, and a file that is not guarded by nobody. */
static void our_own_opens_and_those_of_other_files_are_let_through(void **state)
{
        struct stage *stage = begin();

        (void)state;
        guard(stage, "guarded", NULL);
        assert_int_equal(writes(stage), 0);
        put(at(stage, "plain"), "still plain");
        assert_int_equal(answer_unmark(stage->answer, at(stage, "guarded")), 0);
        assert_int_equal(answer_unmark(stage->answer, at(stage, "guarded")), 0);
        assert_int_equal(in_child(writes, stage, NULL), 0);
        take(stage);
        assert_int_equal(stage->told_n, 0);
        end(stage);
}

/* A cgroup of our own; false where this machine does not let us have one. */
static bool make_cgroup(struct stage *stage)
{
        static const char *const trees[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
        char own[PROC_CGROUP_MAX];

        if (proc_cgroup(&proc, getpid(), own) < 0)
                return false;
        text_append(stage->cgroup_path, sizeof(stage->cgroup_path), "%s/answer-%d", strcmp(own, "/") == 0 ? "" : own,
                    (int)getpid());
        for (unsigned n = 0; n < 2; n++) {
                stage->cgroup[0] = '\0';
                text_append(stage->cgroup, sizeof(stage->cgroup), "%s/cgroup.procs", trees[n]);
                if (access(stage->cgroup, F_OK) < 0)
                        continue;
                stage->cgroup[0] = '\0';
                text_append(stage->cgroup, sizeof(stage->cgroup), "%s%s", trees[n], stage->cgroup_path);
                if (mkdir(stage->cgroup, 0755) == 0)
                        return true;
        }
        stage->cgroup[0] = '\0';
        return false;
}

static int writes_in_cgroup(const struct stage *stage)
{
        char path[300];
        int fd;

        snprintf(path, sizeof(path), "%s/cgroup.procs", stage->cgroup);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1)
                return 200;
        close(fd);
        return writes(stage);
}

static void whose_cgroup_is_allowed_may_write_and_that_is_recorded(void **state)
{
        struct stage *stage = begin();

        (void)state;
        if (!make_cgroup(stage)) {
                end(stage);
                skip();
        }
        guard(stage, "guarded", stage->cgroup_path);
        assert_int_equal(in_child(writes, stage, NULL), EPERM);
        assert_int_equal(in_child(writes_in_cgroup, stage, NULL), 0);
        take(stage);
        assert_int_equal(stage->told_n, 2);
        assert_int_equal(stage->told[0].reason, ANSWER_WRITES);
        assert_int_equal(stage->told[1].reason, ANSWER_IS_ALLOWED);
        assert_string_equal(stage->told[1].who.cgroup, stage->cgroup_path);
        /* and no longer, in one step */
        guard(stage, "guarded", NULL);
        assert_int_equal(in_child(writes_in_cgroup, stage, NULL), EPERM);
        end(stage);
}

static void everybody_cannot_be_allowed(void **state)
{
        static const char *const wrong[] = { "/", "", "system.slice" };
        struct stage *stage = begin();

        (void)state;
        for (unsigned n = 0; n < 3; n++) {
                const struct answer_file file = { .device = 1, .inode = 1, .allowed = { wrong[n] } };

                assert_int_equal(answer_set(stage->answer, &file, 1), -EINVAL);
        }
        end(stage);
}

/* Whatever the machine stands or falls with is left alone, by name and by any other name. */
static void files_that_the_system_needs_are_never_marked(void **state)
{
        static const char *const needed[] = { "/etc/passwd", "/etc/nsswitch.conf", "/etc/machine-id",
                                              "/etc/ld.so.cache", "/proc/version" };
        struct stage *stage = begin();
        char why[NEEDED_WHY_MAX], own[256], *name;
        void *map;
        ssize_t n;
        int fd;

        (void)state;
        for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
                if (access(needed[i], F_OK) == 0) {
                        assert_int_equal(answer_mark(stage->answer, needed[i], why), 1);
                        assert_true(why[0]);
                }
        /* our own program, wherever it is: it is mapped */
        n = readlink("/proc/self/exe", own, sizeof(own) - 1);
        assert_true(n > 0);
        own[n] = '\0';
        assert_int_equal(answer_mark(stage->answer, own, why), 1);
        assert_non_null(strstr(why, "mapped or open"));
        /* a second name of something that we have mapped */
        fd = open(at(stage, "plain"), O_RDONLY | O_CLOEXEC);
        map = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        assert_int_equal(link(at(stage, "plain"), at(stage, "alias")), 0);
        assert_int_equal(answer_mark(stage->answer, at(stage, "alias"), why), 1);
        assert_int_equal(munmap(map, 1), 0);
        close(fd);
        assert_int_equal(answer_mark(stage->answer, at(stage, "alias"), why), 0);
        /* what the owner says is Governor's */
        stage->own[0] = at(stage, "state");
        assert_int_equal(mkdir(at(stage, "state"), 0700), 0);
        put(at(stage, "state/audit.db"), "");
        assert_int_equal(answer_mark(stage->answer, at(stage, "state/audit.db"), why), 1);
        assert_true(text_starts(why, "Governor needs "));
        /* folders, pipes and links */
        assert_int_equal(answer_mark(stage->answer, stage->root, why), 1);
        assert_int_equal(mkfifo(at(stage, "pipe"), 0600), 0);
        assert_int_equal(answer_mark(stage->answer, at(stage, "pipe"), why), 1);
        assert_int_equal(symlink("plain", at(stage, "link")), 0);
        name = strdup(at(stage, "link"));
        assert_int_equal(answer_mark(stage->answer, name, why), -ELOOP);
        free(name);
        end(stage);
}

/* As a logger that the listener logs to, a loop that is busy, and openers without end: the deadlock of others. Nobody takes the
 * records while it lasts, and the loop itself opens what is guarded. */
static void a_storm_while_the_loop_is_busy_holds_up_nobody(void **state)
{
        enum { OPENERS = 8, OPENS = 400 };
        struct stage *stage = begin();
        pid_t openers[OPENERS];
        int status;

        (void)state;
        guard(stage, "guarded", NULL);
        for (unsigned n = 0; n < OPENERS; n++) {
                openers[n] = fork();
                if (openers[n] == 0) {
                        for (unsigned i = 0; i < OPENS; i++)
                                if (opens(stage, i % 2 ? O_RDONLY : O_WRONLY) != (i % 2 ? 0 : EPERM))
                                        _exit(1);
                        _exit(0);
                }
        }
        for (unsigned i = 0; i < OPENS; i++)
                assert_int_equal(opens(stage, i % 2 ? O_RDONLY : O_WRONLY), 0);
        for (unsigned n = 0; n < OPENERS; n++) {
                assert_int_equal(waitpid(openers[n], &status, 0), openers[n]);
                assert_int_equal(status, 0);
        }
        take(stage);
        assert_int_equal(stage->told_n, ANSWER_RING_N);
        assert_int_equal(stage->told_n + stage->dropped, OPENERS * OPENS / 2);
        take(stage);
        assert_int_equal(stage->told_n + stage->dropped, OPENERS * OPENS / 2);
        end(stage);
}

/* Tables are swapped while openers are being answered. */
static void tables_are_swapped_under_the_answerer(void **state)
{
        struct stage *stage = begin();
        pid_t opener;
        int status;

        (void)state;
        guard(stage, "guarded", NULL);
        opener = fork();
        if (opener == 0) {
                for (unsigned i = 0; i < 500; i++)
                        if (writes(stage) != EPERM)
                                _exit(1);
                _exit(0);
        }
        while (waitpid(opener, &status, WNOHANG) == 0)
                guard(stage, "guarded", "/some.slice");
        assert_int_equal(status, 0);
        end(stage);
}

/* In a process of its own, for what is done to it: guards the file, says so, and then only exists. */
static pid_t begin_host(struct stage *stage, usec_t limit)
{
        const struct answer_options options = { .proc = &proc, .stall_limit = limit };
        int ready[2];
        char byte;
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        stage->answer = answer_free(stage->answer);
        pid = fork();
        if (pid == 0) {
                if (answer_new(&options, &stage->answer) < 0)
                        _exit(1);
                guard(stage, "guarded", NULL);
                (void)!write(ready[1], "", 1);
                for (;;)
                        pause();
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
        return pid;
}

/* Until it is stopped: a signal is on its way only when kill() returns. */
static void stop(pid_t pid)
{
        int status;

        assert_int_equal(kill(pid, SIGSTOP), 0);
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
}

/* With a tenth of the limit, or the test would wait for ten seconds. */
static void nobody_waits_for_one_that_is_stopped_beyond_the_limit(void **state)
{
        struct stage *stage = begin();
        pid_t host = begin_host(stage, USEC_PER_SEC);
        int status;

        (void)state;
        assert_int_equal(in_child(writes, stage, NULL), EPERM);
        stop(host);
        assert_int_equal(in_child(writes, stage, NULL), 0); /* it returned, which is the point: let go, not answered */
        assert_int_equal(waitpid(host, &status, 0), host);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
        end(stage);
}

/* With an open that waits: nothing is left of the guard, and the opener goes on. */
static void whoever_waits_is_let_go_when_it_is_killed(void **state)
{
        struct stage *stage = begin();
        pid_t host = begin_host(stage, USEC_PER_MINUTE), opener;
        int status;
        char state_of = 0;

        (void)state;
        stop(host);
        opener = fork();
        if (opener == 0)
                _exit(writes(stage));
        while (state_of != 'D' && state_of != 'S') { /* waits, killable */
                struct proc_stat stat;

                assert_int_equal(proc_stat(&proc, opener, &stat), 0);
                state_of = stat.state;
        }
        assert_int_equal(kill(host, SIGKILL), 0);
        assert_int_equal(waitpid(opener, &status, 0), opener);
        assert_int_equal(status, 0);
        assert_int_equal(waitpid(host, &status, 0), host);
        end(stage);
}

/* Its child by that name, 0 for none. */
static pid_t find_deadman(void)
{
        pid_t children[64];
        size_t n = 0;

        assert_int_equal(proc_children(&proc, getpid(), children, 64, &n), 0);
        for (size_t i = 0; i < n && i < 64; i++) {
                struct proc_stat stat;

                if (proc_stat(&proc, children[i], &stat) == 0 && stat.state != 'Z' &&
                    text_starts(stat.comm, "governor-deadm"))
                        return children[i];
        }
        return 0;
}

static void a_switch_that_somebody_ended_is_begun_anew(void **state)
{
        struct stage *stage = begin();
        siginfo_t info;
        pid_t first = 0, second = 0;

        (void)state;
        while (first == 0)
                first = find_deadman();
        assert_int_equal(answer_check(stage->answer), 0);
        assert_int_equal(kill(first, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)first, &info, WEXITED | WNOWAIT), 0);
        assert_int_equal(answer_check(stage->answer), 1);
        while (second == 0)
                second = find_deadman();
        assert_int_not_equal(first, second);
        assert_int_equal(answer_check(stage->answer), 0);
        end(stage);
}

static void a_call_that_does_not_say_what_it_wants_is_denied(void **state)
{
        static const struct {
                const char *text;
                int r;
                enum answer_reason reason;
        } cases[] = {
                { "running\n", -EAGAIN, ANSWER_CANNOT_SAY },
                { "-1 0x7ffe 0x7f00\n", 0, ANSWER_CANNOT_SAY },
                { "", 0, ANSWER_CANNOT_SAY },
                { "426 0x3 0x1 0x1 0x1 0x0 0x0 0x7ffe 0x7f00\n", 0, ANSWER_CANNOT_SAY },  /* io_uring_enter */
                { "437 0x3 0x1 0x1 0x18 0x0 0x0 0x7ffe 0x7f00\n", 0, ANSWER_CANNOT_SAY }, /* openat2 */
        };
        char text[256];
        enum answer_reason reason;
        int64_t call;
        int whole;

        (void)state;
        for (unsigned n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
                assert_int_equal(answer_parse_call(cases[n].text, strlen(cases[n].text), &reason, &call), cases[n].r);
                assert_int_equal(reason, cases[n].reason);
        }
        whole = snprintf(text, sizeof(text), "%d 0xffffffffffffff9c 0x7ffe 0x0 0x0 0x0 0x0", SYS_openat);
        for (int n = 0; n < whole; n++) {
                assert_int_equal(answer_parse_call(text, (size_t)n, &reason, &call), 0);
                if (n < whole - 1 || text[n - 1] == 'x')
                        assert_int_equal(reason, ANSWER_CANNOT_SAY);
        }
        assert_int_equal(answer_parse_call(text, (size_t)whole, &reason, &call), 0);
        assert_int_equal(reason, ANSWER_READS);
        assert_int_equal(call, SYS_openat);
        snprintf(text, sizeof(text), "%d 0xffffffffffffff9c 0x7ffe 0x1000000000000000000 0x0 0x0 0x0", SYS_openat);
        assert_int_equal(answer_parse_call(text, strlen(text), &reason, &call), 0);
        assert_int_equal(reason, ANSWER_CANNOT_SAY);
}

static int setup(void **state)
{
        (void)state;
        return proc_open(&proc, "/proc");
}

static int teardown(void **state)
{
        (void)state;
        proc_done(&proc);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_call_that_does_not_say_what_it_wants_is_denied),
                cmocka_unit_test(reading_is_everybodys_and_writing_nobodys),
                cmocka_unit_test(our_own_opens_and_those_of_other_files_are_let_through),
                cmocka_unit_test(whose_cgroup_is_allowed_may_write_and_that_is_recorded),
                cmocka_unit_test(everybody_cannot_be_allowed),
                cmocka_unit_test(files_that_the_system_needs_are_never_marked),
                cmocka_unit_test(a_storm_while_the_loop_is_busy_holds_up_nobody),
                cmocka_unit_test(tables_are_swapped_under_the_answerer),
                cmocka_unit_test(nobody_waits_for_one_that_is_stopped_beyond_the_limit),
                cmocka_unit_test(whoever_waits_is_let_go_when_it_is_killed),
                cmocka_unit_test(a_switch_that_somebody_ended_is_begun_anew),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
