/* Limits and trials as people see them, and how a PM2 app gets a unit of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "govctl/field.h"
#include "govctl_stage.h"

#define SECRET "sk-fixture-0123456789abcdef" /* no real key: it stands in the list that PM2 saved */

static void says(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("'%s' is not said in:\n%s", part, text);
}

static void says_not(const char *text, const char *part)
{
        if (strstr(text, part))
                fail_msg("'%s' is said in:\n%s", part, text);
}

static void a_proposal_is_a_difference_with_reasons(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        stage.width = 160;
        assert_int_equal(stage_run(&stage, "limits", "agent-oscar", NULL), CODE_OK);
        stage_expect_golden(&stage, "limits.txt");
        stage_close(&stage);
}

static void ones_own_limits_stand_alone(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "limits", "agent-oscar", "--memory-max=300M", "--cpu-quota=50%", NULL),
                         CODE_OK);
        says(stage.data, "+300M");
        says(stage.data, "+50%");
        says(stage.data, "as you say");
        says_not(stage.data, "220M");
        stage_close(&stage);
}

static void where_there_is_nothing_to_go_by_it_is_said_what_to_do(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "limits", "new", NULL), CODE_OK);
        says(stage.data, "There is nothing to go by for memory");
        says_not(stage.data, "--apply");
        assert_int_equal(stage_run(&stage, "limits", "new", "--apply", NULL), CODE_FAILURE);
        says(stage.talk, "there is nothing to apply");
        stage_close(&stage);
}

static void a_trial_says_how_it_ends(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "limits", "agent-oscar", "--apply", "--for=10m", NULL), CODE_OK);
        says(stage.data, "Trial 7: agent-oscar has MemoryMax=276M for 10m.");
        says(stage.data, "To keep it:          govctl keep 7\n");
        says(stage.data, "BUT nothing comes of MemoryMax on this machine");
        assert_int_equal(stage_run(&stage, "limits", "new", "--memory-max=1G", "--apply", NULL), CODE_OK);
        says(stage.data, "Nothing was done: Governor only observes now");
        stage_close(&stage);
}

static void values_are_checked_before_anybody_is_asked(void **state)
{
        static const char *const wrong[][2] = {
                { "--memory-max=300", "--memory-max takes a size" },
                { "--memory-max=0M", "--memory-max takes a size" },
                { "--memory-high=much", "--memory-high takes a size" },
                { "--cpu-quota=50", "--cpu-quota takes a share" },
                { "--cpu-quota=0%", "--cpu-quota takes a share" },
                { "--memory-max=-1M", "--memory-max takes a size" },
                { "--memory-max=99999999999999999999G", "takes a size" },
        };
        struct stage stage;

        (void)state;
        stage_open(&stage, NULL);
        for (size_t n = 0; n < sizeof wrong / sizeof wrong[0]; n++) {
                assert_int_equal(stage_run(&stage, "limits", "agent-oscar", wrong[n][0], NULL), CODE_USAGE);
                says(stage.talk, wrong[n][1]);
        }
        assert_int_equal(stage_run(&stage, "limits", "x", "--remove", "--apply", NULL), CODE_USAGE);
        says(stage.talk, "--remove takes limits back, and nothing else");
        stage_close(&stage);
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "limits", "agent-oscar", "--apply", "--for=9s", NULL), CODE_USAGE);
        says(stage.talk, "--for takes a duration from 10s to 1d");
        stage_close(&stage);
}

static void what_is_on_trial_is_listed_with_what_remains(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        stage.width = 200;
        assert_int_equal(stage_run(&stage, "trials", NULL), CODE_OK);
        says(stage.data,
             "Trial 7: limits of agent-oscar (MemoryMax=276M), on trial, taken back in 8m unless you type: govctl keep 7\n");
        says(stage.data, "Trial 3: limits of agent-vera (CPUQuota=50%), kept; to take it back: govctl undo 3\n");
        says(stage.data, "Trial 6: limits of agent-x (CPUQuota=50%), CANNOT BE TAKEN BACK");
        assert_int_equal(stage_run(&stage, "trials", "--all", NULL), CODE_OK);
        says(stage.data, "over: it died: exit code 7");
        stage_close(&stage);
        stage_open(&stage, "calm");
        assert_int_equal(stage_run(&stage, "trials", NULL), CODE_OK);
        assert_string_equal(stage.data, "Nothing is on trial, and nothing is kept.\n");
        stage_close(&stage);
}

static void it_is_kept_and_taken_back(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "keep", "agent-oscar", NULL), CODE_OK);
        assert_string_equal(stage.data, "agent-oscar keeps MemoryMax=276M. To take it back: govctl undo 7\n");
        assert_int_equal(stage_run(&stage, "undo", "7", NULL), CODE_OK);
        says(stage.data, "agent-oscar: taken back");
        assert_int_equal(stage_run(&stage, "limits", "agent-oscar", "--remove", NULL), CODE_OK);
        says(stage.data, "agent-oscar: taken back");
        assert_int_equal(stage_run(&stage, "keep", "nobody", NULL), CODE_NOT_FOUND);
        says(stage.talk, "nothing of 'nobody' is on trial or kept");
        stage_close(&stage);
}

