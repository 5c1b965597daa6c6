#include "judge/rein.h"

#include <stdio.h>

#include "base/text.h"
#include "judge/budget.h"
#include "judge/due.h"
#include "judge/guard.h"
#include "judge/incidents.h"
#include "judge/memory.h"
#include "judge/table.h"

#define REPLY_WAIT (2 * USEC_PER_MINUTE) /* the hand's own deadlines are shorter: this one catches a lost outcome */
#define AGAIN_LEAST (10 * USEC_PER_SEC)  /* before another try to take it back, twice as long each time ... */
#define AGAIN_MOST (5 * USEC_PER_MINUTE) /* ... up to this */
#define HARM_WITHIN (10 * USEC_PER_MINUTE)

/* clang-format off */
const struct rein_cell rein_table[REIN_N][REIN_INPUT_N] = {
        [REIN_OFF] = {
                [REIN_INPUT_WANT]   = { REIN_HOLDING, ACTION_LIMIT },
        },
        [REIN_HOLDING] = {
                [REIN_INPUT_DONE]   = { REIN_HELD,    ACTION_NONE },
                [REIN_INPUT_FAILED] = { REIN_TOLD,    ACTION_NONE },
                [REIN_INPUT_LOST]   = { REIN_HELD,    ACTION_NONE }, /* it may be there: then it has to go one day */
                [REIN_INPUT_DRY]    = { REIN_TOLD,    ACTION_NONE },
        },
        [REIN_HELD] = {
                [REIN_INPUT_OVER]   = { REIN_LETTING, ACTION_UNLIMIT },
                [REIN_INPUT_DONE]   = { REIN_TOLD,    ACTION_NONE }, /* somebody else took it back, and is not argued with */
        },
        [REIN_LETTING] = {
                [REIN_INPUT_DONE]   = { REIN_OFF,     ACTION_NONE },
                [REIN_INPUT_FAILED] = { REIN_HELD,    ACTION_NONE },
                [REIN_INPUT_LOST]   = { REIN_HELD,    ACTION_NONE },
                [REIN_INPUT_DRY]    = { REIN_HELD,    ACTION_NONE },
        },
        [REIN_TOLD] = {
                [REIN_INPUT_OVER]   = { REIN_OFF,     ACTION_NONE },
        },
};
/* clang-format on */

/* ---- what happens to it ------------------------------------------------------------------------------------------------ */

static void describe(const struct judge *judge, const struct agent *agent, const struct instance *instance,
                     enum action action, char reason[REASON_MAX])
{
        const struct cpu_limits *limits = &agent->rule->cpu;
        char lasting[TEXT_SPAN_MAX];

        if (action == ACTION_LIMIT)
                snprintf(reason, REASON_MAX, "CPUQuota=%llu%% until it wants less: above its limit of %llu%% for %s",
                         (unsigned long long)limits->quota_percent, (unsigned long long)limits->above_percent,
                         text_span(lasting, limits->lasting));
        else if (agent->rein.harmed)
                text_copy(reason, REASON_MAX, "it died under its CPU quota");
        else if (judge->disarmed)
                text_copy(reason, REASON_MAX, "disarmed");
        else if (limits->quota_percent != agent->rein.percent)
                text_copy(reason, REASON_MAX, "its rule gives it another CPU quota, or none");
        else if (!instance->burden.told.found)
                text_copy(reason, REASON_MAX, "it wants no more than its limit again");
        else
                text_copy(reason, REASON_MAX, "its incident is closed");
}

/* Letting go makes nothing worse: it waits for no mode to be over. */
static void act(struct judge *judge, struct agent *agent, struct instance *instance, enum action action)
{
        struct rein *rein = &agent->rein;
        struct decision *decision = decide(judge, DECIDE_ACT, agent, instance, NOBODY);

        decision->incident = rein->incident;
        decision->cause = CAUSE_CPU_SUSTAINED;
        decision->action = action;
        decision->instance = INSTANCE_ALL;
        decision->limits.place = LIMITS_QUOTA;
        if (action == ACTION_LIMIT) {
                decision->purpose = PURPOSE_HEAL;
                limits_put(&decision->limits, LIMIT_CPU_QUOTA, agent->rule->cpu.quota_percent);
                rein->percent = (uint32_t)agent->rule->cpu.quota_percent;
                if (decision->enforce)
                        budget_spend(judge);
        } else {
                decision->purpose = PURPOSE_UNDO;
                decision->enforce = !judge->observe_only;
                decision->safety = true;
        }
        decision->pid = 0, decision->start = 0; /* it is the unit's, whoever lives in it */
        describe(judge, agent, instance, action, decision->reason);
}

/* When something is due of its own; 0: nothing is. */
static usec_t wait_until(const struct judge *judge, struct rein *rein, const struct rein_cell *cell, bool again)
{
        usec_t wait = AGAIN_LEAST << (rein->tries < 5 ? rein->tries : 5);

        if (cell->action != ACTION_NONE)
                return usec_add(judge->now, REPLY_WAIT);
        rein->tries = again ? rein->tries + 1 : 0;
        return again ? usec_add(judge->now, wait < AGAIN_MOST ? wait : AGAIN_MOST) : 0;
}

static void take(struct judge *judge, struct agent *agent, struct instance *instance, enum rein_input input)
{
        struct rein *rein = &agent->rein;
        enum rein_state state = rein->state == REIN_BLANK ? REIN_OFF : rein->state;
        const struct rein_cell *cell = &rein_table[state][input];

        if (cell->next == REIN_BLANK)
                return;
        rein->state = cell->next;
        rein->since = judge->now;
        rein->until = wait_until(judge, rein, cell, state == REIN_LETTING && cell->next == REIN_HELD);
        judge->material = true;
        if (cell->action != ACTION_NONE)
                act(judge, agent, instance, cell->action);
}

