#include "judge/start.h"

#include <stdio.h>

#include "base/text.h"
#include "judge/blame.h"
#include "judge/change.h"
#include "judge/depend.h"
#include "judge/due.h"
#include "judge/incidents.h"
#include "judge/note.h"
#include "judge/source.h"
#include "judge/table.h"

#define TOLD_WAIT (3 * USEC_PER_SEC) /* what explains a start may be told after it: its base, a package run */
#define DEPLOY_GRACE USEC_PER_MINUTE /* who deploys and then starts it by hand has announced that too */

bool start_was_announced(const struct judge *judge, const struct agent *agent, usec_t at)
{
        return change_covers_agent(judge, agent, at) ||
               (agent->deploy.number > 0 && at >= agent->deploy.since && at <= agent->deploy.until + DEPLOY_GRACE);
}

void start_note(struct judge *judge, struct instance *instance, usec_t began, bool unseen)
{
        if (agent_of(judge, instance)->deploy.number == 0)
                return; /* of an agent that nobody deploys by us, every start would be one */
        instance->start_at = began;
        instance->start_unseen = unseen;
        judge->material = true;
        due_sooner(judge, instance, judge->now);
}

/* When it can be judged. */
static usec_t judged_at(const struct judge *judge, const struct instance *instance)
{
        return instance->start_unseen ? judge->started + START_GRACE : instance->start_at + TOLD_WAIT;
}

static bool is_explained(const struct judge *judge, const struct agent *agent, const struct instance *instance)
{
        usec_t at = instance->start_at;

        return agent->deploy.number == 0 || at <= agent->deploy.until || start_was_announced(judge, agent, at) ||
               depend_brought_up(judge, agent, at) || (judge->booted > 0 && at <= judge->booted + BOOT_GRACE) ||
               (instance->start_unseen &&
                (judge->booted > judge->left || source_is_new(judge, agent) || blame_package_near(judge, at)));
}

static void describe(const struct judge *judge, const struct agent *agent, const struct instance *instance,
                     char reason[REASON_MAX])
{
        char span[TEXT_SPAN_MAX];

        snprintf(reason, REASON_MAX, "%s says that a start was ordered %s ago%s", manager_name(agent->manager),
                 text_span(span, usec_since(judge->now, instance->start_at)),
                 instance->start_unseen ? ", while Governor was away" : "");
        text_append(reason, REASON_MAX, "; nobody announced it, and the last deploy was %s before that",
                    text_span(span, usec_since(instance->start_at, agent->deploy.until)));
}

static void tell(struct judge *judge, struct agent *agent, struct instance *instance)
{
        uint32_t known = agent->noted[NOTE_START];
        char reason[REASON_MAX];

        describe(judge, agent, instance, reason);
        if (known == NOBODY) {
                note_open(judge, agent, instance, NOTE_START, reason);
                return;
        }
        judge->incidents[known].count++;
        incident_worsen(judge, agent, instance, known, reason);
}

static void resolve(struct judge *judge, struct agent *agent)
{
        uint32_t known = agent->noted[NOTE_START];

        if (known != NOBODY && agent->deploy.until > judge->incidents[known].opened)
                note_explained(judge, agent, NOTE_START, "it was deployed since");
}

void start_look(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due)
{
        usec_t at = judged_at(judge, instance);

        resolve(judge, agent);
        if (instance->start_at == 0)
                return;
        if (at > judge->now) {
                if (at < *due)
                        *due = at;
                return;
        }
        if (!is_explained(judge, agent, instance))
                tell(judge, agent, instance);
        instance->start_at = 0;
        instance->start_unseen = false;
}

void start_planned(struct judge *judge, uint32_t incident)
{
        for (uint32_t n = 0; n < judge->agents_n; n++)
                if (judge->agents[n].noted[NOTE_START] == incident)
                        judge->agents[n].noted[NOTE_START] = NOBODY;
        incident_resolve(judge, incident, "planned, says a human");
}
