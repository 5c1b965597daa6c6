/* An agent that is larger than its lives usually are: told early, told once, and not told of what is usual. */
#include "sizes.h"

#define MINUTES(n) ((n)*MIN)

static struct actor *lily_of(struct world *world)
{
        struct actor *actor;

        world_init(world, 1);
        world_rule(world, "thin", MANAGER_PM2, "*");
        actor = world_add(world, "pm2:root/lily");
        world_judge(world);
        world_start(world);
        return actor;
}

/* Lives of so many minutes that hold so much and a little more each. */
static void lives(struct world *world, struct actor *actor, unsigned n, uint64_t mb, usec_t time)
{
        for (unsigned i = 0; i < n; i++) {
                world_human(world, actor, ACTION_RESTART);
                hold_every(world, actor, mb + i % 8, time, 15 * S);
        }
}

static void a_life_larger_than_usual_is_told_early(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        lives(&world, lily, 9, 60, HOUR);
        CHECK_TRACE(&world, "");
        world_human(&world, lily, ACTION_RESTART);
        hold_every(&world, lily, 212, HOUR, 15 * S);
        CHECK_TRACE(&world,
                    "33015.0s open inc-1 lily memory-drift: its process holds 212.0M at the age of 10m; usual is "
                    "60.0M to 67.0M (9 lives); most of it in process 1010\n");
        hold_every(&world, lily, 64, MIN, 15 * S);
        CHECK_TRACE(&world, "36000.0s resolve inc-1 lily memory-drift: came back, or began anew\n");
        world_done(&world);
}

static void a_warm_up_that_every_life_has_is_usual(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        for (unsigned n = 0; n < 20; n++) {
                world_human(&world, lily, ACTION_RESTART);
                for (uint64_t minute = 0; minute < 120; minute++)
                        hold_every(&world, lily, 60 + (minute < 60 ? 4 * minute : 240), MIN, 15 * S);
        }
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void few_lives_prove_nothing(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        lives(&world, lily, 7, 60, HOUR);
        lives(&world, lily, 1, 300, HOUR);
        CHECK_TRACE(&world, "");
        world_done(&world);
}

/* Rarely restarted, it has few lives and many days. */
static void days_of_long_lives_count_too(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        for (unsigned n = 0; n < 4; n++) {
                world_human(&world, lily, ACTION_RESTART);
                hold_every(&world, lily, 60, 3 * 24 * HOUR, MIN);
        }
        CHECK_TRACE(&world, "");
        world_human(&world, lily, ACTION_RESTART);
        hold_every(&world, lily, 212, HOUR, MIN);
        CHECK_TRACE(&world,
                    "1037460.0s open inc-1 lily memory-drift: its process holds 212.0M at the age of 10m; usual is "
                    "60.0M (4 lives and 4 days); most of it in process 1005\n");
        world_done(&world);
}

/* A build at the start, a migration: a child that lives for some minutes is no other habit. */
static void minutes_are_not_long_enough(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        lives(&world, lily, 9, 60, HOUR);
        world_human(&world, lily, ACTION_RESTART);
        hold_every(&world, lily, 60, MINUTES(4), 15 * S);
        hold_every(&world, lily, 300, MINUTES(7), 15 * S);
        hold_every(&world, lily, 60, HOUR, 15 * S);
        CHECK_TRACE(&world, "");
        world_done(&world);
}

static void what_was_told_of_two_lives_is_usual_by_then(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        lives(&world, lily, 9, 60, HOUR);
        lives(&world, lily, 4, 212, HOUR);
        CHECK_TRACE(&world,
                    "33015.0s open inc-1 lily memory-drift: its process holds 212.0M at the age of 10m; usual is 60.0M "
                    "to 67.0M (9 lives); most of it in process 1010\n"
                    "36000.0s resolve inc-1 lily memory-drift: came back, or began anew\n"
                    "36615.0s open inc-2 lily memory-drift: its process holds 213.0M at the age of 10m; usual is 60.0M "
                    "to 67.0M (9 lives); most of it in process 1011\n"
                    "39600.0s resolve inc-2 lily memory-drift: came back, or began anew\n");
        world_done(&world);
}

static void announce_since(struct world *world, const char *agent, usec_t since)
{
        struct fact fact = { .kind = FACT_CHANGE,
                             .manager = MANAGER_PM2,
                             .agent = agent,
                             .instance = INSTANCE_ALL,
                             .change = { .step = CHANGE_OPEN,
                                         .number = 1,
                                         .pattern = "",
                                         .since = since,
                                         .until = world->now + MINUTES(5),
                                         .by = "uid:0",
                                         .reason = "release 12" } };

        world_send(world, &fact);
}

static void announce(struct world *world, const char *agent)
{
        announce_since(world, agent, world->now);
}

/* A release may well need more; how much more is worth a word is told with a wide margin, until it has lives of its own. */
static void after_a_change_only_more_than_twice_as_much_is_told(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        lives(&world, lily, 9, 60, HOUR);
        announce(&world, lily->id);
        lives(&world, lily, 8, 120, HOUR);
        CHECK_TRACE(&world, "");
        lives(&world, lily, 1, 212, HOUR);
        CHECK_TRACE(&world, "61815.0s open inc-1 lily memory-drift: its process holds 212.0M at the age of 10m; usual "
                            "is 120.0M to 127.0M (8 lives); most of it in process 1018\n");
        announce(&world, lily->id);
        lives(&world, lily, 1, 400, HOUR);
        CHECK_TRACE(&world, "64800.0s resolve inc-1 lily memory-drift: came back, or began anew\n"
                            "65415.0s open inc-2 lily memory-drift: its process holds 400.0M at the age of 10m; usual "
                            "before it was changed was 60.0M to 126.0M (17 lives); most of it in process 1019\n");
        world_done(&world);
}

/* A command that runs for hours has its window told again and again. */
static void a_window_that_lasts_is_one_change(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);
        usec_t since;

        (void)state;
        lives(&world, lily, 9, 60, HOUR);
        since = world.now;
        announce(&world, lily->id);
        lives(&world, lily, 8, 120, HOUR);
        announce_since(&world, lily->id, since);
        lives(&world, lily, 1, 212, HOUR);
        assert_non_null(strstr(world_trace(&world), "usual is 120.0M to 127.0M (8 lives)"));
        world_done(&world);
}

