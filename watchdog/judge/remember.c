#include "judge/remember.h"

#include <string.h>

#include "base/text.h"
#include "judge/blame.h"
#include "judge/diagnose.h"
#include "judge/due.h"
#include "judge/files.h"
#include "judge/pack.h"
#include "judge/table.h"
#include "judge/trial.h"
#include "judge/trouble.h"
#include "judge/version.h"

#define LAYOUT 1 /* of `more`; a memory in another layout is not taken, its incident numbers are */

/* What a record with no agent is about is told by its instance. */
#define ABOUT_MACHINE 0
#define ABOUT_SOURCES 1000
#define ABOUT_BRAKES 2000
#define ABOUT_FLUSH 3000
#define ABOUT_SHORTAGES 4000
#define ABOUT_GUARDED 5000
#define ABOUT_BREACHES 6000

/* ---- out ------------------------------------------------------------------------------------------------------------ */

/* Writing only reads, through a description that can do both. */
static struct judge *readable(const struct judge *judge)
{
        return (struct judge *)(uintptr_t)judge;
}

static struct numbers writer(struct remembered *scratch)
{
        struct numbers numbers = numbers_to(scratch);

        *scratch = (struct remembered){ .state = 0 };
        numbers_pass(&numbers, LAYOUT);
        return numbers;
}

static void remembered_fact(const struct judge *judge, const char *agent, uint32_t instance,
                            const struct numbers *numbers, struct remembered *scratch, struct fact *ret)
{
        scratch->more_n = numbers->n;
        *ret = (struct fact){ .kind = FACT_REMEMBERED,
                              .at = judge->now,
                              .manager = agent_manager(agent),
                              .agent = agent,
                              .instance = instance,
                              .remembered = scratch };
}

static bool remember_source(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        const struct source *source = &judge->sources[n];

        (void)scratch;
        *ret = (struct fact){ .kind = FACT_SOURCE, .at = judge->now, .manager = source->manager, .agent = "" };
        ret->source.name = source->name;
        ret->source.state = source->state;
        ret->source.why = source->why;
        ret->source.pid = source->pid;
        ret->source.start = source->start;
        ret->source.suffixed = source->suffixed;
        return true;
}

static bool remember_base(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        const struct agent *agent = &judge->agents[n / BASES_MAX];
        uint32_t base = n % BASES_MAX;

        (void)scratch;
        if (base >= agent->bases_n)
                return false;
        *ret = (struct fact){ .kind = FACT_DEPENDS, .at = judge->now, .manager = agent->manager, .agent = agent->id };
        ret->depends.on = judge->agents[agent->bases[base].agent].id;
        ret->depends.dependency = agent->bases[base].dependency;
        return true;
}

/* A window holds words, which numbers cannot: it is told as it was opened. Also one that is over: what died in it may be told of, or
 * understood, only now. */
static bool remember_change(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        const struct change *change = &judge->changes[n];
        const char *agent = change->agent == NOBODY ? "" : judge->agents[change->agent].id;

        (void)scratch;
        if (change->number == 0)
                return false;
        *ret = (struct fact){ .kind = FACT_CHANGE, .at = judge->now, .manager = agent_manager(agent), .agent = agent };
        ret->instance = INSTANCE_ALL;
        ret->change.step = CHANGE_OPEN;
        ret->change.number = change->number;
        ret->change.pattern = change->pattern;
        ret->change.since = change->since;
        ret->change.until = change->until;
        ret->change.by = change->by;
        ret->change.reason = change->reason;
        ret->change.deploy = change->deploy;
        return true;
}

static bool remember_machine(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        struct numbers numbers = writer(scratch);

        (void)n;
        pack_machine(&numbers, readable(judge));
        scratch->count = judge->incidents_last;
        remembered_fact(judge, "", ABOUT_MACHINE, &numbers, scratch, ret);
        return true;
}

static bool remember_source_state(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        struct numbers numbers = writer(scratch);

        pack_source(&numbers, readable(judge), &readable(judge)->sources[n]);
        remembered_fact(judge, "", ABOUT_SOURCES + n, &numbers, scratch, ret);
        return true;
}

