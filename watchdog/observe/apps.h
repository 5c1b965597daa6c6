#pragma once
/* PM2's apps as PM2 has declared them: that they are as somebody sealed them. Sealed at first sight. */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/veil.h"

struct apps;

struct apps_options {
        const struct clock *clock;
        struct fact_sink sink;
        const char *manifest;    /* the file that keeps what was sealed */
        const struct veil *veil; /* what outlines are made with */
        bool (*planned)(void *self, const struct fact *fact);
        bool (*governs)(void *self, const char *agent); /* of the others nothing is kept */
        void *self;
        usec_t patience; /* so long another number of instances must stand to be told: 2 s */
};

/* 1: what was sealed could not be read, and all is taken as it is. */
int apps_new(sd_event *event, const struct apps_options *options, struct apps **ret);
struct apps *apps_free(struct apps *apps);

/* One instance of an app as it stands in PM2's list. */
struct app_listed {
        const char *agent;
        const char *outline; /* io/pm2_declared.h */
};

/*
 * The whole list of one PM2 home, in any order; `asked`: somebody wants to know at once. Returns how soon it should be listed again,
 * USEC_INFINITY: when it likes.
 */
usec_t apps_take(struct apps *apps, const char *home, struct app_listed *list, size_t n, bool asked);

/* What belongs to this agent is right as it is. */
void apps_seal(struct apps *apps, const char *agent);

/* Others are governed now. */
void apps_again(struct apps *apps);
