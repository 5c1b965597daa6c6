#include "judge/trial.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "judge/healer.h"
#include "judge/incidents.h"
#include "judge/table.h"

#define AGAIN_LEAST (10 * USEC_PER_SEC)
#define AGAIN_MOST (5 * USEC_PER_MINUTE)
#define OVER_SHOWN 16
#define REASON_SHOWN 96 /* bytes of a human's words that fit into the reason of a decision */

/* clang-format off */
const struct trial_cell trial_table[TRIAL_STATE_N][TRIAL_INPUT_N] = {
        [TRIAL_NONE] = {
                [TRIAL_INPUT_BEGIN]  = { TRIAL_BEGINNING, TRIAL_ACT_MAKE, TRIAL_WAIT_REPLY },
        },
        [TRIAL_BEGINNING] = {
                [TRIAL_INPUT_DONE]   = { TRIAL_RUNNING,   TRIAL_ACT_NONE, TRIAL_WAIT_SPAN },
                [TRIAL_INPUT_FAILED] = { TRIAL_OVER,      TRIAL_ACT_NONE, TRIAL_WAIT_NONE },
                [TRIAL_INPUT_DRY]    = { TRIAL_OVER,      TRIAL_ACT_NONE, TRIAL_WAIT_NONE },
                [TRIAL_INPUT_LOST]   = { TRIAL_ENDING,    TRIAL_ACT_UNDO, TRIAL_WAIT_REPLY },
                [TRIAL_INPUT_DUE]    = { TRIAL_ENDING,    TRIAL_ACT_UNDO, TRIAL_WAIT_REPLY },
                [TRIAL_INPUT_ILL]    = { TRIAL_ENDING,    TRIAL_ACT_UNDO, TRIAL_WAIT_REPLY },
                [TRIAL_INPUT_UNDO]   = { TRIAL_ENDING,    TRIAL_ACT_UNDO, TRIAL_WAIT_REPLY },
        },
        [TRIAL_RUNNING] = {
                [TRIAL_INPUT_DUE]    = { TRIAL_ENDING,    TRIAL_ACT_UNDO, TRIAL_WAIT_REPLY },
                [TRIAL_INPUT_ILL]    = { TRIAL_ENDING,    TRIAL_ACT_UNDO, TRIAL_WAIT_REPLY },
                [TRIAL_INPUT_UNDO]   = { TRIAL_ENDING,    TRIAL_ACT_UNDO, TRIAL_WAIT_REPLY },
                [TRIAL_INPUT_KEEP]   = { TRIAL_KEEPING,   TRIAL_ACT_KEEP, TRIAL_WAIT_REPLY },
        },
        /* a human has decided: what happens meanwhile does not end it */
        [TRIAL_KEEPING] = {
                [TRIAL_INPUT_DONE]   = { TRIAL_KEPT,      TRIAL_ACT_NONE, TRIAL_WAIT_NONE },
                [TRIAL_INPUT_FAILED] = { TRIAL_RUNNING,   TRIAL_ACT_NONE, TRIAL_WAIT_SPAN },
                [TRIAL_INPUT_DRY]    = { TRIAL_RUNNING,   TRIAL_ACT_NONE, TRIAL_WAIT_SPAN },
                [TRIAL_INPUT_LOST]   = { TRIAL_KEEPING,   TRIAL_ACT_KEEP, TRIAL_WAIT_REPLY },
                [TRIAL_INPUT_DUE]    = { TRIAL_KEEPING,   TRIAL_ACT_KEEP, TRIAL_WAIT_REPLY },
        },
        [TRIAL_KEPT] = {
                [TRIAL_INPUT_UNDO]   = { TRIAL_ENDING,    TRIAL_ACT_UNDO, TRIAL_WAIT_REPLY },
        },
        [TRIAL_ENDING] = {
                [TRIAL_INPUT_DONE]   = { TRIAL_OVER,      TRIAL_ACT_NONE, TRIAL_WAIT_NONE },
                [TRIAL_INPUT_FAILED] = { TRIAL_STUCK,     TRIAL_ACT_NONE, TRIAL_WAIT_AGAIN },
                [TRIAL_INPUT_DRY]    = { TRIAL_STUCK,     TRIAL_ACT_NONE, TRIAL_WAIT_NONE }, /* until another run */
                [TRIAL_INPUT_LOST]   = { TRIAL_STUCK,     TRIAL_ACT_NONE, TRIAL_WAIT_AGAIN },
                [TRIAL_INPUT_DUE]    = { TRIAL_STUCK,     TRIAL_ACT_NONE, TRIAL_WAIT_AGAIN },
        },
        [TRIAL_STUCK] = {
                [TRIAL_INPUT_DUE]    = { TRIAL_ENDING,    TRIAL_ACT_UNDO, TRIAL_WAIT_REPLY },
                [TRIAL_INPUT_UNDO]   = { TRIAL_ENDING,    TRIAL_ACT_UNDO, TRIAL_WAIT_REPLY },
        },
};

