#pragma once
/* What if another policy had ruled: recorded facts for a judge that acts in its own way, told as they would have been. */
#include "govctl/relive.h"

struct whatif;

/* `decided` hears what the judge decides under the other policy, which is taken over. */
int whatif_new(struct policy *policy, void (*decided)(void *self, const struct decision *decision), void *self,
               struct whatif **ret);
struct whatif *whatif_free(struct whatif *whatif);

/* The records of the log, in their order. */
int whatif_start(struct whatif *whatif, const struct relive_start *start);
void whatif_fact(struct whatif *whatif, const struct fact *fact, bool memory);
void whatif_decision(struct whatif *whatif, usec_t at, const json_t *record);

/* Whether an act that only the log has was announced to the judge shortly before. */
bool whatif_announced(const struct whatif *whatif, const char *agent, usec_t at);

/* Nothing comes any more; lives on up to `at`. */
void whatif_end(struct whatif *whatif, usec_t at);
