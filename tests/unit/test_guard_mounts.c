/* A mount over a guarded file is seen, with who made it, and taken away again. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "guard/mounts.h"

#define LINE "36 35 98:1 /mnt1 /mnt/guarded\\040file rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue"

static void a_line_gives_the_place_and_what_is_there(void **state)
{
        struct mount mount;

        (void)state;
        assert_int_equal(mounts_parse(LINE, strlen(LINE), &mount), 0);
        assert_int_equal(mount.id, 36);
        assert_int_equal(mount.device, makedev(98, 1));
        assert_string_equal(mount.root, "/mnt1");
        assert_string_equal(mount.point, "/mnt/guarded file");
        assert_string_equal(mount.type, "ext3");
}

static void a_line_that_is_cut_is_refused(void **state)
{
        struct mount mount;
        const size_t type = strlen(LINE) - strlen("ext3 /dev/root rw,errors=continue");

        (void)state;
        for (size_t n = 0; n <= type; n++)
                assert_int_equal(mounts_parse(LINE, n, &mount), -EBADMSG);
}

static void strange_lines_are_refused(void **state)
{
        static const char *const lines[] = {
                "x 35 98:0 / /a rw - ext3 d rw",           "36 35 98 / /a rw - ext3 d rw",
                "36 35 98:0x / /a rw - ext3 d rw",         "36 35 98:0 / a rw - ext3 d rw",
                "99999999999 35 98:0 / /a rw - ext3 d rw", "36 35 99999999999:0 / /a rw - ext3 d rw",
        };
        char longest[FILE_PATH_MAX + 64];
        struct mount mount;

        (void)state;
        for (unsigned n = 0; n < sizeof(lines) / sizeof(lines[0]); n++)
                assert_int_equal(mounts_parse(lines[n], strlen(lines[n]), &mount), -EBADMSG);
        strcpy(longest, "36 35 98:0 / /");
        for (unsigned n = 0; n < FILE_PATH_MAX; n++)
                strcat(longest, "x");
        strcat(longest, " rw - ext3 d rw");
        assert_int_equal(mounts_parse(longest, strlen(longest), &mount), -ENAMETOOLONG);
}

/* What was told of places below our folder. */
struct stage {
        char root[64];
        struct mounts *mounts;
        struct mount came;
        unsigned came_n, went_n;
        char went[FILE_PATH_MAX];
};

static void came(void *self, const struct mount *mount)
{
        struct stage *stage = self;

        if (!path_is_within(mount->point, stage->root))
                return;
        stage->came = *mount;
        stage->came_n++;
}

static void went(void *self, const char *point)
{
        struct stage *stage = self;

        if (!path_is_within(point, stage->root))
                return;
        text_copy(stage->went, sizeof(stage->went), point);
        stage->went_n++;
}

static bool changed(const struct stage *stage)
{
        struct pollfd fd = { .fd = mounts_fd(stage->mounts), .events = POLLPRI };

        return poll(&fd, 1, 0) > 0;
}

static void take(struct stage *stage)
{
        const struct mounts_sink sink = { came, went, stage };

        stage->came_n = stage->went_n = 0;
        assert_int_equal(mounts_take(stage->mounts, &sink), 0);
}

