#include "judge/flush.h"

#include <string.h>

#include "base/text.h"
#include "judge/budget.h"
#include "judge/course.h"
#include "judge/flush_words.h"
#include "judge/guard.h"
#include "judge/incidents.h"
#include "judge/memory.h"
#include "judge/table.h"
#include "judge/victim.h"

#define KIB 1024
#define WEIGHTS_WAIT (5 * USEC_PER_SEC)
#define WEIGHTS_LAST USEC_PER_MINUTE /* measuring is dear: one answer serves for several restarts */
#define SETTLE_WAIT (5 * USEC_PER_SEC)
#define SETTLE_DEEP USEC_PER_SEC /* next to nothing is left: the next one cannot wait for long */
#define BETWEEN (10 * USEC_PER_SEC)
#define BETWEEN_DEEP (2 * USEC_PER_SEC)
#define REST_LEAST (15 * USEC_PER_SEC)
#define REST_MOST (5 * USEC_PER_MINUTE) /* at first: measuring the same again and again is no help */
#define REST_DOUBLINGS 3
#define STAY_WAIT USEC_PER_MINUTE
#define FRESH USEC_PER_SEC
#define TOLD_AT_ONCE 2 /* reasons told one by one in one look */
#define DECISIONS_WANTED 4

/* ---- the cycle ------------------------------------------------------------------------------------------------------- */

/* clang-format off */
const struct flush_cell flush_table[FLUSH_N][FLUSH_INPUT_N] = {
        [FLUSH_CALM] = {
                [FLUSH_SINKS]    = { FLUSH_WEIGHING, FLUSH_WAIT_WEIGHTS },
                [FLUSH_HOPELESS] = { FLUSH_QUIET,    FLUSH_WAIT_NONE },
        },
        [FLUSH_WEIGHING] = {
                [FLUSH_WEIGHED]  = { FLUSH_CHOOSING, FLUSH_WAIT_NOW },
                [FLUSH_DUE]      = { FLUSH_CHOOSING, FLUSH_WAIT_NOW }, /* with those that were measured in time */
                [FLUSH_RISES]    = { FLUSH_ABOVE,    FLUSH_WAIT_STAY },
                [FLUSH_CLOSED]   = { FLUSH_QUIET,    FLUSH_WAIT_NONE },
        },
        [FLUSH_CHOOSING] = {
                [FLUSH_CHOSE]    = { FLUSH_ORDERED,  FLUSH_WAIT_REPLY },
                [FLUSH_NOBODY]   = { FLUSH_RESTING,  FLUSH_WAIT_REST },
                [FLUSH_STALE]    = { FLUSH_WEIGHING, FLUSH_WAIT_WEIGHTS },
                [FLUSH_RISES]    = { FLUSH_ABOVE,    FLUSH_WAIT_STAY },
                [FLUSH_CLOSED]   = { FLUSH_QUIET,    FLUSH_WAIT_NONE },
        },
        [FLUSH_ORDERED] = {
                [FLUSH_DONE]     = { FLUSH_SETTLING, FLUSH_WAIT_SETTLE },
                [FLUSH_UNDONE]   = { FLUSH_CHOOSING, FLUSH_WAIT_NOW },
                [FLUSH_DUE]      = { FLUSH_SETTLING, FLUSH_WAIT_SETTLE }, /* no answer came: what it did is seen */
                [FLUSH_CLOSED]   = { FLUSH_QUIET,    FLUSH_WAIT_NONE },
        },
        [FLUSH_SETTLING] = {
                [FLUSH_DUE]      = { FLUSH_CHECKING, FLUSH_WAIT_WEIGHTS },
                [FLUSH_CLOSED]   = { FLUSH_QUIET,    FLUSH_WAIT_NONE },
        },
        [FLUSH_CHECKING] = {
                [FLUSH_WEIGHED]  = { FLUSH_CHOOSING, FLUSH_WAIT_NOW },
                [FLUSH_DUE]      = { FLUSH_CHOOSING, FLUSH_WAIT_NOW },
                [FLUSH_CLOSED]   = { FLUSH_QUIET,    FLUSH_WAIT_NONE },
        },
        [FLUSH_RESTING] = {
                [FLUSH_DUE]      = { FLUSH_WEIGHING, FLUSH_WAIT_WEIGHTS },
                [FLUSH_RISES]    = { FLUSH_ABOVE,    FLUSH_WAIT_STAY },
                [FLUSH_CLOSED]   = { FLUSH_QUIET,    FLUSH_WAIT_NONE },
        },
        [FLUSH_ABOVE] = {
                [FLUSH_SINKS]    = { FLUSH_WEIGHING, FLUSH_WAIT_WEIGHTS },
                [FLUSH_DUE]      = { FLUSH_CALM,     FLUSH_WAIT_NONE },
                [FLUSH_CLOSED]   = { FLUSH_CALM,     FLUSH_WAIT_NONE },
        },
        [FLUSH_QUIET] = {
                [FLUSH_RISES]    = { FLUSH_ABOVE,    FLUSH_WAIT_STAY },
        },
};
/* clang-format on */

