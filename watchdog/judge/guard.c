#include "judge/guard.h"

#include "base/text.h"
#include "judge/brake.h"
#include "judge/budget.h"
#include "judge/depend.h"
#include "judge/source.h"
#include "judge/table.h"

#define QUARANTINED_MOST 30 /* percent of all agents */
#define BASE_AGAIN (10 * USEC_PER_SEC)

static bool too_many_quarantined(const struct judge *judge)
{
        uint32_t agents = 0, held = 0;

        for (uint32_t n = 0; n < judge->agents_n; n++) {
                const struct agent *agent = &judge->agents[n];
                bool quarantined = false;

                if (!is_governed(agent) || agent->gone)
                        continue;
                agents++;
                for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                        quarantined |= ladder_is_quarantine(i->ladder.state);
                held += quarantined;
        }
        return held > 0 && (held + 1) * 100 > agents * QUARANTINED_MOST;
}

enum withheld guard_against_quarantine(const struct judge *judge, const struct instance *instance)
{
        const struct agent *agent = agent_of(judge, instance);

        if (agent->rule->critical || agent->carrier)
                return WITHHELD_CRITICAL;
        if (brake_on(judge, agent))
                return WITHHELD_COMMON_CAUSE;
        return too_many_quarantined(judge) ? WITHHELD_TOO_MANY : WITHHELD_NOT;
}

bool guard_observes(const struct judge *judge, const struct instance *instance)
{
        return only_observes(judge) || agent_of(judge, instance)->rule->mode != MODE_ENFORCE;
}

static struct guard held_by(enum withheld withheld, usec_t until, const char *reason)
{
        struct guard guard = { .withheld = withheld, .until = until };

        text_copy(guard.reason, sizeof(guard.reason), reason);
        return guard;
}

static usec_t grace_until(const struct judge *judge, const struct agent *agent)
{
        usec_t until = judge->started + START_GRACE;

        if (judge->booted > 0 && judge->booted + BOOT_GRACE > until)
                until = judge->booted + BOOT_GRACE;
        if (agent->planned_until > until)
                until = agent->planned_until;
        if (judge->planned_until > until)
                until = judge->planned_until;
        return until;
}

struct guard guard_now(const struct judge *judge, const struct instance *instance, enum ladder_input input)
{
        const struct agent *agent = agent_of(judge, instance);
        usec_t grace = grace_until(judge, agent);
        char reason[REASON_MAX] = "";
        uint32_t base;

        if (source_is_blind(judge, agent))
                return held_by(WITHHELD_BLIND, source_calm_at(judge, agent), "its manager is not seen");
        if (agent->human_at > 0 && agent->human_at + HUMAN_PAUSE > judge->now)
                return held_by(WITHHELD_HUMAN, agent->human_at + HUMAN_PAUSE, "a human acted on it in the last 10m");
        if (grace > judge->now)
                return held_by(WITHHELD_GRACE, grace, "the machine, Governor or an announced change is still settling");
        base = depend_ill_base(judge, agent);
        if (base != NOBODY) {
                text_append(reason, sizeof(reason), "%s comes first", judge->agents[base].id);
                return held_by(WITHHELD_BASE_FIRST, usec_add(judge->now, BASE_AGAIN), reason);
        }
        if (brake_on(judge, agent) &&
            ((input != INPUT_REVIVE && input != INPUT_REVIVE_DOWN) || is_of_size(instance->cause)))
                return held_by(WITHHELD_COMMON_CAUSE, USEC_INFINITY,
                               "many agents fail together; what they share comes first");
        if (agent->carrier)
                return held_by(WITHHELD_CRITICAL, USEC_INFINITY, "every PM2 app of its user lives in it");
        if (!guard_observes(judge, instance) && budget_is_spent(judge)) {
                text_append(reason, sizeof(reason), "%u actions are spent", judge->policy->machine.actions_at_most);
                return held_by(WITHHELD_BUDGET, budget_free_at(judge), reason);
        }
        return (struct guard){ .withheld = WITHHELD_NOT };
}

usec_t guard_hold_until(const struct judge *judge, const struct instance *instance)
{
        usec_t hot_at = instance->cause == CAUSE_CRASH_LOOP ? tally_hot_at(&instance->tally, judge->now) : 0;

        return instance->claimed == CLAIMED_FAILED ? 0 : hot_at;
}
