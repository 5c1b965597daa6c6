/* Another policy over a recorded week. The week is lived by a world (tests/world.h) in which a few things go wrong, and each
 * policy that is tried differs in the one rule that makes a known difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "chain_world.h"
#include "govctl/field.h"
#include "govctl_stage.h"

#define HEAD "mode: enforce\nmachine: { actions: { at_most: 100, within: 10m } }\nagents:\n"
#define LILY "  - { name: lily, pm2: lily, restarts: [ { more_than: 2, within: 60s } ] }\n"
#define ROSA "  - { name: rosa, pm2: rosa, restarts: [ { more_than: 2, within: 60s } ] }\n"
#define SEEN "  - { name: seen, systemd: agent-z, mode: observe }\n"
#define REST SEEN "  - { name: apps, pm2: \"*\" }\n  - { name: services, systemd: \"*\" }\n"

enum { ACTOR_LILY, ACTOR_ROSA, ACTOR_SERVICE, ACTOR_SEEN = 6 };

struct bed {
        struct chain_world chain;
        struct stage stage;
        json_t *told;
        char file[96];
};

static struct bed bed;

/* So many deaths, ten seconds apart. */
static void die(int actor, unsigned times)
{
        for (unsigned n = 0; n < times; n++) {
                world_die(&bed.chain.world, &bed.chain.world.actors[actor]);
                world_run(&bed.chain.world, 10 * USEC_PER_SEC);
        }
}

/* Three times a second: most of its deaths are recorded in sums. */
static void loop_for_an_hour(int actor)
{
        struct world *world = &bed.chain.world;
        struct actor *ill = &world->actors[actor];

        ill->life = 300 * USEC_PER_MSEC;
        ill->restart_delay = 0;
        ill->gives_up = false;
        ill->ill_from = ill->dies_at = world->now;
        ill->ill_until = world->now + USEC_PER_HOUR;
        world_run(world, USEC_PER_HOUR);
}

/* A child of it, a moment later. */
static void kill_a_child(int actor)
{
        struct fact fact = { .kind = FACT_OOM,
                             .manager = bed.chain.world.actors[actor].manager,
                             .agent = bed.chain.world.actors[actor].id,
                             .instance = bed.chain.world.actors[actor].number,
                             .oom = { .what = OOM_KILLED,
                                      .by = OOM_BY_MACHINE,
                                      .killed = 1,
                                      .pid = 4711,
                                      .comm = "convert",
                                      .cgroup = "",
                                      .limit = "",
                                      .others = "" } };

        world_run(&bed.chain.world, USEC_PER_MINUTE);
        world_send(&bed.chain.world, &fact);
}

static void live_a_week(void)
{
        struct world *world = &bed.chain.world;

        for (unsigned day = 0; day < 7; day++) {
                world_run(world, 2 * USEC_PER_HOUR);
                if (day == 1) {
                        die(ACTOR_LILY, 3);
                        kill_a_child(ACTOR_LILY);
                }
                if (day == 3)
                        die(ACTOR_ROSA, 2);
                if (day >= 4) /* the second of them ends with a death */
                        world_trial(world, "systemd:agent-x.service", TRIAL_BEGIN, judge_trial_next(world->judge),
                                    USEC_PER_HOUR);
                if (day == 4)
                        loop_for_an_hour(ACTOR_SEEN);
                if (day == 5)
                        die(ACTOR_SERVICE, 1);
                world_run(world, 21 * USEC_PER_HOUR);
                chain_world_begin(&bed.chain, true);
        }
        chain_world_settle(&bed.chain);
}

static int setup(void **state)
{
        static const char *const names[] = { "pm2:root/lily",          "pm2:root/rosa", "systemd:agent-x.service",
                                             "pm2:root/daisy",         "pm2:root/fern", "systemd:agent-y.service",
                                             "systemd:agent-z.service" };

        (void)state;
        chain_world_open(&bed.chain, STAGE_NOW - 7 * USEC_PER_DAY, HEAD LILY ROSA REST);
        for (unsigned n = 0; n < sizeof names / sizeof names[0]; n++)
                world_add(&bed.chain.world, names[n])->restart_delay = USEC_PER_SEC;
        stage_open(&bed.stage, NULL);
        chain_world_begin(&bed.chain, false);
        world_start(&bed.chain.world);
        live_a_week();
        snprintf(bed.file, sizeof bed.file, "%s/new.yaml", bed.chain.directory);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        json_decref(bed.told);
        stage_close(&bed.stage);
        chain_world_close(&bed.chain);
        return 0;
}

static int try(const char *yaml, const char *since)
{
        FILE *file = fopen(bed.file, "w");
        int code;

        assert_non_null(file);
        fputs(yaml, file);
        fclose(file);
        code = stage_run(&bed.stage, "policy", "test", bed.file, "--state", bed.chain.directory, "--json", "--since",
                         since, NULL);
        json_decref(bed.told);
        bed.told = json_loads(bed.stage.data, 0, NULL);
        if (!bed.told)
                fail_msg("no JSON: %s%s", bed.stage.data, bed.stage.talk);
        return code;
}

