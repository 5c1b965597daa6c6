#include "judge/healer.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "judge/brake.h"
#include "judge/budget.h"
#include "judge/depend.h"
#include "judge/diagnose.h"
#include "judge/due.h"
#include "judge/incidents.h"
#include "judge/life.h"
#include "judge/note.h"
#include "judge/source.h"
#include "judge/table.h"

#define REPLY_WAIT \
        (5 * USEC_PER_MINUTE) /* hands have their own, shorter deadlines; this one only catches a lost outcome */
#define THIN_AFTER 100        /* deaths of an incident that are all recorded */
#define THIN_AGAIN (10 * USEC_PER_SEC)
#define LOOK_LEAST (100 * USEC_PER_MSEC) /* what is due at once and cannot be done is not asked for in a circle */
#define LOOK_WAIT (30 * USEC_PER_SEC)
#define UNSEEN_WAIT (2 * USEC_PER_MINUTE) /* managers are listed every minute */
#define SETTLE_SLACK (5 * USEC_PER_SEC)   /* from the manager's "done" to a process */
#define TRIAL_WAIT_MOST 4                 /* times trial_after */
#define QUARANTINED_MOST 30               /* percent of all agents */

static const struct heal *heal_of(const struct judge *judge, const struct instance *instance)
{
        return &agent_of(judge, instance)->rule->heal;
}

/* splitmix64: chance from the seed, the agent and how often it was asked, so that a replay meets the same. */
static uint64_t chance(const struct judge *judge, const struct instance *instance)
{
        uint64_t x = judge->seed ^ agent_of(judge, instance)->name ^ ((uint64_t)instance->number << 32);

        x += 0x9e3779b97f4a7c15 * (instance->ladder.attempts + 1);
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
        return x ^ (x >> 31);
}

/* Within 20 percent of `wait`, so that what fell together does not rise together. */
static usec_t jitter(const struct judge *judge, const struct instance *instance, usec_t wait)
{
        usec_t width = wait / 5;

        return width == 0 ? wait : wait - width + chance(judge, instance) % (2 * width + 1);
}

/* ---- what speaks for the longest wait, and against quarantine ---------------------------------------------------- */

static bool too_many_quarantined(const struct judge *judge)
{
        uint32_t agents = 0, held = 0;

        for (uint32_t n = 0; n < judge->agents_n; n++) {
                const struct agent *agent = &judge->agents[n];
                bool quarantined = false;

                if (!is_governed(agent) || agent->gone)
                        continue;
                agents++;
                for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                        quarantined |= ladder_is_quarantine(i->ladder.state);
                held += quarantined;
        }
        return held > 0 && (held + 1) * 100 > agents * QUARANTINED_MOST;
}

/* Why this agent is not to be quarantined, WITHHELD_NOT when it may be. */
static enum withheld no_quarantine(const struct judge *judge, const struct instance *instance)
{
        const struct agent *agent = agent_of(judge, instance);

        if (agent->rule->critical || agent->carrier)
                return WITHHELD_CRITICAL;
        if (brake_on(judge, agent))
                return WITHHELD_COMMON_CAUSE;
        return too_many_quarantined(judge) ? WITHHELD_TOO_MANY : WITHHELD_NOT;
}

static enum rung rung_of(const struct heal *heal, uint32_t rung)
{
        return heal->ladder[rung < heal->ladder_n ? rung : heal->ladder_n - 1];
}

/* The first rung from `rung` on that is acted on; ladder_n when there is none. */
static uint32_t usable_rung(const struct heal *heal, uint32_t rung)
{
        while (rung < heal->ladder_n && heal->ladder[rung] == RUNG_ROLLBACK)
                rung++;
        return rung;
}

static usec_t backoff_wait(const struct judge *judge, struct instance *instance)
{
        const struct heal *heal = heal_of(judge, instance);
        struct ladder *ladder = &instance->ladder;
        usec_t wait = ladder->backoff > 0 ? ladder->backoff : heal->backoff_first;

        ladder->backoff = 2 * wait < heal->backoff_most ? 2 * wait : heal->backoff_most;
        if (ladder->rung >= heal->ladder_n || no_quarantine(judge, instance) != WITHHELD_NOT)
                wait = ladder->rung > 0 ? heal->backoff_most : wait;
        return jitter(judge, instance, wait);
}

