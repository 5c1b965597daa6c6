/* The hand of a rollback: the files of a version are put back and the agent is restarted, or it is said why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "heal/rollback.h"
#include "io/digest.h"
#include "io/file.h"

#define LILY "systemd:lily.service"

struct bed {
        char directory[64], path[128];
        char good[DIGEST_HEX_MAX], bad[DIGEST_HEX_MAX];
        sd_event *event;
        struct vault *vault;
        struct rollback_hand *hand;
        struct hands hands[MANAGER_N];
        struct errand errand;
        struct errand *restart; /* that the manager's hand was given, and has not ended */
        unsigned restarts, changes, ends;
        bool told_all;
        int refusal; /* of the manager's hand */
        enum outcome outcome;
        char text[512];
};

/* ---- the bed ------------------------------------------------------------------------------------------------------------ */

static int on_restart(void *self, struct errand *errand)
{
        struct bed *bed = self;

        assert_int_equal(errand->action, ACTION_RESTART);
        assert_string_equal(errand->agent, LILY);
        assert_int_equal(errand->pid, 0); /* whichever incarnation it is by then */
        bed->restarts++;
        if (bed->refusal == 0)
                bed->restart = errand;
        return bed->refusal;
}

static void on_done(struct errand *errand, enum outcome outcome, const char *text)
{
        struct bed *bed = errand->self;

        bed->ends++;
        bed->outcome = outcome;
        text_copy(bed->text, sizeof(bed->text), text);
        assert_null(errand->hand);
}

static void on_changed(void *self, const char *path, const struct file_state *now)
{
        struct bed *bed = self;

        assert_string_equal(path, bed->path);
        assert_int_equal(now->size, strlen("good"));
        bed->changes++;
}

static void on_changed_all(void *self)
{
        struct bed *bed = self;

        assert_int_equal(bed->restarts, 0); /* who starts reads what is known already */
        bed->told_all = true;
}

static void write_config(const struct bed *bed, const char *text)
{
        assert_int_equal(file_write_atomic(bed->path, text, strlen(text), 0644), 0);
}

static void expect_config(const struct bed *bed, const char *text)
{
        char *found = NULL;

        assert_int_equal(file_read(bed->path, 1 << 20, &found, NULL), 0);
        assert_string_equal(found, text);
        free(found);
}

/* The file as it is now becomes a version. */
static void keep_version(struct bed *bed, char hex[DIGEST_HEX_MAX])
{
        struct version_file file = { .path = bed->path };
        uint8_t digest[DIGEST_SIZE];
        char *content, *text;
        size_t size;
        struct stat st;

        assert_int_equal(lstat(bed->path, &st), 0);
        file_state_take(&file.state, &st);
        assert_int_equal(file_read(bed->path, 1 << 20, &content, &size), 0);
        assert_int_equal(vault_put(bed->vault, content, size, file.state.digest), 0);
        assert_int_equal(version_write(&file, 1, &text, &size), 0);
        assert_int_equal(vault_put(bed->vault, text, size, digest), 0);
        digest_to_hex(digest, hex);
        free(content);
        free(text);
}

static void open_hand(struct bed *bed, bool with_vault)
{
        const struct rollback_options options = {
                .vault = with_vault ? bed->vault : NULL,
                .hands = bed->hands,
                .changed = on_changed,
                .changed_all = on_changed_all,
                .self = bed,
        };

        bed->hands[MANAGER_SYSTEMD] = (struct hands){ .act = on_restart, .self = bed };
        assert_int_equal(rollback_hand_new(bed->event, &options, &bed->hand), 0);
}

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof(*bed));
        char path[128];

        strcpy(bed->directory, "/tmp/rollback-XXXXXX");
        assert_non_null(mkdtemp(bed->directory));
        snprintf(path, sizeof(path), "%s/vault", bed->directory);
        snprintf(bed->path, sizeof(bed->path), "%s/config.json", bed->directory);
        assert_int_equal(vault_open(path, &VAULT_LIMITS_DEFAULT, &bed->vault), 0);
        assert_int_equal(sd_event_new(&bed->event), 0);
        write_config(bed, "good");
        keep_version(bed, bed->good);
        write_config(bed, "bad one");
        keep_version(bed, bed->bad);
        bed->errand = (struct errand){ .agent = LILY,
                                       .action = ACTION_ROLLBACK,
                                       .from = bed->bad,
                                       .to = bed->good,
                                       .done = on_done,
                                       .self = bed };
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;
        char command[128];

        rollback_hand_free(bed->hand);
        vault_free(bed->vault);
        sd_event_unref(bed->event);
        snprintf(command, sizeof(command), "rm -rf '%s'", bed->directory);
        assert_int_equal(system(command), 0);
        free(bed);
        return 0;
}

static void run(struct bed *bed)
{
        while (sd_event_run(bed->event, 0) > 0)
                ;
}

/* The manager's hand says how the restart went. */
static void end_restart(struct bed *bed, enum outcome outcome, const char *text)
{
        struct errand *restart = bed->restart;

        assert_non_null(restart);
        bed->restart = NULL;
        restart->done(restart, outcome, text);
}

static void expect_end(const struct bed *bed, enum outcome outcome, const char *what)
{
        assert_int_equal(bed->ends, 1);
        assert_int_equal(bed->outcome, outcome);
        if (!strstr(bed->text, what))
                fail_msg("'%s' is not said in '%s'", what, bed->text);
}

