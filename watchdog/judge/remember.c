#include "judge/remember.h"

#include <string.h>

#include "base/text.h"
#include "judge/blame.h"
#include "judge/diagnose.h"
#include "judge/due.h"
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

/* ---- one description for both directions ---------------------------------------------------------------------------- */

struct pack {
        uint64_t *numbers;
        uint32_t n, most; /* at; how many there are, or may be */
        bool reading;
};

static uint64_t pack(struct pack *pack, uint64_t value)
{
        if (pack->n >= pack->most)
                return pack->reading ? 0 : value;
        if (!pack->reading)
                pack->numbers[pack->n] = value;
        return pack->numbers[pack->n++];
}

#define PACK(member) ((member) = (__typeof__(member))pack(p, (uint64_t)(member)))

static void pack_life(struct pack *p, struct life *life)
{
        PACK(life->state);
        if (life->state == LIFE_NONE)
                return;
        PACK(life->pid);
        PACK(life->start);
        PACK(life->began);
        PACK(life->ended);
        PACK(life->ending);
        PACK(life->code);
        PACK(life->signal);
        PACK(life->told);
        PACK(life->unseen);
        PACK(life->guessed);
}

/* The day's buckets that hold something, as pairs. */
static void pack_buckets(struct pack *p, struct tally *tally)
{
        uint64_t filled = 0, place = 0;

        for (uint32_t n = 0; n < TALLY_COARSE; n++)
                filled += tally->coarse[n] > 0;
        PACK(filled);
        for (uint32_t n = 0; filled > 0 && n < TALLY_COARSE; n++) {
                if (!p->reading && tally->coarse[n] == 0)
                        continue;
                place = pack(p, n) % TALLY_COARSE;
                tally->coarse[place] = (uint32_t)pack(p, tally->coarse[place]);
                filled--;
        }
}

/* The newest ten minutes, place and count in one number. The deaths themselves say as much while there are few of them. */
static void pack_fine(struct pack *p, struct tally *tally)
{
        uint64_t filled = 0, both = 0;

        for (uint32_t n = 0; n < TALLY_FINE && tally->n == FACT_DEATHS_MAX; n++)
                filled += tally->fine[n] > 0;
        PACK(filled);
        if (p->reading && filled > 0)
                memset(tally->fine, 0, sizeof(tally->fine));
        for (uint32_t n = 0; filled > 0 && n < TALLY_FINE; n++) {
                if (!p->reading && tally->fine[n] == 0)
                        continue;
                both = pack(p, (uint64_t)n << 32 | tally->fine[n]);
                tally->fine[(both >> 32) % TALLY_FINE] = (uint32_t)both;
                filled--;
        }
}

static void pack_tally(struct pack *p, struct tally *tally)
{
        PACK(tally->run_since);
        PACK(tally->run);
        PACK(tally->forgiven);
        PACK(tally->coarse_newest);
        pack_buckets(p, tally);
}

static void pack_ladder(struct pack *p, struct ladder *ladder)
{
        PACK(ladder->trials);
        PACK(ladder->unpinned);
        PACK(ladder->asked);
}

/* As its manager has it, and the present life: all that there is to know of one that is well. */
static void pack_claims(struct pack *p, struct instance *instance)
{
        PACK(instance->gone);
        PACK(instance->claimed);
        PACK(instance->claimed_at);
        PACK(instance->listed_pid);
        PACK(instance->counted);
        PACK(instance->restarts_seen);
        PACK(instance->restarts_listed);
        PACK(instance->restarts_before);
        PACK(instance->missing_at);
        PACK(instance->life);
        instance->life %= LIVES_MAX;
        for (uint32_t n = 0; n < LIVES_MAX; n++)
                pack_life(p, &instance->lives[n]);
}

static void pack_troubles(struct pack *p, struct instance *instance)
{
        PACK(instance->last_ending);
        PACK(instance->last_code);
        PACK(instance->last_signal);
        PACK(instance->last_death);
        PACK(instance->dragged_at);
        PACK(instance->period);
        PACK(instance->braked);
        PACK(instance->thin);
        pack_ladder(p, &instance->ladder);
        pack_tally(p, &instance->tally);
}

