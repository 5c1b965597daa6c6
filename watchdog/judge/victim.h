#pragma once
/*
 * Victims: whose restart frees the machine's memory, and why others are not restarted. Ranked by what a restart really frees
 * (what it holds, as FACT_WEIGHT measured it, less what its new life took at once when that was seen), divided by what it
 * costs: by one more for each agent that goes down with it (three at most), for a life that only just began, and for a death
 * within the last hour.
 */
#include "judge/memory.h"

#define VICTIM_LEAST_KIB (8 * 1024) /* freeing less is not worth a restart; and what any runtime needs to begin with */
#define VICTIM_SMALL_KIB (2 * VICTIM_LEAST_KIB)
#define VICTIM_HOLDS 3

/* Who holds memory and is not touched, and why. */
struct victim_hold {
        struct instance *instance;
        enum withheld why;
        usec_t until; /* USEC_INFINITY: nothing that time brings */
        char words[96];
};

struct victim_choice {
        struct instance *best; /* NULL: nobody */
        uint64_t score;
        uint32_t holds_n; /* those who hold most, largest first */
        struct victim_hold holds[VICTIM_HOLDS];
        usec_t again;      /* the earliest end of what speaks against somebody */
        uint32_t weighed;  /* how many could be looked at */
        uint32_t small;    /* agents that are too small to matter */
        uint32_t observed; /* agents that would be restarted after those that were told already */
};

/* Whose restart is next among those weighed since judge->flush.weighed_at. */
void victim_choose(struct judge *judge, struct victim_choice *ret);

/* Divisor of its rank, and in words what makes it more than 1. */
uint32_t victim_cost(const struct judge *judge, const struct instance *instance, char *words, size_t size);

/* What its restart frees, in KiB. */
uint32_t victim_gain(const struct instance *instance);

/* A restart of it was ordered; `dry`: would have been. */
void victim_spend(struct judge *judge, struct instance *instance, bool dry);
