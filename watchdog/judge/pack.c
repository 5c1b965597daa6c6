#include "judge/pack.h"

#include <string.h>

#include "base/text.h"
#include "judge/table.h"

static void pack_life(struct numbers *p, struct life *life)
{
        PASS(p, life->state);
        if (life->state == LIFE_NONE)
                return;
        PASS(p, life->pid);
        PASS(p, life->start);
        PASS(p, life->began);
        PASS(p, life->ended);
        PASS(p, life->ending);
        PASS(p, life->code);
        PASS(p, life->signal);
        PASS(p, life->told);
        PASS(p, life->unseen);
        PASS(p, life->guessed);
}

/* The day's buckets that hold something, as pairs. */
static void pack_buckets(struct numbers *p, struct tally *tally)
{
        uint64_t filled = 0, place = 0;

        for (uint32_t n = 0; n < TALLY_COARSE; n++)
                filled += tally->coarse[n] > 0;
        PASS(p, filled);
        for (uint32_t n = 0; filled > 0 && n < TALLY_COARSE; n++) {
                if (!p->reading && tally->coarse[n] == 0)
                        continue;
                place = numbers_pass(p, n) % TALLY_COARSE;
                tally->coarse[place] = (uint32_t)numbers_pass(p, tally->coarse[place]);
                filled--;
        }
}

/* The newest ten minutes, place and count in one number. The deaths themselves say as much while there are few of them. */
static void pack_fine(struct numbers *p, struct tally *tally)
{
        uint64_t filled = 0, both = 0;

        for (uint32_t n = 0; n < TALLY_FINE && tally->n == FACT_DEATHS_MAX; n++)
                filled += tally->fine[n] > 0;
        PASS(p, filled);
        if (p->reading && filled > 0)
                memset(tally->fine, 0, sizeof(tally->fine));
        for (uint32_t n = 0; filled > 0 && n < TALLY_FINE; n++) {
                if (!p->reading && tally->fine[n] == 0)
                        continue;
                both = numbers_pass(p, (uint64_t)n << 32 | tally->fine[n]);
                tally->fine[(both >> 32) % TALLY_FINE] = (uint32_t)both;
                filled--;
        }
}

static void pack_tally(struct numbers *p, struct tally *tally)
{
        PASS(p, tally->run_since);
        PASS(p, tally->run);
        PASS(p, tally->forgiven);
        PASS(p, tally->coarse_newest);
        pack_buckets(p, tally);
}

static void pack_ladder(struct numbers *p, struct ladder *ladder)
{
        PASS(p, ladder->trials);
        PASS(p, ladder->unpinned);
        PASS(p, ladder->asked);
}

/* As its manager has it, and the present life: all that there is to know of one that is well. */
static void pack_claims(struct numbers *p, struct instance *instance)
{
        PASS(p, instance->gone);
        PASS(p, instance->claimed);
        PASS(p, instance->claimed_at);
        PASS(p, instance->listed_pid);
        PASS(p, instance->counted);
        PASS(p, instance->restarts_seen);
        PASS(p, instance->restarts_listed);
        PASS(p, instance->restarts_before);
        PASS(p, instance->missing_at);
        PASS(p, instance->life);
        instance->life %= LIVES_MAX;
        for (uint32_t n = 0; n < LIVES_MAX; n++)
                pack_life(p, &instance->lives[n]);
}

static void pack_troubles(struct numbers *p, struct instance *instance)
{
        PASS(p, instance->last_ending);
        PASS(p, instance->last_code);
        PASS(p, instance->last_signal);
        PASS(p, instance->last_death);
        PASS(p, instance->dragged_at);
        PASS(p, instance->period);
        PASS(p, instance->braked);
        PASS(p, instance->thin);
        pack_ladder(p, &instance->ladder);
        pack_tally(p, &instance->tally);
}

