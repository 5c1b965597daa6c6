/* `policy test` over a recorded week with known faults (week_world.h): what it tells is exactly what each policy changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "govctl/field.h"
#include "govctl_stage.h"
#include "week_world.h"

#define SEED 7
#define POLICY_MAX 4096
#define CHANGES_MAX_TEXT 4096

struct bed {
        struct week week;
        struct stage stage;
        json_t *told;
        char file[96];
        char yaml[POLICY_MAX];
};

static struct bed bed;

static int setup(void **state)
{
        (void)state;
        week_live(&bed.week, STAGE_NOW, SEED);
        stage_open(&bed.stage, NULL);
        bed.stage.width = 100;
        snprintf(bed.file, sizeof bed.file, "%s/new.yaml", bed.week.chain.directory);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        json_decref(bed.told);
        stage_close(&bed.stage);
        week_done(&bed.week);
        return 0;
}

/* ---- trying --------------------------------------------------------------------------------------------------------------- */

/* The policy of the week, with these words in place of those; NULL ends the pairs. */
__attribute__((sentinel)) static void policy(const char *from, ...)
{
        va_list pairs;

        snprintf(bed.yaml, sizeof bed.yaml, "%s", week_policy);
        va_start(pairs, from);
        for (; from; from = va_arg(pairs, const char *)) {
                const char *to = va_arg(pairs, const char *);
                char *at = strstr(bed.yaml, from), rest[POLICY_MAX];

                if (!at)
                        fail_msg("there is no '%s' in the policy", from);
                snprintf(rest, sizeof rest, "%s", at + strlen(from));
                snprintf(at, sizeof bed.yaml - (size_t)(at - bed.yaml), "%s%s", to, rest);
        }
        va_end(pairs);
}

static void write_policy(void)
{
        FILE *file = fopen(bed.file, "w");

        assert_non_null(file);
        fputs(bed.yaml, file);
        fclose(file);
}

static int try_since(const char *since)
{
        int code;

        write_policy();
        code = stage_run(&bed.stage, "policy", "test", bed.file, "--state", bed.week.chain.directory, "--json",
                         "--since", since, NULL);
        json_decref(bed.told);
        bed.told = json_loads(bed.stage.data, 0, NULL);
        if (!bed.told)
                fail_msg("no JSON: %s%s", bed.stage.data, bed.stage.talk);
        return code;
}

static int try(void)
{
        return try_since("7d");
}

/* "3d 14:15", since the week began. */
static const char *when(usec_t at, char text[32])
{
        usec_t age = at - bed.week.chain.world.began;

        snprintf(text, 32, "%ud %02u:%02u", (unsigned)(age / USEC_PER_DAY), (unsigned)(age / USEC_PER_HOUR % 24),
                 (unsigned)(age / USEC_PER_MINUTE % 60));
        return text;
}

/* All of what is told to be different, one a line. */
static const char *changes(void)
{
        static char text[CHANGES_MAX_TEXT];
        const json_t *change;
        char at[32], is[TEXT_BYTES_MAX], limit[TEXT_BYTES_MAX];
        size_t i;

        text[0] = '\0';
        json_array_foreach (field(bed.told, "changes"), i, change) {
                text_append(text, sizeof text, "%s %s %s, %s", field_text(change, "change"), field_text(change, "what"),
                            strchr(field_text(change, "agent"), ':') + 1, when((usec_t)field_number(change, "at"), at));
                if (field_given(change, "would_be_at"))
                        text_append(text, sizeof text, " -> %s", when((usec_t)field_number(change, "would_be_at"), at));
                if (field_given(change, "bytes"))
                        text_append(text, sizeof text, ", %s > %s",
                                    text_bytes(is, (uint64_t)field_number(change, "bytes")),
                                    text_bytes(limit, (uint64_t)field_number(change, "limit_bytes")));
                text_append(text, sizeof text, "\n");
        }
        return text;
}

static const char *possible(void)
{
        static char text[1024];
        const json_t *peak;
        char at[32], is[TEXT_BYTES_MAX];
        size_t i;

        text[0] = '\0';
        json_array_foreach (field(bed.told, "possible"), i, peak)
                text_append(text, sizeof text, "%s, %s, %s for less than %d s\n",
                            strchr(field_text(peak, "agent"), ':') + 1, when((usec_t)field_number(peak, "at"), at),
                            text_bytes(is, (uint64_t)field_number(peak, "bytes")), (int)field_number(peak, "step"));
        return text;
}

static bool is_noted(const char *words)
{
        const json_t *note;
        size_t i;

        json_array_foreach (field(bed.told, "notes"), i, note)
                if (strstr(json_string_value(note), words))
                        return true;
        return false;
}

