/* The decisions of a log made again from its facts. The logs are written by a world that lives (tests/world.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chain_world.h"
#include "govctl/field.h"
#include "govctl_stage.h"

static const char POLICY[] =
        "mode: enforce\n"
        "machine: { actions: { at_most: 100, within: 10m } }\n"
        "classes: { thrifty: { memory: { budget: 80M } } }\n"
        "agents:\n"
        "  - { name: thrifty, pm2: one, class: thrifty }\n"
        "  - { name: patient, pm2: lily, heal: { ladder: [restart, restart, quarantine] } }\n"
        "  - { name: apps, pm2: \"*\" }\n"
        "  - { name: observed, systemd: \"seen-*\", mode: observe, restarts: [ { more_than: 4, within: 10m } ] }\n"
        "  - { name: services, systemd: \"*\" }\n";

#define THRIFTY 3
#define OBSERVED 6

struct bed {
        struct chain_world chain;
        struct stage stage;
        json_t *told;
};

static int setup(void **state)
{
        static const char *const names[] = { "pm2:root/lily",           "pm2:root/rosa",
                                             "pm2:root/tamara",         "pm2:root/one",
                                             "systemd:agent-x.service", "systemd:agent-y.service",
                                             "systemd:seen-z.service" };
        struct bed *bed = calloc(1, sizeof *bed);

        assert_non_null(bed);
        chain_world_open(&bed->chain, STAGE_NOW - 7 * USEC_PER_DAY, POLICY);
        for (unsigned n = 0; n < sizeof names / sizeof names[0]; n++)
                world_add(&bed->chain.world, names[n]);
        stage_open(&bed->stage, NULL);
        chain_world_begin(&bed->chain, false);
        world_start(&bed->chain.world);
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;

        json_decref(bed->told);
        stage_close(&bed->stage);
        chain_world_close(&bed->chain);
        free(bed);
        return 0;
}

static void fall_ill(struct bed *bed, int actor, usec_t from, usec_t until, usec_t life)
{
        struct actor *ill = &bed->chain.world.actors[actor];

        ill->life = life;
        ill->scatter = 20;
        ill->code = 1;
        ill->restart_delay = USEC_PER_SEC;
        ill->ill_from = ill->dies_at = bed->chain.world.began + from;
        ill->ill_until = bed->chain.world.began + until;
}

static void live(struct bed *bed, usec_t time)
{
        struct world *world = &bed->chain.world;

        world_run(world, time / 2);
        world_die(world, &world->actors[1]);
        world_run(world, time / 2);
}

static int replay(struct bed *bed)
{
        int code;

        chain_world_settle(&bed->chain);
        code = stage_run(&bed->stage, "replay", "--state", bed->chain.directory, "--json", NULL);
        json_decref(bed->told);
        bed->told = json_loads(bed->stage.data, 0, NULL);
        if (!bed->told)
                fail_msg("no JSON: %s%s", bed->stage.data, bed->stage.talk);
        return code;
}

static int64_t number(const struct bed *bed, const char *path)
{
        return field_number(bed->told, path);
}

/* The newest that is open about the agent. */
static uint64_t incident_of(const struct bed *bed, const char *agent)
{
        struct incident_view view;

        for (uint64_t below = UINT64_MAX; judge_incident_below(bed->chain.world.judge, below, &view);
             below = view.incident)
                if (view.open && strcmp(view.agent, agent) == 0)
                        return view.incident;
        fail_msg("nothing is open about %s", agent);
        return 0;
}

static void ill_for_two_hours(struct bed *bed)
{
        usec_t now = world_age(&bed->chain.world);

        fall_ill(bed, 0, now + USEC_PER_MINUTE, now + 2 * USEC_PER_HOUR, 3 * USEC_PER_SEC);
        fall_ill(bed, 4, now + 10 * USEC_PER_MINUTE, now + USEC_PER_HOUR, 8 * USEC_PER_SEC);
        live(bed, 6 * USEC_PER_HOUR);
}

static void the_same_facts_give_the_same_decisions(void **state)
{
        struct bed *bed = *state;

        ill_for_two_hours(bed);
        chain_world_end(&bed->chain);
        assert_int_equal(replay(bed), 0);
        assert_true(number(bed, "same") > 10);
        assert_int_equal(number(bed, "differ"), 0);
        assert_int_equal(number(bed, "not_compared"), 0);
}

