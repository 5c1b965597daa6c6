#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "govctl/call.h"
#include "govctl_stage.h"

static void says(const char *text, const char *what)
{
        if (!strstr(text, what))
                fail_msg("'%s' is not said in:\n%s", what, text);
}

static void an_open_window_says_how_to_close_it(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "change open", "lily", "--reason=new prompts", NULL), CODE_OK);
        assert_string_equal(stage.data,
                            "Changes of lily are planned for 15m. When you are done: govctl change close lily\n");
        assert_int_equal(stage_run(&stage, "change list", NULL), CODE_OK);
        says(stage.data, "4711: /opt/agents/lily/prompts/**, for 15m, by uid:0 pid:812: new prompts");
        stage_close(&stage);
        stage_open(&stage, "calm");
        assert_int_equal(stage_run(&stage, "change list", NULL), CODE_OK);
        assert_string_equal(stage.data, "No change window is open.\n");
        stage_close(&stage);
}

static void a_closed_window_says_what_changed_in_it(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "change close", NULL), CODE_OK);
        says(stage.data, "changed /opt/agents/lily/config.json\n");
        says(stage.data, "added /opt/agents/lily/prompts/a.md\n");
        says(stage.data, "and 15 more\n");
        says(stage.data, "17 changes were seen and sealed.");
        stage_close(&stage);
}

static void a_span_is_a_duration_within_bounds(void **state)
{
        static const char *const wrong[] = { "--for=15", "--for=0s", "--for=8d", "--for=forever", "--for=" };
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        for (size_t n = 0; n < sizeof wrong / sizeof wrong[0]; n++) {
                assert_int_equal(stage_run(&stage, "change open", "lily", wrong[n], NULL), CODE_USAGE);
                says(stage.talk, "--for takes a duration from 1s to 7d");
        }
        assert_int_equal(stage_run(&stage, "change open", "lily", "--for=2h", NULL), CODE_OK);
        stage_close(&stage);
}

static void a_deploy_runs_the_command_and_says_how_it_ended(void **state)
{
        char made[] = "/tmp/governor-deploy.XXXXXX", touch[64];
        struct stage stage;

        (void)state;
        assert_true(close(mkstemp(made)) == 0 && unlink(made) == 0);
        snprintf(touch, sizeof touch, "touch %s", made);
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "deploy", "lily", "--", "sh", "-c", touch, NULL), CODE_OK);
        assert_int_equal(unlink(made), 0);
        says(stage.data, "17 changes were seen and sealed.");
        assert_string_equal(stage.talk, "");
        assert_int_equal(stage_run(&stage, "deploy", "lily", "--", "sh", "-c", "exit 7", NULL), CODE_FAILURE);
        says(stage.talk, "its exit status was 7");
        says(stage.talk, "the change window is closed");
        assert_int_equal(stage_run(&stage, "deploy", "lily", "--", "/nonexistent/command", NULL), CODE_FAILURE);
        says(stage.talk, "there is no such command");
        assert_int_equal(stage_run(&stage, "deploy", "lily", "--", "sh", "-c", "kill -INT $$", NULL), CODE_INTERRUPTED);
        says(stage.talk, "it was ended by signal 2");
        assert_int_equal(stage_run(&stage, "deploy", "lily", "--", "sh", "-c", "kill -KILL $$", NULL), CODE_FAILURE);
        says(stage.talk, "it was ended by signal 9");
        assert_int_equal(stage_run(&stage, "deploy", "lily", NULL), CODE_USAGE);
        stage_close(&stage);
}

static void nothing_is_run_without_a_window(void **state)
{
        char made[] = "/tmp/governor-deploy.XXXXXX", touch[64];
        struct stage stage;

        (void)state;
        assert_true(close(mkstemp(made)) == 0 && unlink(made) == 0);
        snprintf(touch, sizeof touch, "touch %s", made);
        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "deploy", "lily", "--", "sh", "-c", touch, NULL), CODE_UNREACHABLE);
        assert_int_not_equal(access(made, F_OK), 0);
        stage_close(&stage);
}

static void this_was_me_is_said_back(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "planned", "inc-4", "--reason=me", NULL), CODE_OK);
        assert_string_equal(stage.data, "inc-4 is closed as planned. What it is about is sealed as it is now.\n");
        assert_int_equal(stage_run(&stage, "planned", "inc-9", "--reason=me", NULL), CODE_OK);
        assert_string_equal(stage.data, "inc-9 is closed as planned.\n"); /* of a start: there are no files in it */
        stage_close(&stage);
}

static void all_of_it_is_json_too(void **state)
{
        static const char *const calls[][2] = {
                { "planned", "inc-4" },
                { "change open", "lily" },
                { "change close" },
                { "change list" },
        };
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        for (size_t n = 0; n < sizeof calls / sizeof calls[0]; n++) {
                (void)stage_run(&stage, "--json", calls[n][0], calls[n][1], NULL);
                json_t *json = json_loads(stage.data, JSON_REJECT_DUPLICATES, NULL);

                assert_int_equal(json_integer_value(json_object_get(json, "schema_version")), 1);
                json_decref(json);
        }
        stage_close(&stage);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_open_window_says_how_to_close_it),
                cmocka_unit_test(a_closed_window_says_what_changed_in_it),
                cmocka_unit_test(a_span_is_a_duration_within_bounds),
                cmocka_unit_test(a_deploy_runs_the_command_and_says_how_it_ended),
                cmocka_unit_test(nothing_is_run_without_a_window),
                cmocka_unit_test(this_was_me_is_said_back),
                cmocka_unit_test(all_of_it_is_json_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
