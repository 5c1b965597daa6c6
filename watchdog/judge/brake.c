#include "judge/brake.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "judge/blame.h"
#include "judge/due.h"
#include "judge/incidents.h"
#include "judge/table.h"

#define TOGETHER (2 * USEC_PER_MINUTE)
#define QUIET (5 * USEC_PER_MINUTE)  /* without failures: it is over */
#define FRESH (10 * USEC_PER_MINUTE) /* an agent that failed within this time before does not begin to fail now */
#define LEAST 3
#define PERCENT 20

/* A group of agents at one moment. */
struct group {
        uint32_t agents, began, failing; /* all; began to fail within TOGETHER; failed within QUIET */
        const struct agent *first;
        enum ending ending; /* the most common one, of `alike` agents */
        int code, signal;
        uint32_t alike;
};

static bool is_member(const struct judge *judge, const struct brake *brake, const struct agent *agent)
{
        if (!is_governed(agent) || agent->gone)
                return false;
        if (brake->base == NOBODY)
                return agent->manager == brake->manager;
        for (uint32_t n = 0; n < agent->bases_n; n++)
                if (agent->bases[n].agent == brake->base)
                        return true;
        return false;
}

static bool died_alike(const struct instance *a, const struct instance *b)
{
        return a->last_ending == b->last_ending && a->last_code == b->last_code && a->last_signal == b->last_signal;
}

/* It looped long before and will loop on: it has no part in what happens now. */
static bool is_chronic(const struct judge *judge, const struct agent *agent)
{
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (i->thin)
                        return true;
        return false;
}

/*
 * Boyer-Moore's majority vote, then counted: one pass each, no table of endings. Where there is no majority the order decides: that of
 * the instances is the same in a judge made from the memory, that of the agents is not.
 */
static void vote(const struct judge *judge, const struct brake *brake, struct group *group, usec_t since)
{
        const struct instance *favourite = NULL;
        uint32_t votes = 0;

        for (int pass = 0; pass < 2; pass++)
                for (uint32_t n = 0; n < judge->instances_n; n++) {
                        const struct instance *i = &judge->instances[n];
                        const struct agent *agent = agent_of(judge, i);

                        if (i != first_instance(judge, agent) || agent->failed_at < since || agent->failed_at == 0 ||
                            is_chronic(judge, agent) || !is_member(judge, brake, agent))
                                continue;
                        if (pass == 1) {
                                group->alike += died_alike(i, favourite);
                        } else if (votes == 0) {
                                favourite = i;
                                votes = 1;
                        } else {
                                votes += died_alike(i, favourite) ? 1u : -1u;
                        }
                }
        if (favourite) {
                group->ending = favourite->last_ending;
                group->code = favourite->last_code;
                group->signal = favourite->last_signal;
        }
}

static bool failed_first(const struct agent *agent, const struct agent *other)
{
        return !other || agent->failing_since < other->failing_since ||
               (agent->failing_since == other->failing_since && strcmp(agent->id, other->id) < 0);
}

static struct group measure(const struct judge *judge, const struct brake *brake)
{
        struct group group = { .agents = 0 };

        for (uint32_t n = 0; n < judge->agents_n; n++) {
                const struct agent *agent = &judge->agents[n];

                if (!is_member(judge, brake, agent))
                        continue;
                group.agents++;
                if (agent->failed_at == 0 || is_chronic(judge, agent))
                        continue;
                if (usec_since(judge->now, agent->failing_since) <= TOGETHER) {
                        group.began++;
                        if (failed_first(agent, group.first))
                                group.first = agent;
                }
                group.failing += usec_since(judge->now, agent->failed_at) < QUIET;
        }
        return group;
}

static uint32_t limit(uint32_t agents)
{
        uint32_t share = agents * PERCENT / 100;

        return share > LEAST ? share : LEAST;
}

static bool too_many(const struct group *group)
{
        return group->began > limit(group->agents);
}

static struct brake *find(struct judge *judge, enum manager manager, uint32_t base)
{
        struct brake *unused = NULL;

        for (uint32_t n = 0; n < BRAKES_MAX; n++) {
                struct brake *brake = &judge->brakes[n];

                if (brake->on && brake->manager == manager && brake->base == base)
                        return brake;
                if (!brake->on && !unused)
                        unused = brake;
        }
        return unused;
}

static void check(struct judge *judge, enum manager manager, uint32_t base)
{
        struct brake wanted = { .on = true, .manager = manager, .base = base, .incident = NOBODY, .since = judge->now };
        struct brake *brake = find(judge, manager, base);
        struct group group;

        if (!brake || brake->on)
                return;
        group = measure(judge, &wanted);
        if (!too_many(&group))
                return;
        *brake = wanted;
        judge->machine_due = judge->now; /* tells it */
}

