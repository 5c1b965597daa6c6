/* The one door: nothing is done without a durable intent, nothing is done and not recorded. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include "audit/audit.h"
#include "io/file.h"
#include "perform/footprint.h"
#include "perform/never.h"
#include "perform/perform.h"

struct bench {
        char directory[64];
        char database[96], footprint[96];
        sd_event *event;
        struct clock clock;
        struct chronicle *chronicle;
        struct footprint *kept;
        struct perform *perform;
        struct errand *errand; /* newest, not yet done */
        unsigned acts;
        uint64_t seen_intents; /* records that another process could read when the hand was called */
        struct fact outcome;
        char outcome_text[256];
        unsigned outcomes;
        int refuse; /* what the hand returns */
        unsigned rollbacks;
        char from[80], to[80]; /* of the newest */
};

static uint64_t count_records(const struct bench *bench, const char *containing)
{
        struct audit_reader *reader;
        struct audit_item item;
        uint64_t n = 0;

        assert_int_equal(audit_reader_open(bench->database, &reader), 0);
        while (audit_reader_next(reader, &item) > 0)
                n += memmem(item.body, item.length, containing, strlen(containing)) != NULL;
        audit_reader_close(reader);
        return n;
}

static int hand(void *self, struct errand *errand)
{
        struct bench *bench = self;

        bench->acts++;
        bench->seen_intents = count_records(bench, "\"outcome\":\"pending\"");
        if (bench->refuse < 0)
                return bench->refuse;
        bench->errand = errand;
        return 0;
}

static int rollback_hand(void *self, struct errand *errand)
{
        struct bench *bench = self;

        bench->rollbacks++;
        snprintf(bench->from, sizeof(bench->from), "%s", errand->from);
        snprintf(bench->to, sizeof(bench->to), "%s", errand->to);
        bench->errand = errand;
        return 0;
}

static void take(void *self, const struct fact *fact)
{
        struct bench *bench = self;

        bench->outcomes++;
        bench->outcome = *fact;
        snprintf(bench->outcome_text, sizeof(bench->outcome_text), "%s", fact->outcome.text);
}

static int setup(void **state)
{
        struct bench *bench = calloc(1, sizeof(*bench));
        struct chronicle_options chronicle = { .reason = "test" };
        struct perform_options perform = { .clock = &bench->clock, .sink = { take, bench } };

        strcpy(bench->directory, "/tmp/perform-XXXXXX");
        assert_non_null(mkdtemp(bench->directory));
        snprintf(bench->database, sizeof(bench->database), "%s/audit.db", bench->directory);
        snprintf(bench->footprint, sizeof(bench->footprint), "%s/footprint", bench->directory);
        assert_true(sd_event_new(&bench->event) >= 0);
        chronicle.state_dir = bench->directory;
        assert_int_equal(chronicle_new(bench->event, &chronicle, NULL, &bench->chronicle), 0);
        perform.chronicle = bench->chronicle;
        assert_int_equal(footprint_new(bench->footprint, &bench->kept), 0);
        perform.footprint = bench->kept;
        perform.hands[MANAGER_PM2] = (struct hands){ hand, bench };
        perform.hands[MANAGER_SYSTEMD] = (struct hands){ hand, bench };
        perform.own[ACTION_ROLLBACK] = (struct hands){ rollback_hand, bench };
        perform.own[ACTION_RESTORE] = (struct hands){ hand, bench };
        assert_int_equal(perform_new(bench->event, &perform, &bench->perform), 0);
        *state = bench;
        return 0;
}

static int teardown(void **state)
{
        struct bench *bench = *state;
        char command[128];

        perform_free(bench->perform);
        footprint_free(bench->kept);
        chronicle_free(bench->chronicle);
        sd_event_unref(bench->event);
        snprintf(command, sizeof(command), "rm -rf '%s'", bench->directory);
        assert_int_equal(system(command), 0);
        free(bench);
        return 0;
}

static void turn(struct bench *bench)
{
        while (sd_event_run(bench->event, 0) > 0)
                ;
}

static struct decision decision(const char *agent, enum action action)
{
        return (struct decision){
                .kind = DECIDE_ACT,
                .agent = agent,
                .instance = INSTANCE_ALL,
                .manager = agent_manager(agent),
                .incident = 3,
                .cause = CAUSE_CRASH_LOOP,
                .action = action,
                .purpose = PURPOSE_QUARANTINE,
                .enforce = true,
                .rule = "",
                .rule_file = "",
                .reason = "3 deaths in 60s",
        };
}

