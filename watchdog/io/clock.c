#include "io/clock.h"

#include <assert.h>
#include <time.h>
#include <unistd.h>

usec_t clock_read(clockid_t id)
{
        struct timespec ts;
        int r = clock_gettime(id, &ts);

        assert(r == 0); /* both clocks exist on every kernel that has pidfds */
        return ts.tv_sec < 0 ? 0 : (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

void clock_init(struct clock *clock, usec_t last)
{
        usec_t boottime = clock_read(CLOCK_BOOTTIME);
        usec_t now = clock_read(CLOCK_REALTIME);

        if (now < last)
                now = last; /* the real-time clock was set back: going on from the chain beats rewriting its order */
        clock->epoch = usec_since(now, boottime);
}

usec_t clock_now(const struct clock *clock)
{
        return clock->epoch + clock_read(CLOCK_BOOTTIME);
}

usec_t clock_boottime(const struct clock *clock, usec_t at)
{
        return at == USEC_INFINITY ? USEC_INFINITY : usec_since(at, clock->epoch);
}

usec_t clock_of_ticks(const struct clock *clock, uint64_t ticks)
{
        uint64_t hertz = (uint64_t)sysconf(_SC_CLK_TCK);

        /* whole seconds first: ticks come from a file, and their product with a million may not fit */
        return usec_add(clock->epoch, usec_add((ticks / hertz) * USEC_PER_SEC, (ticks % hertz) * USEC_PER_SEC / hertz));
}
