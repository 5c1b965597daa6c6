#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/ladder.h"

static const struct ladder_cell *cell(unsigned state, unsigned input)
{
        return &ladder_table[state][input];
}

/* Walks every cell. */
static void each_cell_names_a_state_and_waits_for_what_it_starts(void **state)
{
        (void)state;
        for (unsigned s = 0; s < LADDER_N; s++)
                for (unsigned i = 0; i < INPUT_N; i++) {
                        const struct ladder_cell *c = cell(s, i);

                        assert_in_range(c->next, LADDER_BLANK, LADDER_N - 1);
                        assert_in_range(c->wait, WAIT_NONE, WAIT_N - 1);
                        if (c->next == LADDER_BLANK) {
                                assert_int_equal(c->action, ACTION_NONE);
                                assert_false(c->failed);
                                continue;
                        }
                        /* an action is waited for, and has a purpose */
                        if (c->action != ACTION_NONE) {
                                assert_int_equal(c->wait, WAIT_REPLY);
                                assert_int_not_equal(c->purpose, PURPOSE_NONE);
                        }
                        /* nobody rests in a state that only time can end without a wait */
                        if (c->next == LADDER_BACKOFF)
                                assert_int_equal(c->wait, WAIT_BACKOFF);
                        if (c->next == LADDER_QUARANTINED)
                                assert_int_equal(c->wait, WAIT_TRIAL);
                        if (c->next == LADDER_SETTLING || c->next == LADDER_TRIAL)
                                assert_int_equal(c->wait, WAIT_SETTLE);
                        if (c->next == LADDER_RETRY)
                                assert_int_equal(c->wait, WAIT_BACKOFF);
                }
}

static void the_blank_state_is_never_left(void **state)
{
        (void)state;
        for (unsigned i = 0; i < INPUT_N; i++)
                assert_int_equal(cell(LADDER_BLANK, i)->next, LADDER_BLANK);
}

static void every_action_under_way_takes_every_outcome(void **state)
{
        static const enum ladder_state busy[] = { LADDER_STOPPING,  LADDER_STARTING, LADDER_REVIVING,
                                                  LADDER_CONFINING, LADDER_TRYING,   LADDER_ROLLING };
        static const enum ladder_input outcomes[] = { INPUT_DONE, INPUT_FAILED,  INPUT_STALE,
                                                      INPUT_DRY,  INPUT_REFUSED, INPUT_LOST };

        (void)state;
        for (unsigned s = 0; s < sizeof(busy) / sizeof(*busy); s++)
                for (unsigned o = 0; o < sizeof(outcomes) / sizeof(*outcomes); o++)
                        assert_int_not_equal(cell(busy[s], outcomes[o])->next, LADDER_BLANK);
}

static void what_we_stopped_is_always_started_again_or_given_to_a_human(void **state)
{
        (void)state;
        assert_int_equal(cell(LADDER_BACKOFF, INPUT_DUE)->action, ACTION_START);
        assert_int_equal(cell(LADDER_QUARANTINED, INPUT_DUE)->action, ACTION_START);
        assert_int_equal(cell(LADDER_QUARANTINED, INPUT_DUE_SPENT)->next, LADDER_GIVEN_UP);
        assert_int_equal(cell(LADDER_GIVEN_UP, INPUT_RELEASE)->action, ACTION_START);
        assert_int_equal(cell(LADDER_STARTING, INPUT_FAILED)->next, LADDER_BACKOFF);
        for (unsigned i = 0; i < INPUT_N; i++)
                if (i != INPUT_BORN && i != INPUT_RELEASE && i != INPUT_ASKED && i != INPUT_ASKED_BACK &&
                    i != INPUT_CLEARED)
                        assert_int_equal(cell(LADDER_GIVEN_UP, i)->next, LADDER_BLANK);
}

static void a_stop_is_ordered_from_suspicion_only(void **state)
{
        (void)state;
        for (unsigned s = 0; s < LADDER_N; s++)
                for (unsigned i = 0; i < INPUT_N; i++)
                        if (cell(s, i)->action == ACTION_STOP)
                                assert_int_equal(s, LADDER_SUSPECT);
}

static void a_rollback_is_ordered_for_what_loops_or_by_a_human(void **state)
{
        (void)state;
        for (unsigned s = 0; s < LADDER_N; s++)
                for (unsigned i = 0; i < INPUT_N; i++)
                        if (cell(s, i)->action == ACTION_ROLLBACK && cell(s, i)->purpose != PURPOSE_ASKED)
                                assert_int_equal(s, LADDER_SUSPECT);
        /* what we hold down is down again when that fails, not forgotten */
        assert_int_equal(cell(cell(LADDER_QUARANTINED, INPUT_ASKED_BACK)->next, INPUT_FAILED)->next,
                         LADDER_QUARANTINED);
        assert_int_equal(cell(cell(LADDER_BACKOFF, INPUT_ASKED_BACK)->next, INPUT_FAILED)->next, LADDER_BACKOFF);
        assert_int_equal(cell(LADDER_ROLLING, INPUT_DEATH)->next, LADDER_BLANK);
}

static void names_are_known(void **state)
{
        (void)state;
        for (unsigned s = 0; s < LADDER_N; s++)
                assert_non_null(ladder_state_name((enum ladder_state)s));
        for (unsigned i = 0; i < INPUT_N; i++)
                assert_non_null(ladder_input_name((enum ladder_input)i));
        assert_string_equal(ladder_state_name((enum ladder_state)99), "blank");
        assert_string_equal(ladder_input_name(INPUT_ASKED), "asked");
        assert_string_equal(ladder_input_name(INPUT_ASKED_BACK), "asked-back");
        assert_string_equal(ladder_state_name(LADDER_ROLLING), "rolling");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_cell_names_a_state_and_waits_for_what_it_starts),
                cmocka_unit_test(the_blank_state_is_never_left),
                cmocka_unit_test(every_action_under_way_takes_every_outcome),
                cmocka_unit_test(what_we_stopped_is_always_started_again_or_given_to_a_human),
                cmocka_unit_test(a_stop_is_ordered_from_suspicion_only),
                cmocka_unit_test(a_rollback_is_ordered_for_what_loops_or_by_a_human),
                cmocka_unit_test(names_are_known),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
