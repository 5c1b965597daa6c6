#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "io/pm2_call.h"
#include "pm2_daemon.h"

struct asked {
        struct pm2_call *call;
        unsigned answers;
        int result;
        bool failed;
        size_t apps;
        char text[PM2_TEXT_MAX];
};

static void on_done(void *self, int result, const struct pm2_reply *reply)
{
        struct asked *asked = self;

        asked->answers++;
        asked->result = result;
        if (result == 0) {
                asked->failed = reply->failed;
                asked->apps = reply->n_apps;
                memcpy(asked->text, reply->text, sizeof(asked->text));
        }
        asked->call = pm2_call_free(asked->call);
}

/* Asks a daemon of these manners for its list, with 40 ms of patience. */
static void ask(enum manner manner, struct asked *asked)
{
        struct pm2_daemon daemon;
        struct pm2_question question = { .request = PM2_LIST, .within = 40 * USEC_PER_MSEC };
        sd_event *event;

        assert_true(sd_event_new(&event) >= 0);
        pm2_daemon_begin(&daemon, event);
        pm2_daemon_run(&daemon, 3, "lily");
        daemon.manner = manner;
        question.home = daemon.home;
        question.owner = getuid();
        *asked = (struct asked){ 0 };

        assert_int_equal(pm2_call_new(event, &question, on_done, asked, &asked->call), 0);
        for (int turns = 0; asked->answers == 0 && turns < 10000; turns++)
                assert_true(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
        assert_int_equal(asked->answers, 1);
        pm2_daemon_remove(&daemon);
        sd_event_unref(event);
}

static void a_list_arrives_whole(void **state)
{
        static const enum manner fine[] = { MANNER_ANSWER, MANNER_PIECES, MANNER_STRANGER_FIRST };

        for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++) {
                struct asked asked;

                ask(fine[i], &asked);
                assert_int_equal(asked.result, 0);
                assert_false(asked.failed);
                assert_int_equal(asked.apps, 1);
        }
}

static void a_hostile_daemon_gets_one_clear_end_in_time(void **state)
{
        static const struct {
                enum manner manner;
                int result;
        } cases[] = {
                { MANNER_MUTE, -ETIMEDOUT }, { MANNER_HALF, -ETIMEDOUT },     { MANNER_STRANGER, -ETIMEDOUT },
                { MANNER_DRIP, -ETIMEDOUT }, { MANNER_HANG_UP, -ECONNRESET }, { MANNER_ENDLESS, -EBADMSG },
                { MANNER_OTHER, -EBADMSG },  { MANNER_BAD_JSON, -EBADMSG },   { MANNER_NESTED, -E2BIG },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct asked asked;

                ask(cases[i].manner, &asked);
                assert_int_equal(asked.result, cases[i].result);
        }
}

static void a_refusal_is_told_without_its_stack(void **state)
{
        struct asked asked;

        ask(MANNER_REFUSE, &asked);
        assert_int_equal(asked.result, 0);
        assert_true(asked.failed);
        assert_string_equal(asked.text, "no ?such?thing");
}

static void a_home_without_a_daemon_is_told_from_a_killed_one(void **state)
{
        struct pm2_daemon daemon;
        sd_event *event;
        pid_t god;

        assert_true(sd_event_new(&event) >= 0);
        pm2_daemon_begin(&daemon, event);
        assert_int_equal(pm2_connect("/tmp/pm2-test-nowhere", "rpc.sock", getuid(), &god), -ENOENT);
        pm2_daemon_end(&daemon, false);
        assert_int_equal(pm2_connect(daemon.home, "rpc.sock", getuid(), &god), -ECONNREFUSED);
        pm2_daemon_remove(&daemon);
        sd_event_unref(event);
}

static void a_daemon_of_another_user_is_not_spoken_to(void **state)
{
        struct pm2_daemon daemon;
        sd_event *event;
        pid_t god = 0;
        int fd;

        assert_true(sd_event_new(&event) >= 0);
        pm2_daemon_begin(&daemon, event);
        assert_int_equal(pm2_connect(daemon.home, "rpc.sock", getuid() + 1, &god), -EPERM);
        fd = pm2_connect(daemon.home, "rpc.sock", getuid(), &god);
        assert_true(fd >= 0);
        assert_int_equal(god, getpid());
        (void)close(fd);
        pm2_daemon_remove(&daemon);
        sd_event_unref(event);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_list_arrives_whole),
                cmocka_unit_test(a_hostile_daemon_gets_one_clear_end_in_time),
                cmocka_unit_test(a_refusal_is_told_without_its_stack),
                cmocka_unit_test(a_home_without_a_daemon_is_told_from_a_killed_one),
                cmocka_unit_test(a_daemon_of_another_user_is_not_spoken_to),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
