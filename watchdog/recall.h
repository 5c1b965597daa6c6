#pragma once
/* Recall: the judge's memory rebuilt from the audit chain, by living the recorded facts once more. */
#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"
#include "judge/judge.h"

/* What the chain says about the runs before this one. */
struct recall {
        uint64_t from;    /* seq of the newest judge.start; UINT64_MAX: there is none, nothing to live through */
        uint64_t seed;    /* the judge's seed from there; 0 none */
        usec_t last;      /* judge time of the newest record that has one; 0 none */
        unsigned unclean; /* runs that ended without judge.stop within the 10 minutes before `last` */
        bool safe_mode;   /* as it was at the end */
        char boot[33];    /* boot of the newest record */
};

/* Looks back through the chain, newest first, no further than it must. */
int recall_look_back(const char *database, struct recall *ret);

/* Lives through the recorded facts from the newest judge.start on; what the judge decides is dropped, it was done then. */
int recall_live(const char *database, const struct recall *recall, struct judge *judge, usec_t *ret_last);

/* The rules that the newest run judged by, as policy_judged() wrote them. Allocated. -ENOENT: they are not there. */
int recall_policy(const char *database, char **ret);

/* An action that was begun and never ended: the daemon was killed in between. */
struct open_intent {
        uint64_t seq;
        const char *agent;
        const char *incident;
        uint32_t instance;
        enum action action;
        enum purpose purpose;
        uint64_t trial;   /* that it belongs to, 0 none */
        const char *path; /* of ACTION_RESTORE, else NULL */
};

/* Calls `found` for each one, oldest first, from record `from` on. */
int recall_open_intents(const char *database, uint64_t from,
                        void (*found)(void *self, const struct open_intent *intent), void *self);
