#pragma once
/* Asking the daemon: JSON-RPC 2.0 over its control socket, one object a line. */
#include <jansson.h>

#include "govctl/call.h"
#include "io/rpc.h"

/* What ordinary questions may take, and orders that wait for a manager. */
#define DAEMON_ANSWER (10 * USEC_PER_SEC)
#define DAEMON_ORDER (120 * USEC_PER_SEC)
#define DAEMON_WORK (6 * USEC_PER_HOUR) /* what reads the whole log */

/* Connects; complains and returns how to end when it cannot. */
enum code daemon_open(struct call *call, struct rpc **ret);

/* The same without a complaint. */
enum code daemon_open_quietly(struct call *call, struct rpc **ret);

/* One question, its answer. `parameters` is taken over (NULL: none). Complains when there is no good answer. */
enum code daemon_ask(struct call *call, struct rpc *daemon, const char *method, json_t *parameters, usec_t patience,
                     json_t **ret);

/* The same with a proof beside the parameters, taken over too; see rpc_send_proven(). */
enum code daemon_ask_proven(struct call *call, struct rpc *daemon, const char *method, json_t *parameters,
                            json_t *proof, usec_t patience, json_t **ret);

/* Connects, asks one question and leaves. */
enum code daemon_ask_once(struct call *call, const char *method, json_t *parameters, usec_t patience, json_t **ret);

/* As daemon_ask_once() for verbs that can do without: no daemon, no answer, no complaint; *ret stays NULL. */
enum code daemon_ask_quietly(struct call *call, const char *method, json_t *parameters, json_t **ret);

const char *daemon_socket(const struct call *call);
