/*
 * The facts of a log happened under the policy of then. Where the other policy does the same, they are its facts too, the
 * outcomes included. Where it does not:
 *   an act that only the log has   is announced to the judge, which then blames nobody for it; its outcome is left out
 *   an act that only the judge has succeeds at once; an agent that it took down is down until the judge starts it again,
 *                                  whatever the log tells of it meanwhile; one that it restarted lives on under another pid,
 *                                  and how large it is from then on nobody knows
 * Sums of what was not recorded one by one (FACT_REMEMBERED within a run) are another judge's: only the deaths are told.
 */
#include "govctl/whatif.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/field.h"
#include "govctl/samples.h"
#include "io/cleanup.h"
#include "judge/remember.h"

#define SAME_ACT_WITHIN USEC_PER_SEC
#define ACT_EXPLAINS (30 * USEC_PER_SEC) /* what happens to an agent so long after an act on it is the act's doing */
#define ACTS_MAX 256
#define TICKS_MAX 100000    /* between two records: a judge that wants more is broken */
#define OTHER_PID (1 << 30) /* no kernel gives pids so high */

/* An act of the judge's that has no outcome yet. */
struct act {
        bool open;
        bool shared; /* the log has it too, and will have its outcome */
        usec_t at;
        char agent[AGENT_ID_MAX];
        uint32_t instance;
        enum action action;
        enum purpose purpose;
        uint64_t trial;
        bool enforce;
};

/* An instance as the log has it. */
struct seen {
        char agent[AGENT_ID_MAX];
        uint32_t instance;
        pid_t pid; /* 0: it does not live */
        uint64_t start;
        usec_t began; /* that life; 0: not known */
        usec_t ended; /* the newest end that was told */
        usec_t cpu, cpu_at;
        enum claimed claimed;
        uint64_t restarts;
        bool other;       /* our judge restarted it: to it the pid is another one */
        bool held;        /* our judge took it down */
        usec_t announced; /* until then nothing is held against it, for an act that only the log has */
};

struct whatif {
        struct relive relive;
        bool began;
        bool goes_on; /* across the judge.start: what the judge of then knew is not what ours knows */
        void (*decided)(void *self, const struct decision *decision);
        void *self;
        struct act acts[ACTS_MAX];
        struct seen *seen;
        size_t seen_n;
        unsigned unseen; /* lives made up so far */
};

/* ---- acts --------------------------------------------------------------------------------------------------------------- */

static void on_decided(void *self, const struct decision *decision)
{
        struct whatif *whatif = self;

        whatif->decided(whatif->self, decision);
        if (decision->kind != DECIDE_ACT)
                return;
        for (unsigned i = 0; i < ACTS_MAX; i++) {
                struct act *act = &whatif->acts[i];

                if (act->open)
                        continue;
                *act = (struct act){
                        .open = true,
                        .at = decision->at,
                        .instance = decision->instance,
                        .action = decision->action,
                        .purpose = decision->purpose,
                        .trial = decision->trial,
                        .enforce = decision->enforce,
                };
                text_copy(act->agent, sizeof act->agent, decision->agent);
                return;
        }
}

static struct fact fact_about(enum fact_kind kind, usec_t at, const char *agent, uint32_t instance)
{
        return (struct fact){
                .kind = kind, .at = at, .manager = agent_manager(agent), .agent = agent, .instance = instance
        };
}

static void tell_outcome(struct whatif *whatif, const struct act *act)
{
        struct fact fact = fact_about(FACT_OUTCOME, act->at, act->agent, act->instance);

        fact.outcome.action = act->action;
        fact.outcome.purpose = act->purpose;
        fact.outcome.outcome = act->enforce ? OUTCOME_OK : OUTCOME_DRY;
        fact.outcome.trial = act->trial;
        fact.outcome.text = "";
        relive_take(&whatif->relive, &fact);
}

