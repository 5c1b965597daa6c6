#pragma once
/*
 * Rein: the CPU quota that an agent's rule gives it once it was too much of a burden (see burden.h), as a table of states and
 * inputs. It is held until the agent wants less again, its incident is closed, its owner stopped it, or the rule or a human
 * wants it so; and taken back at once when the agent dies of it. Only the unit of a systemd service can be held: PM2 apps share
 * one control group with their PM2.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/decision.h"
#include "base/usec.h"

struct agent;
struct fact;
struct instance;
struct judge;

enum rein_state {
        REIN_BLANK,
        REIN_OFF,
        REIN_HOLDING, /* the quota is being set */
        REIN_HELD,
        REIN_LETTING, /* ... and taken back */
        REIN_TOLD,    /* it could not be set, or was only told: not tried again before the burden is over */
        REIN_N,
};

enum rein_input {
        REIN_INPUT_WANT, /* too much of a burden, and nothing speaks against it */
        REIN_INPUT_DONE,
        REIN_INPUT_FAILED,
        REIN_INPUT_LOST, /* what the action did is not known, or nobody said */
        REIN_INPUT_DRY,
        REIN_INPUT_OVER, /* whatever the reason: it is held no longer */
        REIN_INPUT_N,
};

struct rein_cell {
        enum rein_state next; /* REIN_BLANK: the state does not care for this input */
        enum action action;
};

extern const struct rein_cell rein_table[REIN_N][REIN_INPUT_N];

struct rein {
        enum rein_state state; /* REIN_BLANK is off too */
        usec_t since;
        usec_t until;     /* an answer, or another try to take it back, is due; 0 not */
        uint32_t percent; /* as it was ordered */
        uint32_t tries;   /* to take it back */
        bool harmed;      /* it died of it: not again before the burden is over */
        uint64_t incident;
};

/* Whether a quota of ours stands there, or may. */
static inline bool rein_is_on(const struct rein *rein)
{
        return rein->state == REIN_HOLDING || rein->state == REIN_HELD || rein->state == REIN_LETTING;
}

/* Decides what is due about the instance's agent. */
void rein_look(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due);

/* FACT_OUTCOME of an action about limits that belongs to no trial. */
void rein_outcome(struct judge *judge, struct agent *agent, const struct fact *fact);

/* The machine was started anew: what stood in /run is gone. */
void rein_rebooted(struct judge *judge);

/* What was only told may be done now. */
void rein_arm(struct judge *judge);