/* A base by its place among the agent's bases, which come back in their order. */
static void pack_base(struct pack *p, const struct agent *agent, uint32_t *base)
{
        uint64_t place = 0;

        for (uint32_t n = 0; n < agent->bases_n; n++)
                if (agent->bases[n].agent == *base && *base != NOBODY)
                        place = n + 1;
        PACK(place);
        *base = place > 0 && place <= agent->bases_n ? agent->bases[place - 1].agent : NOBODY;
}

static void pack_incident(struct pack *p, struct judge *judge, struct agent *agent, uint32_t *incident)
{
        struct incident known = { .number = 0 };
        uint32_t slot = NOBODY;

        if (*incident != NOBODY && !p->reading)
                known = judge->incidents[*incident];
        PACK(known.number);
        if (known.number == 0) {
                *incident = NOBODY;
                return;
        }
        PACK(known.cause);
        PACK(known.opened);
        PACK(known.count);
        PACK(known.told);
        PACK(known.withheld);
        PACK(known.budget_told);
        PACK(known.manager);
        if (!p->reading)
                return;
        for (uint32_t n = 0; n < judge->limits.incidents_max && slot == NOBODY; n++)
                if (judge->incidents[n].number == known.number || judge->incidents[n].number == 0)
                        slot = n;
        *incident = slot;
        if (slot == NOBODY)
                return;
        if (judge->incidents[slot].number == known.number) { /* known here, perhaps with an older count */
                judge->incidents[slot].count = known.count;
                judge->incidents[slot].told = known.told;
                judge->incidents[slot].withheld = known.withheld;
                judge->incidents[slot].budget_told = known.budget_told;
                return;
        }
        known.open = true;
        known.agent = agent ? table_index(judge, agent) : NOBODY;
        known.rule = agent ? agent->rule : NULL;
        text_copy(known.id, sizeof(known.id), agent ? agent->id : "");
        judge->incidents[slot] = known;
        if (known.number > judge->incidents_last)
                judge->incidents_last = known.number;
}

/* What belongs to the agent stands with each of its instances; the last one read wins, and all are equal. */
static void pack_agent(struct pack *p, struct judge *judge, struct agent *agent)
{
        uint64_t busy = agent->busy == NOBODY ? 0 : (uint64_t)judge->instances[agent->busy].number + 1;

        PACK(agent->gone);
        PACK(agent->carrier);
        PACK(busy);
        PACK(agent->planned);
        PACK(agent->planned_until);
        PACK(agent->human_at);
        PACK(agent->acted_at);
        PACK(agent->down_at);
        PACK(agent->failing_since);
        PACK(agent->failed_at);
        PACK(agent->stray_orphans);
        PACK(agent->stray_duplicates);
        for (unsigned n = 0; n < NOTE_BUDGET; n++)
                pack_incident(p, judge, agent, &agent->noted[n]);
        if (p->reading && busy > 0) {
                struct instance *i = table_instance(judge, agent, (uint32_t)(busy - 1));

                agent->busy = i ? (uint32_t)(i - judge->instances) : NOBODY;
        }
}

static void pack_weight(struct pack *p, struct weight *weight)
{
        PACK(weight->at);
        if (weight->at == 0)
                return;
        PACK(weight->pid);
        PACK(weight->start);
        PACK(weight->frees_kib);
        PACK(weight->swap_kib);
        PACK(weight->of);
        PACK(weight->how);
        PACK(weight->carries);
}

/* What was done to it for the floor, and whether it is what the floor waits for. */
static void pack_flushed(struct pack *p, struct judge *judge, struct instance *instance)
{
        uint32_t index = (uint32_t)(instance - judge->instances);
        bool victim = judge->flush.victim == index;

        PACK(victim);
        PACK(instance->flushed.at);
        PACK(instance->flushed.how);
        PACK(instance->flushed.times);
        PACK(instance->flushed.needs_kib);
        PACK(instance->flushed.incident);
        PACK(instance->flushed.told_in);
        PACK(instance->flushed.told);
        pack_weight(p, &instance->weight);
        if (p->reading && victim)
                judge->flush.victim = index;
}

static void pack_ebb(struct pack *p, struct ebb *ebb)
{
        PACK(ebb->total_kib);
        PACK(ebb->some);
        PACK(ebb->full);
        PACK(ebb->n);
        if (ebb->n > EBB_SAMPLES)
                ebb->n = EBB_SAMPLES;
        for (uint32_t n = 0; n < ebb->n; n++) {
                PACK(ebb->at[n]);
                PACK(ebb->kib[n]);
        }
        PACK(ebb->span_newest);
        for (uint32_t n = 0; n < EBB_SPANS; n++)
                PACK(ebb->spans[n]);
}