/* ---- stories ------------------------------------------------------------------------------------------------------------ */

static void the_files_go_back_before_the_agent_is_restarted(void **state)
{
        struct bed *bed = *state;

        open_hand(bed, true);
        assert_int_equal(rollback_hand_act(bed->hand, &bed->errand), 0);
        expect_config(bed, "bad one"); /* nothing is done within the call */
        run(bed);
        expect_config(bed, "good");
        assert_int_equal(bed->changes, 1);
        assert_true(bed->told_all);
        assert_int_equal(bed->restarts, 1);
        assert_int_equal(bed->ends, 0);
        end_restart(bed, OUTCOME_OK, "active");
        expect_end(bed, OUTCOME_OK, "1 file put back");
}

static void a_restart_that_fails_is_the_outcome_and_the_files_stay_back(void **state)
{
        struct bed *bed = *state;

        open_hand(bed, true);
        assert_int_equal(rollback_hand_act(bed->hand, &bed->errand), 0);
        run(bed);
        end_restart(bed, OUTCOME_FAILED, "its job failed");
        expect_end(bed, OUTCOME_FAILED, "1 file put back; the restart: its job failed");
        expect_config(bed, "good");
}

static void a_manager_that_takes_no_order_is_said(void **state)
{
        struct bed *bed = *state;

        bed->refusal = -ENOTCONN;
        open_hand(bed, true);
        assert_int_equal(rollback_hand_act(bed->hand, &bed->errand), 0);
        run(bed);
        expect_end(bed, OUTCOME_FAILED, "1 file put back; it could not be restarted: ");
}

static void an_agent_of_an_absent_manager_is_said(void **state)
{
        struct bed *bed = *state;

        open_hand(bed, true);
        bed->errand.agent = "pm2:root/lily";
        assert_int_equal(rollback_hand_act(bed->hand, &bed->errand), 0);
        run(bed);
        expect_end(bed, OUTCOME_FAILED, "it could not be restarted: Operation not supported");
}

static void what_somebody_changed_meanwhile_is_left_alone(void **state)
{
        struct bed *bed = *state;

        open_hand(bed, true);
        write_config(bed, "by a human, a second ago");
        assert_int_equal(rollback_hand_act(bed->hand, &bed->errand), 0);
        run(bed);
        expect_end(bed, OUTCOME_STALE, "config.json");
        expect_config(bed, "by a human, a second ago");
        assert_int_equal(bed->restarts, 0);
        assert_int_equal(bed->changes, 0);
}

static void a_version_that_is_not_in_the_vault_changes_nothing(void **state)
{
        struct bed *bed = *state;

        open_hand(bed, true);
        bed->good[0] = bed->good[0] == '0' ? '1' : '0';
        assert_int_equal(rollback_hand_act(bed->hand, &bed->errand), 0);
        run(bed);
        expect_end(bed, OUTCOME_FAILED, "cannot be read from the vault");
        expect_config(bed, "bad one");
        assert_int_equal(bed->restarts, 0);
}

static void one_at_a_time_for_each_agent(void **state)
{
        struct bed *bed = *state;
        struct errand second = bed->errand, other = bed->errand;

        open_hand(bed, true);
        other.agent = "systemd:anna.service";
        assert_int_equal(rollback_hand_act(bed->hand, &bed->errand), 0);
        assert_int_equal(rollback_hand_act(bed->hand, &second), -EBUSY);
        assert_int_equal(rollback_hand_act(bed->hand, &other), 0);
        bed->hand = rollback_hand_free(bed->hand);
        assert_int_equal(bed->ends, 2);
}

static void what_is_no_errand_of_this_hand_is_refused(void **state)
{
        struct bed *bed = *state;
        struct errand restart = bed->errand, nowhere = bed->errand;

        open_hand(bed, true);
        restart.action = ACTION_RESTART;
        nowhere.to = NULL;
        assert_int_equal(rollback_hand_act(bed->hand, &restart), -EINVAL);
        assert_int_equal(rollback_hand_act(bed->hand, &nowhere), -EINVAL);
        rollback_hand_free(bed->hand);
        open_hand(bed, false);
        assert_int_equal(rollback_hand_act(bed->hand, &bed->errand), -ENODEV);
        assert_int_equal(bed->ends, 0);
}

static void who_ends_before_it_is_done_says_unknown_and_leaves_nothing_behind(void **state)
{
        struct bed *bed = *state;

        open_hand(bed, true);
        assert_int_equal(rollback_hand_act(bed->hand, &bed->errand), 0);
        assert_true(sd_event_run(bed->event, 0) > 0); /* begun, and nothing in place */
        bed->hand = rollback_hand_free(bed->hand);
        expect_end(bed, OUTCOME_UNKNOWN, "Governor ended");
        expect_config(bed, "bad one");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define STORY(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                STORY(the_files_go_back_before_the_agent_is_restarted),
                STORY(a_restart_that_fails_is_the_outcome_and_the_files_stay_back),
                STORY(a_manager_that_takes_no_order_is_said),
                STORY(an_agent_of_an_absent_manager_is_said),
                STORY(what_somebody_changed_meanwhile_is_left_alone),
                STORY(a_version_that_is_not_in_the_vault_changes_nothing),
                STORY(one_at_a_time_for_each_agent),
                STORY(what_is_no_errand_of_this_hand_is_refused),
                STORY(who_ends_before_it_is_done_says_unknown_and_leaves_nothing_behind),
#undef STORY
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
