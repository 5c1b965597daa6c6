/* Trials: what Governor changes is taken back by itself, unless a human keeps it. */
#include "judge/trial.h"
#include "story.h"

#define LILY "systemd:lily.service"
#define ROSA "systemd:rosa.service"

static struct actor *lily_lives(struct world *world)
{
        struct actor *lily;

        world_init(world, 1);
        lily = world_add(world, LILY);
        world_add(world, ROSA);
        world_judge(world);
        world_start(world);
        world_run(world, MIN);
        return lily;
}

static struct trial_view trial_of(struct world *world, uint64_t number)
{
        struct trial_view view = { .number = 0 };

        for (uint32_t n = 0; n < judge_trials(world->judge); n++) {
                judge_trial(world->judge, n, &view);
                if (view.number == number)
                        return view;
        }
        fail_msg("there is no trial %llu", (unsigned long long)number);
        return view;
}

static void is_in_state(struct world *world, uint64_t number, enum trial_state state)
{
        assert_string_equal(trial_state_name(trial_of(world, number).state), trial_state_name(state));
}

static char *kept_of(struct world *world, uint64_t number, char text[LIMITS_TEXT_MAX])
{
        struct trial_view view = trial_of(world, number);

        return limits_text(&view.limits, text);
}

static void a_trial_that_nobody_keeps_is_taken_back(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        CHECK_TRACE(&world, "60.0s limit lily (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n");
        world_run(&world, S);
        assert_true(lily->limited);
        assert_true(trial_of(&world, 1).until - trial_of(&world, 1).since == 10 * MIN);
        world_run(&world, 9 * MIN + 58 * S);
        CHECK_TRACE(&world, "");
        world_run(&world, 10 * S);
        CHECK_TRACE(&world, "660.0s unlimit lily (undo): its 10m are over, and nobody kept it\n");
        assert_false(lily->limited);
        is_in_state(&world, 1, TRIAL_OVER);
        world_run(&world, HOUR);
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void an_agent_that_dies_of_it_is_free_again_at_once(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        lily->choked = 20 * S;
        lily->signal = 9;
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        CHECK_TRACE(&world, "60.0s limit lily (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n"
                            "80.0s unlimit lily (undo): it died: signal 9, 20s into its trial\n");
        assert_false(lily->limited);
        assert_true(lily->up);
        assert_string_equal(trial_of(&world, 1).why, "it died: signal 9, 20s into its trial");
        world_run(&world, HOUR);
        CHECK_TRACE(&world, ""); /* one death is no loop */
        world_done(&world);
}

static void a_death_while_the_change_is_being_made_counts_too(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_die(&world, lily);
        world_run(&world, MIN);
        CHECK_TRACE(&world, "60.0s limit lily (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n"
                            "60.0s unlimit lily (undo): it died: exit code 1, 0ms into its trial\n");
        assert_false(lily->limited);
        is_in_state(&world, 1, TRIAL_OVER);
        world_done(&world);
}

static void what_is_planned_is_no_death(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, MIN);
        world_die(&world, &world.actors[1]); /* rosa's death is not lily's */
        world_run(&world, MIN);
        is_in_state(&world, 1, TRIAL_RUNNING);
        world_done(&world);
}

static void a_finding_that_says_it_is_ill_ends_the_trial(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        world_forget_trace(&world);
        world_lists(&world, LILY, 0, CLAIMED_FAILED, "failed/failed", 0, 0, false);
        world_run(&world, 10 * S);
        assert_non_null(strstr(world_trace(&world), "open inc-1 lily claimed-not-running"));
        assert_non_null(strstr(world_trace(&world), "unlimit lily (undo): it "));
        is_in_state(&world, 1, TRIAL_OVER);
        world_done(&world);
}

static void a_finding_about_its_files_does_not(void **state)
{
        static const char *const config[] = { "/opt/lily.json" };
        struct fact fact = { .kind = FACT_CONFIG,
                             .manager = MANAGER_SYSTEMD,
                             .agent = LILY,
                             .instance = INSTANCE_ALL,
                             .config = { .change = CONFIG_CHANGED,
                                         .path = "/opt/lily.json",
                                         .digest = "new",
                                         .sealed = "old",
                                         .differing = 1 } };
        struct world world;

        (void)state;
        lily_lives(&world);
        world.policy.fallback.config = (const char **)(uintptr_t)config;
        world.policy.fallback.config_n = 1;
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        world_send(&world, &fact);
        world_run(&world, MIN);
        assert_non_null(strstr(world_trace(&world), "open inc-1 lily config-drift"));
        is_in_state(&world, 1, TRIAL_RUNNING);
        world_done(&world);
}

