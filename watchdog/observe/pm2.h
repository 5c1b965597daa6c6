#pragma once
/* Watches every PM2 daemon of the machine over its own sockets, and tells what happens to it and to its apps. */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/pm2_directory.h"
#include "observe/apps.h"

struct pm2;

struct pm2_listed_sink {
        const struct veil *veil;
        /* A home's whole list, once it is that; `asked`: by pm2_look(). Returns how soon another one is wanted. */
        usec_t (*take)(void *self, const char *home, struct app_listed *list, size_t n, bool asked);
        void (*looked)(void *self); /* what pm2_look() asked for is done */
        void *self;
};

/* Who it works for, and how patient it is; tests are less so. */
struct pm2_options {
        const struct clock *clock;
        struct fact_sink sink;
        struct pm2_directory *directory; /* filled by the observer; outlives it */
        const char *const *homes;        /* to watch besides those that are found; NULL-terminated, or NULL */
        bool only_these;                 /* look for no others */
        /* Who cares what is declared of the apps; NULL: nobody. */
        const struct pm2_listed_sink *listed;
        /* The directory has all apps of the home now; called once for each home. NULL: nobody asks. */
        void (*complete)(void *self, const struct pm2_home *home);
        void *self;
        usec_t answer; /* deadline of an answer: 3 s */
        usec_t settle; /* a young daemon's list is not complete yet: 10 s */
};

/* Connects, finds and lists as soon as the loop runs. The options' texts are copied, 0 is the default. */
int pm2_new(sd_event *event, const struct pm2_options *options, struct pm2 **ret);
struct pm2 *pm2_free(struct pm2 *pm2);
DEFINE_CLEANUP_FUNC(struct pm2 *, pm2_free);

/* Looks for homes and lists all of them now. */
void pm2_relist(struct pm2 *pm2);

/* Lists all homes that are there, and calls the sink's `looked` when each has answered, or will not. */
void pm2_look(struct pm2 *pm2);
