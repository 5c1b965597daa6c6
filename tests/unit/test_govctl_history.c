/* What an agent used, drawn: from the daemon's answer, and from the file where none runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_day_is_drawn_with_its_incidents_marked),
                cmocka_unit_test(plain_characters_draw_the_same),
                cmocka_unit_test(every_width_can_be_drawn),
                cmocka_unit_test(the_file_is_read_where_no_daemon_runs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