static void what_a_human_keeps_stays(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        world_forget_trace(&world);
        world_trial(&world, LILY, TRIAL_KEEP, 1, 0);
        world_run(&world, HOUR);
        CHECK_TRACE(&world, "120.0s limit lily (keep): MemoryMax=128M, kept by a human\n");
        is_in_state(&world, 1, TRIAL_KEPT);
        world_die(&world, lily); /* a human has decided */
        world_run(&world, HOUR);
        CHECK_TRACE(&world, "");
        world_trial(&world, LILY, TRIAL_UNDO, 1, 0);
        world_run(&world, MIN);
        CHECK_TRACE(&world, "7320.0s unlimit lily (undo): taken back by uid:0: test\n");
        assert_false(lily->limited);
        is_in_state(&world, 1, TRIAL_OVER);
        world_done(&world);
}

static void a_human_takes_it_back_at_once(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        world_forget_trace(&world);
        world_trial(&world, LILY, TRIAL_UNDO, 1, 0);
        world_trial(&world, LILY, TRIAL_UNDO, 1, 0);
        world_trial(&world, LILY, TRIAL_KEEP, 1, 0); /* too late */
        world_run(&world, HOUR);
        CHECK_TRACE(&world, "120.0s unlimit lily (undo): taken back by uid:0: test\n");
        world_done(&world);
}

/* The limits that were kept before stand in another file, and are joined when the new ones are kept too. */
static void a_second_trial_stands_beside_what_is_kept(void **state)
{
        struct world world;
        struct fact fact = { .kind = FACT_TRIAL,
                             .manager = MANAGER_SYSTEMD,
                             .agent = LILY,
                             .instance = INSTANCE_ALL,
                             .trial = { .step = TRIAL_BEGIN,
                                        .of = TRIAL_OF_LIMITS,
                                        .number = 2,
                                        .span = MIN,
                                        .by = "uid:0",
                                        .reason = "" } };
        char text[LIMITS_TEXT_MAX];

        (void)state;
        lily_lives(&world);
        limits_put(&fact.trial.limits, LIMIT_CPU_QUOTA, 50);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, S);
        world_trial(&world, LILY, TRIAL_KEEP, 1, 0);
        world_run(&world, S);
        world_send(&world, &fact);
        world_run(&world, S);
        is_in_state(&world, 1, TRIAL_KEPT);
        is_in_state(&world, 2, TRIAL_RUNNING);
        world_forget_trace(&world);
        world_trial(&world, LILY, TRIAL_KEEP, 2, 0);
        world_run(&world, S);
        CHECK_TRACE(&world, "63.0s limit lily (keep): MemoryMax=128M CPUQuota=50%, kept by a human\n");
        is_in_state(&world, 1, TRIAL_OVER);
        is_in_state(&world, 2, TRIAL_KEPT);
        assert_string_equal(kept_of(&world, 2, text), "MemoryMax=128M CPUQuota=50%");
        world_done(&world);
}

static void one_agent_has_one_trial_at_a_time(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_trial(&world, LILY, TRIAL_BEGIN, 2, 10 * MIN);
        world_trial(&world, ROSA, TRIAL_BEGIN, 3, 10 * MIN);
        world_run(&world, S);
        CHECK_TRACE(&world, "60.0s limit lily (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n"
                            "60.0s limit rosa (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n");
        assert_int_equal(judge_trials(world.judge), 2);
        assert_int_equal(judge_trial_next(world.judge), 4);
        world_done(&world);
}

static void a_change_that_could_not_be_made_is_over(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        world.deaf = true;
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, HOUR);
        CHECK_TRACE(&world, "60.0s limit lily (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n");
        is_in_state(&world, 1, TRIAL_OVER);
        world_done(&world);
}

