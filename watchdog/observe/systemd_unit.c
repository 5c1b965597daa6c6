#include "observe/systemd_unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define START_LIMIT_HIT "start-limit-hit"

static struct fact fact_of(const struct systemd_unit *unit, enum fact_kind kind, usec_t at)
{
        return (struct fact){ .kind = kind, .at = at, .manager = MANAGER_SYSTEMD, .agent = unit->agent };
}

static void tell(const struct systemd_world *world, const struct fact *fact)
{
        world->sink.take(world->sink.self, fact);
}

/* ---- what it claims ------------------------------------------------------------------------------------------------- */

struct word_row {
        const char *active, *sub; /* NULL: any */
        enum claimed claimed;
};

/* clang-format off */
static const struct word_row words[] = {
        { "active",       NULL,                  CLAIMED_RUNNING  },
        { "reloading",    NULL,                  CLAIMED_RUNNING  },
        { "refreshing",   NULL,                  CLAIMED_RUNNING  },
        { "activating",   "auto-restart",        CLAIMED_WAITING  },
        { "activating",   "auto-restart-queued", CLAIMED_WAITING  },
        { "activating",   NULL,                  CLAIMED_STARTING },
        { "deactivating", NULL,                  CLAIMED_STOPPING },
        { "inactive",     NULL,                  CLAIMED_STOPPED  },
        { "failed",       NULL,                  CLAIMED_FAILED   },
};
/* clang-format on */

static enum claimed claim_of(const struct systemd_unit *unit)
{
        if (unit->frozen && strcmp(unit->active, "active") == 0)
                return CLAIMED_FROZEN;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strcmp(unit->active, words[i].active) == 0 &&
                    (!words[i].sub || strcmp(unit->sub, words[i].sub) == 0))
                        return words[i].claimed;
        return CLAIMED_UNKNOWN;
}

static bool ordered_to_end(const struct systemd_unit *unit)
{
        return unit->job != 0 && unit->job_ends;
}

/* States that a restart passes through; told only when they last. A stop that nobody ordered is systemd tidying up. */
static bool may_be_transient(const struct systemd_unit *unit, enum claimed claimed)
{
        return claimed == CLAIMED_STOPPED || claimed == CLAIMED_FAILED || claimed == CLAIMED_UNKNOWN ||
               (claimed == CLAIMED_STOPPING && !ordered_to_end(unit));
}

/* systemd keeps the last cause when its start limit is hit and says so nowhere: it is "failed" straight out of the wait. */
static const char *result_of(const struct systemd_unit *unit, enum claimed claimed)
{
        if (claimed == CLAIMED_FAILED && unit->was_waiting && unit->start_limit_burst > 0 &&
            unit->restarts >= unit->start_limit_burst)
                return START_LIMIT_HIT;
        return strcmp(unit->result, "success") == 0 ? "" : unit->result;
}

static void tell_claim(struct systemd_unit *unit, enum claimed claimed, const char *word, bool first, usec_t at,
                       const struct systemd_world *world)
{
        struct fact fact = fact_of(unit, FACT_AGENT, at);

        unit->told.claimed = claimed;
        unit->told.restarts = unit->restarts;
        text_copy_safe(unit->told.word, sizeof(unit->told.word), word);
        text_copy_safe(unit->told.result, sizeof(unit->told.result), result_of(unit, claimed));
        unit->settle = 0;
        fact.agent_is.claimed = claimed;
        fact.agent_is.word = unit->told.word;
        fact.agent_is.pid = unit->main_pid;
        fact.agent_is.restarts = unit->restarts;
        fact.agent_is.result = unit->told.result;
        fact.agent_is.first = first;
        tell(world, &fact);
}

static void word_of(const struct systemd_unit *unit, char word[AGENT_WORD_MAX])
{
        snprintf(word, AGENT_WORD_MAX, "%s/%s", unit->active, unit->sub);
}

static void consider_claim(struct systemd_unit *unit, bool settled, usec_t at, const struct systemd_world *world)
{
        enum claimed claimed = claim_of(unit);
        char word[AGENT_WORD_MAX];
        bool same;

        word_of(unit, word);
        same = claimed == unit->told.claimed && strcmp(word, unit->told.word) == 0;
        if (same && unit->restarts == unit->told.restarts && strcmp(result_of(unit, claimed), unit->told.result) == 0)
                unit->settle = 0;
        else if (settled || (!same && !may_be_transient(unit, claimed)))
                tell_claim(unit, claimed, word, false, at, world);
        else if (unit->settle == 0)
                unit->settle =
                        usec_add(at, SYSTEMD_SETTLE); /* a counter alone travels with the state that follows it */
}

void systemd_unit_settle(struct systemd_unit *unit, usec_t at, const struct systemd_world *world)
{
        if (unit->settle != 0 && at >= unit->settle)
                consider_claim(unit, true, at, world);
}

/* ---- its lives ------------------------------------------------------------------------------------------------------ */

