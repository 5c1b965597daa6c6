#pragma once
/* What the judge keeps between two facts: agents, their instances, sources, incidents and what is due when. */
#include <stdbool.h>
#include <stddef.h>

#include "base/decision.h"
#include "base/fact.h"
#include "base/path.h"
#include "judge/burden.h"
#include "judge/ebb.h"
#include "judge/flush.h"
#include "judge/growth.h"
#include "judge/judge.h"
#include "judge/ladder.h"
#include "judge/rein.h"
#include "judge/strain.h"
#include "judge/swell.h"
#include "judge/tally.h"
#include "policy/policy.h"

/* What is found and told, and not cured by a restart. */
enum note {
        NOTE_HIGH_RESTARTS,
        NOTE_ORPHAN,
        NOTE_DUPLICATE,
        NOTE_BUDGET,
        NOTE_CONFIG,
        NOTE_DRIFT,
        NOTE_LEAK,
        NOTE_LOAD,
        NOTE_UNIT,
        NOTE_START,
        NOTE_N,
};

#define NOBODY UINT32_MAX /* no agent, no instance, no incident: an index that is none */

#define LIVES_MAX 4 /* incarnations remembered to recognise late and repeated facts; a reload has two at once */
#define BASES_MAX 8 /* agents that one agent depends on */
#define SOURCES_MAX 40
#define BRAKES_MAX 16 /* groups of agents that may fail together at the same time */
#define BUDGET_MAX 64 /* actions remembered; the largest budget that can be enforced */
#define SOURCE_NAME_MAX 160
#define SOURCE_WHY_MAX 120
#define RESULT_MAX 32
#define CHANGES_MAX 16 /* change windows that are open at the same time */
#define CHANGE_PATTERN_MAX 256
#define CHANGE_REASON_MAX 128
#define VERSIONS_MAX 8 /* of one agent's configuration */
#define VERSION_DIGEST_MAX 65
#define RECENT_PATH_MAX 160
#define PACKAGES_MAX 4

/* How long we wait before we believe something. Each is longer than the trap it avoids, see facts/. */
#define MERGE_WAIT \
        (500 * USEC_PER_MSEC) /* kernel says gone; the manager's cause follows within 10 ms, a busy one's later */
#define COUNTER_WAIT (2 * USEC_PER_SEC)  /* systemd counts before it starts, PM2 starts before it is listed */
#define DEAD_WAIT (4500 * USEC_PER_MSEC) /* claimed running without a process; told within five seconds */
#define GIVEN_UP_WAIT \
        (2 * USEC_PER_SEC)           /* PM2's "waiting restart" with pid 0; also failed, which systemd passes through */
#define DRAG_WAIT (2 * USEC_PER_SEC) /* a dependent goes down this soon after its base */
#define OWN_WAIT (5 * USEC_PER_SEC)  /* the echo of our own action */
#define CALM_WAIT (5 * USEC_PER_SEC) /* after a source sees again, before what it lists is held against anybody */
#define BLIND_WAIT (3 * USEC_PER_SEC)   /* a bus that restarts is back in one second */
#define HAND_WAIT (2 * USEC_PER_MINUTE) /* the limiting hand has shorter deadlines: this catches a lost outcome */
#define HUMAN_PAUSE (10 * USEC_PER_MINUTE)
#define BOOT_GRACE (2 * USEC_PER_MINUTE)
#define START_GRACE (10 * USEC_PER_SEC)
#define GRACE_LEAST (10 * USEC_PER_SEC)
#define GRACE_MOST (5 * USEC_PER_MINUTE)
#define FORGET_LEAST (10 * USEC_PER_MINUTE)
#define TRIALS_MAX 3

enum life_state {
        LIFE_NONE,
        LIFE_ALIVE,
        LIFE_DYING,   /* gone, and nobody said why yet */
        LIFE_COUNTED, /* gone, and held against the agent */
        LIFE_PLANNED, /* gone as somebody wanted */
};

