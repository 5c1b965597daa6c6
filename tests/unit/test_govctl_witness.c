/* `govctl audit witness`: the list, its changes, and what a push makes of the courier's ends. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "govctl/field.h"
#include "govctl/verbs.h"
#include "govctl_stage.h"

static void says(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("'%s' is not in: %s", part, text);
}

/* A courier stands beside the program that looks for it; here that is this test. */
static char *courier_path(char path[4096])
{
        ssize_t n = readlink("/proc/self/exe", path, 4000);

        assert_true(n > 0);
        path[n] = '\0';
        strcpy(strrchr(path, '/'), "/governor-courier");
        return path;
}

static void play_courier(const char *script)
{
        char path[4096];
        int fd = open(courier_path(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

        assert_true(fd >= 0);
        assert_int_equal(fchmod(fd, 0755), 0);
        assert_true(write(fd, script, strlen(script)) > 0);
        close(fd);
}

static void dismiss_courier(void)
{
        char path[4096];

        unlink(courier_path(path));
}

static void the_list_says_how_far_each_has_seen_the_log(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "audit", "witness", "list", NULL), CODE_OK);
        stage_expect_golden(&stage, "witness-list.txt");
        assert_int_equal(stage_run(&stage, "audit", "witness", "list", "--json", NULL), CODE_OK);
        says(stage.data, "\"sealed_size\":118259");
        stage_close(&stage);
}

static void no_witness_is_said_with_what_to_type(void **state)
{
        struct stage stage;

        stage_open(&stage, "calm");
        assert_int_equal(stage_run(&stage, "audit", "witness", "list", NULL), CODE_OK);
        says(stage.data, "govctl audit witness add VKEY URL");
        play_courier("#!/bin/sh\nexit 1\n");
        assert_int_equal(stage_run(&stage, "audit", "witness", "push", NULL), CODE_NOT_FOUND);
        says(stage.talk, "there is no witness");
        dismiss_courier();
        stage_close(&stage);
}

static void witnesses_come_and_go_by_the_daemons_hand(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "audit", "witness", "add", "w+b1c3056e+BJp0", "https://w.example", NULL),
                         CODE_OK);
        says(stage.data, "w is a witness.");
        assert_int_equal(stage_run(&stage, "audit", "witness", "remove", "lighthouse", NULL), CODE_OK);
        says(stage.data, "lighthouse is no witness any more");
        assert_int_equal(stage_run(&stage, "audit", "witness", "remove", "nobody", NULL), CODE_NOT_FOUND);
        assert_int_equal(stage_run(&stage, "audit", "witness", "add", "w", NULL), CODE_USAGE);
        stage_close(&stage);
}

static void a_push_says_one_line_a_witness_and_the_worst_end_wins(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        play_courier("#!/bin/sh\n"
                     "[ \"$1 $3 $5\" = '--push-checkpoint --witness --socket' ] || exit 2\n"
                     "case \"$4 $2\" in\n"
                     "'witness.example/w1 https://witness.example/w1') echo \"$4: REFUSED\" >&2; exit 3 ;;\n"
                     "'lighthouse http://10.0.0.7:8080') echo \"$4: unreachable\" >&2; exit 6 ;;\n"
                     "esac\n");
        assert_int_equal(stage_run(&stage, "audit", "witness", "push", NULL), CODE_FAILURE);
        assert_string_equal(stage.data, "witness.example/w1: REFUSED\nlighthouse: unreachable\n");
        assert_int_equal(stage_run(&stage, "audit", "witness", "push", "lighthouse", NULL), CODE_UNREACHABLE);
        assert_string_equal(stage.data, "lighthouse: unreachable\n");
        assert_int_equal(stage_run(&stage, "audit", "witness", "push", "nobody", NULL), CODE_NOT_FOUND);
        says(stage.talk, "there is no witness 'nobody'");
        assert_int_equal(stage_run(&stage, "audit", "witness", "push", "--json", "lighthouse", NULL), CODE_UNREACHABLE);
        says(stage.data, "\"exit\":6,\"text\":\"lighthouse: unreachable\"");
        dismiss_courier();
        stage_close(&stage);
}

static void a_courier_that_fails_early_is_quoted(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "audit", "witness", "push", NULL), CODE_NOT_FOUND);
        says(stage.talk, "make install");
        play_courier("#!/bin/sh\necho there is no user >&2\nexit 1\n");
        assert_int_equal(stage_run(&stage, "audit", "witness", "push", "lighthouse", NULL), CODE_FAILURE);
        assert_string_equal(stage.data, "lighthouse: there is no user\n");
        play_courier("#!/bin/sh\nkill -9 $$\n");
        assert_int_equal(stage_run(&stage, "audit", "witness", "push", "lighthouse", NULL), CODE_FAILURE);
        says(stage.data, "ended by signal 9");
        dismiss_courier();
        stage_close(&stage);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_list_says_how_far_each_has_seen_the_log),
                cmocka_unit_test(no_witness_is_said_with_what_to_type),
                cmocka_unit_test(witnesses_come_and_go_by_the_daemons_hand),
                cmocka_unit_test(a_push_says_one_line_a_witness_and_the_worst_end_wins),
                cmocka_unit_test(a_courier_that_fails_early_is_quoted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