static void the_intent_is_durable_before_the_hand_moves_and_the_outcome_after(void **state)
{
        struct bench *bench = *state;
        struct decision stop = decision("pm2:root/lily", ACTION_STOP);

        perform_decision(bench->perform, &stop);
        assert_int_equal(bench->acts, 1);
        assert_int_equal(bench->seen_intents, 1);
        assert_int_equal(perform_under_way(bench->perform), 1);
        turn(bench);
        assert_int_equal(bench->outcomes, 0);

        bench->errand->done(bench->errand, OUTCOME_OK, "stopped");
        assert_int_equal(bench->outcomes, 0); /* from the loop, never from inside */
        turn(bench);
        assert_int_equal(bench->outcomes, 1);
        assert_int_equal(bench->outcome.outcome.outcome, OUTCOME_OK);
        assert_int_equal(bench->outcome.outcome.purpose, PURPOSE_QUARANTINE);
        assert_int_equal(perform_under_way(bench->perform), 0);
        assert_int_equal(count_records(bench, "\"intent\":"), 1);
}

static void observe_mode_swaps_the_hands_and_nothing_else(void **state)
{
        struct bench *bench = *state;
        struct decision stop = decision("pm2:root/lily", ACTION_STOP);

        stop.enforce = false;
        perform_decision(bench->perform, &stop);
        turn(bench);
        assert_int_equal(bench->acts, 0);
        assert_int_equal(bench->outcome.outcome.outcome, OUTCOME_DRY);
        assert_int_equal(count_records(bench, "\"outcome\":\"pending\""), 1);
        assert_int_equal(count_records(bench, "\"outcome\":\"dry\""), 1);
}

static void the_never_touch_set_is_refused_and_recorded_so(void **state)
{
        struct bench *bench = *state;
        struct decision stop = decision("systemd:ssh.service", ACTION_STOP);

        perform_decision(bench->perform, &stop);
        turn(bench);
        assert_int_equal(bench->acts, 0);
        assert_int_equal(bench->outcome.outcome.outcome, OUTCOME_REFUSED);
        assert_non_null(strstr(bench->outcome_text, "stands on it"));
        assert_int_equal(count_records(bench, "\"outcome\":\"denied\""), 1);
}

static void nobody_may_touch_what_the_machine_stands_on(void **state)
{
        const char *never[] = { "systemd:systemd-journald.service", "systemd:dbus.service",
                                "systemd:dbus-broker.service",      "systemd:sshd.service",
                                "systemd:getty@tty1.service",       "systemd:NetworkManager.service",
                                "systemd:tailscaled.service",       "systemd:user@1000.service",
                                "systemd:session-3.scope",          "systemd:governor.service",
                                "systemd:governor-courier.service", "systemd:user-0.slice" };

        for (unsigned i = 0; i < sizeof(never) / sizeof(never[0]); i++)
                assert_non_null(never_touch(never[i], 0));
        assert_non_null(never_touch("pm2:root/lily", 1));
        assert_non_null(never_touch("pm2:root/lily", getpid()));
        assert_non_null(never_touch("pm2:root/lily", getppid()));
        assert_null(never_touch("pm2:root/ssh", 0));
        assert_null(never_touch("systemd:agent-lily.service", 0));
}

/* What is no manager's to do has a hand of its own; it is told between which versions, in words that outlive the decision. */
static void a_rollback_goes_to_its_own_hand(void **state)
{
        struct bench *bench = *state;
        struct decision rollback = decision("pm2:root/lily", ACTION_ROLLBACK);
        char from[] = "badbad", to[] = "c0ffee";

        rollback.purpose = PURPOSE_HEAL;
        rollback.from = from;
        rollback.to = to;
        perform_decision(bench->perform, &rollback);
        memset(from, 'x', sizeof(from) - 1);
        memset(to, 'x', sizeof(to) - 1);
        assert_int_equal(bench->rollbacks, 1);
        assert_int_equal(bench->acts, 0);
        assert_string_equal(bench->from, "badbad");
        assert_string_equal(bench->errand->to, "c0ffee");
        assert_int_equal(count_records(bench, "\"outcome\":\"pending\""), 1);
        bench->errand->done(bench->errand, OUTCOME_OK, "1 file put back");
        turn(bench);
        assert_int_equal(bench->outcome.outcome.action, ACTION_ROLLBACK);

        rollback.enforce = false;
        perform_decision(bench->perform, &rollback);
        rollback.enforce = true;
        rollback.agent = "systemd:ssh.service";
        rollback.manager = MANAGER_SYSTEMD;
        perform_decision(bench->perform, &rollback);
        turn(bench);
        assert_int_equal(bench->rollbacks, 1);
        assert_int_equal(bench->outcomes, 3);
}