static bool remember_brake(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        const struct brake *brake = &judge->brakes[n];
        struct numbers numbers = writer(scratch);

        if (!brake->on)
                return false;
        pack_brake(&numbers, readable(judge), &readable(judge)->brakes[n]);
        remembered_fact(judge, brake->base == NOBODY ? "" : judge->agents[brake->base].id, ABOUT_BRAKES + n, &numbers,
                        scratch, ret);
        return true;
}

static bool remember_flush(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        struct numbers numbers = writer(scratch);

        (void)n;
        if (judge->flush.state == FLUSH_BLANK)
                return false;
        pack_flush(&numbers, readable(judge), &readable(judge)->flush);
        remembered_fact(judge, "", ABOUT_FLUSH, &numbers, scratch, ret);
        return true;
}

/* What the machine has left, as samples have it: from here on decisions rest on it. */
static bool remember_ebb(const struct judge *judge, struct remembered *scratch, struct fact *ret)
{
        struct numbers numbers = numbers_to(scratch);

        *scratch = (struct remembered){ .state = BASELINE_FLOOR };
        pack_ebb(&numbers, &readable(judge)->ebb);
        remembered_fact(judge, "", 0, &numbers, scratch, ret);
        ret->kind = FACT_BASELINE;
        return true;
}

static bool remember_shortage(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        struct shortage *shortage = &readable(judge)->shortages[n];
        struct agent *agent = shortage->on && shortage->agent != NOBODY ? &judge->agents[shortage->agent] : NULL;
        struct numbers numbers = writer(scratch);

        if (!shortage->on)
                return false;
        pack_shortage(&numbers, readable(judge), agent, shortage);
        remembered_fact(judge, agent ? agent->id : "", ABOUT_SHORTAGES + n, &numbers, scratch, ret);
        return true;
}

static bool remember_guarded(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        struct numbers numbers = writer(scratch);

        if (!*judge->guarded[n].path)
                return false;
        pack_guarded(&numbers, &readable(judge)->guarded[n]);
        remembered_fact(judge, "", ABOUT_GUARDED + n, &numbers, scratch, ret);
        return true;
}

static bool remember_breach(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        struct numbers numbers = writer(scratch);

        if (!*judge->breaches[n].rule)
                return false;
        pack_breach(&numbers, readable(judge), &readable(judge)->breaches[n]);
        remembered_fact(judge, "", ABOUT_BREACHES + n, &numbers, scratch, ret);
        return true;
}

static bool remember_instance(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        struct instance *i = &readable(judge)->instances[n];
        struct agent *agent = agent_of(judge, i);
        struct numbers numbers = writer(scratch);
        const struct life *life = life_seen(i);

        if (i->number == INSTANCE_ALL || (i->gone && i->cause == CAUSE_NONE && i->ladder.state == LADDER_OK))
                return false;
        pack_instance(&numbers, readable(judge), agent, i);
        /* what people want to read in the chain has its names */
        scratch->state = i->ladder.state;
        scratch->rung = i->ladder.rung;
        scratch->attempts = i->ladder.attempts;
        scratch->until = i->ladder.until;
        scratch->since = i->ladder.since;
        scratch->backoff = i->ladder.backoff;
        scratch->human_at = agent->human_at;
        scratch->cause = i->cause;
        scratch->restarts = i->restarts;
        if (i->incident != NOBODY) {
                scratch->incident = judge->incidents[i->incident].number;
                scratch->opened = judge->incidents[i->incident].opened;
                scratch->count = judge->incidents[i->incident].count;
        }
        if (life->state == LIFE_ALIVE) {
                scratch->pid = life->pid;
                scratch->start = life->start;
                scratch->started_at = life->began;
        }
        scratch->deaths_n = i->tally.n;
        for (uint32_t k = 0; k < i->tally.n; k++)
                scratch->deaths[k] = tally_death(&i->tally, i->tally.n - 1 - k);
        remembered_fact(judge, agent->id, i->number, &numbers, scratch, ret);
        return true;
}