static void tell_ended(struct whatif *whatif, const struct seen *seen, usec_t at)
{
        struct fact fact = fact_about(FACT_ENDED, at, seen->agent, seen->instance);

        if (seen->pid == 0)
                return;
        fact.ended.pid = seen->pid + (seen->other ? OTHER_PID : 0);
        fact.ended.start = seen->start;
        fact.ended.ending = ENDING_MANUAL;
        relive_take(&whatif->relive, &fact);
}

static void tell_started(struct whatif *whatif, const struct seen *seen, usec_t at)
{
        struct fact fact = fact_about(FACT_STARTED, at, seen->agent, seen->instance);

        if (seen->pid == 0)
                return;
        fact.started.pid = seen->pid + (seen->other ? OTHER_PID : 0);
        fact.started.start = seen->start;
        fact.started.since = at;
        fact.started.ordered = true;
        relive_take(&whatif->relive, &fact);
}

static void tell_claimed(struct whatif *whatif, const struct seen *seen, usec_t at, enum claimed claimed)
{
        struct fact fact = fact_about(FACT_AGENT, at, seen->agent, seen->instance);
        bool lives = claimed != CLAIMED_STOPPED && seen->pid > 0;

        fact.agent_is.claimed = claimed;
        fact.agent_is.word = claimed_name(claimed);
        fact.agent_is.pid = lives ? seen->pid + (seen->other ? OTHER_PID : 0) : 0;
        fact.agent_is.restarts = seen->restarts;
        fact.agent_is.result = "";
        relive_take(&whatif->relive, &fact);
}

static void act_on(struct whatif *whatif, const struct act *act, struct seen *seen)
{
        bool down = act->action == ACTION_STOP;

        if (act->action != ACTION_START && !seen->held)
                tell_ended(whatif, seen, act->at);
        if ((act->action == ACTION_RESTART || act->action == ACTION_ROLLBACK) && !seen->held)
                seen->other = !seen->other;
        seen->held = down;
        if (!down)
                tell_started(whatif, seen, act->at);
        tell_claimed(whatif, seen, act->at, down ? CLAIMED_STOPPED : seen->claimed);
}

/* An act that only the judge has. */
static void carry_out(struct whatif *whatif, struct act *act)
{
        const struct act done = *act; /* what is told may lead to the next one, in its place */

        act->open = false;
        for (size_t i = 0; i < whatif->seen_n && done.enforce && !action_is_of_limits(done.action); i++)
                if (strcmp(whatif->seen[i].agent, done.agent) == 0 &&
                    (done.instance == INSTANCE_ALL || done.instance == whatif->seen[i].instance))
                        act_on(whatif, &done, &whatif->seen[i]);
        tell_outcome(whatif, &done);
}

/* The log has told all that was decided so far: what it did not tell of, it does not have. */
static void settle(struct whatif *whatif, usec_t until)
{
        for (unsigned i = 0; i < ACTS_MAX; i++) {
                struct act *act = &whatif->acts[i];

                if (act->open && !act->shared && act->at < until)
                        carry_out(whatif, act);
        }
}

/* The log tells of nothing before `until`: what the judge does meanwhile is its alone. */
static void advance(struct whatif *whatif, usec_t until)
{
        struct judge *judge = whatif->relive.judge;

        settle(whatif, until);
        for (unsigned i = 0; i < TICKS_MAX && judge_deadline(judge) < until; i++) {
                relive_tick_until(&whatif->relive, judge_deadline(judge) + 1);
                settle(whatif, until);
        }
}

static bool is_act(const struct act *act, const char *agent, enum action action, enum purpose purpose)
{
        return act->open && act->action == action && act->purpose == purpose && strcmp(act->agent, agent) == 0;
}

/* ---- facts -------------------------------------------------------------------------------------------------------------- */

static struct seen *seen_of(struct whatif *whatif, const struct fact *fact)
{
        struct seen *grown;

