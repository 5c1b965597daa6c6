#pragma once
/* Numbers on their way into a FACT_BASELINE and back: one order for both, written down once. */
#include <stdbool.h>
#include <stdint.h>

#include "base/fact.h"

/* A number more at the end is 0 in an older record. */
struct numbers {
        uint64_t *list;
        uint32_t n, most;
        bool reading;
};

static inline struct numbers numbers_to(struct remembered *remembered)
{
        return (struct numbers){ .list = remembered->more, .most = REMEMBERED_MORE_MAX };
}

/* Nothing is written through it. */
static inline struct numbers numbers_from(const struct remembered *remembered)
{
        return (struct numbers){ .list = (uint64_t *)(uintptr_t)remembered->more,
                                 .most = remembered->more_n < REMEMBERED_MORE_MAX ? remembered->more_n
                                                                                  : REMEMBERED_MORE_MAX,
                                 .reading = true };
}

static inline uint64_t numbers_pass(struct numbers *numbers, uint64_t value)
{
        if (numbers->n >= numbers->most)
                return numbers->reading ? 0 : value;
        if (!numbers->reading)
                numbers->list[numbers->n] = value;
        return numbers->list[numbers->n++];
}

/* The member goes out, or comes in. */
#define PASS(numbers, member) ((member) = (__typeof__(member))numbers_pass((numbers), (uint64_t)(member)))
