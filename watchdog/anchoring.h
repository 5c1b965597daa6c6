#pragma once
/* Anchoring: what of the audit log is known outside of this machine, who vouches for it, and saying so when nobody does. */
#include <jansson.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/usec.h"
#include "witnesses.h"

struct governor;

struct anchoring {
        char *witnesses_file;
        char *anchors_file;
        struct witnesses witnesses;
        char why[WITNESS_WHY_MAX]; /* what is wrong with the file of the witnesses, or "" */
        usec_t waiting_since; /* there are witnesses, and none of them has answered since then; judge time, 0: not */
        bool overdue;         /* ... and that is too long */
        sd_event_source *overdue_timer;
        usec_t told_at; /* when the journal last got an anchor; CLOCK_BOOTTIME */
        sd_event_source *tell_timer;
};

/* Reads the witnesses and recalls from the chain what they cosigned. */
int anchoring_begin(struct governor *governor);
void anchoring_end(struct governor *governor);

/* What is known goes into the chain, where the next start finds it close to the end. */
void anchoring_write(struct governor *governor);

/* The file of the witnesses may have changed. */
void anchoring_reload(struct governor *governor);

/* A seal is durable: the journal gets its anchor. */
void anchoring_sealed(struct governor *governor);

/* Another log is open now: nobody outside knows it. */
void anchoring_again(struct governor *governor);

/* What a witness vouched for. */
struct cosigned {
        uint64_t size;
        char root[48]; /* base64 */
        uint64_t time; /* seconds since 1970, as the witness says */
};

/* Goes on record, unless it is no news. */
void anchoring_cosigned(struct governor *governor, struct witness *witness, const struct cosigned *cosigned);

/* A witness refused the log as a fork: on record and an incident, once until it cosigns again. `text`: the courier's word. */
void anchoring_refused(struct governor *governor, struct witness *witness, uint64_t size, const char *text);

/* The list changed on order: recorded as durable, then written. -errno; then the list is as it was. */
int anchoring_change(struct governor *governor, const struct witnesses *list, const struct witness *changed,
                     const char *change, const char *actor);

/* {unanchored, witnesses, last: {channel, name, size, at}, overdue, trust}, for status. */
json_t *anchoring_view(const struct governor *governor);