static enum rein_input input_of(enum outcome outcome)
{
        switch (outcome) {
        case OUTCOME_OK: return REIN_INPUT_DONE;
        case OUTCOME_DRY: return REIN_INPUT_DRY;
        case OUTCOME_FAILED:
        case OUTCOME_STALE:
        case OUTCOME_REFUSED: return REIN_INPUT_FAILED;
        default: return REIN_INPUT_LOST;
        }
}

void rein_outcome(struct judge *judge, struct agent *agent, const struct fact *fact)
{
        bool limited = fact->outcome.action == ACTION_LIMIT;

        if (limited != (agent->rein.state == REIN_HOLDING))
                return;
        if (agent->rein.state == REIN_HELD && fact->outcome.outcome != OUTCOME_OK)
                return;
        take(judge, agent, first_instance(judge, agent), input_of(fact->outcome.outcome));
        due_all(judge, agent, judge->now);
}

/* ---- the look ------------------------------------------------------------------------------------------------------------ */

static void withhold(struct judge *judge, struct agent *agent, struct instance *instance, const struct guard *guard)
{
        struct decision *decision;

        if (!incident_withholds(judge, agent->noted[NOTE_LOAD], guard->withheld))
                return;
        decision = decide(judge, DECIDE_WITHHOLD, agent, instance, agent->noted[NOTE_LOAD]);
        decision->action = ACTION_LIMIT;
        decision->withheld = guard->withheld;
        text_copy(decision->reason, sizeof(decision->reason), guard->reason);
        judge->material = true;
}

static struct guard speaks_against(const struct judge *judge, const struct agent *agent,
                                   const struct instance *instance)
{
        struct guard shared = { .withheld = WITHHELD_SHARED, .until = USEC_INFINITY };
        char name[AGENT_ID_MAX];

        if (agent->manager == MANAGER_SYSTEMD)
                return guard_now(judge, instance, INPUT_REVIVE);
        agent_short_name(agent->id, name);
        snprintf(shared.reason, sizeof(shared.reason),
                 "PM2 apps share one control group with their PM2: a CPU quota needs a unit of its own (govctl limits "
                 "%.64s)",
                 name);
        return shared;
}

/* Of the life that runs, and not of one before: another one may have nothing to do with it. */
static bool is_burden(const struct instance *instance)
{
        const struct burden *burden = &instance->burden;

        return burden->told.found && is_alive(instance) && burden->told.pid == life_seen(instance)->pid &&
               burden->told.start == life_seen(instance)->start;
}

static bool is_wanted(const struct judge *judge, const struct agent *agent, const struct instance *instance)
{
        return agent->rule->cpu.quota_percent > 0 && agent->noted[NOTE_LOAD] != NOBODY && is_burden(instance) &&
               !agent->rein.harmed && !judge->disarmed;
}

/* A death soon after it was set is laid at its door. */
static void notice_harm(struct agent *agent, const struct instance *instance)
{
        struct rein *rein = &agent->rein;

        if (rein->state == REIN_HELD && instance->last_death >= rein->since &&
            instance->last_death - rein->since < HARM_WITHIN)
                rein->harmed = true;
}

static bool is_over(const struct judge *judge, const struct agent *agent, const struct instance *instance)
{
        return agent->rein.harmed || judge->disarmed || !instance->burden.told.found ||
               agent->noted[NOTE_LOAD] == NOBODY || agent->rule->cpu.quota_percent != agent->rein.percent;
}

static void look_at_wait(struct judge *judge, struct agent *agent, struct instance *instance)
{
        struct rein *rein = &agent->rein;

        if (rein->until == 0 || rein->until > judge->now)
                return;
        rein->until = 0;
        take(judge, agent, instance, REIN_INPUT_LOST); /* of HOLDING and LETTING; the others only waited */
}

void rein_look(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due)
{
        struct rein *rein = &agent->rein;
        struct guard guard;

        look_at_wait(judge, agent, instance);
        notice_harm(agent, instance);
        if (!instance->burden.told.found && rein->state != REIN_HELD && rein->state != REIN_LETTING)
                rein->harmed = false;
        if (rein->until == 0 && is_over(judge, agent, instance))
                take(judge, agent, instance, REIN_INPUT_OVER);
        if (rein->state <= REIN_OFF && is_wanted(judge, agent, instance)) {
                guard = speaks_against(judge, agent, instance);
                if (guard.withheld != WITHHELD_NOT)
                        withhold(judge, agent, instance, &guard);
                else
                        rein->incident = judge->incidents[agent->noted[NOTE_LOAD]].number;
                if (guard.withheld == WITHHELD_NOT)
                        take(judge, agent, instance, REIN_INPUT_WANT);
                else if (guard.until > judge->now && guard.until < *due)
                        *due = guard.until;
        }
        if (rein->until > judge->now && rein->until < *due)
                *due = rein->until;
}

void rein_rebooted(struct judge *judge)
{
        for (uint32_t n = 0; n < judge->agents_n; n++)
                judge->agents[n].rein = (struct rein){ .state = REIN_OFF };
}

void rein_arm(struct judge *judge)
{
        for (uint32_t n = 0; n < judge->agents_n; n++)
                if (judge->agents[n].rein.state == REIN_TOLD)
                        judge->agents[n].rein.state = REIN_OFF;
}
