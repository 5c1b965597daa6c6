#pragma once
/* Asking governord, over its socket for the courier, and saying in words why there was no answer. */
#include <jansson.h>

#include "io/rpc.h"

/* Why there was no answer: the daemon's own words where it refused, else ours. */
struct core_refusal {
        int exit_code; /* as govctl's */
        char why[384];
};

/* `params` is taken over, NULL: none. Any failure fills in the refusal; -EREMOTEIO: the daemon said no. */
int core_ask(struct rpc *core, const char *method, json_t *params, json_t **ret, struct core_refusal *ret_refusal);

/* A connection that failed, in words. */
void core_explain(int error, const char *path, struct core_refusal *ret);
