#pragma once
/* Time as a count of microseconds. Nothing here reads a clock: time comes in with every fact. */
#include <stdint.h>

typedef uint64_t usec_t;

#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC ((usec_t)1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_INFINITY ((usec_t)UINT64_MAX)

/* Sum that stops at infinity instead of wrapping. */
static inline usec_t usec_add(usec_t a, usec_t b)
{
        return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

/* How long `since` lies back at `now`; 0 when it lies ahead (facts of two sources may arrive out of order). */
static inline usec_t usec_since(usec_t now, usec_t since)
{
        return now > since ? now - since : 0;
}