static bool remember_swell(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        const struct instance *i = &judge->instances[n];

        return i->number != INSTANCE_ALL && !i->gone && swell_remember(judge, i, scratch, ret);
}

static bool remember_growth(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        const struct instance *i = &judge->instances[n];

        return i->number != INSTANCE_ALL && !i->gone && growth_remember(judge, i, scratch, ret);
}

static bool remember_burden(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        const struct instance *i = &judge->instances[n];

        return i->number != INSTANCE_ALL && !i->gone && burden_remember(judge, i, scratch, ret);
}

static bool remember_trial(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        (void)scratch;
        return trial_remember(judge, n, ret);
}

static bool remember_package(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        (void)scratch;
        return blame_remember_package(judge, n, ret);
}

static bool remember_version(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        (void)scratch;
        return version_remember(judge, n / VERSIONS_MAX, n % VERSIONS_MAX, ret);
}

static bool remember_blame(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        (void)scratch;
        return blame_remember(judge, n / BLAME_FACTS, n % BLAME_FACTS, ret);
}

static bool remember_strain(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        (void)n;
        return strain_remember(judge, scratch, ret);
}

/* How many of them there are: one thing is each of what is counted, several times over. */
static uint32_t one(const struct judge *judge)
{
        (void)judge;
        return 1;
}
static uint32_t sources(const struct judge *judge)
{
        return judge->sources_n;
}
static uint32_t agents(const struct judge *judge)
{
        return judge->agents_n;
}
static uint32_t trials(const struct judge *judge)
{
        return judge->trials_n;
}
static uint32_t instances(const struct judge *judge)
{
        return judge->instances_n;
}

/* All that is remembered, in the order in which each may refer to what came before. */
static const struct {
        bool (*write)(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret);
        uint32_t (*counted)(const struct judge *judge);
        uint32_t times;
} chapters[] = {
        { remember_source, sources, 1 },
        { remember_base, agents, BASES_MAX },
        { remember_change, one, CHANGES_MAX },
        { remember_trial, trials, 1 },
        { remember_package, one, PACKAGES_MAX },
        { remember_version, agents, VERSIONS_MAX },
        { remember_blame, agents, BLAME_FACTS },
        { remember_machine, one, 1 },
        { remember_source_state, sources, 1 },
        { remember_brake, one, BRAKES_MAX },
        { remember_flush, one, 1 },
        { remember_shortage, one, SHORTAGES_MAX },
        { remember_guarded, one, GUARDED_MAX },
        { remember_breach, one, BREACHES_MAX },
        { remember_instance, instances, 1 },
        { remember_swell, instances, 1 },
        { remember_growth, instances, 1 },
        { remember_strain, one, 1 },
        { remember_burden, instances, 1 },
};

bool judge_remember(const struct judge *judge, uint32_t *cursor, struct remembered *scratch, struct fact *ret)
{
        uint32_t begin = 0, end;

        for (size_t k = 0; k < sizeof(chapters) / sizeof(*chapters); k++, begin = end)
                for (end = begin + chapters[k].counted(judge) * chapters[k].times; *cursor < end;)
                        if (chapters[k].write(judge, (*cursor)++ - begin, scratch, ret))
                                return true;
        return false;
}

bool judge_remember_due(const struct judge *judge, struct remembered *scratch, struct fact *ret)
{
        for (uint32_t n = 0; n < judge->instances_n; n++)
                if (judge->instances[n].wants_record)
                        return remember_instance(judge, n, scratch, ret);
        for (uint32_t n = 0; n < judge->instances_n; n++)
                if (judge->instances[n].swell.wants_record)
                        return swell_remember(judge, &judge->instances[n], scratch, ret);
        for (uint32_t n = 0; n < judge->instances_n; n++)
                if (judge->instances[n].growth.wants_record)
                        return growth_remember(judge, &judge->instances[n], scratch, ret);
        if (judge->ebb_wants_record && judge->ebb.n > 0)
                return remember_ebb(judge, scratch, ret);
        for (uint32_t n = 0; n < judge->instances_n; n++)
                if (judge->instances[n].burden.wants_record)
                        return burden_remember(judge, &judge->instances[n], scratch, ret);
        if (judge->strain.wants_record && strain_remember(judge, scratch, ret))
                return true;
        return version_remember_due(judge, ret);
}

