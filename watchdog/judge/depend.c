#include "judge/depend.h"

#include "judge/due.h"
#include "judge/table.h"

void depend_add(struct judge *judge, struct agent *agent, struct agent *base, enum dependency dependency)
{
        uint32_t index = table_index(judge, base);

        if (agent == base)
                return;
        for (uint32_t n = 0; n < agent->bases_n; n++)
                if (agent->bases[n].agent == index) {
                        if (agent->bases[n].dependency != dependency)
                                judge->material = true;
                        agent->bases[n].dependency = dependency;
                        return;
                }
        if (agent->bases_n == BASES_MAX)
                return;
        agent->bases[agent->bases_n].agent = index;
        agent->bases[agent->bases_n++].dependency = dependency;
        judge->material = true;
}

void depend_went_down(struct judge *judge, struct agent *agent, usec_t at)
{
        agent->down_at = at;
}

uint32_t depend_dragged_by(const struct judge *judge, const struct agent *agent, usec_t at)
{
        for (uint32_t n = 0; n < agent->bases_n; n++) {
                const struct agent *base = &judge->agents[agent->bases[n].agent];

                if (base->down_at > 0 && usec_since(at, base->down_at) <= DRAG_WAIT)
                        return agent->bases[n].agent;
        }
        return NOBODY;
}

bool depend_brought_up(const struct judge *judge, const struct agent *agent, usec_t at)
{
        for (uint32_t n = 0; n < agent->bases_n; n++) {
                const struct agent *base = &judge->agents[agent->bases[n].agent];

                for (const struct instance *i = first_instance(judge, base); i; i = next_instance(judge, i))
                        if (is_alive(i) && usec_since(at, life_seen(i)->began) <= DRAG_WAIT)
                                return true;
        }
        return depend_dragged_by(judge, agent, at) != NOBODY;
}

bool depend_is_ill(const struct judge *judge, const struct agent *agent)
{
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (!i->gone &&
                    ((i->cause != CAUSE_NONE && i->cause != CAUSE_MEMORY_LEAK) || ladder_is_down(i->ladder.state)))
                        return true;
        return false;
}

static bool is_up(const struct judge *judge, const struct agent *agent)
{
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (is_alive(i))
                        return true;
        return false;
}

uint32_t depend_ill_base(const struct judge *judge, const struct agent *agent)
{
        for (uint32_t n = 0; n < agent->bases_n; n++) {
                const struct agent *base = &judge->agents[agent->bases[n].agent];

                if (depend_is_ill(judge, base) || (!is_up(judge, base) && base->down_at > 0))
                        return agent->bases[n].agent;
        }
        if (!agent->rule || agent->rule->after_n == 0)
                return NOBODY;
        for (uint32_t n = 0; n < judge->instances_n;
             n++) { /* their order outlives the daemon, that of the agents does not */
                const struct agent *other = agent_of(judge, &judge->instances[n]);

                for (unsigned k = 0; k < agent->rule->after_n; k++)
                        if (other != agent && depend_is_ill(judge, other) &&
                            agent_answers_to(other->id, agent->rule->after[k]))
                                return table_index(judge, other);
        }
        return NOBODY;
}

/* A base that loops, or that we hold down. */
static bool is_looping(const struct judge *judge, const struct agent *base)
{
        for (const struct instance *i = first_instance(judge, base); i; i = next_instance(judge, i))
                if (i->cause == CAUSE_CRASH_LOOP || i->cause == CAUSE_HOT_LOOP)
                        return true;
        return false;
}

/* Whether the end of the base that dragged it was nobody's will. */
static bool was_a_death(const struct judge *judge, const struct agent *base, usec_t dragged_at)
{
        return base->failed_at > 0 && base->failed_at + DRAG_WAIT >= dragged_at &&
               base->failed_at <= dragged_at + DRAG_WAIT;
}

uint32_t depend_left_down(const struct judge *judge, const struct instance *instance)
{
        const struct agent *base;

        if (instance->dragged_by == NOBODY || instance->dragged_at == 0)
                return NOBODY;
        base = &judge->agents[instance->dragged_by];
        if (is_looping(judge, base))
                return instance->dragged_by;
        if (is_alive(instance) || life_seen(instance)->ending != ENDING_DEPENDENCY)
                return NOBODY;
        if (usec_since(judge->now, instance->dragged_at) < DEAD_WAIT)
                return NOBODY;
        if (instance->listed_pid > 0 && instance->listed_pid != life_seen(instance)->pid)
                return NOBODY; /* its manager has a process of which nobody told us yet */
        /* dragged down by what somebody did to the base is nobody's fault, unless it was us */
        if (!was_a_death(judge, base, instance->dragged_at) && instance->cause != CAUSE_DEPENDENCY_DOWN)
                return NOBODY;
        return instance->dragged_by;
}

usec_t depend_due(const struct judge *judge, const struct instance *instance)
{
        if (instance->dragged_by == NOBODY || is_alive(instance) || instance->cause != CAUSE_NONE)
                return USEC_INFINITY;
        return instance->dragged_at + DEAD_WAIT > judge->now ? instance->dragged_at + DEAD_WAIT : USEC_INFINITY;
}

/* The PM2 app, or for an app the unit, that has this very process. */
static struct agent *twin(struct judge *judge, const struct agent *agent, pid_t pid, uint64_t start)
{
        for (uint32_t n = 0; n < judge->instances_n; n++) {
                struct instance *i = &judge->instances[n];
                const struct life *life = life_seen(i);

                if (life->pid == pid && life->start == start && life->state != LIFE_NONE &&
                    agent_of(judge, i)->manager != agent->manager)
                        return agent_of(judge, i);
        }
        return NULL;
}

void depend_tie(struct judge *judge, struct agent *agent, struct instance *instance)
{
        const struct life *life = life_seen(instance);
        struct agent *other = twin(judge, agent, life->pid, life->start);
        struct agent *unit, *app;

        judge->shown_stale |= agent->carrier;
        agent->carrier = false;
        for (uint32_t n = 0; n < judge->sources_n; n++)
                if (agent->manager == MANAGER_SYSTEMD && judge->sources[n].pid == life->pid &&
                    judge->sources[n].start == life->start)
                        agent->carrier = judge->shown_stale = true;
        if (!other) {
                if (agent->app != NOBODY) { /* the unit runs something of its own now */
                        judge->agents[agent->app].unit = NOBODY;
                        agent->app = NOBODY;
                        judge->shown_stale = true;
                }
                return;
        }
        unit = agent->manager == MANAGER_SYSTEMD ? agent : other;
        app = unit == agent ? other : agent;
        if (unit->manager != MANAGER_SYSTEMD || app->manager != MANAGER_PM2 || unit->app == table_index(judge, app))
                return;
        unit->app = table_index(judge, app);
        app->unit = table_index(judge, unit);
        judge->shown_stale = true;
        judge->material = true;
}

void depend_wake(struct judge *judge, const struct agent *base)
{
        uint32_t index = table_index(judge, base);

        for (uint32_t n = 0; n < judge->instances_n; n++) {
                struct instance *i = &judge->instances[n];

                if (i->dragged_by == index || (i->cause != CAUSE_NONE && i->agent != index))
                        due_sooner(judge, i, judge->now);
        }
}
