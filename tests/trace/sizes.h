#pragma once
/* Stories about sizes: an agent that holds so much for so long, and the chain that keeps no samples of it. */
#include "story.h"

#define MB (UINT64_C(1) << 20)

void sample_of(struct world *world, struct actor *actor, uint64_t bytes, enum memory_of of);

/* Samples of this size of its main process for so long: every five seconds, or every so often. */
void hold(struct world *world, struct actor *actor, uint64_t mb, usec_t time);
void hold_every(struct world *world, struct actor *actor, uint64_t mb, usec_t time, usec_t every);

/* What would be recorded of one agent's world, pm2:root/lily's, and what was decided: then, and again. */
#define CHAIN_MAX 1024
struct chain {
        struct fact facts[CHAIN_MAX];
        struct remembered remembered[CHAIN_MAX];
        unsigned n, samples;
        char decided[8192], again[8192];
};

void chain_keep(struct chain *chain, struct world *world);

/* A fresh judge lives through what was recorded, and nothing else. */
void chain_live_again(struct chain *chain, struct world *world);