static void a_log_that_is_still_written_is_replayed_too(void **state)
{
        struct bed *bed = *state;

        ill_for_two_hours(bed);
        assert_int_equal(replay(bed), 0);
        assert_int_equal(number(bed, "differ"), 0);
}

static void the_judge_goes_on_from_what_it_remembers(void **state)
{
        struct bed *bed = *state;

        for (unsigned n = 0; n < 4; n++) {
                ill_for_two_hours(bed);
                chain_world_begin(&bed->chain, true);
        }
        ill_for_two_hours(bed);
        assert_int_equal(replay(bed), 0);
        assert_int_equal(json_array_size(field(bed->told, "runs")), 1);
        assert_int_equal(number(bed, "differ"), 0);
}

/* So many sizes of the thrifty one, as the daemon takes them. */
static void hold(struct bed *bed, uint64_t mb, unsigned times)
{
        struct world *world = &bed->chain.world;
        const struct actor *actor = &world->actors[THRIFTY];
        struct fact fact = { .kind = FACT_SAMPLE, .manager = actor->manager, .agent = actor->id };

        fact.sample.pid = fact.sample.most_pid = actor->pid;
        fact.sample.start = actor->start;
        fact.sample.memory_bytes = fact.sample.most_bytes = mb << 20;
        for (unsigned n = 0; n < times; n++) {
                world_run(world, 15 * USEC_PER_SEC);
                world_send(world, &fact);
        }
}

/* A sum is written down within the run, and nothing else happened since the memory was: it is not a part of it. */
static void what_is_summed_up_right_after_the_memory_is_no_memory(void **state)
{
        struct bed *bed = *state;

        hold(bed, 60, 8);
        world_run(&bed->chain.world, USEC_PER_HOUR);
        chain_world_begin(&bed->chain, true);
        hold(bed, 90, 8);
        hold(bed, 60, 60);
        assert_int_equal(replay(bed), 0);
        assert_int_equal(number(bed, "same"), 2); /* above its budget, and not any more */
        assert_int_equal(number(bed, "differ"), 0);
}

static void a_daemon_that_comes_back_is_another_run(void **state)
{
        struct bed *bed = *state;

        ill_for_two_hours(bed);
        chain_world_end(&bed->chain);
        world_leave(&bed->chain.world);
        world_run(&bed->chain.world, USEC_PER_HOUR);
        bed->chain.world.away = false;
        chain_world_begin(&bed->chain, false);
        ill_for_two_hours(bed);
        assert_int_equal(replay(bed), 0);
        assert_int_equal(json_array_size(field(bed->told, "runs")), 2);
        assert_int_equal(number(bed, "differ"), 0);
}

/* Trials that run out, end with a death, are kept, taken back, and stand when the memory is written down. */
static void what_became_of_trials_follows_too(void **state)
{
        static const char X[] = "systemd:agent-x.service", Y[] = "systemd:agent-y.service";
        struct bed *bed = *state;
        struct world *world = &bed->chain.world;

        ill_for_two_hours(bed);
        world_trial(world, X, TRIAL_BEGIN, 1, 10 * USEC_PER_MINUTE);
        world_trial(world, Y, TRIAL_BEGIN, 2, 10 * USEC_PER_MINUTE);
        world_run(world, USEC_PER_MINUTE);
        chain_world_begin(&bed->chain, true);
        world_trial(world, Y, TRIAL_KEEP, 2, 0);
        world_run(world, USEC_PER_HOUR);
        world_trial(world, X, TRIAL_BEGIN, 3, USEC_PER_HOUR);
        world_run(world, USEC_PER_MINUTE);
        world_die(world, &world->actors[4]);
        world_run(world, USEC_PER_MINUTE);
        world_trial(world, X, TRIAL_BEGIN, 4, USEC_PER_HOUR);
        world_run(world, USEC_PER_MINUTE);
        chain_world_end(&bed->chain);
        world_leave(world);
        world_run(world, 2 * USEC_PER_HOUR);
        world->away = false;
        chain_world_begin(&bed->chain, false);
        world_run(world, USEC_PER_HOUR);
        world_trial(world, Y, TRIAL_UNDO, 2, 0);
        world_run(world, USEC_PER_HOUR);
        chain_world_end(&bed->chain);
        assert_int_equal(replay(bed), 0);
        assert_int_equal(number(bed, "differ"), 0);
        assert_int_equal(number(bed, "not_compared"), 0);
        assert_int_equal(judge_trials(world->judge), 2);
}

