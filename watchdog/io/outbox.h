#pragma once
/*
 * outbox.db: what agents ask humans for, and what became of it. Each change is durable before the call returns. It is no evidence:
 * the audit log is, and whoever acts on an answer holds it against the record whose number stands beside it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/usec.h"

#define OUTBOX_OPEN_MAX 256      /* requests that wait, of all agents ... */
#define OUTBOX_OPEN_OF_ONE 16    /* ... and of one: of a user, where the agent is not known */
#define OUTBOX_ANSWERED_MAX 2000 /* those that are over; the oldest go */

#define REQUEST_PARAMS_MAX 4096 /* bytes of JSON, with NUL */
#define REQUEST_REASON_MAX 512
#define REQUEST_NAME_MAX 32 /* "req-7" */

enum request_state {
        REQUEST_OPEN,
        REQUEST_ALLOWED, /* at once, by the rule */
        REQUEST_DENIED,  /* at once, by the rule */
        REQUEST_APPROVED,
        REQUEST_MODIFIED, /* approved with other parameters */
        REQUEST_REJECTED,
        REQUEST_EXPIRED,
        REQUEST_WITHDRAWN,
        REQUEST_STATE_N,
};

const char *request_state_name(enum request_state state);
bool request_is_granted(enum request_state state);

char *request_name(char buffer[REQUEST_NAME_MAX], uint64_t number);
uint64_t request_from_name(const char *name); /* 0: it is none; "7" is "req-7" */

/* Texts are on loan; none is NULL. */
struct request {
        uint64_t number;
        enum request_state state;
        const char *action, *params; /* an object as JSON, as canon as jansson writes it: sorted, compact */
        const char *reason;
        const char *agent; /* its id; "": the process belongs to none that is known */
        uid_t uid;
        pid_t pid;
        const char *exe;         /* "": not known */
        const char *rule, *why;  /* "file:line" and what it says to the parameters */
        usec_t created, expires; /* judge time */
        uint64_t asked_seq;      /* of its record */
        const char *by, *answer; /* who answered and the reason given; "" while it is open */
        const char *granted;     /* the parameters that were approved, where they are others; else "" */
        usec_t answered;
        uint64_t answer_seq; /* of the record of the answer */
};

struct outbox;

/* 0, OUTBOX_SET_ASIDE, or a negative errno. */
#define OUTBOX_SET_ASIDE 1
int outbox_open(const char *path, struct outbox **ret);
struct outbox *outbox_close(struct outbox *outbox);

/* The number that the next request gets; at least `least`. Numbers are never used again. */
int outbox_next(struct outbox *outbox, uint64_t least, uint64_t *ret);

/* Whether one more may wait for this agent (`agent` "": for this user): 0; -EDQUOT: it has too many; -ENOBUFS: there are too many. */
int outbox_room(struct outbox *outbox, const char *agent, uid_t uid);

/* Keeps a new one, open or answered at once, and forgets the oldest that are over. */
int outbox_add(struct outbox *outbox, const struct request *request);

/* Answers an open one: state, by, answer, granted, answered and answer_seq of `request` count. -ENOENT: it is not open. */
int outbox_answer(struct outbox *outbox, const struct request *request);

/* -ENOENT: there is none of that number. */
int outbox_get(struct outbox *outbox, uint64_t number, void (*take)(void *self, const struct request *request),
               void *self);

/* Those that wait, or with `all` the newest `most` of whatever state; oldest first. */
int outbox_each(struct outbox *outbox, bool all, unsigned most, void (*take)(void *self, const struct request *request),
                void *self);

/* The open one that expires first: 0; -ENOENT: none is open. */
int outbox_first_to_expire(struct outbox *outbox, uint64_t *ret_number, usec_t *ret_at);
