#include "judge/note.h"

#include <stdio.h>

#include "base/text.h"
#include "judge/incidents.h"
#include "judge/table.h"

#define QUIET USEC_PER_DAY
#define HIGH_LEAST 20 /* fewer restarts gather in a year of deploys */

static void open_note(struct judge *judge, struct agent *agent, struct instance *instance, enum note note,
                      uint64_t count, const char *reason)
{
        static const enum cause causes[] = {
                [NOTE_HIGH_RESTARTS] = CAUSE_HIGH_RESTARTS, [NOTE_ORPHAN] = CAUSE_ORPHAN,
                [NOTE_DUPLICATE] = CAUSE_DUPLICATE,         [NOTE_BUDGET] = CAUSE_MEMORY_BUDGET,
                [NOTE_DRIFT] = CAUSE_MEMORY_DRIFT,          [NOTE_LEAK] = CAUSE_MEMORY_LEAK,
                [NOTE_LOAD] = CAUSE_CPU_SUSTAINED,          [NOTE_START] = CAUSE_UNANNOUNCED_START,
        };

        if (agent->noted[note] == NOBODY && is_governed(agent))
                agent->noted[note] = incident_open(judge, agent, instance, causes[note], count, reason);
}

void note_open(struct judge *judge, struct agent *agent, struct instance *instance, enum note note, const char *reason)
{
        open_note(judge, agent, instance, note, 1, reason);
}

void note_explained(struct judge *judge, struct agent *agent, enum note note, const char *reason)
{
        uint32_t incident = agent->noted[note];

        if (incident == NOBODY)
                return;
        agent->noted[note] = NOBODY;
        incident_resolve(judge, incident, reason);
}

void note_first_sight(struct judge *judge, struct agent *agent, struct instance *instance, uint64_t restarts)
{
        char reason[REASON_MAX];
        uint64_t most = HIGH_LEAST - 1;

        for (unsigned n = 0; agent->rule && n < agent->rule->restarts_n; n++)
                if (agent->rule->restarts[n].more_than > most)
                        most = agent->rule->restarts[n].more_than;
        if (restarts <= most)
                return;
        snprintf(reason, sizeof(reason), "%llu restarts before we came", (unsigned long long)restarts);
        open_note(judge, agent, instance, NOTE_HIGH_RESTARTS, restarts, reason);
}

void note_stray(struct judge *judge, struct agent *agent, const struct fact *fact)
{
        char reason[REASON_MAX];
        bool orphan = fact->stray.stray == STRAY_ORPHAN;

        judge->material = true;
        if (fact->stray.stray == STRAY_OVER) {
                agent->stray_orphans = agent->stray_duplicates = 0;
                note_explained(judge, agent, NOTE_ORPHAN, "the stray process is gone");
                note_explained(judge, agent, NOTE_DUPLICATE, "the second copy is gone");
                return;
        }
        if (orphan)
                agent->stray_orphans = 1;
        else
                agent->stray_duplicates = 1;
        snprintf(reason, sizeof(reason),
                 orphan ? "process %d runs on, but its manager lost it"
                        : "process %d runs beside the one its manager runs: two do the same job",
                 (int)fact->stray.pid);
        open_note(judge, agent, NULL, orphan ? NOTE_ORPHAN : NOTE_DUPLICATE, 1, reason);
}

void note_look(struct judge *judge, struct agent *agent, const struct instance *instance, usec_t *due)
{
        uint32_t noted = agent->noted[NOTE_HIGH_RESTARTS];
        usec_t quiet_at;

        if (noted == NOBODY)
                return;
        quiet_at = judge->incidents[noted].opened > instance->last_death ? judge->incidents[noted].opened
                                                                         : instance->last_death;
        quiet_at += QUIET;
        if (instance->counted && instance->restarts == 0)
                note_explained(judge, agent, NOTE_HIGH_RESTARTS, "its counter was reset");
        else if (quiet_at <= judge->now)
                note_explained(judge, agent, NOTE_HIGH_RESTARTS, "no restart for a day");
        else if (quiet_at < *due)
                *due = quiet_at;
}
