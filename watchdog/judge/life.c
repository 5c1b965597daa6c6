#include "judge/life.h"

#include <string.h>

#include "base/text.h"
#include "judge/blame.h"
#include "judge/brake.h"
#include "judge/change.h"
#include "judge/depend.h"
#include "judge/due.h"
#include "judge/healer.h"
#include "judge/shortage.h"
#include "judge/source.h"
#include "judge/start.h"
#include "judge/table.h"
#include "judge/trial.h"

#define STALE_SLACK (100 * USEC_PER_MSEC) /* start times are in ticks of 10 ms and may be rounded */
#define ECHO_WAIT (15 * USEC_PER_SEC)     /* a unit notices that its PM2 app died and starts it again */
#define LISTED_EVERY USEC_PER_MINUTE      /* managers are listed so often */
#define CATCH_UP_MAX 63                   /* deaths that only a counter saw, at most counted at once */

bool life_is_ours(const struct agent *agent, usec_t at)
{
        return agent->busy != NOBODY || (agent->acted_at > 0 && usec_since(at, agent->acted_at) <= OWN_WAIT);
}

static bool same(const struct life *life, pid_t pid, uint64_t start)
{
        return life->state != LIFE_NONE && life->pid == pid && (life->start == start || start == 0 || life->start == 0);
}

static struct life *find_life(struct instance *instance, pid_t pid, uint64_t start)
{
        struct life *newest = life_of(instance);

        if (pid <= 0) /* a fast loop's process can be gone before its manager knew its pid */
                return newest->state == LIFE_ALIVE || (newest->state == LIFE_DYING && !newest->told) ? newest : NULL;
        for (uint32_t n = 0; n < LIVES_MAX; n++) {
                struct life *life = &instance->lives[(instance->life + LIVES_MAX - n) % LIVES_MAX];

                if (same(life, pid, start))
                        return life;
        }
        return NULL;
}

/* The unit that starts this app again is not a human. */
static bool is_echo_of_unit(const struct judge *judge, const struct agent *agent, const struct instance *instance,
                            usec_t at)
{
        return agent->unit != NOBODY && instance->last_death > 0 && usec_since(at, instance->last_death) <= ECHO_WAIT;
}

static enum ending planned_now(const struct judge *judge, const struct agent *agent, usec_t at)
{
        if (agent->planned_until >= at && agent->planned_until > 0)
                return agent->planned;
        if (judge->planned_until >= at && judge->planned_until > 0)
                return judge->planned;
        if (change_covers_agent(judge, agent, at))
                return ENDING_MANUAL;
        return ENDING_UNKNOWN;
}

/* A stop that we ordered ends the process by these. */
static bool is_by_order(enum ending ending, int signal)
{
        return ending == ENDING_MANUAL || ending == ENDING_UNKNOWN || ending == ENDING_TIMEOUT ||
               (ending == ENDING_SIGNAL && (signal == 15 || signal == 9 || signal == 2));
}

/* Whose will it was. Ordered from the nearest to the farthest: ours, its base's, an announced period's, a human's. */
static enum ending attribute(struct judge *judge, struct agent *agent, const struct instance *instance,
                             enum ending ending, int signal, usec_t at, uint32_t *ret_base)
{
        enum ending planned = planned_now(judge, agent, at);

        *ret_base = NOBODY;
        if (ending == ENDING_MANUAL && life_is_ours(agent, at))
                return ENDING_GOVERNOR;
        if (agent->busy == (uint32_t)(instance - judge->instances) && is_by_order(ending, signal))
                return ENDING_GOVERNOR;
        if (ending == ENDING_MANUAL || ending == ENDING_DEPENDENCY) {
                /* a slow stop began when its manager said so */
                bool stopping = instance->claimed == CLAIMED_STOPPING && instance->claimed_at < at;

                *ret_base = depend_dragged_by(judge, agent, stopping ? instance->claimed_at : at);
                if (*ret_base != NOBODY)
                        return ENDING_DEPENDENCY;
        }
        if (planned != ENDING_UNKNOWN && (ending_is_death(ending) || ending == ENDING_MANUAL))
                return planned;
        if (ending_is_death(ending) && source_is_blind(judge, agent))
                return ENDING_MANAGER;
        return ending;
}

