#pragma once
/* The table of agents and instances: found by id in constant time, made on first sight, never moved. */
#include "judge/memory.h"

/* The agent with this id, or NULL. */
struct agent *table_find(const struct judge *judge, const char *id);

/* As table_find(), but makes it; NULL when the table is full. */
struct agent *table_agent(struct judge *judge, const char *id);

/* The agent's instance with this number; made unless it exists. NULL when the table is full. */
struct instance *table_instance(struct judge *judge, struct agent *agent, uint32_t number);
struct instance *table_find_instance(struct judge *judge, const struct agent *agent, uint32_t number);

/* A number that stands for an id in a record, which holds 53 bits of each; and the agent with that number, or NULL. */
uint64_t table_number(const char *id);
struct agent *table_by_number(const struct judge *judge, uint64_t number);

/* Asks the policy which rule owns the agent. */
void table_own(struct judge *judge, struct agent *agent);

/* Whether something is open about it, or we hold it down. */
bool table_is_held(const struct judge *judge, const struct agent *agent);

/* The policy is another one: asks it for each agent. */
void table_apply_policy(struct judge *judge);

/* What was only told so far may be done now: each such ladder begins again. */
void table_arm(struct judge *judge);

/* Lists the agents that status shows: governed, there, and not another agent's unit. */
void table_show(struct judge *judge);

/* The judge's own numbers of one instance, as a fact; the numbers are a loan. */
struct fact table_baseline(const struct judge *judge, const struct instance *instance,
                           const struct remembered *numbers);

static inline uint32_t table_index(const struct judge *judge, const struct agent *agent)
{
        return (uint32_t)(agent - judge->agents);
}

static inline struct agent *agent_of(const struct judge *judge, const struct instance *instance)
{
        return &judge->agents[instance->agent];
}

/* Whether it is judged at all. */
static inline bool is_governed(const struct agent *agent)
{
        return agent->rule && agent->app == NOBODY;
}

static inline struct instance *first_instance(const struct judge *judge, const struct agent *agent)
{
        return agent->instances == NOBODY ? NULL : &judge->instances[agent->instances];
}

static inline struct instance *next_instance(const struct judge *judge, const struct instance *instance)
{
        return instance->next == NOBODY ? NULL : &judge->instances[instance->next];
}
