#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heal/pm2.h"
#include "io/pm2_proc.h"
#include "pm2_daemon.h"

/* A daemon that runs lily (0) and the pair (1, 2), the directory as an observer would have filled it, and the hand. */
struct world {
        sd_event *event;
        struct pm2_daemon daemon;
        struct pm2_directory directory;
        struct pm2_hand *hand;
        struct errand errand;
        unsigned done;
        enum outcome outcome;
        char text[PM2_TEXT_MAX];
};

static char agent[AGENT_ID_MAX];

static void on_done(struct errand *errand, enum outcome outcome, const char *text)
{
        struct world *world = errand->self;

        world->done++;
        world->outcome = outcome;
        strncpy(world->text, text, sizeof(world->text) - 1);
}

static void add(struct world *world, uint32_t id, const char *name)
{
        struct pm2_app app = { .has_id = true, .pm_id = id };
        struct pm2_instance *instance;
        struct proc_stat stat;

        strcpy(app.name, name);
        pm2_daemon_run(&world->daemon, id, name);
        assert_int_equal(pm2_directory_add(&world->directory, world->directory.homes[0], &app, &instance), 0);
        assert_int_equal(proc_stat(&world->directory.proc, world->daemon.apps[id].pid, &stat), 0);
        instance->pid = instance->claimed_pid = world->daemon.apps[id].pid;
        instance->start = stat.start;
        instance->kill_timeout = 10 * USEC_PER_MSEC;
}

static void begin(struct world *world)
{
        struct pm2_home *home;

        *world = (struct world){ 0 };
        assert_true(sd_event_new(&world->event) >= 0);
        assert_int_equal(pm2_directory_init(&world->directory, "/proc"), 0);
        pm2_daemon_begin(&world->daemon, world->event);
        world->daemon.obeys = true;
        assert_int_equal(pm2_directory_add_home(&world->directory, world->daemon.home, &home), 0);
        add(world, 0, "lily");
        add(world, 1, "pair");
        add(world, 2, "pair");
        assert_int_equal(pm2_hand_new(world->event, &world->directory, &world->hand), 0);
        pm2_hand_set_patience(world->hand, 50 * USEC_PER_MSEC);
}

static void end(struct world *world)
{
        pm2_hand_free(world->hand);
        pm2_directory_done(&world->directory);
        pm2_daemon_remove(&world->daemon);
        sd_event_unref(world->event);
}

static int order(struct world *world, enum action action, const char *name, uint32_t instance)
{
        pm2_agent_id(world->directory.homes[0], name, agent);
        world->errand = (struct errand){
                .agent = agent, .instance = instance, .action = action, .done = on_done, .self = world
        };
        world->done = 0;
        return pm2_hand_act(world->hand, &world->errand);
}

static void until_done(struct world *world)
{
        for (int turns = 0; world->done == 0 && turns < 20000; turns++)
                assert_true(sd_event_run(world->event, 10 * USEC_PER_MSEC) >= 0);
        assert_int_equal(world->done, 1);
}

static void carried_out(struct world *world, enum action action, const char *name, uint32_t instance)
{
        assert_int_equal(order(world, action, name, instance), 0);
        assert_int_equal(world->done, 0); /* never from inside the hand */
        until_done(world);
        if (world->outcome != OUTCOME_OK)
                fail_msg("%s: %s", outcome_name(world->outcome), world->text);
}

static void an_app_is_restarted_stopped_and_started(void **state)
{
        struct world world;
        pid_t pid;

        begin(&world);
        pid = world.daemon.apps[0].pid;
        carried_out(&world, ACTION_RESTART, "lily", INSTANCE_ALL);
        assert_int_not_equal(world.daemon.apps[0].pid, pid);
        carried_out(&world, ACTION_STOP, "lily", 0);
        assert_int_equal(world.daemon.apps[0].pid, 0);
        carried_out(&world, ACTION_START, "lily", INSTANCE_ALL);
        assert_int_not_equal(world.daemon.apps[0].pid, 0);
        assert_int_equal(world.daemon.orders, 3);
        end(&world);
}

