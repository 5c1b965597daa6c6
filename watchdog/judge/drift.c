#include "judge/drift.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "judge/change.h"
#include "judge/file_words.h"
#include "judge/incidents.h"
#include "judge/table.h"

#define TOLD_EACH 10 /* from then on only the 100th, 1,000th ... change is told */

static enum cause cause_of(enum config_of of)
{
        return of == CONFIG_OF_UNIT || of == CONFIG_OF_APP ? CAUSE_UNIT_DRIFT : CAUSE_CONFIG_DRIFT;
}

static uint32_t *incident_of(struct judge *judge, uint32_t agent, enum config_of of)
{
        if (agent == NOBODY)
                return &judge->drift_incidents[of];
        return &judge->agents[agent].noted[cause_of(of) == CAUSE_UNIT_DRIFT ? NOTE_UNIT : NOTE_CONFIG];
}

/* ---- in words ----------------------------------------------------------------------------------------------------------- */

static void say_difference(char reason[REASON_MAX], const struct fact *fact)
{
        const struct file_difference difference = {
                .digest = fact->config.digest,
                .sealed = fact->config.sealed,
                .size = fact->config.size,
                .sealed_size = fact->config.sealed_size,
                .mode = fact->config.mode,
                .sealed_mode = fact->config.sealed_mode,
                .uid = fact->config.uid,
                .sealed_uid = fact->config.sealed_uid,
                .gid = fact->config.gid,
                .sealed_gid = fact->config.sealed_gid,
        };

        if (fact->config.change == CONFIG_CHANGED)
                file_words_difference(reason, &difference);
}

static void say_what_changed(char reason[REASON_MAX], const struct fact *fact)
{
        char what[REASON_MAX * 2 / 5];

        if (!fact->config.what || !*fact->config.what)
                return;
        text_copy(what, sizeof(what), fact->config.what);
        text_append(reason, REASON_MAX, ": %s", what);
}

static void say_age(char reason[REASON_MAX], const struct fact *fact)
{
        usec_t age = usec_since(fact->at, fact->config.modified);
        char span[TEXT_SPAN_MAX];

        if (fact->config.change != CONFIG_REMOVED && age > 2 * USEC_PER_SEC && fact->config.modified > 0)
                text_append(reason, REASON_MAX, ", %s ago", text_span(span, age));
}

/* What was loaded, or was not, needs somebody to load it; what else changed needed an announcement. */
static void say_how_it_is(char reason[REASON_MAX], const struct fact *fact)
{
        bool policy = fact->config.of == CONFIG_OF_POLICY;

        if (fact->config.change == CONFIG_LOADED)
                return;
        if (fact->config.change == CONFIG_PENDING)
                text_append(reason, REASON_MAX, policy ? "; then: govctl reload" : " until systemctl daemon-reload");
        else if (policy)
                text_append(reason, REASON_MAX, " and is not in force: govctl reload");
        else
                text_append(reason, REASON_MAX, " outside of a change window");
}

static void say(char reason[REASON_MAX], const struct fact *fact)
{
        static const char *const words[CONFIG_N] = {
                [CONFIG_CHANGED] = "was changed",    [CONFIG_ADDED] = "was added",
                [CONFIG_REMOVED] = "was removed",    [CONFIG_RESTORED] = "is back",
                [CONFIG_SEALED] = "was sealed",      [CONFIG_PENDING] = "is not in force",
                [CONFIG_LOADED] = "is in force now", [CONFIG_FORGOTTEN] = "is no longer declared",
        };
        const char *tail = file_words_tail(fact->config.path);

        if (fact->config.of == CONFIG_OF_APP)
                snprintf(reason, REASON_MAX, "what PM2 has of it %s", words[fact->config.change]);
        else
                snprintf(reason, REASON_MAX, "%s%s %s", tail == fact->config.path ? "" : "...", tail,
                         words[fact->config.change]);
        say_what_changed(reason, fact);
        if (fact->config.of != CONFIG_OF_APP)
                say_difference(reason, fact);
        if (fact->config.change != CONFIG_LOADED)
                say_age(reason, fact);
        say_how_it_is(reason, fact);
}

