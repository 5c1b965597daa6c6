#pragma once
/* The audit log lived through again: what a judge was given there, and a judge that is given it once more. */
#include <jansson.h>

#include "audit/audit.h"
#include "base/decision.h"
#include "base/fact.h"
#include "judge/judge.h"
#include "policy/policy.h"

/* What stands at a judge.start. */
struct relive_start {
        uint64_t seq;
        usec_t at;
        uint64_t seed;
        uint32_t agents_max;
        bool again;         /* the same run, its memory written down once more */
        bool reloaded;      /* because its policy was loaded again */
        const char *digest; /* of the policy */
        const char *policy; /* its words, a loan; NULL: the log does not hold them */
};

/* Who is told of the records, in their order; each may be NULL. A negative result ends it. */
struct relive_reader {
        int (*start)(void *self, const struct relive_start *start);
        int (*stop)(void *self, usec_t at); /* judge.stop: the run ended cleanly */
        int (*gap)(void *self);             /* records were lost here */
        int (*fact)(void *self, const struct fact *fact,
                    bool memory); /* memory: what the judge knew at the judge.start */
        int (*decision)(void *self, uint64_t seq, usec_t at, const json_t *record);
        void *self;
};

/* Reads the log from record `from` on. */
int relive_read(struct audit_reader *audit, uint64_t from, const struct relive_reader *reader);

/* The record of the newest judge.start that is not after `since`: its memory is what the time since then began with. Where
 * there is none so old, the oldest. */
int relive_look_back(struct audit_reader *audit, usec_t since, uint64_t *ret_from);

/* A judge with its policy, made anew. */
struct relive {
        struct policy *policy;
        void *memory;
        struct judge *judge;
        void (*decided)(void *self, const struct decision *decision);
        void *self;
        bool remembers; /* what has to be remembered before more is decided it takes from itself, not from the log */
};

/* `policy` is taken over, also on failure. */
int relive_begin(struct relive *relive, const struct relive_start *start, struct policy *policy);
void relive_done(struct relive *relive);

/* The policy was loaded again: this one, which is taken over, or with NULL the same. */
void relive_reload(struct relive *relive, usec_t at, struct policy *policy);

/* The judge takes a fact, with a tick at each deadline before it; what it decides is told. */
void relive_take(struct relive *relive, const struct fact *fact);

/* It is given a part of its memory: nothing is judged before all of it is there. */
void relive_remember(struct relive *relive, const struct fact *fact);

/* Only the ticks, up to `at`. */
void relive_tick_until(struct relive *relive, usec_t at);

/* What a decision and its record have in common: { at, subject, verb, incident, details }. NULL: memory ended. */
json_t *relive_of_decision(const struct decision *decision);
json_t *relive_of_record(const json_t *record);

/* The same but for the moment: what is due is decided when the daemon is woken, and ticks are not recorded. */
#define RELIVE_AT_ONCE USEC_PER_SEC
bool relive_is_same(const json_t *a, const json_t *b);
usec_t relive_at(const json_t *decision);

/* As much of a record again as its words need. */
json_t *relive_as_record(const json_t *decision);
