#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/path.h"

static void a_star_stays_within_its_folder(void **state)
{
        (void)state;
        assert_true(path_glob("/a/*.json", "/a/config.json"));
        assert_false(path_glob("/a/*.json", "/a/b/config.json"));
        assert_false(path_glob("/a/*", "/a/b/c"));
        assert_true(path_glob("/a/*/c", "/a/b/c"));
        assert_false(path_glob("/a/?", "/a//"));
        assert_true(path_glob("/a/*b*c", "/a/xbybzc"));
}

static void two_stars_cross_folders(void **state)
{
        (void)state;
        assert_true(path_glob("/a/**", "/a/b"));
        assert_true(path_glob("/a/**", "/a/b/c/d"));
        assert_false(path_glob("/a/**", "/ab"));
        assert_true(path_glob("/a/**/c", "/a/c"));
        assert_true(path_glob("/a/**/c", "/a/b/x/c"));
        assert_false(path_glob("/a/**/c", "/a/xc"));
        assert_false(path_glob("/a/**/c", "/a/b/xc"));
        assert_true(path_glob("/a/**/*.md", "/a/b/x.md"));
        assert_true(path_glob("/**/b/*.md", "/x/b/y/b/z.md"));
        assert_true(path_glob("/a/**.md", "/a/b/x.md"));
}

static void a_folder_is_everything_below_it(void **state)
{
        (void)state;
        assert_true(path_glob("/etc/governor/", "/etc/governor/policies.d/x"));
        assert_false(path_glob("/etc/governor/", "/etc/governor2/x"));
        assert_false(path_glob("/etc/governor", "/etc/governor/x"));
}

static void sets_and_backslashes_are_as_in_the_shell(void **state)
{
        (void)state;
        assert_true(path_glob("/a/[a-c]x", "/a/bx"));
        assert_false(path_glob("/a/[!a-c]x", "/a/bx"));
        assert_true(path_glob("/a/[!a-c]x", "/a/dx"));
        assert_false(path_glob("/a[!b]c", "/a/c"));
        assert_true(path_glob("/a/\\*", "/a/*"));
        assert_false(path_glob("/a/\\*", "/a/b"));
        assert_true(path_glob("/a/[x", "/a/[x"));
        assert_true(path_glob("/a/[]]", "/a/]"));
}

static void only_folders_that_may_lead_to_a_match_are_entered(void **state)
{
        (void)state;
        assert_true(path_may_lead("/a/*/c/*.json", "/a/b"));
        assert_true(path_may_lead("/a/*/c/*.json", "/a/b/c"));
        assert_false(path_may_lead("/a/*/c/*.json", "/a/b/d"));
        assert_false(path_may_lead("/a/*/c/*.json", "/a/b/c/d"));
        assert_false(path_may_lead("/a/*.json", "/a/sub"));
        assert_true(path_may_lead("/a/**", "/a/b/c/d"));
        assert_true(path_may_lead("/a/**/x", "/a/b/c/d"));
        assert_false(path_may_lead("/a/**", "/b"));
        assert_true(path_may_lead("/a/", "/a/b"));
}

static void the_walk_begins_where_no_wildcard_is(void **state)
{
        (void)state;
        assert_int_equal(path_base("/a/b/c.json"), 4);
        assert_int_equal(path_base("/a/*/c.json"), 2);
        assert_int_equal(path_base("/a/b*"), 2);
        assert_int_equal(path_base("/*"), 0);
        assert_int_equal(path_base("/a/b/"), 4);
        assert_true(path_is_plain("/a/b"));
        assert_false(path_is_plain("/a/b/"));
        assert_false(path_is_plain("/a/[b]"));
}

static void a_hard_pattern_takes_no_time(void **state)
{
        char path[FILE_PATH_MAX];

        (void)state;
        memset(path, 'a', sizeof(path) - 1);
        path[0] = '/';
        path[sizeof(path) - 1] = '\0';
        assert_false(path_glob("/*a*a*a*a*a*a*a*a*a*a*b", path));
        assert_false(path_glob("/**a**a**a**a**a**a**a*a*a*a**b", path));
}

static void a_folder_holds_what_is_below_it_and_itself(void **state)
{
        assert_true(path_is_within("/a.slice", "/a.slice"));
        assert_true(path_is_within("/a.slice/x.service/inner", "/a.slice"));
        assert_false(path_is_within("/a.slicer/x.service", "/a.slice"));
        assert_false(path_is_within("/a", "/a.slice"));
        assert_false(path_is_within("/b.slice/a.slice", "/a.slice"));
}

static void a_path_has_a_folder(void **state)
{
        char folder[FILE_PATH_MAX] = "/srv/app/core/one";

        (void)state;
        path_folder(folder, folder);
        assert_string_equal(folder, "/srv/app/core");
        path_folder("/srv", folder);
        assert_string_equal(folder, "/");
        path_folder("/", folder);
        assert_string_equal(folder, "/");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_path_has_a_folder),
                cmocka_unit_test(a_star_stays_within_its_folder),
                cmocka_unit_test(two_stars_cross_folders),
                cmocka_unit_test(a_folder_is_everything_below_it),
                cmocka_unit_test(sets_and_backslashes_are_as_in_the_shell),
                cmocka_unit_test(only_folders_that_may_lead_to_a_match_are_entered),
                cmocka_unit_test(the_walk_begins_where_no_wildcard_is),
                cmocka_unit_test(a_hard_pattern_takes_no_time),
                cmocka_unit_test(a_folder_holds_what_is_below_it_and_itself),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