/* ---- back ----------------------------------------------------------------------------------------------------------- */

static void take_tally(struct tally *tally, const struct remembered *remembered)
{
        uint32_t n = remembered->deaths_n < FACT_DEATHS_MAX ? remembered->deaths_n : FACT_DEATHS_MAX;

        *tally = (struct tally){ .n = 0 };
        memcpy(tally->deaths, remembered->deaths, n * sizeof(*tally->deaths));
        tally->n = n;
        tally->next = n % FACT_DEATHS_MAX;
        tally->fine_newest = n > 0 ? remembered->deaths[n - 1] / (10 * USEC_PER_SEC) : 0;
        for (uint32_t k = 0; k < n; k++)
                if (tally->fine_newest - remembered->deaths[k] / (10 * USEC_PER_SEC) < TALLY_FINE)
                        tally->fine[remembered->deaths[k] / (10 * USEC_PER_SEC) % TALLY_FINE]++;
}

static void take_instance(struct judge *judge, const struct fact *fact, struct numbers *p)
{
        const struct remembered *remembered = fact->remembered;
        struct agent *agent = table_agent(judge, fact->agent);
        struct instance *i = agent ? table_instance(judge, agent, fact->instance) : NULL;
        bool thin = i && i->thin;

        if (!i)
                return;
        take_tally(&i->tally, remembered);
        i->ladder.state = remembered->state < LADDER_N && remembered->state > 0 ? remembered->state : LADDER_OK;
        i->ladder.rung = remembered->rung;
        i->ladder.attempts = remembered->attempts;
        i->ladder.until = remembered->until;
        i->ladder.since = remembered->since;
        i->ladder.backoff = remembered->backoff;
        i->cause = remembered->cause < CAUSE_N ? (enum cause)remembered->cause : CAUSE_NONE;
        i->restarts = remembered->restarts;
        pack_instance(p, judge, agent, i);
        if (i->incident != NOBODY && !i->braked && judge->incidents[i->incident].reason[0] == '\0') {
                usec_t now = judge->now;

                judge->now = fact->at;
                trouble_reason(judge, i, i->cause, judge->incidents[i->incident].reason);
                judge->now = now;
        }
        if (thin) /* now that it is written down, it is judged again */
                i->thin = i->wants_record = false;
        if (thin && fact->at < judge->machine_due)
                judge->machine_due = fact->at; /* a human's word, or a trial, may wait for it */
        judge->shown_stale = true;
        /* after an absence as judge_resume() had it, not when it came to be written down; in a run, when it was recorded */
        due_set(judge, i, thin ? fact->at : judge->now);
}

/* The rest of it follows: what the judge told before is in there. */
static void take_machine(struct judge *judge, struct numbers *p)
{
        judge->awake = false;
        pack_machine(p, judge);
}

static void take_brake(struct judge *judge, const struct fact *fact, struct numbers *p)
{
        struct agent *base = *fact->agent ? table_find(judge, fact->agent) : NULL;
        struct brake *brake = &judge->brakes[(fact->instance - ABOUT_BRAKES) % BRAKES_MAX];

        *brake = (struct brake){ .on = true, .base = base ? table_index(judge, base) : NOBODY, .incident = NOBODY };
        pack_brake(p, judge, brake);
        if (*fact->agent && !base)
                brake->on = false;
}

static void take_floor(struct judge *judge, const struct fact *fact, struct numbers *p)
{
        judge->flush.ebb = (struct ebb){ .n = 0 };
        pack_ebb(p, &judge->flush.ebb);
        flush_told(judge, fact->at);
}

