/* What was decided for the memory floor follows from the log, and other policies are tried over it. A world lives it. */
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

#define MB (UINT64_C(1) << 20)
#define FLOOR "mode: enforce\nmachine: { memory_floor: 200M, actions: { at_most: 100, within: 10m } }\n"
#define HOG "  - { name: hog, pm2: hog, critical: true }\n"
#define REST "  - { name: apps, pm2: \"*\" }\n  - { name: services, systemd: \"*\" }\n"
#define POLICY FLOOR "agents:\n" HOG REST

enum { ACTOR_HOG, ACTOR_OTTO, ACTOR_LILY, ACTOR_UNIT };

struct bed {
        struct chain_world chain;
        struct stage stage;
        json_t *told;
        char file[96];
};

static struct bed bed;

static void begin(void)
{
        static const struct {
                const char *id;
                uint64_t holds, needs;
        } actors[] = { { "pm2:root/hog", 300, 300 },
                       { "pm2:root/otto", 150, 50 },
                       { "pm2:root/lily", 100, 40 },
                       { "systemd:agent-x.service", 60, 20 } };

        for (unsigned n = 0; n < sizeof actors / sizeof actors[0]; n++) {
                struct actor *actor = world_add(&bed.chain.world, actors[n].id);

                actor->holds = actors[n].holds * MB;
                actor->needs = actors[n].needs * MB;
        }
        chain_world_begin(&bed.chain, false);
        world_start(&bed.chain.world);
        world_memory(&bed.chain.world, 1000 * MB, 100 * MB);
        world_run(&bed.chain.world, 20 * USEC_PER_MINUTE);
}

static int setup(void **state)
{
        chain_world_open(&bed.chain, STAGE_NOW - 2 * USEC_PER_DAY, POLICY);
        stage_open(&bed.stage, NULL);
        snprintf(bed.file, sizeof bed.file, "%s/new.yaml", bed.chain.directory);
        begin();
        return 0;
}

static int teardown(void **state)
{
        json_decref(bed.told);
        bed.told = NULL;
        stage_close(&bed.stage);
        chain_world_close(&bed.chain);
        return 0;
}

static void squeeze(uint64_t mb, usec_t time)
{
        bed.chain.world.memory.others += mb * MB;
        world_run(&bed.chain.world, time);
}

static int ask(const char *verb, const char *file)
{
        int code;

        chain_world_settle(&bed.chain);
        if (file)
                code = stage_run(&bed.stage, verb, "test", file, "--state", bed.chain.directory, "--since", "8d",
                                 "--json", NULL);
        else
                code = stage_run(&bed.stage, verb, "--state", bed.chain.directory, "--json", NULL);
        json_decref(bed.told);
        bed.told = json_loads(bed.stage.data, 0, NULL);
        if (!bed.told)
                fail_msg("no JSON: %s%s", bed.stage.data, bed.stage.talk);
        return code;
}

static void replays(int least)
{
        assert_int_equal(ask("replay", NULL), 0);
        assert_int_equal(field_number(bed.told, "differ"), 0);
        assert_int_equal(field_number(bed.told, "not_compared"), 0);
        assert_true(field_number(bed.told, "same") >= least);
}

static void the_same_facts_give_the_same_restarts(void **state)
{
        squeeze(180, USEC_PER_HOUR);
        squeeze(300, 3 * USEC_PER_HOUR);
        bed.chain.world.memory.others = 100 * MB;
        world_run(&bed.chain.world, USEC_PER_HOUR);
        chain_world_end(&bed.chain);
        replays(12);
}

static void the_judge_goes_on_from_what_it_remembers(void **state)
{
        squeeze(250, 13 * USEC_PER_SEC + 700 * USEC_PER_MSEC);
        for (unsigned n = 0; n < 6; n++) {
                chain_world_begin(&bed.chain, true);
                world_run(&bed.chain.world, 3 * USEC_PER_SEC);
        }
        world_run(&bed.chain.world, USEC_PER_HOUR);
        replays(8);
}

/* The daemon ends while the restart is under way, and what it decides when it is back is another run's. */
static void a_daemon_that_comes_back_is_another_run(void **state)
{
        squeeze(150, 5 * USEC_PER_SEC + 8100 * USEC_PER_MSEC);
        chain_world_end(&bed.chain);
        world_leave(&bed.chain.world);
        world_run(&bed.chain.world, USEC_PER_MINUTE);
        bed.chain.world.away = false;
        chain_world_begin(&bed.chain, false);
        world_run(&bed.chain.world, USEC_PER_HOUR);
        replays(5);
        assert_int_equal(json_array_size(field(bed.told, "runs")), 2);
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

static int try(const char *yaml)
{
        FILE *file = fopen(bed.file, "w");

        assert_non_null(file);
        fputs(yaml, file);
        fclose(file);
        return ask("policy", bed.file);
}

static void the_same_policy_changes_nothing(void **state)
{
        squeeze(180, USEC_PER_HOUR);
        assert_int_equal(try(POLICY), 0);
        assert_string_equal(changes(), "");
        assert_int_equal(field_number(bed.told, "counts.restart.same"), 2);
        assert_int_equal(field_number(bed.told, "counts.finding.same"), 1);
}

static void without_a_floor_nobody_would_have_been_restarted(void **state)
{
        squeeze(180, USEC_PER_HOUR);
        assert_int_equal(try("mode: enforce\nagents:\n" HOG REST), 0);
        assert_string_equal(changes(), "gone finding \n"
                                       "gone denial pm2:root/hog\n"
                                       "gone restart pm2:root/otto\n"
                                       "gone restart pm2:root/lily\n");
}

/* The numbers are in the log: by a lower floor they are no reason, by one in between they are. */
static void a_lower_floor_is_judged_by_the_same_numbers(void **state)
{
        squeeze(180, USEC_PER_HOUR); /* 110 MB are left */
        assert_int_equal(try("mode: enforce\nmachine: { memory_floor: 100M }\nagents:\n" HOG REST), 0);
        assert_string_equal(changes(), "gone finding \n"
                                       "gone denial pm2:root/hog\n"
                                       "gone restart pm2:root/otto\n"
                                       "gone restart pm2:root/lily\n");
}

static void another_one_is_restarted_when_the_first_is_critical(void **state)
{
        squeeze(180, USEC_PER_HOUR);
        assert_int_equal(try(FLOOR "agents:\n  - { name: dear, pm2: otto, critical: true }\n" HOG REST), 3);
        assert_non_null(strstr(changes(), "gone restart pm2:root/otto\n"));
        assert_non_null(strstr(changes(), "new denial pm2:root/otto\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(the_same_facts_give_the_same_restarts),
                TEST(the_judge_goes_on_from_what_it_remembers),
                TEST(a_daemon_that_comes_back_is_another_run),
                TEST(the_same_policy_changes_nothing),
                TEST(without_a_floor_nobody_would_have_been_restarted),
                TEST(a_lower_floor_is_judged_by_the_same_numbers),
                TEST(another_one_is_restarted_when_the_first_is_critical),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