static void count_death(struct judge *judge, struct agent *agent, struct instance *instance, usec_t at)
{
        tally_add(&instance->tally, at);
        instance->last_death = at;
        if (instance->incident != NOBODY)
                judge->incidents[instance->incident].count++;
        trial_agent_died(judge, agent, instance, at);
        brake_note(judge, agent, at);
}

/* What it last died of, as far as anybody knows: an order of ours, or an end that nobody explained, does not hide it. */
static void note_ending(struct instance *instance, struct life *life, enum ending ending, int code, int signal)
{
        bool known = instance->last_ending != ENDING_UNKNOWN;

        life->ending = ending;
        life->code = code;
        life->signal = signal;
        if (!ending_is_death(ending) || (ending == ENDING_UNKNOWN && known))
                return;
        instance->last_ending = ending;
        instance->last_code = code;
        instance->last_signal = signal;
}

/* A manager sees a SIGKILL, or a process that is gone, and cannot tell whose it was. */
static bool may_be_oom(enum ending ending, int signal)
{
        return (ending == ENDING_SIGNAL && signal == 9) || ending == ENDING_UNKNOWN;
}

static enum ending ending_known(const struct judge *judge, const struct agent *agent, const struct life *life,
                                enum ending ending, int signal)
{
        return may_be_oom(ending, signal) && shortage_took(judge, agent, life) ? ENDING_OOM : ending;
}

/* What follows from the end of a life, once it is known why. */
static void conclude(struct judge *judge, struct agent *agent, struct instance *instance, struct life *life,
                     enum ending ending, int code, int signal)
{
        uint32_t base;

        ending = ending_known(judge, agent, life, ending, signal);
        ending = attribute(judge, agent, instance, ending, signal, life->ended, &base);
        note_ending(instance, life, ending, code, signal);
        blame_lived(agent, life->began, usec_since(life->ended, life->began));
        matters(judge, instance);
        if (ending == ENDING_OOM && !instance->thin)
                shortage_said(judge, agent, life->ended);
        if (ending != ENDING_MANAGER)
                instance->restarts_seen++; /* the manager counts a restart for it, now or soon, or never */
        healer_forget(judge, agent, instance, usec_since(life->ended, life->began));
        if (ending_is_death(ending)) {
                life->state = LIFE_COUNTED;
                count_death(judge, agent, instance, life->ended);
                if (life == life_of(instance))
                        healer_event(judge, instance, INPUT_DEATH);
        } else {
                life->state = LIFE_PLANNED;
                if (ending == ENDING_DEPENDENCY) {
                        instance->dragged_at = life->ended;
                        instance->dragged_by = base;
                }
                /* what was announced is over with its window, and needs no pause after it */
                if (ending == ENDING_MANUAL && !is_echo_of_unit(judge, agent, instance, life->ended) &&
                    !start_was_announced(judge, agent, life->ended))
                        agent->human_at = life->ended;
        }
        due_sooner(judge, instance, judge->now);
}

/* Judged later, when the manager has had time to tell the cause. */
static void leave_dying(struct judge *judge, struct instance *instance, struct life *life, usec_t at)
{
        life->state = LIFE_DYING;
        life->ended = at;
        due_sooner(judge, instance, at + MERGE_WAIT);
}

static struct life *new_life(struct judge *judge, struct agent *agent, struct instance *instance)
{
        struct life *life;

        instance->life = (instance->life + 1) % LIVES_MAX;
        life = life_of(instance);
        if (life->state == LIFE_DYING && life->began > 0) /* many short lives: its cause will not come any more */
                conclude(judge, agent, instance, life, ENDING_UNKNOWN, 0, 0);
        *life = (struct life){ .state = LIFE_NONE };
        return life;
}