void brake_note(struct judge *judge, struct agent *agent, usec_t at)
{
        bool fresh = agent->failed_at == 0 || usec_since(at, agent->failed_at) > FRESH;

        agent->failed_at = at;
        if (!fresh || !is_governed(agent))
                return;
        agent->failing_since = at;
        for (uint32_t n = 0; n < agent->bases_n; n++)
                check(judge, MANAGER_NONE, agent->bases[n].agent);
        check(judge, agent->manager, NOBODY);
}

static void describe(const struct judge *judge, const struct brake *brake, const struct group *group,
                     char reason[REASON_MAX])
{
        reason[0] = '\0';
        if (brake->base == NOBODY)
                text_append(reason, REASON_MAX, "%u of %u %s agents failed within 2m", group->began, group->agents,
                            manager_name(brake->manager));
        else
                text_append(reason, REASON_MAX, "%u of %u agents that depend on %s failed within 2m", group->began,
                            group->agents, judge->agents[brake->base].id);
        if (group->alike > 1 && group->ending == ENDING_EXIT)
                text_append(reason, REASON_MAX, ", %u of them with exit code %d", group->alike, group->code);
        else if (group->alike > 1 && group->ending == ENDING_SIGNAL)
                text_append(reason, REASON_MAX, ", %u of them by signal %d", group->alike, group->signal);
        else if (group->alike > 1 && group->ending == ENDING_OOM)
                text_append(reason, REASON_MAX, ", %u of them out of memory", group->alike);
        if (group->first)
                text_append(reason, REASON_MAX, "; the first was %s", group->first->id);
        if (group->first)
                blame_say_package(judge, group->first->failing_since, reason);
}

/* Everything that was held by it gets its own look again. */
static void let_go(struct judge *judge, struct brake *brake)
{
        for (uint32_t n = 0; n < judge->instances_n; n++) {
                struct instance *i = &judge->instances[n];

                if (i->braked && i->incident == brake->incident) {
                        i->braked = false;
                        i->incident = NOBODY;
                        due_sooner(judge, i, judge->now);
                }
        }
        brake->on = false;
}

static void look_at(struct judge *judge, struct brake *brake, usec_t *due)
{
        struct group group = measure(judge, brake);
        struct incident *incident;
        char reason[REASON_MAX];
        usec_t next = judge->now + USEC_PER_MINUTE;

        if (next < *due)
                *due = next; /* a minute is soon enough to see that it is over */
        if (!brake->told) {
                brake->told = true;
                vote(judge, brake, &group, usec_since(judge->now, TOGETHER));
                describe(judge, brake, &group, reason);
                brake->incident = incident_open(judge, NULL, NULL, CAUSE_COMMON_CAUSE, group.began, reason);
                if (brake->incident != NOBODY)
                        judge->incidents[brake->incident].manager = brake->manager;
                return;
        }
        if (brake->incident == NOBODY) /* all places for incidents are taken */
                brake->on = group.failing > limit(group.agents) / 2;
        if (brake->incident == NOBODY)
                return;
        incident = &judge->incidents[brake->incident];
        if (group.failing <= limit(group.agents) / 2 && usec_since(judge->now, brake->since) >= QUIET) {
                uint32_t index = brake->incident;

                let_go(judge, brake);
                incident_resolve(judge, index, "no new failures for 5m");
        } else if (group.began >= 2 * incident->told) {
                incident->count = group.began;
                vote(judge, brake, &group, usec_since(judge->now, TOGETHER));
                describe(judge, brake, &group, reason);
                incident_worsen(judge, NULL, NULL, brake->incident, reason);
        }
}

void brake_look(struct judge *judge, usec_t *due)
{
        for (uint32_t n = 0; n < BRAKES_MAX; n++)
                if (judge->brakes[n].on)
                        look_at(judge, &judge->brakes[n], due);
}

const struct brake *brake_on(const struct judge *judge, const struct agent *agent)
{
        for (uint32_t n = 0; n < BRAKES_MAX; n++)
                if (judge->brakes[n].on && is_member(judge, &judge->brakes[n], agent))
                        return &judge->brakes[n];
        return NULL;
}

void brake_forget(struct judge *judge, uint32_t incident)
{
        for (uint32_t n = 0; n < BRAKES_MAX; n++)
                if (judge->brakes[n].on && judge->brakes[n].incident == incident)
                        let_go(judge, &judge->brakes[n]);
}
