#pragma once
/* A world (tests/world.h) whose judge's facts and decisions go into an audit log, as the daemon writes them. */
#include "audit/audit.h"
#include "world.h"

struct chain_world {
        struct world world;
        struct policy *policy;
        const char *yaml; /* the policy's words; NULL: the log does not hold them */
        char directory[64];
        struct audit *audit;
        struct chain_intent {
                uint64_t seq;
                enum action action;
        } intents[WORLD_ACTORS_MAX * 4]; /* acts that have no outcome yet, oldest first */
        unsigned intents_n;
        bool silent; /* nothing is written: what happens now is lost */
};

/* A world that begins at `now` under this policy and writes into a log of its own. */
void chain_world_open(struct chain_world *chain, usec_t now, const char *yaml);
void chain_world_close(struct chain_world *chain);

/* judge.start with all that the judge remembers; `again`: the same run, once more. */
void chain_world_begin(struct chain_world *chain, bool again);

/* The daemon was killed, or ended, and comes back now: its judge is made from the log, as the daemon's is. world_leave() first. */
void chain_world_return(struct chain_world *chain);

/* Another policy is loaded. */
void chain_world_load(struct chain_world *chain, const char *yaml);

/* judge.stop. */
void chain_world_end(struct chain_world *chain);

/* All that was written may be read. */
void chain_world_settle(struct chain_world *chain);

/* One record; takes `details` over and returns its seq. */
uint64_t chain_world_append(struct chain_world *chain, const char *action, const char *subject, uint64_t incident,
                            enum audit_outcome outcome, json_t *details);
