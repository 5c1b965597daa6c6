#include "judge/view.h"

#include <string.h>

#include "base/text.h"
#include "judge/blame.h"
#include "judge/depend.h"
#include "judge/files.h"
#include "judge/shortage.h"
#include "judge/source.h"
#include "judge/table.h"
#include "judge/trial.h"
#include "judge/version.h"

static enum effective effective_now(const struct judge *judge, const struct instance *instance)
{
        if (source_is_blind(judge, agent_of(judge, instance)))
                return EFFECTIVE_UNKNOWN;
        if (ladder_is_quarantine(instance->ladder.state) && instance->ladder.state != LADDER_CONFINING)
                return EFFECTIVE_QUARANTINED;
        if ((instance->ladder.state == LADDER_TRIAL || instance->ladder.state == LADDER_SETTLING) && is_alive(instance))
                return EFFECTIVE_STARTING; /* it has to prove itself first */
        if (instance->ladder.state == LADDER_BACKOFF || instance->ladder.state == LADDER_STARTING)
                return EFFECTIVE_WAITING;
        switch (instance->cause) {
        case CAUSE_HOT_LOOP: return EFFECTIVE_HOT_LOOPING;
        case CAUSE_CRASH_LOOP: return EFFECTIVE_CRASH_LOOPING;
        case CAUSE_CLAIMED_NOT_RUNNING: return is_alive(instance) ? EFFECTIVE_STARTING : EFFECTIVE_DEAD;
        case CAUSE_DEPENDENCY_DOWN: return is_alive(instance) ? EFFECTIVE_CRASH_LOOPING : EFFECTIVE_DEAD;
        default: break;
        }
        if (instance->claimed == CLAIMED_FROZEN)
                return EFFECTIVE_FROZEN;
        if (is_alive(instance))
                return instance->claimed == CLAIMED_STARTING ? EFFECTIVE_STARTING : EFFECTIVE_RUNNING;
        switch (instance->claimed) {
        case CLAIMED_STOPPED:
        case CLAIMED_STOPPING:
        case CLAIMED_GONE: return EFFECTIVE_STOPPED;
        case CLAIMED_FAILED: return EFFECTIVE_DEAD;
        case CLAIMED_WAITING: return EFFECTIVE_WAITING;
        case CLAIMED_RUNNING:
                if (instance->listed_pid > 0 && life_seen(instance)->pid != instance->listed_pid)
                        return EFFECTIVE_RUNNING; /* nobody told the process's beginning, nor its end */
                return EFFECTIVE_STARTING;
        case CLAIMED_STARTING: return EFFECTIVE_STARTING;
        default: return EFFECTIVE_UNKNOWN;
        }
}

enum effective view_effective(const struct judge *judge, const struct instance *instance)
{
        const struct agent *agent = agent_of(judge, instance);
        enum effective effective = effective_now(judge, instance);

        if (effective != EFFECTIVE_RUNNING && effective != EFFECTIVE_DEAD && effective != EFFECTIVE_STOPPED)
                return effective;
        if (agent->stray_duplicates > 0)
                return EFFECTIVE_DUPLICATE;
        return agent->stray_orphans > 0 && effective != EFFECTIVE_RUNNING ? EFFECTIVE_ORPHANED : effective;
}

/* The worst instance speaks for the agent. */
static unsigned severity(enum effective effective)
{
        static const unsigned char order[EFFECTIVE_N] = {
                [EFFECTIVE_RUNNING] = 1,  [EFFECTIVE_STOPPED] = 2,        [EFFECTIVE_STARTING] = 3,
                [EFFECTIVE_UNKNOWN] = 4,  [EFFECTIVE_FROZEN] = 5,         [EFFECTIVE_WAITING] = 6,
                [EFFECTIVE_ORPHANED] = 7, [EFFECTIVE_DUPLICATE] = 8,      [EFFECTIVE_QUARANTINED] = 9,
                [EFFECTIVE_DEAD] = 10,    [EFFECTIVE_CRASH_LOOPING] = 11, [EFFECTIVE_HOT_LOOPING] = 12,
        };

        return order[effective];
}

