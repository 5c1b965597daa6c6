#include "judge/table.h"

#include <string.h>

#include "base/text.h"
#include "judge/shortage.h"

/* FNV-1a: ids are short and the table is chained, so a flood of colliding ids costs a walk and no more. */
static uint64_t hash_of(const char *string)
{
        uint64_t hash = 0xcbf29ce484222325;

        for (; *string; string++)
                hash = (hash ^ (unsigned char)*string) * 0x100000001b3;
        return hash;
}

static uint32_t *bucket_of(const struct judge *judge, const char *id)
{
        return &judge->table[hash_of(id) % judge->table_n];
}

struct agent *table_find(const struct judge *judge, const char *id)
{
        for (uint32_t n = *bucket_of(judge, id); n != NOBODY; n = judge->agents[n].chain)
                if (strcmp(judge->agents[n].id, id) == 0)
                        return &judge->agents[n];
        return NULL;
}

struct fact table_baseline(const struct judge *judge, const struct instance *instance, const struct remembered *numbers)
{
        const struct agent *agent = agent_of(judge, instance);

        return (struct fact){ .kind = FACT_BASELINE,
                              .at = judge->now,
                              .manager = agent->manager,
                              .agent = agent->id,
                              .instance = instance->number,
                              .remembered = numbers };
}

uint64_t table_number(const char *id)
{
        return hash_of(id) & ((UINT64_C(1) << 52) - 1);
}

struct agent *table_by_number(const struct judge *judge, uint64_t number)
{
        for (uint32_t n = 0; n < judge->agents_n; n++)
                if (table_number(judge->agents[n].id) == number)
                        return &judge->agents[n];
        return NULL;
}

static bool has_open_incident(const struct judge *judge, uint32_t agent)
{
        for (uint32_t n = 0; n < judge->limits.incidents_max && judge->incidents[n].number > 0; n++)
                if (judge->incidents[n].open && judge->incidents[n].agent == agent)
                        return true;
        return false;
}

static void unlink_agent(struct judge *judge, struct agent *agent)
{
        uint32_t *link = bucket_of(judge, agent->id);

        while (*link != table_index(judge, agent))
                link = &judge->agents[*link].chain;
        *link = agent->chain;
}

/* Forgets what others know of the agent that leaves this slot. */
static void forget_agent(struct judge *judge, uint32_t gone)
{
        shortage_forget_agent(judge, gone);
        for (uint32_t n = 0; n < judge->agents_n; n++) {
                struct agent *agent = &judge->agents[n];

                if (agent->unit == gone)
                        agent->unit = NOBODY;
                if (agent->app == gone)
                        agent->app = NOBODY;
                for (uint32_t b = 0; b < agent->bases_n; b++)
                        if (agent->bases[b].agent == gone)
                                agent->bases[b--] = agent->bases[--agent->bases_n];
        }
        for (uint32_t n = 0; n < judge->instances_n; n++)
                if (judge->instances[n].dragged_by == gone)
                        judge->instances[n].dragged_by = NOBODY;
        for (uint32_t n = 0; n < BRAKES_MAX; n++)
                if (judge->brakes[n].base == gone)
                        judge->brakes[n].on = false;
}

/* A slot: a fresh one, or that of an agent that is gone and of which nothing is open. */
static struct agent *agent_slot(struct judge *judge, uint32_t *ret_instances)
{
        *ret_instances = NOBODY;
        if (judge->agents_n < judge->limits.agents_max)
                return &judge->agents[judge->agents_n++];
        for (uint32_t n = 0; n < judge->agents_n; n++) {
                struct agent *agent = &judge->agents[n];

                if (!agent->gone || agent->busy != NOBODY || has_open_incident(judge, n) || rein_is_on(&agent->rein))
                        continue;
                unlink_agent(judge, agent);
                forget_agent(judge, n);
                *ret_instances = agent->instances;
                return agent;
        }
        return NULL;
}

struct agent *table_agent(struct judge *judge, const char *id)
{
        struct agent *agent = table_find(judge, id);
        char name[AGENT_ID_MAX];
        uint32_t instances, *bucket;