static const char *at(const struct stage *stage, const char *name)
{
        static char paths[8][128];
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

static void holds(const char *path, const char *text)
{
        char buffer[64] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_true(read(fd, buffer, sizeof(buffer) - 1) >= 0);
        close(fd);
        assert_string_equal(buffer, text);
}

/* In a mount namespace of its own: what is mounted here is seen nowhere else. */
static int own_space(void **state)
{
        static struct stage stage;

        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return 0; /* the tests that need it skip */
        strcpy(stage.root, "/tmp/mounts-XXXXXX");
        if (!mkdtemp(stage.root) || mounts_new("/proc/self/mountinfo", &stage.mounts) < 0)
                return -1;
        put(at(&stage, "guarded file"), "good");
        put(at(&stage, "evil"), "evil");
        take(&stage);
        *state = &stage;
        return 0;
}

static int leave_space(void **state)
{
        struct stage *stage = *state;
        char command[96];

        if (!stage)
                return 0;
        mounts_free(stage->mounts);
        snprintf(command, sizeof(command), "rm -rf '%s'", stage->root);
        return system(command);
}

static pid_t binds(const struct stage *stage, const char *from, const char *to)
{
        pid_t pid = fork();
        int status;

        if (pid == 0)
                _exit(mount(at(stage, from), at(stage, to), NULL, MS_BIND, NULL) < 0);
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        return pid;
}

static void a_mount_over_a_file_is_seen_and_taken_away(void **state)
{
        struct stage *stage = *state;
        struct mount first;
        pid_t by;

        if (!stage)
                skip();
        assert_false(changed(stage));
        by = binds(stage, "evil", "guarded file");
        holds(at(stage, "guarded file"), "evil");
        assert_true(changed(stage));
        take(stage);
        assert_int_equal(stage->came_n, 1);
        assert_string_equal(stage->came.point, at(stage, "guarded file"));
        assert_true(text_ends(stage->came.root, "/evil"));
        assert_true(stage->came.by == by || stage->came.by == 0); /* 0: a kernel that does not tell */
        first = stage->came;
        take(stage);
        assert_int_equal(stage->came_n, 0);

        /* somebody holds it open, which does not help him */
        int held = open(at(stage, "guarded file"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(mounts_detach(&first), 0);
        close(held);
        holds(at(stage, "guarded file"), "good");
        assert_true(changed(stage));
        take(stage);
        assert_int_equal(stage->went_n, 1);
        assert_string_equal(stage->went, at(stage, "guarded file"));
        /* and nothing else is ever taken for it */
        assert_int_equal(mounts_detach(&first), -ESTALE);
}

static void mounts_on_top_of_each_other_go_one_by_one(void **state)
{
        struct stage *stage = *state;
        struct mount below;

        if (!stage)
                skip();
        binds(stage, "evil", "guarded file");
        take(stage);
        below = stage->came;
        binds(stage, "evil", "guarded file");
        take(stage);
        assert_int_equal(stage->came_n, 1);
        assert_int_equal(mounts_detach(&below), -ESTALE);
        assert_int_equal(mounts_detach(&stage->came), 0);
        assert_int_equal(mounts_detach(&below), 0);
        holds(at(stage, "guarded file"), "good");
        take(stage);
        assert_int_equal(stage->went_n, 2);
}

static void who_mounted_it_is_told_where_the_kernel_does(void **state)
{
        struct stage *stage = *state;
        pid_t by;

        if (!stage)
                skip();
        by = binds(stage, "evil", "guarded file");
        take(stage);
        assert_int_equal(mounts_detach(&stage->came), 0);
        if (stage->came.by == 0)
                return; /* before Linux 6.14 it is unknown, and said to be */
        assert_int_equal(stage->came.by, by);
}

static void a_table_that_is_none_is_refused(void **state)
{
        struct mounts *mounts = NULL;

        (void)state;
        assert_int_equal(mounts_new("/proc/self/none", &mounts), -ENOENT);
        assert_null(mounts);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_gives_the_place_and_what_is_there),
                cmocka_unit_test(a_line_that_is_cut_is_refused),
                cmocka_unit_test(strange_lines_are_refused),
                cmocka_unit_test(a_table_that_is_none_is_refused),
                cmocka_unit_test(a_mount_over_a_file_is_seen_and_taken_away),
                cmocka_unit_test(mounts_on_top_of_each_other_go_one_by_one),
                cmocka_unit_test(who_mounted_it_is_told_where_the_kernel_does),
        };

        return cmocka_run_group_tests(tests, own_space, leave_space);
}