/* "lily", or "root/lily" where there are several, or the id where that does not tell them apart either. */
static void unique_name(const struct judge *judge, const struct agent *agent, char name[AGENT_ID_MAX])
{
        uint32_t same = 0, same_manager = 0;

        agent_short_name(agent->id, name);
        for (uint32_t n = 0; n < judge->shown_n; n++) {
                const struct agent *other = &judge->agents[judge->shown[n]];

                same += other->name == agent->name;
                same_manager += other->name == agent->name && other->manager == agent->manager;
        }
        if (same <= 1)
                return;
        if (agent->manager == MANAGER_PM2 || same_manager == same)
                text_copy(name, AGENT_ID_MAX, strchr(agent->id, ':') + 1);
        else
                text_copy(name, AGENT_ID_MAX, agent->id);
}

static void view_windows(const struct judge *judge, const struct agent *agent, usec_t now, struct agent_view *ret)
{
        const struct rule *rule = agent->rule;

        ret->windows_n = rule->restarts_n;
        for (unsigned n = 0; n < rule->restarts_n; n++) {
                ret->windows[n].within = rule->restarts[n].within;
                ret->windows[n].more_than = rule->restarts[n].more_than;
                for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i)) {
                        uint64_t count = tally_shown(&i->tally, now, rule->restarts[n].within);

                        if (count > ret->windows[n].n)
                                ret->windows[n].n = count;
                }
        }
}

static const char *waiting_for(enum ladder_state state)
{
        switch (state) {
        case LADDER_QUARANTINED: return "trial";
        case LADDER_BACKOFF: return "backoff";
        case LADDER_SETTLING:
        case LADDER_TRIAL: return "settling";
        default: return "";
        }
}

/* Of several instances the busiest one: a limit is for each of them. */
static void view_cpu(const struct instance *i, const struct rule *rule, struct agent_view *ret)
{
        usec_t over, lasting = rule->cpu.above_percent > 0 ? rule->cpu.lasting : BURDEN_LOOK;
        uint32_t permille = burden_permille(i, lasting, &over);

        ret->cpu_permille += i->cpu_permille;
        if (over == 0 || (ret->cpu.over > 0 && permille <= ret->cpu.permille))
                return;
        ret->cpu.permille = permille;
        ret->cpu.over = over;
        ret->cpu.of = i->burden.of;
}

static void view_usual(const struct judge *judge, const struct instance *i, usec_t now, struct agent_view *ret)
{
        struct habit_usual usual;

        habit_usual(&agent_of(judge, i)->learned.habit, usec_since(now, life_seen(i)->began), &usual);
        ret->usual.low_bytes = (uint64_t)usual.low_kib << 10;
        ret->usual.high_bytes = (uint64_t)usual.high_kib << 10;
        ret->usual.lives = usual.lives;
        ret->usual.days = usual.days;
}

static void view_instance(const struct judge *judge, const struct instance *i, usec_t now, struct agent_view *ret)
{
        enum effective effective = view_effective(judge, i);

        ret->instances++;
        ret->restarts += i->missing_at > 0 ? i->restarts_listed : i->restarts;
        if (is_alive(i)) {
                ret->memory_bytes += i->memory_bytes;
                ret->memory_of = i->swell.of;
                view_cpu(i, ret->rule, ret);
                if (ret->pid == 0) {
                        ret->pid = life_seen(i)->pid;
                        ret->since = life_seen(i)->began;
                        view_usual(judge, i, now, ret);
                }
        }
        if (i->flushed.incident > ret->flushed)
                ret->flushed = i->flushed.incident;
        if (i->last_death > ret->last_death) {
                ret->last_death = i->last_death;
                ret->last_ending = i->last_ending;
                ret->last_code = i->last_code;
                ret->last_signal = i->last_signal;
        }
        if (ret->instances > 1 && severity(effective) <= severity(ret->effective))
                return;
        ret->effective = effective;
        ret->claimed = i->claimed;
        ret->word = i->word;
        ret->incident = i->incident == NOBODY ? 0 : judge->incidents[i->incident].number;
        ret->waiting_for = waiting_for(i->ladder.state);
        ret->next = *ret->waiting_for && i->ladder.until != USEC_INFINITY ? i->ladder.until : 0;
}

bool judge_holds(const struct judge *judge, const char *id)
{
        const struct agent *agent = table_find(judge, id);

        return trial_holds(judge, id) || (agent && table_is_held(judge, agent));
}

bool judge_holds_quota(const struct judge *judge, const char *id)
{
        const struct agent *agent = table_find(judge, id);

        return agent && rein_is_on(&agent->rein);
}