#define EXPECT(code, expected)                              \
        do {                                                \
                int got = try();                            \
                assert_string_equal(changes(), (expected)); \
                assert_int_equal(got, (code));              \
        } while (0)

/* ---- nothing -------------------------------------------------------------------------------------------------------------- */

static void the_week_follows_from_its_facts(void **state)
{
        (void)state;
        assert_int_equal(stage_run(&bed.stage, "replay", "--state", bed.week.chain.directory, NULL), 0);
}

static void the_same_policy_changes_nothing(void **state)
{
        (void)state;
        policy("", "", NULL);
        EXPECT(0, "");
        assert_string_equal(possible(), "");
        assert_int_equal(field_number(bed.told, "counts.restart.same"), 5);
        assert_int_equal(field_number(bed.told, "counts.quarantine.same"), 1);
        assert_int_equal(field_number(bed.told, "samples"), 0); /* the log has all there is to know */
}

static void the_same_in_other_words_changes_nothing(void **state)
{
        (void)state;
        policy("  large:", "  huge:", "class: large", "class: huge", "name: rosa", "name: first", "more_than: 2",
               "more_than: 02", "trial_after: 1h", "trial_after: 60m", NULL);
        EXPECT(0, "");
}

/* Limits that nothing came near to: the history is asked, and has nothing to say. */
static void other_limits_that_hold_change_nothing(void **state)
{
        (void)state;
        policy("ceiling: 600M", "ceiling: 550M", "budget: 80M", "budget: 85M", NULL);
        EXPECT(0, "");
        assert_true(field_number(bed.told, "samples") > 10000);
        assert_string_equal(possible(), "");
}

/* ---- restarts and what follows --------------------------------------------------------------------------------------------- */

static void a_wider_window_takes_a_restart_away(void **state)
{
        (void)state;
        policy("name: lily, pm2: lily, restarts: [ { more_than: 2", "name: lily, pm2: lily, restarts: [ { more_than: 5",
               NULL);
        EXPECT(0, "gone finding root/lily, 1d 02:00\n"
                  "gone restart root/lily, 1d 02:00\n");
}

static void a_narrower_window_brings_one(void **state)
{
        (void)state;
        policy("name: rosa, pm2: rosa, restarts: [ { more_than: 2", "name: rosa, pm2: rosa, restarts: [ { more_than: 1",
               NULL);
        EXPECT(3, "new finding root/rosa, 3d 02:00\n"
                  "new restart root/rosa, 3d 02:00\n");
}

static void who_is_only_observed_is_not_restarted(void **state)
{
        (void)state;
        policy("name: lily,", "name: lily, mode: observe,", NULL);
        EXPECT(0, "gone restart root/lily, 1d 02:00\n");
}

static void another_ladder_quarantines_at_once(void **state)
{
        (void)state;
        policy("name: lily,", "name: lily, heal: { ladder: [quarantine], trial_after: 30m },", NULL);
        EXPECT(3, "gone restart root/lily, 1d 02:00\n"
                  "new quarantine root/lily, 1d 02:00\n"
                  "new trial root/lily, 1d 02:32\n");
}

static void a_critical_agent_is_slowed_instead(void **state)
{
        (void)state;
        policy("name: otto,", "name: otto, critical: true,", NULL);
        EXPECT(3, "gone quarantine root/otto, 2d 09:00\n"
                  "gone trial root/otto, 2d 09:52\n"
                  "new denial root/otto, 2d 09:00\n"
                  "new restart root/otto, 2d 09:00\n");
}

static void a_base_that_goes_first_holds_the_other_back(void **state)
{
        (void)state;
        policy("name: sven,", "name: sven, after: [tilda],", NULL);
        EXPECT(3, "gone restart root/sven, 4d 18:00\n"
                  "new denial root/sven, 4d 18:00\n");
}

/* ---- sizes ---------------------------------------------------------------------------------------------------------------- */

static void a_lower_ceiling_brings_a_restart_to_the_minute(void **state)
{
        (void)state;
        policy("ceiling: 600M", "ceiling: 512M", NULL);
        EXPECT(3, "new finding root/tamara, 6d 23:30, 531.0M > 512.0M\n"
                  "new restart root/tamara, 6d 23:30, 531.0M > 512.0M\n");
        assert_true(is_noted("by the minute from"));
        assert_true(is_noted("once for each life"));
}

