#pragma once
/* The declared files of the agents: what they contain, whose they are, and that they are as somebody sealed them. */
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "observe/config_patterns.h"

struct config;

struct config_options {
        const struct clock *clock;
        struct fact_sink sink;
        const char *manifest;                                 /* the file that keeps what was sealed */
        bool (*planned)(void *self, const struct fact *fact); /* changes now as somebody announced */
        void (*owner)(void *self, uint32_t rule,
                      char ret_agent[AGENT_ID_MAX]); /* "" when it is several's, or nobody's */
        void (*settled)(void *self);                 /* what config_look() asked for is done */
        void *self;
        bool deaf;            /* use no inotify */
        uint32_t entries_max; /* looked at for one pattern; 0: a million */
};

/* Makes it; nothing is looked at before it is told what is declared. */
int config_new(sd_event *event, const struct config_options *options, struct config **ret);
struct config *config_free(struct config *config);

/*
 * What is to be watched from now on. What was not declared before is taken as it is, without a word; what was is held against
 * the manifest. The list is a loan for the call.
 */
int config_declare(struct config *config, const struct config_declared *list, uint32_t n);

/* Looks at everything at once, and then calls `settled`. */
void config_look(struct config *config);

/* The files of that rule are right as they are now. */
void config_seal(struct config *config, uint32_t rule);

/* How many files are watched. */
uint32_t config_count(const struct config *config);