uint32_t judge_owned(const struct judge *judge, const struct rule *rule, const char **ret_id)
{
        uint32_t found = 0;

        *ret_id = "";
        for (uint32_t n = 0; n < judge->shown_n; n++) {
                const struct agent *agent = &judge->agents[judge->shown[n]];

                if (agent->rule == rule && found++ == 0)
                        *ret_id = agent->id;
        }
        return found;
}

uint32_t judge_instances(const struct judge *judge, const char *id, uint32_t *ret_numbers, uint32_t n)
{
        const struct agent *agent = table_find(judge, id);
        uint32_t put = 0;

        for (const struct instance *i = agent ? first_instance(judge, agent) : NULL; i && put < n;
             i = next_instance(judge, i))
                if (!i->gone)
                        ret_numbers[put++] = i->number;
        return put;
}

uint32_t judge_agents(const struct judge *judge)
{
        return judge->shown_n;
}

void judge_agent(const struct judge *judge, uint32_t index, usec_t now, struct agent_view *ret)
{
        const struct agent *agent = &judge->agents[judge->shown[index]];
        uint32_t via = agent->unit != NOBODY ? agent->unit : source_carrier(judge, agent);

        *ret = (struct agent_view){ .id = agent->id,
                                    .manager = agent->manager,
                                    .via = via == NOBODY ? "" : judge->agents[via].id,
                                    .word = "",
                                    .waiting_for = "",
                                    .rule = agent->rule,
                                    .enforce = agent->rule->mode == MODE_ENFORCE && !only_observes(judge) };
        if (text_starts(ret->via, "systemd:"))
                ret->via += strlen("systemd:");
        unique_name(judge, agent, ret->name);
        view_windows(judge, agent, now, ret);
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (!i->gone)
                        view_instance(judge, i, now, ret);
        ret->quarantined = ret->effective == EFFECTIVE_QUARANTINED;
        if (agent->rein.state == REIN_HELD) {
                ret->cpu.held_percent = agent->rein.percent;
                ret->cpu.held_since = agent->rein.since;
        }
        version_show(judge, agent, ret);
        ret->deployed = blame_show_deploy(agent, &ret->deploy);
        for (unsigned n = 0; n < NOTE_N && ret->incident == 0; n++)
                if (agent->noted[n] != NOBODY)
                        ret->incident = judge->incidents[agent->noted[n]].number;
        if (ret->incident == 0 && shortage_incident(judge, judge->shown[index]) != NOBODY)
                ret->incident = judge->incidents[shortage_incident(judge, judge->shown[index])].number;
}

uint32_t judge_incidents(const struct judge *judge)
{
        uint32_t n = 0;

        while (n < judge->limits.incidents_max && judge->incidents[n].number > 0)
                n++;
        return n;
}

static struct policy_origin origin_of(const struct judge *judge, const struct incident *incident)
{
        if (incident->rule)
                return incident->rule->origin;
        const struct file_rule *files = files_rule_of(judge, (uint32_t)(incident - judge->incidents));

        if (files)
                return files->origin;
        return incident->cause == CAUSE_MEMORY_FLOOR ? judge->policy->machine.origin : (struct policy_origin){ 0 };
}

static void view_incident(const struct judge *judge, const struct incident *incident, struct incident_view *ret)
{
        *ret = (struct incident_view){ .incident = incident->number,
                                       .agent = incident->id,
                                       .manager = incident->manager,
                                       .cause = incident->cause,
                                       .open = incident->open,
                                       .opened = incident->opened,
                                       .resolved = incident->resolved,
                                       .count = incident->count,
                                       .rule = incident->rule,
                                       .origin = origin_of(judge, incident),
                                       .reason = incident->reason };
}

bool judge_incident_below(const struct judge *judge, uint64_t below, struct incident_view *ret)
{
        const struct incident *found = NULL;

        for (uint32_t n = 0; n < judge->limits.incidents_max; n++) {
                const struct incident *incident = &judge->incidents[n];

                if (incident->number > 0 && incident->number < below && (!found || incident->number > found->number))
                        found = incident;
        }
        if (found)
                view_incident(judge, found, ret);
        return found != NULL;
}

void judge_incident(const struct judge *judge, uint32_t index, struct incident_view *ret)
{
        uint64_t below = UINT64_MAX;

        do
                if (!judge_incident_below(judge, below, ret))
                        return;
        while ((below = ret->incident) && index-- > 0);
}