static void what_cannot_be_taken_back_is_tried_for_ever(void **state)
{
        struct world world;
        struct actor *lily;
        unsigned tries = 0;

        (void)state;
        lily = lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, MIN);
        world_run(&world, 30 * S);
        world_forget_trace(&world);
        world.deaf = true;
        world_run(&world, 2 * MIN);
        CHECK_TRACE(&world, "120.0s unlimit lily (undo): its 1m are over, and nobody kept it\n"
                            "130.0s unlimit lily (undo): its 1m are over, and nobody kept it\n"
                            "150.0s unlimit lily (undo): its 1m are over, and nobody kept it\n"
                            "190.1s unlimit lily (undo): its 1m are over, and nobody kept it\n");
        is_in_state(&world, 1, TRIAL_STUCK);
        world_run(&world, 10 * HOUR);
        for (const char *at = world_trace(&world); *at; at++)
                tries += *at == '\n';
        assert_in_range(tries, 119, 122); /* every five minutes */
        world.deaf = false;
        world_run(&world, 10 * MIN);
        assert_false(lily->limited);
        is_in_state(&world, 1, TRIAL_OVER);
        world_done(&world);
}

/* One that only watches has no hands; the next run that has tries again. */
static void what_a_run_that_only_observes_left_is_taken_back_by_the_next(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, MIN);
        world_run(&world, 30 * S);
        world_leave(&world);
        judge_set_observe_only(world.judge, true);
        world_return(&world);
        world_forget_trace(&world);
        world_run(&world, HOUR);
        CHECK_TRACE(&world, "120.0s would unlimit lily (undo): its 1m are over, and nobody kept it\n");
        is_in_state(&world, 1, TRIAL_STUCK);
        world_leave(&world);
        judge_set_observe_only(world.judge, false);
        world_return(&world);
        world_run(&world, MIN);
        assert_false(lily->limited);
        is_in_state(&world, 1, TRIAL_OVER);
        world_done(&world);
}

static void an_answer_that_never_comes_is_taken_for_none(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        world.faults.silent = 1000;
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, 5 * S);
        world.faults.silent = 0;
        world_run(&world, MIN);
        CHECK_TRACE(&world, "60.0s limit lily (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n"
                            "70.0s unlimit lily (undo): what came of making the change is not known: \n");
        is_in_state(&world, 1, TRIAL_OVER);
        world_done(&world);
}

/* ---- modes ------------------------------------------------------------------------------------------------------------- */

static void nothing_is_begun_in_safe_mode_and_everything_is_taken_back(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        world_ask(&world, "", ASK_SAFE_MODE_ON, 0);
        world_forget_trace(&world);
        world_trial(&world, ROSA, TRIAL_BEGIN, 2, 10 * MIN);
        world_run(&world, 20 * MIN);
        CHECK_TRACE(&world,
                    "120.0s would limit rosa (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n"
                    "660.0s unlimit lily (undo): its 10m are over, and nobody kept it\n");
        is_in_state(&world, 2, TRIAL_OVER);
        world_done(&world);
}

static void disarming_takes_back_what_is_kept_too(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_trial(&world, ROSA, TRIAL_BEGIN, 2, 10 * MIN);
        world_run(&world, S);
        world_trial(&world, ROSA, TRIAL_KEEP, 2, 0);
        world_run(&world, S);
        world_forget_trace(&world);
        world_ask(&world, "", ASK_ENFORCE_OFF, 0);
        world_run(&world, MIN);
        CHECK_TRACE(&world, "62.0s unlimit lily (undo): Governor is disarmed\n"
                            "62.0s unlimit rosa (undo): Governor is disarmed\n");
        is_in_state(&world, 1, TRIAL_OVER);
        is_in_state(&world, 2, TRIAL_OVER);
        world_done(&world);
}

/* ---- the daemon comes and goes -------------------------------------------------------------------------------------------- */

static void a_trial_survives_the_daemon(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_trial(&world, ROSA, TRIAL_BEGIN, 2, 10 * MIN);
        world_run(&world, S);
        world_trial(&world, ROSA, TRIAL_KEEP, 2, 0);
        world_run(&world, MIN);
        world_remember(&world);
        is_in_state(&world, 1, TRIAL_RUNNING);
        is_in_state(&world, 2, TRIAL_KEPT);
        assert_string_equal(trial_of(&world, 1).by, "uid:0");
        assert_string_equal(trial_of(&world, 1).reason, "test");
        assert_int_equal(judge_trial_next(world.judge), 3);
        world_forget_trace(&world);
        world_run(&world, 20 * MIN);
        CHECK_TRACE(&world, "660.0s unlimit lily (undo): its 10m are over, and nobody kept it\n");
        world_remember(&world);
        assert_int_equal(judge_trials(world.judge), 1);
        assert_int_equal(judge_trial_next(world.judge), 3);
        world_done(&world);
}