/* One incarnation. */
struct life {
        enum life_state state;
        pid_t pid;
        uint64_t start;
        usec_t began, ended;
        enum ending ending;
        int code, signal;
        bool told;    /* the manager itself reported the end */
        bool unseen;  /* the daemon was away: whether it still lives is not known */
        bool guessed; /* that it ended was concluded from what its manager lists, and told by nobody */
};

/* What a restart of one life would free, as it was measured. */
struct weight {
        usec_t at; /* 0: never */
        pid_t pid;
        uint64_t start;
        uint32_t frees_kib, swap_kib;
        enum memory_of of;
        enum weighed how;
        bool carries; /* a PM2 daemon lives in it */
};

enum flushed_how {
        FLUSHED_RESTARTED, /* or so it was ordered */
        FLUSHED_DRY,       /* only told: it is observed */
        FLUSHED_FAILED,
        FLUSHED_N,
};

/* What was done to an instance for the memory floor. */
struct flushed {
        usec_t at; /* ordered, 0 never */
        enum flushed_how how;
        uint32_t times;     /* without a day between them */
        uint32_t needs_kib; /* what its new life took at once, 0 unknown */
        uint64_t incident;  /* in which that was, and in which ... */
        uint64_t told_in;   /* ... the reasons against it were told that have a bit in `told` */
        uint32_t told;      /* enum withheld */
};

struct instance {
        uint32_t agent;
        uint32_t number; /* PM2's pm_id, 0 under systemd */
        uint32_t next;   /* the agent's next instance, NOBODY at the end */
        bool gone;       /* no longer listed */

        /* as its manager has it */
        enum claimed claimed;
        usec_t claimed_at;
        pid_t listed_pid;
        uint64_t restarts, restarts_seen; /* its counter, and how much of its growth since then was seen happening */
        uint64_t restarts_listed;         /* the counter while it is ahead of what was seen */
        uint64_t restarts_before;         /* before it fell; 0 when it did not, or grew since */
        usec_t missing_at;                /* since when it is ahead of what was seen, 0 not */
        bool counted;                     /* the counter is known */
        char word[AGENT_WORD_MAX];
        char result[RESULT_MAX];

        /* as it is */
        struct life lives[LIVES_MAX];
        uint32_t life; /* the newest of them */
        struct tally tally;
        usec_t dragged_at;   /* last ending on account of a base, 0 never */
        uint32_t dragged_by; /* that base */
        enum ending last_ending;
        int last_code, last_signal;
        usec_t last_death;
        uint64_t memory_bytes;
        usec_t cpu, cpu_at;
        uint32_t cpu_permille;
        struct swell swell;
        struct growth growth;
        struct burden burden;
        usec_t swell_restarts[SWELL_RESTARTS]; /* ordered for its size, newest last, 0 none */
        struct weight weight;
        struct flushed flushed;

        /* as it is judged */
        enum cause cause;  /* what is wrong with it, CAUSE_NONE when nothing */
        uint32_t incident; /* index of the incident that tells it, NOBODY */
        bool braked;       /* its incident is a common cause's */
        usec_t period;     /* of its loop */
        bool thin;         /* its facts are not recorded: it loops on, and nothing is left to do about it */
        bool wants_record; /* ... and now there is: its memory has to be recorded first */
        struct ladder ladder;
        usec_t failing_at; /* its trouble began then */
        usec_t start_at;   /* a life of it began by an order that nobody announced, which is to be told; 0 none */
        bool start_unseen; /* ... while we were away */

        /* heap of what is due */
        usec_t due;
        uint32_t heap;
};

/* What the declared files of an agent were, all together. */
struct version {
        uint64_t number; /* 0: the slot is free */
        char digest[VERSION_DIGEST_MAX];
        char lacks[64];     /* why it could not be put back, "" when all of it is kept */
        usec_t since, seen; /* when the newest of its files was changed; when it last came to be the present one */
        usec_t healthy;     /* when a life under it last proved it, 0 never */
        usec_t failed;      /* newest trouble that began under it, 0 none */
        uint32_t files;
};

