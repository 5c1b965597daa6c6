/* Configuration drift and change windows: what is found, what is planned, and what survives. */
#include "story.h"

#define LILY "pm2:root/lily"
#define FILE_OF_LILY "/opt/lily/config.json"

static const char *const lily_config[] = { FILE_OF_LILY, "/opt/lily/prompts/**" };

static struct actor *lily_lives(struct world *world)
{
        struct actor *actor;
        struct rule *rule;

        world_init(world, 1);
        rule = world_rule(world, "lily", MANAGER_PM2, "lily");
        rule->config = (const char **)(uintptr_t)lily_config;
        rule->config_n = 2;
        actor = world_add(world, LILY);
        world_judge(world);
        world_start(world);
        world_run(world, MIN);
        return actor;
}

static void file_is(struct world *world, const char *agent, const char *path, enum config_change change,
                    uint64_t before, uint64_t size, uint32_t differing)
{
        struct fact fact = {
                .kind = FACT_CONFIG,
                .at = world->now,
                .manager = agent_manager(agent),
                .agent = agent,
                .instance = INSTANCE_ALL,
                .config = { .change = change,
                            .path = path,
                            .digest = "new",
                            .sealed = "old",
                            .size = size,
                            .sealed_size = before,
                            .mode = 0100644,
                            .sealed_mode = 0100644,
                            .modified = world->now,
                            .differing = differing },
        };

        world_send(world, &fact);
}

/* Something else than a file of a rule: `of` says what, `what` changed in it. */
static void thing_is(struct world *world, enum config_of of, const char *agent, const char *path,
                     enum config_change change, const char *what, uint32_t differing)
{
        struct fact fact = {
                .kind = FACT_CONFIG,
                .at = world->now,
                .manager = agent_manager(agent),
                .agent = agent,
                .instance = INSTANCE_ALL,
                .config = { .change = change,
                            .of = of,
                            .path = path,
                            .digest = "new",
                            .sealed = "old",
                            .size = 117,
                            .sealed_size = 120,
                            .mode = 0100644,
                            .sealed_mode = 0100644,
                            .modified = world->now,
                            .what = what,
                            .differing = differing },
        };

        world_send(world, &fact);
}

static void window(struct world *world, enum change_step step, uint64_t number, const char *agent, const char *pattern,
                   usec_t span)
{
        struct fact fact = {
                .kind = FACT_CHANGE,
                .at = world->now,
                .manager = agent_manager(agent),
                .agent = agent,
                .instance = INSTANCE_ALL,
                .change = { .step = step,
                            .number = number,
                            .pattern = pattern,
                            .since = world->now,
                            .until = world->now + span,
                            .by = "uid:0",
                            .reason = "test" },
        };

        world_send(world, &fact);
}

static void a_change_outside_of_a_window_is_a_finding(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 100, 530, 1);
        file_is(&world, LILY, "/opt/lily/prompts/a.md", CONFIG_ADDED, 0, 12, 2);
        file_is(&world, LILY, "/opt/lily/prompts/a.md", CONFIG_REMOVED, 0, 0, 1);
        world_run(&world, MIN);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_RESTORED, 100, 100, 0);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 lily config-drift: /opt/lily/config.json was changed, 100B to 530B outside of a change window\n"
                "60.0s worsen inc-1 lily config-drift: /opt/lily/prompts/a.md was added outside of a change window\n"
                "60.0s worsen inc-1 lily config-drift: /opt/lily/prompts/a.md was removed outside of a change window\n"
                "120.0s resolve inc-1 lily config-drift: every file is again as it was sealed\n");
        world_done(&world);
}

static void the_same_change_within_one_is_silent(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        window(&world, CHANGE_OPEN, 7, LILY, "", 15 * MIN);
        world_run(&world, MIN);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 100, 530, 0);
        file_is(&world, LILY, "/opt/lily/prompts/x/a.md", CONFIG_ADDED, 0, 12, 0);
        window(&world, CHANGE_CLOSE, 7, LILY, "", 0);
        CHECK_TRACE(&world, "");
        world_run(&world, S);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 530, 531, 1);
        CHECK_TRACE(
                &world,
                "121.0s open inc-1 lily config-drift: /opt/lily/config.json was changed, 530B to 531B outside of a change window\n");
        world_done(&world);
}

