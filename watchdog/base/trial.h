#pragma once
/* A trial: a change of Governor's own that is taken back by itself unless a human keeps it. Its words. */
#include "base/usec.h"

/* What was changed. */
enum trial_of {
        TRIAL_OF_NONE,
        TRIAL_OF_LIMITS, /* the limits of an agent's unit */
        TRIAL_OF_N,
};

/* What is told of one. */
enum trial_step {
        TRIAL_STEP_NONE,
        TRIAL_BEGIN,
        TRIAL_KEEP,
        TRIAL_UNDO,
        TRIAL_STANDS, /* the judge's own memory of it */
        TRIAL_STEP_N,
};

enum trial_state {
        TRIAL_NONE,
        TRIAL_BEGINNING, /* its change is being made */
        TRIAL_RUNNING,   /* made; until its time is over, its agent is ill, or a human has decided */
        TRIAL_KEEPING,   /* being made permanent */
        TRIAL_KEPT,
        TRIAL_ENDING, /* being taken back */
        TRIAL_STUCK,  /* could not be taken back: tried again */
        TRIAL_OVER,   /* nothing of it is left */
        TRIAL_STATE_N,
};

#define TRIAL_SPAN (10 * USEC_PER_MINUTE) /* where its human says no other */
#define TRIAL_SPAN_LEAST (10 * USEC_PER_SEC)
#define TRIAL_SPAN_MOST USEC_PER_DAY

const char *trial_of_name(enum trial_of of);
const char *trial_step_name(enum trial_step step);
const char *trial_state_name(enum trial_state state);
enum trial_of trial_of_from_name(const char *name);
enum trial_step trial_step_from_name(const char *name);
enum trial_state trial_state_from_name(const char *name);
