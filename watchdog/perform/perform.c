#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "io/log.h"
#include "perform/never.h"
#include "perform/perform.h"

#define ERRANDS_MAX 256 /* under way at once: the judge keeps far below, a person's script may not */
#define TEXT_MAX 256
#define MARK_MAX (AGENT_ID_MAX + LIMITS_PATH_MAX + 1)
#define VERSION_HEX_MAX 65

/* One action from its durable intent to its recorded outcome. */
struct act {
        struct errand errand; /* first: a hand gives back its errand, we need the act around it */
        struct perform *perform;
        char agent[AGENT_ID_MAX];
        enum manager manager;
        enum purpose purpose;
        char from[VERSION_HEX_MAX], to[VERSION_HEX_MAX];
        char path[FILE_PATH_MAX];
        uint64_t intent; /* seq of its record */
        uint64_t incident;
        enum outcome outcome; /* set: came back, waits for the loop to tell it */
        char text[TEXT_MAX];
        char why[REASON_MAX];
        bool marked; /* the footprint got its line for this act, before it was begun */
        bool busy;
};

struct perform {
        struct perform_options options;
        sd_event_source *back; /* enabled while some errand came back */
        struct act acts[ERRANDS_MAX];
        unsigned under_way;
};

/* ---- the way back: outcome recorded, then told ----------------------------------------------------------------------- */

/* "AGENT", or "AGENT FILE" of what stands in a file; false when there is no such file. */
static bool mark_subject(const struct act *act, enum limits_place place, char subject[MARK_MAX])
{
        char path[LIMITS_PATH_MAX];

        text_copy(subject, MARK_MAX, act->agent);
        if (!action_is_of_limits(act->errand.action))
                return true;
        if (!text_starts(act->agent, "systemd:") || !limits_path(place, act->agent + strlen("systemd:"), path))
                return false;
        text_append(subject, MARK_MAX, " %s", path);
        return true;
}

static int mark(struct perform *perform, const struct act *act, enum limits_place place, bool present)
{
        const struct power *power = perform_power(act->errand.action);
        char subject[MARK_MAX];

        if (!perform->options.footprint || !power->mark || !mark_subject(act, place, subject))
                return 0;
        return footprint_set(perform->options.footprint, power->mark, subject, present);
}

/* A file that nobody could find again must not be written: its line stands in the footprint before it is. */
static int mark_before(struct perform *perform, struct act *act)
{
        char subject[MARK_MAX];
        int r;

        if (act->errand.action != ACTION_LIMIT || !perform->options.footprint)
                return 0;
        mark_subject(act, act->errand.limits.place, subject);
        act->marked = !footprint_has(perform->options.footprint, perform_power(ACTION_LIMIT)->mark, subject);
        r = mark(perform, act, act->errand.limits.place, true);
        act->marked = act->marked && r >= 0;
        return r;
}

/* A footprint that cannot be written is not worth failing for: the chain has it, doctor compares. */
static void keep_footprint(struct perform *perform, const struct act *act)
{
        const struct power *power = perform_power(act->errand.action);
        enum limits_place place = act->errand.limits.place;
        bool nothing = act->outcome == OUTCOME_FAILED || act->outcome == OUTCOME_REFUSED || act->outcome == OUTCOME_DRY;

        if (act->outcome == OUTCOME_OK)
                (void)mark(perform, act, place, power->marks);
        else if (act->marked && nothing)
                (void)mark(perform, act, place, false);
        if (act->outcome == OUTCOME_OK && act->errand.action == ACTION_LIMIT && place == LIMITS_KEPT)
                (void)mark(perform, act, LIMITS_TRIAL, false); /* what is kept is on trial no more */
}

static void tell(struct perform *perform, struct act *act)
{
        struct fact fact = {
                .kind = FACT_OUTCOME,
                .at = clock_now(perform->options.clock),
                .manager = act->manager,
                .agent = act->agent,
                .instance = act->errand.instance,
                .outcome = {
                        .action = act->errand.action,
                        .purpose = act->purpose,
                        .outcome = act->outcome,
                        .text = act->text,
                        .trial = act->errand.trial,
                        .path = act->path,
                },
        };

        keep_footprint(perform, act);
        if (act->intent != UINT64_MAX)
                chronicle_outcome(perform->options.chronicle, &fact, act->intent, act->incident);
        perform->options.sink.take(perform->options.sink.self, &fact);
        act->busy = false;
        perform->under_way--;
}

static int on_back(sd_event_source *source, void *userdata)
{
        struct perform *perform = userdata;

        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        for (unsigned i = 0; i < ERRANDS_MAX; i++)
                if (perform->acts[i].busy && perform->acts[i].outcome != OUTCOME_NONE)
                        tell(perform, &perform->acts[i]);
        return 0;
}

/* Outcomes are told from the loop, never from inside a hand or a decision: the judge is not called within itself. */
static void came_back(struct act *act, enum outcome outcome, const char *text)
{
        act->outcome = outcome;
        text_copy_safe(act->text, sizeof(act->text), text ? text : "");
        sd_event_source_set_enabled(act->perform->back, SD_EVENT_ON);
}

static void errand_done(struct errand *errand, enum outcome outcome, const char *text)
{
        came_back(errand->self, outcome, text);
}

/* ---- the way out ------------------------------------------------------------------------------------------------------ */