        if (agent)
                return agent;
        agent = agent_slot(judge, &instances);
        if (!agent)
                return NULL;
        bucket = bucket_of(judge, id);
        *agent = (struct agent){ .chain = *bucket,
                                 .manager = agent_manager(id),
                                 .instances = instances,
                                 .unit = NOBODY,
                                 .app = NOBODY,
                                 .busy = NOBODY,
                                 .noted = { [0 ... NOTE_N - 1] = NOBODY } };
        text_copy(agent->id, sizeof(agent->id), id);
        agent_short_name(agent->id, name);
        agent->name = hash_of(name);
        agent->rule = policy_rule(judge->policy, agent->id);
        *bucket = table_index(judge, agent);
        /* the slot's former instances are made new, one by one as they are asked for */
        for (struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                i->number = INSTANCE_ALL;
        judge->shown_stale = true;
        return agent;
}

struct instance *table_find_instance(struct judge *judge, const struct agent *agent, uint32_t number)
{
        for (struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (i->number == number)
                        return i;
        return NULL;
}

/* Another life for a slot of this agent whose instance is no longer there. */
static struct instance *spare_instance(struct judge *judge, const struct agent *agent)
{
        for (struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (i->number == INSTANCE_ALL || (i->gone && i->cause == CAUSE_NONE && is_alive(i) == false &&
                                                  i->ladder.state == LADDER_OK && agent->busy != i - judge->instances))
                        return i;
        return NULL;
}

struct instance *table_instance(struct judge *judge, struct agent *agent, uint32_t number)
{
        struct instance *instance = table_find_instance(judge, agent, number);
        uint32_t next, heap;

        if (instance)
                return instance;
        instance = spare_instance(judge, agent);
        if (instance) {
                next = instance->next;
                heap = instance->heap;
        } else if (judge->instances_n < judge->limits.instances_max) {
                instance = &judge->instances[judge->instances_n++];
                next = agent->instances;
                heap = NOBODY;
                agent->instances = (uint32_t)(instance - judge->instances);
        } else {
                return NULL;
        }
        usec_t due = heap == NOBODY ? USEC_INFINITY : instance->due;
        *instance = (struct instance){ .agent = table_index(judge, agent),
                                       .number = number,
                                       .next = next,
                                       .dragged_by = NOBODY,
                                       .incident = NOBODY,
                                       .ladder = { .state = LADDER_OK, .until = USEC_INFINITY },
                                       .due = due,
                                       .heap = heap };
        return instance;
}

bool table_is_held(const struct judge *judge, const struct agent *agent)
{
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (i->cause != CAUSE_NONE || ladder_is_down(i->ladder.state))
                        return true;
        return rein_is_on(&agent->rein);
}

void table_own(struct judge *judge, struct agent *agent)
{
        agent->rule = policy_rule(judge->policy, agent->id);
        /* what we stopped under a rule that is gone is still started again */
        if (!agent->rule && table_is_held(judge, agent))
                agent->rule = &judge->policy->fallback;
        judge->shown_stale = true;
}

void table_arm(struct judge *judge)
{
        for (uint32_t n = 0; n < judge->instances_n; n++) {
                struct ladder *ladder = &judge->instances[n].ladder;

                if (ladder->state == LADDER_TOLD)
                        *ladder = (struct ladder){ .state = LADDER_SUSPECT,
                                                   .until = USEC_INFINITY,
                                                   .attempts = ladder->attempts };
        }
        rein_arm(judge);
}

void table_apply_policy(struct judge *judge)
{
        for (uint32_t n = 0; n < judge->agents_n; n++)
                table_own(judge, &judge->agents[n]);
        for (uint32_t n = 0; n < judge->limits.incidents_max; n++)
                judge->incidents[n].rule =
                        *judge->incidents[n].id ? policy_rule(judge->policy, judge->incidents[n].id) : NULL;
        table_arm(judge);
}

/* A unit that carries a PM2 daemon is shown as what its apps run via, and as itself only while that daemon is down. */
static bool is_shown(const struct judge *judge, const struct agent *agent)
{
        if (!is_governed(agent) || agent->gone || agent->instances == NOBODY)
                return false;
        return !agent->carrier || !is_alive(first_instance(judge, agent));
}

void table_show(struct judge *judge)
{
        judge->shown_n = 0;
        for (uint32_t n = 0; n < judge->agents_n; n++)
                if (is_shown(judge, &judge->agents[n]))
                        judge->shown[judge->shown_n++] = n;
        judge->shown_stale = false;
}
