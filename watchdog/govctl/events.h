#pragma once
/* What people would notice of a judge's decisions, and what is different about two judges'. */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decision.h"

enum what { WHAT_RESTART, WHAT_QUARANTINE, WHAT_DENIAL, WHAT_TRIAL, WHAT_FINDING, WHAT_ROLLBACK, WHAT_N };

struct what_words {
        const char *name, *one, *many;
        bool matters; /* a new one is a reason to think again */
};
extern const struct what_words what_words[WHAT_N];

enum turn { TURN_NONE, TURN_GONE, TURN_NEW, TURN_MOVED, TURN_N };
const char *turn_name(enum turn turn); /* "same", "gone", "new", "moved" */

struct event {
        enum what what;
        usec_t at;
        usec_t other; /* where it was moved to */
        char *agent, *cause, *key, *reason;
        uint64_t bytes, limit_bytes; /* 0: it is not about a size */
        enum turn turn;
        bool matched;
};

struct events {
        struct event *list;
        size_t n, room;
        bool failed;
};

/* Takes what a judge decided, or what the log has of it, if people would notice. */
void events_add_decision(struct events *events, const struct decision *decision);
void events_add_record(struct events *events, const json_t *record);
void events_done(struct events *events);

/*
 * Gives each event its turn: of those before, and of those after under another policy. Two within ten minutes are one that moved.
 * What is gone or moved must have happened: `real`, if given, are the events of the log. Those of them that no event of `before`
 * stands for stay without `matched`.
 */
void events_compare(struct events *before, struct events *after, struct events *real);

unsigned events_count(const struct events *events, enum what what, enum turn turn);