static const char *const states[FLUSH_N] = {
        "calm", "calm", "weighing", "choosing", "restarting", "settling", "checking", "resting", "above", "quiet",
};

const char *flush_state_name(enum flush_state state)
{
        return (unsigned)state < FLUSH_N ? states[state] : states[0];
}

static uint64_t floor_of(const struct judge *judge)
{
        return judge->policy->machine.memory_floor_bytes;
}

static usec_t wait_of(const struct judge *judge, enum flush_wait wait)
{
        bool deep = judge->flush.found.sign == EBB_DEEP;

        switch (wait) {
        case FLUSH_WAIT_NOW: return judge->now;
        case FLUSH_WAIT_WEIGHTS: return judge->now + WEIGHTS_WAIT;
        case FLUSH_WAIT_REPLY:
                return judge->now + course_wait(judge, &judge->instances[judge->flush.victim], WAIT_REPLY);
        case FLUSH_WAIT_SETTLE: return judge->now + (deep ? SETTLE_DEEP : SETTLE_WAIT);
        case FLUSH_WAIT_REST: return judge->flush.rest_until;
        case FLUSH_WAIT_STAY: return judge->now + STAY_WAIT;
        default: return USEC_INFINITY;
        }
}

/* Asks for what the state cannot go on without: weights, and how much memory there is now. */
static void ask(struct judge *judge)
{
        struct flush *flush = &judge->flush;

        if (flush->state != FLUSH_WEIGHING && flush->state != FLUSH_CHECKING)
                return;
        if (flush->state == FLUSH_WEIGHING)
                flush->weighed_at = judge->now;
        judge->decisions->weigh = true;
        if (flush->ebb.n > 0 && usec_since(judge->now, flush->ebb.at[flush->ebb.n - 1]) < FRESH)
                return; /* told a moment ago */
        judge->ebb_wants_record = judge->decisions->remember = true;
}

/* Whether the state cares for the input. */
static bool take(struct judge *judge, enum flush_input input)
{
        struct flush *flush = &judge->flush;
        const struct flush_cell *cell = &flush_table[flush->state == FLUSH_BLANK ? FLUSH_CALM : flush->state][input];

        if (cell->next == FLUSH_BLANK)
                return false;
        flush->state = cell->next;
        flush->since = judge->now;
        flush->until = wait_of(judge, cell->wait);
        judge->material = true;
        judge->machine_due = judge->now;
        ask(judge);
        return true;
}

/* ---- told ------------------------------------------------------------------------------------------------------------ */

static void tell(struct judge *judge, const char *reason)
{
        if (judge->flush.incident != NOBODY)
                incident_worsen(judge, NULL, NULL, judge->flush.incident, reason);
}

