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
