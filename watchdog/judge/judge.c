#include "judge/judge.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "judge/blame.h"
#include "judge/brake.h"
#include "judge/change.h"
#include "judge/depend.h"
#include "judge/drift.h"
#include "judge/due.h"
#include "judge/files.h"
#include "judge/hand.h"
#include "judge/healer.h"
#include "judge/incidents.h"
#include "judge/life.h"
#include "judge/memory.h"
#include "judge/note.h"
#include "judge/remember.h"
#include "judge/shortage.h"
#include "judge/source.h"
#include "judge/start.h"
#include "judge/table.h"
#include "judge/trial.h"
#include "judge/version.h"

/* ---- in its memory -------------------------------------------------------------------------------------------------- */

#define INSTANCES_PER_AGENT 2
#define INCIDENTS_PER_AGENT 2
#define INCIDENTS_MIN 64

struct judge_limits judge_limits_for(uint32_t agents_max)
{
        return (struct judge_limits){
                .agents_max = agents_max,
                .instances_max = agents_max * INSTANCES_PER_AGENT,
                .incidents_max = agents_max * INCIDENTS_PER_AGENT + INCIDENTS_MIN,
        };
}

/* Lays the parts out one after the other; with `memory` NULL only measures. */
static size_t lay_out(const struct judge_limits *limits, struct judge *judge, char *memory)
{
        size_t used = sizeof(struct judge);

#define PART(pointer, count)                                                                            \
        do {                                                                                            \
                used = (used + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t); \
                if (memory)                                                                             \
                        (pointer) = (void *)(memory + used);                                            \
                used += (count) * sizeof(*(pointer));                                                   \
        } while (0)
        PART(judge->agents, limits->agents_max);
        PART(judge->instances, limits->instances_max);
        PART(judge->incidents, limits->incidents_max);
        PART(judge->table, 2 * limits->agents_max + 1);
        PART(judge->heap, limits->instances_max);
        PART(judge->shown, limits->agents_max);
        PART(judge->trials, limits->agents_max);
#undef PART
        return used;
}

size_t judge_size(const struct judge_limits *limits)
{
        struct judge unused;

        return lay_out(limits, &unused, NULL);
}

struct judge *judge_init(void *memory, const struct judge_limits *limits, const struct policy *policy, uint64_t seed)
{
        struct judge *judge = memory;

        judge->limits = *limits;
        judge->policy = policy;
        judge->seed = seed;
        judge->machine_due = USEC_INFINITY;
        judge->full_incident = NOBODY;
        judge->safe_incident = NOBODY;
        for (enum config_of of = 0; of < CONFIG_OF_N; of++)
                judge->drift_incidents[of] = NOBODY;
        judge->flush.incident = NOBODY;
        judge->flush.victim = NOBODY;
        judge->strain.incident = NOBODY;
        lay_out(limits, judge, memory);
        judge->table_n = 2 * limits->agents_max + 1;
        for (uint32_t n = 0; n < judge->table_n; n++)
                judge->table[n] = NOBODY;
        return judge;
}

void judge_set_policy(struct judge *judge, const struct policy *policy)
{
        judge->policy = policy;
        judge->disarmed = false;
        table_apply_policy(judge);
        flush_set_policy(judge);
        judge->machine_due = judge->now;
        due_all(judge, NULL, judge->now);
        if (judge->shown_stale)
                table_show(judge);
}

void judge_set_observe_only(struct judge *judge, bool observe_only)
{
        if (judge->observe_only && !observe_only)
                table_arm(judge);
        judge->observe_only = observe_only;
        due_all(judge, NULL, judge->now);
}

bool judge_is_disarmed(const struct judge *judge)
{
        return judge->disarmed;
}

/* ---- taking facts --------------------------------------------------------------------------------------------------- */

static struct agent *agent_for(struct judge *judge, const char *id)
{
        struct agent *agent = id && *id ? table_agent(judge, id) : NULL;

        if (!agent && id && *id) {
                judge->turned_away++;
                judge->machine_due = judge->now;
        }
        return agent;
}

static struct instance *instance_for(struct judge *judge, struct agent *agent, uint32_t number)
{
        struct instance *instance = table_instance(judge, agent, number == INSTANCE_ALL ? 0 : number);

        if (!instance) {
                judge->turned_away++;
                judge->machine_due = judge->now;
        }
        return instance;
}