static void tell_sunk(struct judge *judge, bool hopeless)
{
        struct flush *flush = &judge->flush;
        char reason[REASON_MAX] = "";

        flush_say_sunk(judge, reason);
        if (hopeless)
                text_append(reason, sizeof(reason), "; no restart can ever bring that much: nothing is done for it");
        if (flush->incident != NOBODY) {
                judge->incidents[flush->incident].count++;
                tell(judge, reason);
                return;
        }
        flush->restarts = 0;
        flush->freed_kib = flush->assumed_kib = flush->told_hash = 0;
        flush->rests = 0;
        flush->incident = incident_open(judge, NULL, NULL, CAUSE_MEMORY_FLOOR, 1, reason);
}

static void tell_risen(struct judge *judge)
{
        struct flush *flush = &judge->flush;
        char reason[REASON_MAX] = "", bytes[TEXT_BYTES_MAX], floor[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];

        if (floor_of(judge) == 0)
                text_append(reason, sizeof(reason), "there is no floor any more");
        else
                text_append(reason, sizeof(reason), "MemAvailable %s, above the floor of %s for %s",
                            text_bytes(bytes, ebb_available(&flush->ebb)), text_bytes(floor, floor_of(judge)),
                            text_span(span, STAY_WAIT));
        if (flush->restarts > 0)
                text_append(reason, sizeof(reason), "; %u restart%s freed %s", flush->restarts,
                            flush->restarts == 1 ? "" : "s", text_bytes(bytes, flush->freed_kib * KIB));
        if (flush->incident != NOBODY)
                incident_resolve(judge, flush->incident, reason);
        flush->incident = NOBODY;
}

/* Once for each agent and reason in an incident, largest first, and never many in one look. */
static void tell_holds(struct judge *judge, const struct victim_choice *choice)
{
        uint64_t incident = judge->flush.incident == NOBODY ? 0 : judge->incidents[judge->flush.incident].number;
        unsigned told = 0;

        for (uint32_t n = 0; n < choice->holds_n && told < TOLD_AT_ONCE; n++) {
                const struct victim_hold *hold = &choice->holds[n];
                struct flushed *flushed = &hold->instance->flushed;
                struct decision *decision;
                char reason[REASON_MAX] = "";

                if (choice->best && hold->instance->weight.frees_kib <= choice->best->weight.frees_kib)
                        return;
                if (hold->why == WITHHELD_COOLING)
                        continue; /* what was done is in the log */
                if (flushed->told_in != incident)
                        flushed->told = 0;
                flushed->told_in = incident;
                if (flushed->told & (1u << hold->why))
                        continue;
                flushed->told |= 1u << hold->why;
                told++;
                flush_say_hold(judge, hold, reason);
                decision = decide(judge, DECIDE_WITHHOLD, agent_of(judge, hold->instance), hold->instance,
                                  judge->flush.incident);
                decision->cause = CAUSE_MEMORY_FLOOR;
                decision->action = ACTION_RESTART;
                decision->purpose = PURPOSE_FLUSH;
                decision->withheld = hold->why;
                text_copy(decision->reason, sizeof(decision->reason), reason);
        }
}

static void mix(uint64_t *hash, uint64_t number)
{
        *hash = (*hash ^ number) * 0x100000001b3;
}

/* Twice as much is another matter, a little more is not. */
static uint64_t magnitude(uint32_t kib)
{
        return kib > 0 ? 32 - (uint64_t)__builtin_clz(kib) : 0;
}

static uint64_t hash_of(const struct judge *judge, const struct victim_choice *choice)
{
        const struct flush *flush = &judge->flush;
        uint64_t hash = 0xcbf29ce484222325 ^ (choice->observed > 0) ^ (choice->weighed > 0) << 1;

        for (uint32_t n = 0; n < choice->holds_n; n++) {
                mix(&hash, (uint64_t)(choice->holds[n].instance - judge->instances));
                mix(&hash, choice->holds[n].why);
                mix(&hash, magnitude(choice->holds[n].instance->weight.frees_kib));
        }
        if (flush->stranger.at >= flush->weighed_at)
                mix(&hash, magnitude(flush->stranger.kib));
        return hash;
}

