/* The table of the flush cycle, and what a few samples of free memory add up to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fact.h"
#include "judge/ebb.h"
#include "judge/flush.h"

#define MB (UINT64_C(1) << 20)
#define MS USEC_PER_MSEC
#define S USEC_PER_SEC
#define FLOOR (200 * MB)

/* ---- the table ------------------------------------------------------------------------------------------------------- */

static void each_cell_names_a_state_and_a_wait(void **state)
{
        for (unsigned s = 0; s < FLUSH_N; s++)
                for (unsigned i = 0; i < FLUSH_INPUT_N; i++) {
                        const struct flush_cell *cell = &flush_table[s][i];

                        assert_in_range(cell->next, FLUSH_BLANK, FLUSH_N - 1);
                        assert_in_range(cell->wait, FLUSH_WAIT_NONE, FLUSH_WAIT_N - 1);
                        /* only these end by what happens alone */
                        if (cell->next == FLUSH_BLANK || cell->next == FLUSH_CALM || cell->next == FLUSH_QUIET)
                                assert_int_equal(cell->wait, FLUSH_WAIT_NONE);
                        else
                                assert_int_not_equal(cell->wait, FLUSH_WAIT_NONE);
                }
}

static void nothing_waits_for_ever_but_for_memory(void **state)
{
        for (unsigned s = FLUSH_WEIGHING; s < FLUSH_N; s++) {
                if (s != FLUSH_QUIET && s != FLUSH_CHOOSING)
                        assert_int_not_equal(flush_table[s][FLUSH_DUE].next, FLUSH_BLANK);
                if (s != FLUSH_QUIET)
                        assert_int_not_equal(flush_table[s][FLUSH_CLOSED].next, FLUSH_BLANK);
        }
        assert_int_equal(flush_table[FLUSH_QUIET][FLUSH_RISES].next, FLUSH_ABOVE);
}

/* A restart is ordered in one state alone, and it is verified before there is another. */
static void there_is_one_restart_at_a_time(void **state)
{
        for (unsigned s = 0; s < FLUSH_N; s++)
                for (unsigned i = 0; i < FLUSH_INPUT_N; i++)
                        if (flush_table[s][i].next == FLUSH_ORDERED)
                                assert_true(s == FLUSH_CHOOSING && i == FLUSH_CHOSE);
        assert_int_equal(flush_table[FLUSH_ORDERED][FLUSH_DONE].next, FLUSH_SETTLING);
        assert_int_equal(flush_table[FLUSH_ORDERED][FLUSH_DUE].next, FLUSH_SETTLING);
        assert_int_equal(flush_table[FLUSH_SETTLING][FLUSH_DUE].next, FLUSH_CHECKING);
        assert_int_equal(flush_table[FLUSH_CHECKING][FLUSH_WEIGHED].next, FLUSH_CHOOSING);
        assert_int_equal(flush_table[FLUSH_ORDERED][FLUSH_RISES].next, FLUSH_BLANK);
        assert_int_equal(flush_table[FLUSH_SETTLING][FLUSH_RISES].next, FLUSH_BLANK);
}

static void each_state_has_a_name(void **state)
{
        for (unsigned s = 0; s < FLUSH_N; s++)
                assert_true(strlen(flush_state_name((enum flush_state)s)) > 0);
        assert_string_equal(flush_state_name(FLUSH_ORDERED), "restarting");
}

/* ---- samples --------------------------------------------------------------------------------------------------------- */

static struct ebb ebb;
static usec_t now;

static int set_up(void **state)
{
        ebb = (struct ebb){ .n = 0 };
        now = 1700000000 * S;
        return 0;
}

static void sample(uint64_t mb, usec_t after, uint32_t some, uint32_t full)
{
        struct fact fact = { .kind = FACT_HOST, .host = { .total_bytes = 1000 * MB } };

        now += after;
        fact.at = now;
        fact.host.available_bytes = mb * MB;
        fact.host.memory_some_avg10 = some;
        fact.host.memory_full_avg10 = full;
        ebb_add(&ebb, &fact);
}

static struct ebb_found find(bool was_below)
{
        struct ebb_found found;

        ebb_find(&ebb, FLOOR, was_below, &found);
        return found;
}

static void one_sample_below_is_nothing(void **state)
{
        sample(500, 0, 0, 0);
        sample(10, 15 * S, 9000, 9000);
        assert_false(find(false).below);
}

static void below_for_eight_seconds_is(void **state)
{
        sample(500, 0, 0, 0);
        for (usec_t t = 0; t < 8 * S; t += 500 * MS) {
                sample(190, 500 * MS, 0, 0);
                assert_false(find(false).below);
        }
        sample(190, 500 * MS, 0, 0);
        assert_int_equal(find(false).sign, EBB_STAYS);
        assert_true(find(false).lasts == 8 * S);
}

static void one_sample_above_begins_it_anew(void **state)
{
        for (int n = 0; n < 40; n++) {
                sample(n % 10 == 9 ? 210 : 190, 500 * MS, 0, 0);
                assert_false(find(false).below);
        }
}

