#include "judge/drift.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "judge/change.h"
#include "judge/incidents.h"
#include "judge/table.h"

#define TOLD_EACH 10 /* from then on only the 100th, 1,000th ... change is told */

static uint32_t *incident_of(struct judge *judge, uint32_t agent)
{
        return agent == NOBODY ? &judge->drift_incident : &judge->agents[agent].noted[NOTE_CONFIG];
}

/* ", 512B to 530B", ", mode 0644 to 0600", ", owner 0:0 to 1000:1000" */
static void say_difference(char reason[REASON_MAX], const struct fact *fact)
{
        char before[TEXT_BYTES_MAX], after[TEXT_BYTES_MAX];

        if (fact->config.change != CONFIG_CHANGED)
                return;
        if (strcmp(fact->config.digest, fact->config.sealed) != 0)
                text_append(reason, REASON_MAX, ", %s to %s", text_bytes(before, fact->config.sealed_size),
                            text_bytes(after, fact->config.size));
        if (fact->config.mode != fact->config.sealed_mode)
                text_append(reason, REASON_MAX, ", mode %04o to %04o", fact->config.sealed_mode & 07777,
                            fact->config.mode & 07777);
        if (fact->config.uid != fact->config.sealed_uid || fact->config.gid != fact->config.sealed_gid)
                text_append(reason, REASON_MAX, ", owner %u:%u to %u:%u", fact->config.sealed_uid,
                            fact->config.sealed_gid, fact->config.uid, fact->config.gid);
}

/* A path as long as the reason would leave no room for what became of it; its end says more than its beginning. */
static const char *path_tail(const char *path)
{
        size_t length = strlen(path), most = REASON_MAX / 2;

        if (length <= most)
                return path;
        path += length - most;
        while (((unsigned char)*path & 0xc0) == 0x80) /* not within a character */
                path++;
        return path;
}

void drift_take(struct judge *judge, const struct fact *fact)
{
        static const char *const words[CONFIG_N] = {
                [CONFIG_CHANGED] = "was changed", [CONFIG_ADDED] = "was added",   [CONFIG_REMOVED] = "was removed",
                [CONFIG_RESTORED] = "is back",    [CONFIG_SEALED] = "was sealed",
        };
        struct agent *agent = fact->agent && *fact->agent ? table_find(judge, fact->agent) : NULL;
        struct drift *drift = &judge->drift;
        const char *tail = path_tail(fact->config.path);
        char span[TEXT_SPAN_MAX];

        if (fact->config.change == CONFIG_NONE || fact->config.change >= CONFIG_N)
                return;
        *drift = (struct drift){
                .due = true,
                .change = fact->config.change,
                .planned = change_covers_path(judge, fact->config.path, fact->at),
                .agent = agent ? table_index(judge, agent) : NOBODY,
                .differing = fact->config.differing,
        };
        snprintf(drift->reason, sizeof(drift->reason), "%s%s %s", tail == fact->config.path ? "" : "...", tail,
                 words[drift->change]);
        say_difference(drift->reason, fact);
        if (drift->change != CONFIG_REMOVED && usec_since(fact->at, fact->config.modified) > 2 * USEC_PER_SEC &&
            fact->config.modified > 0)
                text_append(drift->reason, sizeof(drift->reason), ", %s ago",
                            text_span(span, usec_since(fact->at, fact->config.modified)));
        text_append(drift->reason, sizeof(drift->reason), " outside of a change window");
        judge->material = true;
        judge->machine_due = judge->now;
}

static bool is_worth_telling(uint64_t count)
{
        uint64_t power = 1;

        while (power < count)
                power *= 10;
        return count <= TOLD_EACH || count == power;
}

static void tell(struct judge *judge, const struct drift *drift, uint32_t *incident)
{
        struct agent *agent = drift->agent == NOBODY ? NULL : &judge->agents[drift->agent];
        struct incident *known = *incident == NOBODY ? NULL : &judge->incidents[*incident];

        if (!known) {
                *incident = incident_open(judge, agent, NULL, CAUSE_CONFIG_DRIFT, 1, drift->reason);
                return;
        }
        known->count++;
        if (is_worth_telling(known->count))
                incident_worsen(judge, agent, NULL, *incident, drift->reason);
}

void drift_look(struct judge *judge)
{
        const struct drift *drift = &judge->drift;
        uint32_t *incident = incident_of(judge, drift->agent);
        uint32_t found = *incident;

        if (!judge->drift.due)
                return;
        judge->drift.due = false;
        if (drift->differing == 0) {
                *incident = NOBODY;
                if (found != NOBODY)
                        incident_resolve(judge, found,
                                         drift->planned                   ? "changed as announced"
                                         : drift->change == CONFIG_SEALED ? "sealed as it is"
                                                                          : "every file is again as it was sealed");
        } else if (!drift->planned && drift->change != CONFIG_RESTORED && drift->change != CONFIG_SEALED) {
                tell(judge, drift, incident);
        }
}

void drift_planned(struct judge *judge, uint32_t incident)
{
        drift_forget(judge, incident);
        incident_resolve(judge, incident, "planned, says a human");
}

void drift_forget(struct judge *judge, uint32_t incident)
{
        if (judge->drift_incident == incident)
                judge->drift_incident = NOBODY;
        for (uint32_t n = 0; n < judge->agents_n; n++)
                if (judge->agents[n].noted[NOTE_CONFIG] == incident)
                        judge->agents[n].noted[NOTE_CONFIG] = NOBODY;
}