static void what_a_kill_cut_off_is_said_and_no_difference(void **state)
{
        struct bed *bed = *state;

        fall_ill(bed, 0, USEC_PER_MINUTE, USEC_PER_HOUR, 3 * USEC_PER_SEC);
        world_run(&bed->chain.world, 66 * USEC_PER_SEC);
        bed->chain.silent = true; /* decisions that never came into the log */
        world_run(&bed->chain.world, USEC_PER_MINUTE);
        bed->chain.silent = false;
        chain_world_begin(&bed->chain, false);
        assert_int_equal(replay(bed) == 3, false);
        assert_int_equal(number(bed, "differ"), 0);
        assert_true(json_is_true(field(json_array_get(field(bed->told, "runs"), 0), "killed")));
}

/* ---- what is recorded ------------------------------------------------------------------------------------------------------- */

static struct fact about_seen(const struct bed *bed, enum fact_kind kind)
{
        const struct actor *actor = &bed->chain.world.actors[OBSERVED];

        return (struct fact){ .kind = kind, .manager = actor->manager, .agent = actor->id };
}

/* The kernel's word of an end, and then the manager's of the beginning: each is news, though neither is a death yet. */
static void an_end_told_before_its_beginning_follows_too(void **state)
{
        struct bed *bed = *state;
        struct world *world = &bed->chain.world;

        world_run(world, USEC_PER_MINUTE);
        for (pid_t pid = 5000; pid < 5006; pid++) {
                struct fact died = about_seen(bed, FACT_DIED), began = about_seen(bed, FACT_STARTED);

                died.ended.pid = began.started.pid = pid;
                died.ended.start = began.started.start = 700000 + (uint64_t)pid;
                world_send(world, &died);
                world_run(world, 200 * USEC_PER_MSEC);
                world_send(world, &began);
                world_run(world, 5 * USEC_PER_SEC);
        }
        world_run(world, USEC_PER_MINUTE);
        chain_world_end(&bed->chain);
        assert_int_equal(replay(bed), 0);
        assert_true(number(bed, "same") > 0);
        assert_int_equal(number(bed, "differ"), 0);
}

/* What is decided when a policy is loaded is decided then, and not when something was last recorded. */
static void a_policy_loaded_long_after_the_last_fact_follows_too(void **state)
{
        static const char enforced[] =
                "mode: enforce\nagents: [ { name: all, systemd: \"*\" }, { name: apps, pm2: \"*\" } ]\n";
        struct bed *bed = *state;
        struct world *world = &bed->chain.world;

        world_run(world, USEC_PER_MINUTE);
        world->actors[OBSERVED].nobody_restarts = true;
        world_die(world, &world->actors[OBSERVED]);
        world_run(world, 10 * USEC_PER_MINUTE);
        hold(bed, 60, 3); /* sizes move the judge's time on, and are not recorded */
        chain_world_load(&bed->chain, enforced);
        world_run(world, 10 * USEC_PER_MINUTE);
        chain_world_end(&bed->chain);
        assert_int_equal(replay(bed), 0);
        assert_true(number(bed, "same") > 2);
        assert_int_equal(number(bed, "differ"), 0);
}

/* ---- what outlives a kill --------------------------------------------------------------------------------------------------- */

static void be_killed(struct bed *bed, usec_t away)
{
        world_leave(&bed->chain.world);
        world_run(&bed->chain.world, away);
        chain_world_return(&bed->chain);
}

/* More deaths than are kept one by one: their number stands in what is told. */
static void a_long_loop_is_counted_on_after_a_kill(void **state)
{
        struct bed *bed = *state;
        struct world *world = &bed->chain.world;

        fall_ill(bed, OBSERVED, USEC_PER_MINUTE, USEC_PER_DAY, 200 * USEC_PER_MSEC);
        world->actors[OBSERVED].gives_up = false;
        world->actors[OBSERVED].restart_delay = 2500 * USEC_PER_MSEC; /* a crash loop, not a hot one */
        world_run(world, USEC_PER_MINUTE + 90 * 2700 * USEC_PER_MSEC);
        be_killed(bed, USEC_PER_SEC);
        world_run(world, 10 * USEC_PER_MINUTE);
        chain_world_end(&bed->chain);
        assert_int_equal(replay(bed), 0);
        assert_true(number(bed, "same") > 3);
        assert_int_equal(number(bed, "differ"), 0);
        assert_int_equal(number(bed, "not_compared"), 0);
}