static const struct {
        enum action make, undo;
} actions[TRIAL_OF_N] = {
        [TRIAL_OF_LIMITS] = { ACTION_LIMIT, ACTION_UNLIMIT },
};

/* Findings that say that an agent is not well; those about its files, its history or its expected size do not. */
static const bool is_illness[CAUSE_N] = {
        [CAUSE_CRASH_LOOP]     = true, [CAUSE_HOT_LOOP]    = true, [CAUSE_CLAIMED_NOT_RUNNING] = true,
        [CAUSE_MEMORY_CEILING] = true, [CAUSE_OOM]         = true, [CAUSE_CPU_SUSTAINED]       = true,
        [CAUSE_HEALTH]         = true, [CAUSE_HEARTBEAT]   = true, [CAUSE_NO_PROGRESS]         = true,
        [CAUSE_LOG_RATE]       = true, [CAUSE_BREAKER]     = true, [CAUSE_DEPENDENCY_DOWN]     = true,
};
/* clang-format on */

/* ---- which one ------------------------------------------------------------------------------------------------------ */

static bool is_under_way(const struct trial *trial)
{
        return trial->state != TRIAL_KEPT && trial->state != TRIAL_OVER;
}

static struct trial *find(struct judge *judge, uint64_t number)
{
        for (uint32_t n = 0; n < judge->trials_n; n++)
                if (judge->trials[n].number == number)
                        return &judge->trials[n];
        return NULL;
}

/* The one of this agent and kind in that state, or under way when the state is TRIAL_NONE. */
static struct trial *find_of(const struct judge *judge, enum trial_of of, const char *agent, enum trial_state state)
{
        for (uint32_t n = 0; n < judge->trials_n; n++) {
                struct trial *trial = &judge->trials[n];

                if (trial->of == of && strcmp(trial->id, agent) == 0 &&
                    (state == TRIAL_NONE ? is_under_way(trial) : trial->state == state))
                        return trial;
        }
        return NULL;
}

/* Those that are over are shown for a while; then the oldest of them gives its place to another. */
static struct trial *free_slot(struct judge *judge)
{
        struct trial *found = NULL;
        uint32_t over = 0;

        for (uint32_t n = 0; n < judge->trials_n; n++) {
                struct trial *trial = &judge->trials[n];

                if (trial->state != TRIAL_OVER)
                        continue;
                over++;
                if (!found || trial->number < found->number)
                        found = trial;
        }
        if (over < OVER_SHOWN && judge->trials_n < judge->limits.agents_max)
                return &judge->trials[judge->trials_n++];
        return found;
}

/* ---- facts ---------------------------------------------------------------------------------------------------------- */

/* Decided at the next look, which has room for it. */
static void give(struct judge *judge, struct trial *trial, enum trial_input input)
{
        if (trial_table[trial->state][input].next == TRIAL_NONE)
                return;
        trial->input = input;
        judge->machine_due = judge->now;
        judge->material = true;
}

static void fill(struct judge *judge, struct trial *trial, const struct fact *fact)
{
        *trial = (struct trial){
                .number = fact->trial.number,
                .of = fact->trial.of,
                .span = fact->trial.span,
                .began = fact->at,
                .due = USEC_INFINITY,
                .limits = fact->trial.limits,
        };
        text_copy(trial->id, sizeof(trial->id), fact->agent);
        text_copy_safe(trial->by, sizeof(trial->by), fact->trial.by);
        text_copy_safe(trial->reason, sizeof(trial->reason), fact->trial.reason);
        if (trial->number > judge->trials_last)
                judge->trials_last = trial->number;
}