static void one_that_ran_out_meanwhile_is_taken_back_when_the_daemon_is_back(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        world_forget_trace(&world);
        world_leave(&world);
        world_run(&world, HOUR);
        assert_true(lily->limited);
        world_return(&world);
        world_run(&world, MIN);
        CHECK_TRACE(&world, "3720.0s unlimit lily (undo): its 10m are over, and nobody kept it\n");
        assert_false(lily->limited);
        world_done(&world);
}

static void a_death_that_nobody_saw_ends_it_by_its_managers_counter(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        lily->code = 3;
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        world_forget_trace(&world);
        world_leave(&world);
        world_run(&world, 10 * S);
        world_die(&world, lily);
        world_run(&world, 10 * S);
        world_return(&world);
        world_run(&world, 10 * S);
        CHECK_TRACE(&world, "142.0s unlimit lily (undo): it died, and nobody told why, 41s into its trial\n");
        world_done(&world);
}

static void a_change_that_the_end_of_the_daemon_cut_off_is_taken_back(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_forget_trace(&world);
        world_leave(&world);
        world_run(&world, 10 * S);
        world_return(&world);
        world_run(&world, 10 * S);
        CHECK_TRACE(&world, "70.0s unlimit lily (undo): what came of making the change is not known: \n");
        assert_false(lily->limited);
        is_in_state(&world, 1, TRIAL_OVER);
        world_done(&world);
}

static void a_keeping_that_it_cut_off_is_done_again(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        world_trial(&world, LILY, TRIAL_KEEP, 1, 0);
        world_forget_trace(&world);
        world_leave(&world);
        world_run(&world, 10 * S);
        world_return(&world);
        world_run(&world, HOUR);
        CHECK_TRACE(&world, "130.0s limit lily (keep): MemoryMax=128M, kept by a human\n");
        is_in_state(&world, 1, TRIAL_KEPT);
        assert_true(lily->limited);
        world_done(&world);
}

static void a_reboot_ends_a_trial_and_not_what_is_kept(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        world_host(&world, HOUR);
        world_trial(&world, LILY, TRIAL_BEGIN, 1, HOUR);
        world_trial(&world, ROSA, TRIAL_BEGIN, 2, HOUR);
        world_run(&world, S);
        world_trial(&world, ROSA, TRIAL_KEEP, 2, 0);
        world_run(&world, MIN);
        world_forget_trace(&world);
        world_leave(&world);
        world_run(&world, 5 * MIN);
        world_reboot(&world);
        world_return(&world);
        world_host(&world, MIN);
        world_run(&world, MIN);
        CHECK_TRACE(&world, "421.0s unlimit lily (undo): the machine was started anew\n");
        is_in_state(&world, 2, TRIAL_KEPT);
        world_done(&world);
}

/* ---- bounds ---------------------------------------------------------------------------------------------------------------- */

static void nonsense_does_no_harm(void **state)
{
        struct fact fact = { .kind = FACT_TRIAL, .agent = LILY, .trial = { .by = "", .reason = "", .why = "" } };
        struct world world;

        (void)state;
        lily_lives(&world);
        for (unsigned step = 0; step <= TRIAL_STEP_N; step++)
                for (unsigned of = 0; of <= TRIAL_OF_N; of++)
                        for (unsigned number = 0; number < 3; number++)
                                for (unsigned it = 0; it <= TRIAL_STATE_N; it++) {
                                        fact.trial.step = (enum trial_step)step;
                                        fact.trial.of = (enum trial_of)of;
                                        fact.trial.number = number;
                                        fact.trial.state = (enum trial_state)it;
                                        fact.trial.due = it % 2 ? 0 : USEC_INFINITY;
                                        world_send(&world, &fact);
                                }
        world_run(&world, HOUR);
        world_trial(&world, LILY, TRIAL_KEEP, 77, 0);
        world_trial(&world, LILY, TRIAL_UNDO, 77, 0);
        world_run(&world, HOUR);
        world_done(&world);
}

