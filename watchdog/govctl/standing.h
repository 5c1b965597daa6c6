#pragma once
/* How an agent stands: whether somebody should look at it, and in which words and colour people are told. */
#include <jansson.h>

#include "govctl/page.h"

/* Behind is worse, and comes first on a screen. */
enum standing {
        STANDING_OFF, /* somebody stopped it: that is what they wanted */
        STANDING_FINE,
        STANDING_UNSETTLED, /* starting, waiting, not known: not wrong yet */
        STANDING_FINDING,   /* runs, but with an open incident */
        STANDING_DOWN,      /* dead, quarantined, frozen, lost */
        STANDING_LOOPING,
        STANDING_N,
};

/* `agent` is one of the daemon's agent objects. */
enum standing agent_standing(const json_t *agent);
enum tint standing_tint(enum standing standing);

/* The agents of a status in the order for people: worst first, then by name. A new array that borrows nothing. */
json_t *agents_sorted(const json_t *agents);

/* "exit 1", "signal KILL", "out of memory", "by hand": `last` is {ending, code, signal}; "" if never. */
#define ENDING_WORDS_MAX 64
char *ending_words(const json_t *last, char buffer[ENDING_WORDS_MAX]);

/* "pm2", or "pm2 via agent-x.service". */
#define MANAGER_WORDS_MAX 160
char *manager_words(const json_t *agent, char buffer[MANAGER_WORDS_MAX]);

/* "family.yaml:12" of a rule object, or its name, or "". `whole`: with the directories. */
#define RULE_WORDS_MAX 256
char *rule_words(const json_t *rule, bool whole, char buffer[RULE_WORDS_MAX]);

/* "9 lives", "4 lives and 12 days": how much of an agent was seen, of {lives, days}. */
#define LIVES_WORDS_MAX 48
char *lives_words(const json_t *seen, char buffer[LIVES_WORDS_MAX]);

/* What happens by itself when a wait is over: "a trial", "started again after its backoff". */
const char *waiting_words(const char *waiting_for);

/* How many agents stand how, and how many of them somebody should look at. */
struct tally {
        unsigned by[STANDING_N];
        unsigned all, wrong;
};

struct tally count_agents(const json_t *agents);