        for (size_t i = 0; i < whatif->seen_n; i++)
                if (whatif->seen[i].instance == fact->instance && strcmp(whatif->seen[i].agent, fact->agent) == 0)
                        return &whatif->seen[i];
        grown = reallocarray(whatif->seen, whatif->seen_n + 1, sizeof *grown);
        if (!grown)
                return NULL;
        whatif->seen = grown;
        grown[whatif->seen_n] = (struct seen){ .instance = fact->instance, .claimed = CLAIMED_RUNNING };
        text_copy(grown[whatif->seen_n].agent, sizeof grown->agent, fact->agent);
        return &grown[whatif->seen_n++];
}

static bool is_about_life(const struct fact *fact)
{
        return fact->kind == FACT_AGENT || fact->kind == FACT_STARTED || fact->kind == FACT_ENDED ||
               fact->kind == FACT_DIED || fact->kind == FACT_SAMPLE || fact->kind == FACT_WEIGHT;
}

static void follow(struct seen *seen, const struct fact *fact)
{
        if (fact->kind == FACT_STARTED) {
                if (seen->pid != fact->started.pid)
                        seen->other = false;
                if (seen->pid != fact->started.pid || seen->start != fact->started.start)
                        seen->began = fact->started.since > 0 ? fact->started.since : fact->at;
                seen->pid = fact->started.pid;
                seen->start = fact->started.start;
        } else if (fact->kind == FACT_ENDED || fact->kind == FACT_DIED) {
                seen->ended = fact->at > seen->ended ? fact->at : seen->ended;
                if (fact->ended.pid == seen->pid)
                        seen->pid = 0;
        } else if (fact->kind == FACT_AGENT) {
                seen->claimed = fact->agent_is.claimed;
                seen->restarts = fact->agent_is.restarts;
        }
}

/* The pid that our judge knows a life by. */
static void rename_pid(pid_t *pid, const struct seen *before)
{
        if (before->other && *pid > 0 && *pid == before->pid)
                *pid += OTHER_PID;
}

static struct fact renamed(const struct fact *fact, const struct seen *before)
{
        struct fact other = *fact;

        switch (fact->kind) {
        case FACT_AGENT: rename_pid(&other.agent_is.pid, before); break;
        case FACT_STARTED: rename_pid(&other.started.pid, before); break;
        case FACT_ENDED:
        case FACT_DIED: rename_pid(&other.ended.pid, before); break;
        case FACT_SAMPLE: rename_pid(&other.sample.pid, before); break;
        case FACT_WEIGHT: rename_pid(&other.weight.pid, before); break;
        case FACT_OOM: rename_pid(&other.oom.pid, before); break;
        default: break;
        }
        return other;
}

static void take_life(struct whatif *whatif, const struct fact *fact)
{
        struct seen *seen = seen_of(whatif, fact);
        struct seen before;
        struct fact other;

        if (!seen)
                return;
        before = *seen;
        follow(seen, fact);
        if (seen->held)
                return;
        other = renamed(fact, &before);
        relive_take(&whatif->relive, &other);
}

/* Of an agent that our judge holds down there is nobody to be killed. */
static void take_kill(struct whatif *whatif, const struct fact *fact)
{
        struct seen *seen = fact->instance == INSTANCE_ALL ? NULL : seen_of(whatif, fact);
        struct fact other = *fact;

        if (seen && seen->held)
                return;
        if (seen)
                other = renamed(fact, seen);
        relive_take(&whatif->relive, &other);
}

/* The outcome of an act that our judge did not order tells it nothing. */
static void take_outcome(struct whatif *whatif, const struct fact *fact)
{
        for (unsigned i = 0; i < ACTS_MAX; i++) {
                struct act *act = &whatif->acts[i];

                if (!act->shared || !is_act(act, fact->agent, fact->outcome.action, fact->outcome.purpose))
                        continue;
                act->open = false;
                relive_take(&whatif->relive, fact);
                return;
        }
}

/* What adds up to a finding, or did: of a life that our judge has, too. */
static void take_sizes(struct whatif *whatif, const struct fact *fact)
{
        const struct seen *seen = seen_of(whatif, fact);

        if (seen && !seen->other && !seen->held)
                relive_take(&whatif->relive, fact);
}

