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
#include "io/history.h"
#include "policy/policy.h"

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
        golden("", 100, CODE_FINDING, "agents-agent-ida.txt", "agents", "agent-ida");
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

/* A machine's files, where discovery looks for what agents used and what PM2 limits itself. */
static void put(const char *directory, const char *path, const char *text)
{
        char whole[256], command[320];
        FILE *file;

        snprintf(whole, sizeof whole, "%s/%s", directory, path);
        snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", whole);
        assert_int_equal(system(command), 0);
        file = fopen(whole, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

static void a_machine_below_its_floor_says_who_was_restarted_for_it_and_who_was_not(void **state)
{
        golden("floor", 100, CODE_FINDING, "floor-status.txt", "status", NULL);
        golden("floor", 100, CODE_OK, "floor-why.txt", "why", "inc-7");
        golden("floor", 100, CODE_FINDING, "floor-incidents.txt", "incidents", NULL);
}

static void discovery_prints_a_policy_to_keep(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        stage.width = 100;
        assert_int_equal(stage_run(&stage, "discover", "--state", "/nonexistent", "--root", "/nonexistent", NULL),
                         CODE_OK);
        assert_string_equal(stage.talk, "");
        stage_expect_golden(&stage, "discover.txt");
        stage_close(&stage);
}

static void add_minutes(const char *path, const char *agent, uint64_t bytes, unsigned minutes)
{
        struct history_sample *samples = calloc(minutes, sizeof *samples);
        uint64_t now = STAGE_NOW / USEC_PER_SEC;

        assert_non_null(samples);
        for (unsigned i = 0; i < minutes; i++)
                samples[i] = (struct history_sample){
                        .agent = agent,
                        .at = now - (minutes - i) * 60,
                        .step = 60,
                        .memory_bytes = bytes,
                        .memory_most = bytes,
                };
        assert_int_equal(history_write(path, &history_limits, samples, minutes, now), 0);
        free(samples);
}

/* No ceiling but from a day of samples, or from the app's own limit. */
static void discovery_proposes_ceilings_that_are_no_guess(void **state)
{
        char directory[] = "/tmp/govctl-discover-XXXXXX", path[64], command[64];
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;
        struct stage stage;

        assert_non_null(mkdtemp(directory));
        put(directory, "proc/none", "");
        put(directory, "etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        put(directory, "root/.pm2/dump.pm2", "[{\"name\":\"tamara\",\"max_memory_restart\":\"300M\"}]");
        snprintf(path, sizeof path, "%s/history.db", directory);
        add_minutes(path, "pm2:root/lily", 61 << 20, 25 * 60);
        add_minutes(path, "pm2:root/sven", 70 << 20, 23 * 60);
        add_minutes(path, "pm2:root/crawler", 400 << 20, 25 * 60); /* four instances */
        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "discover", "--state", directory, "--root", directory, NULL), CODE_OK);
        assert_int_equal(policy_load_text("20-discovered.yaml", stage.data, strlen(stage.data), &policy, &messages), 0);
        assert_int_equal(messages.n, 0);
        assert_int_equal(policy_rule(policy, "pm2:root/lily")->memory.ceiling_bytes, UINT64_C(100) << 20);
        assert_int_equal(policy_rule(policy, "pm2:root/tamara")->memory.ceiling_bytes, UINT64_C(300) << 20);
        assert_int_equal(policy_rule(policy, "pm2:root/sven")->memory.ceiling_bytes, 0);
        assert_int_equal(policy_rule(policy, "pm2:root/crawler")->memory.ceiling_bytes, 0);
        assert_non_null(strstr(stage.data, "  lily: { memory: { ceiling: 100M } } # not above 61.0M in "));
        policy_messages_done(&messages);
        policy_free(policy);
        stage_close(&stage);
        snprintf(command, sizeof command, "rm -rf '%s'", directory);
        assert_int_equal(system(command), 0);
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
                cmocka_unit_test(a_machine_below_its_floor_says_who_was_restarted_for_it_and_who_was_not),
                cmocka_unit_test(discovery_prints_a_policy_to_keep),
                cmocka_unit_test(discovery_proposes_ceilings_that_are_no_guess),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
