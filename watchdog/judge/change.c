#include "judge/change.h"

#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "base/unit.h"
#include "judge/blame.h"
#include "judge/due.h"
#include "judge/hand.h"
#include "judge/table.h"

static struct change *find(struct judge *judge, uint64_t number)
{
        for (unsigned n = 0; n < CHANGES_MAX; n++)
                if (judge->changes[n].number == number)
                        return &judge->changes[n];
        return NULL;
}

/* One never used, else one that is over, the oldest: what died in a window may be told of after it. */
static struct change *free_slot(struct judge *judge)
{
        struct change *found = NULL;

        for (unsigned n = 0; n < CHANGES_MAX; n++) {
                struct change *change = &judge->changes[n];

                if (change->number == 0)
                        return change;
                if ((!change->open || change->until <= judge->now) && (!found || change->until < found->until))
                        found = change;
        }
        return found;
}

static void open_change(struct judge *judge, const struct fact *fact)
{
        struct change *change = find(judge, fact->change.number);
        struct agent *agent = fact->agent && *fact->agent ? table_agent(judge, fact->agent) : NULL;
        bool anew = !change || change->since != fact->change.since; /* one that lasts is told again before its end */

        if (!change)
                change = free_slot(judge);
        if (!change || fact->change.number == 0 || (!agent && !*fact->change.pattern))
                return;
        *change = (struct change){
                .number = fact->change.number,
                .agent = agent ? table_index(judge, agent) : NOBODY,
                .since = fact->change.since,
                .until = fact->change.until,
                .open = true,
                .deploy = fact->change.deploy,
        };
        if (agent && anew)
                habit_change(&agent->learned.habit);
        text_copy_safe(change->pattern, sizeof(change->pattern), fact->change.pattern);
        text_copy_safe(change->by, sizeof(change->by), fact->change.by);
        text_copy_safe(change->reason, sizeof(change->reason), fact->change.reason);
}

void change_take(struct judge *judge, const struct fact *fact)
{
        struct change *change;

        judge->material = true;
        if (fact->change.step == CHANGE_OPEN) {
                open_change(judge, fact);
                return;
        }
        if (fact->change.step != CHANGE_CLOSE)
                return;
        if (fact->change.deploy) {
                blame_deploy(judge, fact);
                due_all(judge, table_find(judge, fact->agent), judge->now);
        }
        change = find(judge, fact->change.number);
        if (!change || !change->open)
                return;
        change->open = false;
        if (fact->at < change->until)
                change->until = fact->at;
}

static bool was_open(const struct change *change, usec_t at)
{
        return change->number > 0 && change->since <= at && at <= change->until;
}

bool change_covers_agent(const struct judge *judge, const struct agent *agent, usec_t at)
{
        for (unsigned n = 0; n < CHANGES_MAX; n++)
                if (was_open(&judge->changes[n], at) && judge->changes[n].agent == table_index(judge, agent))
                        return true;
        return false;
}

bool change_covers_path(const struct judge *judge, const char *path, usec_t at)
{
        for (unsigned n = 0; n < CHANGES_MAX; n++) {
                const struct change *change = &judge->changes[n];

                if (was_open(change, at) && change->agent == NOBODY && path_glob(change->pattern, path))
                        return true;
        }
        return false;
}

bool change_is_open_for_files(const struct judge *judge, usec_t at)
{
        for (unsigned n = 0; n < CHANGES_MAX; n++)
                if (was_open(&judge->changes[n], at) && judge->changes[n].agent == NOBODY)
                        return true;
        return false;
}

static bool declares(const struct rule *rule, const char *path)
{
        for (unsigned n = 0; rule && n < rule->config_n; n++)
                if (path_glob(rule->config[n], path))
                        return true;
        return false;
}

/* The run before this one ended while our own hand put the agent's files back: how far it came nobody told. */
static bool was_put_back(const struct judge *judge, const char *path)
{
        for (uint32_t n = 0; n < judge->instances_n; n++) {
                const struct instance *i = &judge->instances[n];

                if (i->ladder.state == LADDER_ROLLING && i->ladder.since < judge->started &&
                    declares(agent_of(judge, i)->rule, path))
                        return true;
        }
        return false;
}

/* A unit's file that several units have is everybody's who has it. */
static bool is_unit_file_of(const struct agent *agent, const char *path)
{
        static const char systemd[] = "systemd:";

        return text_starts(agent->id, systemd) && unit_has_path(agent->id + strlen(systemd), path);
}

static bool is_for(const struct judge *judge, const struct change *change, const struct fact *fact)
{
        const struct agent *agent = change->agent == NOBODY ? NULL : &judge->agents[change->agent];
        bool its_own = agent && fact->agent && strcmp(agent->id, fact->agent) == 0;

        if (!agent)
                return path_glob(change->pattern, fact->config.path);
        switch (fact->config.of) {
        case CONFIG_OF_FILE: return declares(agent->rule, fact->config.path);
        case CONFIG_OF_UNIT: return its_own || is_unit_file_of(agent, fact->config.path);
        case CONFIG_OF_APP: return its_own;
        default: return false;
        }
}

bool change_covers(const struct judge *judge, const struct fact *fact)
{
        if (hand_did(judge, fact))
                return true;
        for (unsigned n = 0; n < CHANGES_MAX; n++)
                if (was_open(&judge->changes[n], fact->at) && is_for(judge, &judge->changes[n], fact))
                        return true;
        return fact->config.of == CONFIG_OF_FILE && was_put_back(judge, fact->config.path);
}

/* ---- views ----------------------------------------------------------------------------------------------------------- */

bool judge_may_change(const struct judge *judge, const struct fact *fact)
{
        return change_covers(judge, fact);
}

bool judge_change_is_for(const struct judge *judge, uint32_t index, const struct fact *fact)
{
        return is_for(judge, &judge->changes[index], fact);
}

uint32_t judge_changes(const struct judge *judge)
{
        uint32_t n = 0;

        while (n < CHANGES_MAX && judge->changes[n].number > 0)
                n++;
        return n;
}

void judge_change(const struct judge *judge, uint32_t index, usec_t now, struct change_view *ret)
{
        const struct change *change = &judge->changes[index];

        *ret = (struct change_view){
                .number = change->number,
                .agent = change->agent == NOBODY ? "" : judge->agents[change->agent].id,
                .pattern = change->pattern,
                .by = change->by,
                .reason = change->reason,
                .since = change->since,
                .until = change->until,
                .open = change->open && now < change->until,
                .deploy = change->deploy,
        };
}