/* The changes as words, one a line. */
static const char *changes(void)
{
        static char text[2048];
        const json_t *change;
        size_t i, n = 0;

        text[0] = '\0';
        json_array_foreach (field(bed.told, "changes"), i, change)
                n += (size_t)snprintf(text + n, sizeof text - n, "%s %s %s\n", field_text(change, "change"),
                                      field_text(change, "what"), field_text(change, "agent"));
        return text;
}

static void the_same_policy_changes_nothing(void **state)
{
        (void)state;
        assert_int_equal(try(HEAD LILY ROSA REST, "8d"), 0);
        assert_string_equal(changes(), "");
        assert_true(field_number(bed.told, "counts.restart.same") > 0);
}

static void a_looser_rule_takes_restarts_away(void **state)
{
        (void)state;
        assert_int_equal(try(HEAD
                             "  - { name: lily, pm2: lily, restarts: [ { more_than: 5, within: 60s } ] }\n" ROSA REST,
                             "8d"),
                         0);
        assert_string_equal(changes(), "gone finding pm2:root/lily\n"
                                       "gone restart pm2:root/lily\n");
        assert_int_equal(stage_run(&bed.stage, "policy", "test", bed.file, "--state", bed.chain.directory, NULL), 0);
        assert_non_null(strstr(bed.stage.data, "1 restart would not have happened:\n  lily at Nov 14 03:45"));
}

static void a_tighter_rule_brings_a_new_restart(void **state)
{
        (void)state;
        assert_int_equal(try(HEAD LILY
                             "  - { name: rosa, pm2: rosa, restarts: [ { more_than: 1, within: 60s } ] }\n" REST,
                             "8d"),
                         3);
        assert_string_equal(changes(), "new finding pm2:root/rosa\n"
                                       "new restart pm2:root/rosa\n");
        assert_int_equal(stage_run(&bed.stage, "policy", "test", bed.file, "--state", bed.chain.directory, NULL), 3);
        assert_non_null(strstr(bed.stage.data, "1 restart new:\n  rosa at Nov 16 "));
        assert_non_null(strstr(bed.stage.data, "2 deaths in 1m (more than 1)"));
}

static void what_is_only_observed_is_no_restart(void **state)
{
        (void)state;
        assert_int_equal(try("mode: observe\nagents:\n" LILY ROSA REST, "8d"), 0);
        assert_string_equal(changes(), "gone restart pm2:root/lily\n");
}

static void quarantine_at_once_holds_the_agent_down(void **state)
{
        (void)state;
        assert_int_equal(
                try(HEAD "  - { name: lily, pm2: lily, restarts: [ { more_than: 2, within: 60s } ], heal: { ladder: "
                         "[quarantine] } }\n" ROSA REST,
                    "8d"),
                3);
        assert_string_equal(changes(), "gone restart pm2:root/lily\n"
                                       "gone finding pm2:root/lily\n" /* who is down cannot be killed for memory */
                                       "new quarantine pm2:root/lily\n"
                                       "new trial pm2:root/lily\n");
}

static void an_endless_loop_would_have_ended_in_quarantine(void **state)
{
        (void)state;
        assert_int_equal(
                try(HEAD LILY ROSA
                    "  - { name: held, systemd: agent-z, heal: { ladder: [quarantine], trial_after: 6h } }\n" REST,
                    "8d"),
                3);
        assert_string_equal(changes(), "new quarantine systemd:agent-z.service\n"
                                       "new trial systemd:agent-z.service\n");
}

static void what_was_before_since_is_left_alone(void **state)
{
        (void)state;
        assert_int_equal(try(HEAD
                             "  - { name: lily, pm2: lily, restarts: [ { more_than: 5, within: 60s } ] }\n" ROSA REST,
                             "3d"),
                         0);
        assert_string_equal(changes(), "");
}

static void a_policy_with_errors_is_not_tried(void **state)
{
        FILE *file = fopen(bed.file, "w");

        (void)state;
        fputs("mode: sometimes\n", file);
        fclose(file);
        assert_int_equal(stage_run(&bed.stage, "policy", "test", bed.file, "--state", bed.chain.directory, NULL), 1);
        assert_non_null(strstr(bed.stage.talk, "sometimes"));
        assert_int_equal(
                stage_run(&bed.stage, "policy", "test", "/nonexistent.yaml", "--state", bed.chain.directory, NULL), 5);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_same_policy_changes_nothing),
                cmocka_unit_test(a_looser_rule_takes_restarts_away),
                cmocka_unit_test(a_tighter_rule_brings_a_new_restart),
                cmocka_unit_test(what_is_only_observed_is_no_restart),
                cmocka_unit_test(quarantine_at_once_holds_the_agent_down),
                cmocka_unit_test(an_endless_loop_would_have_ended_in_quarantine),
                cmocka_unit_test(what_was_before_since_is_left_alone),
                cmocka_unit_test(a_policy_with_errors_is_not_tried),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
