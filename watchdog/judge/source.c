#include "judge/source.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "judge/due.h"
#include "judge/incidents.h"
#include "judge/life.h"
#include "judge/table.h"

static struct source *find(struct judge *judge, const char *name)
{
        for (uint32_t n = 0; n < judge->sources_n; n++)
                if (strcmp(judge->sources[n].name, name) == 0)
                        return &judge->sources[n];
        return NULL;
}

/* "pm2:USER@HOME" covers either "pm2:USER/NAME" or, with several homes, those with "@HOME" behind; "systemd" covers all units. */
static bool covers(const struct source *source, const struct agent *agent)
{
        const char *user = source->name + strlen("pm2:"), *home = strchr(source->name, '@'), *theirs;

        if (source->manager != agent->manager)
                return false;
        if (agent->manager != MANAGER_PM2 || !home || !text_starts(source->name, "pm2:"))
                return true;
        if (strncmp(agent->id + strlen("pm2:"), user, (size_t)(home - user)) != 0 ||
            agent->id[strlen("pm2:") + (size_t)(home - user)] != '/')
                return false;
        theirs = strstr(agent->id, "@/");
        return theirs ? strcmp(theirs, home) == 0 : !source->suffixed;
}

static const struct source *source_of(const struct judge *judge, const struct agent *agent)
{
        for (uint32_t n = 0; n < judge->sources_n; n++)
                if (covers(&judge->sources[n], agent))
                        return &judge->sources[n];
        return NULL;
}

uint32_t source_carrier(const struct judge *judge, const struct agent *agent)
{
        const struct source *source = agent->manager == MANAGER_PM2 ? source_of(judge, agent) : NULL;

        for (uint32_t n = 0; source && source->pid > 0 && n < judge->agents_n; n++) {
                const struct agent *unit = &judge->agents[n];

                if (unit->carrier && unit->instances != NOBODY &&
                    life_seen(first_instance(judge, unit))->pid == source->pid)
                        return n;
        }
        return NOBODY;
}

bool source_is_blind(const struct judge *judge, const struct agent *agent)
{
        const struct source *source = source_of(judge, agent);

        if (!source)
                return false;
        return source->state == SOURCE_BLIND || (source->blind_at > 0 && source->state == SOURCE_SEEING &&
                                                 usec_since(judge->now, source->since) < CALM_WAIT);
}

usec_t source_calm_at(const struct judge *judge, const struct agent *agent)
{
        const struct source *source = source_of(judge, agent);

        if (!source || source->state != SOURCE_SEEING || source->blind_at == 0 ||
            source->since + CALM_WAIT <= judge->now)
                return USEC_INFINITY;
        return source->since + CALM_WAIT;
}

usec_t source_heard_at(const struct judge *judge, const struct agent *agent)
{
        const struct source *source = source_of(judge, agent);

        if (!source || judge->left == 0 || source->state == SOURCE_BLIND || source->state == SOURCE_ABSENT)
                return 0;
        if (source->state == SOURCE_UNKNOWN)
                return USEC_INFINITY;
        return source->since >= judge->started ? source->since + CALM_WAIT : 0;
}

bool source_was_blind(const struct judge *judge, const struct agent *agent, usec_t from, usec_t to)
{
        const struct source *source = source_of(judge, agent);
        usec_t over;

        if (!source || source->blind_at == 0)
                return false;
        over = source->state == SOURCE_BLIND ? USEC_INFINITY : usec_add(source->since, CALM_WAIT);
        return source->blind_at <= to && over >= from && usec_since(to, over) == 0;
}

static struct source *make(struct judge *judge, const struct fact *fact)
{
        struct source *source;

        if (judge->sources_n == SOURCES_MAX)
                return NULL;
        source = &judge->sources[judge->sources_n++];
        *source = (struct source){ .manager = fact->manager, .incident = NOBODY };
        text_copy(source->name, sizeof(source->name), fact->source.name);
        return source;
}

/* A daemon that comes in the place of another begins all of its apps, and nobody has ordered that. */
static void note_daemon(const struct judge *judge, struct source *source)
{
        if (source->pid <= 0 || (source->pid == source->known_pid && source->start == source->known_start))
                return;
        source->known_pid = source->pid;
        source->known_start = source->start;
        source->anew_at = judge->now;
}