struct versions {
        struct version list[VERSIONS_MAX];
        uint32_t present;  /* place in the list, from 1; 0 none */
        uint64_t last;     /* number of the newest */
        bool wants_record; /* it was proven, which has to be recorded first */
};

/* The newest change of one kind: what may be behind a trouble that began after it. */
struct recent {
        usec_t at; /* 0: none */
        enum config_change change;
        enum config_of of;
        uint32_t more; /* others at about the same time */
        uint64_t size, sealed_size;
        char path[RECENT_PATH_MAX];
};

enum recent_kind {
        RECENT_FILE,
        RECENT_UNIT, /* what its manager has of it */
        RECENT_N,
};

/* The last command that somebody ran to deploy an agent. */
struct deploy {
        uint64_t number; /* of its window; 0: none is known */
        usec_t since, until;
        bool exited;
        int exit;
        char by[48];
        char reason[80];
};

struct agent {
        char id[AGENT_ID_MAX];
        uint64_t name; /* hash of the short name, to see at once whether it is unique */
        uint32_t chain;
        enum manager manager;
        const struct rule *rule; /* NULL: not governed, seen only */
        uint32_t instances;      /* first of its instances, NOBODY */
        bool gone;
        uint32_t unit; /* the unit whose main process is this PM2 app's, NOBODY */
        uint32_t app;  /* and back: then this unit is not an agent of its own */
        bool carrier;  /* a unit whose main process is a PM2 daemon: its end is every app's end */
        struct {
                uint32_t agent;
                enum dependency dependency;
        } bases[BASES_MAX];
        uint32_t bases_n;
        enum ending planned;
        usec_t planned_until;
        usec_t human_at;      /* last act of a human on it, 0 never */
        uint32_t busy;        /* instance with an action under way, NOBODY */
        usec_t acted_at;      /* last outcome of ours */
        usec_t down_at;       /* newest end of a life of it, by whose will ever */
        usec_t failing_since; /* first death after a quiet time */
        usec_t failed_at;     /* newest death */
        uint32_t stray_orphans, stray_duplicates;
        uint32_t noted[NOTE_N]; /* incidents without a cure, NOBODY */
        struct learned learned;
        uint32_t acknowledged; /* notes that a human closed and that still hold, a bit each */
        struct rein rein;
        usec_t limits_at;    /* our last work on its unit's limits: decided, or its outcome heard; 0 never */
        bool limits_awaited; /* ... and the outcome is still to come */
        struct versions versions;
        struct recent recent[RECENT_N];
        struct deploy deploy;
        usec_t well_began;  /* beginning of the newest life that lasted; what was changed before it did no harm */
        usec_t rolled_at;   /* newest rollback of ours that was done, 0 never */
        uint64_t rolled_to; /* version */
};

struct source {
        char name[SOURCE_NAME_MAX];
        char why[SOURCE_WHY_MAX];
        enum manager manager;
        enum source_state state;
        bool suffixed;
        usec_t since, blind_at; /* blind_at: start of the newest blindness, kept when it is over */
        pid_t pid;
        uint64_t start;
        pid_t known_pid; /* of the newest daemon that was seen behind it */
        uint64_t known_start;
        usec_t anew_at; /* when that was another one than before */
        bool told;
        uint32_t incident;
};

struct incident {
        uint64_t number; /* 0: this slot was never used */
        char id[AGENT_ID_MAX];
        enum manager manager;
        uint32_t agent; /* NOBODY: the machine's */
        enum cause cause;
        bool open;
        usec_t opened, resolved;
        uint64_t count, told; /* deaths since it opened; the count that was last told */
        uint32_t withheld;    /* reasons for withholding already told, a bit each */
        usec_t budget_told;
        const struct rule *rule;
        char reason[REASON_MAX];
};

/* Agents that fail together: everything under one manager, or everything that depends on one agent. */
struct brake {
        bool on;
        enum manager manager; /* when base is NOBODY */
        uint32_t base;
        bool told;
        uint32_t incident;
        usec_t since;
};