/* Early in its life it is only larger than usual; hours later it is clear that it leaks. */
static void a_leak_is_told_once_at_a_time(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        lives(&world, lily, 9, 60, 2 * HOUR);
        world_human(&world, lily, ACTION_RESTART);
        for (uint64_t minute = 0; minute < 14 * 60; minute++)
                hold_every(&world, lily, 60 + minute, MIN, 15 * S);
        CHECK_TRACE(
                &world,
                "70215.0s open inc-1 lily memory-drift: its process holds 100.0M at the age of 1h 30m; usual is 60.0M to 67.0M (9 lives); most of it in process 1010\n"
                "104805.0s open inc-2 lily memory-leak: its process grows by 60.0M an hour for 9h, and holds 726.0M now; most of it in process 1010\n"
                "104805.0s resolve inc-1 lily memory-drift: is a memory-leak, see inc-2\n");
        world_human(&world, lily, ACTION_RESTART);
        hold_every(&world, lily, 60, MINUTES(30), 15 * S);
        CHECK_TRACE(&world, "115200.0s resolve inc-2 lily memory-leak: no longer grows, or began anew\n");
        world_done(&world);
}

/* It jumps, which the hours before it show, and is then larger than its lives are at that age. */
static void a_jump_is_told_once(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        lives(&world, lily, 9, 60, 30 * HOUR);
        world_human(&world, lily, ACTION_RESTART);
        hold_every(&world, lily, 60, 10 * HOUR, MIN);
        hold_every(&world, lily, 212, 40 * HOUR, MIN);
        CHECK_TRACE(&world, "1012020.0s open inc-1 lily memory-drift: its process jumped from 60.0M to 212.0M and "
                            "stays there; most of it in process 1010\n");
        world_done(&world);
}

/* It works by day. Twice that looks like a jump; when it stays large over a night, it is one. */
static void what_comes_back_each_night_is_told_when_it_stays(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        for (unsigned day = 0; day < 5; day++) {
                hold_every(&world, lily, 60, 12 * HOUR, MIN);
                hold_every(&world, lily, 150, 12 * HOUR, MIN);
        }
        CHECK_TRACE(&world, "47220.0s open inc-1 lily memory-drift: its process jumped from 60.0M to 150.0M and stays "
                            "there; most of it in process 1000\n"
                            "86820.0s resolve inc-1 lily memory-drift: came back, or began anew\n"
                            "133620.0s open inc-2 lily memory-drift: its process jumped from 60.0M to 150.0M and stays "
                            "there; most of it in process 1000\n"
                            "173220.0s resolve inc-2 lily memory-drift: came back, or began anew\n");
        hold_every(&world, lily, 150, 24 * HOUR, MIN);
        CHECK_TRACE(&world, "479220.0s open inc-3 lily memory-drift: its process jumped from 60.0M to 150.0M and stays "
                            "there; most of it in process 1000\n");
        world_done(&world);
}

static void a_habit_survives_the_daemon(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        for (unsigned n = 0; n < 9; n++) {
                lives(&world, lily, 1, 60, HOUR);
                world_remember(&world);
        }
        world_human(&world, lily, ACTION_RESTART);
        for (unsigned n = 0; n < 60; n++) {
                hold_every(&world, lily, 212, MIN, 15 * S);
                world_remember(&world);
        }
        CHECK_TRACE(&world,
                    "33015.0s open inc-1 lily memory-drift: its process holds 212.0M at the age of 10m; usual is "
                    "60.0M (9 lives); most of it in process 1010\n");
        world_done(&world);
}