/* What its manager calls it stands in reasons; an end within a change window may be understood only afterwards. */
static void words_and_windows_outlive_a_kill(void **state)
{
        struct bed *bed = *state;
        struct world *world = &bed->chain.world;
        struct actor *actor = &world->actors[5];
        struct fact change = {
                .kind = FACT_CHANGE, .manager = actor->manager, .agent = actor->id, .instance = INSTANCE_ALL
        };

        world_run(world, USEC_PER_MINUTE);
        change.change.step = CHANGE_OPEN;
        change.change.number = 1;
        change.change.pattern = change.change.by = change.change.reason = "";
        change.change.since = world->now;
        change.change.until = world->now + 30 * USEC_PER_SEC;
        world_send(world, &change);
        world_run(world, 10 * USEC_PER_SEC);
        world_die(world, actor);
        world->actors[2].nobody_restarts = true;
        world_die(world, &world->actors[2]);
        world_run(world, USEC_PER_MSEC); /* the kernel told it, the managers did not come to it */
        be_killed(bed, USEC_PER_MINUTE);
        world_run(world, 20 * USEC_PER_MINUTE);
        chain_world_end(&bed->chain);
        assert_int_equal(replay(bed), 0);
        assert_true(number(bed, "same") > 0);
        assert_int_equal(number(bed, "differ"), 0);
        assert_int_equal(number(bed, "not_compared"), 0);
}

/* Its deaths are not recorded one by one any more when the human comes, and are again afterwards. */
static void an_endless_loop_that_a_human_closed_follows_too(void **state)
{
        struct bed *bed = *state;
        struct world *world = &bed->chain.world;

        fall_ill(bed, OBSERVED, USEC_PER_MINUTE, USEC_PER_DAY, 300 * USEC_PER_MSEC);
        world->actors[OBSERVED].gives_up = false;
        world_run(world, 30 * USEC_PER_MINUTE);
        for (unsigned n = 0; n < 3; n++) {
                world_ask(world, "", ASK_ACKNOWLEDGE, incident_of(bed, "systemd:seen-z.service"));
                world_run(world, 30 * USEC_PER_MINUTE + n * 1234567);
        }
        chain_world_end(&bed->chain);
        assert_int_equal(replay(bed), 0);
        assert_true(number(bed, "same") > 10);
        assert_int_equal(number(bed, "differ"), 0);
        assert_int_equal(number(bed, "not_compared"), 0);
}

/* Its deaths are recorded one by one again, for each of them ends the trial. */
static void a_trial_within_an_endless_loop_follows_too(void **state)
{
        struct bed *bed = *state;
        struct world *world = &bed->chain.world;
        const char *seen = world->actors[OBSERVED].id;
        struct trial_view trial;

        fall_ill(bed, OBSERVED, USEC_PER_MINUTE, USEC_PER_DAY, 3 * USEC_PER_SEC);
        for (uint64_t number = 1; number <= 4; number++) {
                world_run(world, 3 * USEC_PER_HOUR + number * USEC_PER_SEC);
                world_trial(world, seen, TRIAL_BEGIN, number, 10 * USEC_PER_MINUTE);
        }
        world_run(world, USEC_PER_MINUTE);
        judge_trial(world->judge, 3, &trial);
        assert_int_equal(trial.state, TRIAL_OVER);
        assert_non_null(strstr(trial.why, "it died"));
        chain_world_end(&bed->chain);
        assert_int_equal(replay(bed), 0);
        assert_int_equal(number(bed, "differ"), 0);
        assert_int_equal(number(bed, "not_compared"), 0);
}

