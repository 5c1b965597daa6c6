#include "judge/budget.h"

#include <string.h>

static uint32_t at_most(const struct judge *judge)
{
        uint32_t most = judge->policy->machine.actions_at_most;

        return most < BUDGET_MAX ? most : BUDGET_MAX;
}

static uint32_t spent(const struct judge *judge)
{
        usec_t since = usec_since(judge->now, judge->policy->machine.actions_within);
        uint32_t n = 0;

        while (n < judge->budget_n && judge->budget[judge->budget_n - 1 - n] > since)
                n++;
        return n;
}

bool budget_is_spent(const struct judge *judge)
{
        return spent(judge) >= at_most(judge);
}

usec_t budget_free_at(const struct judge *judge)
{
        uint32_t most = at_most(judge);

        if (most == 0)
                return USEC_INFINITY;
        if (judge->budget_n < most)
                return judge->now;
        return judge->budget[judge->budget_n - most] + judge->policy->machine.actions_within;
}

void budget_spend(struct judge *judge)
{
        if (judge->budget_n == BUDGET_MAX)
                memmove(judge->budget, judge->budget + 1, --judge->budget_n * sizeof(*judge->budget));
        judge->budget[judge->budget_n++] = judge->now;
}
