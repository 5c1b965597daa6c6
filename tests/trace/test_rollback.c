/* The ladder's rung "rollback": which configuration is proven, when an agent goes back to it, and when that is left alone. */
#include "story.h"

#include "base/text.h"

#define LILY "pm2:root/lily"
#define FILE_OF_LILY "/opt/lily/config.json"

static const char *const lily_config[] = { FILE_OF_LILY, "/opt/lily/prompts/**" };

static struct rule *configured(struct world *world, const char *name, enum manager manager, const char *pattern)
{
        struct rule *rule = world_rule(world, name, manager, pattern);

        rule->config = (const char **)(uintptr_t)lily_config;
        rule->config_n = 2;
        rule->heal.ladder[0] = RUNG_ROLLBACK;
        rule->heal.ladder[1] = RUNG_QUARANTINE;
        rule->heal.ladder_n = 2;
        return rule;
}

/* Lily, and enough neighbours for her quarantine to be allowed. */
static struct actor *lily_lives(struct world *world, bool enforce)
{
        struct actor *lily;

        world_init(world, 1);
        configured(world, "lily", MANAGER_PM2, "lily")->mode = enforce ? MODE_ENFORCE : MODE_OBSERVE;
        world_rule(world, "others", MANAGER_PM2, "*");
        lily = world_add(world, LILY);
        world_add(world, "pm2:root/anna");
        world_add(world, "pm2:root/bert");
        world_add(world, "pm2:root/carl");
        text_copy(lily->bad, sizeof(lily->bad), "bad");
        lily->life = 3 * S;
        world_judge(world);
        world_start(world);
        world_run(world, S);
        return lily;
}

/* ... whose present configuration is version 1 and proven. */
static struct actor *lily_is_proven(struct world *world, bool enforce)
{
        struct actor *lily = lily_lives(world, enforce);

        world_version(world, lily, "good", "");
        world_human(world, lily, ACTION_RESTART);
        world_run(world, 21 * MIN);
        world_forget_trace(world);
        return lily;
}

static void a_bad_file_comes(struct world *world, struct actor *lily, const char *lacks)
{
        world_config(world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 512, 530);
        world_version(world, lily, "bad", lacks);
        world_run(world, 40 * S);
        world_forget_trace(world);
        world_die(world, lily);
}

static struct version_view version_of(struct world *world, uint64_t number)
{
        struct version_view view = { .number = 0 };

        if (!judge_version_above(world->judge, LILY, number - 1, &view) || view.number != number)
                fail_msg("there is no version %u", (unsigned)number);
        return view;
}

static void a_bad_configuration_that_loops_is_put_back(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_is_proven(&world, true);
        a_bad_file_comes(&world, lily, "");
        world_run(&world, MIN);
        CHECK_TRACE(
                &world,
                "1307.0s open inc-2 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1, began 40s after /opt/lily/config.json was changed (512B to 530B)\n"
                "1307.0s rollback lily (heal)\n"
                "1317.0s resolve inc-2 lily crash-loop: healthy: up for 10s, with version 1 of its configuration back\n");
        assert_true(version_of(&world, 1).present);
        assert_true(version_of(&world, 1).last_healthy);
        assert_int_equal(version_of(&world, 2).healthy, 0);
        assert_true(version_of(&world, 2).failed > 0);
        world_done(&world);
}

static void what_loops_on_gets_the_next_rung(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_is_proven(&world, true);
        lily->bad[0] = '\0'; /* it was not the configuration */
        a_bad_file_comes(&world, lily, "");
        lily->ill_from = world.now;
        world_run(&world, MIN);
        CHECK_TRACE(
                &world,
                "1307.0s open inc-2 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1, began 40s after /opt/lily/config.json was changed (512B to 530B)\n"
                "1307.0s rollback lily (heal)\n"
                "1310.0s stop lily (quarantine)\n");
        world_done(&world);
}

/* What came before a long life is forgiven, also where that life was ended by an order: the first rung comes first again. */
static void a_deploy_after_a_long_life_begins_at_the_first_rung(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_is_proven(&world, true);
        lily->ill_from = world.now; /* of itself: nothing to go back to, it is quarantined */
        lily->ill_until = world.now + 10 * MIN;
        world_die(&world, lily);
        world_run(&world, HOUR);
        assert_true(lily->up);
        lily->ill_until = USEC_INFINITY;
        world_forget_trace(&world);
        world_deploy(&world, CHANGE_OPEN, 4711, LILY, "release 12");
        world_version(&world, lily, "bad", "");
        world_human(&world, lily, ACTION_RESTART);
        world_deploy(&world, CHANGE_CLOSE, 4711, LILY, "release 12");
        world_run(&world, MIN);
        CHECK_TRACE(
                &world,
                "4870.0s open inc-2 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1, began 3s after the deploy by uid:0 (release 12)\n"
                "4870.0s rollback lily (heal)\n"
                "4880.0s resolve inc-2 lily crash-loop: healthy: up for 10s, with version 1 of its configuration back\n");
        world_done(&world);
}