static void a_window_ends_with_its_time(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        window(&world, CHANGE_OPEN, 7, LILY, "", MIN);
        world_run(&world, MIN + S);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 1, 2, 1);
        CHECK_TRACE(
                &world,
                "121.0s open inc-1 lily config-drift: /opt/lily/config.json was changed, 1B to 2B outside of a change window\n");
        world_done(&world);
}

static void a_window_for_files_is_for_no_others(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        window(&world, CHANGE_OPEN, 7, "", "/opt/lily/prompts/**", 15 * MIN);
        file_is(&world, LILY, "/opt/lily/prompts/a.md", CONFIG_CHANGED, 1, 2, 0);
        CHECK_TRACE(&world, "");
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 1, 2, 1);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 lily config-drift: /opt/lily/config.json was changed, 1B to 2B outside of a change window\n");
        world_done(&world);
}

static void restarts_within_a_window_are_no_deaths(void **state)
{
        struct world world;
        struct actor *lily;

        (void)state;
        lily = lily_lives(&world);
        window(&world, CHANGE_OPEN, 7, LILY, "", 15 * MIN);
        for (int n = 0; n < 8; n++) {
                world_die(&world, lily);
                world_run(&world, 5 * S);
        }
        CHECK_TRACE(&world, "");
        window(&world, CHANGE_CLOSE, 7, LILY, "", 0);
        world_run(&world, 10 * S);
        for (int n = 0; n < 3; n++) {
                world_die(&world, lily);
                world_run(&world, 5 * S);
        }
        assert_non_null(strstr(world_trace(&world), "open inc-1 lily crash-loop: 3 deaths in 1m"));
        world_done(&world);
}

static void a_window_and_a_finding_survive_the_daemon(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 1, 2, 1);
        window(&world, CHANGE_OPEN, 7, LILY, "", 15 * MIN);
        world_forget_trace(&world);
        world_remember(&world);
        world_run(&world, MIN);
        file_is(&world, LILY, "/opt/lily/prompts/a.md", CONFIG_CHANGED, 1, 2, 1);
        CHECK_TRACE(&world, "");
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 1, 3, 0);
        CHECK_TRACE(&world, "120.0s resolve inc-1 lily config-drift: changed as announced\n");
        world_done(&world);
}

static void a_human_says_that_it_was_planned(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 1, 2, 1);
        world_forget_trace(&world);
        world_ask(&world, "", ASK_PLANNED, 1);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_SEALED, 1, 2, 0);
        CHECK_TRACE(&world, "60.0s resolve inc-1 lily config-drift: planned, says a human\n");
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 2, 3, 1);
        CHECK_TRACE(
                &world,
                "60.0s open inc-2 lily config-drift: /opt/lily/config.json was changed, 2B to 3B outside of a change window\n");
        world_done(&world);
}

static void a_file_of_several_agents_is_the_machines(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        file_is(&world, "", "/opt/shared.json", CONFIG_CHANGED, 1, 2, 1);
        world_remember(&world);
        file_is(&world, "", "/opt/shared.json", CONFIG_RESTORED, 1, 1, 0);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 machine config-drift: /opt/shared.json was changed, 1B to 2B outside of a change window\n"
                "60.0s resolve inc-1 machine config-drift: every file is again as it was sealed\n");
        world_done(&world);
}

/* ---- units, apps and the policy ------------------------------------------------------------------------------------------- */

#define ZOO "systemd:zoo-@7.service"
#define ZOO_FILE "/etc/systemd/system/zoo-@7.service.d/x.conf"
#define ZOO_TEMPLATE "/etc/systemd/system/zoo-@.service"

static void zoo_lives(struct world *world)
{
        world_init(world, 1);
        world_rule(world, "zoo", MANAGER_SYSTEMD, "zoo-*");
        world_add(world, ZOO);
        world_judge(world);
        world_start(world);
        world_run(world, MIN);
}

