#pragma once
/* The healing ladder: what to do with an agent that does not stay up, as one table of states and inputs. */
#include "base/decision.h"
#include "base/usec.h"

enum ladder_state {
        LADDER_BLANK, /* in a cell: stays as it is */
        LADDER_OK,
        LADDER_SUSPECT,     /* something is wrong; acts as soon as nothing speaks against it */
        LADDER_STOPPING,    /* stop ordered, for a slowed restart */
        LADDER_BACKOFF,     /* down by us, for a while */
        LADDER_STARTING,    /* start ordered after that */
        LADDER_REVIVING,    /* restart or start of a dead one ordered */
        LADDER_SETTLING,    /* up again: has to outlive its grace */
        LADDER_CONFINING,   /* stop ordered, for quarantine */
        LADDER_QUARANTINED, /* down by us until the trial */
        LADDER_TRYING,      /* start ordered for a trial */
        LADDER_TRIAL,       /* one life to prove itself */
        LADDER_GIVEN_UP,    /* down, and only a human brings it up */
        LADDER_TOLD,        /* would have acted; rests */
        LADDER_RETRY,       /* the manager refused; tried again later */
        LADDER_ROLLING,     /* its configuration is being put back, and it is restarted */
        LADDER_N,
};

enum ladder_input {
        INPUT_FOUND,        /* a cause was named */
        INPUT_SLOW,         /* due: slowed restart */
        INPUT_SLOW_DOWN,    /* due: slowed restart, and nothing runs that would have to be stopped */
        INPUT_REVIVE,       /* due: restart of one that its manager holds for up, or gave up */
        INPUT_REVIVE_DOWN,  /* due: start of one that its manager holds for stopped */
        INPUT_CONFINE,      /* due: quarantine */
        INPUT_CONFINE_DOWN, /* due: quarantine, and nothing runs that would have to be stopped */
        INPUT_DONE,         /* outcomes of our action */
        INPUT_FAILED,
        INPUT_STALE,
        INPUT_DRY,
        INPUT_REFUSED,
        INPUT_LOST,       /* no answer: look at what it did before anything else */
        INPUT_DUE,        /* the wait is over */
        INPUT_DUE_SPENT,  /* the wait is over, and there is nothing further to try */
        INPUT_BORN,       /* somebody else started it */
        INPUT_DEATH,      /* it died, unplanned */
        INPUT_PROVEN,     /* it outlived its grace */
        INPUT_CLEARED,    /* what was wrong is over without that: stopped by its owner, deleted, acknowledged */
        INPUT_RELEASE,    /* a human asked for its release */
        INPUT_ASKED,      /* a human asked for a restart */
        INPUT_ROLLBACK,   /* due: back to the last configuration that was proven */
        INPUT_ASKED_BACK, /* a human asked for an earlier configuration */
        INPUT_N,
};

enum ladder_wait {
        WAIT_NONE,
        WAIT_REPLY,   /* for an outcome; its absence is judged like a lost answer */
        WAIT_LOOK,    /* after a lost answer */
        WAIT_BACKOFF, /* doubling, with jitter */
        WAIT_SETTLE,  /* the grace */
        WAIT_TRIAL,   /* trial_after, doubling up to four times */
        WAIT_N,
};

struct ladder_cell {
        enum ladder_state next;
        enum action action;
        enum purpose purpose;
        enum ladder_wait wait;
        bool failed; /* the attempt did not help: the next rung is due */
};

extern const struct ladder_cell ladder_table[LADDER_N][INPUT_N];

/* One instance's place on it. */
struct ladder {
        enum ladder_state state;
        uint32_t rung;       /* index into the rule's ladder */
        uint32_t attempts;   /* actions so far, also what makes each jitter its own */
        uint32_t trials;     /* failed ones */
        usec_t since, until; /* until: end of the wait, USEC_INFINITY none */
        usec_t backoff;      /* next wait, 0: the first */
        bool unpinned;       /* a stop came too late for its incarnation once: the next one is for whichever runs */
        bool asked;          /* a human's restart that waits for an action under way */
        bool asked_back;     /* the same of a rollback */
        uint64_t back_to;    /* the version that the newest rollback goes to */
};

/* Whether we took it down: then being down is not held against it. */
static inline bool ladder_is_down(enum ladder_state state)
{
        return state == LADDER_STOPPING || state == LADDER_BACKOFF || state == LADDER_STARTING ||
               state == LADDER_CONFINING || state == LADDER_QUARANTINED || state == LADDER_TRYING ||
               state == LADDER_GIVEN_UP;
}

static inline bool ladder_is_quarantine(enum ladder_state state)
{
        return state == LADDER_CONFINING || state == LADDER_QUARANTINED || state == LADDER_GIVEN_UP;
}

const char *ladder_state_name(enum ladder_state state);
const char *ladder_input_name(enum ladder_input input);