static void instances_are_rolled_one_after_the_other(void **state)
{
        struct world world;

        begin(&world);
        carried_out(&world, ACTION_RESTART, "pair", INSTANCE_ALL);
        assert_int_equal(world.daemon.orders, 2);
        assert_int_equal(world.daemon.lists, 1); /* between the two: is the first one online? */
        assert_int_equal(world.daemon.apps[1].restarts, 1);
        assert_int_equal(world.daemon.apps[2].restarts, 1);
        end(&world);
}

static void an_instance_that_stays_down_ends_the_rolling(void **state)
{
        struct world world;

        begin(&world);
        world.daemon.obeys = false;
        strcpy(world.daemon.apps[1].status, "errored");
        assert_int_equal(order(&world, ACTION_RESTART, "pair", INSTANCE_ALL), 0);
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_FAILED);
        assert_string_equal(world.text, "instance 1 did not come online; the rest was left alone");
        assert_int_equal(world.daemon.orders, 1);
        end(&world);
}

/* PM2 says yes to a stop that meets a death, and then begins the app again as always. */
static void a_stop_that_did_not_hold_is_sent_again(void **state)
{
        struct world world;

        begin(&world);
        world.daemon.obeys = false;
        assert_int_equal(order(&world, ACTION_STOP, "lily", 0), 0);
        while (world.daemon.orders < 2)
                assert_true(sd_event_run(world.event, 1000 * 1000) >= 0);
        world.daemon.obeys = true;
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_OK);
        assert_int_equal(world.daemon.apps[0].pid, 0);
        assert_int_equal(world.daemon.orders, 3);
        end(&world);
}

static void a_stop_that_never_holds_is_not_claimed(void **state)
{
        struct world world;

        begin(&world);
        world.daemon.obeys = false;
        assert_int_equal(order(&world, ACTION_STOP, "lily", 0), 0);
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_FAILED);
        assert_string_equal(world.text, "PM2 begins it again after each stop");
        assert_int_equal(world.daemon.orders, 5);
        end(&world);
}

static void one_instance_alone_may_be_meant(void **state)
{
        struct world world;

        begin(&world);
        carried_out(&world, ACTION_STOP, "pair", 2);
        assert_int_not_equal(world.daemon.apps[1].pid, 0);
        assert_int_equal(world.daemon.apps[2].pid, 0);
        end(&world);
}

static void an_agent_that_is_not_there_is_not_begun(void **state)
{
        struct world world;

        begin(&world);
        assert_int_equal(order(&world, ACTION_RESTART, "rose", INSTANCE_ALL), -ENOENT);
        assert_int_equal(order(&world, ACTION_RESTART, "lily", 7), -ENOENT);
        assert_int_equal(order(&world, ACTION_NONE, "lily", 0), -EOPNOTSUPP);
        end(&world);
}

static void an_incarnation_that_is_gone_is_left_alone(void **state)
{
        struct world world;
        const struct pm2_instance *lily;

        begin(&world);
        lily = pm2_directory_find(&world.directory, world.directory.homes[0], 0);

        assert_int_equal(order(&world, ACTION_RESTART, "lily", 0), 0);
        world.errand.pid = lily->pid;
        world.errand.start = lily->start + 1; /* its pid was given to another process */
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_STALE);
        assert_int_equal(world.daemon.orders, 0);

        assert_int_equal(order(&world, ACTION_RESTART, "lily", 0), 0);
        world.errand.pid = lily->pid;
        world.errand.start = lily->start;
        pm2_daemon_kill(&world.daemon, 0); /* it died since */
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_STALE);
        assert_int_equal(world.daemon.orders, 0);
        end(&world);
}

static void the_incarnation_that_was_meant_is_restarted(void **state)
{
        struct world world;
        const struct pm2_instance *pair;

        begin(&world);
        pair = pm2_directory_find(&world.directory, world.directory.homes[0], 2);
        assert_int_equal(order(&world, ACTION_RESTART, "pair", 2), 0);
        world.errand.pid = pair->pid;
        world.errand.start = pair->start;
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_OK);
        end(&world);
}

static void two_errands_on_one_instance_do_not_meet(void **state)
{
        struct world world;
        struct errand first;

        begin(&world);
        assert_int_equal(order(&world, ACTION_RESTART, "pair", 1), 0);
        first = world.errand;
        assert_int_equal(order(&world, ACTION_STOP, "pair", INSTANCE_ALL), -EBUSY);
        world.errand = first;
        until_done(&world);
        carried_out(&world, ACTION_STOP, "pair", INSTANCE_ALL);
        end(&world);
}

