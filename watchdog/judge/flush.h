#pragma once
/*
 * Flush: what is done while the machine's free memory (MemAvailable) is below the policy's memory_floor. The incident
 * memory-floor opens, and until there is more than the floor and its margin, agents are restarted through their managers:
 * the one first that frees most for what its restart costs, one at a time, each verified by what the machine and the agent's
 * new life hold afterwards. Who may not be touched is told with what it holds; so is that nothing more can be freed.
 *
 * Samples of the machine are not in the chain. When they add up to something else than was told before, the step comes back
 * with decisions->remember, and the numbers go into the chain as one FACT_BASELINE (of: floor), as with swell.h; everything
 * is decided from that fact, from FACT_WEIGHT and from outcomes. What a restart would free is measured only when the judge
 * asks for it, with decisions->weigh.
 */
#include "base/decision.h"
#include "judge/ebb.h"

struct agent;
struct fact;
struct instance;
struct judge;

enum flush_state {
        FLUSH_BLANK, /* in a cell: stays as it is */
        FLUSH_CALM,
        FLUSH_WEIGHING, /* asked what restarts would free */
        FLUSH_CHOOSING,
        FLUSH_ORDERED,  /* a restart is under way */
        FLUSH_SETTLING, /* its new life takes what it needs */
        FLUSH_CHECKING, /* asked what it holds now, and what the machine has left */
        FLUSH_RESTING,  /* nothing can be done now */
        FLUSH_ABOVE,    /* above the floor again: has to stay there for a while */
        FLUSH_QUIET,    /* a human closed the incident, or the floor is beyond the machine: until it is above again */
        FLUSH_N,
};

enum flush_input {
        FLUSH_SINKS, /* told to be below */
        FLUSH_RISES, /* told to be above */
        FLUSH_WEIGHED,
        FLUSH_CHOSE,    /* a restart was ordered */
        FLUSH_NOBODY,   /* none can be */
        FLUSH_STALE,    /* what was measured is too old to choose by */
        FLUSH_DONE,     /* outcomes of it: it was carried out, or may have been */
        FLUSH_UNDONE,   /* ... nothing was done */
        FLUSH_DUE,      /* the wait is over */
        FLUSH_CLOSED,   /* the incident was closed by a human */
        FLUSH_HOPELESS, /* told to be below a floor that the machine cannot have */
        FLUSH_INPUT_N,
};

enum flush_wait {
        FLUSH_WAIT_NONE,
        FLUSH_WAIT_NOW,
        FLUSH_WAIT_WEIGHTS,
        FLUSH_WAIT_REPLY,
        FLUSH_WAIT_SETTLE,
        FLUSH_WAIT_REST, /* until something may have changed about those who are not touched */
        FLUSH_WAIT_STAY,
        FLUSH_WAIT_N,
};

struct flush_cell {
        enum flush_state next;
        enum flush_wait wait;
};

extern const struct flush_cell flush_table[FLUSH_N][FLUSH_INPUT_N];

#define FLUSH_NAME_MAX 18 /* the kernel cuts names of processes at 15; a multiple of six, see remember.c */

struct flush {
        enum flush_state state; /* FLUSH_BLANK of a new judge is FLUSH_CALM */
        usec_t since, until;
        uint32_t incident;
        struct ebb ebb; /* as it was told last: what is decided rests on it */
        struct ebb_found found;
        uint32_t victim;                   /* instance, NOBODY */
        uint32_t before_kib, expected_kib; /* available before its restart; what that was to free */
        usec_t weighed_at;                 /* weights since then are believed */
        usec_t rest_until;
        uint32_t rests;    /* since the newest restart */
        uint32_t rest_kib; /* available when the rest began */
        usec_t ordered_at; /* newest restart */
        uint32_t restarts; /* of this incident, and what they freed */
        uint64_t freed_kib;
        uint64_t assumed_kib; /* what those would have freed that are only observed */
        uint64_t told_hash;   /* of who is not touched and why, as last told */
        struct {              /* the largest process that is no agent's */
                usec_t at;
                pid_t pid;
                uint32_t kib;
                char name[FLUSH_NAME_MAX];
        } stranger;
};

/* FACT_HOST. */
void flush_sample(struct judge *judge, const struct fact *fact);

/* FACT_BASELINE of the floor: the numbers are in judge->flush.ebb by now. */
void flush_told(struct judge *judge, usec_t at);

/* FACT_WEIGHT. */
void flush_weight(struct judge *judge, const struct fact *fact);

/* FACT_OUTCOME of a restart for the floor. */
void flush_outcome(struct judge *judge, struct instance *instance, const struct fact *fact);

/* Opens, pursues and resolves the incident; sets when to look again through `due`. */
void flush_look(struct judge *judge, usec_t *due);

/* The policy is another one: what that makes of the numbers is told with the next sample, and decided from it. */
void flush_set_policy(struct judge *judge);

/* A human closed this incident: nothing is told or done until there is enough memory again. */
void flush_forget(struct judge *judge, uint32_t incident);

const char *flush_state_name(enum flush_state state);
