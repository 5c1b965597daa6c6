#pragma once
/* Archiving on order: a child of ours writes the archive and stages what stays, which may take long; the loop swaps it in. */
#include <systemd/sd-event.h>

#include "control/control.h"

struct governor;
struct chore;

struct archiving {
        struct chore *chore;           /* under way */
        struct audit_archiving *ready; /* what it prepared, waiting to take its place */
        sd_event_source *retry;        /* somebody reads the log: the swap is tried again */
        unsigned tries;
        struct control_ticket ticket; /* who waits for it */
        char who[64];
};

/* Answers later. */
json_t *archiving_order(void *self, const struct control_request *request, struct control_error *error);
void archiving_end(struct governor *governor);

/* Another log is open now: what is under way is about the old one. */
void archiving_again(struct governor *governor);