/* ---- judging ------------------------------------------------------------------------------------------------------------ */

/* Files are declared by rules, and so are theirs who are not seen yet; of units and apps only the governed ones are watched, and
 * of the others it is heard that they are no longer. */
static bool concerns(const struct agent *agent, const struct fact *fact)
{
        if (fact->config.of == CONFIG_OF_FILE || fact->config.of == CONFIG_OF_POLICY)
                return true;
        return agent && (is_governed(agent) || fact->config.change == CONFIG_FORGOTTEN);
}

void drift_take(struct judge *judge, const struct fact *fact)
{
        bool owned = fact->agent && *fact->agent;
        struct agent *agent = owned ? table_find(judge, fact->agent) : NULL;
        struct drift *drift = &judge->drift;

        if (fact->config.change == CONFIG_NONE || fact->config.change >= CONFIG_N || fact->config.of >= CONFIG_OF_N ||
            (owned && !concerns(agent, fact)))
                return;
        *drift = (struct drift){
                .due = true,
                .change = fact->config.change,
                .of = fact->config.of,
                .planned = change_covers(judge, fact),
                .agent = agent ? table_index(judge, agent) : NOBODY,
                .differing = fact->config.differing,
        };
        say(drift->reason, fact);
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
                *incident = incident_open(judge, agent, NULL, cause_of(drift->of), 1, drift->reason);
                return;
        }
        known->count++;
        if (is_worth_telling(known->count))
                incident_worsen(judge, agent, NULL, *incident, drift->reason);
}

static const char *why_over(const struct drift *drift)
{
        if (drift->planned)
                return "changed as announced";
        switch (drift->change) {
        case CONFIG_SEALED: return "sealed as it is";
        case CONFIG_LOADED: return "what is on disk is in force";
        case CONFIG_FORGOTTEN: return "it is no longer declared";
        default: break;
        }
        return drift->of == CONFIG_OF_APP ? "it is again as it was sealed" : "every file is again as it was sealed";
}

/* What a change for the better tells is heard only when it was the last one. */
static bool is_news(const struct drift *drift, uint32_t incident)
{
        switch (drift->change) {
        case CONFIG_RESTORED:
        case CONFIG_SEALED:
        case CONFIG_FORGOTTEN: return false;
        case CONFIG_LOADED: return incident != NOBODY; /* a drift that had no effect yet has one now */
        default: return true;
        }
}

void drift_look(struct judge *judge)
{
        const struct drift *drift = &judge->drift;
        uint32_t *incident = incident_of(judge, drift->agent, drift->of);
        uint32_t found = *incident;

        if (!judge->drift.due)
                return;
        judge->drift.due = false;
        if (drift->differing == 0) {
                *incident = NOBODY;
                if (found != NOBODY)
                        incident_resolve(judge, found, why_over(drift));
        } else if (!drift->planned && is_news(drift, found)) {
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
        for (enum config_of of = 0; of < CONFIG_OF_N; of++)
                if (judge->drift_incidents[of] == incident)
                        judge->drift_incidents[of] = NOBODY;
        for (uint32_t n = 0; n < judge->agents_n; n++) {
                uint32_t *noted = judge->agents[n].noted;

                if (noted[NOTE_CONFIG] == incident)
                        noted[NOTE_CONFIG] = NOBODY;
                if (noted[NOTE_UNIT] == incident)
                        noted[NOTE_UNIT] = NOBODY;
        }
}

/* ---- views -------------------------------------------------------------------------------------------------------------- */

bool judge_drift_of(const struct judge *judge, uint64_t incident, enum config_of *ret)
{
        for (uint32_t n = 0; n < judge->limits.incidents_max; n++) {
                const struct incident *known = &judge->incidents[n];

                if (!known->open || known->number != incident || !is_drift(known->cause))
                        continue;
                *ret = known->cause == CAUSE_CONFIG_DRIFT ? CONFIG_OF_FILE
                       : known->manager == MANAGER_PM2    ? CONFIG_OF_APP
                                                          : CONFIG_OF_UNIT;
                if (judge->drift_incidents[CONFIG_OF_POLICY] == n)
                        *ret = CONFIG_OF_POLICY;
                return true;
        }
        return false;
}