static void pressure_is_believed_after_three(void **state)
{
        sample(190, 0, 1000, 0);
        sample(190, 500 * MS, 1000, 0);
        assert_false(find(false).below);
        sample(190, 500 * MS, 1000, 0);
        assert_int_equal(find(false).sign, EBB_PRESSURE);
        sample(190, 500 * MS, 999, 99);
        assert_false(find(false).below);
        sample(190, 500 * MS, 0, 100);
        assert_int_equal(find(false).sign, EBB_PRESSURE);
}

static void a_fall_is_believed_when_it_leads_to_nothing_soon(void **state)
{
        for (uint64_t mb = 260; mb > 180; mb -= 4) /* 480 MB a minute */
                sample(mb, 500 * MS, 0, 0);
        assert_int_equal(find(false).sign, EBB_FALLS);
        set_up(state);
        for (uint64_t mb = 260; mb > 180; mb -= 4) /* 16 MB a minute */
                sample(mb, 15 * S, 0, 0);
        assert_int_not_equal(find(false).sign, EBB_FALLS);
}

static void a_quarter_of_the_floor_is_deep(void **state)
{
        sample(49, 0, 0, 0);
        assert_false(find(false).below);
        sample(49, 500 * MS, 0, 0);
        assert_int_equal(find(false).sign, EBB_DEEP);
}

static void it_holds_until_there_is_more_than_the_margin_for_a_while(void **state)
{
        assert_true(ebb_margin(&ebb, FLOOR) >= MB);
        sample(190, 0, 0, 0);
        assert_true(find(true).below);
        for (int n = 0; n < 20; n++) { /* above the floor, within the margin */
                sample(210, 500 * MS, 0, 0);
                assert_true(find(true).below);
        }
        for (int n = 0; n < 4; n++) {
                sample(226, 500 * MS, 0, 0);
                assert_true(find(true).below);
        }
        sample(226, 500 * MS, 0, 0);
        assert_false(find(true).below);
}

static void what_is_far_apart_does_not_belong_together(void **state)
{
        sample(190, 0, 0, 0);
        sample(190, 3 * USEC_PER_MINUTE, 0, 0);
        sample(190, 3 * USEC_PER_MINUTE, 0, 0);
        assert_int_equal(ebb.n, 1);
        assert_false(find(false).below);
}

static void a_margin_can_always_be_reached(void **state)
{
        sample(500, 0, 0, 0);
        assert_true(ebb_margin(&ebb, 200 * MB) == 25 * MB);
        assert_true(990 * MB + ebb_margin(&ebb, 990 * MB) < 1000 * MB);
        assert_true(ebb_margin(&ebb, 1000 * MB) == MB);
        assert_true(ebb_margin(&ebb, 4000 * MB) == MB);
        assert_true(ebb_margin(&ebb, MB) == MB);
}

static void the_pace_needs_a_fall_that_goes_on(void **state)
{
        uint64_t pace;

        for (int n = 0; n < 20; n++) /* up and down */
                sample(n % 2 ? 500 : 470, 5 * S, 0, 0);
        assert_true(ebb_until(&ebb, FLOOR, &pace) == USEC_INFINITY && pace == 0);
        set_up(state);
        for (uint64_t n = 0; n < 20; n++) /* 60 MB a minute */
                sample(500 - 5 * n, 5 * S, 0, 0);
        assert_true(ebb_until(&ebb, FLOOR, &pace) > 190 * S && ebb_until(&ebb, FLOOR, &pace) < 215 * S);
        assert_true(pace > 57 * MB && pace < 63 * MB);
        assert_true(ebb_until(&ebb, 500 * MB, &pace) == 0);
}

static void a_sample_without_figures_is_none(void **state)
{
        struct fact fact = { .kind = FACT_HOST, .at = now };

        ebb_add(&ebb, &fact);
        assert_int_equal(ebb.n, 0);
        assert_int_equal(ebb_available(&ebb), 0);
        assert_false(find(false).below);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_cell_names_a_state_and_a_wait),
                cmocka_unit_test(nothing_waits_for_ever_but_for_memory),
                cmocka_unit_test(there_is_one_restart_at_a_time),
                cmocka_unit_test(each_state_has_a_name),
                cmocka_unit_test_setup(one_sample_below_is_nothing, set_up),
                cmocka_unit_test_setup(below_for_eight_seconds_is, set_up),
                cmocka_unit_test_setup(one_sample_above_begins_it_anew, set_up),
                cmocka_unit_test_setup(pressure_is_believed_after_three, set_up),
                cmocka_unit_test_setup(a_fall_is_believed_when_it_leads_to_nothing_soon, set_up),
                cmocka_unit_test_setup(a_quarter_of_the_floor_is_deep, set_up),
                cmocka_unit_test_setup(it_holds_until_there_is_more_than_the_margin_for_a_while, set_up),
                cmocka_unit_test_setup(what_is_far_apart_does_not_belong_together, set_up),
                cmocka_unit_test_setup(a_margin_can_always_be_reached, set_up),
                cmocka_unit_test_setup(the_pace_needs_a_fall_that_goes_on, set_up),
                cmocka_unit_test_setup(a_sample_without_figures_is_none, set_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
