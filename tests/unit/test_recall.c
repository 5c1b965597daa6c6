/* What the chain says of the runs before this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "audit/audit.h"
#include "recall.h"

struct bench {
        char directory[64], database[96];
        struct audit *audit;
        struct open_intent open[4];
        char agent[4][64];
        unsigned open_n;
};

static int setup(void **state)
{
        struct bench *bench = calloc(1, sizeof(*bench));
        struct audit_options options = { .no_ballast = true };

        strcpy(bench->directory, "/tmp/recall-XXXXXX");
        assert_non_null(mkdtemp(bench->directory));
        snprintf(bench->database, sizeof(bench->database), "%s/audit.db", bench->directory);
        assert_int_equal(audit_open(bench->directory, &options, &bench->audit, NULL), 0);
        *state = bench;
        return 0;
}

static int teardown(void **state)
{
        struct bench *bench = *state;
        char command[128];

        audit_close(bench->audit);
        snprintf(command, sizeof(command), "rm -rf '%s'", bench->directory);
        assert_int_equal(system(command), 0);
        free(bench);
        return 0;
}

static uint64_t write_record(struct bench *bench, const char *action, enum audit_outcome outcome, json_t *details)
{
        struct audit_entry entry = { .action = action,
                                     .subject = "pm2:root/lily",
                                     .incident = "inc-2",
                                     .outcome = outcome,
                                     .details = details };
        uint64_t seq;

        assert_int_equal(audit_append(bench->audit, &entry, &seq), 0);
        assert_true(audit_commit(bench->audit, 0) >= 0);
        json_decref(details);
        return seq;
}

static uint64_t start(struct bench *bench, usec_t at, bool again)
{
        return write_record(
                bench, "judge.start", AUDIT_INFO,
                json_pack("{s:I, s:b, s:i, s:b}", "at", (json_int_t)at, "again", again, "seed", 77, "safe_mode", 0));
}

static void stop(struct bench *bench, usec_t at)
{
        write_record(bench, "judge.stop", AUDIT_INFO, json_pack("{s:I}", "at", (json_int_t)at));
}

static struct recall look_back(struct bench *bench)
{
        struct recall recall;

        assert_int_equal(recall_look_back(bench->database, &recall), 0);
        return recall;
}

static void write_part(struct bench *bench, int part, int parts, const char *yaml)
{
        write_record(bench, "policy.text", AUDIT_INFO,
                     json_pack("{s:i, s:i, s:s}", "part", part, "parts", parts, "yaml", yaml));
}

static void the_newest_policy_is_put_together_from_its_parts(void **state)
{
        struct bench *bench = *state;
        char *text = NULL;

        assert_int_equal(recall_policy(bench->database, &text), -ENOENT);
        write_part(bench, 1, 1, "mode: observe\n");
        start(bench, USEC_PER_DAY, false);
        write_part(bench, 1, 3, "mode: enforce\n");
        write_part(bench, 2, 3, "agents:\n");
        write_part(bench, 3, 3, "- { name: a, pm2: a }\n");
        stop(bench, 2 * USEC_PER_DAY);
        assert_int_equal(recall_policy(bench->database, &text), 0);
        assert_string_equal(text, "mode: enforce\nagents:\n- { name: a, pm2: a }\n");
        free(text);
}

static void a_part_of_a_policy_is_none(void **state)
{
        struct bench *bench = *state;
        char *text = NULL;

        write_part(bench, 2, 2, "agents: []\n");
        assert_int_equal(recall_policy(bench->database, &text), -ENOENT);
        assert_null(text);
}

static void a_new_chain_has_nothing_to_recall(void **state)
{
        struct recall recall = look_back(*state);

        assert_true(recall.from == UINT64_MAX);
        assert_int_equal(recall.last, 0);
        assert_int_equal(recall.unclean, 0);
        assert_int_equal(strlen(recall.boot), 32);
}

static void clean_ends_are_not_counted(void **state)
{
        struct bench *bench = *state;
        struct recall recall;
        uint64_t seq = 0;

        for (unsigned i = 1; i <= 3; i++) {
                seq = start(bench, i * USEC_PER_MINUTE, false);
                stop(bench, i * USEC_PER_MINUTE + USEC_PER_SEC);
        }
        recall = look_back(bench);
        assert_int_equal(recall.from, seq);
        assert_int_equal(recall.seed, 77);
        assert_int_equal(recall.unclean, 0);
        assert_int_equal(recall.last, 3 * USEC_PER_MINUTE + USEC_PER_SEC);
}

static void three_unclean_ends_are_counted_and_old_ones_forgotten(void **state)
{
        struct bench *bench = *state;

        start(bench, 1 * USEC_PER_MINUTE, false);
        start(bench, 30 * USEC_PER_MINUTE, false);
        start(bench, 31 * USEC_PER_MINUTE, false);
        start(bench, 31 * USEC_PER_MINUTE + 1, true); /* the same run */
        start(bench, 32 * USEC_PER_MINUTE, false);
        assert_int_equal(look_back(bench).unclean, 3);
        stop(bench, 33 * USEC_PER_MINUTE);
        assert_int_equal(look_back(bench).unclean, 2);
}

