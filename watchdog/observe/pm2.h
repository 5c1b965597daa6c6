#pragma once
/* Watches every PM2 daemon of the machine over its own sockets, and tells what happens to it and to its apps. */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/pm2_directory.h"

struct pm2;

/* Who it works for, and how patient it is; tests are less so. */
struct pm2_options {
        const struct clock *clock;
        struct fact_sink sink;
        struct pm2_directory *directory; /* filled by the observer; outlives it */
        const char *const *homes;        /* to watch besides those that are found; NULL-terminated, or NULL */
        bool only_these;                 /* look for no others */
        usec_t answer;                   /* deadline of an answer: 3 s */
        usec_t settle;                   /* a young daemon's list is not complete yet: 10 s */
};

/* Connects, finds and lists as soon as the loop runs. The options' texts are copied, 0 is the default. */
int pm2_new(sd_event *event, const struct pm2_options *options, struct pm2 **ret);
struct pm2 *pm2_free(struct pm2 *pm2);
DEFINE_CLEANUP_FUNC(struct pm2 *, pm2_free);

/* Looks for homes and lists all of them now. */
void pm2_relist(struct pm2 *pm2);