static void a_unit_and_a_file_of_one_agent_are_two_incidents(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 100, 530, 1);
        thing_is(&world, CONFIG_OF_APP, LILY, LILY, CONFIG_CHANGED, "args changed; env DEBUG added", 1);
        world_remember(&world);
        thing_is(&world, CONFIG_OF_APP, LILY, LILY, CONFIG_RESTORED, "", 0);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_RESTORED, 100, 100, 0);
        CHECK_TRACE(
                &world,
                "60.0s open inc-1 lily config-drift: /opt/lily/config.json was changed, 100B to 530B outside of a change window\n"
                "60.0s open inc-2 lily unit-drift: what PM2 has of it was changed: args changed; env DEBUG added outside of a change window\n"
                "60.0s resolve inc-2 lily unit-drift: it is again as it was sealed\n"
                "60.0s resolve inc-1 lily config-drift: every file is again as it was sealed\n");
        world_done(&world);
}

static void a_unit_that_is_not_loaded_says_so(void **state)
{
        struct world world;

        (void)state;
        zoo_lives(&world);
        thing_is(&world, CONFIG_OF_UNIT, ZOO, ZOO_FILE, CONFIG_CHANGED, "Restart=always -> no", 1);
        world_run(&world, 2 * S);
        thing_is(&world, CONFIG_OF_UNIT, ZOO, ZOO_FILE, CONFIG_PENDING, "", 2);
        world_run(&world, MIN);
        thing_is(&world, CONFIG_OF_UNIT, ZOO, ZOO_FILE, CONFIG_LOADED, "", 1);
        world_ask(&world, "", ASK_PLANNED, 1);
        CHECK_TRACE(&world,
                    "60.0s open inc-1 zoo-@7 unit-drift: " ZOO_FILE
                    " was changed: Restart=always -> no, 120B to 117B outside of a change window\n"
                    "62.0s worsen inc-1 zoo-@7 unit-drift: " ZOO_FILE " is not in force until systemctl daemon-reload\n"
                    "122.0s worsen inc-1 zoo-@7 unit-drift: " ZOO_FILE " is in force now\n"
                    "122.0s resolve inc-1 zoo-@7 unit-drift: planned, says a human\n");
        world_done(&world);
}

static void what_is_pending_alone_is_over_when_it_is_loaded(void **state)
{
        struct world world;

        (void)state;
        zoo_lives(&world);
        thing_is(&world, CONFIG_OF_UNIT, ZOO, ZOO_FILE, CONFIG_LOADED, "", 0); /* of nothing that was told */
        thing_is(&world, CONFIG_OF_UNIT, ZOO, ZOO_FILE, CONFIG_PENDING, "", 1);
        thing_is(&world, CONFIG_OF_UNIT, ZOO, ZOO_FILE, CONFIG_LOADED, "", 0);
        CHECK_TRACE(&world,
                    "60.0s open inc-1 zoo-@7 unit-drift: " ZOO_FILE " is not in force until systemctl daemon-reload\n"
                    "60.0s resolve inc-1 zoo-@7 unit-drift: what is on disk is in force\n");
        world_done(&world);
}

static void a_window_for_a_unit_is_for_its_files_and_its_template(void **state)
{
        struct world world;

        (void)state;
        zoo_lives(&world);
        window(&world, CHANGE_OPEN, 7, ZOO, "", 15 * MIN);
        thing_is(&world, CONFIG_OF_UNIT, ZOO, "/opt/elsewhere/zoo.service", CONFIG_CHANGED, "", 0);
        thing_is(&world, CONFIG_OF_UNIT, "", ZOO_TEMPLATE, CONFIG_CHANGED, "", 0);
        thing_is(&world, CONFIG_OF_UNIT, "", "/etc/systemd/system/service.d/all.conf", CONFIG_ADDED, "", 0);
        CHECK_TRACE(&world, "");
        thing_is(&world, CONFIG_OF_UNIT, "", "/etc/systemd/system/ant-@.service", CONFIG_CHANGED, "Nice changed", 1);
        thing_is(&world, CONFIG_OF_POLICY, "", "/etc/governor/policies.d/x.yaml", CONFIG_CHANGED, "", 1);
        CHECK_TRACE(&world,
                    "60.0s open inc-1 machine unit-drift: /etc/systemd/system/ant-@.service was changed: Nice changed, "
                    "120B to 117B outside of a change window\n"
                    "60.0s open inc-2 machine config-drift: /etc/governor/policies.d/x.yaml was changed, 120B to 117B "
                    "and is not in force: govctl reload\n");
        world_done(&world);
}

