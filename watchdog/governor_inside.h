#pragma once
/* What the governor owns, for the files of this room only: governor.c (life), answers.c (what the socket is told). */
#include <systemd/sd-event.h>

#include "anchoring.h"
#include "approving.h"
#include "archiving.h"
#include "control/control.h"
#include "governor.h"
#include "heal/heal.h"
#include "inspection.h"
#include "io/clock.h"
#include "io/vault.h"
#include "judge/judge.h"
#include "perform/chronicle.h"
#include "perform/perform.h"
#include "policy/policy.h"
#include "requests.h"
#include "sampling.h"

#define WAITERS_MAX 32
#define SOURCES_MAX 32

/* Somebody at the socket who waits for what comes of an action. */
struct waiter {
        struct control_ticket ticket;
        char agent[AGENT_ID_MAX];
        uint64_t trial;     /* the outcome that counts belongs to it; 0: it belongs to none */
        enum action action; /* ... and is of this; of any where there is no trial */
        usec_t deadline;    /* judge time; 0: free */
};

#define CHANGING_MAX 16 /* change windows, as many as the judge has room for */
#define CHANGE_PATTERN_BYTES 256

/* A change window that is open: what changed in it, and who waits for it to be closed. */
struct changing {
        uint64_t number; /* 0: free */
        uint64_t changed;
        json_t *paths; /* of the first that changed */
        bool closing;
        bool exited; /* a command was run in it */
        int exit;
        char who[64]; /* closes it */
        struct control_ticket ticket;
        unsigned client;     /* runs a command in it: when that one leaves it is closed */
        uint64_t generation; /* 0: it has left, or is of an earlier run, or there is no command */
        usec_t span;         /* by which it is prolonged while the command runs; 0: it ends when its time is over */
};

/* A source of facts as it last told of itself. */
struct source {
        char name[128];
        enum source_state state;
        usec_t since;
        char why[192];
};

struct governor {
        struct governor_options options;
        sd_event *event;
        struct clock clock;
        struct policy *policy;
        bool policy_bad;  /* there is a policy with errors: an older one, or discovery, rules */
        bool policy_held; /* ... or the one on disk is looser, and nobody signed it */
        struct judge *judge;
        void *judge_memory;
        uint64_t seed;
        bool safe_mode;
        bool fell_too_often;    /* the runs before this one ended three times uncleanly within 10 minutes */
        usec_t left;            /* when the run before this one ended, judge time; 0 there was none */
        uint64_t recalled_from; /* seq from which the judge's memory was lived through again */
        struct chronicle *chronicle;
        struct audit_how audit_how;
        struct perform *perform;
        struct control *control;
        struct observers *observers;
        struct fact host; /* newest FACT_HOST */
        struct source sources[SOURCES_MAX];
        unsigned sources_n;
        struct waiter waiters[WAITERS_MAX];
        struct changing changing[CHANGING_MAX];
        sd_event_source *tick;     /* the judge's deadline */
        sd_event_source *remember; /* once a day: the judge's memory into the chain */
        sd_event_source *told;     /* soon: the status line for systemctl */
        sd_event_source *troubled; /* the audit log has a trouble to tell, or none any more */
        char trouble[192];
        bool trouble_is_news; /* ... and is not the one before, which may be acknowledged already */
        bool trouble_passes;  /* by itself, when the log can be written again */
        struct anchoring anchoring;
        struct approving approving;
        struct inspection inspection;
        struct archiving archiving;
        struct sampling sampling;
        struct requests requests;
        struct limiting_query *limiting_queries; /* about what systemd has in force */
        usec_t trials_looked_at;                 /* whether their files are still there */
        uint64_t published;                      /* records up to this seq were told to subscribers */
        char *database;
        char *config_dir; /* the folder of governor.yaml */
        char *socket;
        char *courier_socket;
        struct footprint *footprint;
        struct footprint *left_behind; /* by runs whose log is lost, as it stood when we came; NULL: nothing */
        char *footprint_path;
        struct vault *vault; /* NULL: it cannot be used */
        struct sweeping *sweeping;
        sd_event_source *vault_told;
        char *vault_trouble;    /* why there is none */
        unsigned vault_damaged; /* contents that were not what they should be, since the last sweep that met none */
};

/* Takes one fact, wherever it comes from. */
void governor_take(void *self, const struct fact *fact);

/* The judge looks at all that is due now. */
void governor_tick(struct governor *governor);

/* Sets the clock for the judge's next deadline; after every step. */
void governor_arm(struct governor *governor);

/* The audit log has a trouble to tell. `error`: it cannot be written now; 0, -EUCLEAN: evidence may be lost, a human must look. */
void governor_audit_trouble(void *self, int error, const char *what);

/* A human has explained what became of the audit log: the incident is closed, and on record is why. */
void governor_audit_explained(struct governor *governor, const char *who, const char *reason);

/* Loads the policy again; 0 when the new one rules, -EINVAL with messages when the old one stays, -EPERM when it stays because
 * nobody signed for a looser one. */
int governor_reload(struct governor *governor, struct policy_messages *ret_messages);

/* Whether nothing is done to any agent now, whatever its rule says. */
bool governor_only_observes(const struct governor *governor);
void governor_set_safe_mode(struct governor *governor, bool on, const char *who, const char *reason);
void governor_disarm(struct governor *governor, const char *who);

/* The calls behind the control socket, METHOD_N of them. */
extern control_call *const answers[METHOD_N];

/* Pushes records from `governor->published` on to subscribers. */
void answers_publish(struct governor *governor);

/* One line for systemctl status and the log. */
#define GOVERNOR_LINE_MAX 192
void governor_line(struct governor *governor, char line[GOVERNOR_LINE_MAX]);
