/*
 * A confined process against the kernel itself: what it is for still works, and the operations with which a guarded file is
 * changed do not, for the user who owns it. Each is tried in a process of its own under real Landlock and seccomp, with every
 * ABI from 1 to that of the kernel here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "run/allow.h"
#include "run/confine.h"
#include "run/filter.h"
#include "run/landlock.h"
#include "run/order.h"

#define MOST 256

/* In `top` it may change `work`, but for `core` in there, and not `out`. Each of `core` and `out` holds a file `kept`. */
static char top[64], work[MOST], core[MOST], out[MOST], in_core[MOST], in_out[MOST], in_work[MOST];

static void write_text(const char *path, const char *text)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static char *join(char to[MOST], const char *folder, const char *name)
{
        to[0] = '\0';
        text_append(to, MOST, "%s/%s", folder, name);
        return to;
}

static int build(void **state)
{
        strcpy(top, "/tmp/run-test-XXXXXX");
        assert_non_null(mkdtemp(top));
        assert_int_equal(mkdir(join(work, top, "work"), 0755), 0);
        assert_int_equal(mkdir(join(core, work, "core"), 0755), 0);
        assert_int_equal(mkdir(join(out, top, "out"), 0755), 0);
        write_text(join(in_core, core, "kept"), "GOOD");
        write_text(join(in_out, out, "kept"), "GOOD");
        write_text(join(in_work, work, "mine"), "mine");
        assert_int_equal(setenv("TMPDIR", "/nowhere", 1), 0); /* top is in /tmp */
        return 0;
}

static int clear(void **state)
{
        char command[MOST];

        (void)snprintf(command, sizeof command, "rm -rf %s", top);
        return system(command);
}

/* ---- in a confined process ------------------------------------------------------------------------------------------- */

static const struct order usual = { .write = { { work }, 1 }, .guard = { { core }, 1 } };
static const struct order without_guard = { .write = { { work }, 1 } };

typedef int (*try_function)(const char *path);