/* What was too large was stopped by its owner: whoever reads the memory does not tell it again of the next life. */
static void sizes_of_a_life_that_is_over_are_forgotten(void **state)
{
        struct bed *bed = *state;
        struct world *world = &bed->chain.world;

        hold(bed, 90, 8);
        world_human(world, &world->actors[THRIFTY], ACTION_STOP);
        world_run(world, USEC_PER_HOUR);
        be_killed(bed, USEC_PER_SEC);
        be_killed(bed, USEC_PER_SEC);
        world_human(world, &world->actors[THRIFTY], ACTION_START);
        world_run(world, USEC_PER_MINUTE);
        be_killed(bed, USEC_PER_SEC);
        world_run(world, USEC_PER_HOUR);
        chain_world_end(&bed->chain);
        assert_int_equal(replay(bed), 0);
        assert_true(number(bed, "same") > 0);
        assert_int_equal(number(bed, "differ"), 0);
}

static void a_decision_that_follows_from_nothing_is_found(void **state)
{
        struct bed *bed = *state;

        ill_for_two_hours(bed);
        chain_world_append(&bed->chain, "agent.restart", "pm2:root/tamara", 77, AUDIT_PENDING,
                           json_pack("{s:I, s:s, s:s, s:b}", "at", (json_int_t)bed->chain.world.now, "purpose", "heal",
                                     "reason", "because", "enforce", 1));
        world_run(&bed->chain.world, USEC_PER_HOUR);
        assert_int_equal(replay(bed), 3);
        assert_int_equal(number(bed, "differ"), 1);
        assert_string_equal(field_text(json_array_get(field(bed->told, "differences"), 0), "only_in"), "log");
        assert_int_equal(stage_run(&bed->stage, "replay", "--state", bed->chain.directory, NULL), 3);
        assert_non_null(strstr(bed->stage.data, "does not follow: restarting it: because"));
        assert_non_null(strstr(bed->stage.data, "1 decision differs"));
}

static void a_decision_that_was_left_out_is_found(void **state)
{
        struct bed *bed = *state;

        fall_ill(bed, 0, USEC_PER_MINUTE, USEC_PER_HOUR, 3 * USEC_PER_SEC);
        bed->chain.world.decided = NULL;
        world_run(&bed->chain.world, 70 * USEC_PER_SEC);
        world_run(&bed->chain.world, USEC_PER_MINUTE);
        assert_int_equal(replay(bed), 3);
        assert_string_equal(field_text(json_array_get(field(bed->told, "differences"), 0), "only_in"), "replay");
}

static void a_log_without_its_policy_proves_nothing(void **state)
{
        struct bed *bed = *state;

        bed->chain.yaml = NULL;
        ill_for_two_hours(bed);
        chain_world_begin(&bed->chain, false);
        ill_for_two_hours(bed);
        assert_int_equal(replay(bed), 0); /* the run before it is whole */
        assert_true(number(bed, "not_compared") > 0);
        assert_non_null(strstr(field_text(json_array_get(field(bed->told, "runs"), 1), "because"), "policy"));
}

static void without_a_log_there_is_nothing_to_replay(void **state)
{
        struct bed *bed = *state;

        assert_int_equal(stage_run(&bed->stage, "replay", "--db", "/nonexistent/audit.db", NULL), 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(the_same_facts_give_the_same_decisions),
                TEST(a_log_that_is_still_written_is_replayed_too),
                TEST(the_judge_goes_on_from_what_it_remembers),
                TEST(what_is_summed_up_right_after_the_memory_is_no_memory),
                TEST(a_daemon_that_comes_back_is_another_run),
                TEST(what_became_of_trials_follows_too),
                TEST(what_a_kill_cut_off_is_said_and_no_difference),
                TEST(an_end_told_before_its_beginning_follows_too),
                TEST(a_policy_loaded_long_after_the_last_fact_follows_too),
                TEST(a_long_loop_is_counted_on_after_a_kill),
                TEST(words_and_windows_outlive_a_kill),
                TEST(an_endless_loop_that_a_human_closed_follows_too),
                TEST(a_trial_within_an_endless_loop_follows_too),
                TEST(sizes_of_a_life_that_is_over_are_forgotten),
                TEST(a_decision_that_follows_from_nothing_is_found),
                TEST(a_decision_that_was_left_out_is_found),
                TEST(a_log_without_its_policy_proves_nothing),
                TEST(without_a_log_there_is_nothing_to_replay),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