/* Somebody may be reading what was put there: the hand comes first. Both records are made all the same. */
static void a_guarded_file_is_put_back_before_that_is_recorded(void **state)
{
        struct bench *bench = *state;
        struct decision restore = decision("", ACTION_RESTORE);
        char path[] = "/opt/core/main.js";

        restore.purpose = PURPOSE_GUARD;
        restore.path = path;
        restore.safety = true;
        perform_decision(bench->perform, &restore);
        memset(path, 'x', sizeof(path) - 1);
        assert_int_equal(bench->acts, 1);
        assert_int_equal(bench->seen_intents, 0);
        assert_string_equal(bench->errand->path, "/opt/core/main.js");

        bench->errand->done(bench->errand, OUTCOME_OK, "restored 312 times in 4.2s");
        turn(bench);
        assert_int_equal(count_records(bench, "\"action\":\"file.restore\""), 2);
        assert_int_equal(count_records(bench, "\"outcome\":\"pending\""), 1);
        assert_int_equal(bench->outcome.outcome.action, ACTION_RESTORE);
        assert_int_equal(count_records(bench, "\"path\":\"/opt/core/main.js\""), 2);
        assert_int_equal(count_records(bench, "\"intent\":"), 1);

        restore.enforce = false;
        perform_decision(bench->perform, &restore);
        turn(bench);
        assert_int_equal(bench->acts, 1);
        assert_int_equal(bench->outcome.outcome.outcome, OUTCOME_DRY);
}

static void a_hand_that_cannot_begin_is_a_failed_outcome(void **state)
{
        struct bench *bench = *state;
        struct decision start = decision("pm2:root/lily", ACTION_START);

        bench->refuse = -EHOSTDOWN;
        perform_decision(bench->perform, &start);
        turn(bench);
        assert_int_equal(bench->outcome.outcome.outcome, OUTCOME_FAILED);
        assert_non_null(strstr(bench->outcome_text, "Host is down"));
}

