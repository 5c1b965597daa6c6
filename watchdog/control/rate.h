#pragma once
/* How often each user may ask: a bucket of tokens a uid, so that one who asks without end is told to wait and nobody else waits. */
#include <stdbool.h>
#include <sys/types.h>

#include "base/usec.h"

#define RATE_BURST 20                    /* requests at once ... */
#define RATE_EVERY (500 * USEC_PER_MSEC) /* ... and then one in this time */
#define RATE_USERS_MAX 64                /* of more, whoever has been quiet for longest is forgotten */

struct rates {
        struct rate {
                uid_t uid;
                bool used;
                usec_t full; /* when all its tokens are back; what lies behind `now` is what it has spent */
        } users[RATE_USERS_MAX];
};

/* Takes one token; false: the user has none left. */
bool rate_take(struct rates *rates, uid_t uid, usec_t now);