static void a_human_who_ends_safe_mode_forgives_what_was_before(void **state)
{
        struct bench *bench = *state;

        start(bench, 1 * USEC_PER_MINUTE, false);
        start(bench, 2 * USEC_PER_MINUTE, false);
        start(bench, 3 * USEC_PER_MINUTE, false);
        assert_int_equal(look_back(bench).unclean, 3);
        write_record(bench, "fact.asked", AUDIT_INFO,
                     json_pack("{s:I, s:s}", "at", (json_int_t)(4 * USEC_PER_MINUTE), "ask", "safe-mode-off"));
        assert_int_equal(look_back(bench).unclean, 1);
        stop(bench, 5 * USEC_PER_MINUTE);
        start(bench, 6 * USEC_PER_MINUTE, false);
        assert_int_equal(look_back(bench).unclean, 1);
}

static void memory_written_again_is_where_recall_begins(void **state)
{
        struct bench *bench = *state;
        uint64_t again;

        start(bench, 1, false);
        again = start(bench, 2, true);
        assert_int_equal(look_back(bench).from, again);
}

static void safe_mode_is_as_somebody_left_it(void **state)
{
        struct bench *bench = *state;

        start(bench, 1, false);
        assert_false(look_back(bench).safe_mode);
        write_record(bench, "fact.asked", AUDIT_INFO, json_pack("{s:i, s:s}", "at", 2, "ask", "safe-mode-on"));
        assert_true(look_back(bench).safe_mode);
        write_record(bench, "fact.asked", AUDIT_INFO, json_pack("{s:i, s:s}", "at", 3, "ask", "restart"));
        assert_true(look_back(bench).safe_mode);
        write_record(bench, "fact.asked", AUDIT_INFO, json_pack("{s:i, s:s}", "at", 4, "ask", "safe-mode-off"));
        assert_false(look_back(bench).safe_mode);
}

static void take_open(void *self, const struct open_intent *intent)
{
        struct bench *bench = self;

        snprintf(bench->agent[bench->open_n], sizeof(bench->agent[0]), "%s", intent->agent);
        bench->open[bench->open_n++] = *intent;
}

static void an_intent_without_outcome_is_found_and_one_with_it_is_not(void **state)
{
        struct bench *bench = *state;
        uint64_t from = start(bench, 1, false), done, open;

        done = write_record(bench, "agent.stop", AUDIT_PENDING, json_pack("{s:s}", "purpose", "backoff"));
        open = write_record(bench, "agent.stop", AUDIT_PENDING,
                            json_pack("{s:s, s:I, s:i}", "purpose", "quarantine", "instance", (json_int_t)INSTANCE_ALL,
                                      "trial", 3));
        write_record(bench, "agent.stop", AUDIT_OK, json_pack("{s:I}", "intent", (json_int_t)done));
        assert_int_equal(recall_open_intents(bench->database, from, take_open, bench), 0);
        assert_int_equal(bench->open_n, 1);
        assert_int_equal(bench->open[0].seq, open);
        assert_int_equal(bench->open[0].action, ACTION_STOP);
        assert_int_equal(bench->open[0].purpose, PURPOSE_QUARANTINE);
        assert_int_equal(bench->open[0].instance, INSTANCE_ALL);
        assert_int_equal(bench->open[0].trial, 3);
        assert_string_equal(bench->agent[0], "pm2:root/lily");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_newest_policy_is_put_together_from_its_parts, setup, teardown),
                cmocka_unit_test_setup_teardown(a_part_of_a_policy_is_none, setup, teardown),
                cmocka_unit_test_setup_teardown(a_new_chain_has_nothing_to_recall, setup, teardown),
                cmocka_unit_test_setup_teardown(clean_ends_are_not_counted, setup, teardown),
                cmocka_unit_test_setup_teardown(three_unclean_ends_are_counted_and_old_ones_forgotten, setup, teardown),
                cmocka_unit_test_setup_teardown(a_human_who_ends_safe_mode_forgives_what_was_before, setup, teardown),
                cmocka_unit_test_setup_teardown(memory_written_again_is_where_recall_begins, setup, teardown),
                cmocka_unit_test_setup_teardown(safe_mode_is_as_somebody_left_it, setup, teardown),
                cmocka_unit_test_setup_teardown(an_intent_without_outcome_is_found_and_one_with_it_is_not, setup,
                                                teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
