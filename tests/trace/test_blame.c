/* Cause and effect: what changed before a trouble began is named in it, and what had proven harmless is not. */
#include "story.h"

#include "base/text.h"

#define LILY "pm2:root/lily"
#define ZOO "systemd:zoo-a.service"
#define FILE_OF_LILY "/opt/lily/config.json"

static const char *const lily_config[] = { FILE_OF_LILY, "/opt/lily/prompts/**" };

static struct actor *lily_lives(struct world *world)
{
        struct actor *lily;
        struct rule *rule;

        world_init(world, 1);
        rule = world_rule(world, "lily", MANAGER_PM2, "lily");
        rule->config = (const char **)(uintptr_t)lily_config;
        rule->config_n = 2;
        rule->heal.ladder_n = 0; /* only what is found matters here */
        world_rule(world, "zoo", MANAGER_SYSTEMD, "zoo-*")->heal.ladder_n = 0;
        lily = world_add(world, LILY);
        lily->life = 3 * S;
        world_add(world, ZOO)->life = 3 * S;
        world_judge(world);
        world_start(world);
        world_run(world, MIN);
        return lily;
}

/* It loops from now on; what is then said of that, from "began" on. */
static const char *said_of(struct world *world, struct actor *actor)
{
        static char said[512];
        const char *began, *end;

        world_forget_trace(world);
        actor->ill_from = world->now;
        world_die(world, actor);
        world_run(world, 12 * S);
        assert_non_null(strstr(world_trace(world), "crash-loop"));
        began = strstr(world_trace(world), "began ");
        end = began ? strchr(began, '\n') : NULL;
        snprintf(said, sizeof(said), "%.*s", (int)(end ? end - began : 0), began ? began : "");
        return said;
}

static void a_file_that_changed_before_it_is_named(void **state)
{
        struct world world;
        struct actor *lily = lily_lives(&world);

        (void)state;
        world_config(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 512, 530);
        world_run(&world, 40 * S);
        assert_string_equal(said_of(&world, lily), "began 40s after /opt/lily/config.json was changed (512B to 530B)");
        world_done(&world);
}

static void several_files_are_counted(void **state)
{
        struct world world;
        struct actor *lily = lily_lives(&world);

        (void)state;
        world_config(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 512, 530);
        world_config(&world, LILY, "/opt/lily/prompts/a.md", CONFIG_ADDED, 0, 5);
        world_config(&world, LILY, "/opt/lily/prompts/b.md", CONFIG_REMOVED, 5, 0);
        world_run(&world, 2 * MIN);
        assert_string_equal(said_of(&world, lily), "began 2m after /opt/lily/prompts/b.md and 2 more were changed");
        world_done(&world);
}

static void a_change_that_a_life_has_survived_is_not_named(void **state)
{
        struct world world;
        struct actor *lily = lily_lives(&world);

        (void)state;
        world_config(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 512, 530);
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, 11 * MIN);
        assert_string_equal(said_of(&world, lily), "");
        world_done(&world);
}

/* Days later, for the process had not read it. */
static void the_first_start_since_a_change_is_where_it_shows(void **state)
{
        struct world world;
        struct actor *lily = lily_lives(&world);

        (void)state;
        world_config(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 512, 512);
        world_run(&world, 50 * HOUR);
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, S);
        assert_string_equal(said_of(&world, lily), "began 2d 2h after /opt/lily/config.json was changed");
        world_done(&world);
}

static void a_deploy_is_named_with_what_changed_in_it(void **state)
{
        struct world world;
        struct actor *lily = lily_lives(&world);

        (void)state;
        world_deploy(&world, CHANGE_OPEN, 7, LILY, "release 12");
        world_run(&world, 5 * S);
        world_config(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 512, 530);
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, S);
        world_deploy(&world, CHANGE_CLOSE, 7, LILY, "release 12");
        world_run(&world, 12 * S);
        assert_string_equal(
                said_of(&world, lily),
                "began 12s after the deploy by uid:0 (release 12), in which /opt/lily/config.json was changed (512B to 530B)");
        world_done(&world);
}

static void what_a_manager_has_of_it_is_named_too(void **state)
{
        struct world world;
        struct actor *lily = lily_lives(&world);
        struct fact fact = { .kind = FACT_CONFIG,
                             .manager = MANAGER_SYSTEMD,
                             .agent = ZOO,
                             .instance = INSTANCE_ALL,
                             .config = { .change = CONFIG_ADDED,
                                         .of = CONFIG_OF_UNIT,
                                         .path = "/etc/systemd/system/zoo-a.service.d/x.conf",
                                         .digest = "new",
                                         .sealed = "" } };

        (void)state, (void)lily;
        world_send(&world, &fact);
        world_run(&world, 3 * S);
        assert_string_equal(said_of(&world, &world.actors[1]),
                            "began 3s after /etc/systemd/system/zoo-a.service.d/x.conf was added");
        world_done(&world);
}