static enum ending ending_of(const struct systemd_unit *unit)
{
        static const struct {
                const char *result;
                enum ending ending;
        } results[] = {
                { "oom-kill", ENDING_OOM },
                { "watchdog", ENDING_WATCHDOG },
                { "timeout", ENDING_TIMEOUT },
        };

        for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
                if (strcmp(unit->result, results[i].result) == 0)
                        return results[i].ending;
        if (unit->exec_code == CLD_EXITED)
                return ENDING_EXIT;
        return unit->exec_code == CLD_KILLED || unit->exec_code == CLD_DUMPED ? ENDING_SIGNAL : ENDING_UNKNOWN;
}

static enum ending order_of(const struct systemd_world *world)
{
        return world->package_run && world->package_run(world->self) ? ENDING_PACKAGE : ENDING_MANUAL;
}

static void end_life(struct systemd_unit *unit, enum ending ending, bool seen, usec_t at,
                     const struct systemd_world *world)
{
        struct fact fact = fact_of(unit, FACT_ENDED, at);

        unit->life.open = false;
        fact.ended.pid = unit->life.pid;
        fact.ended.start = unit->life.start;
        fact.ended.ending = ending;
        if (seen && unit->exec_code == CLD_EXITED)
                fact.ended.code = unit->exec_status;
        else if (seen && unit->exec_code != 0)
                fact.ended.signal = unit->exec_status;
        tell(world, &fact);
}

/* systemd said how this life ended. An order counts when systemd was carrying it out, not when it came too late. */
static void end_seen(struct systemd_unit *unit, usec_t at, const struct systemd_world *world)
{
        bool carried_out = strcmp(unit->active, "deactivating") == 0 || strcmp(unit->result, "success") == 0;

        end_life(unit, ordered_to_end(unit) && carried_out ? order_of(world) : ending_of(unit), true, at, world);
}

/* A new life stands there and the end of the old one went by unseen. */
static void end_missed(struct systemd_unit *unit, uint32_t restarts_before, bool missed, usec_t at,
                       const struct systemd_world *world)
{
        enum ending ending;

        if (unit->restarts > restarts_before)
                ending = ENDING_UNKNOWN; /* systemd's own restart: it died */
        else if (missed || ordered_to_end(unit))
                ending = order_of(world); /* an order sets the counter back to 0 or leaves it */
        else
                ending = ENDING_RELOAD; /* the service itself handed over to another main process */
        end_life(unit, ending, false, at, world);
}

static void begin_life(struct systemd_unit *unit, pid_t pid, uint64_t started, bool first, usec_t at,
                       const struct systemd_world *world)
{
        struct fact fact = fact_of(unit, FACT_STARTED, at);
        usec_t since = at;

        unit->life.open = true;
        unit->life.pid = pid;
        unit->life.started = started;
        unit->life.start = 0;
        if (!world->began(world->self, pid, &unit->life.start, &since))
                unit->life.start = 0;
        fact.started.pid = pid;
        fact.started.start = unit->life.start;
        fact.started.since = first ? since : at;
        fact.started.ordered = !first && !unit->restarted;
        fact.started.by_hand = first && unit->restarts == 0; /* a restart of its own would have counted */
        unit->restarted = false;
        unit->was_waiting = false;
        tell(world, &fact);
}

/* ---- what is signalled ---------------------------------------------------------------------------------------------- */

static void take_words(struct systemd_unit *unit, const struct systemd_change *change)
{
        if (systemd_change_has(change, PROPERTY_ACTIVE_STATE))
                text_copy_safe(unit->active, sizeof(unit->active), change->active);
        if (systemd_change_has(change, PROPERTY_SUB_STATE))
                text_copy_safe(unit->sub, sizeof(unit->sub), change->sub);
        if (systemd_change_has(change, PROPERTY_RESULT))
                text_copy_safe(unit->result, sizeof(unit->result), change->result);
        if (systemd_change_has(change, PROPERTY_FREEZER_STATE))
                unit->frozen = strcmp(change->freezer, "frozen") == 0;
}

static void take_numbers(struct systemd_unit *unit, const struct systemd_change *change)
{
        if (systemd_change_has(change, PROPERTY_MAIN_PID))
                unit->main_pid = (pid_t)change->main_pid;
        if (systemd_change_has(change, PROPERTY_EXEC_MAIN_CODE))
                unit->exec_code = change->exec_main_code;
        if (systemd_change_has(change, PROPERTY_EXEC_MAIN_STATUS))
                unit->exec_status = change->exec_main_status;
        if (systemd_change_has(change, PROPERTY_START_LIMIT_BURST))
                unit->start_limit_burst = change->start_limit_burst;
        if (systemd_change_has(change, PROPERTY_N_RESTARTS)) {
                if (change->restarts > unit->restarts)
                        unit->restarted = true;
                else if (change->restarts < unit->restarts)
                        unit->restarted = false; /* a new baseline: reset-failed, or a start that somebody ordered */
                unit->restarts = change->restarts;
        }
}