static void tell_nobody(struct judge *judge, const struct victim_choice *choice)
{
        uint64_t hash = hash_of(judge, choice);
        char reason[REASON_MAX] = "";

        if (hash == judge->flush.told_hash)
                return;
        judge->flush.told_hash = hash;
        flush_say_nobody(judge, choice, reason);
        tell(judge, reason);
}

/* ---- done ------------------------------------------------------------------------------------------------------------ */

static void order(struct judge *judge, struct instance *instance)
{
        struct flush *flush = &judge->flush;
        struct agent *agent = agent_of(judge, instance);
        struct decision *decision = decide(judge, DECIDE_ACT, agent, instance, flush->incident);

        decision->cause = CAUSE_MEMORY_FLOOR;
        decision->action = ACTION_RESTART;
        decision->purpose = PURPOSE_FLUSH;
        decision->rule = "machine.memory_floor";
        decision->rule_file = judge->policy->machine.origin.file ? judge->policy->machine.origin.file : "";
        decision->rule_line = judge->policy->machine.origin.line;
        flush_say_restart(judge, instance, decision->reason);
        agent->busy = (uint32_t)(instance - judge->instances);
        victim_spend(judge, instance, !decision->enforce);
        flush->victim = agent->busy;
        flush->before_kib = (uint32_t)(ebb_available(&flush->ebb) / KIB);
        flush->expected_kib = victim_gain(instance);
        if (decision->enforce) {
                budget_spend(judge);
                flush->ordered_at = judge->now;
                flush->restarts++;
                flush->rests = 0;
        } else {
                flush->assumed_kib += victim_gain(instance);
        }
        take(judge, FLUSH_CHOSE);
}

/* What came of the newest restart, as the machine and the agent's new life show it. */
static void verify(struct judge *judge)
{
        struct flush *flush = &judge->flush;
        struct instance *instance = &judge->instances[flush->victim];
        uint64_t after = ebb_available(&flush->ebb) / KIB;
        char reason[REASON_MAX] = "";

        flush->victim = NOBODY;
        if (after > flush->before_kib)
                flush->freed_kib += after - flush->before_kib;
        if (flush_is_weighed_anew(judge, instance))
                instance->flushed.needs_kib = instance->weight.frees_kib;
        flush_say_verified(judge, instance, reason);
        tell(judge, reason);
}

static void rest(struct judge *judge, usec_t until)
{
        uint32_t doublings = judge->flush.rests < REST_DOUBLINGS ? judge->flush.rests : REST_DOUBLINGS;
        usec_t least = judge->now + REST_LEAST, most = judge->now + (REST_MOST << doublings);

        judge->flush.rests++;
        judge->flush.rest_kib = (uint32_t)(ebb_available(&judge->flush.ebb) / KIB);
        judge->flush.rest_until = until < least ? least : until > most ? most : until;
        take(judge, FLUSH_NOBODY);
}

static void choose(struct judge *judge)
{
        struct flush *flush = &judge->flush;
        usec_t between = flush->found.sign == EBB_DEEP ? BETWEEN_DEEP : BETWEEN;
        struct victim_choice choice;

        if (floor_of(judge) == 0) { /* since a moment ago: the next sample ends it */
                rest(judge, judge->now);
                return;
        }
        if (flush->ordered_at > 0 && flush->ordered_at + between > judge->now) {
                flush->until = flush->ordered_at + between;
                return;
        }
        if (usec_since(judge->now, flush->weighed_at) > WEIGHTS_LAST) {
                take(judge, FLUSH_STALE);
                return;
        }
        victim_choose(judge, &choice);
        tell_holds(judge, &choice);
        if (choice.best) {
                order(judge, choice.best);
                return;
        }
        tell_nobody(judge, &choice);
        rest(judge, choice.again);
}

/* ---- the look -------------------------------------------------------------------------------------------------------- */