static usec_t trial_wait(const struct judge *judge, const struct instance *instance)
{
        uint32_t times = instance->ladder.trials < 2 ? 1u << instance->ladder.trials : TRIAL_WAIT_MOST;

        if (instance->ladder.trials >= TRIALS_MAX)
                return 0; /* nothing to wait for: a human's turn */
        return jitter(judge, instance, heal_of(judge, instance)->trial_after * times);
}

static usec_t wait_for(const struct judge *judge, struct instance *instance, enum ladder_wait wait)
{
        switch (wait) {
        case WAIT_REPLY: return REPLY_WAIT;
        case WAIT_LOOK: return LOOK_WAIT;
        case WAIT_BACKOFF: return backoff_wait(judge, instance);
        case WAIT_SETTLE: return diagnose_grace(instance) + SETTLE_SLACK;
        case WAIT_TRIAL: return trial_wait(judge, instance);
        default: return USEC_INFINITY;
        }
}

/* ---- one step on the ladder ----------------------------------------------------------------------------------------- */

/* Takes the input; the cell says what to do now, NULL when the state does not care for it. */
static const struct ladder_cell *take(struct judge *judge, struct instance *instance, enum ladder_input input)
{
        struct ladder *ladder = &instance->ladder;
        const struct ladder_cell *cell = &ladder_table[ladder->state][input];
        bool trial = ladder->state == LADDER_TRIAL || ladder->state == LADDER_TRYING;

        if (cell->next == LADDER_BLANK)
                return NULL;
        if (cell->failed && trial)
                ladder->trials++;
        else if (cell->failed)
                ladder->rung++;
        if (cell->wait == WAIT_SETTLE || cell->action != ACTION_NONE)
                ladder->attempts++;
        ladder->state = cell->next;
        ladder->since = judge->now;
        ladder->until = USEC_INFINITY;
        if (cell->wait != WAIT_NONE)
                ladder->until = usec_add(judge->now, wait_for(judge, instance, cell->wait));
        judge->material = true;
        due_sooner(judge, instance, judge->now);
        return cell;
}

void healer_event(struct judge *judge, struct instance *instance, enum ladder_input input)
{
        take(judge, instance, input);
}

void healer_forget(struct judge *judge, struct agent *agent, struct instance *instance, usec_t lived)
{
        usec_t enough = 10 * instance->period > FORGET_LEAST ? 10 * instance->period : FORGET_LEAST;

        if (instance->ladder.state != LADDER_OK || lived < enough)
                return;
        instance->ladder =
                (struct ladder){ .state = LADDER_OK, .until = USEC_INFINITY, .attempts = instance->ladder.attempts };
}

/* ---- deciding ------------------------------------------------------------------------------------------------------- */

static bool observes(const struct judge *judge, const struct instance *instance)
{
        return judge->observe_only || judge->disarmed || agent_of(judge, instance)->rule->mode != MODE_ENFORCE;
}

static void act(struct judge *judge, struct instance *instance, const struct ladder_cell *cell, const char *reason)
{
        struct agent *agent = agent_of(judge, instance);
        struct decision *decision = decide(judge, DECIDE_ACT, agent, instance, instance->incident);
        bool undo =
                cell->purpose == PURPOSE_TRIAL || (cell->purpose == PURPOSE_BACKOFF && cell->action == ACTION_START);

        decision->action = cell->action;
        decision->purpose = cell->purpose;
        if (undo || cell->purpose == PURPOSE_ASKED)
                decision->enforce = !judge->observe_only && !judge->disarmed;
        else if (decision->enforce)
                budget_spend(judge);
        if (instance->ladder.unpinned || cell->action == ACTION_START)
                decision->pid = 0, decision->start = 0;
        text_copy(decision->reason, sizeof(decision->reason), reason);
        agent->busy = (uint32_t)(instance - judge->instances);
        judge->material = true;
}

