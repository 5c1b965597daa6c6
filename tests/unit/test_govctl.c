/* What people read: golden screens of canned answers, at fixed widths, without colour. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "govctl/page.h"
#include "govctl_stage.h"

static void golden(const char *answers, unsigned width, int code, const char *name, const char *verb, const char *word)
{
        struct stage stage;

        stage_open(&stage, answers);
        stage.width = width;
        assert_int_equal(stage_run(&stage, verb, word, NULL), code);
        assert_string_equal(stage.talk, "");
        stage_expect_golden(&stage, name);
        stage_close(&stage);
}

static void the_worst_agents_come_first(void **state)
{
        golden("", 120, CODE_FINDING, "status-120.txt", "status", NULL);
}

static void a_wide_terminal_shows_everything(void **state)
{
        golden("", 160, CODE_FINDING, "status-160.txt", "status", NULL);
}

static void eighty_columns_lose_what_is_missed_least(void **state)
{
        golden("", 80, CODE_FINDING, "status-80.txt", "status", NULL);
}

static void forty_columns_still_tell_the_truth(void **state)
{
        golden("", 40, CODE_FINDING, "status-40.txt", "status", NULL);
}

static void a_calm_machine_is_a_calm_screen(void **state)
{
        golden("calm", 100, CODE_OK, "status-calm.txt", "status", NULL);
}

static void agents_are_listed_with_their_rules(void **state)
{
        golden("", 100, CODE_FINDING, "agents.txt", "agents", NULL);
}

static void one_agent_is_shown_whole(void **state)
{
        golden("", 100, CODE_FINDING, "agents-tamara.txt", "agents", "tamara");
        golden("", 100, CODE_OK, "agents-lily.txt", "agents", "lily");
}

static void open_incidents_are_listed(void **state)
{
        golden("", 100, CODE_FINDING, "incidents.txt", "incidents", NULL);
        golden("", 100, CODE_FINDING, "incidents-all.txt", "incidents", "--all");
        golden("calm", 100, CODE_OK, "incidents-none.txt", "incidents", NULL);
}

static void why_tells_a_story(void **state)
{
        golden("", 100, CODE_OK, "why-agent-oscar.txt", "why", "agent-oscar");
        golden("", 60, CODE_OK, "why-inc-2.txt", "why", "inc-2");
        golden("", 100, CODE_OK, "why-lily.txt", "why", "lily");
}

static void a_long_story_is_told_by_its_first_and_last(void **state)
{
        golden("", 100, CODE_OK, "why-tamara.txt", "why", "tamara");
}

static void why_says_that_observing_did_nothing(void **state)
{
        golden("", 100, CODE_OK, "why-agent-mona.txt", "why", "agent-mona");
}

static void discovery_prints_a_policy_to_keep(void **state)
{
        golden("", 100, CODE_OK, "discover.txt", "discover", NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_worst_agents_come_first),
                cmocka_unit_test(a_wide_terminal_shows_everything),
                cmocka_unit_test(eighty_columns_lose_what_is_missed_least),
                cmocka_unit_test(forty_columns_still_tell_the_truth),
                cmocka_unit_test(a_calm_machine_is_a_calm_screen),
                cmocka_unit_test(agents_are_listed_with_their_rules),
                cmocka_unit_test(one_agent_is_shown_whole),
                cmocka_unit_test(open_incidents_are_listed),
                cmocka_unit_test(why_tells_a_story),
                cmocka_unit_test(a_long_story_is_told_by_its_first_and_last),
                cmocka_unit_test(why_says_that_observing_did_nothing),
                cmocka_unit_test(discovery_prints_a_policy_to_keep),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