/* A job that was queued before we listened. One on a unit that is still starting is most likely what starts it. */
static void take_job(struct systemd_unit *unit, const struct systemd_change *change)
{
        if (!systemd_change_has(change, PROPERTY_JOB) || change->job == 0 || unit->job != 0)
                return;
        unit->job = change->job;
        unit->job_ends = unit->main_pid != 0 && strcmp(unit->active, "activating") != 0;
}

static void take_over(struct systemd_unit *unit, const struct systemd_change *change)
{
        take_words(unit, change);
        take_numbers(unit, change);
        take_job(unit, change);
}

static bool is_new_life(const struct systemd_unit *unit, const struct systemd_change *change)
{
        if (!systemd_change_has(change, PROPERTY_EXEC_MAIN_PID) || change->exec_main_pid == 0)
                return false;
        if ((pid_t)change->exec_main_pid != unit->life.pid)
                return true;
        return systemd_change_has(change, PROPERTY_EXEC_MAIN_STARTED) &&
               change->exec_main_started != unit->life.started;
}

static void follow_lives(struct systemd_unit *unit, const struct systemd_change *change, uint32_t restarts_before,
                         bool missed, usec_t at, const struct systemd_world *world)
{
        if (is_new_life(unit, change)) {
                if (unit->life.open)
                        end_missed(unit, restarts_before, missed, at, world);
                begin_life(unit, (pid_t)change->exec_main_pid, change->exec_main_started, false, at, world);
        }
        if (unit->life.open && systemd_change_has(change, PROPERTY_MAIN_PID) && unit->main_pid == 0)
                end_seen(unit, at, world);
}

void systemd_unit_change(struct systemd_unit *unit, const struct systemd_change *change, bool missed, usec_t at,
                         const struct systemd_world *world)
{
        uint32_t restarts_before = unit->restarts;

        take_over(unit, change);
        follow_lives(unit, change, restarts_before, missed, at, world);
        if (claim_of(unit) == CLAIMED_WAITING)
                unit->was_waiting = true;
        consider_claim(unit, false, at, world);
}

/* A unit that was loaded before our eyes began with a counter of 0: what it has by now happened since. */
static void tell_blank(struct systemd_unit *unit, usec_t at, const struct systemd_world *world)
{
        struct fact fact = fact_of(unit, FACT_AGENT, at);

        fact.agent_is.claimed = CLAIMED_STARTING;
        fact.agent_is.word = "inactive/dead";
        fact.agent_is.result = "";
        fact.agent_is.first = true;
        tell(world, &fact);
}

void systemd_unit_first(struct systemd_unit *unit, const char *name, const struct systemd_change *change, bool fresh,
                        usec_t at, const struct systemd_world *world)
{
        bool blank = fresh && change->restarts > 0;
        char word[AGENT_WORD_MAX];

        *unit = (struct systemd_unit){ .settle = 0 };
        snprintf(unit->agent, sizeof(unit->agent), "systemd:%.255s", name);
        take_over(unit, change);
        unit->restarted = claim_of(unit) == CLAIMED_WAITING; /* its timer may have fired already */
        unit->was_waiting = true;                            /* nobody can say any more: judged by the counter alone */
        if (systemd_change_has(change, PROPERTY_EXEC_MAIN_PID)) {
                unit->life.pid = (pid_t)change->exec_main_pid;
                unit->life.started = change->exec_main_started;
        }
        word_of(unit, word);
        if (blank)
                tell_blank(unit, at, world);
        tell_claim(unit, claim_of(unit), word, !blank, at, world);
        if (unit->main_pid != 0)
                begin_life(unit, unit->main_pid, unit->life.started, true, at, world);
}

void systemd_unit_job_new(struct systemd_unit *unit, uint32_t job)
{
        if (unit->job == job)
                return;
        unit->job = job;
        unit->job_ends = unit->life.open; /* a job that starts it is queued before there is a process */
}

void systemd_unit_job_removed(struct systemd_unit *unit, uint32_t job)
{
        if (unit->job != job)
                return;
        unit->job = 0;
        unit->job_ends = false;
}

void systemd_unit_frozen(struct systemd_unit *unit, bool frozen, usec_t at, const struct systemd_world *world)
{
        unit->frozen = frozen;
        consider_claim(unit, false, at, world);
}

void systemd_unit_missing(const char *name, usec_t at, const struct systemd_world *world)
{
        struct systemd_unit unit = { .settle = 0 };

        snprintf(unit.agent, sizeof(unit.agent), "systemd:%.255s", name);
        tell_claim(&unit, CLAIMED_GONE, "gone", false, at, world);
}

void systemd_unit_gone(struct systemd_unit *unit, usec_t at, const struct systemd_world *world)
{
        if (unit->life.open)
                end_life(unit, ENDING_UNKNOWN, false, at, world);
        unit->main_pid = 0;
        tell_claim(unit, CLAIMED_GONE, "gone", false, at, world);
}