bool source_is_new(const struct judge *judge, const struct agent *agent)
{
        const struct source *source = source_of(judge, agent);

        return source && source->anew_at > 0 && source->anew_at >= judge->started;
}

void source_take(struct judge *judge, const struct fact *fact)
{
        struct source *source = find(judge, fact->source.name);
        char why[SOURCE_WHY_MAX];
        bool changed;

        if (!source && !(source = make(judge, fact)))
                return;
        text_copy_safe(why, sizeof(why), fact->source.why ? fact->source.why : "");
        changed = source->state != fact->source.state || source->pid != fact->source.pid;
        if (source->suffixed != fact->source.suffixed || (!source->told && strcmp(source->why, why) != 0))
                judge->material = true; /* why it is blind stands in what is told of it */
        source->suffixed = fact->source.suffixed;
        source->pid = fact->source.pid;
        source->start = fact->source.start;
        note_daemon(judge, source);
        memcpy(source->why, why, sizeof(why));
        if (source->state != fact->source.state) {
                source->state = fact->source.state;
                source->since = fact->at;
                if (source->state == SOURCE_BLIND)
                        source->blind_at = fact->at;
        }
        if (!changed)
                return;
        judge->material = true;
        judge->machine_due = judge->now;
        for (uint32_t n = 0; n < judge->agents_n; n++) {
                struct agent *agent = &judge->agents[n];

                if (agent->manager == MANAGER_SYSTEMD && source->pid > 0 && agent->instances != NOBODY &&
                    life_seen(first_instance(judge, agent))->pid == source->pid &&
                    life_seen(first_instance(judge, agent))->start == source->start) {
                        agent->carrier = true;
                        judge->shown_stale = true;
                }
                if (!covers(source, agent))
                        continue;
                if (source->state == SOURCE_BLIND)
                        life_manager_left(judge, agent);
                due_all(judge, agent, judge->now);
        }
}

/* The audit chain tells of itself as a source. When evidence was lost, that stays open until a human acknowledged it. */
static bool is_chain(const struct source *source)
{
        return strcmp(source->name, "audit chain") == 0;
}

static void look_at(struct judge *judge, struct source *source, usec_t *due)
{
        char reason[REASON_MAX], span[TEXT_SPAN_MAX];

        if (source->state == SOURCE_BLIND && !source->told) {
                if (!is_chain(source) && usec_since(judge->now, source->since) < BLIND_WAIT) {
                        if (source->since + BLIND_WAIT < *due)
                                *due = source->since + BLIND_WAIT;
                        return;
                }
                if (is_chain(source))
                        text_copy(reason, sizeof(reason), source->why);
                else
                        snprintf(reason, sizeof(reason), "%s is not seen%s%s", source->name, *source->why ? ": " : "",
                                 source->why);
                source->told = true;
                if (source->incident == NOBODY)
                        source->incident = incident_open(
                                judge, NULL, NULL, is_chain(source) ? CAUSE_AUDIT_BROKEN : CAUSE_BLIND, 1, reason);
        } else if (source->state == SOURCE_SEEING || source->state == SOURCE_ABSENT) {
                source->told = false;
                if (source->blind_at > 0 && source->since + CALM_WAIT > judge->now && source->since + CALM_WAIT < *due)
                        *due = source->since + CALM_WAIT; /* from then on its agents are judged again */
                if (source->incident == NOBODY || is_chain(source))
                        return;
                snprintf(reason, sizeof(reason), "%s %s after %s", source->name,
                         source->state == SOURCE_SEEING ? "is seen again" : "is no longer there",
                         text_span(span, usec_since(judge->now, source->blind_at)));
                incident_resolve(judge, source->incident, reason);
                source->incident = NOBODY;
        }
}

void source_look(struct judge *judge, usec_t *due)
{
        for (uint32_t n = 0; n < judge->sources_n; n++)
                look_at(judge, &judge->sources[n], due);
}

void source_forget(struct judge *judge, uint32_t incident)
{
        for (uint32_t n = 0; n < judge->sources_n; n++)
                if (judge->sources[n].incident == incident)
                        judge->sources[n].incident = NOBODY;
}

usec_t source_last_blind(const struct judge *judge, const struct agent *agent, usec_t since)
{
        const struct source *source = source_of(judge, agent);

        return source && source->state == SOURCE_SEEING && source->since >= since ? source->blind_at : 0;
}
