#include "judge/healer.h"

#include "base/text.h"
#include "judge/budget.h"
#include "judge/course.h"
#include "judge/diagnose.h"
#include "judge/due.h"
#include "judge/growth.h"
#include "judge/guard.h"
#include "judge/incidents.h"
#include "judge/life.h"
#include "judge/note.h"
#include "judge/source.h"
#include "judge/start.h"
#include "judge/table.h"
#include "judge/trial.h"
#include "judge/trouble.h"
#include "judge/version.h"

#define THIN_AFTER 100 /* deaths of an incident that are all recorded */
#define THIN_AGAIN (10 * USEC_PER_SEC)
#define UNTOLD_WAIT (5 * USEC_PER_SEC)
#define LOOK_LEAST (100 * USEC_PER_MSEC)  /* what is due at once and cannot be done is not asked for in a circle */
#define UNSEEN_WAIT (2 * USEC_PER_MINUTE) /* managers are listed every minute */

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
                ladder->until = usec_add(judge->now, course_wait(judge, instance, cell->wait));
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

/* A rollback says where from and where to. */
static void name_versions(const struct judge *judge, struct agent *agent, const struct instance *instance,
                          struct decision *decision)
{
        char reason[REASON_MAX];
        const struct version *to = version_target(judge, agent, instance->ladder.back_to, reason);

        decision->version = instance->ladder.back_to;
        decision->to = to ? to->digest : "";
        decision->from = to ? version_present(agent)->digest : "";
        agent->rolled_to = decision->version;
}

static void act(struct judge *judge, struct instance *instance, const struct ladder_cell *cell, const char *reason)
{
        struct agent *agent = agent_of(judge, instance);
        struct decision *decision = decide(judge, DECIDE_ACT, agent, instance, instance->incident);
        bool undo =
                cell->purpose == PURPOSE_TRIAL || (cell->purpose == PURPOSE_BACKOFF && cell->action == ACTION_START);

        decision->action = cell->action;
        decision->purpose = cell->purpose;
        decision->safety = agent->rule->critical && !is_alive(instance) && cell->action != ACTION_STOP;
        if (instance->cause == CAUSE_MEMORY_CEILING && cell->purpose == PURPOSE_HEAL && decision->enforce)
                swell_note_restart(judge, instance);
        if (undo || cell->purpose == PURPOSE_ASKED)
                decision->enforce = !only_observes(judge);
        else if (decision->enforce)
                budget_spend(judge);
        if (instance->ladder.unpinned || cell->action == ACTION_START)
                decision->pid = 0, decision->start = 0;
        text_copy(decision->reason, sizeof(decision->reason), reason);
        if (cell->action == ACTION_ROLLBACK)
                name_versions(judge, agent, instance, decision);
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
        const struct heal *heal = course_heal(judge, instance);
        uint32_t rung = course_usable(judge, instance, instance->ladder.rung);
        /* an agent that is only observed is told a stop even then: without an action nothing would be told */
        bool nothing_runs = !guard_observes(judge, instance) && !is_alive(instance) &&
                            (instance->claimed == CLAIMED_FAILED || instance->claimed == CLAIMED_STOPPED);

        if (instance->cause == CAUSE_MEMORY_CEILING)
                return INPUT_REVIVE; /* a clean state is all it needs, however often */
        if (instance->cause == CAUSE_DEPENDENCY_DOWN)
                return instance->claimed == CLAIMED_STOPPED ? INPUT_REVIVE_DOWN : INPUT_REVIVE;
        if (course_is_rollback(heal, rung))
                return INPUT_ROLLBACK;
        if (course_rung(heal, rung) == RUNG_QUARANTINE && guard_against_quarantine(judge, instance) == WITHHELD_NOT)
                return nothing_runs ? INPUT_CONFINE_DOWN : INPUT_CONFINE;
        if (instance->cause == CAUSE_CLAIMED_NOT_RUNNING)
                return instance->claimed == CLAIMED_STOPPED ? INPUT_REVIVE_DOWN : INPUT_REVIVE;
        return nothing_runs ? INPUT_SLOW_DOWN : INPUT_SLOW;
}

static void describe_rollback(const struct judge *judge, const struct instance *instance,
                              const struct ladder_cell *cell, const char *evidence, char reason[REASON_MAX])
{
        char why[REASON_MAX], span[TEXT_SPAN_MAX];
        const struct version *to = version_target(judge, agent_of(judge, instance), instance->ladder.back_to, why);

        text_append(reason, REASON_MAX, "back to version %llu of its configuration",
                    (unsigned long long)instance->ladder.back_to);
        if (to && to->healthy > 0)
                text_append(reason, REASON_MAX, ", proven %s ago",
                            text_span(span, usec_since(judge->now, to->healthy)));
        text_append(reason, REASON_MAX, "; %s", cell->purpose == PURPOSE_ASKED ? "asked for by a human" : evidence);
}

