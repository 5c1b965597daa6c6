#include "govctl/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/finding.h"
#include "base/text.h"
#include "govctl/field.h"
#include "govctl/relive.h"

#define MOVED_AT_MOST (10 * USEC_PER_MINUTE) /* further apart it is another one */
#define DISORDER USEC_PER_MINUTE             /* events come in their order but for so much */

const struct what_words what_words[WHAT_N] = {
        [WHAT_RESTART] = { "restart", "restart", "restarts", true },
        [WHAT_QUARANTINE] = { "quarantine", "quarantine", "quarantines", true },
        [WHAT_DENIAL] = { "denial", "denied action", "denied actions", true },
        [WHAT_TRIAL] = { "trial", "trial", "trials", false },
        [WHAT_FINDING] = { "finding", "finding", "findings", false },
        [WHAT_ROLLBACK] = { "rollback", "rollback", "rollbacks", true },
};

const char *turn_name(enum turn turn)
{
        static const char *const names[TURN_N] = { "same", "gone", "new", "moved" };

        return names[turn];
}

/* ---- one list ------------------------------------------------------------------------------------------------------------- */

void events_done(struct events *events)
{
        for (size_t i = 0; i < events->n; i++) {
                free(events->list[i].agent);
                free(events->list[i].cause);
                free(events->list[i].key);
                free(events->list[i].reason);
        }
        free(events->list);
        *events = (struct events){ .list = NULL };
}

/* A pause that Governor makes before a start is a restart, only slower. */
static enum what what_of(const json_t *decision)
{
        const char *verb = field_text(decision, "verb"), *purpose = field_text(decision, "details.purpose");

        if (strcmp(field_text(decision, "details.state"), "open") == 0)
                return WHAT_FINDING;
        if (!action_is_verb(verb))
                return WHAT_N;
        if (!field_true(decision, "details.enforce") || strcmp(purpose, "asked") == 0)
                return WHAT_N;
        if (field_given(decision, "details.withheld"))
                return WHAT_DENIAL;
        if (strcmp(verb, "agent.stop") == 0)
                return strcmp(purpose, "quarantine") == 0 ? WHAT_QUARANTINE : WHAT_RESTART;
        if (strcmp(verb, "agent.restart") == 0)
                return WHAT_RESTART;
        if (strcmp(verb, "agent.rollback") == 0)
                return WHAT_ROLLBACK;
        return strcmp(purpose, "trial") == 0 ? WHAT_TRIAL : WHAT_N;
}

static struct event *more(struct events *events)
{
        if (events->n == events->room) {
                size_t room = events->room > 0 ? 2 * events->room : 64;
                struct event *list = reallocarray(events->list, room, sizeof *list);

                events->failed |= !list;
                if (!list)
                        return NULL;
                events->list = list;
                events->room = room;
        }
        events->list[events->n] = (struct event){ .what = WHAT_N };
        return &events->list[events->n++];
}

static struct event *add(struct events *events, const json_t *decision)
{
        enum what what = what_of(decision);
        struct event *event = what == WHAT_N || events->failed ? NULL : more(events);

        if (!event)
                return NULL;
        event->what = what;
        event->at = relive_at(decision);
        event->agent = strdup(field_text(decision, "subject"));
        event->cause = strdup(field_text(decision, "details.cause"));
        event->reason = strdup(field_text(decision, "details.reason"));
        if (asprintf(&event->key, "%s %s", field_text(decision, "details.cause"),
                     field_text(decision, "details.withheld")) < 0)
                event->key = NULL;
        events->failed |= !event->agent || !event->cause || !event->reason || !event->key;
        return event;
}

void events_add_decision(struct events *events, const struct decision *decision)
{
        json_auto_t *json = relive_of_decision(decision);
        struct event *event = add(events, json);

        if (!event)
                return;
        event->bytes = decision->bytes;
        event->limit_bytes = decision->limit_bytes;
}

void events_add_record(struct events *events, const json_t *record)
{
        json_auto_t *json = relive_of_record(record);

        add(events, json);
}

/* ---- two lists ------------------------------------------------------------------------------------------------------------ */

static bool is_same(const struct event *a, const struct event *b, usec_t apart)
{
        usec_t between = a->at > b->at ? a->at - b->at : b->at - a->at;

        return a->what == b->what && between <= apart && strcmp(a->agent, b->agent) == 0 &&
               (a->what != WHAT_FINDING || strcmp(a->key, b->key) == 0);
}

/* The first in the other list that is the same and nobody's yet; NULL when there is none. `from` moves along. */
static struct event *partner(const struct event *event, struct events *others, size_t *from, usec_t apart)
{
        while (*from < others->n && others->list[*from].at + apart + DISORDER < event->at)
                (*from)++;
        for (size_t i = *from; i < others->n && others->list[i].at <= event->at + apart + DISORDER; i++)
                if (!others->list[i].matched && is_same(event, &others->list[i], apart))
                        return &others->list[i];
        return NULL;
}

/* First those of the same moment, then those that only came earlier or later. */
static void match(struct events *before, struct events *after, usec_t apart)
{
        size_t from = 0;

        for (size_t i = 0; i < before->n; i++) {
                struct event *was = &before->list[i];
                struct event *is = was->matched ? NULL : partner(was, after, &from, apart);

                if (!is)
                        continue;
                was->matched = is->matched = true;
                was->turn = apart == RELIVE_AT_ONCE ? TURN_NONE : TURN_MOVED;
                was->other = is->at;
        }
}

/* What the judge of then makes of the sizes in the history, and the log does not have, did not happen: nothing is lost in it. */
static void keep_real(struct events *before, struct events *real)
{
        size_t from = 0;

        for (size_t i = 0; i < before->n; i++) {
                struct event *was = &before->list[i];
                struct event *happened = partner(was, real, &from, MOVED_AT_MOST);

                if (happened)
                        happened->matched = true;
                else
                        was->turn = TURN_NONE;
        }
}

void events_compare(struct events *before, struct events *after, struct events *real)
{
        match(before, after, RELIVE_AT_ONCE);
        match(before, after, MOVED_AT_MOST);
        for (size_t i = 0; i < before->n; i++)
                if (!before->list[i].matched)
                        before->list[i].turn = TURN_GONE;
        for (size_t i = 0; i < after->n; i++)
                if (!after->list[i].matched)
                        after->list[i].turn = TURN_NEW;
        if (real)
                keep_real(before, real);
}

unsigned events_count(const struct events *events, enum what what, enum turn turn)
{
        unsigned n = 0;

        for (size_t i = 0; i < events->n; i++)
                n += events->list[i].what == what && events->list[i].turn == turn;
        return n;
}
