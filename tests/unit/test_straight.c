/* A path is opened where it leads straight, and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/straight.h"

static char root[PATH_MAX];

static const char *at(const char *name)
{
        static char path[PATH_MAX + 64];

        snprintf(path, sizeof(path), "%s%s", root, name);
        return path;
}

static int setup(void **state)
{
        char real[64] = "/tmp/straight-XXXXXX";

        (void)state;
        assert_non_null(mkdtemp(real));
        assert_non_null(realpath(real, root));
        assert_int_equal(mkdir(at("/a"), 0755), 0);
        assert_int_equal(mkdir(at("/a/b"), 0755), 0);
        close(open(at("/a/b/file"), O_WRONLY | O_CREAT, 0644));
        assert_int_equal(symlink("a", at("/link")), 0);
        assert_int_equal(symlink("file", at("/a/b/link")), 0);
        return 0;
}

static int teardown(void **state)
{
        char command[PATH_MAX + 16];

        (void)state;
        snprintf(command, sizeof(command), "rm -rf '%s'", root);
        return system(command);
}

static void opens(const char *path, int flags, const char *same)
{
        struct stat ours, theirs;
        int fd = straight_open(path, flags);

        if (fd < 0)
                fail_msg("%s: %s", path, strerror(-fd));
        assert_int_equal(fstat(fd, &ours), 0);
        assert_int_equal(stat(same, &theirs), 0);
        assert_int_equal(ours.st_ino, theirs.st_ino);
        close(fd);
}

static void straight_paths_are_opened(void **state)
{
        char path[PATH_MAX + 64];

        (void)state;
        strcpy(path, at("/a/b/file"));
        opens(path, O_RDONLY, path);
        opens(path, O_PATH, path);
        opens(at("//a///b/./file"), O_RDONLY, path);
        opens(at("/a/b/"), O_RDONLY | O_DIRECTORY, at("/a/b"));
        opens("/", O_RDONLY | O_DIRECTORY, "/");
}

static void links_are_not_followed_anywhere(void **state)
{
        (void)state;
        assert_int_equal(straight_open(at("/link/b/file"), O_RDONLY), -ELOOP);
        assert_int_equal(straight_open(at("/link"), O_RDONLY | O_DIRECTORY), -ELOOP);
        assert_int_equal(straight_open(at("/a/b/link"), O_RDONLY), -ELOOP);
        assert_int_equal(straight_open(at("/a/b/link"), O_PATH), -ELOOP);
        assert_int_equal(straight_open("/proc/self/cwd/x", O_RDONLY), -ELOOP);
}

static void what_is_not_there_is_said_as_it_is(void **state)
{
        (void)state;
        assert_int_equal(straight_open(at("/a/none/file"), O_RDONLY), -ENOENT);
        assert_int_equal(straight_open(at("/a/b/file/x"), O_RDONLY), -ENOTDIR);
        assert_int_equal(straight_open(at("/a/../a/b/file"), O_RDONLY), -EINVAL);
        assert_int_equal(straight_open("a/b", O_RDONLY), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(straight_paths_are_opened),
                cmocka_unit_test(links_are_not_followed_anywhere),
                cmocka_unit_test(what_is_not_there_is_said_as_it_is),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