static void take_memory(struct whatif *whatif, const struct fact *fact)
{
        struct seen *seen =
                fact->kind == FACT_REMEMBERED && remember_is_of_instance(fact) ? seen_of(whatif, fact) : NULL;

        if (seen) {
                seen->pid = fact->remembered->pid;
                seen->start = fact->remembered->start;
                seen->began = fact->remembered->started_at;
                seen->restarts = fact->remembered->restarts;
        }
        if (!whatif->goes_on)
                relive_remember(&whatif->relive, fact);
        else if (fact->kind == FACT_BASELINE)
                take_sizes(whatif, fact);
}

static void tell_death(struct whatif *whatif, struct seen *seen, usec_t at)
{
        struct fact fact = fact_about(FACT_ENDED, at, seen->agent, seen->instance);

        if (seen->pid == 0) {
                struct fact began = fact_about(FACT_STARTED, at, seen->agent, seen->instance);

                began.started.pid = OTHER_PID / 2 + (pid_t)(whatif->unseen++ % (OTHER_PID / 4));
                began.started.start = at / (USEC_PER_SEC / 100);
                began.started.since = at;
                take_life(whatif, &began);
        }
        fact.ended.pid = seen->pid;
        fact.ended.start = seen->start;
        fact.ended.ending = ENDING_UNKNOWN;
        take_life(whatif, &fact);
}

/* A loop that went on for ever, in sum: its deaths since the last that was told, and the life that runs now. */
static void take_deaths(struct whatif *whatif, const struct fact *fact)
{
        const struct remembered *remembered = fact->remembered;
        struct seen *seen = *fact->agent ? seen_of(whatif, fact) : NULL;
        struct fact began = fact_about(FACT_STARTED, fact->at, fact->agent, fact->instance);

        for (uint32_t n = 0; seen && n < remembered->deaths_n && n < FACT_DEATHS_MAX; n++)
                if (remembered->deaths[n] > seen->ended)
                        tell_death(whatif, seen, remembered->deaths[n]);
        if (!seen || remembered->pid <= 0 || remembered->pid == seen->pid)
                return;
        began.started.pid = remembered->pid;
        began.started.start = remembered->start;
        began.started.since = remembered->started_at;
        take_life(whatif, &began);
}

void whatif_fact(struct whatif *whatif, const struct fact *fact, bool memory)
{
        if (!whatif->began)
                return;
        if (memory) {
                take_memory(whatif, fact);
                return;
        }
        advance(whatif, fact->at);
        if (fact->kind == FACT_OUTCOME)
                take_outcome(whatif, fact);
        else if (fact->kind == FACT_REMEMBERED)
                take_deaths(whatif, fact);
        else if (fact->kind == FACT_BASELINE && *fact->agent)
                take_sizes(whatif, fact);
        else if (is_about_life(fact) && *fact->agent)
                take_life(whatif, fact);
        else if (fact->kind == FACT_OOM && fact->oom.what == OOM_KILLED && *fact->agent)
                take_kill(whatif, fact);
        else
                relive_take(&whatif->relive, fact);
}

void whatif_decision(struct whatif *whatif, usec_t at, const json_t *record)
{
        const char *verb = field_text(record, "action"), *agent = field_text(record, "subject");
        const char *purpose = field_text(record, "details.purpose");
        enum action action = action_from_verb(verb);
        struct fact fact = fact_about(FACT_PLANNED, at, agent, INSTANCE_ALL);

        if (!whatif->began || action == ACTION_NONE || field_given(record, "details.withheld"))
                return;
        relive_tick_until(&whatif->relive, at + 1);
        for (unsigned i = 0; i < ACTS_MAX; i++) {
                struct act *act = &whatif->acts[i];
                usec_t apart = act->at > at ? act->at - at : at - act->at;

                if (act->shared || !is_act(act, agent, action, purpose_from_name(purpose)) || apart > SAME_ACT_WITHIN ||
                    act->enforce != field_true(record, "details.enforce"))
                        continue;
                act->shared = true;
                return;
        }
        if (!field_true(record, "details.enforce") || action_is_of_limits(action))
                return;
        fact.planned.ending = ENDING_MANAGER;
        fact.planned.until = at + ACT_EXPLAINS;
        for (size_t i = 0; i < whatif->seen_n; i++)
                if (strcmp(whatif->seen[i].agent, agent) == 0)
                        whatif->seen[i].announced = at + 2 * ACT_EXPLAINS;
        fact.planned.by = "the policy of then";
        relive_take(&whatif->relive, &fact);
}