/* The life that runs as far as we know has been replaced. */
static void replaced(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact)
{
        struct life *life = life_of(instance);

        if (life->state != LIFE_ALIVE)
                return;
        leave_dying(judge, instance, life, fact->at);
        if (fact->started.ordered)
                conclude(judge, agent, instance, life, ENDING_MANUAL, 0, 0);
        else if (life->unseen || source_was_blind(judge, agent, life->began, fact->at))
                /* how it ended nobody saw: only the manager's counter can say that it was a death */
                conclude(judge, agent, instance, life, ENDING_MANAGER, 0, 0);
}

static bool is_late(const struct instance *instance, const struct fact *fact, usec_t began)
{
        const struct life *life = life_seen(instance);

        return life->state != LIFE_NONE && began + STALE_SLACK < life->began && fact->started.start < life->start;
}

/* Somebody began this life: now, or while we were away. */
static void note_order(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact,
                       usec_t began)
{
        bool unseen = fact->started.by_hand && judge->left > 0 && began > judge->left && began <= judge->started;
        usec_t at = unseen ? began : fact->at;

        if ((!fact->started.ordered && !unseen) || life_is_ours(agent, at) ||
            planned_now(judge, agent, at) != ENDING_UNKNOWN || is_echo_of_unit(judge, agent, instance, at) ||
            depend_brought_up(judge, agent, at))
                return;
        if (at > agent->human_at && !start_was_announced(judge, agent, at))
                agent->human_at = at;
        start_note(judge, instance, at, unseen);
}

void life_started(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact)
{
        usec_t began = fact->started.since > 0 && fact->started.since < fact->at ? fact->started.since : fact->at;
        struct life *life = find_life(instance, fact->started.pid, fact->started.start);
        bool known_dead = life && life->state == LIFE_DYING && life->began == 0;
        bool first;

        if (fact->started.pid <= 0)
                return;
        if (known_dead) {
                /* its end was told before its beginning */
                life->began = began < life->ended ? began : life->ended;
                life->start = fact->started.start;
                matters(judge, instance);
                due_sooner(judge, instance, life->ended + MERGE_WAIT);
                return;
        }
        if (life && life->guessed && life == life_of(instance)) { /* lists came in another order than they were made */
                if (life->state == LIFE_COUNTED)
                        tally_retract(&instance->tally);
                life->state = LIFE_ALIVE;
                life->guessed = false;
                matters(judge, instance);
                due_sooner(judge, instance, judge->now);
                return;
        }
        if (life && life->unseen) { /* it outlived our absence */
                life->unseen = false;
                matters(judge, instance);
                depend_tie(judge, agent, instance);
                due_sooner(judge, instance, judge->now);
        }
        if (life || is_late(instance, fact, began))
                return;
        replaced(judge, agent, instance, fact);
        first = life_of(instance)->state == LIFE_NONE;
        life = new_life(judge, agent, instance);
        *life = (struct life){
                .state = LIFE_ALIVE, .pid = fact->started.pid, .start = fact->started.start, .began = began
        };
        if (agent->gone)
                judge->shown_stale = true;
        instance->gone = agent->gone = false;
        if (!first) /* who starts something new does not act on anything yet */
                note_order(judge, agent, instance, fact, began);
        depend_tie(judge, agent, instance);
        matters(judge, instance);
        due_sooner(judge, instance, judge->now);
}

