#pragma once
/* The control socket: JSON-RPC 2.0, one object a line, in both directions. The kernel says who asks; a table says what they may. */
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "control/methods.h"

#define CONTROL_LINE_MAX (64 * 1024)          /* a request */
#define CONTROL_BACKLOG_MAX (8 * 1024 * 1024) /* answers a client may leave unread before it is dropped */
#define CONTROL_AGENT_BACKLOG_MAX (256 * 1024)

struct control;

/* Where an answer goes that is not ready yet. */
struct control_ticket {
        unsigned client;
        uint64_t generation;
        json_t *id; /* owned */
};

struct control_request {
        enum method method;
        const json_t *params; /* checked against the method's row; NULL: none */
        const json_t *proof;  /* the member beside them: {"ask": true} or {"signature": TEXT}; NULL: none */
        uid_t uid;
        pid_t pid;
        int pidfd; /* of the process that connected, where it is an agent and the kernel has them; else negative */
        enum role role;
        struct control_ticket
                *later; /* filled in by a call that answers later with control_answer(); then it returns NULL and
                                         sets error->later */
};

/* What went wrong, for people and scripts. */
struct control_error {
        int exit_code; /* govctl's */
        char why[384];
        char next[192]; /* what to type next */
        bool later;
};

/* Answers a request: a new object, or NULL with `error` filled in. */
typedef json_t *control_call(void *self, const struct control_request *request, struct control_error *error);

struct control_options {
        const char *path;
        const char *group;          /* may read; absent on this machine: only root and our own user may connect */
        const char *courier_path;   /* where the courier's user, and only that one, may connect; NULL: nowhere */
        const char *courier;        /* its name */
        const char *agent_path;     /* where anybody may connect, as an agent; NULL: nowhere */
        control_call *const *calls; /* METHOD_N of them */
        /* Asked before each of them: true, go on. Else it has answered as a call does. NULL: nothing is guarded. */
        bool (*guard)(void *self, const struct control_request *request, json_t **ret, struct control_error *error);
        void (*left)(void *self, unsigned client,
                     uint64_t generation); /* a client hung up, or was dropped; NULL: nobody cares */
        void *self;
};

/* Listens. A socket that nobody answers on is replaced; -EADDRINUSE when another daemon answers there. */
int control_new(sd_event *event, const struct control_options *options, struct control **ret);
struct control *control_free(struct control *control);

/* 0 when the courier can connect, -ESRCH when there is no such user on this machine, or why its socket could not be made. */
int control_hears_courier(const struct control *control);

/* 0 when agents can connect, or why their socket could not be made. */
int control_hears_agents(const struct control *control);

/* Answers a request that was put off; frees the ticket. `result` is taken; NULL: `error` says why. A client that left is no error. */
void control_answer(struct control *control, struct control_ticket *ticket, json_t *result,
                    const struct control_error *error);

/* Subscribers get {"method":METHOD,"params":...}. */
bool control_has_subscribers(const struct control *control);
void control_publish(struct control *control, const char *method, const json_t *params);

__attribute__((format(printf, 4, 5))) json_t *control_refuse(struct control_error *error, int exit_code,
                                                             const char *next, const char *why, ...);
