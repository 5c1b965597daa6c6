#pragma once
/*
 * The judge: facts and policy in, decisions out. A pure function with a memory: no clock, no I/O, no allocation, integers
 * only. Time comes in as fact->at, chance as a seed, rules as a const policy. The same facts give the same decisions.
 *
 * What it judges. A death is an ending that nobody planned, counted once per incarnation whoever tells of it.
 *   crash-loop           more deaths in a window than the rule allows, named with the death that exceeds it
 *   hot-loop             over one death a second for ten seconds; a crash-loop that turns out so is superseded
 *   dependency-down      dragged along by a base that loops, or left down five seconds after its base died
 *   claimed-not-running  no process behind "online" or "active" for five seconds, or behind PM2's "waiting restart" with
 *                        pid 0 for two; also what its manager gave up without a loop (failed, errored, start-limit-hit).
 *                        systemd's auto-restart is waiting, not dead; stopped by its owner, or ended with success and not
 *                        to be restarted, is stopped
 *   high-restarts        a counter of 20 or more (and more than any window allows) at first sight
 *   common-cause         many agents of one manager, or on one base, begin to fail within two minutes; found meanwhile,
 *                        their loops are part of it
 *   orphan duplicate blind   as their facts say
 *   memory-ceiling memory-budget   see swell.h
 *   memory-drift memory-leak       see growth.h
 *   memory-floor                   see flush.h
 *   oom                            killed for memory, or about to be, see shortage.h
 *   cpu-sustained                  see burden.h for agents, strain.h for the machine
 *   config-drift unit-drift        see drift.h
 *   guard-change guard-denied guard-level   see files.h
 * An incident is over when a life outlives its grace (twice the loop's period, at least 10 s, at most 5 min), or when the
 * agent's owner stops it. Its deaths are forgiven then; the ladder remembers until a life of ten periods and ten minutes.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/decision.h"
#include "base/fact.h"
#include "policy/policy.h"

struct judge;

struct judge_limits {
        uint32_t agents_max;
        uint32_t instances_max;
        uint32_t incidents_max; /* open ones and the most recent resolved ones */
};

/* What a machine of so many agents needs. The chain keeps `agents_max` alone: a judge made again must be of the same size. */
struct judge_limits judge_limits_for(uint32_t agents_max);

/* Bytes that a judge of these capacities needs, and a judge made in them. `memory` must be zeroed and max-aligned. */
size_t judge_size(const struct judge_limits *limits);
struct judge *judge_init(void *memory, const struct judge_limits *limits, const struct policy *policy, uint64_t seed);

/* Takes one fact. Decisions that do not fit come at the next step; the deadline is then at once. */
void judge_step(struct judge *judge, const struct fact *fact, struct decisions *decisions);

/* When the judge wants a FACT_TICK, in judge time; USEC_INFINITY when nothing is due. */
usec_t judge_deadline(const struct judge *judge);

/* The moment of its last step, in judge time; 0 before the first one. */
usec_t judge_now(const struct judge *judge);

/* Swaps the policy; memory of the agents stays. The old policy may be freed afterwards. */
void judge_set_policy(struct judge *judge, const struct policy *policy);

/*
 * A loop that goes on for ever is not recorded death by death. When something is to be decided of it after all, a step
 * comes back with decisions->remember: then take each fact that this gives (judge_step() with it, and record it) until
 * false; the decision follows at the next tick.
 */
bool judge_remember_due(const struct judge *judge, struct remembered *scratch, struct fact *ret);

/*
 * A step came back with decisions->weigh: what a restart would free is to be measured, as FACT_WEIGHT, of this instance or, with
 * "", of all agents of size and of the largest process that is none's. The last of them has nothing left behind it. The answer
 * is waited for, but not for long. False: nothing is wanted any more.
 */
bool judge_weighs(const struct judge *judge, const char **ret_agent, uint32_t *ret_instance);

/*
 * The daemon was away and is back at `now`: call it once, after the chain was lived through again and before the memory is
 * written. What the processes did meanwhile is unknown: no life is proven by it and no death made up.
 */
void judge_resume(struct judge *judge, usec_t now);

