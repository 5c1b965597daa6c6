/* What an agent used, drawn: from the daemon's answer, and from the file where none runs. */
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
#include "io/history.h"

static void a_day_is_drawn_with_its_incidents_marked(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        stage.width = 80;
        assert_int_equal(stage_run(&stage, "history", "lily", NULL), 0);
        stage_expect_golden(&stage, "history.txt");
        stage_close(&stage);
}

static void plain_characters_draw_the_same(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        stage.width = 80;
        assert_int_equal(stage_run(&stage, "history", "lily", "--ascii", NULL), 0);
        stage_expect_golden(&stage, "history-ascii.txt");
        for (const char *c = stage.data; *c; c++)
                assert_true((unsigned char)*c < 128);
        stage.plain = true;
        assert_int_equal(stage_run(&stage, "history", "lily", NULL), 0);
        stage_expect_golden(&stage, "history-ascii.txt");
        stage_close(&stage);
}

static void every_width_can_be_drawn(void **state)
{
        struct stage stage;

        (void)state;
        stage_open(&stage, "");
        for (stage.width = 40; stage.width < 1000; stage.width += 97) {
                assert_int_equal(stage_run(&stage, "history", "lily", "--since", "400d", NULL), 0);
                assert_int_equal(stage_run(&stage, "history", "lily", "--since", "1m", NULL), 0);
        }
        assert_int_equal(stage_run(&stage, "history", "lily", "--since", "yesterday", NULL), 2);
        stage_close(&stage);
}

/* Without a daemon root reads the file. */
static void the_file_is_read_where_no_daemon_runs(void **state)
{
        char directory[] = "/tmp/govctl-history-XXXXXX", path[64], command[64];
        uint64_t now = STAGE_NOW / USEC_PER_SEC;
        const struct history_sample samples[] = {
                { "pm2:root/lily", now - 600, 60, 64 << 20, 64 << 20, 20, 0 },
                { "pm2:root/lily", now - 540, 60, 80 << 20, 80 << 20, 30, 2 },
                { HISTORY_MACHINE, now - 540, 60, 1 << 30, 1 << 30, 900, 0 },
        };
        struct stage stage;

        (void)state;
        stage_open(&stage, NULL);
        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof path, "%s/history.db", directory);
        assert_int_equal(stage_run(&stage, "history", "lily", "--state", directory, NULL), 5);
        assert_non_null(strstr(stage.talk, "there is no history yet"));
        assert_int_equal(history_write(path, &history_limits, samples, 3, now), 0);
        assert_int_equal(stage_run(&stage, "history", "lily", "--state", directory, "--json", NULL), 0);
        json_t *told = json_loads(stage.data, 0, NULL);

        assert_string_equal(field_text(told, "agent"), "pm2:root/lily");
        assert_int_equal(json_array_size(field(told, "samples")), 2);
        json_decref(told);
        assert_int_equal(stage_run(&stage, "history", "machine", "--state", directory, NULL), 0);
        assert_non_null(strstr(stage.data, "1.0G"));
        assert_int_equal(stage_run(&stage, "history", "rosa", "--state", directory, NULL), 5);
        snprintf(command, sizeof command, "rm -rf '%s'", directory);
        assert_int_equal(system(command), 0);
        stage_close(&stage);
}

/* A daemon that was away since, or is not there at all, knows of none. What began before the time that is drawn is marked from its
 * first column on. */
static void incidents_come_from_the_log(void **state)
{
        struct chain_world chain;
        struct history_sample samples[60];
        struct stage stage;
        struct actor *lily;
        char path[96];
        json_t *told, *incidents;

        (void)state;
        chain_world_open(&chain, STAGE_NOW - USEC_PER_HOUR, "mode: observe\nagents: [ { name: apps, pm2: \"*\" } ]\n");
        lily = world_add(&chain.world, "pm2:root/lily");
        world_add(&chain.world, "pm2:root/rosa");
        chain_world_begin(&chain, false);
        world_start(&chain.world);
        lily->life = 2 * USEC_PER_SEC;
        lily->restart_delay = USEC_PER_SEC;
        lily->ill_from = lily->dies_at = chain.world.now + 10 * USEC_PER_MINUTE;
        lily->ill_until = chain.world.now + 25 * USEC_PER_MINUTE;
        world_run(&chain.world, 50 * USEC_PER_MINUTE);
        lily->ill_until = lily->ill_from = USEC_INFINITY;
        for (unsigned n = 0; n < 3; n++) {
                world_die(&chain.world, lily);
                world_run(&chain.world, 3 * USEC_PER_SEC);
        }
        chain_world_settle(&chain);
        for (unsigned n = 0; n < 60; n++)
                samples[n] = (struct history_sample){ .agent = "pm2:root/lily",
                                                      .at = STAGE_NOW / USEC_PER_SEC - 3600 + n * 60,
                                                      .step = 60,
                                                      .memory_bytes = 64 << 20,
                                                      .memory_most = 64 << 20,
                                                      .cpu_permille = 20 };
        snprintf(path, sizeof path, "%s/history.db", chain.directory);
        assert_int_equal(history_write(path, &history_limits, samples, 60, STAGE_NOW / USEC_PER_SEC), 0);
        stage_open(&stage, NULL);
        stage.width = 80;
        assert_int_equal(stage_run(&stage, "history", "lily", "--since", "1h", "--state", chain.directory, NULL), 0);
        stage_expect_golden(&stage, "history-log.txt");
        assert_int_equal(
                stage_run(&stage, "history", "lily", "--since", "40m", "--state", chain.directory, "--json", NULL), 0);
        told = json_loads(stage.data, 0, NULL);
        incidents = json_object_get(told, "incidents");
        assert_int_equal(json_array_size(incidents), 2); /* one of them began before */
        assert_string_equal(field_text(json_array_get(incidents, 0), "state"), "open");
        assert_string_equal(field_text(json_array_get(incidents, 1), "state"), "resolved");
        assert_string_equal(field_text(json_array_get(incidents, 1), "cause"), "crash-loop");
        json_decref(told);
        assert_int_equal(
                stage_run(&stage, "history", "lily", "--since", "15m", "--state", chain.directory, "--json", NULL), 0);
        told = json_loads(stage.data, 0, NULL);
        assert_int_equal(json_array_size(field(told, "incidents")), 1);
        json_decref(told);
        stage_close(&stage);
        chain_world_close(&chain);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_day_is_drawn_with_its_incidents_marked),
                cmocka_unit_test(plain_characters_draw_the_same),
                cmocka_unit_test(every_width_can_be_drawn),
                cmocka_unit_test(the_file_is_read_where_no_daemon_runs),
                cmocka_unit_test(incidents_come_from_the_log),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
