#include "judge/hand.h"

#include <string.h>

#include "base/text.h"
#include "judge/table.h"
#include "judge/trial.h"

void hand_decided(struct judge *judge, const struct decision *decision)
{
        struct agent *agent;

        if (decision->kind != DECIDE_ACT || !decision->enforce || !action_is_of_limits(decision->action) ||
            !(agent = table_find(judge, decision->agent)))
                return;
        agent->limits_at = decision->at;
        agent->limits_awaited = true;
}

/* Also of one that this judge did not decide: what nobody knows any more is taken back by the governor itself. */
void hand_outcome(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = table_find(judge, fact->agent);

        if (!agent || fact->outcome.outcome == OUTCOME_DRY)
                return;
        agent->limits_at = fact->at;
        agent->limits_awaited = false;
}

/* Seen in time, or seen late and no younger than that: the daemon was away, or was told late. */
static bool is_of_then(const struct agent *agent, usec_t at)
{
        return agent->limits_at > 0 && at <= usec_add(agent->limits_at, OWN_WAIT);
}

/* A drop-in is made there, and to stay for now. */
static bool stands(const struct judge *judge, const struct agent *agent, enum limits_place place)
{
        return trial_stands(judge, agent->id, place) || (place == LIMITS_QUOTA && agent->rein.state == REIN_HELD);
}

bool hand_did(const struct judge *judge, const struct fact *fact)
{
        char id[AGENT_ID_MAX] = "systemd:", unit[LIMITS_PATH_MAX];
        enum limits_place place = limits_place_of(fact->config.path, unit);
        const struct agent *agent;

        if (fact->config.of != CONFIG_OF_UNIT || place == LIMITS_NOWHERE)
                return false;
        text_append(id, sizeof(id), "%s", unit);
        agent = table_find(judge, id);
        if (!agent)
                return false;
        if (agent->limits_awaited && usec_since(fact->at, agent->limits_at) <= HAND_WAIT)
                return true;
        if (is_of_then(agent, fact->at))
                return true;
        if (fact->config.change == CONFIG_REMOVED) /* with a reboot, or while nobody looked */
                return !stands(judge, agent, place);
        return fact->config.modified > 0 && is_of_then(agent, fact->config.modified);
}