static void describe_act(const struct judge *judge, const struct instance *instance, const struct ladder_cell *cell,
                         char reason[REASON_MAX])
{
        char evidence[REASON_MAX], span[TEXT_SPAN_MAX];

        diagnose_reason(judge, instance, instance->cause, evidence);
        reason[0] = '\0';
        if (cell->action == ACTION_ROLLBACK) {
                describe_rollback(judge, instance, cell, evidence, reason);
                return;
        }
        switch (cell->purpose) {
        case PURPOSE_QUARANTINE:
                if (instance->ladder.trials >= TRIALS_MAX)
                        text_append(reason, REASON_MAX, "quarantined for good; %s", evidence);
                else
                        text_append(reason, REASON_MAX, "quarantined, trial in about %s; %s",
                                    text_span(span, course_trial_after(course_heal(judge, instance),
                                                                       instance->ladder.trials)),
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
        char reason[REASON_MAX];
        const struct version *to =
                input == INPUT_ROLLBACK ? version_target(judge, agent_of(judge, instance), 0, reason) : NULL;
        const struct ladder_cell *cell = take(judge, instance, input);

        if (to)
                instance->ladder.back_to = to->number;
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

/* Instances of one agent are restarted one after the other: each has to be well before the next. */
static bool another_settles(const struct judge *judge, const struct instance *instance)
{
        for (const struct instance *i = first_instance(judge, agent_of(judge, instance)); i;
             i = next_instance(judge, i))
                if (i != instance && (i->ladder.state == LADDER_REVIVING || i->ladder.state == LADDER_ROLLING ||
                                      i->ladder.state == LADDER_SETTLING))
                        return true;
        return false;
}

/* Where a rollback is due and there is nothing to go back to, that is said; the next rung follows. */
static void skip_rollback(struct judge *judge, struct instance *instance)
{
        char reason[REASON_MAX];

        if (course_is_rollback(course_heal(judge, instance), instance->ladder.rung) && is_loop(instance->cause) &&
            !version_target(judge, agent_of(judge, instance), 0, reason))
                withhold(judge, instance, WITHHELD_NO_VERSION, ACTION_ROLLBACK, reason);
}

/* In LADDER_SUSPECT: act, or say why not; returns when to try again. */
static usec_t try_to_act(struct judge *judge, struct instance *instance)
{
        const struct heal *heal = course_heal(judge, instance);
        enum ladder_input input;
        struct guard guard;

        if (heal->ladder_n == 0 || agent_of(judge, instance)->busy != NOBODY || instance->cause == CAUSE_MEMORY_LEAK)
                return USEC_INFINITY;
        if (instance->cause == CAUSE_MEMORY_CEILING && another_settles(judge, instance))
                return judge->now + USEC_PER_SEC;
        if (guard_hold_until(judge, instance) > judge->now)
                return guard_hold_until(judge, instance);
        /* a looping agent that has been up for two of its periods may just have recovered */
        if (is_alive(instance) && instance->cause != CAUSE_DEPENDENCY_DOWN && !is_of_size(instance->cause) &&
            usec_since(judge->now, life_seen(instance)->began) > 2 * instance->period &&
            usec_since(judge->now, life_seen(instance)->began) > GRACE_LEAST / 2)
                return USEC_INFINITY;
        if (instance->cause == CAUSE_DEPENDENCY_DOWN && is_alive(instance))
                return USEC_INFINITY; /* nothing is wrong with itself */
        if ((instance->cause == CAUSE_DEPENDENCY_DOWN || instance->cause == CAUSE_CLAIMED_NOT_RUNNING) &&
            instance->listed_pid > 0 && instance->listed_pid != life_seen(instance)->pid)
                return judge->now + UNTOLD_WAIT; /* its manager has a process of which nobody told us yet */
        input = wanted(judge, instance);
        guard = guard_now(judge, instance, input);
        if (guard.withheld != WITHHELD_NOT) {
                withhold(judge, instance, guard.withheld, action_of(input), guard.reason);
                return guard.until;
        }
        skip_rollback(judge, instance);
        if (course_rung(heal, course_usable(judge, instance, instance->ladder.rung)) == RUNG_QUARANTINE &&
            input != INPUT_CONFINE && input != INPUT_CONFINE_DOWN && instance->cause != CAUSE_DEPENDENCY_DOWN &&
            !is_of_size(instance->cause)) {
                enum withheld why = guard_against_quarantine(judge, instance);

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
        if (fact->outcome.action == ACTION_ROLLBACK) {
                if (outcome == OUTCOME_OK)
                        agent->rolled_at = fact->at;
                if (outcome == OUTCOME_STALE && instance->ladder.state != LADDER_ROLLING)
                        outcome = OUTCOME_FAILED; /* what we hold down is still down */
        } else if (outcome == OUTCOME_STALE) {
                instance->ladder.unpinned = true;
        }
        take(judge, instance, input_of(outcome));
        judge->material = true;
        due_all(judge, agent, judge->now);
}

void healer_asked(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact)
{
        struct ladder *ladder = &instance->ladder;

        agent->human_at = judge->now;
        if (fact->asked.ask == ASK_ROLLBACK) {
                ladder->asked_back = true;
                ladder->back_to = fact->asked.number;
        } else if (fact->asked.ask == ASK_RESTART || ladder_is_down(ladder->state)) {
                ladder->asked = true;
        }
        judge->material = true;
        due_sooner(judge, instance, judge->now);
}

/* Back to where a human wants it; nothing, when there is no such version any more. */
static void serve_rollback(struct judge *judge, struct instance *instance)
{
        static const struct ladder_cell plain = { LADDER_OK, ACTION_ROLLBACK, PURPOSE_ASKED, WAIT_NONE, false };
        char reason[REASON_MAX];

        instance->ladder.asked_back = false;
        if (!version_target(judge, agent_of(judge, instance), instance->ladder.back_to, reason))
                return;
        if (instance->ladder.state != LADDER_OK) {
                pursue(judge, instance, INPUT_ASKED_BACK);
                return;
        }
        describe_act(judge, instance, &plain, reason);
        act(judge, instance, &plain, reason);
}

/* A human asked for it: acts at once, or as soon as the action under way is over. */
static void serve_human(struct judge *judge, struct instance *instance)
{
        static const struct ladder_cell plain = { LADDER_OK, ACTION_RESTART, PURPOSE_ASKED, WAIT_NONE, false };

        if (instance->ladder.asked_back && agent_of(judge, instance)->busy == NOBODY)
                serve_rollback(judge, instance);
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
        const struct heal *heal = course_heal(judge, instance);
        bool wants_up = ladder->state == LADDER_STARTING || ladder->state == LADDER_REVIVING ||
                        ladder->state == LADDER_ROLLING || ladder->state == LADDER_TRYING;

        switch (ladder->state) {
        case LADDER_STOPPING:
        case LADDER_CONFINING:
        case LADDER_STARTING:
        case LADDER_REVIVING:
        case LADDER_ROLLING:
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
                if (only_observes(judge)) {
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
                if (!is_of_size(instance->cause) && course_usable(judge, instance, ladder->rung + 1) < heal->ladder_n)
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

/* The restart did not help: it is too large again before it was proven. */
static void notice_size(struct judge *judge, struct instance *instance)
{
        if (instance->cause == CAUSE_MEMORY_CEILING && instance->ladder.state == LADDER_SETTLING &&
            swell_is_above(instance))
                take(judge, instance, INPUT_DUE);
}

static void judge_one(struct judge *judge, struct instance *instance, usec_t *due)
{
        enum cause cause;
        usec_t again = USEC_INFINITY;

        note_look(judge, agent_of(judge, instance), instance, due);
        start_look(judge, agent_of(judge, instance), instance, due);
        swell_look(judge, agent_of(judge, instance), instance, due);
        growth_look(judge, agent_of(judge, instance), instance, due);
        burden_look(judge, agent_of(judge, instance), instance, due);
        rein_look(judge, agent_of(judge, instance), instance, due);
        notice_start(judge, instance);
        notice_size(judge, instance);
        trouble_check_over(judge, instance);
        cause = diagnose(judge, instance);
        if (cause != instance->cause || (cause != CAUSE_NONE && instance->incident == NOBODY && !instance->braked))
                trouble_found(judge, instance, cause);
        trouble_check_worse(judge, instance);
        version_look(judge, agent_of(judge, instance), instance, due);
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
               judge->incidents[instance->incident].told >= THIN_AFTER && !is_base(judge, agent_of(judge, instance)) &&
               !trial_counts(judge, agent_of(judge, instance));
}

/* Whether judge_one() would have something to say. */
static bool stirs(const struct judge *judge, const struct instance *instance)
{
        return instance->ladder.state != LADDER_TOLD || instance->ladder.asked || instance->ladder.asked_back ||
               instance->incident == NOBODY || trouble_is_over(judge, instance) || trouble_is_worse(judge, instance) ||
               diagnose(judge, instance) != instance->cause;
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

bool healer_wants_record(struct judge *judge, const struct agent *agent)
{
        bool wants = false;

        for (struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (i->thin) {
                        i->wants_record = wants = true;
                        judge->decisions->remember = true;
                }
        return wants;
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
                        trouble_over(judge, i, INPUT_CLEARED, "");
                }
        return false;
}