static struct act *act_new(struct perform *perform, const struct decision *decision)
{
        for (unsigned i = 0; i < ERRANDS_MAX; i++) {
                struct act *act = &perform->acts[i];

                if (act->busy)
                        continue;
                memset(act, 0, sizeof(*act));
                act->busy = true;
                act->perform = perform;
                act->manager = decision->manager;
                act->purpose = decision->purpose;
                act->incident = decision->incident;
                act->intent = UINT64_MAX;
                text_copy(act->agent, sizeof(act->agent), decision->agent);
                text_copy(act->from, sizeof(act->from), decision->from ? decision->from : "");
                text_copy(act->to, sizeof(act->to), decision->to ? decision->to : "");
                text_copy(act->path, sizeof(act->path), decision->path ? decision->path : "");
                act->errand = (struct errand){
                        .agent = act->agent,
                        .instance = decision->instance,
                        .action = decision->action,
                        .pid = decision->pid,
                        .start = decision->start,
                        .limits = decision->limits,
                        .trial = decision->trial,
                        .why = act->why,
                        .from = act->from,
                        .to = act->to,
                        .path = act->path,
                        .done = errand_done,
                        .self = act,
                };
                text_copy(act->why, sizeof(act->why), decision->reason);
                perform->under_way++;
                return act;
        }
        return NULL;
}

/* Hands the errand over; whatever speaks against it becomes its outcome. */
static void carry_out(struct perform *perform, struct act *act, bool enforce)
{
        const struct hands *own = &perform->options.own[act->errand.action];
        const struct hands *hands = own->act ? own : &perform->options.hands[act->manager];
        const char *never = never_touch(act->agent, act->errand.pid);
        char text[TEXT_MAX];
        int r;

        if (never) {
                snprintf(text, sizeof(text), "never touched: %s", never);
                return came_back(act, OUTCOME_REFUSED, text);
        }
        if (!enforce)
                return came_back(act, OUTCOME_DRY, "observe mode: nothing was done");
        if (!hands->act)
                return came_back(act, OUTCOME_FAILED, "no hand reaches this manager");
        if (mark_before(perform, act) < 0)
                return came_back(act, OUTCOME_FAILED,
                                 "not done: the footprint, which would list it, cannot be written");
        r = hands->act(hands->self, &act->errand);
        if (r < 0)
                came_back(act, OUTCOME_FAILED, strerror(-r));
}

/* Of a row that is recorded after: intent and outcome still are two records, the intent in this turn of the loop. */
static void act_then_record(struct perform *perform, struct act *act, const struct decision *decision)
{
        int r;

        carry_out(perform, act, decision->enforce);
        r = chronicle_decision(perform->options.chronicle, decision, AUDIT_PENDING, NULL, &act->intent);
        if (r < 0) {
                act->intent = UINT64_MAX;
                log_ignored(r, "%s of %s cannot be recorded now", action_name(decision->action), act->path);
        }
}

static void perform_act(struct perform *perform, const struct decision *decision)
{
        const struct power *power = perform_power(decision->action);
        const bool safety = power->safety && decision->safety;
        struct act *act = act_new(perform, decision);
        int r;

        if (!act) { /* no place to remember it in: the judge gives up on it by its own deadline */
                uint64_t seq;

                chronicle_decision(perform->options.chronicle, decision, AUDIT_DENIED, NULL, &seq);
                return;
        }
        if (power->audited == AUDIT_AFTER && (safety || chronicle_healthy(perform->options.chronicle)))
                return act_then_record(perform, act, decision);
        r = chronicle_decision(perform->options.chronicle, decision, AUDIT_PENDING, NULL, &act->intent);
        if (r < 0)
                act->intent = UINT64_MAX;
        if (r == 0 && power->audited == AUDIT_BEFORE_AND_AFTER)
                r = chronicle_settle(perform->options.chronicle);
        if (r < 0 && safety)
                log_ignored(r, "%s: %s cannot be recorded now, and does not wait for that", decision->agent,
                            action_name(decision->action));
        else if (r < 0)
                return came_back(act, OUTCOME_FAILED, "not done: its intent could not be recorded");
        if (!chronicle_healthy(perform->options.chronicle) && !safety)
                return came_back(act, OUTCOME_FAILED,
                                 "not done: the disk is full, only the reserve of the audit log is left");
        carry_out(perform, act, decision->enforce);
}

void perform_decision(struct perform *perform, const struct decision *decision)
{
        enum audit_outcome outcome = decision->kind == DECIDE_WITHHOLD ? AUDIT_DENIED : AUDIT_INFO;
        uint64_t seq;

        if (decision->kind == DECIDE_ACT)
                perform_act(perform, decision);
        else
                chronicle_decision(perform->options.chronicle, decision, outcome, NULL, &seq);
}

void perform_follow(struct perform *perform, const struct fact *fact)
{
        if (fact->kind == FACT_STARTED && perform->options.footprint &&
            footprint_has(perform->options.footprint, "stopped", fact->agent))
                footprint_set(perform->options.footprint, "stopped", fact->agent, false);
}

unsigned perform_under_way(const struct perform *perform)
{
        return perform->under_way;
}

int perform_new(sd_event *event, const struct perform_options *options, struct perform **ret)
{
        struct perform *perform = calloc(1, sizeof(*perform));
        int r;

        if (!perform)
                return -ENOMEM;
        perform->options = *options;
        r = sd_event_add_defer(event, &perform->back, on_back, perform);
        if (r >= 0)
                r = sd_event_source_set_enabled(perform->back, SD_EVENT_OFF);
        if (r < 0) {
                perform_free(perform);
                return r;
        }
        *ret = perform;
        return 0;
}

struct perform *perform_free(struct perform *perform)
{
        if (!perform)
                return NULL;
        sd_event_source_disable_unref(perform->back);
        free(perform);
        return NULL;
}
