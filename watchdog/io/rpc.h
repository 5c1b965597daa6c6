#pragma once
/* One who asks a daemon: JSON-RPC 2.0 over a Unix socket, one object a line, one question at a time. */
#include <jansson.h>
#include <stdbool.h>

#include "base/usec.h"

struct rpc;

/* -ENOENT, -ECONNREFUSED, -EACCES ...: nobody listens, or not to us. */
int rpc_open(const char *path, struct rpc **ret);
struct rpc *rpc_close(struct rpc *rpc);

/* `params` is taken over, NULL: none. */
int rpc_send(struct rpc *rpc, const char *method, json_t *params);

/* The same with a member `proof` beside the parameters, taken over too: a signature, or the wish for something to sign. */
int rpc_send_proven(struct rpc *rpc, const char *method, json_t *params, json_t *proof);

/* The answer to what was sent last, whole, whether result or error; what else comes meanwhile is dropped. 1, 0: not in time, or
 * a negative errno. */
int rpc_answer(struct rpc *rpc, usec_t patience, json_t **ret);

/* The next line, such as a push: 1, 0: not in time, or a negative errno. Lines that are no JSON are skipped. */
int rpc_next(struct rpc *rpc, usec_t patience, json_t **ret);
int rpc_fd(const struct rpc *rpc);

/* Whether a line may lie here already, so that waiting for the descriptor would be in vain. */
bool rpc_waiting(const struct rpc *rpc);

static inline void rpc_closep(struct rpc **rpc)
{
        rpc_close(*rpc);
}