static void withhold(struct judge *judge, struct instance *instance, enum withheld withheld, enum action action,
                     const char *reason)
{
        struct decision *decision;

        if (!incident_withholds(judge, instance->incident, withheld))
                return;
        decision = decide(judge, DECIDE_WITHHOLD, agent_of(judge, instance), instance, instance->incident);
        decision->action = action;
        decision->withheld = withheld;
        text_copy(decision->reason, sizeof(decision->reason), reason);
        judge->material = true;
}

/* What the present rung asks for, before anything speaks against it. */
static enum ladder_input wanted(const struct judge *judge, const struct instance *instance)
{
        const struct heal *heal = heal_of(judge, instance);
        uint32_t rung = usable_rung(heal, instance->ladder.rung);
        /* an agent that is only observed is told a stop even then: without an action nothing would be told */
        bool nothing_runs = !observes(judge, instance) && !is_alive(instance) &&
                            (instance->claimed == CLAIMED_FAILED || instance->claimed == CLAIMED_STOPPED);

        if (instance->cause == CAUSE_DEPENDENCY_DOWN)
                return instance->claimed == CLAIMED_STOPPED ? INPUT_REVIVE_DOWN : INPUT_REVIVE;
        if (rung_of(heal, rung) == RUNG_QUARANTINE && no_quarantine(judge, instance) == WITHHELD_NOT)
                return nothing_runs ? INPUT_CONFINE_DOWN : INPUT_CONFINE;
        if (instance->cause == CAUSE_CLAIMED_NOT_RUNNING)
                return instance->claimed == CLAIMED_STOPPED ? INPUT_REVIVE_DOWN : INPUT_REVIVE;
        return nothing_runs ? INPUT_SLOW_DOWN : INPUT_SLOW;
}

struct guard {
        enum withheld withheld;
        usec_t until; /* when to look again; USEC_INFINITY: when something happens */
        char reason[REASON_MAX];
};

static struct guard held_by(enum withheld withheld, usec_t until, const char *reason)
{
        struct guard guard = { .withheld = withheld, .until = until };

        text_copy(guard.reason, sizeof(guard.reason), reason);
        return guard;
}

static usec_t grace_until(const struct judge *judge, const struct agent *agent)
{
        usec_t until = judge->started + START_GRACE;

        if (judge->booted > 0 && judge->booted + BOOT_GRACE > until)
                until = judge->booted + BOOT_GRACE;
        if (agent->planned_until > until)
                until = agent->planned_until;
        if (judge->planned_until > until)
                until = judge->planned_until;
        return until;
}

/* What speaks against acting now, in the order in which it is told. */
static struct guard guards(const struct judge *judge, const struct instance *instance, enum ladder_input input)
{
        const struct agent *agent = agent_of(judge, instance);
        usec_t grace = grace_until(judge, agent);
        char reason[REASON_MAX] = "";
        uint32_t base;

        if (source_is_blind(judge, agent))
                return held_by(WITHHELD_BLIND, source_calm_at(judge, agent), "its manager is not seen");
        if (agent->human_at > 0 && agent->human_at + HUMAN_PAUSE > judge->now)
                return held_by(WITHHELD_HUMAN, agent->human_at + HUMAN_PAUSE, "a human acted on it in the last 10m");
        if (grace > judge->now)
                return held_by(WITHHELD_GRACE, grace, "the machine, Governor or an announced change is still settling");
        base = depend_ill_base(judge, agent);
        if (base != NOBODY) {
                text_append(reason, sizeof(reason), "%s comes first", judge->agents[base].id);
                return held_by(WITHHELD_BASE_FIRST, usec_add(judge->now, 10 * USEC_PER_SEC), reason);
        }
        if (brake_on(judge, agent) && input != INPUT_REVIVE && input != INPUT_REVIVE_DOWN)
                return held_by(WITHHELD_COMMON_CAUSE, USEC_INFINITY,
                               "many agents fail together; what they share comes first");
        if (agent->carrier)
                return held_by(WITHHELD_CRITICAL, USEC_INFINITY, "every PM2 app of its user lives in it");
        if (!observes(judge, instance) && budget_is_spent(judge)) {
                text_append(reason, sizeof(reason), "%u actions are spent", judge->policy->machine.actions_at_most);
                return held_by(WITHHELD_BUDGET, budget_free_at(judge), reason);
        }
        return (struct guard){ .withheld = WITHHELD_NOT };
}