static void without_a_proven_one_there_is_nothing_to_go_back_to(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world, true);
        world_version(&world, lily, "good", "");
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, 9 * MIN); /* not quite */
        a_bad_file_comes(&world, lily, "");
        world_run(&world, 7 * S);
        assert_non_null(strstr(world_trace(&world), "withhold stop lily (human)"));
        world_forget_trace(&world);
        world_run(&world, 2 * MIN);
        CHECK_TRACE(&world, "601.0s withhold rollback lily (no-version): no configuration of it was ever proven\n"
                            "601.0s stop lily (quarantine)\n");
        world_done(&world);
}

static void a_version_that_is_not_kept_whole_is_no_way_back(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_is_proven(&world, true);
        a_bad_file_comes(&world, lily, "huge.json is larger than 8.0M");
        world_run(&world, 8 * S);
        assert_non_null(strstr(
                world_trace(&world),
                "withhold rollback lily (no-version): the present configuration could not be kept: huge.json is larger than 8.0M\n"));
        assert_non_null(strstr(world_trace(&world), "stop lily (quarantine)"));
        world_done(&world);
}

static void what_is_only_observed_is_told_only(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_is_proven(&world, false);
        a_bad_file_comes(&world, lily, "");
        world_run(&world, 8 * S);
        assert_non_null(strstr(world_trace(&world), "1307.0s would rollback lily (heal)\n"));
        assert_string_equal(lily->version, "bad");
        world_done(&world);
}

static void the_present_configuration_that_was_proven_is_kept(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_is_proven(&world, true);
        world_version(&world, lily, "newer", "");
        world_run(&world, 3 * MIN);
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, 21 * MIN); /* newer is proven now, and what then comes is not its fault */
        assert_true(version_of(&world, 2).last_healthy);
        world_forget_trace(&world);
        lily->ill_from = world.now;
        world_die(&world, lily);
        world_run(&world, 8 * S);
        assert_non_null(strstr(
                world_trace(&world),
                "withhold rollback lily (no-version): its configuration is version 2 already, the last that was proven\n"));
        assert_null(strstr(world_trace(&world), "began"));
        world_done(&world);
}

/* Its process has not read it. */
static void a_file_that_changes_beneath_a_process_proves_nothing(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_is_proven(&world, true);
        world_version(&world, lily, "newer", "");
        world_run(&world, 5 * HOUR);
        assert_int_equal(version_of(&world, 2).healthy, 0);
        assert_true(version_of(&world, 1).last_healthy);
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, 11 * MIN);
        assert_true(version_of(&world, 2).last_healthy);
        world_done(&world);
}

static void a_rollback_that_fails_is_followed_by_the_next_rung(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_is_proven(&world, true);
        world.deaf = true;
        a_bad_file_comes(&world, lily, "");
        world_run(&world, 8 * S);
        world.deaf = false;
        world_run(&world, MIN);
        CHECK_TRACE(
                &world,
                "1307.0s open inc-2 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1, began 40s after /opt/lily/config.json was changed (512B to 530B)\n"
                "1307.0s rollback lily (heal)\n"
                "1312.0s stop lily (quarantine)\n");
        world_done(&world);
}

static void humans_go_back_to_any_version(void **state)
{
        struct world world;
        struct actor *lily;
        char why[REASON_MAX];
        struct version_view view;

        (void)state;
        lily = lily_is_proven(&world, false);
        world_version(&world, lily, "newer", "");
        assert_false(judge_may_roll_back(world.judge, LILY, 7, &view, why));
        assert_string_equal(why, "there is no version 7");
        assert_false(judge_may_roll_back(world.judge, LILY, 2, &view, why));
        assert_string_equal(why, "its configuration is version 2 already");
        assert_true(judge_may_roll_back(world.judge, LILY, 0, &view, why));
        assert_int_equal(view.number, 1);
        world_ask(&world, LILY, ASK_ROLLBACK, 1);
        world_run(&world, S);
        world_ask(&world, LILY, ASK_ROLLBACK, 2);
        world_run(&world, S);
        world_ask(&world, LILY, ASK_ROLLBACK, 9); /* never was */
        world_run(&world, S);
        CHECK_TRACE(&world, "1261.0s rollback lily (asked)\n"
                            "1262.0s rollback lily (asked)\n");
        assert_string_equal(lily->version, "newer");
        world_done(&world);
}

