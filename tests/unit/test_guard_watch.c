/* What happens to guarded files is heard, by fanotify and by inotify, with who did it where the kernel tells. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "guard/watch.h"
#include "io/clock.h"

#define QUEUE 16384 /* fs.fanotify.max_queued_events where nobody changed it */

/* A folder of its own with core/a and core/b, and all that was heard of it, joined by path. */
struct stage {
        char root[64];
        struct watch *watch;
        struct {
                char path[256];
                unsigned what;
                enum watch_teller teller;
                pid_t pid;
                bool own;
        } heard[32];
        unsigned heard_n, lost_n, all_n;
        usec_t lost_from, lost_to, now;
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
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void changed(void *self, const struct watch_event *event)
{
        struct stage *stage = self;
        unsigned n = 0;

        stage->all_n++;
        while (n < stage->heard_n && strcmp(stage->heard[n].path, event->path) != 0)
                n++;
        if (n == 32)
                return;
        stage->heard_n += n == stage->heard_n;
        text_copy(stage->heard[n].path, sizeof(stage->heard[n].path), event->path);
        stage->heard[n].what |= event->what;
        stage->heard[n].teller = event->teller;
        stage->heard[n].pid = event->pid;
        stage->heard[n].own = event->own;
        assert_int_equal(event->teller == WATCH_HELD, event->pidfd >= 0);
        assert_int_equal(event->at, stage->now);
}

static void lost(void *self, usec_t from, usec_t to)
{
        struct stage *stage = self;

        stage->lost_n++;
        stage->lost_from = from;
        stage->lost_to = to;
}

/* Takes all that waits. The kernel tells before the call that made it returns, so nothing has to be waited for. */
static void take(struct stage *stage)
{
        const struct watch_sink sink = { changed, lost, stage };
        struct pollfd poll_fd = { .fd = watch_fd(stage->watch), .events = POLLIN };

        while (poll(&poll_fd, 1, 0) > 0)
                watch_take(stage->watch, ++stage->now, &sink);
}

static unsigned what(const struct stage *stage, const char *name)
{
        for (unsigned n = 0; n < stage->heard_n; n++)
                if (strcmp(stage->heard[n].path, at(stage, name)) == 0)
                        return stage->heard[n].what;
        return 0;
}

static void forget(struct stage *stage)
{
        take(stage);
        memset(stage->heard, 0, sizeof(stage->heard));
        stage->heard_n = stage->lost_n = stage->all_n = 0;
}

static struct stage *begin(void)
{
        struct stage *stage = calloc(1, sizeof(*stage));

        assert_non_null(stage);
        strcpy(stage->root, "/tmp/watch-XXXXXX");
        assert_non_null(mkdtemp(stage->root));
        assert_int_equal(mkdir(at(stage, "core"), 0755), 0);
        assert_int_equal(mkdir(at(stage, "other"), 0755), 0);
        put(at(stage, "core/a"), "a");
        put(at(stage, "core/b"), "b");
        assert_int_equal(watch_new(&stage->watch), 0);
        return stage;
}

static void end(struct stage *stage)
{
        char command[128];

        watch_free(stage->watch);
        snprintf(command, sizeof(command), "rm -rf '%s'", stage->root);
        assert_int_equal(system(command), 0);
        free(stage);
}

/* As the guard does it: the folder, its files, all that leads there. */
static struct stage *begin_guarded(void)
{
        struct stage *stage = begin();