static void a_window_for_an_app_is_for_what_pm2_has_of_it(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        window(&world, CHANGE_OPEN, 7, LILY, "", 15 * MIN);
        thing_is(&world, CONFIG_OF_APP, LILY, LILY, CONFIG_CHANGED, "args changed", 0);
        window(&world, CHANGE_CLOSE, 7, LILY, "", 0);
        CHECK_TRACE(&world, "");
        world_run(&world, S);
        thing_is(&world, CONFIG_OF_APP, LILY, LILY, CONFIG_CHANGED, "env API_KEY: other value", 1);
        thing_is(&world, CONFIG_OF_APP, LILY, LILY, CONFIG_FORGOTTEN, "", 0);
        CHECK_TRACE(
                &world,
                "61.0s open inc-1 lily unit-drift: what PM2 has of it was changed: env API_KEY: other value outside "
                "of a change window\n"
                "61.0s resolve inc-1 lily unit-drift: it is no longer declared\n");
        world_done(&world);
}

static void units_that_nobody_governs_are_not_judged(void **state)
{
        struct world world;

        (void)state;
        zoo_lives(&world);
        thing_is(&world, CONFIG_OF_UNIT, "systemd:stranger.service", "/etc/systemd/system/stranger.service",
                 CONFIG_CHANGED, "", 1);
        CHECK_TRACE(&world, "");
        thing_is(&world, CONFIG_OF_UNIT, ZOO, ZOO_FILE, CONFIG_CHANGED, "", 1);
        world.rules[0].pattern = "other-*"; /* another policy */
        judge_set_policy(world.judge, &world.policy);
        thing_is(&world, CONFIG_OF_UNIT, ZOO, ZOO_FILE, CONFIG_CHANGED, "", 1);
        thing_is(&world, CONFIG_OF_UNIT, ZOO, ZOO_FILE, CONFIG_FORGOTTEN, "", 0);
        CHECK_TRACE(&world, "60.0s open inc-1 zoo-@7 unit-drift: " ZOO_FILE
                            " was changed, 120B to 117B outside of a change window\n"
                            "60.0s resolve inc-1 zoo-@7 unit-drift: it is no longer declared\n");
        world_done(&world);
}

static void machine_incidents_of_three_kinds_survive_the_daemon(void **state)
{
        struct world world;

        (void)state;
        zoo_lives(&world);
        file_is(&world, "", "/opt/shared.json", CONFIG_CHANGED, 1, 2, 1);
        thing_is(&world, CONFIG_OF_UNIT, "", ZOO_TEMPLATE, CONFIG_CHANGED, "", 1);
        thing_is(&world, CONFIG_OF_POLICY, "", "/etc/governor/governor.yaml", CONFIG_PENDING, "it has 2 errors", 1);
        world_forget_trace(&world);
        world_remember(&world);
        thing_is(&world, CONFIG_OF_POLICY, "", "/etc/governor/governor.yaml", CONFIG_LOADED, "", 0);
        thing_is(&world, CONFIG_OF_UNIT, "", ZOO_TEMPLATE, CONFIG_RESTORED, "", 0);
        file_is(&world, "", "/opt/shared.json", CONFIG_SEALED, 1, 1, 0);
        CHECK_TRACE(&world, "60.0s resolve inc-3 machine config-drift: what is on disk is in force\n"
                            "60.0s resolve inc-2 machine unit-drift: every file is again as it was sealed\n"
                            "60.0s resolve inc-1 machine config-drift: sealed as it is\n");
        world_done(&world);
}

static void a_file_that_changes_for_ever_is_told_ever_more_rarely(void **state)
{
        struct world world;
        unsigned lines = 0;

        (void)state;
        lily_lives(&world);
        for (unsigned n = 0; n < 1000; n++)
                file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 1, 2 + n, 1);
        for (const char *at = world_trace(&world); *at; at++)
                lines += *at == '\n';
        assert_int_equal(lines, 12); /* ten, the 100th and the 1,000th */
        world_done(&world);
}

/* ---- Governor's own hand --------------------------------------------------------------------------------------------------- */

