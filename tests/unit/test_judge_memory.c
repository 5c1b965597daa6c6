/* The judge's memory on its way through the chain's own format, and the edges of its tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/record.h"
#include "judge/memory.h"
#include "world.h"

static void live_a_little(struct world *world)
{
        world_init(world, 7);
        for (int n = 0; n < 8; n++) {
                char id[64];

                snprintf(id, sizeof(id), n % 2 ? "pm2:root/agent-%d" : "systemd:agent-%d.service", n);
                world_add(world, id);
        }
        world->actors[1].life = 3 * USEC_PER_SEC;
        world->actors[1].ill_from = world->now + 60 * USEC_PER_SEC;
        world->actors[2].life = 200 * USEC_PER_MSEC;
        world->actors[2].ill_from = world->now + 95 * USEC_PER_SEC;
        world->actors[4].base = 0;
        world->actors[4].dependency = DEPENDENCY_BINDS;
        world_judge(world);
        world_start(world);
        world_run(world, 100 * USEC_PER_SEC);
        world_blind(world, MANAGER_PM2, true);
        world_run(world, 10 * USEC_PER_SEC);
}

static void the_memory_survives_the_records_of_the_chain(void **state)
{
        struct world world;
        struct remembered *scratch = calloc(1, sizeof(*scratch)), *back = calloc(1, sizeof(*back));
        struct fact fact, again;
        uint32_t cursor = 0;
        int n = 0;

        (void)state;
        live_a_little(&world);
        while (judge_remember(world.judge, &cursor, scratch, &fact)) {
                char verb[RECORD_VERB_MAX];
                json_t *details = record_of_fact(&fact, verb);

                memset(back, 0, sizeof(*back));
                assert_int_equal(record_to_fact(verb, fact.agent, details, back, &again), 0);
                assert_int_equal(again.kind, fact.kind);
                if (fact.kind == FACT_REMEMBERED) {
                        n++;
                        assert_int_equal(back->more_n, scratch->more_n);
                        assert_memory_equal(back->more, scratch->more, scratch->more_n * sizeof(*scratch->more));
                        assert_memory_equal(back->deaths, scratch->deaths,
                                            scratch->deaths_n * sizeof(*scratch->deaths));
                        assert_int_equal(back->until, scratch->until);
                        assert_int_equal(back->state, scratch->state);
                        assert_true(scratch->more_n < REMEMBERED_MORE_MAX);
                }
                json_decref(details);
        }
        assert_true(n > 8);
        free(scratch);
        free(back);
        world_done(&world);
}

/* As much of everything as there can be: what did not fit would be dropped without a word. */
static void fill(struct judge *judge, struct instance *instance)
{
        struct agent *agent = &judge->agents[instance->agent];

        instance->tally.n = FACT_DEATHS_MAX;
        for (unsigned n = 0; n < TALLY_COARSE; n++)
                instance->tally.coarse[n] = 1;
        for (unsigned n = 0; n < TALLY_FINE; n++)
                instance->tally.fine[n] = 1;
        for (unsigned n = 0; n < LIVES_MAX; n++)
                instance->lives[n].state = LIFE_ALIVE;
        judge->incidents[0].number = 1;
        instance->incident = 0;
        for (unsigned n = 0; n < NOTE_N; n++)
                agent->noted[n] = 0;
        instance->weight.at = 1;
}

static void the_fullest_memory_of_an_instance_fits(void **state)
{
        struct world world;
        struct remembered *scratch = calloc(1, sizeof(*scratch));
        struct fact fact;
        uint32_t cursor = 0, most = 0;

        (void)state;
        live_a_little(&world);
        for (uint32_t n = 0; n < world.judge->instances_n; n++)
                fill(world.judge, &world.judge->instances[n]);
        while (judge_remember(world.judge, &cursor, scratch, &fact))
                if (fact_is_memory(fact.kind) && scratch->more_n > most)
                        most = scratch->more_n;
        assert_true(most > TALLY_COARSE * 2 + TALLY_FINE);
        assert_true(most < REMEMBERED_MORE_MAX);
        free(scratch);
        world_done(&world);
}

