#pragma once
/* The inspection: the whole log is verified once a day, and at once when somebody else wrote to it, by a child of ours. */
#include <jansson.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/usec.h"

struct governor;
struct chore;

struct inspection {
        struct chore *chore; /* under way */
        sd_event_source *timer;
        const char *why;  /* it is made */
        bool again;       /* asked for once more while it was under way */
        bool blind;       /* the last one came to no end */
        bool found;       /* the last one found something */
        usec_t urgent_at; /* when the last one was due that could not wait for its day */
        usec_t at;        /* when the last one ended, judge time; 0: never */
        char verdict[16];
};

/* Sets the time for the next one; `governor->inspection` knows from the chain when the last one was. */
int inspection_begin(struct governor *governor);
void inspection_end(struct governor *governor);

/* As soon as possible. `why` is a literal. */
void inspection_now(struct governor *governor, const char *why);

/* Another log is open now: what is under way is about the old one. */
void inspection_again(struct governor *governor);

/* {at, verdict}, for status. */
json_t *inspection_view(const struct governor *governor);