static void more_trials_than_agents_are_turned_away(void **state)
{
        struct world world;
        char id[64];

        (void)state;
        lily_lives(&world);
        world.deaf = true; /* nobody plays these agents */
        for (unsigned n = 1; n <= 300; n++) {
                world_trial(&world, LILY, TRIAL_BEGIN, n, MIN);
                world_run(&world, S);
        }
        assert_in_range(judge_trials(world.judge), 16, 17); /* of those that are over a few are shown */
        for (unsigned n = 1; n <= 300; n++) {
                struct fact fact = { .kind = FACT_TRIAL,
                                     .agent = id,
                                     .trial = { .step = TRIAL_STANDS,
                                                .of = TRIAL_OF_LIMITS,
                                                .number = 1000 + n,
                                                .state = TRIAL_KEPT,
                                                .due = USEC_INFINITY,
                                                .by = "",
                                                .reason = "",
                                                .why = "" } };

                snprintf(id, sizeof(id), "systemd:a%u.service", n);
                world_send(&world, &fact);
        }
        assert_int_equal(judge_trials(world.judge), world.limits.agents_max);
        world_done(&world);
}

/* Every cell of the table leads somewhere that makes sense. */
static void a_trial_always_ends_or_is_kept(void **state)
{
        (void)state;
        for (unsigned from = 0; from < TRIAL_STATE_N; from++)
                for (unsigned input = 0; input < TRIAL_INPUT_N; input++) {
                        const struct trial_cell *cell = &trial_table[from][input];

                        if (cell->next == TRIAL_NONE) {
                                assert_int_equal(cell->act, TRIAL_ACT_NONE);
                                assert_int_equal(cell->wait, TRIAL_WAIT_NONE);
                                continue;
                        }
                        /* what is ordered is waited for, and only ends wait for nothing */
                        assert_true((cell->act != TRIAL_ACT_NONE) == (cell->wait == TRIAL_WAIT_REPLY));
                        assert_true((cell->act == TRIAL_ACT_UNDO) == (cell->next == TRIAL_ENDING));
                        if (cell->wait == TRIAL_WAIT_NONE)
                                assert_true(cell->next == TRIAL_OVER || cell->next == TRIAL_KEPT ||
                                            (cell->next == TRIAL_STUCK && input == TRIAL_INPUT_DRY));
                }
        for (unsigned from = TRIAL_BEGINNING; from < TRIAL_OVER; from++)
                assert_true(from == TRIAL_KEPT || trial_table[from][TRIAL_INPUT_DUE].next != TRIAL_NONE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_trial_that_nobody_keeps_is_taken_back),
                cmocka_unit_test(an_agent_that_dies_of_it_is_free_again_at_once),
                cmocka_unit_test(a_death_while_the_change_is_being_made_counts_too),
                cmocka_unit_test(what_is_planned_is_no_death),
                cmocka_unit_test(a_finding_that_says_it_is_ill_ends_the_trial),
                cmocka_unit_test(a_finding_about_its_files_does_not),
                cmocka_unit_test(what_a_human_keeps_stays),
                cmocka_unit_test(a_human_takes_it_back_at_once),
                cmocka_unit_test(a_second_trial_stands_beside_what_is_kept),
                cmocka_unit_test(one_agent_has_one_trial_at_a_time),
                cmocka_unit_test(a_change_that_could_not_be_made_is_over),
                cmocka_unit_test(what_cannot_be_taken_back_is_tried_for_ever),
                cmocka_unit_test(what_a_run_that_only_observes_left_is_taken_back_by_the_next),
                cmocka_unit_test(an_answer_that_never_comes_is_taken_for_none),
                cmocka_unit_test(nothing_is_begun_in_safe_mode_and_everything_is_taken_back),
                cmocka_unit_test(disarming_takes_back_what_is_kept_too),
                cmocka_unit_test(a_trial_survives_the_daemon),
                cmocka_unit_test(one_that_ran_out_meanwhile_is_taken_back_when_the_daemon_is_back),
                cmocka_unit_test(a_death_that_nobody_saw_ends_it_by_its_managers_counter),
                cmocka_unit_test(a_change_that_the_end_of_the_daemon_cut_off_is_taken_back),
                cmocka_unit_test(a_keeping_that_it_cut_off_is_done_again),
                cmocka_unit_test(a_reboot_ends_a_trial_and_not_what_is_kept),
                cmocka_unit_test(nonsense_does_no_harm),
                cmocka_unit_test(more_trials_than_agents_are_turned_away),
                cmocka_unit_test(a_trial_always_ends_or_is_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