static void begin(struct judge *judge, const struct fact *fact)
{
        struct trial *trial;

        if (find(judge, fact->trial.number) || find_of(judge, fact->trial.of, fact->agent, TRIAL_NONE) ||
            !(trial = free_slot(judge)))
                return;
        fill(judge, trial, fact);
        trial->limits.place = LIMITS_TRIAL;
        give(judge, trial, TRIAL_INPUT_BEGIN);
}

/* As the chain remembers it; a judge that lives on knows it already. */
static void recall(struct judge *judge, const struct fact *fact)
{
        bool waits = fact->trial.state == TRIAL_NONE && fact->trial.input == TRIAL_INPUT_BEGIN;
        struct trial *trial;

        if (find(judge, fact->trial.number) || (fact->trial.state == TRIAL_NONE && !waits) ||
            fact->trial.state >= TRIAL_STATE_N || !(trial = free_slot(judge)))
                return;
        fill(judge, trial, fact);
        trial->state = fact->trial.state;
        trial->began = fact->trial.began > 0 ? fact->trial.began : fact->trial.since; /* older logs lack it */
        trial->since = fact->trial.since;
        trial->until = fact->trial.until;
        trial->due = fact->trial.due;
        trial->tries = fact->trial.tries;
        trial->incident = fact->trial.incident;
        trial->input = fact->trial.input < TRIAL_INPUT_N ? fact->trial.input : TRIAL_INPUT_NONE;
        text_copy_safe(trial->why, sizeof(trial->why), fact->trial.why);
}

void trial_take(struct judge *judge, const struct fact *fact)
{
        struct trial *trial = find(judge, fact->trial.number);

        judge->material = true;
        if (fact->trial.of == TRIAL_OF_NONE || fact->trial.of >= TRIAL_OF_N || fact->trial.number == 0)
                return;
        switch (fact->trial.step) {
        case TRIAL_BEGIN: begin(judge, fact); return;
        case TRIAL_STANDS: recall(judge, fact); return;
        case TRIAL_KEEP:
                if (trial)
                        give(judge, trial, TRIAL_INPUT_KEEP);
                return;
        case TRIAL_UNDO:
                if (!trial || trial_table[trial->state][TRIAL_INPUT_UNDO].next == TRIAL_NONE)
                        return;
                snprintf(trial->why, sizeof(trial->why), "taken back by %.48s%s%.*s", fact->trial.by,
                         *fact->trial.reason ? ": " : "", REASON_SHOWN, fact->trial.reason);
                give(judge, trial, TRIAL_INPUT_UNDO);
                return;
        default: return;
        }
}

static enum trial_input input_of(enum outcome outcome)
{
        switch (outcome) {
        case OUTCOME_OK: return TRIAL_INPUT_DONE;
        case OUTCOME_DRY: return TRIAL_INPUT_DRY;
        case OUTCOME_FAILED:
        case OUTCOME_STALE:
        case OUTCOME_REFUSED: return TRIAL_INPUT_FAILED;
        default: return TRIAL_INPUT_LOST;
        }
}

static bool is_awaited(const struct trial *trial, enum action action)
{
        switch (trial->state) {
        case TRIAL_BEGINNING:
        case TRIAL_KEEPING: return action == actions[trial->of].make;
        case TRIAL_ENDING: return action == actions[trial->of].undo;
        default: return false;
        }
}

bool trial_outcome(struct judge *judge, const struct fact *fact)
{
        struct trial *trial = find(judge, fact->outcome.trial);
        enum trial_input input = input_of(fact->outcome.outcome);

        if (!trial)
                return false;
        judge->material = true;
        if (!is_awaited(trial, fact->outcome.action))
                return true;
        if (trial->state == TRIAL_BEGINNING && input != TRIAL_INPUT_DONE)
                snprintf(trial->why, sizeof(trial->why),
                         input == TRIAL_INPUT_LOST ? "what came of making the change is not known: %.*s"
                                                   : "it could not be made: %.*s",
                         REASON_SHOWN, fact->outcome.text);
        give(judge, trial, input);
        return true;
}

/* ---- an agent that is not well ---------------------------------------------------------------------------------------- */