static void a_new_ceiling_brings_one_of_days_ago(void **state)
{
        (void)state;
        policy("name: petra,", "name: petra, class: large,", NULL);
        EXPECT(3, "new finding root/petra, 2d 15:02, 700.0M > 600.0M\n"
                  "new restart root/petra, 2d 15:02, 700.0M > 600.0M\n");
}

/* Each life of an agent that is always too large is restarted; what it would be afterwards nobody knows. */
static void what_is_always_too_large_is_told_once(void **state)
{
        (void)state;
        policy("  large:", "  small: { memory: { ceiling: 100M } }\n  large:", "name: gunda,",
               "name: gunda, class: small,", NULL);
        EXPECT(3, "new finding agent-gunda.service, 0d 00:47, 150.6M > 100.0M\n"
                  "new restart agent-gunda.service, 0d 00:47, 150.6M > 100.0M\n");
}

static void a_peak_shorter_than_its_step_is_possible_and_no_more(void **state)
{
        (void)state;
        policy("name: nora,", "name: nora, class: large,", "name: erik,", "name: erik, class: large,", NULL);
        EXPECT(0, "");
        assert_string_equal(possible(), "root/nora, 1d 08:00, 800.0M for less than 600 s\n"
                                        "agent-erik.service, 6d 06:00, 650.0M for less than 60 s\n");
}

static void a_ceiling_taken_away_takes_its_restarts_along(void **state)
{
        (void)state;
        policy("name: flora, pm2: flora, class: medium", "name: flora, pm2: flora", NULL);
        EXPECT(0, "gone finding root/flora, 3d 13:15, 302.1M > 300.0M\n"
                  "gone restart root/flora, 3d 13:15, 302.1M > 300.0M\n"
                  "gone finding root/flora, 3d 14:31, 302.5M > 300.0M\n"
                  "gone restart root/flora, 3d 14:31, 302.5M > 300.0M\n");
        assert_true(is_noted("without the restarts that it had"));
}

/* It grows by 200M an hour, and each life meets 250M a quarter of an hour before 300M: told at the next step of ten minutes. */
static void a_lower_ceiling_restarts_a_leak_earlier(void **state)
{
        (void)state;
        policy("ceiling: 300M", "ceiling: 250M", NULL);
        EXPECT(3, "gone finding root/flora, 3d 13:15, 302.1M > 300.0M\n"
                  "gone restart root/flora, 3d 13:15, 302.1M > 300.0M\n"
                  "moved finding root/flora, 3d 14:31 -> 3d 14:22, 302.5M > 300.0M\n"
                  "moved restart root/flora, 3d 14:31 -> 3d 14:22, 302.5M > 300.0M\n"
                  "new finding root/flora, 3d 13:02, 265.4M > 250.0M\n"
                  "new restart root/flora, 3d 13:02, 265.4M > 250.0M\n");
}

static void of_several_instances_the_history_knows_the_sum(void **state)
{
        (void)state;
        policy("  large:", "  small: { memory: { ceiling: 60M } }\n  large:", "  - { name: apps, pm2: \"*\"",
               "  - { name: pair, pm2: app-18, class: small }\n  - { name: apps, pm2: \"*\"", NULL);
        EXPECT(0, "");
        assert_true(is_noted("app-18: the history holds the sum of its instances"));
}

static void whose_memory_counts_is_another_question(void **state)
{
        (void)state;
        policy("large: { memory: { ceiling: 600M", "large: { memory: { of: tree, ceiling: 512M", NULL);
        EXPECT(3, "new finding root/tamara, 6d 23:30, 531.0M > 512.0M\n"
                  "new restart root/tamara, 6d 23:30, 531.0M > 512.0M\n");
        assert_true(is_noted("tamara: its memory would be counted in another way"));
}

static void of_files_that_nobody_watched_nothing_is_known(void **state)
{
        (void)state;
        policy("name: lily,", "name: lily, config: [ /opt/agents/lily.json ],", NULL);
        EXPECT(0, "");
        assert_true(is_noted("lily: of files that nobody watched then"));
}

/* The log alone knows the sizes on which something was decided. */
static void without_a_history_the_log_says_what_it_knows(void **state)
{
        char aside[128];

        (void)state;
        snprintf(aside, sizeof aside, "%s.aside", bed.week.history);
        assert_int_equal(rename(bed.week.history, aside), 0);
        policy("ceiling: 600M", "ceiling: 512M", "ceiling: 300M", "ceiling: 400M", NULL);
        EXPECT(0, "gone finding root/flora, 3d 13:15, 302.1M > 300.0M\n"
                  "gone restart root/flora, 3d 13:15, 302.1M > 300.0M\n"
                  "gone finding root/flora, 3d 14:31, 302.5M > 300.0M\n"
                  "gone restart root/flora, 3d 14:31, 302.5M > 300.0M\n");
        assert_true(is_noted("the history cannot be read (there is none)"));
        assert_int_equal(rename(aside, bed.week.history), 0);
}