/* An end of which the beginning was never told. */
static void ended_unseen(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact)
{
        struct life *newest = life_of(instance), *life;
        bool older = newest->state == LIFE_ALIVE;

        if (fact->ended.pid <= 0 && fact->kind == FACT_DIED)
                return;
        if (older) {
                /* keep the living one the newest */
                struct life living = *newest;
                life = newest;
                instance->life = (instance->life + 1) % LIVES_MAX;
                if (life_of(instance)->state == LIFE_DYING && life_of(instance)->began > 0)
                        conclude(judge, agent, instance, life_of(instance), ENDING_UNKNOWN, 0, 0);
                *life_of(instance) = living;
        } else {
                life = new_life(judge, agent, instance);
        }
        *life = (struct life){ .pid = fact->ended.pid, .start = fact->ended.start, .ended = fact->at };
        if (fact->kind == FACT_DIED) {
                life->state = LIFE_DYING; /* told by the manager, or by a beginning that comes late, or not at all */
                matters(judge, instance);
                return;
        }
        life->began = fact->at;
        life->told = true;
        conclude(judge, agent, instance, life, fact->ended.ending, fact->ended.code, fact->ended.signal);
}

/* What we held for a death was wanted after all. */
static void take_back(struct judge *judge, struct agent *agent, struct instance *instance, struct life *life,
                      const struct fact *fact)
{
        uint32_t base;
        enum ending ending = ending_known(judge, agent, life, fact->ended.ending, fact->ended.signal);

        ending = attribute(judge, agent, instance, ending, fact->ended.signal, life->ended, &base);
        life->told = true;
        note_ending(instance, life, ending, fact->ended.code, fact->ended.signal);
        matters(judge, instance);
        if (ending_is_death(ending))
                return;
        life->state = LIFE_PLANNED;
        tally_retract(&instance->tally);
        if (ending == ENDING_DEPENDENCY) {
                instance->dragged_at = life->ended;
                instance->dragged_by = base;
        } else if (ending == ENDING_MANUAL && !start_was_announced(judge, agent, life->ended)) {
                agent->human_at = life->ended;
        }
        due_sooner(judge, instance, judge->now);
}

void life_ended(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact)
{
        struct life *life = find_life(instance, fact->ended.pid, fact->ended.start);
        bool kernel = fact->kind == FACT_DIED;

        if (!life) {
                ended_unseen(judge, agent, instance, fact);
                return;
        }
        switch (life->state) {
        case LIFE_ALIVE:
                life->ended = fact->at;
                depend_went_down(judge, agent, fact->at);
                if (kernel) { /* it knows the signal, but not whether somebody ordered it */
                        leave_dying(judge, instance, life, fact->at);
                        life->ending = fact->ended.ending;
                        life->code = fact->ended.code;
                        life->signal = fact->ended.signal;
                        matters(judge, instance);
                        return;
                }
                life->told = true;
                conclude(judge, agent, instance, life, fact->ended.ending, fact->ended.code, fact->ended.signal);
                return;
        case LIFE_DYING:
                if (kernel)
                        return;
                life->told = true;
                if (life->began == 0)
                        life->began = life->ended;
                if (fact->ended.ending == ENDING_UNKNOWN)
                        conclude(judge, agent, instance, life, life->ending, life->code, life->signal);
                else
                        conclude(judge, agent, instance, life, fact->ended.ending, fact->ended.code,
                                 fact->ended.signal);
                return;
        case LIFE_COUNTED:
                if (!kernel && !life->told)
                        take_back(judge, agent, instance, life, fact);
                return;
        default: return;
        }
}

void life_killed_for_memory(struct judge *judge, struct instance *instance, pid_t pid)
{
        for (uint32_t n = 0; pid > 0 && n < LIVES_MAX; n++) {
                struct life *life = &instance->lives[n];

                if (life->pid != pid || life->state != LIFE_COUNTED || !may_be_oom(life->ending, life->signal))
                        continue;
                life->ending = ENDING_OOM;
                if (life->ended == instance->last_death)
                        instance->last_ending = ENDING_OOM;
                matters(judge, instance);
        }
}

