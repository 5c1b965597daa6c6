#pragma once
/* The governor owns everything and joins the rooms: a fact comes in, decisions are carried out, the clock is set. */
#include <stdbool.h>

struct governor;

struct governor_options {
        const char *config;   /* governor.yaml */
        const char *policies; /* policies.d */
        const char *state;
        const char *runtime;
        bool observe; /* whatever the policy says, nothing is done to any agent */
};

/* Opens the stores and the socket, recalls the past, starts to observe. The failure that stops it was logged. */
int governor_new(const struct governor_options *options, struct governor **ret);

/* Runs until SIGTERM or SIGINT; returns 0, or the negative errno that ended it. */
int governor_run(struct governor *governor);

struct governor *governor_free(struct governor *governor);