/* A change window: what happens to this agent, or to files that match, was announced. */
struct change {
        uint64_t number; /* 0: the slot was never used */
        uint32_t agent;  /* NOBODY: files */
        char pattern[CHANGE_PATTERN_MAX];
        char by[64];
        char reason[CHANGE_REASON_MAX];
        usec_t since, until;
        bool open;
        bool deploy;
};

/* Packages that changed, newest last. */
struct package {
        usec_t at; /* 0: the slot is free */
        enum package_change change;
        uint32_t more;
        char name[64];
        char before[32], after[32];
};

/* A drift that was seen and is not told yet: a step has room for it in its next look. */
struct drift {
        bool due;
        enum config_change change;
        enum config_of of;
        bool planned;
        uint32_t agent; /* NOBODY: several agents' file, or nobody's */
        uint32_t differing;
        char reason[REASON_MAX];
};

#define TRIAL_WHY_MAX 192

/* A change that is on trial, or was and is kept; see trial.h. */
struct trial {
        uint64_t number;
        enum trial_of of;
        enum trial_state state;
        unsigned input; /* enum trial_input: came with a fact, is taken at the next look */
        char id[AGENT_ID_MAX];
        usec_t span, began, since, until; /* began: asked for; since: made */
        usec_t due;
        uint32_t tries; /* to take it back */
        struct limits limits;
        uint64_t incident;
        char by[64], reason[CHANGE_REASON_MAX], why[TRIAL_WHY_MAX];
};

#define GUARDED_MAX 128  /* guarded files that were changed a short while ago, of all rules */
#define BREACHES_MAX 96  /* rules with trouble of one kind at the same time */
#define RESTORES_MOST 20 /* of one file in ten minutes; then one a minute */
#define FILE_RULE_NAME_MAX 65
#define WRITER_MAX 128

/* A guarded file that is not, or a short while ago was not, as it was sealed; or all of a rule together. See files.h. */
struct guarded {
        char path
                [FILE_PATH_MAX]; /* "": the slot is free; the name of the rule: all of its files that are not as sealed */
        char rule[FILE_RULE_NAME_MAX];
        bool again;                  /* changed while a restore of it was under way */
        bool held;                   /* it was restored too often */
        usec_t last;                 /* change, or outcome */
        usec_t due;                  /* to be restored then; 0 not */
        usec_t ordered;              /* a restore of it is under way since then; 0 none */
        usec_t times[RESTORES_MOST]; /* restores ordered, a ring; 0 none */
        uint32_t next;               /* place of the oldest in it */
        char writer[WRITER_MAX];     /* of the newest change, in words */
};

/* Trouble of one kind with the files of one rule. */
struct breach {
        char rule[FILE_RULE_NAME_MAX]; /* "": the slot is free */
        enum cause cause;
        uint32_t incident;   /* NOBODY: none is open */
        uint64_t count;      /* changes, attempts, drops */
        usec_t last;         /* newest of them */
        uint32_t differing;  /* files that are not as they were sealed */
        enum file_level was; /* before the level fell */
        bool over;           /* the level is what it was */
        bool news;           /* the reason is to be told at the next look */
        char reason[REASON_MAX];
};

#define SHORTAGES_MAX 64 /* agents, and cgroups of nobody's, that are near their limit or were killed within a day */

/* Memory that ran out, or is about to: one agent's, or the machine's. See shortage.h. */
struct shortage {
        bool on;
        uint32_t agent;    /* NOBODY: the machine's */
        uint64_t key;      /* of the machine's, by cgroup; 0 the machine itself */
        uint32_t incident; /* NOBODY: none is open */
        uint64_t kills;    /* since it opened */
        usec_t killed_at;  /* newest, 0 none */
        pid_t pid;         /* the newest victim of all, also of a loop that is not recorded; 0 unknown */
        usec_t took_at;    /* ... and when that was told */
        usec_t said_at;    /* its manager told of a death for memory that nobody else told; 0 no */
        bool near;
        usec_t near_at;  /* when that was last told */
        usec_t eased_at; /* near, and not any more since; 0 it is */
        bool news;       /* the reason is to be told at the next look */
        char reason[REASON_MAX];
};