/* The counter tells of restarts that nobody saw: either told late, or lost. */
static void check_counter(struct judge *judge, struct instance *instance, uint64_t restarts)
{
        uint64_t was = instance->restarts, seen = instance->restarts_seen;
        usec_t missing_at = instance->missing_at;
        bool again = instance->restarts_before > was && restarts >= instance->restarts_before;

        if (again) /* an old list came late: the counter was never reset */
                instance->restarts = instance->restarts_before;
        if (!instance->counted || restarts < instance->restarts) {
                instance->restarts_before = instance->counted ? instance->restarts : 0;
                instance->restarts_seen = 0;
                instance->missing_at = 0;
                due_sooner(judge, instance, judge->now);
        } else if (restarts - instance->restarts > instance->restarts_seen) {
                if (instance->missing_at == 0)
                        instance->missing_at = judge->now;
                instance->restarts_listed = restarts;
                matters(judge, instance);
                return; /* the counter moves on when it is settled */
        } else {
                if (again || restarts > instance->restarts)
                        instance->restarts_before = 0;
                instance->restarts_seen -= restarts - instance->restarts;
                if (is_alive(instance) && usec_since(judge->now, life_of(instance)->began) > OWN_WAIT)
                        instance->restarts_seen = 0; /* ends that no counter counts: somebody stopped and started it */
                instance->missing_at = 0;
        }
        instance->restarts = restarts;
        if (!instance->counted || restarts != was || seen != instance->restarts_seen ||
            missing_at != instance->missing_at)
                matters(judge, instance);
        instance->counted = true;
}

void life_unlisted(struct instance *instance)
{
        instance->claimed = CLAIMED_UNKNOWN;
        instance->claimed_at = 0;
        instance->listed_pid = 0;
        instance->word[0] = '\0';
}

/* Its manager's words stand in reasons. True when they are others. */
static bool take_words(struct instance *instance, const struct fact *fact)
{
        char word[AGENT_WORD_MAX], result[RESULT_MAX];
        bool changed;

        text_copy_safe(word, sizeof(word), fact->agent_is.word ? fact->agent_is.word : instance->word);
        text_copy_safe(result, sizeof(result), fact->agent_is.result ? fact->agent_is.result : instance->result);
        changed = strcmp(word, instance->word) != 0 || strcmp(result, instance->result) != 0;
        memcpy(instance->word, word, sizeof(word));
        memcpy(instance->result, result, sizeof(result));
        return changed;
}

void life_listed(struct judge *judge, struct agent *agent, struct instance *instance, const struct fact *fact)
{
        enum claimed claimed = fact->agent_is.claimed;
        bool changed = claimed != instance->claimed || fact->agent_is.pid != instance->listed_pid;

        if (changed) {
                if (claimed != instance->claimed || (fact->agent_is.pid == 0) != (instance->listed_pid == 0))
                        instance->claimed_at = fact->at;
                instance->claimed = claimed;
                instance->listed_pid = fact->agent_is.pid;
        }
        if (take_words(instance, fact))
                matters(judge, instance);
        if (claimed == CLAIMED_GONE) {
                instance->gone = true;
        } else {
                instance->gone = agent->gone = false;
                check_counter(judge, instance, fact->agent_is.restarts);
        }
        if (changed || instance->missing_at > 0) {
                matters(judge, instance);
                judge->shown_stale = true;
                due_sooner(judge, instance, judge->now);
        }
}

/* What only the counter saw happened since the last list, or since we or its manager were away. */
static usec_t unseen_from(const struct judge *judge, const struct agent *agent)
{
        usec_t from = usec_since(judge->now, LISTED_EVERY), blind = source_last_blind(judge, agent, from);

        if (blind > 0 && blind < from)
                from = blind;
        if (judge->left > 0 && judge->started >= usec_since(judge->now, LISTED_EVERY) && judge->left < from)
                from = judge->left;
        return from;
}