static void fall_ill(struct judge *judge, struct trial *trial, uint64_t incident, const char *why)
{
        if (trial->input == TRIAL_INPUT_NONE || trial->input == TRIAL_INPUT_KEEP)
                text_copy(trial->why, sizeof(trial->why), why);
        trial->incident = incident;
        give(judge, trial, TRIAL_INPUT_ILL);
}

static bool is_of(const struct trial *trial, const struct agent *agent)
{
        return (trial->state == TRIAL_BEGINNING || trial->state == TRIAL_RUNNING) && strcmp(trial->id, agent->id) == 0;
}

static void describe_death(const struct instance *instance, usec_t lived, char *why, size_t size)
{
        char span[TEXT_SPAN_MAX];

        why[0] = '\0';
        switch (instance->last_ending) {
        case ENDING_EXIT: text_append(why, size, "it died: exit code %d", instance->last_code); break;
        case ENDING_SIGNAL: text_append(why, size, "it died: signal %d", instance->last_signal); break;
        case ENDING_OOM: text_append(why, size, "it was killed for memory"); break;
        case ENDING_WATCHDOG: text_append(why, size, "it died: its manager's watchdog"); break;
        case ENDING_TIMEOUT: text_append(why, size, "it died: a timeout of its manager"); break;
        default: text_append(why, size, "it died, and nobody told why"); break;
        }
        text_append(why, size, ", %s into its trial", text_span(span, lived));
}

void trial_agent_died(struct judge *judge, const struct agent *agent, const struct instance *instance, usec_t at)
{
        uint64_t incident = instance->incident == NOBODY ? 0 : judge->incidents[instance->incident].number;
        char why[TRIAL_WHY_MAX];

        for (uint32_t n = 0; n < judge->trials_n; n++) {
                struct trial *trial = &judge->trials[n];

                if (!is_of(trial, agent) || at < trial->began)
                        continue;
                describe_death(instance, usec_since(at, trial->began), why, sizeof(why));
                fall_ill(judge, trial, incident, why);
        }
}

void trial_agent_ill(struct judge *judge, const struct agent *agent, enum cause cause, uint64_t incident)
{
        char why[TRIAL_WHY_MAX], span[TEXT_SPAN_MAX];

        for (uint32_t n = 0; n < judge->trials_n && is_illness[cause]; n++) {
                struct trial *trial = &judge->trials[n];

                if (!is_of(trial, agent))
                        continue;
                snprintf(why, sizeof(why), "it is not well: %s, %s into its trial", cause_name(cause),
                         text_span(span, usec_since(judge->now, trial->began)));
                fall_ill(judge, trial, incident, why);
        }
}

void trial_rebooted(struct judge *judge)
{
        for (uint32_t n = 0; n < judge->trials_n; n++)
                if (judge->trials[n].state == TRIAL_BEGINNING || judge->trials[n].state == TRIAL_RUNNING)
                        fall_ill(judge, &judge->trials[n], 0, "the machine was started anew");
}

void trial_resumed(struct judge *judge)
{
        for (uint32_t n = 0; n < judge->trials_n; n++)
                if (judge->trials[n].state == TRIAL_STUCK && judge->trials[n].due == USEC_INFINITY)
                        judge->trials[n].due = judge->now;
}

void trial_undo_all(struct judge *judge, const char *why)
{
        for (uint32_t n = 0; n < judge->trials_n; n++) {
                struct trial *trial = &judge->trials[n];

                if (trial_table[trial->state][TRIAL_INPUT_UNDO].next == TRIAL_NONE)
                        continue;
                text_copy(trial->why, sizeof(trial->why), why);
                give(judge, trial, TRIAL_INPUT_UNDO);
        }
}

/* ---- deciding --------------------------------------------------------------------------------------------------------- */

/* What a human keeps for good: the trial's limits over those that were kept before. */
static struct limits to_keep(const struct judge *judge, const struct trial *trial)
{
        const struct trial *before = find_of(judge, trial->of, trial->id, TRIAL_KEPT);
        struct limits limits = { .place = LIMITS_KEPT };

        if (before)
                limits_add(&limits, &before->limits);
        limits_add(&limits, &trial->limits);
        return limits;
}