static void take_agent(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact)
{
        bool first = fact->agent_is.first && !instance->counted && fact->agent_is.claimed != CLAIMED_GONE;

        life_listed(judge, agent, instance, fact);
        if (first)
                note_first_sight(judge, agent, instance, fact->agent_is.restarts);
        if (instance->gone) {
                bool all = true;

                for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                        all &= i->gone;
                if (all && !agent->gone) {
                        agent->gone = true;
                        judge->shown_stale = true;
                }
        }
}

static void take_sample(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact)
{
        usec_t passed = usec_since(fact->at, instance->cpu_at);

        if (!is_alive(instance) || life_seen(instance)->pid != fact->sample.pid)
                return;
        instance->cpu_permille = 0;
        if (instance->cpu_at > life_seen(instance)->began && passed > 0 && fact->sample.cpu >= instance->cpu &&
            instance->burden.of == fact->sample.cpu_of)
                instance->cpu_permille = (uint32_t)((fact->sample.cpu - instance->cpu) * 1000 / passed);
        instance->memory_bytes = fact->sample.memory_bytes;
        instance->cpu = fact->sample.cpu;
        instance->cpu_at = fact->at;
        swell_sample(judge, instance, fact);
        growth_sample(judge, instance, fact);
        burden_sample(judge, instance, fact);
}

static void take_planned(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = fact->agent && *fact->agent ? agent_for(judge, fact->agent) : NULL;

        if (agent) {
                agent->planned = fact->planned.ending;
                agent->planned_until = fact->planned.until;
        } else if (!fact->agent || !*fact->agent) {
                judge->planned = fact->planned.ending;
                judge->planned_until = fact->planned.until;
        }
        judge->material = true;
}

/* The machine was started anew: processes of before are gone, and nobody is to blame. */
static void take_reboot(struct judge *judge)
{
        for (uint32_t n = 0; n < judge->instances_n; n++) {
                struct instance *i = &judge->instances[n];

                if (is_alive(i) && life_seen(i)->began < judge->booted) {
                        life_gone(judge, agent_of(judge, i), i, ENDING_MANAGER);
                        life_unlisted(i);
                }
                if (i->ladder.state == LADDER_QUARANTINED) /* resumes as a trial */
                        i->ladder.until = judge->booted + BOOT_GRACE;
                due_sooner(judge, i, judge->now);
        }
        trial_rebooted(judge);
        rein_rebooted(judge);
}

static void take_host(struct judge *judge, const struct fact *fact)
{
        usec_t booted = usec_since(fact->at, fact->host.uptime), before = judge->booted;

        strain_sample(judge, fact);
        if (fact->host.uptime == 0 || (before > 0 && booted < before + USEC_PER_MINUTE))
                return;
        judge->booted = booted;
        judge->material = true;
        if (before > 0)
                take_reboot(judge);
}

static void take_safe_mode(struct judge *judge, const struct fact *fact)
{
        bool on = fact->asked.ask == ASK_SAFE_MODE_ON;

        if (judge->safe_mode && !on)
                table_arm(judge);
        judge->safe_mode = on;
        text_copy_safe(judge->safe_why, sizeof(judge->safe_why), fact->asked.reason ? fact->asked.reason : "");
}