static void packages_come_after_what_is_its_own(void **state)
{
        struct world world;
        struct actor *lily = lily_lives(&world);

        (void)state;
        world_package(&world, "nodejs", PACKAGE_UPGRADED, "18.1", "18.2");
        world_run(&world, 3 * MIN);
        assert_string_equal(said_of(&world, lily), "began 3m after package nodejs was upgraded (18.1 to 18.2)");
        lily->ill_from = USEC_INFINITY;
        lily->dies_at = USEC_INFINITY;
        world_done(&world);

        lily = lily_lives(&world);
        world_package(&world, "nodejs", PACKAGE_UPGRADED, "18.1", "18.2");
        world_run(&world, MIN);
        world_config(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 512, 530);
        world_run(&world, MIN);
        assert_string_equal(
                said_of(&world, lily),
                "began 1m after /opt/lily/config.json was changed (512B to 530B); 2m after package nodejs was "
                "upgraded (18.1 to 18.2)");
        world_done(&world);

        lily = lily_lives(&world);
        world_package(&world, "tzdata", PACKAGE_UPGRADED, "1", "2");
        world_run(&world, 2 * HOUR);
        assert_string_equal(said_of(&world, lily), "");
        world_done(&world);
}

static void what_changed_is_known_to_the_next_run(void **state)
{
        struct world world;
        struct actor *lily = lily_lives(&world);

        (void)state;
        world_deploy(&world, CHANGE_OPEN, 7, LILY, "release 12");
        world_config(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 512, 530);
        world_deploy(&world, CHANGE_CLOSE, 7, LILY, "release 12");
        world_package(&world, "nodejs", PACKAGE_UPGRADED, "18.1", "18.2");
        world_run(&world, 10 * S);
        world_forget_trace(&world);
        world_remember(&world);
        CHECK_TRACE(&world, "");
        assert_string_equal(
                said_of(&world, lily),
                "began 10s after the deploy by uid:0 (release 12), in which /opt/lily/config.json was changed (512B to 530B); "
                "10s after package nodejs was upgraded (18.1 to 18.2)");
        world_done(&world);
}

static void a_dead_agent_is_told_with_what_changed(void **state)
{
        struct world world;
        struct actor *lily = lily_lives(&world);

        (void)state;
        lily->nobody_restarts = true;
        world_config(&world, LILY, FILE_OF_LILY, CONFIG_CHANGED, 512, 530);
        world_run(&world, 5 * S);
        world_forget_trace(&world);
        world_die(&world, lily);
        world_run(&world, 8 * S);
        assert_non_null(strstr(world_trace(&world), "claimed-not-running: pm2 gave it up"));
        assert_non_null(strstr(world_trace(&world), ", began 5.0s after /opt/lily/config.json was changed"));
        world_done(&world);
}

static void what_fails_together_is_told_with_the_package_before_it(void **state)
{
        struct world world;
        char name[32];

        (void)state;
        world_init(&world, 1);
        for (int n = 0; n < 8; n++) {
                snprintf(name, sizeof(name), "systemd:zoo-%d.service", n);
                world_add(&world, name);
        }
        world_judge(&world);
        world_start(&world);
        world_run(&world, MIN);
        world_package(&world, "nodejs", PACKAGE_UPGRADED, "18.1", "18.2");
        world_run(&world, MIN);
        for (int n = 0; n < 8; n++)
                world_die(&world, &world.actors[n]);
        world_run(&world, 5 * S);
        assert_non_null(strstr(world_trace(&world), "common-cause: "));
        assert_non_null(strstr(world_trace(&world), "; 1m after package nodejs was upgraded (18.1 to 18.2)\n"));
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_that_changed_before_it_is_named),
                cmocka_unit_test(several_files_are_counted),
                cmocka_unit_test(a_change_that_a_life_has_survived_is_not_named),
                cmocka_unit_test(the_first_start_since_a_change_is_where_it_shows),
                cmocka_unit_test(a_deploy_is_named_with_what_changed_in_it),
                cmocka_unit_test(what_a_manager_has_of_it_is_named_too),
                cmocka_unit_test(packages_come_after_what_is_its_own),
                cmocka_unit_test(what_changed_is_known_to_the_next_run),
                cmocka_unit_test(a_dead_agent_is_told_with_what_changed),
                cmocka_unit_test(what_fails_together_is_told_with_the_package_before_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
