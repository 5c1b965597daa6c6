/* A chore is done by a child that claims nothing, says what it found, and never keeps us waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include <errno.h>

#include "base/usec.h"
#include "io/chore.h"

struct bench {
        sd_event *event;
        struct chore *chore;
        unsigned calls;
        char said[8192];
        char failure[128];
};

static void done(void *self, const struct chore_result *result)
{
        struct bench *bench = self;

        bench->calls++;
        assert_true(result->size < sizeof(bench->said));
        memcpy(bench->said, result->output, result->size + 1);
        strcpy(bench->failure, result->failure ? result->failure : "");
        bench->chore = chore_free(bench->chore);
}

static int setup(void **state)
{
        struct bench *bench = calloc(1, sizeof(*bench));

        assert_true(sd_event_new(&bench->event) >= 0);
        *state = bench;
        return 0;
}

static int teardown(void **state)
{
        struct bench *bench = *state;

        chore_free(bench->chore);
        sd_event_unref(bench->event);
        free(bench);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left behind */
        assert_int_equal(errno, ECHILD);
        return 0;
}

static void start(struct bench *bench, const char *script, usec_t patience)
{
        char *arguments[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)script, NULL };
        struct chore_options options = {
                .program = "/bin/sh",
                .arguments = arguments,
                .patience = patience,
                .output_most = 4096,
                .done = done,
                .self = bench,
        };

        assert_int_equal(chore_new(bench->event, &options, &bench->chore), 0);
}

static void run(struct bench *bench, const char *script, usec_t patience)
{
        start(bench, script, patience);
        while (bench->calls == 0)
                assert_true(sd_event_run(bench->event, UINT64_MAX) >= 0);
        assert_int_equal(bench->calls, 1);
}

static void what_it_says_comes_back_whole(void **state)
{
        struct bench *bench = *state;

        run(bench, "printf one; printf two", USEC_PER_MINUTE);
        assert_string_equal(bench->said, "onetwo");
        assert_string_equal(bench->failure, "");
}

static void a_failure_is_said_in_words(void **state)
{
        struct bench *bench = *state;

        run(bench, "echo half; exit 3", USEC_PER_MINUTE);
        assert_string_equal(bench->said, "half\n");
        assert_string_equal(bench->failure, "it ended with status 3");
}

static void a_death_is_said_in_words(void **state)
{
        struct bench *bench = *state;

        run(bench, "kill -SEGV $$", USEC_PER_MINUTE);
        assert_string_equal(bench->failure, "it was ended by signal 11");
}

static void one_that_hangs_is_ended(void **state)
{
        struct bench *bench = *state;

        run(bench, "exec sleep 1000", 1);
        assert_non_null(strstr(bench->failure, "it did not end within"));
}

static void one_that_closed_its_output_and_hangs_is_ended_too(void **state)
{
        struct bench *bench = *state;

        run(bench, "exec >&-; exec sleep 1000", 100 * USEC_PER_MSEC);
        assert_non_null(strstr(bench->failure, "it did not end within"));
}

static void one_that_talks_too_much_is_ended(void **state)
{
        struct bench *bench = *state;

        run(bench, "exec yes", USEC_PER_MINUTE);
        assert_string_equal(bench->failure, "it said more than it may");
}

static void one_that_cannot_be_started_says_so(void **state)
{
        struct bench *bench = *state;
        char *arguments[] = { (char *)"x", NULL };
        struct chore_options options = { .program = "/nowhere/x",
                                         .arguments = arguments,
                                         .patience = USEC_PER_MINUTE,
                                         .output_most = 16,
                                         .done = done,
                                         .self = bench };

        assert_int_equal(chore_new(bench->event, &options, &bench->chore), 0);
        while (bench->calls == 0)
                assert_true(sd_event_run(bench->event, UINT64_MAX) >= 0);
        assert_string_equal(bench->failure, "it ended with status 127");
}

static void it_claims_nothing(void **state)
{
        struct bench *bench = *state;

        run(bench,
            "read -r line </proc/self/stat; set -- $line; shift 40; echo policy $1; read -r n </proc/self/oom_score_adj; echo $n",
            USEC_PER_MINUTE);
        assert_string_equal(bench->said, "policy 5\n1000\n"); /* SCHED_IDLE */
}

static void one_that_is_given_up_is_gone_at_once(void **state)
{
        struct bench *bench = *state;

        start(bench, "exec sleep 1000", USEC_PER_MINUTE);
        bench->chore = chore_free(bench->chore);
        assert_int_equal(sd_event_run(bench->event, 0), 0);
        assert_int_equal(bench->calls, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_it_says_comes_back_whole, setup, teardown),
                cmocka_unit_test_setup_teardown(a_failure_is_said_in_words, setup, teardown),
                cmocka_unit_test_setup_teardown(a_death_is_said_in_words, setup, teardown),
                cmocka_unit_test_setup_teardown(one_that_hangs_is_ended, setup, teardown),
                cmocka_unit_test_setup_teardown(one_that_closed_its_output_and_hangs_is_ended_too, setup, teardown),
                cmocka_unit_test_setup_teardown(one_that_talks_too_much_is_ended, setup, teardown),
                cmocka_unit_test_setup_teardown(one_that_cannot_be_started_says_so, setup, teardown),
                cmocka_unit_test_setup_teardown(it_claims_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(one_that_is_given_up_is_gone_at_once, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