static void take_ask(struct judge *judge, const struct fact *fact)
{
        struct agent *agent;

        judge->material = true;
        switch (fact->asked.ask) {
        case ASK_ENFORCE_OFF:
                judge->disarmed = true;
                trial_undo_all(judge, "Governor is disarmed");
                break;
        case ASK_SAFE_MODE_ON:
        case ASK_SAFE_MODE_OFF: take_safe_mode(judge, fact); break;
        case ASK_ACKNOWLEDGE: judge->acknowledged = fact->asked.number; break;
        case ASK_PLANNED: judge->was_planned = fact->asked.number; break;
        case ASK_RESTART:
        case ASK_RELEASE:
        case ASK_ROLLBACK:
                agent = fact->agent && *fact->agent ? table_find(judge, fact->agent) : NULL;
                if (!agent || !is_governed(agent))
                        return;
                for (struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                        if (!i->gone && (fact->instance == INSTANCE_ALL || fact->instance == i->number))
                                healer_asked(judge, agent, i, fact);
                return;
        default: return;
        }
        judge->machine_due = judge->now;
        due_all(judge, NULL, judge->now);
}

/* Facts about one instance. */
static void take_instance(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = agent_for(judge, fact->agent);
        struct instance *instance = agent ? instance_for(judge, agent, fact->instance) : NULL;

        if (!instance)
                return;
        switch (fact->kind) {
        case FACT_AGENT: take_agent(judge, agent, instance, fact); break;
        case FACT_STARTED: life_started(judge, agent, instance, fact); break;
        case FACT_ENDED:
        case FACT_DIED: life_ended(judge, agent, instance, fact); break;
        case FACT_SAMPLE: take_sample(judge, agent, instance, fact); break;
        case FACT_OUTCOME:
                healer_outcome(judge, agent, instance, fact);
                if (fact->outcome.purpose == PURPOSE_FLUSH)
                        flush_outcome(judge, instance, fact);
                break;
        default: break;
        }
}

/* Of limits that are no trial's: a rein's. */
static void take_limited(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = table_find(judge, fact->agent);

        if (agent && agent->instances != NOBODY)
                rein_outcome(judge, agent, fact);
        judge->material = true;
}

static void take_config(struct judge *judge, const struct fact *fact)
{
        blame_config(judge, fact);
        if (!fact->config.again)
                drift_take(judge, fact);
}

static void take(struct judge *judge, const struct fact *fact)
{
        struct agent *agent, *base;

        switch (fact->kind) {
        case FACT_AGENT:
        case FACT_STARTED:
        case FACT_ENDED:
        case FACT_DIED:
        case FACT_SAMPLE: take_instance(judge, fact); break;
        case FACT_OUTCOME:
                if (fact->outcome.action == ACTION_RESTORE) {
                        files_outcome(judge, fact);
                        break;
                }
                if (!action_is_of_limits(fact->outcome.action)) {
                        take_instance(judge, fact);
                        break;
                }
                hand_outcome(judge, fact);
                if (!trial_outcome(judge, fact) && fact->outcome.trial == 0)
                        take_limited(judge, fact);
                break;
        case FACT_DEPENDS:
                agent = agent_for(judge, fact->agent);
                base = agent_for(judge, fact->depends.on);
                if (agent && base)
                        depend_add(judge, agent, base, fact->depends.dependency);
                break;
        case FACT_SOURCE: source_take(judge, fact); break;
        case FACT_PLANNED: take_planned(judge, fact); break;
        case FACT_STRAY:
                agent = agent_for(judge, fact->agent);
                if (agent)
                        note_stray(judge, agent, fact);
                break;
        case FACT_CONFIG: take_config(judge, fact); break;
        case FACT_CHANGE:
                change_take(judge, fact);
                files_window(judge);
                break;
        case FACT_TRIAL: trial_take(judge, fact); break;
        case FACT_HOST:
                take_host(judge, fact);
                flush_sample(judge, fact);
                break;
        case FACT_WEIGHT: flush_weight(judge, fact); break;
        case FACT_OOM: shortage_take(judge, fact); break;
        case FACT_ASKED: take_ask(judge, fact); break;
        case FACT_PACKAGE: blame_package(judge, fact); break;
        case FACT_VERSION: version_take(judge, fact); break;
        case FACT_FILE: files_take(judge, fact); break;
        default: break;
        }
}

/* ---- looking -------------------------------------------------------------------------------------------------------- */

static void look_at_capacity(struct judge *judge)
{
        char reason[REASON_MAX];

        if (judge->turned_away == 0 || judge->full_incident != NOBODY)
                return;
        snprintf(reason, sizeof(reason), "agent table full (%u): what does not fit is not watched",
                 judge->limits.agents_max);
        judge->full_incident = incident_open(judge, NULL, NULL, CAUSE_BLIND, 1, reason);
}

static void look_at_safe_mode(struct judge *judge)
{
        char reason[REASON_MAX];

        if (judge->safe_mode && judge->safe_incident == NOBODY) {
                snprintf(reason, sizeof(reason), "safe mode: only observing%s%s", *judge->safe_why ? ", because: " : "",
                         judge->safe_why);
                judge->safe_incident = incident_open(judge, NULL, NULL, CAUSE_SAFE_MODE, 1, reason);
        } else if (!judge->safe_mode && judge->safe_incident != NOBODY) {
                incident_resolve(judge, judge->safe_incident, "switched off");
                judge->safe_incident = NOBODY;
        }
}

/* A human closes an incident. What it was about is judged anew from here on; a quarantine stays one. */
static void acknowledge(struct judge *judge)
{
        uint64_t number = judge->acknowledged;
        uint32_t found = NOBODY, agent = NOBODY;

        for (uint32_t n = 0; number > 0 && n < judge->limits.incidents_max; n++)
                if (judge->incidents[n].open && judge->incidents[n].number == number)
                        found = n, agent = judge->incidents[n].agent;
        if (agent != NOBODY && healer_wants_record(judge, &judge->agents[agent]))
                return; /* and comes back with it */
        judge->acknowledged = 0;
        if (found == NOBODY || found == judge->safe_incident || healer_keeps(judge, found))
                return;
        source_forget(judge, found);
        brake_forget(judge, found);
        drift_forget(judge, found);
        flush_forget(judge, found);
        shortage_forget(judge, found);
        files_forget(judge, found);
        strain_forget(judge, found);
        if (judge->full_incident == found)
                judge->full_incident = NOBODY, judge->turned_away = 0;
        if (judge->incidents[found].agent != NOBODY)
                for (unsigned n = 0; n < NOTE_N; n++)
                        if (judge->agents[judge->incidents[found].agent].noted[n] == found) {
                                judge->agents[judge->incidents[found].agent].noted[n] = NOBODY;
                                judge->agents[judge->incidents[found].agent].acknowledged |= 1u << n;
                        }
        incident_resolve(judge, found, "acknowledged by a human");
}

/* A human says that a drift, or a start, was wanted. Of other causes that is not for anybody to say. */
static void take_as_planned(struct judge *judge)
{
        uint64_t number = judge->was_planned;

        judge->was_planned = 0;
        for (uint32_t n = 0; number > 0 && n < judge->limits.incidents_max; n++)
                if (judge->incidents[n].open && judge->incidents[n].number == number) {
                        if (is_drift(judge->incidents[n].cause))
                                drift_planned(judge, n);
                        else if (judge->incidents[n].cause == CAUSE_UNANNOUNCED_START)
                                start_planned(judge, n);
                }
}

static void look_at_machine(struct judge *judge)
{
        usec_t due = USEC_INFINITY;

        judge->machine_due = USEC_INFINITY;
        acknowledge(judge);
        take_as_planned(judge);
        drift_look(judge);
        strain_look(judge);
        look_at_capacity(judge);
        look_at_safe_mode(judge);
        source_look(judge, &due);
        shortage_look(judge, &due);
        brake_look(judge, &due);
        trial_look(judge, &due);
        flush_look(judge, &due);
        files_look(judge, &due);
        if (due < judge->machine_due)
                judge->machine_due = due;
}

/* Everything due until `until`, in order, each at its own time: when the tick comes late, the decision is the same. */
static void look(struct judge *judge, usec_t until)
{
        struct instance *first;

        while (judge->decisions->n + DECISIONS_A_LOOK <= DECISIONS_MAX) {
                first = due_first(judge);
                if (judge->machine_due <= until && (!first || judge->machine_due <= first->due)) {
                        if (judge->machine_due > judge->now)
                                judge->now = judge->machine_due;
                        look_at_machine(judge);
                } else if (first && first->due <= until) {
                        if (first->due > judge->now)
                                judge->now = first->due;
                        healer_look(judge, first);
                } else {
                        return;
                }
        }
}

void judge_step(struct judge *judge, const struct fact *fact, struct decisions *decisions)
{
        decisions->n = 0;
        decisions->material = decisions->remember = decisions->weigh = false;
        judge->decisions = decisions;
        if (fact_is_recalled(fact)) { /* not a moment in time: nothing is judged before all of it is back */
                if (fact->kind == FACT_TRIAL)
                        trial_take(judge, fact);
                else
                        remember_take(judge, fact);
                decisions->material = true;
                return;
        }
        look(judge, fact->at);
        if (fact->at > judge->now)
                judge->now = fact->at;
        judge->material = false;
        judge->awake = true;
        if (judge->started == 0) {
                judge->started = judge->now;
                judge->material = true;
        }
        take(judge, fact);
        look(judge, judge->now);
        for (unsigned n = 0; n < decisions->n; n++)
                hand_decided(judge, &decisions->list[n]);
        decisions->material = judge->material && fact->kind != FACT_TICK;
        judge->decisions = NULL;
        if (judge->shown_stale)
                table_show(judge);
}

void judge_machine(const struct judge *judge, struct machine_view *ret)
{
        strain_view(judge, ret);
}

usec_t judge_now(const struct judge *judge)
{
        return judge->now;
}

usec_t judge_deadline(const struct judge *judge)
{
        const struct instance *first = due_first(judge);
        usec_t due = first ? first->due : USEC_INFINITY;

        return judge->machine_due < due ? judge->machine_due : due;
}