static bool is_hopeless(const struct judge *judge)
{
        return floor_of(judge) >= (uint64_t)judge->flush.ebb.total_kib * KIB;
}

static void follow(struct judge *judge)
{
        struct flush *flush = &judge->flush;
        bool hopeless = is_hopeless(judge);

        if (flush->found.below) {
                if (take(judge, hopeless ? FLUSH_HOPELESS : FLUSH_SINKS))
                        tell_sunk(judge, hopeless);
        } else if (take(judge, FLUSH_RISES) && floor_of(judge) == 0) {
                flush->until = judge->now; /* there is nothing to stay above of */
        }
}

/* An answer that never came must not keep the agent from being healed. */
static void let_go(struct judge *judge)
{
        struct agent *agent = agent_of(judge, &judge->instances[judge->flush.victim]);

        if (agent->busy != judge->flush.victim)
                return;
        agent->busy = NOBODY;
        agent->acted_at = judge->now;
}

static void wait_over(struct judge *judge)
{
        struct flush *flush = &judge->flush;

        if (flush->state == FLUSH_ORDERED && flush->victim != NOBODY)
                let_go(judge);
        if (flush->state == FLUSH_ABOVE)
                tell_risen(judge);
        take(judge, FLUSH_DUE);
}

void flush_look(struct judge *judge, usec_t *due)
{
        struct flush *flush = &judge->flush;

        if (judge->decisions->n + DECISIONS_WANTED > DECISIONS_MAX) {
                *due = judge->now;
                return;
        }
        if (flush->state == FLUSH_CHOOSING && flush->victim != NOBODY)
                verify(judge);
        follow(judge);
        if (flush->state == FLUSH_CHOOSING)
                choose(judge);
        else if (flush->state != FLUSH_BLANK && flush->until <= judge->now)
                wait_over(judge);
        if (flush->state != FLUSH_BLANK && flush->until < *due)
                *due = flush->until;
}

/* ---- facts ----------------------------------------------------------------------------------------------------------- */

/* By more than the margin since nothing could be done: whoever takes it may be another one. */
static bool has_sunk(const struct judge *judge, const struct ebb *ebb)
{
        uint64_t rest = (uint64_t)judge->flush.rest_kib * KIB, margin = ebb_margin(ebb, floor_of(judge));

        return judge->flush.state == FLUSH_RESTING && rest > margin && ebb_is_under(ebb, rest - margin);
}

void flush_sample(struct judge *judge, const struct fact *fact)
{
        struct ebb_found found;

        if (fact->host.total_bytes == 0)
                return;
        ebb_add(&judge->ebb, fact);
        ebb_find(&judge->ebb, floor_of(judge), judge->flush.found.below, &found);
        if (found.below != judge->flush.found.below ||
            (found.below && found.sign == EBB_DEEP && judge->flush.found.sign != EBB_DEEP) ||
            has_sunk(judge, &judge->ebb))
                judge->ebb_wants_record = true;
        if (judge->ebb_wants_record)
                judge->decisions->remember = true;
}

/* There is less all of a sudden. */
static void hurry(struct flush *flush, usec_t at)
{
        if (flush->state == FLUSH_SETTLING && flush->until > at + SETTLE_DEEP)
                flush->until = at + SETTLE_DEEP;
        if (flush->state == FLUSH_RESTING)
                flush->until = at;
}

void flush_told(struct judge *judge, usec_t at)
{
        struct flush *flush = &judge->flush;
        bool was_deep = flush->found.sign == EBB_DEEP;

        judge->ebb_wants_record = false;
        ebb_find(&flush->ebb, floor_of(judge), flush->found.below, &flush->found);
        if ((!was_deep && flush->found.sign == EBB_DEEP) || has_sunk(judge, &flush->ebb))
                hurry(flush, at);
        if (flush->state == FLUSH_QUIET && flush->incident != NOBODY && flush->found.below && !is_hopeless(judge))
                flush->state = FLUSH_CALM; /* by another policy there is something to be done about it */
        if (at < judge->machine_due)
                judge->machine_due = at;
}