static void a_unit_in_which_others_live_is_refused(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "limits", "pm2-root", NULL), CODE_DENIED);
        says(stage.talk, "pm2:root/lily lives in it too");
        assert_int_equal(stage_run(&stage, "limits", "pm2-root", "--json", NULL), CODE_DENIED);
        assert_int_equal(stage.data[0], '{');
        stage_close(&stage);
}

static void all_of_it_is_json_too(void **state)
{
        static const char *const calls[][3] = {
                { "limits", "agent-oscar" }, { "limits", "agent-oscar", "--apply" },
                { "limits", "lily" },        { "keep", "agent-oscar" },
                { "undo", "agent-oscar" },   { "trials" },
        };
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        for (size_t n = 0; n < sizeof calls / sizeof calls[0]; n++) {
                assert_int_equal(stage_run(&stage, "--json", calls[n][0], calls[n][1], calls[n][2], NULL), CODE_OK);

                json_t *json = json_loads(stage.data, JSON_REJECT_DUPLICATES, NULL);

                assert_int_equal(field_number(json, "schema_version"), 1);
                json_decref(json);
        }
        stage_close(&stage);
}

/* ---- a unit of its own ------------------------------------------------------------------------------------------------------- */

static void an_app_is_told_how_to_get_a_unit(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "limits", "lily", NULL), CODE_OK);
        stage_expect_golden(&stage, "own-unit.txt");
        says(stage.talk, "all apps of one PM2 live in one control group");
        says_not(stage.data, SECRET);
        assert_int_equal(stage_run(&stage, "limits", "lily", "--apply", NULL), CODE_DENIED);
        says(stage.talk, "a PM2 app gets no limits of its own");
        stage_close(&stage);
}

static void whatever_an_app_is_called_or_given_stays_one_word(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "limits", "odd name", NULL), CODE_OK);
        says(stage.data,
             "\nExecStart=\"/opt/odd dir/run$$1\" \"a b\" \"--n=$$HOME%%q\" \"it's \\\"\\\\\" \"é\" \"x\\x0ay\" \"\"\n");
        says(stage.data, "\nWorkingDirectory=/opt/100%%\n");
        says(stage.data, "\nRestart=no\n");
        says(stage.data, "cat >/etc/systemd/system/agent-odd-name.service <<'END'\n");
        says(stage.data, "pm2 stop 'odd name' && ");
        says(stage.data, "sed -znE '/^(A1|b_2)=/");
        says(stage.data, "# But: PM2 restarts it by a timetable");
        says(stage.data, "# But: PM2 restarts it when its files change");
        says(stage.data, "# But: It tells PM2 when it is ready");
        says_not(stage.data, SECRET);
        stage_close(&stage);
}

static void several_of_it_and_cluster_mode_are_said(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "limits", "copies", NULL), CODE_OK);
        says(stage.data, "# But: PM2 runs 2 of it; the unit runs one.\n");
        says(stage.data, "# But: It runs in PM2's cluster mode");
        says(stage.data, "\nExecStart=/opt/node/bin/node /opt/c.js\n");
        says(stage.data, "then write NAME=\"value\" lines into it: TOKEN REGION\n");
        says_not(stage.data, SECRET);
        stage_close(&stage);
}

static void what_cannot_become_a_unit_is_said(void **state)
{
        static const struct {
                const char *app;
                int code;
                const char *said;
        } wrong[] = {
                { "long", CODE_FAILURE, "no unit can be made of what PM2 has saved of this app" },
                { "lies", CODE_FAILURE, "no unit can be made of what PM2 has saved of this app" },
                { "gone", CODE_NOT_FOUND, "PM2's saved list does not have this app" },
                { "nohome", CODE_NOT_FOUND, "PM2 has not saved its list" },
                { "nojson", CODE_FAILURE, "it is no list of PM2's" },
        };
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        for (size_t n = 0; n < sizeof wrong / sizeof wrong[0]; n++) {
                assert_int_equal(stage_run(&stage, "limits", wrong[n].app, NULL), wrong[n].code);
                says(stage.talk, wrong[n].said);
                assert_string_equal(stage.data, "");
        }
        stage_close(&stage);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_proposal_is_a_difference_with_reasons),
                cmocka_unit_test(ones_own_limits_stand_alone),
                cmocka_unit_test(where_there_is_nothing_to_go_by_it_is_said_what_to_do),
                cmocka_unit_test(a_trial_says_how_it_ends),
                cmocka_unit_test(values_are_checked_before_anybody_is_asked),
                cmocka_unit_test(what_is_on_trial_is_listed_with_what_remains),
                cmocka_unit_test(it_is_kept_and_taken_back),
                cmocka_unit_test(a_unit_in_which_others_live_is_refused),
                cmocka_unit_test(all_of_it_is_json_too),
                cmocka_unit_test(an_app_is_told_how_to_get_a_unit),
                cmocka_unit_test(whatever_an_app_is_called_or_given_stays_one_word),
                cmocka_unit_test(several_of_it_and_cluster_mode_are_said),
                cmocka_unit_test(what_cannot_become_a_unit_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