/* A fast loop is not acted on before it is known whether it is a hot one, unless its manager gave up. */
static usec_t hold_until(const struct judge *judge, const struct instance *instance)
{
        usec_t hot_at = instance->cause == CAUSE_CRASH_LOOP ? tally_hot_at(&instance->tally, judge->now) : 0;

        return instance->claimed == CLAIMED_FAILED ? 0 : hot_at;
}

static void describe_act(const struct judge *judge, const struct instance *instance, const struct ladder_cell *cell,
                         char reason[REASON_MAX])
{
        char evidence[REASON_MAX], span[TEXT_SPAN_MAX];

        diagnose_reason(judge, instance, instance->cause, evidence);
        reason[0] = '\0';
        switch (cell->purpose) {
        case PURPOSE_QUARANTINE:
                if (instance->ladder.trials >= TRIALS_MAX)
                        text_append(reason, REASON_MAX, "quarantined for good; %s", evidence);
                else
                        text_append(reason, REASON_MAX, "quarantined, trial in about %s; %s",
                                    text_span(span, heal_of(judge, instance)->trial_after *
                                                            (instance->ladder.trials < 2 ? 1u << instance->ladder.trials
                                                                                         : TRIAL_WAIT_MOST)),
                                    evidence);
                break;
        case PURPOSE_TRIAL:
                text_append(reason, REASON_MAX, "trial: has to live %s to be released",
                            text_span(span, diagnose_grace(instance)));
                break;
        case PURPOSE_BACKOFF:
                text_append(reason, REASON_MAX,
                            cell->action == ACTION_STOP ? "slowed restart: stopped for a while; %s"
                                                        : "slowed restart: started again; %s",
                            evidence);
                break;
        case PURPOSE_ASKED: text_append(reason, REASON_MAX, "asked for by a human"); break;
        default: text_append(reason, REASON_MAX, "%s", evidence); break;
        }
}

static void pursue(struct judge *judge, struct instance *instance, enum ladder_input input)
{
        const struct ladder_cell *cell = take(judge, instance, input);
        char reason[REASON_MAX];

        if (!cell || cell->action == ACTION_NONE)
                return;
        describe_act(judge, instance, cell, reason);
        act(judge, instance, cell, reason);
}

/* What is told of an input that is withheld. */
static enum action action_of(enum ladder_input input)
{
        enum action action = ladder_table[LADDER_SUSPECT][input].action;

        return action != ACTION_NONE ? action : input == INPUT_CONFINE_DOWN ? ACTION_STOP : ACTION_START;
}

/* In LADDER_SUSPECT: act, or say why not; returns when to try again. */
static usec_t try_to_act(struct judge *judge, struct instance *instance)
{
        const struct heal *heal = heal_of(judge, instance);
        enum ladder_input input;
        struct guard guard;

        if (heal->ladder_n == 0 || agent_of(judge, instance)->busy != NOBODY)
                return USEC_INFINITY;
        if (hold_until(judge, instance) > judge->now)
                return hold_until(judge, instance);
        /* a looping agent that has been up for two of its periods may just have recovered */
        if (is_alive(instance) && instance->cause != CAUSE_DEPENDENCY_DOWN &&
            usec_since(judge->now, life_seen(instance)->began) > 2 * instance->period &&
            usec_since(judge->now, life_seen(instance)->began) > GRACE_LEAST / 2)
                return USEC_INFINITY;
        if (instance->cause == CAUSE_DEPENDENCY_DOWN && is_alive(instance))
                return USEC_INFINITY; /* nothing is wrong with itself */
        input = wanted(judge, instance);
        guard = guards(judge, instance, input);
        if (guard.withheld != WITHHELD_NOT) {
                withhold(judge, instance, guard.withheld, action_of(input), guard.reason);
                return guard.until;
        }
        if (rung_of(heal, usable_rung(heal, instance->ladder.rung)) == RUNG_QUARANTINE && input != INPUT_CONFINE &&
            input != INPUT_CONFINE_DOWN && instance->cause != CAUSE_DEPENDENCY_DOWN) {
                enum withheld why = no_quarantine(judge, instance);

                withhold(judge, instance, why, ACTION_STOP,
                         why == WITHHELD_CRITICAL ? "a critical agent is slowed down, never quarantined"
                                                  : "too large a share of the agents is in quarantine");
        }
        pursue(judge, instance, input);
        return USEC_INFINITY;
}

