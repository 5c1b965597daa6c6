#pragma once
/* Facts, decisions and outcomes as the details of audit records, and facts back from there. One table says how. */
#include <jansson.h>

#include "base/decision.h"
#include "base/fact.h"

#define RECORD_VERB_MAX 64

/* Details of a fact.KIND record, a new object; the subject is fact->agent, and `verb` gets "fact.started" and the like. */
json_t *record_of_fact(const struct fact *fact, char verb[RECORD_VERB_MAX]);

/* Details of the record that a decision makes: finding.CAUSE, or the intent or refusal of agent.ACTION. */
json_t *record_of_decision(const struct decision *decision, char verb[RECORD_VERB_MAX]);

/* {"place":"trial","memory_max":134217728,"oom_policy":"kill"}: what is set; and back, less what makes no sense. */
json_t *record_of_limits(const struct limits *limits);
struct limits record_to_limits(const json_t *object);

/* Details of the outcome of an action whose intent is record `intent`. */
json_t *record_of_outcome(const struct fact *fact, uint64_t intent);

/*
 * A fact from a record: `verb` and `subject` as stored, `details` parsed. Strings are loans from `details` and `subject`; a
 * FACT_REMEMBERED points to `scratch`. -ENOENT: this verb is not a fact, -EBADMSG: it is one that cannot be right.
 */
int record_to_fact(const char *verb, const char *subject, const json_t *details, struct remembered *scratch,
                   struct fact *ret);

/*
 * Behind a judge.start stands what the judge remembers; its `memory` says how many facts that are. What follows happened since
 * then, also when it looks the same: sums of what was not recorded one by one are written down within a run, too. Older logs do
 * not count: there the memory ends with the first fact of another kind or time.
 */
struct record_memory {
        bool ended, counted, agents;
        uint64_t left;
        usec_t at;
};

/* `start`: the details of a judge.start. Before the first of them nothing is memory: { .ended = true }. */
void record_memory_begin(struct record_memory *memory, const json_t *start);

/* Whether the next fact is part of it; NULL for one that record_to_fact() cannot read. */
bool record_is_memory(struct record_memory *memory, const struct fact *fact);