static void a_human_gets_an_agent_out_of_quarantine_by_going_back(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_is_proven(&world, true);
        a_bad_file_comes(&world, lily, "");
        world.policy.rules[0].heal.ladder[0] = RUNG_QUARANTINE;
        world.policy.rules[0].heal.ladder_n = 1;
        world_run(&world, 8 * S);
        assert_true(story_view(&world, LILY).quarantined);
        world_forget_trace(&world);
        world.deaf = true;
        world_ask(&world, LILY, ASK_ROLLBACK, 1);
        world_run(&world, 5 * S);
        assert_true(story_view(&world, LILY).quarantined); /* what failed leaves it where it was */
        world.deaf = false;
        world_ask(&world, LILY, ASK_ROLLBACK, 1);
        world_run(&world, 15 * S);
        CHECK_TRACE(
                &world,
                "1309.0s rollback lily (asked)\n"
                "1314.0s rollback lily (asked)\n"
                "1324.0s resolve inc-2 lily crash-loop: healthy: up for 10s, with version 1 of its configuration back\n");
        world_done(&world);
}

static void versions_outlive_the_daemon(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_is_proven(&world, true);
        a_bad_file_comes(&world, lily, "");
        world_remember(&world);
        world_run(&world, MIN);
        assert_non_null(
                strstr(world_trace(&world), "began 40s after /opt/lily/config.json was changed (512B to 530B)"));
        assert_non_null(strstr(world_trace(&world), "rollback lily (heal)\n"));
        assert_non_null(strstr(world_trace(&world), "with version 1 of its configuration back"));
        world_done(&world);
}

static void the_proven_version_is_never_crowded_out(void **state)
{
        struct world world;
        struct actor *lily;
        char name[8];
        unsigned n = 0;
        struct version_view view = { .number = 0 };

        (void)state;
        lily = lily_is_proven(&world, true);
        for (unsigned i = 0; i < 50; i++) {
                snprintf(name, sizeof(name), "v%u", i);
                world_version(&world, lily, name, "");
                world_run(&world, S);
        }
        assert_true(version_of(&world, 1).last_healthy);
        assert_true(version_of(&world, 51).present);
        while (judge_version_above(world.judge, LILY, view.number, &view))
                n++;
        assert_int_equal(n, 8);
        world_done(&world);
}

static void files_of_several_agents_are_not_put_back_for_one(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        world_init(&world, 1);
        configured(&world, "all", MANAGER_PM2, "*");
        lily = world_add(&world, LILY);
        world_add(&world, "pm2:root/anna");
        world_add(&world, "pm2:root/bert");
        world_add(&world, "pm2:root/carl");
        lily->life = 3 * S;
        world_judge(&world);
        world_start(&world);
        world_run(&world, MIN);
        world_config(&world, "", FILE_OF_LILY, CONFIG_CHANGED, 512, 530); /* told of nobody in particular */
        world_forget_trace(&world);
        lily->ill_from = world.now;
        world_die(&world, lily);
        world_run(&world, 8 * S);
        CHECK_TRACE(
                &world,
                "66.0s open inc-2 lily crash-loop: 3 deaths in 1m (more than 2), each lived about 2.9s, last exit code 1, began right after /opt/lily/config.json was changed (512B to 530B)\n"
                "66.0s withhold rollback lily (no-version): its declared files are those of other agents too\n"
                "66.0s stop lily (quarantine)\n");
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_bad_configuration_that_loops_is_put_back),
                cmocka_unit_test(what_loops_on_gets_the_next_rung),
                cmocka_unit_test(without_a_proven_one_there_is_nothing_to_go_back_to),
                cmocka_unit_test(a_deploy_after_a_long_life_begins_at_the_first_rung),
                cmocka_unit_test(a_version_that_is_not_kept_whole_is_no_way_back),
                cmocka_unit_test(what_is_only_observed_is_told_only),
                cmocka_unit_test(the_present_configuration_that_was_proven_is_kept),
                cmocka_unit_test(a_file_that_changes_beneath_a_process_proves_nothing),
                cmocka_unit_test(a_rollback_that_fails_is_followed_by_the_next_rung),
                cmocka_unit_test(humans_go_back_to_any_version),
                cmocka_unit_test(a_human_gets_an_agent_out_of_quarantine_by_going_back),
                cmocka_unit_test(versions_outlive_the_daemon),
                cmocka_unit_test(the_proven_version_is_never_crowded_out),
                cmocka_unit_test(files_of_several_agents_are_not_put_back_for_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