/* Six characters a number: what JSON keeps exactly has 53 bits. */
static void pack_text(struct pack *p, char *text, size_t size)
{
        for (size_t n = 0; n < size; n += 6) {
                uint64_t word = 0;

                for (size_t k = 0; k < 6 && n + k < size; k++)
                        word |= (uint64_t)(unsigned char)text[n + k] << 8 * k;
                word = pack(p, word);
                for (size_t k = 0; k < 6 && n + k < size; k++)
                        text[n + k] = (char)(word >> 8 * k & 0xff);
        }
        text[size - 1] = '\0';
}

static void pack_flush(struct pack *p, struct judge *judge, struct flush *flush)
{
        PACK(flush->state);
        if ((unsigned)flush->state >= FLUSH_N)
                flush->state = FLUSH_BLANK;
        PACK(flush->since);
        PACK(flush->until);
        PACK(flush->found.below);
        PACK(flush->found.sign);
        PACK(flush->found.lasts);
        PACK(flush->found.gone_in);
        PACK(flush->before_kib);
        PACK(flush->expected_kib);
        PACK(flush->weighed_at);
        PACK(flush->rest_until);
        PACK(flush->rests);
        PACK(flush->rest_kib);
        PACK(flush->ordered_at);
        PACK(flush->restarts);
        PACK(flush->freed_kib);
        PACK(flush->assumed_kib);
        PACK(flush->told_hash);
        PACK(flush->stranger.at);
        PACK(flush->stranger.pid);
        PACK(flush->stranger.kib);
        pack_text(p, flush->stranger.name, sizeof(flush->stranger.name));
        pack_incident(p, judge, NULL, &flush->incident);
        pack_ebb(p, &flush->ebb);
}

static void pack_rein(struct pack *p, struct rein *rein)
{
        PACK(rein->state);
        if (rein->state >= REIN_N)
                rein->state = REIN_OFF;
        PACK(rein->since);
        PACK(rein->until);
        PACK(rein->percent);
        PACK(rein->tries);
        PACK(rein->harmed);
        PACK(rein->incident);
}

static void pack_instance(struct pack *p, struct judge *judge, struct agent *agent, struct instance *instance)
{
        pack_claims(p, instance);
        pack_agent(p, judge, agent);
        pack_incident(p, judge, instance->braked ? NULL : agent, &instance->incident);
        pack_base(p, agent, &instance->dragged_by);
        pack_troubles(p, instance);
        /* since then: a record of before ends here, and what it lacks reads as 0 */
        for (unsigned n = 0; n < SWELL_RESTARTS; n++)
                PACK(instance->swell_restarts[n]);
        PACK(agent->acknowledged);
        for (unsigned n = NOTE_BUDGET; n <= NOTE_LEAK; n++)
                pack_incident(p, judge, agent, &agent->noted[n]);
        pack_flushed(p, judge, instance);
        pack_text(p, instance->word, sizeof(instance->word)); /* they stand in reasons */
        pack_text(p, instance->result, sizeof(instance->result));
        pack_fine(p, &instance->tally);
        pack_incident(p, judge, agent, &agent->noted[NOTE_LOAD]);
        pack_rein(p, &agent->rein);
        pack_incident(p, judge, agent, &agent->noted[NOTE_UNIT]);
        PACK(agent->limits_at);
        PACK(agent->limits_awaited);
        PACK(agent->well_began);
        PACK(agent->rolled_at);
        PACK(agent->rolled_to);
        PACK(instance->failing_at);
        PACK(instance->start_at);
        PACK(instance->start_unseen);
        PACK(instance->ladder.asked_back);
        PACK(instance->ladder.back_to);
        for (unsigned n = NOTE_START; n < NOTE_N; n++)
                pack_incident(p, judge, agent, &agent->noted[n]);
}

