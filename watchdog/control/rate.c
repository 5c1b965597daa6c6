#include "control/rate.h"

#include <stddef.h>

static struct rate *rate_of(struct rates *rates, uid_t uid)
{
        struct rate *quietest = &rates->users[0];

        for (unsigned i = 0; i < RATE_USERS_MAX; i++) {
                struct rate *rate = &rates->users[i];

                if (rate->used && rate->uid == uid)
                        return rate;
                if (quietest->used && (!rate->used || rate->full < quietest->full))
                        quietest = rate;
        }
        *quietest = (struct rate){ .uid = uid, .used = true };
        return quietest;
}

bool rate_take(struct rates *rates, uid_t uid, usec_t now)
{
        struct rate *rate = rate_of(rates, uid);
        usec_t full = rate->full > now ? rate->full : now;

        if (full + RATE_EVERY > now + RATE_BURST * RATE_EVERY)
                return false;
        rate->full = full + RATE_EVERY;
        return true;
}
