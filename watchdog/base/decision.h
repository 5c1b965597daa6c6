#pragma once
/* A decision is what the judge wants, with the rule that wants it and the evidence. It carries everything that a
 * record or a person needs to understand it, because the judge never logs. */
#include <sys/types.h>

#include "base/finding.h"
#include "base/limits.h"

enum action {
        ACTION_NONE,
        ACTION_RESTART,
        ACTION_STOP,     /* taken down: quarantine, or the quiet part of a slowed restart */
        ACTION_START,    /* brought up again: end of a backoff, a trial, a dependent after its base */
        ACTION_LIMIT,    /* limits are written into a drop-in of its unit, and systemd takes them */
        ACTION_UNLIMIT,  /* ... and taken back */
        ACTION_ROLLBACK, /* its configuration put back as it was in an earlier version, and restarted */
        ACTION_RESTORE,  /* a guarded file put back as it was sealed, and sealed again */
        ACTION_N,
};

enum decision_kind {
        DECIDE_NOTHING,
        DECIDE_OPEN,     /* a new incident: cause and reason say what was found */
        DECIDE_WORSEN,   /* a known incident: the count passed 10, 100, ..., or the reason changed; same number */
        DECIDE_RESOLVE,  /* the incident is over; reason says how */
        DECIDE_ACT,      /* carry out `action` */
        DECIDE_WITHHOLD, /* `action` was due and is not taken; `withheld` says why */
        DECIDE_N,
};

/* Why an action that a rule wants is not taken now. */
enum withheld {
        WITHHELD_NOT,
        WITHHELD_BUDGET,       /* the global action budget is spent */
        WITHHELD_COMMON_CAUSE, /* the common-cause brake */
        WITHHELD_TOO_MANY,     /* too large a share of the agents would be in quarantine */
        WITHHELD_CRITICAL,     /* a critical agent is slowed, never quarantined */
        WITHHELD_HUMAN,        /* a human acted on the agent in the last 10 minutes */
        WITHHELD_GRACE,        /* boot or deploy grace */
        WITHHELD_BASE_FIRST,   /* an agent that this one comes after is healed first */
        WITHHELD_BLIND,        /* the evidence is incomplete */
        WITHHELD_SAFE_MODE,
        WITHHELD_ILL,        /* something is wrong with it that comes first, or it is held down */
        WITHHELD_COOLING,    /* the same was done to it a short while ago */
        WITHHELD_SHARED,     /* what would be limited is not the agent's alone */
        WITHHELD_NO_VERSION, /* there is no earlier configuration to go back to */
        WITHHELD_N,
};

/* What the action is for; the record's verb is the action, this is its purpose. */
enum purpose {
        PURPOSE_NONE,
        PURPOSE_HEAL,    /* a rung of the ladder */
        PURPOSE_BACKOFF, /* the stop and start around the wait of a slowed restart */
        PURPOSE_QUARANTINE,
        PURPOSE_TRIAL, /* half-open: one life to prove itself */
        PURPOSE_ASKED, /* a human asked through govctl */
        PURPOSE_KEEP,  /* what is on trial is made permanent, as a human asked */
        PURPOSE_UNDO,  /* what was on trial, or kept, is taken back */
        PURPOSE_FLUSH, /* the machine's memory is below its floor */
        PURPOSE_GUARD, /* a guarded file is not as it was sealed */
        PURPOSE_N,
};

#define REASON_MAX 320

struct decision {
        enum decision_kind kind;
        usec_t at;
        const char *agent; /* id, or "" for the machine; a loan from the judge until its next step */
        uint32_t instance; /* or INSTANCE_ALL */
        enum manager manager;
        uint64_t incident; /* 0: belongs to none (a human's own request) */
        enum cause cause;
        enum effective effective; /* as judged now */
        enum action action;
        enum purpose purpose;
        enum withheld withheld;
        bool enforce;   /* false: the rule only observes, perform uses the dry hands */
        bool safety;    /* a critical agent is dead: it is brought up even when that cannot be written down now */
        pid_t pid;      /* the incarnation the evidence is about; re-checked right before acting; 0: none alive */
        uint64_t start; /* its start time in clock ticks since boot (/proc/PID/stat field 22) */
        uint64_t bytes,
                limit_bytes;   /* a size and what it is held against, where that is what is wrong; not in the record */
        uint64_t version;      /* ACTION_ROLLBACK: its number, ... */
        const char *to, *from; /* ... its digest in hex, and that of the present one; loans; NULL for other actions */
        const char *path;      /* ACTION_RESTORE: the file; a loan; NULL for other actions */
        const char *rule;      /* name of the rule; "" for built-in rules */
        const char *rule_file; /* where it stands; "" for built-in rules */
        unsigned rule_line;
        uint64_t trial;       /* the trial that it belongs to, 0 none */
        struct limits limits; /* of ACTION_LIMIT: these; of ACTION_UNLIMIT: what stands there goes */
        char reason
                [REASON_MAX]; /* for people: "3 deaths in 60s (rule: more than 2), each lived about 3.0s, last exit code 1" */
};

/* What does not fit stays due in the judge and comes up at its next step. */
#define DECISIONS_MAX 22

struct decisions {
        unsigned n;
        bool material; /* the fact changed a judged state: record it, before the decisions */
        bool remember; /* part of the memory must be in the chain before more is decided: judge_remember_due() */
        bool weigh;    /* what a restart would free is to be measured: judge_weighs() says whose */
        struct decision list[DECISIONS_MAX];
};

/* What a unit may use is changed, and nothing that lives. */
bool action_is_of_limits(enum action action);

/* What the record of an action is called: "agent.restart", "file.restore". Returns `buffer`. */
#define ACTION_VERB_MAX 32
char *action_verb(enum action action, char buffer[ACTION_VERB_MAX]);

/* ACTION_NONE for the verb of anything else. */
enum action action_from_verb(const char *verb);

/* Whether a record of this verb tells of an action, be it one of a later version. */
bool action_is_verb(const char *verb);

const char *action_name(enum action action);
const char *decision_kind_name(enum decision_kind kind);
const char *withheld_name(enum withheld withheld);
const char *purpose_name(enum purpose purpose);
enum action action_from_name(const char *name);
enum purpose purpose_from_name(const char *name);