static void take_stranger(struct judge *judge, const struct fact *fact)
{
        judge->flush.stranger.at = judge->now;
        judge->flush.stranger.pid = fact->weight.pid;
        judge->flush.stranger.kib = (uint32_t)(fact->weight.frees_bytes / KIB);
        text_copy_safe(judge->flush.stranger.name, sizeof(judge->flush.stranger.name), fact->weight.name);
}

void flush_weight(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = *fact->agent ? table_find(judge, fact->agent) : NULL;
        struct instance *instance = agent ? table_find_instance(judge, agent, fact->instance) : NULL;

        judge->material = true;
        if (!*fact->agent)
                take_stranger(judge, fact);
        else if (instance && fact->weight.how != WEIGHED_NOT)
                instance->weight = (struct weight){
                        .at = judge->now,
                        .pid = fact->weight.pid,
                        .start = fact->weight.start,
                        .frees_kib = (uint32_t)(fact->weight.frees_bytes / KIB),
                        .swap_kib = (uint32_t)(fact->weight.swap_bytes / KIB),
                        .of = fact->weight.of,
                        .how = fact->weight.how,
                        .carries = fact->weight.carries,
                };
        if (fact->weight.left == 0)
                take(judge, FLUSH_WEIGHED);
}

void flush_outcome(struct judge *judge, struct instance *instance, const struct fact *fact)
{
        enum outcome outcome = fact->outcome.outcome;
        bool done = outcome == OUTCOME_OK || outcome == OUTCOME_TIMEOUT || outcome == OUTCOME_UNKNOWN;

        if (judge->flush.state != FLUSH_ORDERED || judge->flush.victim != (uint32_t)(instance - judge->instances))
                return;
        if (!done) {
                judge->flush.victim = NOBODY;
                if (outcome != OUTCOME_DRY)
                        instance->flushed.how = FLUSHED_FAILED;
        }
        take(judge, done ? FLUSH_DONE : FLUSH_UNDONE);
}

void flush_set_policy(struct judge *judge)
{
        if (judge->flush.state > FLUSH_CALM)
                judge->ebb_wants_record = true;
}

void flush_forget(struct judge *judge, uint32_t incident)
{
        struct flush *flush = &judge->flush;

        if (flush->incident != incident || incident == NOBODY)
                return;
        flush->incident = NOBODY;
        flush->victim = NOBODY;
        take(judge, FLUSH_CLOSED);
}

/* ---- views ----------------------------------------------------------------------------------------------------------- */

bool judge_weighs(const struct judge *judge, const char **ret_agent, uint32_t *ret_instance)
{
        const struct flush *flush = &judge->flush;
        bool one = flush->state == FLUSH_CHECKING && flush->victim != NOBODY;

        if (!one && flush->state != FLUSH_WEIGHING)
                return false;
        *ret_agent = one ? agent_of(judge, &judge->instances[flush->victim])->id : "";
        *ret_instance = one ? judge->instances[flush->victim].number : INSTANCE_ALL;
        return true;
}

void judge_floor(const struct judge *judge, struct floor_view *ret)
{
        const struct flush *flush = &judge->flush;
        uint64_t floor = floor_of(judge);

        *ret = (struct floor_view){
                .floor_bytes = floor,
                .margin_bytes = floor > 0 ? ebb_margin(&judge->ebb, floor) : 0,
                .below = flush->found.below,
                .closely = flush->state > FLUSH_CALM,
                .state = flush_state_name(flush->state),
                .next = flush->state == FLUSH_RESTING || flush->state == FLUSH_ABOVE ? flush->until : 0,
                .incident = flush->incident == NOBODY ? 0 : judge->incidents[flush->incident].number,
        };
        ret->reached_in = ebb_until(&judge->ebb, floor, &ret->pace_bytes);
        if (floor == 0)
                ret->reached_in = USEC_INFINITY;
}