static void a_start_of_what_runs_is_fine(void **state)
{
        struct world world;

        begin(&world);
        world.daemon.manner = MANNER_REFUSE;
        assert_int_equal(order(&world, ACTION_START, "lily", 0), 0);
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_FAILED);
        assert_string_equal(world.text, "no ?such?thing");

        world.daemon.refusal = "process already online";
        carried_out(&world, ACTION_START, "lily", 0);
        assert_int_equal(order(&world, ACTION_STOP, "lily", 0), 0);
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_FAILED);
        end(&world);
}

static void a_call_without_an_answer_is_looked_up_and_never_sent_again(void **state)
{
        struct world world;

        begin(&world);
        world.daemon.manner = MANNER_MUTE_ORDERS; /* carries it out, says nothing */
        carried_out(&world, ACTION_RESTART, "lily", 0);
        assert_int_equal(world.daemon.orders, 1);
        assert_int_equal(world.daemon.lists, 1);

        world.daemon.obeys = false; /* does nothing, says nothing */
        pm2_directory_find(&world.directory, world.directory.homes[0], 0)->restarts = 1;
        pm2_directory_find(&world.directory, world.directory.homes[0], 0)->claimed_pid = world.daemon.apps[0].pid;
        assert_int_equal(order(&world, ACTION_RESTART, "lily", 0), 0);
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_TIMEOUT);
        assert_int_equal(world.daemon.orders, 2);
        assert_true(world.directory.instances[0]->ours); /* PM2 may carry it out yet */
        assert_false(world.directory.instances[0]->busy);

        world.daemon.manner = MANNER_HANG_UP_ORDERS;
        world.daemon.obeys = true;
        carried_out(&world, ACTION_STOP, "lily", 0);
        assert_int_equal(world.daemon.orders, 3);
        end(&world);
}

static void a_daemon_that_hangs_is_a_timeout(void **state)
{
        struct world world;

        begin(&world);
        world.daemon.manner = MANNER_MUTE;
        assert_int_equal(order(&world, ACTION_RESTART, "lily", 0), 0);
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_TIMEOUT);
        assert_string_equal(world.text, "the PM2 daemon does not answer");
        end(&world);
}

static void a_daemon_that_is_not_there_is_a_failure(void **state)
{
        struct world world;

        begin(&world);
        pm2_daemon_end(&world.daemon, false);
        assert_int_equal(order(&world, ACTION_RESTART, "lily", 0), 0);
        until_done(&world);
        assert_int_equal(world.outcome, OUTCOME_FAILED);
        end(&world);
}

static void an_errand_under_way_at_the_end_is_unknown(void **state)
{
        struct world world;

        begin(&world);
        world.daemon.manner = MANNER_MUTE;
        assert_int_equal(order(&world, ACTION_RESTART, "lily", 0), 0);
        assert_true(sd_event_run(world.event, 0) >= 0);
        world.hand = pm2_hand_free(world.hand);
        assert_int_equal(world.done, 1);
        assert_int_equal(world.outcome, OUTCOME_UNKNOWN);
        end(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_app_is_restarted_stopped_and_started),
                cmocka_unit_test(instances_are_rolled_one_after_the_other),
                cmocka_unit_test(an_instance_that_stays_down_ends_the_rolling),
                cmocka_unit_test(a_stop_that_did_not_hold_is_sent_again),
                cmocka_unit_test(a_stop_that_never_holds_is_not_claimed),
                cmocka_unit_test(one_instance_alone_may_be_meant),
                cmocka_unit_test(an_agent_that_is_not_there_is_not_begun),
                cmocka_unit_test(an_incarnation_that_is_gone_is_left_alone),
                cmocka_unit_test(the_incarnation_that_was_meant_is_restarted),
                cmocka_unit_test(two_errands_on_one_instance_do_not_meet),
                cmocka_unit_test(a_start_of_what_runs_is_fine),
                cmocka_unit_test(a_call_without_an_answer_is_looked_up_and_never_sent_again),
                cmocka_unit_test(a_daemon_that_hangs_is_a_timeout),
                cmocka_unit_test(a_daemon_that_is_not_there_is_a_failure),
                cmocka_unit_test(an_errand_under_way_at_the_end_is_unknown),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
