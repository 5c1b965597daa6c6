#pragma once
/* What if another policy had ruled: recorded facts for a judge that acts in its own way, told as they would have been. */
#include "govctl/relive.h"

struct sampled;
struct whatif;

/* `decided` hears what the judge decides. */
int whatif_new(void (*decided)(void *self, const struct decision *decision), void *self, struct whatif **ret);
struct whatif *whatif_free(struct whatif *whatif);

/*
 * The records of the log, in their order. The first start brings the policy, which is taken over, also on failure; at a later one NULL
 * stands for the same. `loaded`: the daemon loaded its policy, whichever it was.
 */
int whatif_start(struct whatif *whatif, const struct relive_start *start, struct policy *policy, bool loaded);
void whatif_fact(struct whatif *whatif, const struct fact *fact, bool memory);
void whatif_decision(struct whatif *whatif, usec_t at, const json_t *record);

/* A policy is loaded: this one, which is taken over, or with NULL the same again. */
void whatif_load(struct whatif *whatif, usec_t at, struct policy *policy);

/* The policy that it goes by; NULL: it has not begun. */
const struct policy *whatif_policy(const struct whatif *whatif);

/* A size from the history, for the life that ran then. */
enum whatif_sample {
        WHATIF_TAKEN,
        WHATIF_NOBODYS, /* nobody's that the judge knows to live: the log and it are not of one mind about that life */
        WHATIF_MIXED,   /* of two lives: one began in that step */
        WHATIF_SUM,     /* of several instances */
};
enum whatif_sample whatif_sample(struct whatif *whatif, const struct sampled *sampled, enum memory_of of);

/* Whether an act that only the log has was announced to the judge shortly before. */
bool whatif_announced(const struct whatif *whatif, const char *agent, usec_t at);

/* Nothing comes any more; lives on up to `at`. */
void whatif_end(struct whatif *whatif, usec_t at);