/* No file may grow: what a disk that cannot be written looks like to the chain, for root too. */
static void let_files_grow(bool grow)
{
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = grow ? limit.rlim_max : 1;
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void without_a_disk_only_what_is_for_safety_is_done_and_recorded_late(void **state)
{
        struct bench *bench = *state;
        struct decision restart = decision("pm2:root/lily", ACTION_RESTART),
                        stop = decision("pm2:root/rosa", ACTION_STOP);

        restart.purpose = PURPOSE_BACKOFF;
        let_files_grow(false);
        perform_decision(bench->perform, &restart);
        assert_int_equal(bench->acts, 0);
        stop.safety = true; /* nobody is safer for a stop */
        perform_decision(bench->perform, &stop);
        assert_int_equal(bench->acts, 0);
        turn(bench);
        assert_int_equal(bench->outcomes, 2);
        assert_int_equal(bench->outcome.outcome.outcome, OUTCOME_FAILED);

        restart.safety = true;
        perform_decision(bench->perform, &restart);
        assert_int_equal(bench->acts, 1);
        bench->errand->done(bench->errand, OUTCOME_OK, "restarted");
        turn(bench);
        assert_int_equal(bench->outcomes, 3);
        assert_int_equal(count_records(bench, "agent.restart"), 0);

        let_files_grow(true);
        assert_int_equal(chronicle_settle(bench->chronicle), 0);
        assert_true(count_records(bench, "\"late\":true") >= 4);
        assert_int_equal(count_records(bench, "agent.restart"), 4); /* the one that was not done, too */
}

static void what_is_withheld_is_recorded_as_denied(void **state)
{
        struct bench *bench = *state;
        struct decision stop = decision("pm2:root/lily", ACTION_STOP);

        stop.kind = DECIDE_WITHHOLD;
        stop.withheld = WITHHELD_BUDGET;
        perform_decision(bench->perform, &stop);
        assert_int_equal(chronicle_settle(bench->chronicle), 0);
        assert_int_equal(bench->acts, 0);
        assert_int_equal(count_records(bench, "\"withheld\":\"budget\""), 1);
        assert_int_equal(count_records(bench, "\"outcome\":\"denied\""), 1);
}

static void a_stopped_agent_stands_in_the_footprint_until_it_is_started(void **state)
{
        struct bench *bench = *state;
        struct decision stop = decision("pm2:root/lily", ACTION_STOP), start = decision("pm2:root/lily", ACTION_START);
        char *text;
        struct stat st;

        perform_decision(bench->perform, &stop);
        bench->errand->done(bench->errand, OUTCOME_OK, "");
        turn(bench);
        assert_int_equal(file_read(bench->footprint, 4096, &text, NULL), 0);
        assert_non_null(strstr(text, "\nstopped pm2:root/lily\n"));
        free(text);
        assert_int_equal(stat(bench->footprint, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);

        perform_decision(bench->perform, &start);
        bench->errand->done(bench->errand, OUTCOME_OK, "");
        turn(bench);
        assert_int_equal(file_read(bench->footprint, 4096, &text, NULL), 0);
        assert_null(strstr(text, "lily"));
        free(text);
}

#define TRIAL_LINE "limits systemd:x.service /run/systemd/system/x.service.d/60-governor-limits-trial.conf"
#define KEPT_LINE "limits systemd:x.service /etc/systemd/system/x.service.d/50-governor-limits.conf"

static bool in_footprint(struct bench *bench, const char *line)
{
        char *text = NULL;
        bool found = file_read(bench->footprint, 4096, &text, NULL) == 0 && strstr(text, line);

        free(text);
        return found;
}

static struct decision about_limits(enum action action, enum limits_place place)
{
        struct decision about = decision("systemd:x.service", action);

        about.trial = 7;
        about.limits.place = place;
        limits_put(&about.limits, LIMIT_MEMORY_MAX, 128 << 20);
        return about;
}

static void come_back(struct bench *bench, const struct decision *decision, enum outcome outcome)
{
        perform_decision(bench->perform, decision);
        bench->errand->done(bench->errand, outcome, "");
        turn(bench);
        assert_int_equal(bench->outcome.outcome.outcome, outcome);
        assert_int_equal(bench->outcome.outcome.trial, 7);
}

static void a_file_stands_in_the_footprint_before_it_is_written_and_until_it_is_gone(void **state)
{
        struct bench *bench = *state;
        struct decision limit = about_limits(ACTION_LIMIT, LIMITS_TRIAL),
                        keep = about_limits(ACTION_LIMIT, LIMITS_KEPT),
                        undo = about_limits(ACTION_UNLIMIT, LIMITS_KEPT);

        perform_decision(bench->perform, &limit);
        assert_true(in_footprint(bench, TRIAL_LINE));
        assert_int_equal(bench->errand->limits.value[LIMIT_MEMORY_MAX], 128 << 20);
        assert_string_equal(bench->errand->why, "3 deaths in 60s");
        bench->errand->done(bench->errand, OUTCOME_OK, "");
        turn(bench);
        assert_true(in_footprint(bench, TRIAL_LINE));
        assert_int_equal(count_records(bench, "\"limits\":{\"memory_max\":134217728,\"place\":\"trial\"}"), 1);

        come_back(bench, &keep, OUTCOME_OK);
        assert_true(in_footprint(bench, KEPT_LINE));
        assert_false(in_footprint(bench, TRIAL_LINE));
        come_back(bench, &undo, OUTCOME_TIMEOUT); /* perhaps it is still there */
        assert_true(in_footprint(bench, KEPT_LINE));
        come_back(bench, &undo, OUTCOME_OK);
        assert_false(in_footprint(bench, "limits"));
}

static void a_file_that_could_not_be_written_leaves_no_line(void **state)
{
        struct bench *bench = *state;
        struct decision limit = about_limits(ACTION_LIMIT, LIMITS_TRIAL),
                        keep = about_limits(ACTION_LIMIT, LIMITS_KEPT);

        come_back(bench, &limit, OUTCOME_FAILED);
        assert_false(in_footprint(bench, "limits"));
        come_back(bench, &keep, OUTCOME_OK);
        come_back(bench, &keep, OUTCOME_FAILED); /* the file of before is still there */
        assert_true(in_footprint(bench, KEPT_LINE));
        limit.enforce = false;
        perform_decision(bench->perform, &limit);
        turn(bench);
        assert_int_equal(bench->outcome.outcome.outcome, OUTCOME_DRY);
        assert_false(in_footprint(bench, TRIAL_LINE));
        come_back(bench, &keep, OUTCOME_TIMEOUT);
        assert_true(in_footprint(bench, KEPT_LINE));
}

static void without_a_footprint_no_file_is_written(void **state)
{
        struct bench *bench = *state;
        struct decision limit = about_limits(ACTION_LIMIT, LIMITS_TRIAL);

        assert_int_equal(mkdir(bench->footprint, 0700), 0); /* so that it cannot be replaced */
        perform_decision(bench->perform, &limit);
        turn(bench);
        assert_int_equal(bench->acts, 0);
        assert_int_equal(bench->outcome.outcome.outcome, OUTCOME_FAILED);
        assert_non_null(strstr(bench->outcome_text, "footprint"));
        assert_int_equal(rmdir(bench->footprint), 0);
}

static void limits_are_taken_back_even_when_that_cannot_be_recorded(void **state)
{
        struct bench *bench = *state;
        struct decision undo = about_limits(ACTION_UNLIMIT, LIMITS_TRIAL),
                        limit = about_limits(ACTION_LIMIT, LIMITS_TRIAL);

        undo.safety = limit.safety = true;
        let_files_grow(false);
        perform_decision(bench->perform, &limit);
        assert_int_equal(bench->acts, 0);
        perform_decision(bench->perform, &undo);
        assert_int_equal(bench->acts, 1);
        bench->errand->done(bench->errand, OUTCOME_OK, "");
        turn(bench);
        let_files_grow(true);
        assert_int_equal(chronicle_settle(bench->chronicle), 0);
        assert_int_equal(count_records(bench, "agent.unlimit"), 2);
}

static void what_somebody_else_started_leaves_the_footprint(void **state)
{
        struct bench *bench = *state;
        struct fact started = { .kind = FACT_STARTED, .agent = "pm2:root/lily", .started = { .pid = 7 } };

        assert_int_equal(footprint_set(bench->kept, "stopped", "pm2:root/lily", true), 0);
        perform_follow(bench->perform, &started);
        assert_false(footprint_has(bench->kept, "stopped", "pm2:root/lily"));
}

static void keep_name(void *self, const char *agent)
{
        snprintf(self, AGENT_ID_MAX, "%s", agent);
}

static void the_footprint_is_read_again_at_start(void **state)
{
        struct bench *bench = *state;
        char name[AGENT_ID_MAX] = "";
        struct footprint *again;

        assert_int_equal(footprint_set(bench->kept, "stopped", "pm2:root/two words", true), 0);
        assert_int_equal(footprint_new(bench->footprint, &again), 0);
        assert_true(footprint_has(again, "stopped", "pm2:root/two words"));
        assert_false(footprint_has(again, "stopped", "pm2:root/two"));
        footprint_each(again, "stopped", keep_name, name);
        assert_string_equal(name, "pm2:root/two words");
        footprint_free(again);
}

static void the_footprint_keeps_its_other_lines(void **state)
{
        struct bench *bench = *state;
        char *text;

        assert_int_equal(footprint_set(bench->kept, "stopped", "systemd:a.service", true), 0);
        assert_int_equal(footprint_set(bench->kept, "stopped", "systemd:b.service", true), 0);
        assert_int_equal(footprint_set(bench->kept, "stopped", "systemd:a.service", true), 0);
        assert_int_equal(footprint_set(bench->kept, "stopped", "systemd:a.service", false), 0);
        assert_int_equal(file_read(bench->footprint, 4096, &text, NULL), 0);
        assert_non_null(strstr(text, "\nstopped systemd:b.service\n"));
        assert_null(strstr(text, "a.service"));
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_intent_is_durable_before_the_hand_moves_and_the_outcome_after,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(observe_mode_swaps_the_hands_and_nothing_else, setup, teardown),
                cmocka_unit_test_setup_teardown(the_never_touch_set_is_refused_and_recorded_so, setup, teardown),
                cmocka_unit_test(nobody_may_touch_what_the_machine_stands_on),
                cmocka_unit_test_setup_teardown(a_rollback_goes_to_its_own_hand, setup, teardown),
                cmocka_unit_test_setup_teardown(a_guarded_file_is_put_back_before_that_is_recorded, setup, teardown),
                cmocka_unit_test_setup_teardown(a_hand_that_cannot_begin_is_a_failed_outcome, setup, teardown),
                cmocka_unit_test_setup_teardown(without_a_disk_only_what_is_for_safety_is_done_and_recorded_late, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(what_is_withheld_is_recorded_as_denied, setup, teardown),
                cmocka_unit_test_setup_teardown(a_stopped_agent_stands_in_the_footprint_until_it_is_started, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(
                        a_file_stands_in_the_footprint_before_it_is_written_and_until_it_is_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(a_file_that_could_not_be_written_leaves_no_line, setup, teardown),
                cmocka_unit_test_setup_teardown(without_a_footprint_no_file_is_written, setup, teardown),
                cmocka_unit_test_setup_teardown(limits_are_taken_back_even_when_that_cannot_be_recorded, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(what_somebody_else_started_leaves_the_footprint, setup, teardown),
                cmocka_unit_test_setup_teardown(the_footprint_is_read_again_at_start, setup, teardown),
                cmocka_unit_test_setup_teardown(the_footprint_keeps_its_other_lines, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
