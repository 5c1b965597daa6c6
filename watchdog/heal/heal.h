#pragma once
/* The hands that repair: they order a restart, stop or start through the agent's own manager and report what came of it. */
#include <sys/types.h>

#include "base/decision.h"
#include "base/outcome.h"
#include "base/usec.h"

/* One errand, given by perform/ and alive until `done` was called (exactly once, also on failure; never from inside the hand). */
struct errand {
        const char *agent; /* id; what it names is resolved by the hand */
        uint32_t instance; /* PM2's pm_id, or INSTANCE_ALL: rolled one at a time */
        enum action action;
        pid_t pid;      /* the incarnation the decision is about: re-checked with its start time right before acting; */
        uint64_t start; /* 0: no check (nothing was alive when it was decided) */
        /* of ACTION_LIMIT and ACTION_UNLIMIT: */
        struct limits limits;  /* to be written, or (its place alone counts) to be taken back */
        uint64_t trial;        /* 0: none */
        const char *why;       /* for people who read the file */
        const char *from, *to; /* ACTION_ROLLBACK: versions, by their digests in hex */
        const char *path;      /* ACTION_RESTORE: the file; else "" */
        void (*done)(struct errand *errand, enum outcome outcome, const char *text);
        void *self; /* perform's own */
        void *hand; /* the hand's own while under way */
};

/* One manager's hands. Each call returns 0 when `done` will be called, or a negative errno when nothing was begun. */
struct hands {
        int (*act)(void *self, struct errand *errand);
        void *self;
};