/* ---- the outcome ---------------------------------------------------------------------------------------------------- */

static enum ladder_input input_of(enum outcome outcome)
{
        switch (outcome) {
        case OUTCOME_OK: return INPUT_DONE;
        case OUTCOME_FAILED: return INPUT_FAILED;
        case OUTCOME_STALE: return INPUT_STALE;
        case OUTCOME_REFUSED: return INPUT_REFUSED;
        case OUTCOME_DRY: return INPUT_DRY;
        default: return INPUT_LOST;
        }
}

void healer_outcome(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact)
{
        enum outcome outcome = fact->outcome.outcome;

        if (agent->busy == (uint32_t)(instance - judge->instances)) {
                agent->busy = NOBODY;
                if (outcome != OUTCOME_DRY && outcome != OUTCOME_REFUSED && outcome != OUTCOME_STALE)
                        agent->acted_at = fact->at;
        }
        if (outcome == OUTCOME_STALE)
                instance->ladder.unpinned = true;
        take(judge, instance, input_of(outcome));
        judge->material = true;
        due_all(judge, agent, judge->now);
}

void healer_asked(struct judge *judge, struct agent *agent, struct instance *instance, enum ask ask)
{
        agent->human_at = judge->now;
        if (ask == ASK_RESTART || ladder_is_down(instance->ladder.state))
                instance->ladder.asked = true;
        judge->material = true;
        due_sooner(judge, instance, judge->now);
}

/* A human asked for it: acts at once, or as soon as the action under way is over. */
static void serve_human(struct judge *judge, struct instance *instance)
{
        static const struct ladder_cell plain = { LADDER_OK, ACTION_RESTART, PURPOSE_ASKED, WAIT_NONE, false };

        if (!instance->ladder.asked || agent_of(judge, instance)->busy != NOBODY)
                return;
        instance->ladder.asked = false;
        if (instance->ladder.state == LADDER_OK)
                act(judge, instance, &plain, "asked for by a human");
        else
                pursue(judge, instance, INPUT_ASKED);
}

/* ---- the look ------------------------------------------------------------------------------------------------------- */

/*
 * The manager said that it started it, and since then nobody told of a process, nor of its end: the fact may be lost, and
 * its manager's next list brings it again.
 */
static bool came_up_unseen(const struct judge *judge, const struct instance *instance)
{
        bool told_down = instance->claimed_at >= instance->ladder.since &&
                         (instance->claimed == CLAIMED_FAILED || instance->claimed == CLAIMED_STOPPED ||
                          instance->claimed == CLAIMED_WAITING);

        return !told_down && life_seen(instance)->ended <= instance->ladder.since &&
               usec_since(judge->now, instance->ladder.since) < diagnose_grace(instance) + UNSEEN_WAIT;
}

/* One trial at a time: what fails together is not tried together. */
static bool another_trial(const struct judge *judge, const struct instance *instance)
{
        for (uint32_t n = 0; n < judge->instances_n; n++) {
                const struct instance *other = &judge->instances[n];

                if (other != instance && (other->ladder.state == LADDER_TRYING || other->ladder.state == LADDER_TRIAL))
                        return true;
        }
        return false;
}