        assert_int_equal(watch_add(stage->watch, at(stage, "core"), WATCH_FOLDER), 0);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/a"), WATCH_FILE), 0);
        assert_int_equal(watch_add_above(stage->watch, at(stage, "core")), 0);
        return stage;
}

/* In a process of its own, which ends before this returns. */
static pid_t in_child(void (*act)(struct stage *stage), struct stage *stage)
{
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                act(stage);
                _exit(0);
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        return pid;
}

static void writes_a(struct stage *stage)
{
        put(at(stage, "core/a"), "evil");
}

static void a_write_is_heard_with_who_did_it(void **state)
{
        struct stage *stage = begin_guarded();
        struct watch_state how;
        pid_t pid;
        int fd;

        watch_state(stage->watch, &how);
        if (!how.holds_pids) {
                end(stage);
                skip();
        }
        /* ours */
        put(at(stage, "core/b"), "ours");
        take(stage);
        assert_int_equal(what(stage, "core/b"), WATCH_WRITTEN);
        assert_int_equal(stage->heard_n, 1);
        assert_true(stage->heard[0].own);
        assert_int_equal(stage->heard[0].pid, getpid());
        assert_int_equal(stage->heard[0].teller, WATCH_HELD);
        forget(stage);
        /* theirs: it has ended when we read, and that is not said to be somebody who lives */
        pid = in_child(writes_a, stage);
        take(stage);
        assert_int_equal(what(stage, "core/a"), WATCH_WRITTEN);
        assert_int_equal(stage->heard_n, 1);
        assert_false(stage->heard[0].own);
        assert_int_equal(stage->heard[0].pid, pid);
        assert_int_equal(stage->heard[0].teller, WATCH_ENDED);
        forget(stage);
        /* mode, owner and times are heard, and a read is not */
        fd = open(at(stage, "core/a"), O_RDONLY | O_CLOEXEC);
        close(fd);
        take(stage);
        assert_int_equal(stage->heard_n, 0);
        assert_int_equal(chmod(at(stage, "core/a"), 0600), 0);
        take(stage);
        assert_int_equal(what(stage, "core/a"), WATCH_ATTRIBUTES);
        end(stage);
}

/* Whatever can be told apart without a pid: both ways have to hear it. */
static void names_come_and_go(struct stage *stage)
{
        put(at(stage, "core/new"), "new");
        take(stage);
        assert_true(what(stage, "core/new") & WATCH_CREATED);
        assert_true(what(stage, "core/new") & WATCH_WRITTEN);
        forget(stage);

        assert_int_equal(rename(at(stage, "core/new"), at(stage, "core/b")), 0);
        take(stage);
        assert_int_equal(what(stage, "core/new"), WATCH_MOVED_AWAY);
        assert_int_equal(what(stage, "core/b"), WATCH_MOVED_HERE);
        forget(stage);

        assert_int_equal(rename(at(stage, "core/b"), at(stage, "other/b")), 0);
        take(stage);
        assert_int_equal(what(stage, "core/b"), WATCH_MOVED_AWAY);
        assert_int_equal(what(stage, "other/b"), 0);
        forget(stage);

        assert_int_equal(mkdir(at(stage, "core/folder"), 0755), 0);
        take(stage);
        assert_true(what(stage, "core/folder") & WATCH_CREATED);
        forget(stage);

        assert_int_equal(unlink(at(stage, "core/a")), 0);
        take(stage);
        assert_true(what(stage, "core/a") & WATCH_REMOVED);
        assert_true(what(stage, "core/a") & WATCH_GONE);
}

static void a_file_that_is_put_in_place_is_watched_after_arming(struct stage *stage)
{
        struct watch_state how;

        /* by inode alone, so that the folder's watch does not help */
        assert_int_equal(watch_add(stage->watch, at(stage, "core/a"), WATCH_FILE), 0);
        put(at(stage, "other/fresh"), "fresh");
        assert_int_equal(rename(at(stage, "other/fresh"), at(stage, "core/a")), 0);
        take(stage);
        assert_true(what(stage, "core/a") & WATCH_GONE);
        watch_state(stage->watch, &how);
        assert_int_equal(how.gone, 1);
        forget(stage);
        put(at(stage, "core/a"), "unheard");
        take(stage);
        assert_int_equal(stage->heard_n, 0);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/a"), WATCH_FILE), 0);
        watch_state(stage->watch, &how);
        assert_int_equal(how.gone, 0);
        put(at(stage, "core/a"), "heard");
        take(stage);
        assert_int_equal(what(stage, "core/a"), WATCH_WRITTEN);
}

/* The file that left its place keeps no mark: whoever has it could else fill the queue with it. */
static void what_was_there_before_is_not_heard_any_more(struct stage *stage)
{
        assert_int_equal(watch_add(stage->watch, at(stage, "core/a"), WATCH_FILE), 0);
        assert_int_equal(rename(at(stage, "core/a"), at(stage, "other/a")), 0);
        put(at(stage, "core/a"), "another");
        take(stage);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/a"), WATCH_FILE), 0);
        forget(stage);
        put(at(stage, "other/a"), "not ours");
        take(stage);
        assert_int_equal(stage->all_n, 0);
        watch_drop(stage->watch, at(stage, "core/a"));
        watch_drop(stage->watch, at(stage, "core/a"));
        put(at(stage, "core/a"), "not watched");
        take(stage);
        assert_int_equal(stage->all_n, 0);
}

static void a_write_by_another_link_is_heard(struct stage *stage)
{
        assert_int_equal(link(at(stage, "core/a"), at(stage, "other/link")), 0);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/a"), WATCH_FILE), 0);
        put(at(stage, "other/link"), "evil");
        take(stage);
        assert_true(what(stage, "core/a") & WATCH_WRITTEN);
        assert_int_equal(stage->heard_n, 1);
}

static void a_folder_above_that_is_moved_is_heard(struct stage *stage)
{
        assert_int_equal(mkdir(at(stage, "core/deep"), 0755), 0);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/deep"), WATCH_FOLDER), 0);
        assert_int_equal(watch_add_above(stage->watch, at(stage, "core/deep")), 0);
        /* what else happens in a folder above is not */
        put(at(stage, "core/b"), "busy");
        put(at(stage, "noise"), "busy");
        take(stage);
        assert_int_equal(stage->all_n, 0);
        assert_int_equal(rename(at(stage, "core"), at(stage, "elsewhere")), 0);
        take(stage);
        assert_int_equal(what(stage, "core"), WATCH_GONE);
        assert_int_equal(stage->heard_n, 1);
        /* the fake one in its place is armed, and so heard */
        assert_int_equal(mkdir(at(stage, "core"), 0755), 0);
        assert_int_equal(mkdir(at(stage, "core/deep"), 0755), 0);
        assert_int_equal(watch_add(stage->watch, at(stage, "core"), WATCH_ABOVE), 0);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/deep"), WATCH_FOLDER), 0);
        put(at(stage, "core/deep/x"), "x");
        take(stage);
        assert_true(what(stage, "core/deep/x") & WATCH_CREATED);
}

static void roles_of_one_path_add_up_and_survive_another_file(struct stage *stage)
{
        assert_int_equal(watch_add(stage->watch, at(stage, "core"), WATCH_ABOVE), 0);
        assert_int_equal(watch_add(stage->watch, at(stage, "core"), WATCH_NAMES), 0);
        put(at(stage, "core/b"), "its content is not told");
        put(at(stage, "core/c"), "its name is");
        take(stage);
        assert_int_equal(what(stage, "core/b"), 0);
        assert_true(what(stage, "core/c") & WATCH_CREATED);
        assert_int_equal(rename(at(stage, "core"), at(stage, "elsewhere")), 0);
        assert_int_equal(mkdir(at(stage, "core"), 0755), 0);
        assert_int_equal(watch_add(stage->watch, at(stage, "core"), WATCH_ABOVE), 0);
        forget(stage);
        put(at(stage, "core/d"), "heard, though only the other role was asked for again");
        take(stage);
        assert_true(what(stage, "core/d") & WATCH_CREATED);
}

static void links_and_strange_paths_are_refused(struct stage *stage)
{
        char longest[FILE_PATH_MAX + 2] = "/";

        assert_int_equal(symlink("core", at(stage, "link")), 0);
        assert_int_equal(symlink("a", at(stage, "core/link")), 0);
        assert_int_equal(watch_add(stage->watch, at(stage, "link/a"), WATCH_FILE), -ELOOP);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/link"), WATCH_FILE), -ELOOP);
        assert_int_equal(watch_add(stage->watch, at(stage, "link"), WATCH_FOLDER), -ELOOP);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/none"), WATCH_FILE), -ENOENT);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/a"), WATCH_FOLDER), -ENOTDIR);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/../core/a"), WATCH_FILE), -EINVAL);
        assert_int_equal(watch_add(stage->watch, "core/a", WATCH_FILE), -EINVAL);
        memset(longest + 1, 'x', FILE_PATH_MAX);
        assert_int_equal(watch_add(stage->watch, longest, WATCH_FILE), -ENAMETOOLONG);
}