static struct decision *decide_for(struct judge *judge, const struct trial *trial, enum action action,
                                   enum purpose purpose)
{
        const struct agent *agent = table_find(judge, trial->id);
        struct decision *decision =
                decide(judge, DECIDE_ACT, agent, agent ? first_instance(judge, agent) : NULL, NOBODY);

        decision->agent = trial->id;
        decision->instance = INSTANCE_ALL;
        decision->manager = agent_manager(trial->id);
        decision->incident = trial->incident;
        decision->action = action;
        decision->purpose = purpose;
        decision->trial = trial->number;
        decision->limits = trial->limits;
        decision->enforce = !only_observes(judge);
        return decision;
}

static void make(struct judge *judge, const struct trial *trial)
{
        struct decision *decision = decide_for(judge, trial, actions[trial->of].make, PURPOSE_ASKED);
        char span[TEXT_SPAN_MAX], limits[LIMITS_TEXT_MAX];

        snprintf(decision->reason, sizeof(decision->reason), "%s, on trial for %s; asked for by %s%s%.*s",
                 limits_text(&trial->limits, limits), text_span(span, trial->span), trial->by,
                 *trial->reason ? ": " : "", REASON_SHOWN, trial->reason);
}

static void keep(struct judge *judge, const struct trial *trial)
{
        struct decision *decision = decide_for(judge, trial, actions[trial->of].make, PURPOSE_KEEP);
        char limits[LIMITS_TEXT_MAX];

        decision->limits = to_keep(judge, trial);
        snprintf(decision->reason, sizeof(decision->reason), "%s, kept by a human",
                 limits_text(&decision->limits, limits));
}

/* It makes nothing worse: it waits neither for a mode to be over nor for a disk that is full. */
static void undo(struct judge *judge, const struct trial *trial)
{
        struct decision *decision = decide_for(judge, trial, actions[trial->of].undo, PURPOSE_UNDO);

        decision->enforce = !judge->observe_only;
        decision->safety = true;
        decision->pid = 0, decision->start = 0; /* whoever lives in it now */
        text_copy(decision->reason, sizeof(decision->reason), trial->why);
}

static usec_t wait_until(const struct judge *judge, struct trial *trial, enum trial_wait wait)
{
        usec_t again = AGAIN_LEAST << (trial->tries < 5 ? trial->tries : 5);

        switch (wait) {
        case TRIAL_WAIT_REPLY: return judge->now + HAND_WAIT;
        case TRIAL_WAIT_SPAN: return trial->until;
        case TRIAL_WAIT_AGAIN: trial->tries++; return judge->now + (again < AGAIN_MOST ? again : AGAIN_MOST);
        default: return USEC_INFINITY;
        }
}

static void replace_kept(struct judge *judge, const struct trial *trial)
{
        struct trial *before = find_of(judge, trial->of, trial->id, TRIAL_KEPT);

        if (!before || before == trial)
                return;
        before->state = TRIAL_OVER;
        snprintf(before->why, sizeof(before->why), "replaced by trial %llu", (unsigned long long)trial->number);
}

/* Whether a death ends it, or could soon. */
static bool is_counting(const struct trial *trial)
{
        return trial->state == TRIAL_NONE || trial->state == TRIAL_BEGINNING || trial->state == TRIAL_RUNNING ||
               trial->state == TRIAL_KEEPING;
}

/* Deaths of a loop that goes on for ever are not recorded one by one: their sum is first, and each one counts from there on. */
static bool waits_for_record(struct judge *judge, const struct trial *trial)
{
        const struct agent *agent = table_find(judge, trial->id);

        return trial->input == TRIAL_INPUT_BEGIN && agent && healer_wants_record(judge, agent);
}

