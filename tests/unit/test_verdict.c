#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "judge/verdict.h"

static const char policy_text[] =
        "actions:\n"
        "  - { name: trade, ask_above: { usd: 1000, shares: 50 }, deny_above: { usd: 10000 } }\n"
        "  - { name: deploy }\n"
        "  - { name: mail, deny_above: { copies: 100 } }\n";

static struct policy *load(void)
{
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;

        assert_int_equal(policy_load_text("a.yaml", policy_text, strlen(policy_text), &policy, &messages), 0);
        assert_int_equal(messages.n, 0);
        policy_messages_done(&messages);
        return policy;
}

/* What becomes of the action with up to two parameters, and why. */
static void check(const char *action, struct parameter first, struct parameter second, enum verdict wanted,
                  const char *why)
{
        const struct parameter parameters[] = { first, second };
        struct policy *policy = load();
        struct judged judged;

        verdict_of(policy, action, parameters, (first.name != NULL) + (second.name != NULL), &judged);
        assert_string_equal(judged.why, why);
        assert_int_equal(judged.verdict, wanted);
        policy_free(policy);
}

#define NONE ((struct parameter){ NULL, NULL })
#define IS(name, text) ((struct parameter){ name, text })

static void an_action_that_no_rule_names_is_denied(void **state)
{
        (void)state;
        check("wire", IS("usd", "1"), NONE, VERDICT_DENIED, "no rule of the policy names this action");
        check("", NONE, NONE, VERDICT_DENIED, "no rule of the policy names this action");
}

static void up_to_the_limit_it_is_allowed_at_once(void **state)
{
        (void)state;
        check("trade", IS("usd", "1000"), IS("shares", "50"), VERDICT_ALLOWED, "within what the rule allows at once");
}

static void any_parameter_above_its_limit_makes_it_a_question(void **state)
{
        (void)state;
        check("trade", IS("usd", "1000.000001"), IS("shares", "1"), VERDICT_ASK, "usd 1000.000001 is more than 1000");
        check("trade", IS("shares", "51"), IS("usd", "1"), VERDICT_ASK, "shares 51 is more than 50");
        check("trade", IS("usd", "1000.0000000001"), IS("shares", "1"), VERDICT_ASK,
              "usd 1000.000001 is more than 1000");
}

static void above_the_last_limit_nobody_is_asked(void **state)
{
        (void)state;
        check("trade", IS("usd", "10001"), IS("shares", "1"), VERDICT_DENIED, "usd 10001 is more than 10000");
}

static void what_the_rule_cannot_weigh_is_denied(void **state)
{
        (void)state;
        check("trade", IS("usd", "1"), NONE, VERDICT_DENIED, "the rule needs the parameter 'shares', which is missing");
        check("trade", IS("usd", "much"), IS("shares", "1"), VERDICT_DENIED,
              "the parameter 'usd' is 'much', which is no number");
        check("trade", IS("usd", "-5000"), IS("shares", "1"), VERDICT_DENIED, "the parameter 'usd' is negative");
        check("trade", IS("usd", "1e9"), IS("shares", "1"), VERDICT_DENIED,
              "the parameter 'usd' is '1e9', which is no number");
        check("trade", IS("usd", "5000"), NONE, VERDICT_DENIED,
              "usd 5000 is more than 1000; the rule needs the parameter 'shares', which is missing");
}

static void without_a_first_limit_a_human_is_asked_each_time(void **state)
{
        (void)state;
        check("deploy", NONE, NONE, VERDICT_ASK, "a human is asked each time");
        check("mail", IS("copies", "100"), NONE, VERDICT_ASK, "a human is asked each time");
        check("mail", IS("copies", "101"), NONE, VERDICT_DENIED, "copies 101 is more than 100");
}

static void a_human_may_not_grant_what_the_policy_denies(void **state)
{
        struct policy *policy = load();
        const struct parameter much[] = { { "usd", "10001" } }, less[] = { { "usd", "10000" } };
        struct judged judged;

        (void)state;
        verdict_of_change(policy_action(policy, "trade"), much, 1, &judged);
        assert_int_equal(judged.verdict, VERDICT_DENIED);
        verdict_of_change(policy_action(policy, "trade"), less, 1, &judged);
        assert_int_equal(judged.verdict, VERDICT_ASK);
        policy_free(policy);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_action_that_no_rule_names_is_denied),
                cmocka_unit_test(up_to_the_limit_it_is_allowed_at_once),
                cmocka_unit_test(any_parameter_above_its_limit_makes_it_a_question),
                cmocka_unit_test(above_the_last_limit_nobody_is_asked),
                cmocka_unit_test(what_the_rule_cannot_weigh_is_denied),
                cmocka_unit_test(without_a_first_limit_a_human_is_asked_each_time),
                cmocka_unit_test(a_human_may_not_grant_what_the_policy_denies),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