/* A pipe that nobody writes to would keep whoever opens it waiting for ever. */
static void a_pipe_is_watched_without_waiting(struct stage *stage)
{
        assert_int_equal(mkfifo(at(stage, "core/pipe"), 0600), 0);
        assert_int_equal(watch_add(stage->watch, at(stage, "core/pipe"), WATCH_FILE), 0);
        assert_int_equal(chmod(at(stage, "core/pipe"), 0644), 0);
        take(stage);
        assert_true(what(stage, "core/pipe") & WATCH_ATTRIBUTES);
}

/* More than the queue holds: what is lost is said, from when on, and then it hears again. */
static void a_queue_that_overflows_is_told_as_lost(struct stage *stage)
{
        char name[32];

        assert_int_equal(watch_add(stage->watch, at(stage, "core"), WATCH_FOLDER), 0);
        take(stage);
        stage->now = 1000;
        for (unsigned n = 0; n < QUEUE + 100; n++) { /* a name each: the kernel joins what is alike */
                snprintf(name, sizeof(name), "core/n%u", n);
                assert_int_equal(mknod(at(stage, name), S_IFREG | 0600, 0), 0);
        }
        take(stage);
        assert_true(stage->lost_n >= 1);
        assert_true(stage->lost_from <= 1000 && stage->lost_to > 1000);
        forget(stage);
        put(at(stage, "core/after"), "x");
        take(stage);
        assert_int_equal(stage->lost_n, 0);
        assert_true(what(stage, "core/after") & WATCH_CREATED);
}

