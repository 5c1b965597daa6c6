#pragma once
/* The files of the governed units: that they are as somebody sealed them, and that systemd has in force what is on disk. */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/veil.h"
#include "observe/units_table.h"

struct units;

struct units_options {
        const struct clock *clock;
        struct fact_sink sink;
        const char *manifest;    /* the file that keeps what was sealed */
        const struct veil *veil; /* for outlines: what changed, key by key */
        bool (*planned)(void *self, const struct fact *fact);
        void (*settled)(void *self); /* what units_look() asked for is done */
        void *self;
        bool deaf;       /* use no inotify */
        usec_t patience; /* what was edited and is not loaded after that is told as not in force: 2 s */
};

/* Nothing is looked at before folders and units are known. 1: what was sealed could not be read, and all is taken as it is. */
int units_new(sd_event *event, const struct units_options *options, struct units **ret);
struct units *units_free(struct units *units);

/* Where systemd looks for unit files, the first winning; NULL-terminated, a loan. What is known already is not added again. */
int units_add_folders(struct units *units, char *const *folders);

/* A governed unit, as it was loaded; again after each time that it was. */
int units_take(struct units *units, const struct unit_files *files);

/* It is not loaded any more; or, with `for_good`, nobody governs it. Of those not loaded only the governed ones are kept. */
void units_drop(struct units *units, const char *name, bool for_good);
void units_keep(struct units *units, bool (*governed)(void *self, const char *name), void *self);

/* systemd begins to read all units again, or has. */
void units_reloading(struct units *units, bool active);

/* Looks at everything now, and then calls `settled`; what belongs to this agent is right; a change window was closed. */
void units_look(struct units *units);
void units_seal(struct units *units, const char *agent);
void units_window_closed(struct units *units);