static void pack_machine(struct pack *p, struct judge *judge)
{
        PACK(judge->now);
        PACK(judge->started);
        PACK(judge->left);
        PACK(judge->booted);
        PACK(judge->observe_only);
        PACK(judge->safe_mode);
        PACK(judge->disarmed);
        PACK(judge->planned);
        PACK(judge->planned_until);
        PACK(judge->machine_due);
        PACK(judge->turned_away);
        PACK(judge->incidents_last);
        pack_incident(p, judge, NULL, &judge->full_incident);
        pack_incident(p, judge, NULL, &judge->safe_incident);
        PACK(judge->budget_n);
        if (judge->budget_n > BUDGET_MAX)
                judge->budget_n = BUDGET_MAX;
        for (uint32_t n = 0; n < judge->budget_n; n++)
                PACK(judge->budget[n]);
        pack_incident(p, judge, NULL, &judge->drift_incidents[CONFIG_OF_FILE]);
        PACK(judge->trials_last);
        PACK(judge->acknowledged);
        pack_incident(p, judge, NULL, &judge->strain.incident);
        PACK(judge->strain.acknowledged);
        pack_incident(p, judge, NULL, &judge->drift_incidents[CONFIG_OF_UNIT]);
        pack_incident(p, judge, NULL, &judge->drift_incidents[CONFIG_OF_POLICY]);
}

static void pack_source(struct pack *p, struct judge *judge, struct source *source)
{
        PACK(source->state);
        PACK(source->since);
        PACK(source->blind_at);
        PACK(source->told);
        pack_incident(p, judge, NULL, &source->incident);
        PACK(source->known_pid);
        PACK(source->known_start);
        PACK(source->anew_at);
}

static void pack_brake(struct pack *p, struct judge *judge, struct brake *brake)
{
        PACK(brake->manager);
        PACK(brake->since);
        PACK(brake->told);
        pack_incident(p, judge, NULL, &brake->incident);
}

/* Which agent it is about is the record's own. */
static void pack_shortage(struct pack *p, struct judge *judge, struct agent *agent, struct shortage *shortage)
{
        PACK(shortage->key);
        PACK(shortage->kills);
        PACK(shortage->killed_at);
        PACK(shortage->pid);
        PACK(shortage->took_at);
        PACK(shortage->said_at);
        PACK(shortage->near);
        PACK(shortage->near_at);
        PACK(shortage->eased_at);
        pack_incident(p, judge, agent, &shortage->incident);
}

/* ---- out ------------------------------------------------------------------------------------------------------------ */

/* Writing only reads, through a description that can do both. */
static struct judge *readable(const struct judge *judge)
{
        return (struct judge *)(uintptr_t)judge;
}

static struct pack writer(struct remembered *scratch)
{
        struct pack pack_to = { .numbers = scratch->more, .most = REMEMBERED_MORE_MAX };

        *scratch = (struct remembered){ .state = 0 };
        pack(&pack_to, LAYOUT);
        return pack_to;
}

static void remembered_fact(const struct judge *judge, const char *agent, uint32_t instance, struct pack *pack_to,
                            struct remembered *scratch, struct fact *ret)
{
        scratch->more_n = pack_to->n;
        *ret = (struct fact){ .kind = FACT_REMEMBERED,
                              .at = judge->now,
                              .manager = agent_manager(agent),
                              .agent = agent,
                              .instance = instance,
                              .remembered = scratch };
}

static bool remember_source(const struct judge *judge, uint32_t n, struct fact *ret)
{
        const struct source *source = &judge->sources[n];

        *ret = (struct fact){ .kind = FACT_SOURCE, .at = judge->now, .manager = source->manager, .agent = "" };
        ret->source.name = source->name;
        ret->source.state = source->state;
        ret->source.why = source->why;
        ret->source.pid = source->pid;
        ret->source.start = source->start;
        ret->source.suffixed = source->suffixed;
        return true;
}

static bool remember_base(const struct judge *judge, uint32_t n, struct fact *ret)
{
        const struct agent *agent = &judge->agents[n / BASES_MAX];
        uint32_t base = n % BASES_MAX;

        if (base >= agent->bases_n)
                return false;
        *ret = (struct fact){ .kind = FACT_DEPENDS, .at = judge->now, .manager = agent->manager, .agent = agent->id };
        ret->depends.on = judge->agents[agent->bases[base].agent].id;
        ret->depends.dependency = agent->bases[base].dependency;
        return true;
}

/* A window holds words, which numbers cannot: it is told as it was opened. Also one that is over: what died in it may be told of, or
 * understood, only now. */