/* Deaths that only the counter saw are spread over the time since it was last looked at. */
static void settle_counter(struct judge *judge, struct agent *agent, struct instance *instance)
{
        usec_t from = unseen_from(judge, agent), step;
        uint64_t grown, missing;

        if (instance->missing_at == 0 || usec_since(judge->now, instance->missing_at) < COUNTER_WAIT)
                return;
        grown = instance->restarts_listed - instance->restarts;
        missing = grown > instance->restarts_seen ? grown - instance->restarts_seen : 0;
        if (from < tally_death(&instance->tally, 0))
                from = tally_death(&instance->tally, 0);
        instance->missing_at = 0;
        instance->restarts_seen = 0;
        instance->restarts = instance->restarts_listed;
        instance->restarts_before = 0;
        if (missing == 0 || planned_now(judge, agent, judge->now) != ENDING_UNKNOWN || life_is_ours(agent, judge->now))
                return;
        if (missing > CATCH_UP_MAX)
                missing = CATCH_UP_MAX;
        step = usec_since(judge->now, from) / (missing + 1);
        for (uint64_t n = 1; n <= missing; n++)
                count_death(judge, agent, instance, from + n * step);
}

/* Its manager has had no process for it for a while: the end itself was never told. */
static bool lost_its_end(const struct judge *judge, const struct instance *instance)
{
        bool none = instance->claimed == CLAIMED_WAITING ||
                    ((instance->claimed == CLAIMED_STOPPED || instance->claimed == CLAIMED_FAILED || instance->gone) &&
                     instance->listed_pid == 0);

        return is_alive(instance) && none && usec_since(judge->now, instance->claimed_at) >= DEAD_WAIT &&
               instance->claimed_at >= life_seen(instance)->began;
}

void life_settle(struct judge *judge, struct agent *agent, struct instance *instance)
{
        if (lost_its_end(judge, instance)) {
                bool ordered = instance->claimed == CLAIMED_STOPPED || instance->gone;

                life_of(instance)->ended = instance->claimed_at;
                life_of(instance)->guessed = true;
                conclude(judge, agent, instance, life_of(instance), ordered ? ENDING_MANUAL : ENDING_UNKNOWN, 0, 0);
        }
        for (uint32_t n = LIVES_MAX; n-- > 0;) { /* oldest first */
                struct life *life = &instance->lives[(instance->life + LIVES_MAX - n) % LIVES_MAX];

                if (life->state != LIFE_DYING || usec_since(judge->now, life->ended) < MERGE_WAIT)
                        continue;
                if (life->began == 0)
                        life->state = LIFE_NONE; /* of a process that was never ours to count */
                else
                        conclude(judge, agent, instance, life, life->ending, life->code, life->signal);
        }
        settle_counter(judge, agent, instance);
}

usec_t life_due(const struct judge *judge, const struct instance *instance)
{
        usec_t due = instance->missing_at > 0 ? instance->missing_at + COUNTER_WAIT : USEC_INFINITY;

        for (uint32_t n = 0; n < LIVES_MAX; n++)
                if (instance->lives[n].state == LIFE_DYING && instance->lives[n].ended + MERGE_WAIT < due)
                        due = instance->lives[n].ended + MERGE_WAIT;
        if (is_alive(instance) && instance->claimed_at + DEAD_WAIT > judge->now &&
            instance->claimed_at + DEAD_WAIT < due)
                due = instance->claimed_at + DEAD_WAIT;
        return due;
}

void life_gone(struct judge *judge, struct agent *agent, struct instance *instance, enum ending ending)
{
        life_of(instance)->ended = judge->now;
        conclude(judge, agent, instance, life_of(instance), ending, 0, 0);
}

void life_manager_left(struct judge *judge, struct agent *agent)
{
        for (struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                for (uint32_t n = 0; n < LIVES_MAX; n++)
                        if (i->lives[n].state == LIFE_DYING && i->lives[n].began > 0)
                                conclude(judge, agent, i, &i->lives[n], ENDING_MANAGER, 0, 0);
}