/* Takes the input: one step of its story. */
static void step(struct judge *judge, struct trial *trial, enum trial_input input)
{
        const struct trial_cell *cell = &trial_table[trial->state][input];
        char span[TEXT_SPAN_MAX];

        trial->input = TRIAL_INPUT_NONE;
        if (cell->next == TRIAL_NONE)
                return;
        if (trial->state == TRIAL_BEGINNING && cell->next == TRIAL_RUNNING) {
                trial->since = judge->now;
                trial->until = usec_add(judge->now, trial->span);
        }
        if (trial->state == TRIAL_RUNNING && input == TRIAL_INPUT_DUE)
                snprintf(trial->why, sizeof(trial->why), "its %s are over, and nobody kept it",
                         text_span(span, trial->span));
        else if (trial->state == TRIAL_BEGINNING && input == TRIAL_INPUT_DUE)
                text_copy(trial->why, sizeof(trial->why), "nothing was heard of the change being made");
        if (cell->next == TRIAL_KEPT) {
                trial->limits = to_keep(judge, trial);
                replace_kept(judge, trial);
        }
        trial->state = cell->next;
        trial->due = wait_until(judge, trial, cell->wait);
        judge->material = true;
        if (cell->act == TRIAL_ACT_MAKE)
                make(judge, trial);
        else if (cell->act == TRIAL_ACT_KEEP)
                keep(judge, trial);
        else if (cell->act == TRIAL_ACT_UNDO)
                undo(judge, trial);
}

void trial_look(struct judge *judge, usec_t *due)
{
        bool acted = false;

        for (uint32_t n = 0; n < judge->trials_n; n++) {
                struct trial *trial = &judge->trials[n];
                bool stirs = trial->input != TRIAL_INPUT_NONE || trial->due <= judge->now;

                if (waits_for_record(judge, trial))
                        continue; /* and comes back with it */
                if (stirs && acted) {
                        *due = judge->now;
                        return;
                }
                if (stirs)
                        step(judge, trial, trial->input != TRIAL_INPUT_NONE ? trial->input : TRIAL_INPUT_DUE);
                acted |= stirs;
                if (trial->due < *due)
                        *due = trial->due;
        }
}

bool trial_stands(const struct judge *judge, const char *agent, enum limits_place place)
{
        for (uint32_t n = 0; n < judge->trials_n; n++) {
                const struct trial *trial = &judge->trials[n];

                if ((trial->state == TRIAL_RUNNING || trial->state == TRIAL_KEPT) && trial->limits.place == place &&
                    strcmp(trial->id, agent) == 0)
                        return true;
        }
        return false;
}

/* ---- memory and views -------------------------------------------------------------------------------------------------- */

bool trial_holds(const struct judge *judge, const char *agent)
{
        return find_of(judge, TRIAL_OF_LIMITS, agent, TRIAL_NONE) != NULL;
}

bool trial_counts(const struct judge *judge, const struct agent *agent)
{
        for (uint32_t n = 0; n < judge->trials_n; n++)
                if (is_counting(&judge->trials[n]) && strcmp(judge->trials[n].id, agent->id) == 0)
                        return true;
        return false;
}

bool trial_remember(const struct judge *judge, uint32_t index, struct fact *ret)
{
        const struct trial *trial = &judge->trials[index];

        if ((trial->state == TRIAL_NONE && trial->input == TRIAL_INPUT_NONE) || trial->state == TRIAL_OVER)
                return false;
        *ret = (struct fact){
                .kind = FACT_TRIAL,
                .at = judge->now,
                .manager = agent_manager(trial->id),
                .agent = trial->id,
                .instance = INSTANCE_ALL,
                .trial = { .step = TRIAL_STANDS,
                           .of = trial->of,
                           .number = trial->number,
                           .state = trial->state,
                           .span = trial->span,
                           .limits = trial->limits,
                           .by = trial->by,
                           .reason = trial->reason,
                           .since = trial->since,
                           .until = trial->until,
                           .due = trial->due,
                           .tries = trial->tries,
                           .incident = trial->incident,
                           .why = trial->why,
                           .began = trial->began,
                           .input = trial->input },
        };
        return true;
}

uint32_t judge_trials(const struct judge *judge)
{
        return judge->trials_n;
}

void judge_trial(const struct judge *judge, uint32_t index, struct trial_view *ret)
{
        const struct trial *trial = &judge->trials[index];

        *ret = (struct trial_view){
                .number = trial->number,
                .of = trial->of,
                .state = trial->state,
                .agent = trial->id,
                .since = trial->since,
                .until = trial->until,
                .limits = trial->limits,
                .by = trial->by,
                .reason = trial->reason,
                .why = trial->why,
        };
}

uint64_t judge_trial_next(const struct judge *judge)
{
        return judge->trials_last + 1;
}