/* Safe mode and disarm: judged as always, every decision comes with enforce = false. */
void judge_set_observe_only(struct judge *judge, bool observe_only);

/* Whether somebody disarmed it; ends with the next policy. */
bool judge_is_disarmed(const struct judge *judge);

/*
 * Memory for the chain: walks all that is worth remembering. Start with *cursor = 0; true with a fact in `ret` (mostly
 * FACT_REMEMBERED, also FACT_SOURCE and FACT_DEPENDS; strings and payload are loans until the next call), false at the end.
 * Fed in this order to a fresh judge, the facts make one that decides as this one would.
 */
bool judge_remember(const struct judge *judge, uint32_t *cursor, struct remembered *scratch, struct fact *ret);

/* The last command that deployed the agent. */
struct deploy_view {
        usec_t since, until;
        const char *by, *reason;
        bool exited;
        int exit;
};

/* Views for status, why and doctor: plain copies, strings are loans until the next step. */
struct agent_view {
        const char *id;
        char name[AGENT_ID_MAX]; /* shortest unique form */
        enum manager manager;
        const char *via;  /* the unit whose process it is too, or "" */
        const char *word; /* the manager's own word */
        enum claimed claimed;
        enum effective effective;
        uint32_t instances;
        pid_t pid;         /* of the first living instance, 0 none */
        usec_t since;      /* when that incarnation began */
        uint64_t restarts; /* the manager's counter, summed over instances */
        struct {
                usec_t within;
                uint64_t n; /* deaths and unplanned starts counted in it, the worst instance */
                uint32_t more_than;
        } windows[POLICY_WINDOWS_MAX];
        unsigned windows_n;
        uint64_t memory_bytes;    /* summed over instances; 0 unknown */
        enum memory_of memory_of; /* whose could be counted; the rule says whose should be */
        struct {
                uint64_t low_bytes, high_bytes;
                uint32_t lives, days; /* that say so; both 0: not known yet */
        } usual;                      /* for a life as old as that of the first living instance */
        uint32_t cpu_permille;        /* of one CPU, over the last sample interval */
        struct {
                uint32_t permille;     /* of one CPU, the busiest instance's mean ... */
                usec_t over;           /* ... over this time; 0: not known yet */
                enum memory_of of;     /* whose time it is */
                uint32_t held_percent; /* the quota that it is held to, 0: it is not ... */
                usec_t held_since;     /* ... and since when */
        } cpu;
        bool quarantined;
        usec_t next;             /* when its state's wait ends (backoff, trial, settle); 0 nothing pending */
        const char *waiting_for; /* "trial", "backoff", "settling", "" */
        uint64_t incident;
        enum ending last_ending;
        int last_code, last_signal;
        usec_t last_death; /* 0 never seen */
        uint64_t flushed;  /* the incident in which it was restarted for the memory floor last, 0 never */
        const struct rule *rule;
        bool enforce;
        uint64_t version, proven_version; /* of its configuration: the present one, the last that was proven; 0 none */
        const char *version_lacks;        /* why the present one could not be put back later, "" it could */
        bool deployed;
        struct deploy_view deploy; /* the last one */
};

/* How many of the agents that are shown the rule owns; and the first one's id, a loan, "" where there is none. */
uint32_t judge_owned(const struct judge *judge, const struct rule *rule, const char **ret_id);

/* The numbers of the agent's instances that are there: `n` of them at most; how many were put. */
uint32_t judge_instances(const struct judge *judge, const char *id, uint32_t *ret_numbers, uint32_t n);

/* Whether something is open about the agent, or it is held down: it is to be watched until that is over, rule or not. */
bool judge_holds(const struct judge *judge, const char *id);

/* Whether a CPU quota of healing stands at the agent's unit, or is being set or taken back. */
bool judge_holds_quota(const struct judge *judge, const char *id);

/* The machine's free memory against its floor. The pace is as of the newest samples. */
struct floor_view {
        uint64_t floor_bytes; /* 0: the policy has none */
        uint64_t margin_bytes;
        bool below;
        bool closely; /* something is under way: samples are wanted often */
        const char *
                state; /* "calm", "weighing", "choosing", "restarting", "settling", "checking", "resting", "above", "quiet" */
        usec_t next;         /* when a rest, or the minute above, ends; 0: neither */
        uint64_t pace_bytes; /* lost a minute, 0: it does not fall */
        usec_t reached_in;   /* the floor, at that pace; USEC_INFINITY: it is not */
        uint64_t incident;   /* 0 none */
};

