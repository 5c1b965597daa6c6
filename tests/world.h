#pragma once
/* A small machine for the judge to live in: PM2, systemd and their agents, played in simulated time. */
#include <stdbool.h>
#include <stddef.h>

#include "base/decision.h"
#include "base/fact.h"
#include "judge/judge.h"

#define WORLD_ACTORS_MAX 64
#define WORLD_RULES_MAX 8
#define WORLD_QUEUE_MAX 4096
#define WORLD_TRACE_MAX 65536
#define WORLD_VERSION_MAX 16

/* One agent's instance, as it really is. */
struct actor {
        char id[AGENT_ID_MAX];
        uint32_t number;
        enum manager manager;

        /* its nature; times are for one life */
        usec_t life;      /* how long it lives while it is ill */
        unsigned scatter; /* percent by which that varies */
        usec_t ill_from;  /* world time from which it is ill; USEC_INFINITY never */
        usec_t ill_until;
        int code, signal;     /* how it ends: by the signal when there is one */
        bool nobody_restarts; /* Restart=no, autorestart: false */
        usec_t restart_delay; /* RestartSec=, restart_delay */
        bool gives_up;        /* PM2's and systemd's limits against fast loops are on */
        int base;             /* index of the agent it depends on, -1 none */
        enum dependency dependency;

        /* its state */
        bool up;
        pid_t pid;
        uint64_t start;
        usec_t began, dies_at, starts_at, created;
        bool ordered; /* the start under way was ordered by somebody */
        bool by_hand; /* the present life was */
        enum claimed claimed;
        uint64_t restarts;
        unsigned unstable; /* PM2's count, systemd's starts within its interval */
        usec_t starts[5];
        bool wanted;      /* somebody wants it to run */
        bool by_judge;    /* down by the judge's order */
        bool limited;     /* its unit has limits */
        usec_t choked;    /* dies so long after it was limited; 0: lives with that */
        usec_t relist_at; /* a fact got lost: its manager\'s next list tells the truth again */
        uint64_t deaths;  /* real ones, unplanned */

        /* its memory, where that is played: what it holds, what a new life needs, how much is lost a minute, what is swapped */
        uint64_t holds, needs, leaks, swapped;
        usec_t held_at;
        bool carries; /* a PM2 daemon lives in its unit */

        /* its configuration: "" none; when that came; it is ill whenever it begins under one whose name begins as `bad` does */
        char version[WORLD_VERSION_MAX], bad[WORLD_VERSION_MAX];
        usec_t version_at;
};

/* How facts get lost on their way. In thousandths. */
struct faults {
        unsigned late, lost, twice;
        unsigned refused, silent; /* orders that fail; orders of which nobody hears the end, done or not */
        usec_t late_most;
};

struct world;

struct order {
        usec_t at;
        int actor;
        enum action action;
        enum purpose purpose;
        uint64_t trial;
        char from[WORLD_VERSION_MAX], to[WORLD_VERSION_MAX];
};

struct world {
        struct policy policy;
        struct rule rules[WORLD_RULES_MAX];
        struct judge *judge;
        struct judge_limits limits;
        usec_t now, began;
        uint64_t seed, chance;
        pid_t pids;

        struct actor actors[WORLD_ACTORS_MAX];
        int actors_n;
        struct faults faults;

        struct {
                usec_t at;
                struct fact fact;
                char agent[AGENT_ID_MAX], on[AGENT_ID_MAX], text[AGENT_ID_MAX];
        } * queue;
        size_t queue_n;
        struct order orders[WORLD_ACTORS_MAX * 4];
        size_t orders_n;
        struct order cut_off[WORLD_ACTORS_MAX * 4]; /* by the end of the daemon */
        size_t cut_off_n;
        bool away; /* no daemon */
        bool deaf; /* the hands do not work: every order fails */

