/* Who did it: what can be learned is told without secrets, and what cannot is unknown. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "guard/who.h"

static struct proc proc;

static void own_exe(char exe[256])
{
        ssize_t n = readlink("/proc/self/exe", exe, 255);

        assert_true(n > 0);
        exe[n] = '\0';
}

/* One that ended, and was waited for: with what it was. */
static pid_t ended(void)
{
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        return pid;
}

static void a_process_is_read_whole(void **state)
{
        char exe[256], text[WHO_TEXT_MAX];
        struct who who;

        (void)state;
        own_exe(exe);
        who_read(&proc, getpid(), -1, &who);
        assert_int_equal(who.source, WHO_PROC);
        assert_int_equal(who.pid, getpid());
        assert_int_equal(who.parent, getppid());
        assert_true(who.start > 0);
        assert_true(who.has_uid);
        assert_int_equal(who.uid, geteuid());
        assert_string_equal(who.exe, exe);
        assert_non_null(strstr(who.command, "guard_who"));
        assert_int_equal(who.cgroup[0], '/');
        assert_true(text_starts(who_text(&who, text), "pid "));
        assert_non_null(strstr(text, exe));
}

static void one_that_ended_is_a_pid_and_no_more(void **state)
{
        char text[WHO_TEXT_MAX], expected[128];
        struct who who;
        pid_t pid = ended();

        (void)state;
        who_read(&proc, pid, -1, &who);
        assert_int_equal(who.source, WHO_EVENT);
        assert_false(who.has_uid);
        snprintf(expected, sizeof(expected), "pid %d unknown program (uid unknown, unit unknown)", (int)pid);
        assert_string_equal(who_text(&who, text), expected);
        who_read(&proc, 0, -1, &who);
        assert_int_equal(who.source, WHO_UNKNOWN);
        assert_string_equal(who_text(&who, text), "unknown");
}