static void what_is_remembered_is_remembered_again(void **state)
{
        struct world world;
        struct remembered *first = calloc(1, sizeof(*first)), *second = calloc(1, sizeof(*second));
        struct fact fact, again;
        uint32_t cursor = 0, other = 0;

        (void)state;
        live_a_little(&world);
        world_remember(&world);
        struct judge *old = world.judge;
        world.judge = NULL;
        world_judge(&world);
        for (uint32_t all = 0; judge_remember(old, &all, first, &fact);) {
                struct decisions decisions;

                fact.at = world.now;
                judge_step(world.judge, &fact, &decisions);
        }
        while (judge_remember(old, &cursor, first, &fact)) {
                assert_true(judge_remember(world.judge, &other, second, &again));
                assert_int_equal(fact.kind, again.kind);
                if (fact.kind != FACT_REMEMBERED)
                        continue;
                assert_string_equal(fact.agent, again.agent);
                assert_memory_equal(first, second, sizeof(*first));
        }
        assert_false(judge_remember(world.judge, &other, second, &again));
        free(old);
        free(first);
        free(second);
        world_done(&world);
}

static void a_memory_that_makes_no_sense_is_survived(void **state)
{
        struct world world;
        struct remembered *nonsense = calloc(1, sizeof(*nonsense));
        struct decisions decisions;

        (void)state;
        world_init(&world, 9);
        world_judge(&world);
        for (int n = 0; n < 2000; n++) {
                struct fact fact = { .kind = n % 5 ? FACT_REMEMBERED : FACT_BASELINE,
                                     .at = world.now,
                                     .remembered = nonsense };

                for (size_t k = 0; k < sizeof(*nonsense); k++)
                        ((unsigned char *)nonsense)[k] = (unsigned char)(world_chance(&world) % (n % 3 ? 4 : 256));
                nonsense->more[0] = 1;
                if (fact.kind == FACT_BASELINE)
                        nonsense->state = (uint32_t)(n / 5 % BASELINE_OF_N);
                fact.agent = n % 2 ? "pm2:root/lily" : "";
                fact.manager = n % 2 ? MANAGER_PM2 : MANAGER_NONE;
                fact.instance = (uint32_t)(world_chance(&world) % 3000);
                judge_step(world.judge, &fact, &decisions);
        }
        free(nonsense);
        world_done(&world);
}

static void agents_are_found_again_by_id_and_shown_by_short_name(void **state)
{
        struct world world;
        struct agent_view view;

        (void)state;
        world_init(&world, 10);
        world_add(&world, "pm2:root/lily");
        world_add(&world, "pm2:ann/lily");
        world_add(&world, "pm2:root/rose");
        world_judge(&world);
        world_start(&world);
        world_run(&world, USEC_PER_SEC);
        assert_int_equal(judge_agents(world.judge), 3);
        for (uint32_t n = 0; n < 3; n++) {
                judge_agent(world.judge, n, world.now, &view);
                assert_true(strcmp(view.name, "root/lily") == 0 || strcmp(view.name, "ann/lily") == 0 ||
                            strcmp(view.name, "rose") == 0);
        }
        /* deleted ones leave, and come back as the same */
        world_lists(&world, "pm2:ann/lily", 0, CLAIMED_GONE, "gone", 0, 0, false);
        world_ends(&world, "pm2:ann/lily", 0, world.actors[1].pid, ENDING_MANUAL, 0);
        world_run(&world, USEC_PER_MINUTE);
        assert_int_equal(judge_agents(world.judge), 2);
        judge_agent(world.judge, 0, world.now, &view);
        assert_string_equal(view.name, "lily");
        world_begins(&world, "pm2:ann/lily", 0, 777, true);
        assert_int_equal(judge_agents(world.judge), 3);
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_memory_survives_the_records_of_the_chain),
                cmocka_unit_test(the_fullest_memory_of_an_instance_fits),
                cmocka_unit_test(what_is_remembered_is_remembered_again),
                cmocka_unit_test(a_memory_that_makes_no_sense_is_survived),
                cmocka_unit_test(agents_are_found_again_by_id_and_shown_by_short_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