#define ZOO_TRIAL "/run/systemd/system/zoo-@7.service.d/60-governor-limits-trial.conf"
#define ZOO_KEPT "/etc/systemd/system/zoo-@7.service.d/50-governor-limits.conf"
#define ZOO_OVERRIDE "/etc/systemd/system/zoo-@7.service.d/override.conf"

/* Seen now; written `age` ago. */
static void drop_in_is(struct world *world, const char *path, enum config_change change, usec_t age)
{
        struct fact fact = {
                .kind = FACT_CONFIG,
                .at = world->now,
                .manager = MANAGER_SYSTEMD,
                .agent = ZOO,
                .instance = INSTANCE_ALL,
                .config = { .change = change,
                            .of = CONFIG_OF_UNIT,
                            .path = path,
                            .digest = change == CONFIG_REMOVED ? "" : "new",
                            .sealed = change == CONFIG_ADDED ? "" : "old",
                            .size = 117,
                            .sealed_size = 120,
                            .modified = change == CONFIG_REMOVED ? 0 : world->now - age,
                            .what = "",
                            .differing = 1 },
        };

        world_send(world, &fact);
}

static void what_governors_own_hand_does_is_planned(void **state)
{
        struct world world;

        (void)state;
        zoo_lives(&world);
        world_trial(&world, ZOO, TRIAL_BEGIN, 1, 10 * MIN);
        drop_in_is(&world, ZOO_TRIAL, CONFIG_ADDED, 0); /* its outcome is still to come */
        drop_in_is(&world, ZOO_TRIAL, CONFIG_PENDING, 0);
        world_run(&world, S);
        drop_in_is(&world, ZOO_TRIAL, CONFIG_CHANGED, S);
        world_run(&world, MIN);
        world_trial(&world, ZOO, TRIAL_KEEP, 1, 0);
        world_run(&world, S);
        drop_in_is(&world, ZOO_TRIAL, CONFIG_REMOVED, 0);
        drop_in_is(&world, ZOO_KEPT, CONFIG_ADDED, S);
        world_run(&world, HOUR);
        world_remember(&world);
        world_trial(&world, ZOO, TRIAL_UNDO, 1, 0);
        drop_in_is(&world, ZOO_KEPT, CONFIG_REMOVED, 0);
        world_run(&world, HOUR);
        CHECK_TRACE(&world, "60.0s limit zoo-@7 (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n"
                            "121.0s limit zoo-@7 (keep): MemoryMax=128M, kept by a human\n"
                            "3722.0s unlimit zoo-@7 (undo): taken back by uid:0: test\n");
        world_done(&world);
}

static void what_it_did_and_nobody_saw_is_planned_an_hour_later(void **state)
{
        struct world world;

        (void)state;
        zoo_lives(&world);
        world_host(&world, HOUR);
        world_trial(&world, ZOO, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, S);
        world_leave(&world);
        world_run(&world, 5 * MIN);
        world_return(&world);
        drop_in_is(&world, ZOO_TRIAL, CONFIG_ADDED, 5 * MIN + S);
        world_leave(&world);
        world_run(&world, MIN);
        world_reboot(&world);
        world_return(&world);
        world_host(&world, MIN);
        drop_in_is(&world, ZOO_TRIAL, CONFIG_REMOVED, 0);
        world_run(&world, MIN);
        CHECK_TRACE(&world, "60.0s limit zoo-@7 (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n"
                            "421.0s unlimit zoo-@7 (undo): the machine was started anew\n");
        world_done(&world);
}

static void another_hand_in_governors_own_drop_in_is_drift(void **state)
{
        struct world world;

        (void)state;
        zoo_lives(&world);
        drop_in_is(&world, ZOO_KEPT, CONFIG_ADDED, 0); /* nobody limited it */
        world_ask(&world, "", ASK_PLANNED, 1);
        world_trial(&world, ZOO, TRIAL_BEGIN, 1, 10 * MIN);
        world_run(&world, MIN);
        drop_in_is(&world, ZOO_TRIAL, CONFIG_CHANGED, S);
        world_ask(&world, "", ASK_PLANNED, 2);
        drop_in_is(&world, ZOO_TRIAL, CONFIG_REMOVED, 0);
        CHECK_TRACE(&world,
                    "60.0s open inc-1 zoo-@7 unit-drift: " ZOO_KEPT " was added outside of a change window\n"
                    "60.0s resolve inc-1 zoo-@7 unit-drift: planned, says a human\n"
                    "60.0s limit zoo-@7 (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n"
                    "120.0s open inc-2 zoo-@7 unit-drift: " ZOO_TRIAL
                    " was changed, 120B to 117B outside of a change window\n"
                    "120.0s resolve inc-2 zoo-@7 unit-drift: planned, says a human\n"
                    "120.0s open inc-3 zoo-@7 unit-drift: " ZOO_TRIAL " was removed outside of a change window\n");
        world_done(&world);
}

