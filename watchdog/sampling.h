#pragma once
/* What agents and machine use, once a minute, on its way into history.db: gathered here, written every ten minutes. */
#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/usec.h"

struct governor;
struct control_request;
struct control_error;
struct sampled;

struct sampling {
        struct governor *governor;
        sd_event_source *timer;
        char *path;
        struct sampled *agents; /* and the machine */
        unsigned agents_n, next;
        unsigned minutes; /* taken since the last write */
        int trouble;      /* told already */
        uint64_t dropped; /* minutes that found no room on disk */
};

/* From now on minutes are taken. Without memory for it there is no history, and that is said. */
void sampling_begin(struct governor *governor);

/* What was gathered is written. */
void sampling_end(struct governor *governor);

/* The method `history`: samples and incidents of one agent, or of the machine. */
json_t *sampling_history(void *self, const struct control_request *request, struct control_error *error);