static void both(void (*story)(struct stage *), bool guarded)
{
        struct stage *stage = guarded ? begin_guarded() : begin();

        story(stage);
        end(stage);
}

#define STORY(story, guarded)                         \
        static void story##_by_fanotify(void **state) \
        {                                             \
                (void)state;                          \
                both(story, guarded);                 \
        }                                             \
        static void story##_by_inotify(void **state)  \
        {                                             \
                (void)state;                          \
                both(story, guarded);                 \
        }

STORY(names_come_and_go, true)
STORY(a_file_that_is_put_in_place_is_watched_after_arming, false)
STORY(what_was_there_before_is_not_heard_any_more, false)
STORY(a_write_by_another_link_is_heard, false)
STORY(a_folder_above_that_is_moved_is_heard, false)
STORY(roles_of_one_path_add_up_and_survive_another_file, false)
STORY(links_and_strange_paths_are_refused, false)
STORY(a_pipe_is_watched_without_waiting, false)
STORY(a_queue_that_overflows_is_told_as_lost, false)

#define STORIES(way)                                                                         \
        cmocka_unit_test(names_come_and_go_##way),                                           \
                cmocka_unit_test(a_file_that_is_put_in_place_is_watched_after_arming_##way), \
                cmocka_unit_test(what_was_there_before_is_not_heard_any_more_##way),         \
                cmocka_unit_test(a_write_by_another_link_is_heard_##way),                    \
                cmocka_unit_test(a_folder_above_that_is_moved_is_heard_##way),               \
                cmocka_unit_test(roles_of_one_path_add_up_and_survive_another_file_##way),   \
                cmocka_unit_test(links_and_strange_paths_are_refused_##way),                 \
                cmocka_unit_test(a_pipe_is_watched_without_waiting_##way),                   \
                cmocka_unit_test(a_queue_that_overflows_is_told_as_lost_##way)

/* Without the right to know who did it the pid is not 0 or root's, it is untold. In a child: what it gives up is gone. */
static void without_privileges_it_hears_and_is_not_told_who(void **state)
{
        struct stage *stage = begin();
        struct watch_state how;
        int status;
        pid_t pid;

        if (geteuid() != 0) {
                end(stage);
                skip();
        }
        assert_int_equal(chmod(stage->root, 0777), 0); /* the child makes a file there, as nobody */
        pid = fork();
        if (pid == 0) {
                watch_free(stage->watch);
                if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
                    setresuid(65534, 65534, 65534) < 0 || watch_new(&stage->watch) < 0)
                        _exit(1);
                watch_state(stage->watch, &how);
                if (how.why != -EPERM || how.names_pids || how.holds_pids)
                        _exit(2);
                if (watch_add(stage->watch, at(stage, "core"), WATCH_FOLDER) != 0)
                        _exit(3);
                put(at(stage, "told"), ""); /* "go on" */
                while (what(stage, "core/a") != WATCH_WRITTEN)
                        take(stage);
                _exit(stage->heard[0].teller == WATCH_UNTOLD && stage->heard[0].pid == 0 ? 0 : 4);
        }
        for (unsigned n = 0; access(at(stage, "told"), F_OK) < 0 && n < 5000; n++)
                usleep(1000);
        put(at(stage, "core/a"), "evil");
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        end(stage);
}

/* Says EPERM to fanotify_init(2), as the seccomp filter of a container does. */
static int refuse_fanotify(void **state)
{
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fanotify_init, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

        (void)state;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -1;
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void a_container_that_refuses_fanotify_gets_inotify_and_the_reason(void **state)
{
        struct stage *stage = begin_guarded();
        struct watch_state how;

        watch_state(stage->watch, &how);
        assert_false(how.fanotify || how.names_pids || how.holds_pids);
        assert_int_equal(how.why, -EPERM);
        assert_true(how.places >= 5);
        assert_int_equal(how.by_inotify, how.places);
        writes_a(stage);
        take(stage);
        assert_int_equal(what(stage, "core/a"), WATCH_WRITTEN);
        assert_int_equal(stage->heard[0].teller, WATCH_UNTOLD);
        assert_false(stage->heard[0].own);
        end(stage);
}

static int write_number(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

        close_fd(fd);
        return n > 0 ? 0 : -1;
}

/* In a user namespace of its own, whose limit is nobody else's. */
static void a_machine_without_watches_says_so(void **state)
{
        struct stage *stage = begin();
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                if (unshare(CLONE_NEWUSER) < 0 || write_number("/proc/sys/user/max_inotify_watches", "2") < 0)
                        _exit(77);
                stage->watch = watch_free(stage->watch);
                if (watch_new(&stage->watch) < 0)
                        _exit(1);
                if (watch_add(stage->watch, at(stage, "core"), WATCH_FOLDER) != 0 ||
                    watch_add(stage->watch, at(stage, "core/a"), WATCH_FILE) != 0)
                        _exit(2);
                _exit(watch_add(stage->watch, at(stage, "core/b"), WATCH_FILE) == -ENOSPC ? 0 : 3);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        end(stage);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(status, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_write_is_heard_with_who_did_it),
                cmocka_unit_test(without_privileges_it_hears_and_is_not_told_who),
                STORIES(by_fanotify),
                /* from here on fanotify is refused */
                cmocka_unit_test_setup(a_container_that_refuses_fanotify_gets_inotify_and_the_reason, refuse_fanotify),
                cmocka_unit_test(a_machine_without_watches_says_so),
                STORIES(by_inotify),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