/* The end of a wait. */
static void wait_over(struct judge *judge, struct instance *instance)
{
        struct ladder *ladder = &instance->ladder;
        struct agent *agent = agent_of(judge, instance);
        const struct heal *heal = heal_of(judge, instance);
        bool wants_up =
                ladder->state == LADDER_STARTING || ladder->state == LADDER_REVIVING || ladder->state == LADDER_TRYING;

        switch (ladder->state) {
        case LADDER_STOPPING:
        case LADDER_CONFINING:
        case LADDER_STARTING:
        case LADDER_REVIVING:
        case LADDER_TRYING:
                /* no answer came: what the action did is seen in the world */
                if (agent->busy == (uint32_t)(instance - judge->instances)) {
                        agent->busy = NOBODY;
                        agent->acted_at = judge->now;
                }
                take(judge, instance, is_alive(instance) == wants_up ? INPUT_DONE : INPUT_FAILED);
                return;
        case LADDER_SETTLING:
        case LADDER_TRIAL:
                ladder->until = usec_add(life_seen(instance)->began, diagnose_grace(instance));
                if (!is_alive(instance) && came_up_unseen(judge, instance))
                        ladder->until = judge->now + 10 * USEC_PER_SEC;
                else if (!is_alive(instance))
                        take(judge, instance, INPUT_DUE);
                else if (ladder->until <= judge->now) /* not proven although it is time: something is not seen yet */
                        ladder->until = judge->now + USEC_PER_SEC;
                return;
        case LADDER_BACKOFF:
        case LADDER_QUARANTINED:
                if (ladder->state == LADDER_QUARANTINED && ladder->trials >= TRIALS_MAX) {
                        take(judge, instance, INPUT_DUE_SPENT);
                        incident_worsen(judge, agent, instance, instance->incident,
                                        "three trials failed; stays in quarantine until a human releases it");
                        return;
                }
                if (judge->observe_only || judge->disarmed) {
                        withhold(judge, instance, WITHHELD_SAFE_MODE, ACTION_START,
                                 "safe mode: stays down until it is over");
                        ladder->until = judge->now + USEC_PER_MINUTE;
                        return;
                }
                if (agent->busy != NOBODY || source_is_blind(judge, agent) ||
                    (ladder->state == LADDER_QUARANTINED && another_trial(judge, instance))) {
                        ladder->until = judge->now + USEC_PER_SEC;
                        return;
                }
                pursue(judge, instance, INPUT_DUE);
                return;
        case LADDER_TOLD:
                if (usable_rung(heal, ladder->rung + 1) < heal->ladder_n)
                        take(judge, instance, INPUT_DUE);
                else
                        take(judge, instance, INPUT_DUE_SPENT);
                return;
        default: take(judge, instance, INPUT_DUE); return;
        }
}

/* Somebody else brought up what we hold down. */
static void notice_start(struct judge *judge, struct instance *instance)
{
        enum ladder_state state = instance->ladder.state;
        const struct agent *agent = agent_of(judge, instance);

        if (state != LADDER_BACKOFF && state != LADDER_QUARANTINED && state != LADDER_GIVEN_UP)
                return;
        if (!is_alive(instance) || life_is_ours(agent, judge->now))
                return;
        take(judge, instance, INPUT_BORN);
        if (state != LADDER_BACKOFF)
                incident_worsen(judge, agent, instance, instance->incident,
                                "started by somebody else: its trial has begun");
}

static bool is_shared(const struct judge *judge, const struct instance *instance)
{
        const struct agent *agent = agent_of(judge, instance);

        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (i != instance && i->incident == instance->incident)
                        return true;
        return false;
}

static void tell_open(struct judge *judge, struct instance *instance, enum cause cause)
{
        struct agent *agent = agent_of(judge, instance);
        const struct brake *brake = brake_on(judge, agent);
        char reason[REASON_MAX];
        uint64_t count;

        diagnose_reason(judge, instance, cause, reason);
        instance->cause = cause;
        instance->braked = false;
        if (brake && brake->incident != NOBODY) {
                instance->incident = brake->incident;
                instance->braked = true;
                return;
        }
        instance->incident = incident_find(judge, agent, cause);
        if (instance->incident != NOBODY)
                return; /* another instance's already */
        count = cause == CAUSE_CRASH_LOOP || cause == CAUSE_HOT_LOOP
                        ? tally_shown(&instance->tally, judge->now, usec_since(judge->now, instance->tally.forgiven))
                        : 1;
        instance->incident = incident_open(judge, agent, instance, cause, count, reason);
}

static uint32_t deaths_in_loop(const struct instance *instance)
{
        uint32_t n = 0;

        while (n < instance->tally.n && tally_death(&instance->tally, n) > instance->tally.forgiven)
                n++;
        return n;
}

