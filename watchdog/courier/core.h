#pragma once
/* Asking governord, over its socket for the courier: JSON-RPC 2.0, one object a line, one question at a time. */
#include <jansson.h>

struct core;

/* Why there was no answer: the daemon's own words where it refused, else ours. */
struct core_refusal {
        int exit_code; /* as govctl's */
        char why[384];
};

/* -ENOENT, -ECONNREFUSED, -EACCES ...: no daemon, or not for us. */
int core_open(const char *path, struct core **ret);
struct core *core_free(struct core *core);

/* `params` is taken over, NULL: none. Any failure fills in the refusal; -EREMOTEIO: the daemon said no. */
int core_ask(struct core *core, const char *method, json_t *params, json_t **ret, struct core_refusal *ret_refusal);

/* A connection that failed, in words. */
void core_explain(int error, const char *path, struct core_refusal *ret);

static inline void core_freep(struct core **core)
{
        core_free(*core);
}