        char *trace; /* decisions as text, in their order */
        size_t trace_n;
        void (*decided)(struct world *world, const struct decision *decision); /* a test's own eye on each decision */
        void (*sent)(struct world *world, const struct fact *fact, bool material);
        void (*died)(struct world *world, struct actor *actor); /* each real death */
        void *self;
        struct {
                uint64_t total, others; /* bytes: all, and what those hold who are no agents */
                usec_t next;            /* sample; USEC_INFINITY: memory is not played */
                uint32_t some, full;    /* PSI */
                bool mute;              /* nobody answers what restarts would free */
                unsigned asked;         /* how often that was asked */
        } memory;
        unsigned restores;     /* of guarded files, that were carried out ... */
        enum outcome restored; /* ... and what comes of each; OUTCOME_NONE: nobody tells */
        bool quiet;            /* no trace */
        usec_t window_since;   /* when the newest change window was opened */
        bool blind[MANAGER_N]; /* what this manager would tell is not heard */
};

/* A machine with the default rule (windows 2/60s, 4/10m, 9/24h; restart, then quarantine) for every agent, in enforce mode. */
void world_init(struct world *world, uint64_t seed);
void world_done(struct world *world);

/* Makes the judge, after the policy was set up; world_start() then brings every agent up at first sight. */
void world_judge(struct world *world);
void world_start(struct world *world);

/* Adds an agent that never dies; the caller makes it ill. */
struct actor *world_add(struct world *world, const char *id);
struct rule *world_rule(struct world *world, const char *name, enum manager manager, const char *pattern);

/* Lets time pass; facts, deadlines and orders happen on the way. */
void world_run(struct world *world, usec_t time);
void world_run_until(struct world *world, usec_t at); /* since the world began */

/* Sends one fact at this moment, past all faults. */
void world_send(struct world *world, const struct fact *fact);

/* What happens to agents. */
void world_die(struct world *world, struct actor *actor); /* an unplanned death, now */
void world_human(struct world *world, struct actor *actor, enum action action);
void world_version(struct world *world, struct actor *actor, const char *version, const char *lacks);
void world_config(struct world *world, const char *id, const char *path, enum config_change change, uint64_t before,
                  uint64_t size);
void world_window(struct world *world, enum change_step step, uint64_t number, const char *id, usec_t time);
void world_deploy(struct world *world, enum change_step step, uint64_t number, const char *id, const char *reason);
void world_package(struct world *world, const char *name, enum package_change change, const char *before,
                   const char *after);
void world_source(struct world *world, const char *name, enum manager manager, enum source_state state,
                  const char *why);
void world_planned(struct world *world, const char *agent, enum ending ending, usec_t time, const char *by);
void world_ask(struct world *world, const char *agent, enum ask ask, uint64_t number);
void world_trial(struct world *world, const char *agent, enum trial_step step, uint64_t number, usec_t span);

/* The daemon ends and comes back later; what happens meanwhile it does not see. Its memory goes through FACT_REMEMBERED. */
void world_leave(struct world *world);
void world_return(struct world *world);
void world_listen(struct world *world);   /* its managers are heard again, and list all they have */
void world_remember(struct world *world); /* puts the judge's memory into a fresh judge, which takes over */
void world_reboot(struct world *world);   /* between leave and return: all processes are new */

/* PM2's daemon dies and takes its apps along; then another one comes up with them. */
void world_god_dies(struct world *world);
void world_god_returns(struct world *world);

/* The manager's word is not heard for a while; its processes live on. */
void world_blind(struct world *world, enum manager manager, bool blind);

/* Single facts, for what the actors do not play. */
void world_lists(struct world *world, const char *id, uint32_t number, enum claimed claimed, const char *word,
                 pid_t pid, uint64_t restarts, bool first);
void world_begins(struct world *world, const char *id, uint32_t number, pid_t pid, bool ordered);
void world_ends(struct world *world, const char *id, uint32_t number, pid_t pid, enum ending ending, int code);
void world_depends(struct world *world, const char *id, const char *on, enum dependency dependency);
void world_strays(struct world *world, const char *id, enum stray stray, pid_t pid);
void world_host(struct world *world, usec_t uptime);

/* From now on the machine's memory is played: of so many bytes the actors' and the others' are in use. */
void world_memory(struct world *world, uint64_t total, uint64_t others);
uint64_t world_available(struct world *world);

uint64_t world_chance(struct world *world);
usec_t world_age(const struct world *world);

/* The decisions so far as text, and a fresh page. */
const char *world_trace(const struct world *world);
void world_forget_trace(struct world *world);
