#pragma once
/*
 * What agents ask humans for: judged at once by the policy's `actions`, or kept until somebody answers or nobody did in time. Each
 * request and each answer is a record; whoever asked gets the answer with the proof that it stands in the log.
 */
#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/agent.h"
#include "control/control.h"
#include "io/outbox.h"

#define REQUEST_WAITERS_MAX 32 /* connections that wait for an answer; AGENTS_MAX of control.c fit */
#define REQUEST_PARAMETERS_MAX 16
#define REQUEST_ACTION_MAX 65

struct governor;

struct requests {
        struct outbox *outbox; /* NULL: none can be kept */
        char *path;            /* of outbox.db */
        char *socket;          /* the agents' */
        struct request_waiter {
                struct control_ticket ticket;
                uint64_t number; /* 0: free */
                usec_t until;
        } waiters[REQUEST_WAITERS_MAX];
        sd_event_source *timer; /* the next request that expires, or waiter that has waited enough */
};

/* A request whose texts are its own. */
struct kept_request {
        struct request request;
        char action[REQUEST_ACTION_MAX], params[REQUEST_PARAMS_MAX], reason[REQUEST_REASON_MAX], agent[AGENT_ID_MAX];
        char exe[256], rule[320], why[192], by[64], answer[REQUEST_REASON_MAX], granted[REQUEST_PARAMS_MAX];
};

/* Opens outbox.db and says so when it was damaged or cannot be used; a daemon without it refuses requests. */
int requests_new(struct governor *governor);
void requests_begin(struct governor *governor);
void requests_end(struct governor *governor);

/* A client is gone: nothing is kept for it any more. */
void requests_left(struct governor *governor, unsigned client, uint64_t generation);

/* What agents ask, on their own socket. */
json_t *request_ask(void *self, const struct control_request *request, struct control_error *error);
json_t *request_state(void *self, const struct control_request *request, struct control_error *error);
json_t *request_withdraw(void *self, const struct control_request *request, struct control_error *error);

/* What people do about it. */
json_t *request_list(void *self, const struct control_request *request, struct control_error *error);
json_t *request_show(void *self, const struct control_request *request, struct control_error *error);
json_t *request_approve(void *self, const struct control_request *request, struct control_error *error);
json_t *request_modify(void *self, const struct control_request *request, struct control_error *error);
json_t *request_reject(void *self, const struct control_request *request, struct control_error *error);

/* ---- for the files of this noun ---------------------------------------------------------------------------------------- */

/* The parameters as they are kept, compared and digested: names sorted, each value a text. False with an error. */
bool request_params(const json_t *given, char ret[REQUEST_PARAMS_MAX], struct control_error *error);

bool request_is_name(const char *name, const char *letters, size_t most);

/* A text that came with a call, made safe and cut to its room; "" for none. */
void request_text(const json_t *params, const char *key, char *ret, size_t size);

/* The request that a parameter names; false with an error. */
bool request_find(struct governor *governor, const struct control_request *request, struct kept_request *ret,
                  struct control_error *error);

/* What is shown of a request. `full`: with its secrets; else they are masked. */
json_t *request_view(const struct governor *governor, const struct request *request, bool full);

/* The same for whoever asked: with its secrets, and with the proof of the answer. */
json_t *request_answer(const struct governor *governor, const struct request *request);

/* Records the state that the request is in; durable and sealed on return. 0 or a negative errno: it is not known then. */
int request_record(struct governor *governor, const struct request *request, const char *actor, uint64_t *ret_seq);

/* Records what becomes of an open request, keeps it, and tells whoever waits for it. False with an error. */
bool request_conclude(struct governor *governor, struct kept_request *kept, enum request_state state, const char *by,
                      const char *reason, const char *granted, struct control_error *error);

/*
 * Whether the audit log says the same of it as the outbox does: anybody with root's rights can write to the outbox, nobody
 * unseen to the log. False with an error.
 */
bool request_is_vouched_for(const struct governor *governor, const struct request *request,
                            struct control_error *error);
