#pragma once
/*
 * Trials: what Governor changes on a human's word is taken back by itself, when its time is over and nobody kept it, or as
 * soon as its agent dies or a finding says that it is not well. A kept one stays until a human takes it back.
 */
#include "judge/memory.h"

/* What happens to a trial. */
enum trial_input {
        TRIAL_INPUT_NONE,
        TRIAL_INPUT_BEGIN,
        TRIAL_INPUT_DONE,   /* the action under way succeeded */
        TRIAL_INPUT_FAILED, /* it did nothing */
        TRIAL_INPUT_LOST,   /* what it did is not known */
        TRIAL_INPUT_DRY,    /* nothing is done now, whatever is asked */
        TRIAL_INPUT_DUE,    /* the wait is over: for its end, for an answer, or for another try */
        TRIAL_INPUT_ILL,    /* its agent died or lost its health, or the machine began anew */
        TRIAL_INPUT_KEEP,
        TRIAL_INPUT_UNDO,
        TRIAL_INPUT_N,
};

enum trial_act {
        TRIAL_ACT_NONE,
        TRIAL_ACT_MAKE,
        TRIAL_ACT_KEEP,
        TRIAL_ACT_UNDO,
};

enum trial_wait {
        TRIAL_WAIT_NONE,
        TRIAL_WAIT_REPLY, /* for the outcome of the action */
        TRIAL_WAIT_SPAN,  /* for its end */
        TRIAL_WAIT_AGAIN, /* before another try, twice as long each time */
};

struct trial_cell {
        enum trial_state next; /* TRIAL_NONE: the state does not care for this input */
        enum trial_act act;
        enum trial_wait wait;
};

extern const struct trial_cell trial_table[TRIAL_STATE_N][TRIAL_INPUT_N];

/* FACT_TRIAL. */
void trial_take(struct judge *judge, const struct fact *fact);

/* FACT_OUTCOME of an action that belongs to a trial; false when it belongs to none. */
bool trial_outcome(struct judge *judge, const struct fact *fact);

/* The agent died unplanned at that moment; an incident about it opened. */
void trial_agent_died(struct judge *judge, const struct agent *agent, const struct instance *instance, usec_t at);
void trial_agent_ill(struct judge *judge, const struct agent *agent, enum cause cause, uint64_t incident);

/* Another run begins: what the last one could only have done is done. */
void trial_resumed(struct judge *judge);

/* The machine was started anew: nothing that is not kept is left. Governor is disarmed: nothing may be left. */
void trial_rebooted(struct judge *judge);
void trial_undo_all(struct judge *judge, const char *why);

/* Decides what is due, one action a look; when more is due it asks for another look at once. */
void trial_look(struct judge *judge, usec_t *due);

/* Whether a drop-in of the agent's in that place is made, and to stay for now. */
bool trial_stands(const struct judge *judge, const char *agent, enum limits_place place);

/* Whether the agent's deaths count for a trial: each of them is recorded. */
bool trial_counts(const struct judge *judge, const struct agent *agent);

/* Whether the agent's limits are on trial. */
bool trial_holds(const struct judge *judge, const char *agent);

/* One worth remembering as a fact; false for the others. */
bool trial_remember(const struct judge *judge, uint32_t index, struct fact *ret);