static void found(struct judge *judge, struct instance *instance, enum cause cause)
{
        uint32_t old = instance->incident;
        bool shared = old != NOBODY && is_shared(judge, instance), braked = instance->braked;
        char reason[REASON_MAX], name[INCIDENT_NAME_MAX];

        if (cause == CAUSE_CRASH_LOOP || cause == CAUSE_HOT_LOOP)
                instance->period = tally_period(&instance->tally, deaths_in_loop(instance));
        else
                instance->period = 0;
        tell_open(judge, instance, cause);
        if (instance->incident != NOBODY && !instance->braked) {
                snprintf(reason, sizeof(reason), "seen happening now, see %s",
                         incident_name(name, judge->incidents[instance->incident].number));
                note_explained(judge, agent_of(judge, instance), NOTE_HIGH_RESTARTS, reason);
        }
        if (old != NOBODY && !shared && !braked && instance->incident != NOBODY && instance->incident != old) {
                snprintf(reason, sizeof(reason), "is a %s, see %s", cause_name(cause),
                         incident_name(name, judge->incidents[instance->incident].number));
                incident_resolve(judge, old, reason);
        }
        take(judge, instance, INPUT_FOUND);
        depend_wake(judge, agent_of(judge, instance));
        judge->material = true;
}

static void over(struct judge *judge, struct instance *instance, enum ladder_input input, const char *reason)
{
        if (instance->incident != NOBODY && !instance->braked && !is_shared(judge, instance))
                incident_resolve(judge, instance->incident, reason);
        take(judge, instance, input);
        instance->cause = CAUSE_NONE;
        instance->incident = NOBODY;
        instance->braked = false;
        instance->ladder.unpinned = false;
        instance->thin = false;
        tally_forgive(&instance->tally, judge->now);
        if (agent_of(judge, instance)->rule == &judge->policy->fallback)
                table_own(judge, agent_of(judge, instance));
        depend_wake(judge, agent_of(judge, instance));
        judge->material = true;
}

static bool is_proven_well(const struct judge *judge, const struct instance *instance)
{
        return !ladder_is_down(instance->ladder.state) && instance->ladder.state != LADDER_REVIVING &&
               diagnose_is_proven(judge, instance);
}

static bool is_over(const struct judge *judge, const struct instance *instance)
{
        return instance->cause != CAUSE_NONE &&
               ((instance->gone && !is_alive(instance)) || diagnose_is_at_rest(judge, instance) ||
                is_proven_well(judge, instance));
}

static void check_over(struct judge *judge, struct instance *instance)
{
        char reason[REASON_MAX], span[TEXT_SPAN_MAX];

        if (!is_over(judge, instance))
                return;
        if (instance->gone && !is_alive(instance)) {
                over(judge, instance, INPUT_CLEARED, "its manager no longer lists it");
        } else if (diagnose_is_at_rest(judge, instance)) {
                over(judge, instance, INPUT_CLEARED, "stopped by its owner");
        } else {
                snprintf(reason, sizeof(reason), "healthy: up for %s",
                         text_span(span, usec_since(judge->now, life_seen(instance)->began)));
                over(judge, instance, INPUT_PROVEN, reason);
        }
}

/* Tells again at 10, 100, 1000, ... deaths. */
static bool is_worse(const struct judge *judge, const struct instance *instance)
{
        const struct incident *incident;
        uint64_t next = 10;

        if (instance->incident == NOBODY || instance->braked || hold_until(judge, instance) > judge->now)
                return false;
        incident = &judge->incidents[instance->incident];
        while (next <= incident->told)
                next *= 10;
        return incident->count >= next;
}

static void check_worse(struct judge *judge, struct instance *instance)
{
        char reason[REASON_MAX] = "", evidence[REASON_MAX];

        if (!is_worse(judge, instance))
                return;
        diagnose_reason(judge, instance, instance->cause, evidence);
        text_append(reason, sizeof(reason), "%llu deaths since it began; %s",
                    (unsigned long long)judge->incidents[instance->incident].count, evidence);
        incident_worsen(judge, agent_of(judge, instance), instance, instance->incident, reason);
}