/* The pid is somebody else's by now: what is read of him is not told of the one who ended. */
static void whoever_has_its_pid_now_is_not_taken_for_it(void **state)
{
        char root[] = "/tmp/who-XXXXXX", path[64];
        struct proc other;
        struct who who;
        pid_t pid = fork();
        int pidfd, fd;

        (void)state;
        if (pid == 0)
                _exit(0);
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        assert_true(pidfd >= 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_non_null(mkdtemp(root));
        snprintf(path, sizeof(path), "%s/%d", root, (int)pid);
        assert_int_equal(mkdir(path, 0755), 0);
        snprintf(path, sizeof(path), "%s/%d/stat", root, (int)pid);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(dprintf(fd, "%d (innocent) S 1 42 42 0 -1 0 1 2 3 4 150 50 20 10 20 0 7 0 987654 1 2\n", (int)pid) >
                    0);
        close(fd);
        assert_int_equal(proc_open(&other, root), 0);
        who_read(&other, pid, -1, &who);
        assert_string_equal(who.comm, "innocent");
        who_read(&other, pid, pidfd, &who);
        assert_int_equal(who.source, WHO_EVENT);
        assert_string_equal(who.comm, "");
        close(pidfd);
        proc_done(&other);
        unlink(path);
        *strrchr(path, '/') = '\0';
        rmdir(path);
        rmdir(root);
}

static void a_process_that_waits_to_be_waited_for_keeps_what_it_still_has(void **state)
{
        siginfo_t info;
        struct who who;
        pid_t pid = fork();
        int pidfd;

        (void)state;
        if (pid == 0)
                _exit(0);
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        who_read(&proc, pid, pidfd, &who);
        assert_int_equal(who.source, WHO_PROC);
        assert_string_equal(who.exe, ""); /* gone with its memory */
        assert_int_equal(who.parent, getpid());
        assert_true(who.has_uid);
        close(pidfd);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void no_secret_of_its_command_line_is_told(void **state)
{
        static const struct {
                const char *arguments;
                size_t size;
                const char *told;
        } cases[] = {
#define CASE(arguments, told) { arguments, sizeof(arguments), told }
                CASE("node\0bot.js\0--port\0003000", "node bot.js --port 3000"),
                CASE("curl\0--token\0abc\0-v", "curl --token *** -v"),
                CASE("curl\0--token=abc", "curl --token=***"),
                CASE("env\0DB_PASSWORD=hunter2\0node", "env DB_PASSWORD=***"),
                CASE("x\0sk-ant-REDACTED", "x ***"),
                CASE("sh\0-c\0curl --password abc; true", "sh -c curl --password *** true"),
                CASE("curl\0-H\0Authorization: Bearer abcdef", "curl -H Authorization: ***"),
                CASE("evil\nline\0\033[31m", "evil?line ?[31m"),
                CASE("", ""),
#undef CASE
        };
        char told[WHO_COMMAND_MAX];

        (void)state;
        for (unsigned n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
                who_command(cases[n].arguments, cases[n].size - 1, told);
                assert_string_equal(told, cases[n].told);
        }
}

static void a_long_command_line_is_cut(void **state)
{
        char arguments[4096], told[WHO_COMMAND_MAX];

        (void)state;
        for (unsigned n = 0; n < sizeof(arguments); n++)
                arguments[n] = n % 8 == 7 ? '\0' : 'a';
        who_command(arguments, sizeof(arguments), told);
        assert_true(strlen(told) < sizeof(told));
        assert_true(text_starts(told, "aaaaaaa aaaaaaa "));
        memset(arguments, 'a', sizeof(arguments)); /* one argument, and no end */
        who_command(arguments, sizeof(arguments), told);
        assert_true(strlen(told) < sizeof(told));
}

static struct who_book *open_book(void)
{
        struct who_book *book = NULL;
        int r = who_book_new(&proc, &book);

        if (r >= 0)
                return book;
        /* in a container or without privileges it says so at once */
        assert_true(r == -EPERM || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT || r == -ECONNREFUSED);
        skip();
        return NULL;
}

static void the_book_knows_one_that_was_forked_and_ended(void **state)
{
        struct who_book *book = open_book();
        char exe[256], text[WHO_TEXT_MAX];
        struct who who;
        pid_t pid;

        (void)state;
        own_exe(exe);
        pid = ended();
        who_read(&proc, pid, -1, &who);
        assert_int_equal(who.source, WHO_EVENT);
        who_book_fill(book, &who);
        assert_int_equal(who.source, WHO_BORN);
        assert_string_equal(who.exe, exe);
        assert_int_equal(who.parent, getpid());
        assert_true(who.has_uid);
        assert_int_equal(who.uid, geteuid());
        assert_non_null(strstr(who_text(&who, text), exe));
        who_book_free(book);
}

static void the_book_knows_what_it_executed_and_became(void **state)
{
        struct who_book *book = open_book();
        int go[2], said[2];
        char byte;
        struct who who;
        pid_t pid;

        (void)state;
        assert_int_equal(pipe(go), 0);
        assert_int_equal(pipe(said), 0);
        pid = fork();
        if (pid == 0) {
                dup2(go[0], 0);
                dup2(said[1], 1);
                execl("/bin/sh", "sh", "-c", "echo here; read x; : --password hunter2", (char *)NULL);
                _exit(1);
        }
        assert_int_equal(read(said[0], &byte, 1), 1);
        who_book_take(book);
        assert_int_equal(write(go[1], "\n", 1), 1);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        who_read(&proc, pid, -1, &who);
        who_book_fill(book, &who);
        assert_int_equal(who.source, WHO_BORN);
        assert_string_equal(who.comm, "sh");
        assert_true(text_starts(who.command, "sh -c "));
        assert_null(strstr(who.command, "hunter2"));
        for (unsigned n = 0; n < 2; n++) {
                close(go[n]);
                close(said[n]);
        }
        who_book_free(book);
}

/* An executed program of which nothing could be read any more is not what its parent is. */
static void the_book_does_not_guess(void **state)
{
        struct who_book *book = open_book();
        struct who who;
        pid_t pid = fork();

        (void)state;
        if (pid == 0) {
                execl("/bin/true", "true", (char *)NULL);
                _exit(1);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid); /* the book reads of it only now */
        who_read(&proc, pid, -1, &who);
        who_book_fill(book, &who);
        assert_string_equal(who.exe, "");
        assert_string_equal(who.command, "");
        assert_int_equal(who.parent, getpid());
        who_book_free(book);
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
                cmocka_unit_test(a_process_is_read_whole),
                cmocka_unit_test(one_that_ended_is_a_pid_and_no_more),
                cmocka_unit_test(whoever_has_its_pid_now_is_not_taken_for_it),
                cmocka_unit_test(a_process_that_waits_to_be_waited_for_keeps_what_it_still_has),
                cmocka_unit_test(no_secret_of_its_command_line_is_told),
                cmocka_unit_test(a_long_command_line_is_cut),
                cmocka_unit_test(the_book_knows_one_that_was_forked_and_ended),
                cmocka_unit_test(the_book_knows_what_it_executed_and_became),
                cmocka_unit_test(the_book_does_not_guess),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