/* A base by its place among the agent's bases, which come back in their order. */
static void pack_base(struct numbers *p, const struct agent *agent, uint32_t *base)
{
        uint64_t place = 0;

        for (uint32_t n = 0; n < agent->bases_n; n++)
                if (agent->bases[n].agent == *base && *base != NOBODY)
                        place = n + 1;
        PASS(p, place);
        *base = place > 0 && place <= agent->bases_n ? agent->bases[place - 1].agent : NOBODY;
}

static void pack_incident(struct numbers *p, struct judge *judge, struct agent *agent, uint32_t *incident)
{
        struct incident known = { .number = 0 };
        uint32_t slot = NOBODY;

        if (*incident != NOBODY && !p->reading)
                known = judge->incidents[*incident];
        PASS(p, known.number);
        if (known.number == 0) {
                *incident = NOBODY;
                return;
        }
        PASS(p, known.cause);
        PASS(p, known.opened);
        PASS(p, known.count);
        PASS(p, known.told);
        PASS(p, known.withheld);
        PASS(p, known.budget_told);
        PASS(p, known.manager);
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
static void pack_agent(struct numbers *p, struct judge *judge, struct agent *agent)
{
        uint64_t busy = agent->busy == NOBODY ? 0 : (uint64_t)judge->instances[agent->busy].number + 1;

        PASS(p, agent->gone);
        PASS(p, agent->carrier);
        PASS(p, busy);
        PASS(p, agent->planned);
        PASS(p, agent->planned_until);
        PASS(p, agent->human_at);
        PASS(p, agent->acted_at);
        PASS(p, agent->down_at);
        PASS(p, agent->failing_since);
        PASS(p, agent->failed_at);
        PASS(p, agent->stray_orphans);
        PASS(p, agent->stray_duplicates);
        for (unsigned n = 0; n < NOTE_BUDGET; n++)
                pack_incident(p, judge, agent, &agent->noted[n]);
        if (p->reading && busy > 0) {
                struct instance *i = table_instance(judge, agent, (uint32_t)(busy - 1));

                agent->busy = i ? (uint32_t)(i - judge->instances) : NOBODY;
        }
}

static void pack_weight(struct numbers *p, struct weight *weight)
{
        PASS(p, weight->at);
        if (weight->at == 0)
                return;
        PASS(p, weight->pid);
        PASS(p, weight->start);
        PASS(p, weight->frees_kib);
        PASS(p, weight->swap_kib);
        PASS(p, weight->of);
        PASS(p, weight->how);
        PASS(p, weight->carries);
}

/* What was done to it for the floor, and whether it is what the floor waits for. */
static void pack_flushed(struct numbers *p, struct judge *judge, struct instance *instance)
{
        uint32_t index = (uint32_t)(instance - judge->instances);
        bool victim = judge->flush.victim == index;

        PASS(p, victim);
        PASS(p, instance->flushed.at);
        PASS(p, instance->flushed.how);
        PASS(p, instance->flushed.times);
        PASS(p, instance->flushed.needs_kib);
        PASS(p, instance->flushed.incident);
        PASS(p, instance->flushed.told_in);
        PASS(p, instance->flushed.told);
        pack_weight(p, &instance->weight);
        if (p->reading && victim)
                judge->flush.victim = index;
}

void pack_ebb(struct numbers *p, struct ebb *ebb)
{
        PASS(p, ebb->total_kib);
        PASS(p, ebb->some);
        PASS(p, ebb->full);
        PASS(p, ebb->n);
        if (ebb->n > EBB_SAMPLES)
                ebb->n = EBB_SAMPLES;
        for (uint32_t n = 0; n < ebb->n; n++) {
                PASS(p, ebb->at[n]);
                PASS(p, ebb->kib[n]);
        }
        PASS(p, ebb->span_newest);
        for (uint32_t n = 0; n < EBB_SPANS; n++)
                PASS(p, ebb->spans[n]);
}

/* Six characters a number: what JSON keeps exactly has 53 bits. */
static void pack_text(struct numbers *p, char *text, size_t size)
{
        for (size_t n = 0; n < size; n += 6) {
                uint64_t word = 0;

                for (size_t k = 0; k < 6 && n + k < size; k++)
                        word |= (uint64_t)(unsigned char)text[n + k] << 8 * k;
                word = numbers_pass(p, word);
                for (size_t k = 0; k < 6 && n + k < size; k++)
                        text[n + k] = (char)(word >> 8 * k & 0xff);
        }
        text[size - 1] = '\0';
}

void pack_flush(struct numbers *p, struct judge *judge, struct flush *flush)
{
        PASS(p, flush->state);
        if ((unsigned)flush->state >= FLUSH_N)
                flush->state = FLUSH_BLANK;
        PASS(p, flush->since);
        PASS(p, flush->until);
        PASS(p, flush->found.below);
        PASS(p, flush->found.sign);
        PASS(p, flush->found.lasts);
        PASS(p, flush->found.gone_in);
        PASS(p, flush->before_kib);
        PASS(p, flush->expected_kib);
        PASS(p, flush->weighed_at);
        PASS(p, flush->rest_until);
        PASS(p, flush->rests);
        PASS(p, flush->rest_kib);
        PASS(p, flush->ordered_at);
        PASS(p, flush->restarts);
        PASS(p, flush->freed_kib);
        PASS(p, flush->assumed_kib);
        PASS(p, flush->told_hash);
        PASS(p, flush->stranger.at);
        PASS(p, flush->stranger.pid);
        PASS(p, flush->stranger.kib);
        pack_text(p, flush->stranger.name, sizeof(flush->stranger.name));
        pack_incident(p, judge, NULL, &flush->incident);
        pack_ebb(p, &flush->ebb);
}

static void pack_rein(struct numbers *p, struct rein *rein)
{
        PASS(p, rein->state);
        if (rein->state >= REIN_N)
                rein->state = REIN_OFF;
        PASS(p, rein->since);
        PASS(p, rein->until);
        PASS(p, rein->percent);
        PASS(p, rein->tries);
        PASS(p, rein->harmed);
        PASS(p, rein->incident);
}

void pack_instance(struct numbers *p, struct judge *judge, struct agent *agent, struct instance *instance)
{
        pack_claims(p, instance);
        pack_agent(p, judge, agent);
        pack_incident(p, judge, instance->braked ? NULL : agent, &instance->incident);
        pack_base(p, agent, &instance->dragged_by);
        pack_troubles(p, instance);
        /* since then: a record of before ends here, and what it lacks reads as 0 */
        for (unsigned n = 0; n < SWELL_RESTARTS; n++)
                PASS(p, instance->swell_restarts[n]);
        PASS(p, agent->acknowledged);
        for (unsigned n = NOTE_BUDGET; n <= NOTE_LEAK; n++)
                pack_incident(p, judge, agent, &agent->noted[n]);
        pack_flushed(p, judge, instance);
        pack_text(p, instance->word, sizeof(instance->word)); /* they stand in reasons */
        pack_text(p, instance->result, sizeof(instance->result));
        pack_fine(p, &instance->tally);
        pack_incident(p, judge, agent, &agent->noted[NOTE_LOAD]);
        pack_rein(p, &agent->rein);
        pack_incident(p, judge, agent, &agent->noted[NOTE_UNIT]);
        PASS(p, agent->limits_at);
        PASS(p, agent->limits_awaited);
        PASS(p, agent->well_began);
        PASS(p, agent->rolled_at);
        PASS(p, agent->rolled_to);
        PASS(p, instance->failing_at);
        PASS(p, instance->start_at);
        PASS(p, instance->start_unseen);
        PASS(p, instance->ladder.asked_back);
        PASS(p, instance->ladder.back_to);
        for (unsigned n = NOTE_START; n < NOTE_N; n++)
                pack_incident(p, judge, agent, &agent->noted[n]);
}

void pack_guarded(struct numbers *p, struct guarded *guarded)
{
        pack_text(p, guarded->path, sizeof(guarded->path));
        pack_text(p, guarded->rule, sizeof(guarded->rule));
        PASS(p, guarded->again);
        PASS(p, guarded->held);
        PASS(p, guarded->last);
        PASS(p, guarded->due);
        PASS(p, guarded->ordered);
        for (unsigned n = 0; n < RESTORES_MOST; n++)
                PASS(p, guarded->times[n]);
        PASS(p, guarded->next);
        guarded->next %= RESTORES_MOST;
        pack_text(p, guarded->writer, sizeof(guarded->writer));
}

void pack_breach(struct numbers *p, struct judge *judge, struct breach *breach)
{
        pack_text(p, breach->rule, sizeof(breach->rule));
        PASS(p, breach->cause);
        pack_incident(p, judge, NULL, &breach->incident);
        PASS(p, breach->count);
        PASS(p, breach->last);
        PASS(p, breach->differing);
        PASS(p, breach->was);
        PASS(p, breach->over);
        PASS(p, breach->news);
        pack_text(p, breach->reason, sizeof(breach->reason));
        if (p->reading && breach->incident != NOBODY)
                text_copy(judge->incidents[breach->incident].reason, REASON_MAX, breach->reason);
}

void pack_machine(struct numbers *p, struct judge *judge)
{
        PASS(p, judge->now);
        PASS(p, judge->started);
        PASS(p, judge->left);
        PASS(p, judge->booted);
        PASS(p, judge->observe_only);
        PASS(p, judge->safe_mode);
        PASS(p, judge->disarmed);
        PASS(p, judge->planned);
        PASS(p, judge->planned_until);
        PASS(p, judge->machine_due);
        PASS(p, judge->turned_away);
        PASS(p, judge->incidents_last);
        pack_incident(p, judge, NULL, &judge->full_incident);
        pack_incident(p, judge, NULL, &judge->safe_incident);
        PASS(p, judge->budget_n);
        if (judge->budget_n > BUDGET_MAX)
                judge->budget_n = BUDGET_MAX;
        for (uint32_t n = 0; n < judge->budget_n; n++)
                PASS(p, judge->budget[n]);
        pack_incident(p, judge, NULL, &judge->drift_incidents[CONFIG_OF_FILE]);
        PASS(p, judge->trials_last);
        PASS(p, judge->acknowledged);
        pack_incident(p, judge, NULL, &judge->strain.incident);
        PASS(p, judge->strain.acknowledged);
        pack_incident(p, judge, NULL, &judge->drift_incidents[CONFIG_OF_UNIT]);
        pack_incident(p, judge, NULL, &judge->drift_incidents[CONFIG_OF_POLICY]);
}

void pack_source(struct numbers *p, struct judge *judge, struct source *source)
{
        PASS(p, source->state);
        PASS(p, source->since);
        PASS(p, source->blind_at);
        PASS(p, source->told);
        pack_incident(p, judge, NULL, &source->incident);
        PASS(p, source->known_pid);
        PASS(p, source->known_start);
        PASS(p, source->anew_at);
}

void pack_brake(struct numbers *p, struct judge *judge, struct brake *brake)
{
        PASS(p, brake->manager);
        PASS(p, brake->since);
        PASS(p, brake->told);
        pack_incident(p, judge, NULL, &brake->incident);
}

/* Which agent it is about is the record's own. */
void pack_shortage(struct numbers *p, struct judge *judge, struct agent *agent, struct shortage *shortage)
{
        PASS(p, shortage->key);
        PASS(p, shortage->kills);
        PASS(p, shortage->killed_at);
        PASS(p, shortage->pid);
        PASS(p, shortage->took_at);
        PASS(p, shortage->said_at);
        PASS(p, shortage->near);
        PASS(p, shortage->near_at);
        PASS(p, shortage->eased_at);
        pack_incident(p, judge, agent, &shortage->incident);
}