static void judge_one(struct judge *judge, struct instance *instance, usec_t *due)
{
        enum cause cause;
        usec_t again = USEC_INFINITY;

        note_look(judge, agent_of(judge, instance), instance, due);
        notice_start(judge, instance);
        check_over(judge, instance);
        cause = diagnose(judge, instance);
        if (cause != instance->cause || (cause != CAUSE_NONE && instance->incident == NOBODY && !instance->braked))
                found(judge, instance, cause);
        check_worse(judge, instance);
        serve_human(judge, instance);
        if (instance->ladder.until <= judge->now)
                wait_over(judge, instance);
        if (instance->ladder.state == LADDER_SUSPECT)
                again = try_to_act(judge, instance);
        if (diagnose_due(judge, instance) < *due)
                *due = diagnose_due(judge, instance);
        if (again > judge->now && again < *due)
                *due = again;
        if (instance->ladder.until < *due)
                *due = instance->ladder.until;
        if (is_alive(instance) && ladder_is_down(instance->ladder.state) &&
            agent_of(judge, instance)->acted_at + OWN_WAIT >= judge->now &&
            agent_of(judge, instance)->acted_at + OWN_WAIT + 1 < *due)
                *due = agent_of(judge, instance)->acted_at + OWN_WAIT + 1;
}

/* ---- loops that go on for ever --------------------------------------------------------------------------------------- */

static bool is_base(const struct judge *judge, const struct agent *agent)
{
        for (uint32_t n = 0; n < judge->agents_n; n++)
                for (uint32_t k = 0; k < judge->agents[n].bases_n; k++)
                        if (judge->agents[n].bases[k].agent == table_index(judge, agent))
                                return true;
        return false;
}

/* It was named, everything was told, and nothing will be done: its deaths are only counted from here on. */
static bool may_thin(const struct judge *judge, const struct instance *instance)
{
        bool loops = instance->cause == CAUSE_CRASH_LOOP || instance->cause == CAUSE_HOT_LOOP;

        return loops && instance->ladder.state == LADDER_TOLD && instance->ladder.until == USEC_INFINITY &&
               instance->incident != NOBODY && !instance->braked &&
               judge->incidents[instance->incident].told >= THIN_AFTER && !is_base(judge, agent_of(judge, instance));
}

/* Whether judge_one() would have something to say. */
static bool stirs(const struct judge *judge, const struct instance *instance)
{
        return instance->ladder.state != LADDER_TOLD || instance->ladder.asked || instance->incident == NOBODY ||
               is_over(judge, instance) || is_worse(judge, instance) || diagnose(judge, instance) != instance->cause;
}

/* Nothing is decided before what it rests on is in the chain. */
static void look_at_thin(struct judge *judge, struct instance *instance, usec_t *due)
{
        *due = diagnose_due(judge, instance);
        if (!stirs(judge, instance))
                return;
        instance->wants_record = true;
        judge->decisions->remember = true;
        if (judge->now + THIN_AGAIN < *due)
                *due = judge->now + THIN_AGAIN;
}

void healer_look(struct judge *judge, struct instance *instance)
{
        struct agent *agent = agent_of(judge, instance);
        usec_t due = USEC_INFINITY;

        due_set(judge, instance, USEC_INFINITY);
        life_settle(judge, agent, instance);
        if (is_governed(agent) && instance->thin) {
                look_at_thin(judge, instance, &due);
        } else if (is_governed(agent)) {
                judge_one(judge, instance, &due);
                instance->thin = may_thin(judge, instance);
        }
        if (life_due(judge, instance) < due)
                due = life_due(judge, instance);
        if (due <= judge->now)
                due = judge->now + LOOK_LEAST;
        due_set(judge, instance, due);
}

bool healer_keeps(struct judge *judge, uint32_t incident)
{
        const struct agent *agent =
                judge->incidents[incident].agent == NOBODY ? NULL : &judge->agents[judge->incidents[incident].agent];

        for (struct instance *i = agent ? first_instance(judge, agent) : NULL; i; i = next_instance(judge, i))
                if (i->incident == incident && ladder_is_down(i->ladder.state))
                        return true;
        for (struct instance *i = agent ? first_instance(judge, agent) : NULL; i; i = next_instance(judge, i))
                if (i->incident == incident) {
                        i->incident = NOBODY;
                        over(judge, i, INPUT_CLEARED, "");
                }
        return false;
}