/* The errno with which it ended; 0: it could be done; -SIGNAL: it was killed. */
static int tried(const struct order *order, int abi, try_function function, const char *path)
{
        pid_t child = fork();
        int status = 0;

        assert_true(child >= 0);
        if (child == 0) {
                struct confine confine;

                if (confine_prepare(order, abi, stderr, &confine) < 0 || confine_enter(&confine, stderr) < 0)
                        _exit(255);
                errno = 0;
                _exit(function(path) < 0 ? errno : 0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFSIGNALED(status))
                return -WTERMSIG(status);
        assert_int_not_equal(WEXITSTATUS(status), 255);
        return WEXITSTATUS(status);
}

static int kernel_abi(void)
{
        int abi = landlock_abi();

        if (!abi)
                skip();
        return abi;
}

/* ---- what changes a file ------------------------------------------------------------------------------------------------ */

static int done_to(int fd)
{
        return fd < 0 ? -1 : (int)write(fd, "EVIL", 4);
}

static int open_to_write(const char *path)
{
        return done_to(open(path, O_WRONLY));
}

static int create(const char *path)
{
        return done_to(creat(path, 0644));
}

static int open_to_truncate(const char *path)
{
        return open(path, O_RDWR | O_TRUNC);
}

static int truncate_by_reading(const char *path)
{
        return open(path, O_RDONLY | O_TRUNC);
}

static int truncate_by_neither(const char *path)
{
        return open(path, O_ACCMODE | O_TRUNC);
}

static int truncate_by_openat2(const char *path)
{
        struct open_how how = { .flags = O_RDONLY | O_TRUNC };

        return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static int truncate_by_path(const char *path)
{
        return truncate(path, 0);
}

static int rename_over(const char *path)
{
        return rename(in_work, path);
}

static int rename_away(const char *path)
{
        char to[MOST];

        return rename(path, join(to, work, "taken"));
}

static int exchange(const char *path)
{
        return (int)syscall(SYS_renameat2, AT_FDCWD, in_work, AT_FDCWD, path, 2U /* RENAME_EXCHANGE */);
}

static int remove_it(const char *path)
{
        return unlink(path);
}

static int rename_its_folder(const char *path)
{
        char folder[MOST], to[MOST];

        strcpy(folder, path);
        *strrchr(folder, '/') = '\0';
        return rename(folder, join(to, work, "moved"));
}

static int write_by_a_hard_link(const char *path)
{
        char to[MOST];

        (void)unlink(join(to, work, "link"));
        return link(path, to) < 0 ? -1 : done_to(open(to, O_WRONLY));
}

static int write_by_a_symlink(const char *path)
{
        char to[MOST];

        /* the link itself may be made where no guarded part is; what it leads to stays what it is */
        (void)unlink(join(to, work, "symlink"));
        if (symlink(path, to) < 0)
                return -1;
        return done_to(open(to, O_WRONLY));
}

static int symlink_over(const char *path)
{
        char to[MOST];

        (void)unlink(join(to, work, "swap"));
        return symlink("/etc/passwd", to) < 0 ? -1 : rename(to, path);
}

static int write_by_a_magic_link(const char *path)
{
        char to[MOST];

        (void)snprintf(to, sizeof to, "/proc/self/fd/%d", open(path, O_PATH));
        return done_to(open(to, O_WRONLY));
}

static int write_by_a_relative_path(const char *path)
{
        char to[MOST];

        strcpy(to, path);
        *strrchr(to, '/') = '\0';
        return chdir(to) < 0 ? -1 : done_to(open(strrchr(path, '/') + 1, O_RDWR));
}

static int make_beside(const char *path)
{
        char to[MOST];

        (void)snprintf(to, sizeof to, "%.200s.new", path);
        return open(to, O_WRONLY | O_CREAT, 0644);
}

static int unnamed_beside(const char *path)
{
        char to[MOST];

        strcpy(to, path);
        *strrchr(to, '/') = '\0';
        return open(to, O_TMPFILE | O_RDWR, 0644);
}

static int change_mode(const char *path)
{
        return chmod(path, 0777);
}

static int change_mode_of_open(const char *path)
{
        return fchmod(open(path, O_RDONLY), 0777);
}

static int change_mode_newly(const char *path)
{
        return (int)syscall(452 /* fchmodat2 */, AT_FDCWD, path, 0777, 0);
}

static int change_owner(const char *path)
{
        return chown(path, getuid(), getgid());
}

static int change_times(const char *path)
{
        return utimensat(AT_FDCWD, path, NULL, 0);
}

static int change_attribute(const char *path)
{
        return setxattr(path, "user.evil", "1", 1, 0);
}

static int remove_attribute(const char *path)
{
        return removexattr(path, "user.good");
}

static int change_flags(const char *path)
{
        int flags = 0x40; /* nodump */

        return ioctl(open(path, O_RDONLY), 0x40086602, &flags);
}

static int bind_over(const char *path)
{
        return mount(in_work, path, NULL, MS_BIND, NULL);
}

static int bind_in_an_own_namespace(const char *path)
{
        return unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ? -1 : mount(in_work, path, NULL, MS_BIND, NULL);
}

static int clone_into_a_namespace(const char *path)
{
        pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

        if (child == 0)
                _exit(0);
        return child;
}

static int open_by_a_handle(const char *path)
{
        struct {
                struct file_handle handle;
                unsigned char bytes[64];
        } name = { .handle.handle_bytes = 64 };
        int mount_id, folder = open(core, O_RDONLY | O_DIRECTORY);

        if (name_to_handle_at(AT_FDCWD, path, &name.handle, &mount_id, 0) < 0)
                return -1;
        return done_to(open_by_handle_at(folder, &name.handle, O_WRONLY));
}

static int use_io_uring(const char *path)
{
        unsigned char parameters[120] = { 0 };

        return (int)syscall(SYS_io_uring_setup, 4, parameters);
}

static int by_a_program(const char *path)
{
        char command[MOST + 32];
        int status;

        (void)snprintf(command, sizeof command, "echo EVIL 2>/dev/null >%s", path);
        status = system(command);
        errno = EACCES;
        return status == 0 ? 0 : -1;
}

#define OPERATION(function)         \
        {                           \
#function, function \
        }

static const struct {
        const char *name;
        try_function function;
} operations[] = {
        OPERATION(open_to_write),
        OPERATION(create),
        OPERATION(open_to_truncate),
        OPERATION(truncate_by_reading),
        OPERATION(truncate_by_neither),
        OPERATION(truncate_by_openat2),
        OPERATION(truncate_by_path),
        OPERATION(rename_over),
        OPERATION(rename_away),
        OPERATION(exchange),
        OPERATION(remove_it),
        OPERATION(rename_its_folder),
        OPERATION(write_by_a_hard_link),
        OPERATION(write_by_a_symlink),
        OPERATION(symlink_over),
        OPERATION(write_by_a_magic_link),
        OPERATION(write_by_a_relative_path),
        OPERATION(make_beside),
        OPERATION(unnamed_beside),
        OPERATION(change_mode),
        OPERATION(change_mode_of_open),
        OPERATION(change_mode_newly),
        OPERATION(change_owner),
        OPERATION(change_times),
        OPERATION(change_attribute),
        OPERATION(remove_attribute),
        OPERATION(change_flags),
        OPERATION(bind_over),
        OPERATION(bind_in_an_own_namespace),
        OPERATION(clone_into_a_namespace),
        OPERATION(open_by_a_handle),
        OPERATION(use_io_uring),
        OPERATION(by_a_program),
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void is_as_it_was(const char *path, const struct stat *before)
{
        char text[8] = "";
        struct stat now;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &now), 0);
        assert_int_equal(read(fd, text, sizeof text), 4);
        assert_memory_equal(text, "GOOD", 4);
        assert_int_equal(now.st_ino, before->st_ino);
        assert_int_equal(now.st_mode, before->st_mode);
        assert_int_equal(now.st_nlink, before->st_nlink);
        assert_int_equal(now.st_uid, before->st_uid);
        assert_int_equal(now.st_ctim.tv_sec, before->st_ctim.tv_sec);
        assert_int_equal(now.st_ctim.tv_nsec, before->st_ctim.tv_nsec);
}

static void nothing_changes(const struct order *order, const char *path)
{
        struct stat before;

        assert_int_equal(stat(path, &before), 0);
        for (int abi = kernel_abi(); abi > 0; abi--)
                for (size_t i = 0; i < COUNT(operations); i++) {
                        int got = tried(order, abi, operations[i].function, path);

                        if (got != EACCES && got != EPERM && got != EXDEV && got != ENOSYS)
                                fail_msg("%s of %s with ABI %d: %s", operations[i].name, path, abi, strerror(got));
                        is_as_it_was(path, &before);
                }
}

static void its_owner_cannot_change_a_file_outside(void **state)
{
        nothing_changes(&without_guard, in_out);
}

static void its_owner_cannot_change_a_guarded_part_of_what_is_granted(void **state)
{
        nothing_changes(&usual, in_core);
}

/* The operations are real: without confinement the file falls to them. */
static void the_operations_do_change_what_is_not_confined(void **state)
{
        static const try_function fall[] = { open_to_write, truncate_by_path, change_mode,  change_times,
                                             rename_over,   exchange,         by_a_program, remove_it };

        for (size_t i = 0; i < COUNT(fall); i++) {
                clear(NULL);
                build(NULL);
                assert_int_equal(fall[i](in_out), fall[i] == open_to_write ? 4 : 0);
        }
}

/* Without root's powers root is a user like others. */
static int become_another(const char *path)
{
        return setuid(65534);
}

static void root_has_no_powers_left(void **state)
{
        struct order order = usual;

        if (geteuid() != 0)
                skip();
        assert_int_equal(tried(&order, kernel_abi(), become_another, NULL), EPERM);
        order.allowed = ALLOW_CAPABILITIES;
        assert_int_equal(tried(&order, kernel_abi(), become_another, NULL), 0);
}

/* ---- doors to others ---------------------------------------------------------------------------------------------------- */

static int make_a_unix_socket(const char *path)
{
        return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int make_datagram_pair(const char *path)
{
        int pair[2];

        return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair);
}

static int signal_the_parent(const char *path)
{
        return kill(getppid(), 0);
}

static int trace_the_parent(const char *path)
{
        return (int)ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static int write_into_the_parent(const char *path)
{
        char memory[64];

        (void)snprintf(memory, sizeof memory, "/proc/%d/mem", (int)getppid());
        return open(memory, O_RDWR);
}

static int type_into_the_terminal(const char *path)
{
        return ioctl(STDIN_FILENO, 0x5412, "x");
}

static int call_what_nobody_knows(const char *path)
{
        return (int)syscall(0x40000000 + 39); /* getpid of x32 */
}

static void it_cannot_reach_others_to_act_for_it(void **state)
{
        int abi = kernel_abi();

        assert_int_equal(tried(&usual, abi, make_a_unix_socket, NULL), EAFNOSUPPORT);
        assert_int_equal(tried(&usual, abi, make_datagram_pair, NULL), EAFNOSUPPORT);
        assert_int_equal(tried(&usual, abi, trace_the_parent, NULL), EPERM);
        assert_int_not_equal(tried(&usual, abi, write_into_the_parent, NULL), 0);
        assert_int_equal(tried(&usual, abi, type_into_the_terminal, NULL), EPERM);
        if (abi >= 6)
                assert_int_equal(tried(&usual, abi, signal_the_parent, NULL), EPERM);
        else
                assert_int_equal(tried(&usual, abi, signal_the_parent, NULL), 0);
}

#ifdef __x86_64__
static int call_as_32_bit(const char *path)
{
        int number = 20, result; /* getpid there */

        __asm__ volatile("int $0x80" : "=a"(result) : "a"(number) : "memory");
        return result;
}

static void calls_of_other_abis_are_refused(void **state)
{
        int got = tried(&usual, kernel_abi(), call_as_32_bit, NULL);

        assert_true(got == -SIGSYS || got == -SIGSEGV); /* the latter where the kernel has no such calls at all */
        assert_int_equal(tried(&usual, kernel_abi(), call_what_nobody_knows, NULL), ENOSYS);
}
#else
static void calls_of_other_abis_are_refused(void **state)
{
        assert_int_equal(tried(&usual, kernel_abi(), call_what_nobody_knows, NULL), ENOSYS);
}
#endif

/* ---- what it is for ------------------------------------------------------------------------------------------------------ */

static void *nothing(void *argument)
{
        return argument;
}

static int start_a_thread(const char *path)
{
        pthread_t thread;
        int r = pthread_create(&thread, NULL, nothing, NULL);

        errno = r;
        return r ? -1 : pthread_join(thread, NULL);
}

static int kill_a_child(const char *path)
{
        pid_t child = fork();

        if (child == 0) {
                (void)pause();
                _exit(0);
        }
        return kill(child, SIGKILL) < 0 || waitpid(child, NULL, 0) != child ? -1 : 0;
}

static int talk_to_a_child(const char *path)
{
        int pair[2];

        return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int make_a_tcp_socket(const char *path)
{
        return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int write_to_nowhere(const char *path)
{
        return done_to(open("/dev/null", O_WRONLY | O_TRUNC));
}

static int read_everything(const char *path)
{
        return open("/etc/passwd", O_RDONLY);
}

static int live_in_its_folder(const char *path)
{
        char file[MOST], folder[MOST], other[MOST], link_[MOST];

        if (create(join(file, work, "new")) < 0 || mkdir(join(folder, work, "sub"), 0755) < 0)
                return -1;
        if (rename(file, join(other, work, "renamed")) < 0 || symlink("renamed", join(link_, work, "sym")) < 0)
                return -1;
        if (truncate_by_path(in_work) < 0 && errno != EPERM) /* an older kernel's filter cannot tell whose path it is */
                return -1;
        return open_to_truncate(in_work) < 0 || unlink(link_) < 0 || unlink(other) < 0 || rmdir(folder) < 0 ? -1 : 0;
}

static int move_between_folders(const char *path)
{
        char folder[MOST], to[MOST];

        if (mkdir(join(folder, work, "sub"), 0755) < 0)
                return -1;
        return rename(in_work, join(to, folder, "mine"));
}

static void what_it_is_for_works(void **state)
{
        for (int abi = kernel_abi(); abi > 0; abi--) {
                assert_int_equal(tried(&without_guard, abi, live_in_its_folder, NULL), 0);
                assert_int_equal(tried(&usual, abi, open_to_write, in_work), 0);
                assert_int_equal(tried(&usual, abi, start_a_thread, NULL), 0);
                assert_int_equal(tried(&usual, abi, kill_a_child, NULL), 0);
                assert_int_equal(tried(&usual, abi, talk_to_a_child, NULL), 0);
                assert_int_equal(tried(&usual, abi, make_a_tcp_socket, NULL), 0);
                assert_int_equal(tried(&usual, abi, write_to_nowhere, NULL), 0);
                assert_int_equal(tried(&usual, abi, read_everything, NULL), 0);
        }
}

static void files_move_between_folders_where_the_kernel_can_tell(void **state)
{
        if (kernel_abi() >= 2)
                assert_int_equal(tried(&without_guard, 2, move_between_folders, NULL), 0);
        clear(NULL);
        build(NULL);
        assert_int_equal(tried(&without_guard, 1, move_between_folders, NULL), EXDEV);
}

static void what_is_allowed_is_given_back(void **state)
{
        struct order order = usual;
        int abi = kernel_abi();

        order.allowed = ALLOW_METADATA;
        assert_int_equal(tried(&order, abi, change_mode, in_work), 0);
        assert_int_equal(tried(&order, abi, change_times, in_work), 0);
        order.allowed = ALLOW_UNIX;
        assert_int_equal(tried(&order, abi, make_a_unix_socket, NULL), 0);
        assert_int_equal(tried(&order, abi, change_mode, in_work), EPERM);
        order.allowed = ALLOW_SIGNALS;
        assert_int_equal(tried(&order, abi, signal_the_parent, NULL), 0);
}

static int read_it(const char *path)
{
        char text[4];

        int fd = open(path, O_RDONLY);

        return fd < 0 ? -1 : (int)read(fd, text, sizeof text);
}

static void reading_can_be_confined_too(void **state)
{
        struct order order = usual;

        order.read = (struct order_paths){ { in_out }, 1 };
        assert_int_equal(tried(&order, kernel_abi(), read_it, in_out), 0);
        assert_int_equal(tried(&order, kernel_abi(), open_to_write, in_out), EACCES);
        assert_int_equal(tried(&order, kernel_abi(), by_a_program, in_work),
                         0); /* the system's own files it can read */
        order.read.list[0] = "/usr";
        assert_int_equal(tried(&order, kernel_abi(), read_it, in_out), EACCES);
        assert_int_equal(tried(&order, kernel_abi(), read_it, in_work), 0); /* what it may change it may read */
}

/* ---- asked for and told --------------------------------------------------------------------------------------------------- */

static void says(const char *all, const char *part)
{
        if (!strstr(all, part))
                fail_msg("not said: %s\nbut: %s", part, all);
}

static char *told(const struct order *order, int abi)
{
        static char text[16384];
        FILE *file = fmemopen(text, sizeof text, "w");
        struct confine confine;
        int r = confine_prepare(order, abi, file, &confine);

        if (r >= 0) {
                confine_explain(&confine, file);
                (void)confine_say_gaps(&confine, file);
                confine_done(&confine);
        }
        assert_int_equal(fclose(file), 0);
        return text;
}

static void everything_is_explained(void **state)
{
        char *command[] = { (char *)"node", NULL };
        struct order order = usual;
        char *text;

        order.command = command;
        text = told(&order, 2);
        says(text, "node would run as uid");
        says(text, "reads     everything");
        says(text, in_work);
        says(text, "guarded   ");
        says(text, "in folders above a guarded part nothing can be made");
        says(text, "[--allow metadata]");
        says(text, "not confined: signals to other processes");
        says(text, "needs Landlock ABI 6, this kernel has 2");
        assert_null(strstr(text, "not confined: files"));
        says(told(&order, 0), "not confined: files: everything that this user may write");
        assert_null(strstr(told(&order, 7), "not confined"));
}

static void a_path_that_cannot_be_had_is_named(void **state)
{
        char missing[MOST];
        struct order order = { .write = { { join(missing, top, "missing") }, 1 } };

        says(told(&order, 7), "missing: No such file or directory: make it first");
        order.write.list[0] = in_core;
        order.guard = (struct order_paths){ { core }, 1 };
        says(told(&order, 7), "it lies within a part that --guard names");
}

/* A link into the guarded part is resolved before anything is granted. */
static void a_link_does_not_lead_around_the_guard(void **state)
{
        char link_[MOST];
        struct order order = { .write = { { join(link_, top, "alias") }, 1 }, .guard = { { core }, 1 } };

        assert_int_equal(symlink(core, link_), 0);
        says(told(&order, 7), "it lies within a part that --guard names");
        order = (struct order){ .write = { { work }, 1 }, .guard = { { link_ }, 1 } };
        assert_int_equal(tried(&order, kernel_abi(), open_to_write, in_core), EACCES);
        assert_int_equal(tried(&order, kernel_abi(), open_to_write, in_work), 0);
}

static int parsed(struct order *order, const char *a, const char *b, const char *c, const char *d)
{
        static char *argv[6];
        int argc = 5;

        argv[0] = (char *)"governor-run";
        argv[1] = (char *)a;
        argv[2] = (char *)b;
        argv[3] = (char *)c;
        argv[4] = (char *)d;
        while (argc > 1 && !argv[argc - 1])
                argc--;
        argv[argc] = NULL;
        return order_parse(argc, argv, order);
}

static void the_commands_own_options_are_its_own(void **state)
{
        struct order order;

        assert_int_equal(parsed(&order, "--write", "/srv", "node", "--read"), -1);
        assert_string_equal(order.write.list[0], "/srv");
        assert_string_equal(order.command[0], "node");
        assert_string_equal(order.command[1], "--read");
        assert_int_equal(parsed(&order, "--allow", "unix", "--", "--strict"), -1);
        assert_string_equal(order.command[0], "--strict");
        assert_int_equal(order.allowed, ALLOW_UNIX);
        assert_false(order.strict);
}

static void what_is_asked_wrongly_is_usage(void **state)
{
        struct order order;
        int silent = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

        assert_true(dup2(null, STDERR_FILENO) >= 0);
        assert_int_equal(parsed(&order, "--write", "/srv", NULL, NULL), 2);
        assert_int_equal(parsed(&order, "--write", "", "x", NULL), 2);
        assert_int_equal(parsed(&order, "--wrote", "/srv", "x", NULL), 2);
        assert_int_equal(parsed(&order, "--allow", "everything", "x", NULL), 2);
        assert_int_equal(parsed(&order, "--write", NULL, NULL, NULL), 2);
        assert_true(dup2(silent, STDERR_FILENO) >= 0);
        (void)close(silent);
        (void)close(null);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, build, clear)

int main(void)
{
        const struct CMUnitTest tests[] = {
                STORY(its_owner_cannot_change_a_file_outside),
                STORY(its_owner_cannot_change_a_guarded_part_of_what_is_granted),
                STORY(the_operations_do_change_what_is_not_confined),
                STORY(root_has_no_powers_left),
                STORY(it_cannot_reach_others_to_act_for_it),
                STORY(calls_of_other_abis_are_refused),
                STORY(what_it_is_for_works),
                STORY(files_move_between_folders_where_the_kernel_can_tell),
                STORY(what_is_allowed_is_given_back),
                STORY(reading_can_be_confined_too),
                STORY(everything_is_explained),
                STORY(a_path_that_cannot_be_had_is_named),
                STORY(a_link_does_not_lead_around_the_guard),
                STORY(the_commands_own_options_are_its_own),
                STORY(what_is_asked_wrongly_is_usage),
        };

        return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
