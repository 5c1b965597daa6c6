/* govctl versions, versions diff and rollback: what they show of the daemon's answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "govctl/call.h"
#include "govctl_stage.h"

static void says(const char *text, const char *what)
{
        if (!strstr(text, what))
                fail_msg("'%s' is not said in:\n%s", what, text);
}

static void versions_are_listed_with_the_way_back(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "versions", "lily", NULL), CODE_OK);
        stage_expect_golden(&stage, "versions.txt");
        assert_int_equal(stage_run(&stage, "versions", "rosa", NULL), CODE_OK);
        says(stage.data, "There is nothing to roll back to by itself: no configuration of it was ever proven.");
        stage_close(&stage);
}

static void a_comparison_is_shown_line_by_line(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "versions", "diff", "lily", "2", "3", NULL), CODE_OK);
        stage_expect_golden(&stage, "version-diff.txt");
        stage_close(&stage);
}

static void a_version_is_a_number(void **state)
{
        static const char *const wrong[] = { "0", "x", "-1", "1x", "+1", "", "99999999999999999999" };
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        for (size_t n = 0; n < sizeof wrong / sizeof wrong[0]; n++) {
                assert_int_equal(stage_run(&stage, "versions", "diff", "lily", "1", "--", wrong[n], NULL), CODE_USAGE);
                says(stage.talk, "a version is a number from 1");
        }
        assert_int_equal(stage_run(&stage, "rollback", "lily", "--to=x", "--reason=x", NULL), CODE_USAGE);
        assert_int_equal(stage_run(&stage, "rollback", "lily", "--to=0", "--reason=x", NULL), CODE_USAGE);
        assert_int_equal(stage_run(&stage, "versions", "diff", "lily", "1", NULL), CODE_USAGE);
        stage_close(&stage);
}

static void a_rollback_says_what_came_of_it(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "rollback", "lily", "--reason=loops", NULL), CODE_OK);
        says(stage.data, "1 file put back, 1 moved away");
        says(stage.data, "govctl agents lily");
        assert_int_equal(stage_run(&stage, "rollback", "sven", "--reason=loops", NULL), CODE_OK);
        says(stage.data, "nothing was done");
        assert_int_equal(stage_run(&stage, "rollback", "mona", "--reason=loops", NULL), CODE_FAILURE);
        says(stage.talk, "version 1 already");
        says(stage.talk, "govctl versions");
        stage_close(&stage);
}

static void all_of_it_is_json_too(void **state)
{
        static const char *const calls[][4] = {
                { "versions", "lily" },
                { "versions diff", "lily", "2", "3" },
                { "rollback", "lily", "--reason=loops" },
        };
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        for (size_t n = 0; n < sizeof calls / sizeof calls[0]; n++) {
                (void)stage_run(&stage, "--json", calls[n][0], calls[n][1], calls[n][2], calls[n][3], NULL);
                json_t *json = json_loads(stage.data, JSON_REJECT_DUPLICATES, NULL);

                assert_int_equal(json_integer_value(json_object_get(json, "schema_version")), 1);
                json_decref(json);
        }
        stage_close(&stage);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(versions_are_listed_with_the_way_back),
                cmocka_unit_test(a_comparison_is_shown_line_by_line),
                cmocka_unit_test(a_version_is_a_number),
                cmocka_unit_test(a_rollback_says_what_came_of_it),
                cmocka_unit_test(all_of_it_is_json_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