struct judge {
        struct judge_limits limits;
        const struct policy *policy;
        uint64_t seed;
        usec_t now;        /* the moment being judged */
        usec_t started;    /* first fact that was no memory */
        usec_t left;       /* last moment of the run before, 0 none */
        usec_t booted;     /* when the machine booted, 0 unknown */
        bool observe_only; /* the governor says so */
        bool awake;        /* it took a fact that was no memory: what it has told since is its own */
        bool safe_mode;    /* somebody, or three unclean ends, switched it on */
        char safe_why[96];
        uint32_t safe_incident;
        bool disarmed;         /* until the policy is reloaded */
        uint64_t acknowledged; /* incident that a human wants closed, 0 none */
        uint64_t was_planned;  /* incident that a human says was no drift, 0 none */
        bool material;
        enum ending planned; /* for every agent */
        usec_t planned_until;

        uint32_t agents_n, instances_n, sources_n;
        uint32_t turned_away; /* agents and instances that did not fit */
        uint32_t full_incident;
        usec_t machine_due;
        uint64_t incidents_last; /* number of the newest incident */
        usec_t budget[BUDGET_MAX];
        uint32_t budget_n;
        struct source sources[SOURCES_MAX];
        struct brake brakes[BRAKES_MAX];
        struct change changes[CHANGES_MAX];
        struct drift drift;
        uint32_t drift_incidents[CONFIG_OF_N]; /* of what is no single agent's */
        struct ebb ebb;                        /* as samples have it; no decision rests on it */
        bool ebb_wants_record; /* it adds up to something else than was told, or is wanted: to be recorded first */
        struct flush flush;
        struct strain strain;
        struct package packages[PACKAGES_MAX];

        struct shortage shortages[SHORTAGES_MAX];
        struct guarded guarded[GUARDED_MAX];
        struct breach breaches[BREACHES_MAX];

        struct agent *agents;
        struct instance *instances;
        struct incident *incidents;
        uint32_t *table; /* hash of ids to agents, chained through agent->chain */
        uint32_t table_n;
        uint32_t *heap; /* instances by due time */
        uint32_t heap_n;
        uint32_t *shown; /* agents as status shows them */
        uint32_t shown_n;
        bool shown_stale;
        struct trial *trials;
        uint32_t trials_n;
        uint64_t trials_last; /* number of the newest trial */

        struct decisions *decisions; /* of this step */
};

/* What one look at one instance may decide at most; a look begins only with that much room. */
#define DECISIONS_A_LOOK 10

/* Nothing is done to any agent, whatever its rule says. */
static inline bool only_observes(const struct judge *judge)
{
        return judge->observe_only || judge->safe_mode || judge->disarmed;
}

static inline struct life *life_of(struct instance *instance)
{
        return &instance->lives[instance->life];
}

static inline const struct life *life_seen(const struct instance *instance)
{
        return &instance->lives[instance->life];
}

/* The fact that is being taken changed what is judged of this instance. */
static inline void matters(struct judge *judge, const struct instance *instance)
{
        if (!instance->thin)
                judge->material = true;
}

/* Too large, and nothing else: it lives, and whatever it does it does not loop. */
static inline bool is_of_size(enum cause cause)
{
        return cause == CAUSE_MEMORY_CEILING || cause == CAUSE_MEMORY_LEAK;
}

/* It does not stay up, or is not up at all. */
static inline bool is_loop(enum cause cause)
{
        return cause == CAUSE_CRASH_LOOP || cause == CAUSE_HOT_LOOP || cause == CAUSE_CLAIMED_NOT_RUNNING;
}

static inline bool is_alive(const struct instance *instance)
{
        return life_seen(instance)->state == LIFE_ALIVE;
}