/* One of several instances; all have one habit. */
static void instances_share_a_habit(void **state)
{
        struct world world;
        struct actor *first, *second;

        (void)state;
        world_init(&world, 1);
        world_rule(&world, "thin", MANAGER_PM2, "*");
        first = world_add(&world, "pm2:root/lily");
        second = world_add(&world, "pm2:root/lily");
        second->number = 1;
        world_judge(&world);
        world_start(&world);
        for (unsigned n = 0; n < 4; n++) {
                world_human(&world, first, ACTION_RESTART);
                world_human(&world, second, ACTION_RESTART);
                for (unsigned minute = 0; minute < 30; minute++) {
                        sample_of(&world, first, 60 * MB, MEMORY_OF_PROCESS);
                        sample_of(&world, second, 64 * MB, MEMORY_OF_PROCESS);
                        world_run(&world, MIN);
                }
        }
        world_human(&world, second, ACTION_RESTART);
        for (unsigned minute = 0; minute < 30; minute++) {
                sample_of(&world, first, 60 * MB, MEMORY_OF_PROCESS);
                sample_of(&world, second, 212 * MB, MEMORY_OF_PROCESS);
                world_run(&world, MIN);
        }
        CHECK_TRACE(&world,
                    "7860.0s open inc-1 lily memory-drift: its process holds 212.0M at the age of 10m; usual is "
                    "60.0M to 64.0M (8 lives); most of it in process 1010\n");
        world_done(&world);
}

/* Its control group could not be read for a moment, and its processes were counted instead. */
static void a_stand_in_for_a_moment_ends_no_habit(void **state)
{
        struct world world;
        struct actor *lily = lily_of(&world);

        (void)state;
        world.rules[0].memory.of = MEMORY_OF_TREE;
        for (unsigned n = 0; n < 10; n++) {
                world_human(&world, lily, ACTION_RESTART);
                for (unsigned minute = 0; minute < 30; minute++) {
                        sample_of(&world, lily, (n < 9 ? 60 : 212) * MB,
                                  n == 5 && minute == 7 ? MEMORY_OF_PROCESS : MEMORY_OF_TREE);
                        world_run(&world, MIN);
                }
        }
        CHECK_TRACE(&world,
                    "16860.0s open inc-1 lily memory-drift: its tree holds 212.0M at the age of 10m; usual is 60.0M "
                    "(9 lives); most of it in process 1010\n");
        world_done(&world);
}

static void samples_are_not_recorded_and_yet_all_is_decided_again(void **state)
{
        struct chain *chain = calloc(1, sizeof(*chain));
        struct world world;
        struct actor *lily;

        (void)state;
        world_init(&world, 1);
        world_rule(&world, "thin", MANAGER_PM2, "*");
        lily = world_add(&world, "pm2:root/lily");
        world_judge(&world);
        chain_keep(chain, &world);
        world_start(&world);
        lives(&world, lily, 9, 60, HOUR);
        lives(&world, lily, 2, 212, HOUR);
        for (unsigned day = 0; day < 5; day++) {
                hold_every(&world, lily, 60, 12 * HOUR, MIN);
                hold_every(&world, lily, 150, 12 * HOUR, MIN);
        }
        hold_every(&world, lily, 150, 24 * HOUR, MIN);
        world_human(&world, lily, ACTION_RESTART);
        world_run(&world, S);
        chain_live_again(chain, &world);
        assert_int_equal(chain->samples, 0);
        assert_non_null(strstr(chain->decided, "usual is"));
        assert_non_null(strstr(chain->decided, "jumped"));
        assert_string_equal(chain->again, chain->decided);
        world_done(&world);
        free(chain);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_life_larger_than_usual_is_told_early),
                cmocka_unit_test(a_warm_up_that_every_life_has_is_usual),
                cmocka_unit_test(few_lives_prove_nothing),
                cmocka_unit_test(days_of_long_lives_count_too),
                cmocka_unit_test(minutes_are_not_long_enough),
                cmocka_unit_test(what_was_told_of_two_lives_is_usual_by_then),
                cmocka_unit_test(after_a_change_only_more_than_twice_as_much_is_told),
                cmocka_unit_test(a_window_that_lasts_is_one_change),
                cmocka_unit_test(a_leak_is_told_once_at_a_time),
                cmocka_unit_test(a_jump_is_told_once),
                cmocka_unit_test(what_comes_back_each_night_is_told_when_it_stays),
                cmocka_unit_test(a_habit_survives_the_daemon),
                cmocka_unit_test(instances_share_a_habit),
                cmocka_unit_test(a_stand_in_for_a_moment_ends_no_habit),
                cmocka_unit_test(samples_are_not_recorded_and_yet_all_is_decided_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