void judge_floor(const struct judge *judge, struct floor_view *ret);

struct incident_view {
        uint64_t incident;
        const char *agent;
        enum manager manager;
        enum cause cause;
        bool open;
        usec_t opened, resolved;
        uint64_t count; /* deaths (or sightings) since it opened, those that opened it included */
        const struct rule *rule;
        struct policy_origin origin; /* of the rule, or of what the machine's incident goes by; .file may be NULL */
        const char *reason;          /* as last told */
};

uint32_t judge_agents(const struct judge *judge); /* how many there are */
void judge_agent(const struct judge *judge, uint32_t index, usec_t now, struct agent_view *ret); /* 0 .. n-1 */
uint32_t judge_incidents(const struct judge *judge);
void judge_incident(const struct judge *judge, uint32_t index, struct incident_view *ret); /* newest first */

struct change_view {
        uint64_t number;
        const char *agent, *pattern; /* one of them "" */
        const char *by, *reason;
        usec_t since, until;
        bool open;
        bool deploy; /* a command is run in it */
};

/* Change windows: n of them, open ones and those that were. */
uint32_t judge_changes(const struct judge *judge);
void judge_change(const struct judge *judge, uint32_t index, usec_t now, struct change_view *ret);

/* Whether what a FACT_CONFIG tells was announced; whether it is of the kind that this window is for, open or not. */
bool judge_may_change(const struct judge *judge, const struct fact *fact);
bool judge_change_is_for(const struct judge *judge, uint32_t index, const struct fact *fact);

/* What kind of drift an open incident is about; false for an incident of another cause. */
bool judge_drift_of(const struct judge *judge, uint64_t incident, enum config_of *ret);

/* Trials: n of them, of those that are over the newest; the number that the next one gets. */
struct trial_view {
        uint64_t number;
        enum trial_of of;
        enum trial_state state;
        const char *agent;
        usec_t since, until; /* when it was made, 0 not yet; when it ends by itself */
        struct limits limits;
        const char *by, *reason;
        const char *why; /* it ends, or ended */
};
uint32_t judge_trials(const struct judge *judge);
void judge_trial(const struct judge *judge, uint32_t index, struct trial_view *ret);
uint64_t judge_trial_next(const struct judge *judge);

/* The machine's CPUs; over 0: not known yet. */
struct machine_view {
        uint32_t mean_permille;       /* of all of them, of the time that the host left */
        uint32_t mean_steal_permille; /* of all time, what it took */
        usec_t over;
        uint32_t now_permille; /* over the last sample interval */
        uint64_t switches_per_s;
        uint64_t above_percent; /* the limit */
        usec_t lasting;
        uint64_t incident; /* 0 none */
};
void judge_machine(const struct judge *judge, struct machine_view *ret);

/* Versions of an agent's configuration, in the order of their numbers: the first one above `above`; false: there is none. */
struct version_view {
        uint64_t number;
        const char *digest; /* hex; the vault has its text under it */
        const char *lacks;  /* why it could not be put back, "" nothing */
        usec_t since, seen, healthy, failed;
        uint32_t files;
        bool present, last_healthy;
};
bool judge_version_above(const struct judge *judge, const char *id, uint64_t above, struct version_view *ret);

/* The digests of all versions of all agents: "" for a place that is free, NULL at the end. */
const char *judge_version_at(const struct judge *judge, uint32_t n);

/* Whether the agent's configuration could be put back, to version `number` or (0) to the last one proven; else `why` not. */
bool judge_may_roll_back(const struct judge *judge, const char *id, uint64_t number, struct version_view *ret,
                         char why[REASON_MAX]);

/* The newest incident with a smaller number than `below` (UINT64_MAX: the newest of all); false when there is none. */
bool judge_incident_below(const struct judge *judge, uint64_t below, struct incident_view *ret);