static void a_budget_is_only_told(void **state)
{
        (void)state;
        policy("budget: 80M", "budget: 100M", NULL);
        EXPECT(0, "gone finding root/bruno, 4d 06:00, 90.0M > 80.0M\n");
        policy("budget: 80M", "budget: 50M", NULL);
        EXPECT(0, "gone finding root/bruno, 4d 06:00, 90.0M > 80.0M\n"
                  "new finding root/bruno, 0d 00:47, 52.6M > 50.0M\n");
}

/* ---- together ------------------------------------------------------------------------------------------------------------- */

static void several_at_once_are_told_each(void **state)
{
        (void)state;
        policy("ceiling: 600M", "ceiling: 512M", "ceiling: 300M", "ceiling: 400M", "name: petra,",
               "name: petra, class: large,", "name: lily, pm2: lily, restarts: [ { more_than: 2",
               "name: lily, pm2: lily, restarts: [ { more_than: 5", NULL);
        EXPECT(3, "gone finding root/lily, 1d 02:00\n"
                  "gone restart root/lily, 1d 02:00\n"
                  "gone finding root/flora, 3d 13:15, 302.1M > 300.0M\n"
                  "gone restart root/flora, 3d 13:15, 302.1M > 300.0M\n"
                  "gone finding root/flora, 3d 14:31, 302.5M > 300.0M\n"
                  "gone restart root/flora, 3d 14:31, 302.5M > 300.0M\n"
                  "new finding root/petra, 2d 15:02, 700.0M > 512.0M\n"
                  "new restart root/petra, 2d 15:02, 700.0M > 512.0M\n"
                  "new finding root/tamara, 6d 23:30, 531.0M > 512.0M\n"
                  "new restart root/tamara, 6d 23:30, 531.0M > 512.0M\n");
        stage_run(&bed.stage, "policy", "test", bed.file, "--state", bed.week.chain.directory, NULL);
        stage_expect_golden(&bed.stage, "policy-test.txt");
}

static void what_was_before_since_is_left_alone(void **state)
{
        (void)state;
        policy("ceiling: 600M", "ceiling: 512M", "name: petra,", "name: petra, class: large,",
               "name: lily, pm2: lily, restarts: [ { more_than: 2", "name: lily, pm2: lily, restarts: [ { more_than: 5",
               NULL);
        assert_int_equal(try_since("3d"), 3);
        assert_string_equal(changes(), "new finding root/tamara, 6d 23:30, 531.0M > 512.0M\n"
                                       "new restart root/tamara, 6d 23:30, 531.0M > 512.0M\n");
        assert_int_equal(try_since("1h"), 0);
        assert_string_equal(changes(), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_week_follows_from_its_facts),
                cmocka_unit_test(the_same_policy_changes_nothing),
                cmocka_unit_test(the_same_in_other_words_changes_nothing),
                cmocka_unit_test(other_limits_that_hold_change_nothing),
                cmocka_unit_test(a_wider_window_takes_a_restart_away),
                cmocka_unit_test(a_narrower_window_brings_one),
                cmocka_unit_test(who_is_only_observed_is_not_restarted),
                cmocka_unit_test(another_ladder_quarantines_at_once),
                cmocka_unit_test(a_critical_agent_is_slowed_instead),
                cmocka_unit_test(a_base_that_goes_first_holds_the_other_back),
                cmocka_unit_test(a_lower_ceiling_brings_a_restart_to_the_minute),
                cmocka_unit_test(a_new_ceiling_brings_one_of_days_ago),
                cmocka_unit_test(what_is_always_too_large_is_told_once),
                cmocka_unit_test(a_peak_shorter_than_its_step_is_possible_and_no_more),
                cmocka_unit_test(a_ceiling_taken_away_takes_its_restarts_along),
                cmocka_unit_test(a_lower_ceiling_restarts_a_leak_earlier),
                cmocka_unit_test(of_several_instances_the_history_knows_the_sum),
                cmocka_unit_test(whose_memory_counts_is_another_question),
                cmocka_unit_test(of_files_that_nobody_watched_nothing_is_known),
                cmocka_unit_test(without_a_history_the_log_says_what_it_knows),
                cmocka_unit_test(a_budget_is_only_told),
                cmocka_unit_test(several_at_once_are_told_each),
                cmocka_unit_test(what_was_before_since_is_left_alone),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