static bool remember_change(const struct judge *judge, uint32_t n, struct fact *ret)
{
        const struct change *change = &judge->changes[n];
        const char *agent = change->agent == NOBODY ? "" : judge->agents[change->agent].id;

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

static bool remember_machine(const struct judge *judge, struct remembered *scratch, struct fact *ret)
{
        struct pack pack_to = writer(scratch);

        pack_machine(&pack_to, readable(judge));
        scratch->count = judge->incidents_last;
        remembered_fact(judge, "", ABOUT_MACHINE, &pack_to, scratch, ret);
        return true;
}

static bool remember_source_state(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        struct pack pack_to = writer(scratch);

        pack_source(&pack_to, readable(judge), &readable(judge)->sources[n]);
        remembered_fact(judge, "", ABOUT_SOURCES + n, &pack_to, scratch, ret);
        return true;
}

static bool remember_brake(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        const struct brake *brake = &judge->brakes[n];
        struct pack pack_to = writer(scratch);

        if (!brake->on)
                return false;
        pack_brake(&pack_to, readable(judge), &readable(judge)->brakes[n]);
        remembered_fact(judge, brake->base == NOBODY ? "" : judge->agents[brake->base].id, ABOUT_BRAKES + n, &pack_to,
                        scratch, ret);
        return true;
}

static bool remember_flush(const struct judge *judge, struct remembered *scratch, struct fact *ret)
{
        struct pack pack_to = writer(scratch);

        if (judge->flush.state == FLUSH_BLANK)
                return false;
        pack_flush(&pack_to, readable(judge), &readable(judge)->flush);
        remembered_fact(judge, "", ABOUT_FLUSH, &pack_to, scratch, ret);
        return true;
}

/* What the machine has left, as samples have it: from here on decisions rest on it. */
static bool remember_ebb(const struct judge *judge, struct remembered *scratch, struct fact *ret)
{
        struct pack pack_to = { .numbers = scratch->more, .most = REMEMBERED_MORE_MAX };

        *scratch = (struct remembered){ .state = BASELINE_FLOOR };
        pack_ebb(&pack_to, &readable(judge)->ebb);
        remembered_fact(judge, "", 0, &pack_to, scratch, ret);
        ret->kind = FACT_BASELINE;
        return true;
}

static bool remember_shortage(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        struct shortage *shortage = &readable(judge)->shortages[n];
        struct agent *agent = shortage->on && shortage->agent != NOBODY ? &judge->agents[shortage->agent] : NULL;
        struct pack pack_to = writer(scratch);

        if (!shortage->on)
                return false;
        pack_shortage(&pack_to, readable(judge), agent, shortage);
        remembered_fact(judge, agent ? agent->id : "", ABOUT_SHORTAGES + n, &pack_to, scratch, ret);
        return true;
}

static bool remember_instance(const struct judge *judge, uint32_t n, struct remembered *scratch, struct fact *ret)
{
        struct instance *i = &readable(judge)->instances[n];
        struct agent *agent = agent_of(judge, i);
        struct pack pack_to = writer(scratch);
        const struct life *life = life_seen(i);

        if (i->number == INSTANCE_ALL || (i->gone && i->cause == CAUSE_NONE && i->ladder.state == LADDER_OK))
                return false;
        pack_instance(&pack_to, readable(judge), agent, i);
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
        remembered_fact(judge, agent->id, i->number, &pack_to, scratch, ret);
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

bool judge_remember(const struct judge *judge, uint32_t *cursor, struct remembered *scratch, struct fact *ret)
{
        for (;;) {
                uint32_t n = (*cursor)++;

                /* in the order in which each may refer to what came before */
                if (n < judge->sources_n) {
                        if (remember_source(judge, n, ret))
                                return true;
                        continue;
                }
                n -= judge->sources_n;
                if (n < judge->agents_n * BASES_MAX) {
                        if (remember_base(judge, n, ret))
                                return true;
                        continue;
                }
                n -= judge->agents_n * BASES_MAX;
                if (n < CHANGES_MAX) {
                        if (remember_change(judge, n, ret))
                                return true;
                        continue;
                }
                n -= CHANGES_MAX;
                if (n < judge->trials_n) {
                        if (trial_remember(judge, n, ret))
                                return true;
                        continue;
                }
                n -= judge->trials_n;
                if (n < PACKAGES_MAX) {
                        if (blame_remember_package(judge, n, ret))
                                return true;
                        continue;
                }
                n -= PACKAGES_MAX;
                if (n < judge->agents_n * VERSIONS_MAX) {
                        if (version_remember(judge, n / VERSIONS_MAX, n % VERSIONS_MAX, ret))
                                return true;
                        continue;
                }
                n -= judge->agents_n * VERSIONS_MAX;
                if (n < judge->agents_n * BLAME_FACTS) {
                        if (blame_remember(judge, n / BLAME_FACTS, n % BLAME_FACTS, ret))
                                return true;
                        continue;
                }
                n -= judge->agents_n * BLAME_FACTS;
                if (n == 0)
                        return remember_machine(judge, scratch, ret);
                n -= 1;
                if (n < judge->sources_n)
                        return remember_source_state(judge, n, scratch, ret);
                n -= judge->sources_n;
                if (n < BRAKES_MAX) {
                        if (remember_brake(judge, n, scratch, ret))
                                return true;
                        continue;
                }
                n -= BRAKES_MAX;
                if (n == 0) {
                        if (remember_flush(judge, scratch, ret))
                                return true;
                        continue;
                }
                n -= 1;
                if (n < SHORTAGES_MAX) {
                        if (remember_shortage(judge, n, scratch, ret))
                                return true;
                        continue;
                }
                n -= SHORTAGES_MAX;
                if (n < judge->instances_n) {
                        if (remember_instance(judge, n, scratch, ret))
                                return true;
                        continue;
                }
                n -= judge->instances_n;
                if (n < judge->instances_n) {
                        if (remember_swell(judge, n, scratch, ret))
                                return true;
                        continue;
                }
                n -= judge->instances_n;
                if (n < judge->instances_n) {
                        if (remember_growth(judge, n, scratch, ret))
                                return true;
                        continue;
                }
                n -= judge->instances_n;
                if (n == 0) {
                        if (strain_remember(judge, scratch, ret))
                                return true;
                        continue;
                }
                n -= 1;
                if (n >= judge->instances_n)
                        return false;
                if (remember_burden(judge, n, scratch, ret))
                        return true;
        }
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

static void take_instance(struct judge *judge, const struct fact *fact, struct pack *p)
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
static void take_machine(struct judge *judge, struct pack *p)
{
        judge->awake = false;
        pack_machine(p, judge);
}

static void take_brake(struct judge *judge, const struct fact *fact, struct pack *p)
{
        struct agent *base = *fact->agent ? table_find(judge, fact->agent) : NULL;
        struct brake *brake = &judge->brakes[(fact->instance - ABOUT_BRAKES) % BRAKES_MAX];

        *brake = (struct brake){ .on = true, .base = base ? table_index(judge, base) : NOBODY, .incident = NOBODY };
        pack_brake(p, judge, brake);
        if (*fact->agent && !base)
                brake->on = false;
}

static void take_floor(struct judge *judge, const struct fact *fact, struct pack *p)
{
        judge->flush.ebb = (struct ebb){ .n = 0 };
        pack_ebb(p, &judge->flush.ebb);
        flush_told(judge, fact->at);
}

static void take_baseline(struct judge *judge, const struct fact *fact, struct pack *p)
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

static void take_shortage(struct judge *judge, const struct fact *fact, struct pack *p)
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
        struct pack reader = { .numbers = (uint64_t *)(uintptr_t)fact->remembered->more,
                               .most = fact->remembered->more_n < REMEMBERED_MORE_MAX ? fact->remembered->more_n
                                                                                      : REMEMBERED_MORE_MAX,
                               .reading = true };

        if (fact->kind == FACT_BASELINE) {
                take_baseline(judge, fact, &reader);
                return;
        }
        if (fact->remembered->count > judge->incidents_last && !*fact->agent)
                judge->incidents_last = fact->remembered->count;
        if (pack(&reader, 0) != LAYOUT)
                return;
        if (is_about(fact, ABOUT_BRAKES, BRAKES_MAX))
                take_brake(judge, fact, &reader);
        else if (is_about(fact, ABOUT_SHORTAGES, SHORTAGES_MAX))
                take_shortage(judge, fact, &reader);
        else if (*fact->agent)
                take_instance(judge, fact, &reader);
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
        judge->machine_due = judge->now;
}
