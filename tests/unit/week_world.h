#pragma once
/*
 * A week of 28 agents as a daemon leaves it: an audit log and a history, written by a world in simulated time (chain_world.h).
 * Everything follows from a seed. Most agents are well and steady; what goes wrong is listed in week_stories, and nothing else does.
 */
#include "chain_world.h"

#define WEEK_MB (UINT64_C(1) << 20)
#define WEEK_DAY(n, hour, minute) ((n)*USEC_PER_DAY + (hour)*USEC_PER_HOUR + (minute)*USEC_PER_MINUTE)

/* What is seeded. Times are since the week began. */
struct week_story {
        const char *agent;
        enum { WEEK_DIES, WEEK_SIZE, WEEK_GROWS, WEEK_TOGETHER } what;
        usec_t at;
        unsigned times; /* DIES: so many deaths, ten seconds apart; TOGETHER: and `other` right after it, each time */
        usec_t time; /* SIZE: it holds `mb` for so long; GROWS: each hour of its life it holds `mb` more, for so long */
        unsigned mb;
        const char *other;
};
extern const struct week_story week_stories[];

struct week {
        struct chain_world chain;
        uint64_t seed;
        struct week_minute *minutes; /* of all agents, not yet written */
        size_t minutes_n;
        uint64_t restarts[WORLD_ACTORS_MAX];
        char history[96];
};

/* The policy of that week. */
extern const char week_policy[];

/* Lives it, up to `now`. The directory is chain.directory. */
void week_live(struct week *week, usec_t now, uint64_t seed);
void week_done(struct week *week);
