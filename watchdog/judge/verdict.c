#include "judge/verdict.h"

#include <string.h>

#include "base/decimal.h"
#include "base/text.h"

/* One more reason, behind those that are there. */
static char *more(struct judged *judged)
{
        if (judged->why[0])
                text_append(judged->why, VERDICT_WHY_MAX, "; ");
        return judged->why;
}

static bool deny(struct judged *judged)
{
        judged->verdict = VERDICT_DENIED;
        return false;
}

/* The parameter's amount; false with the reason when there is none that a limit could be held against. */
static bool take_amount(const struct amount_limit *limit, const struct parameter *parameters, unsigned n, int64_t *ret,
                        struct judged *judged)
{
        const char *text = NULL;
        char shown[40];

        for (unsigned i = 0; i < n; i++)
                if (strcmp(parameters[i].name, limit->name) == 0)
                        text = parameters[i].text;
        if (!text) {
                text_append(more(judged), VERDICT_WHY_MAX, "the rule needs the parameter '%s', which is missing",
                            limit->name);
                return deny(judged);
        }
        text_copy_safe(shown, sizeof(shown), text);
        if (!decimal_read(text, ret)) {
                text_append(more(judged), VERDICT_WHY_MAX, "the parameter '%s' is '%s', which is no number",
                            limit->name, shown);
                return deny(judged);
        }
        if (*ret < 0) {
                text_append(more(judged), VERDICT_WHY_MAX, "the parameter '%s' is negative", limit->name);
                return deny(judged);
        }
        return true;
}

/* Whether any is above its limit; then that is the reason. All are looked at: one that is no number denies. */
static bool is_above(const struct amount_limit *limits, unsigned limits_n, const struct parameter *parameters,
                     unsigned n, struct judged *judged, bool *ret_above)
{
        char most[DECIMAL_TEXT_MAX], given[DECIMAL_TEXT_MAX];
        int64_t amount;

        *ret_above = false;
        for (unsigned i = 0; i < limits_n; i++) {
                if (!take_amount(&limits[i], parameters, n, &amount, judged))
                        return false;
                if (amount <= limits[i].millionths || *ret_above)
                        continue;
                *ret_above = true;
                text_append(judged->why, VERDICT_WHY_MAX, "%s %s is more than %s", limits[i].name,
                            decimal_text(amount, given), decimal_text(limits[i].millionths, most));
        }
        return true;
}

void verdict_of_change(const struct action_rule *rule, const struct parameter *parameters, unsigned n,
                       struct judged *ret)
{
        bool above;

        *ret = (struct judged){ .verdict = VERDICT_ASK, .rule = rule };
        if (is_above(rule->deny_above, rule->deny_above_n, parameters, n, ret, &above) && above)
                ret->verdict = VERDICT_DENIED;
}

void verdict_of(const struct policy *policy, const char *action, const struct parameter *parameters, unsigned n,
                struct judged *ret)
{
        const struct action_rule *rule = policy_action(policy, action);
        bool above;

        if (!rule) {
                *ret = (struct judged){ .verdict = VERDICT_DENIED };
                text_copy(ret->why, sizeof(ret->why), "no rule of the policy names this action");
                return;
        }
        verdict_of_change(rule, parameters, n, ret);
        if (ret->verdict == VERDICT_DENIED || !is_above(rule->ask_above, rule->ask_above_n, parameters, n, ret, &above))
                return;
        if (rule->ask_above_n == 0)
                text_copy(ret->why, sizeof(ret->why), "a human is asked each time");
        else if (!above) {
                ret->verdict = VERDICT_ALLOWED;
                text_copy(ret->why, sizeof(ret->why), "within what the rule allows at once");
        }
}