static void take_baseline(struct judge *judge, const struct fact *fact, struct numbers *p)
{
        struct agent *agent = *fact->agent ? table_agent(judge, fact->agent) : NULL;
        struct instance *i = agent ? table_instance(judge, agent, fact->instance) : NULL;

        switch (fact->remembered->state) {
        case BASELINE_SIZE:
                if (i)
                        swell_take(judge, i, fact);
                break;
        case BASELINE_LOAD:
                if (i)
                        burden_take(judge, i, fact);
                else if (!*fact->agent)
                        strain_take(judge, fact);
                break;
        case BASELINE_HABIT:
                if (i)
                        growth_take(judge, i, fact);
                break;
        case BASELINE_FLOOR:
                if (!*fact->agent)
                        take_floor(judge, fact, p);
                break;
        default: break; /* of a later version */
        }
}

static void take_shortage(struct judge *judge, const struct fact *fact, struct numbers *p)
{
        struct agent *agent = *fact->agent ? table_agent(judge, fact->agent) : NULL;
        struct shortage *shortage = &judge->shortages[fact->instance - ABOUT_SHORTAGES];

        *shortage = (struct shortage){ .on = agent || !*fact->agent,
                                       .agent = agent ? table_index(judge, agent) : NOBODY,
                                       .incident = NOBODY };
        pack_shortage(p, judge, agent, shortage);
}

/* Numbers of the judge's own: an instance of PM2's may have the same, but then it has a ladder. */
static bool is_about(const struct fact *fact, uint32_t about, uint32_t n)
{
        return fact->instance >= about && fact->instance < about + n && agent_manager(fact->agent) == fact->manager &&
               fact->remembered->state == 0;
}

bool remember_is_of_instance(const struct fact *fact)
{
        return *fact->agent && !is_about(fact, ABOUT_BRAKES, BRAKES_MAX) &&
               !is_about(fact, ABOUT_SHORTAGES, SHORTAGES_MAX);
}

void remember_take(struct judge *judge, const struct fact *fact)
{
        struct numbers reader = numbers_from(fact->remembered);

        if (fact->kind == FACT_BASELINE) {
                take_baseline(judge, fact, &reader);
                return;
        }
        if (fact->remembered->count > judge->incidents_last && !*fact->agent)
                judge->incidents_last = fact->remembered->count;
        if (numbers_pass(&reader, 0) != LAYOUT)
                return;
        if (is_about(fact, ABOUT_BRAKES, BRAKES_MAX))
                take_brake(judge, fact, &reader);
        else if (is_about(fact, ABOUT_SHORTAGES, SHORTAGES_MAX))
                take_shortage(judge, fact, &reader);
        else if (*fact->agent)
                take_instance(judge, fact, &reader);
        else if (is_about(fact, ABOUT_GUARDED, GUARDED_MAX))
                pack_guarded(&reader, &judge->guarded[fact->instance - ABOUT_GUARDED]);
        else if (is_about(fact, ABOUT_BREACHES, BREACHES_MAX))
                pack_breach(&reader, judge, &judge->breaches[fact->instance - ABOUT_BREACHES]);
        else if (fact->instance == ABOUT_MACHINE)
                take_machine(judge, &reader);
        else if (fact->instance == ABOUT_FLUSH)
                pack_flush(&reader, judge, &judge->flush);
        else if (fact->instance - ABOUT_SOURCES < judge->sources_n)
                pack_source(&reader, judge, &judge->sources[fact->instance - ABOUT_SOURCES]);
}

/* ---- after an absence ------------------------------------------------------------------------------------------------ */

void judge_resume(struct judge *judge, usec_t now)
{
        judge->left = judge->now;
        if (now > judge->now)
                judge->now = now;
        judge->started = judge->now;
        for (uint32_t n = 0; n < judge->sources_n; n++)
                judge->sources[n].state = SOURCE_UNKNOWN;
        for (uint32_t n = 0; n < judge->instances_n; n++) {
                struct instance *i = &judge->instances[n];

                if (is_alive(i))
                        life_of(i)->unseen = true;
                due_set(judge, i,
                        judge->now); /* as one who reads the memory will have it: what was overdue comes in its turn */
        }
        trial_resumed(judge);
        files_resumed(judge);
        judge->machine_due = judge->now;
}
