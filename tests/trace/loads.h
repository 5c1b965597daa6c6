#pragma once
/* Stories about loads: an agent that uses so much of a CPU for so long. */
#include "story.h"

/* What a process has used so far, played beside its actor. */
struct user {
        struct actor *actor;
        pid_t pid; /* of the life that the time is of */
        usec_t used;
        uint64_t voluntary, involuntary;
        enum memory_of of;
        unsigned quota; /* percent that it gets at most while it is limited */
};

void user_sample(struct world *world, struct user *user);

/* So many percent of one CPU are wanted, for so long, with a sample every 15 seconds. */
void user_use(struct world *world, struct user *user, unsigned percent, usec_t time);

/* Busy, and nobody looks. */
void user_use_unseen(struct world *world, struct user *user, unsigned percent, usec_t time);

/* A machine of this one agent, a quarter of an hour after its start, with a limit. */
struct user user_alone(struct world *world, const char *id, const struct cpu_limits *limits);