bool whatif_announced(const struct whatif *whatif, const char *agent, usec_t at)
{
        for (size_t i = 0; i < whatif->seen_n; i++)
                if (strcmp(whatif->seen[i].agent, agent) == 0 && at <= whatif->seen[i].announced)
                        return true;
        return false;
}

static struct seen *the_one(struct whatif *whatif, const char *agent, enum whatif_sample *ret_why)
{
        struct seen *found = NULL;

        *ret_why = WHATIF_NOBODYS;
        for (size_t i = 0; i < whatif->seen_n; i++) {
                struct seen *seen = &whatif->seen[i];

                if (seen->pid == 0 || strcmp(seen->agent, agent) != 0)
                        continue;
                if (found) {
                        *ret_why = WHATIF_SUM;
                        return NULL;
                }
                found = seen;
        }
        return found;
}

enum whatif_sample whatif_sample(struct whatif *whatif, const struct sampled *sampled, enum memory_of of)
{
        enum whatif_sample why;
        struct seen *seen = the_one(whatif, sampled->agent, &why);
        struct fact fact;

        if (!seen || seen->other || seen->held)
                return why;
        if (seen->began > sampled->since)
                return WHATIF_MIXED;
        advance(whatif, sampled->at);
        if (seen->other || seen->held) /* since now */
                return WHATIF_NOBODYS;
        seen->cpu += usec_since(sampled->at, seen->cpu_at) / 1000 * sampled->cpu_permille;
        seen->cpu_at = sampled->at;
        fact = fact_about(FACT_SAMPLE, sampled->at, seen->agent, seen->instance);
        fact.sample.pid = seen->pid;
        fact.sample.start = seen->start;
        fact.sample.memory_bytes = sampled->bytes;
        fact.sample.of = of;
        fact.sample.cpu = seen->cpu;
        relive_take(&whatif->relive, &fact);
        return WHATIF_TAKEN;
}

const struct policy *whatif_policy(const struct whatif *whatif)
{
        return whatif->relive.policy;
}

void whatif_load(struct whatif *whatif, usec_t at, struct policy *policy)
{
        advance(whatif, at);
        relive_reload(&whatif->relive, at, policy);
}

int whatif_start(struct whatif *whatif, const struct relive_start *start, struct policy *policy, bool loaded)
{
        if (!whatif->began) {
                whatif->began = true;
                return relive_begin(&whatif->relive, start, policy);
        }
        advance(whatif, start->at);
        if (!start->again)
                judge_resume(whatif->relive.judge, start->at);
        if (loaded)
                whatif_load(whatif, start->at, policy);
        whatif->goes_on = true;
        return 0;
}

void whatif_end(struct whatif *whatif, usec_t at)
{
        if (whatif->began)
                advance(whatif, at + 1);
}

int whatif_new(void (*decided)(void *self, const struct decision *decision), void *self, struct whatif **ret)
{
        struct whatif *whatif = calloc(1, sizeof *whatif);

        if (!whatif)
                return -ENOMEM;
        whatif->decided = decided;
        whatif->self = self;
        whatif->relive.decided = on_decided;
        whatif->relive.self = whatif;
        whatif->relive.remembers = true;
        *ret = whatif;
        return 0;
}

struct whatif *whatif_free(struct whatif *whatif)
{
        if (!whatif)
                return NULL;
        relive_done(&whatif->relive);
        free(whatif->seen);
        free(whatif);
        return NULL;
}