static void its_work_covers_no_other_file_and_no_other_unit(void **state)
{
        struct world world;

        (void)state;
        zoo_lives(&world);
        world_trial(&world, ZOO, TRIAL_BEGIN, 1, 10 * MIN);
        drop_in_is(&world, ZOO_OVERRIDE, CONFIG_ADDED, 0);
        thing_is(&world, CONFIG_OF_FILE, ZOO, ZOO_TRIAL, CONFIG_ADDED, "", 1);
        CHECK_TRACE(&world,
                    "60.0s limit zoo-@7 (asked): MemoryMax=128M, on trial for 10m; asked for by uid:0: test\n"
                    "60.0s open inc-1 zoo-@7 unit-drift: " ZOO_OVERRIDE " was added outside of a change window\n"
                    "60.0s open inc-2 zoo-@7 config-drift: " ZOO_TRIAL " was added outside of a change window\n");
        drop_in_is(&world, "/run/systemd/system/zoo-@8.service.d/60-governor-limits-trial.conf", CONFIG_CHANGED, 0);
        CHECK_TRACE(
                &world,
                "60.0s worsen inc-1 zoo-@7 unit-drift: /run/systemd/system/zoo-@8.service.d/60-governor-limits-trial.conf "
                "was changed, 120B to 117B outside of a change window\n");
        world_done(&world);
}

static void more_windows_than_there_is_room_for_do_no_harm(void **state)
{
        struct world world;

        (void)state;
        lily_lives(&world);
        for (unsigned n = 1; n <= 40; n++)
                window(&world, CHANGE_OPEN, n, "", "/etc/x", HOUR);
        window(&world, CHANGE_CLOSE, 40, "", "", 0); /* never was */
        window(&world, CHANGE_CLOSE, 3, "", "", 0);
        window(&world, CHANGE_OPEN, 41, LILY, "", HOUR);
        file_is(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 1, 2, 0);
        CHECK_TRACE(&world, "");
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_change_outside_of_a_window_is_a_finding),
                cmocka_unit_test(the_same_change_within_one_is_silent),
                cmocka_unit_test(a_window_ends_with_its_time),
                cmocka_unit_test(a_window_for_files_is_for_no_others),
                cmocka_unit_test(restarts_within_a_window_are_no_deaths),
                cmocka_unit_test(a_window_and_a_finding_survive_the_daemon),
                cmocka_unit_test(a_human_says_that_it_was_planned),
                cmocka_unit_test(a_file_of_several_agents_is_the_machines),
                cmocka_unit_test(a_unit_and_a_file_of_one_agent_are_two_incidents),
                cmocka_unit_test(a_unit_that_is_not_loaded_says_so),
                cmocka_unit_test(what_is_pending_alone_is_over_when_it_is_loaded),
                cmocka_unit_test(a_window_for_a_unit_is_for_its_files_and_its_template),
                cmocka_unit_test(a_window_for_an_app_is_for_what_pm2_has_of_it),
                cmocka_unit_test(units_that_nobody_governs_are_not_judged),
                cmocka_unit_test(machine_incidents_of_three_kinds_survive_the_daemon),
                cmocka_unit_test(a_file_that_changes_for_ever_is_told_ever_more_rarely),
                cmocka_unit_test(what_governors_own_hand_does_is_planned),
                cmocka_unit_test(what_it_did_and_nobody_saw_is_planned_an_hour_later),
                cmocka_unit_test(another_hand_in_governors_own_drop_in_is_drift),
                cmocka_unit_test(its_work_covers_no_other_file_and_no_other_unit),
                cmocka_unit_test(more_windows_than_there_is_room_for_do_no_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
