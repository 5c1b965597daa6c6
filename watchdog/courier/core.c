#include "courier/core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define PATIENCE (10 * USEC_PER_SEC)

static int take_answer(const json_t *answer, json_t **ret, struct core_refusal *ret_refusal)
{
        const json_t *error = json_object_get(answer, "error"), *data = json_object_get(error, "data");
        const char *why = json_string_value(json_object_get(error, "message"));
        json_int_t code = json_integer_value(json_object_get(data, "exit"));
        json_t *result = json_object_get(answer, "result");

        if (error) {
                ret_refusal->exit_code = code > 0 && code <= 7 ? (int)code : 1;
                text_copy_safe(ret_refusal->why, sizeof(ret_refusal->why), why ? why : "governord gave no reason");
                return -EREMOTEIO;
        }
        *ret = json_incref(result);
        return result ? 0 : -EPROTO;
}

int core_ask(struct rpc *core, const char *method, json_t *params, json_t **ret, struct core_refusal *ret_refusal)
{
        json_auto_t *answer = NULL;
        int r = rpc_send(core, method, params);

        if (r >= 0) {
                r = rpc_answer(core, PATIENCE, &answer);
                r = r == 0 ? -ETIMEDOUT : r;
        }
        if (r >= 0)
                r = take_answer(answer, ret, ret_refusal);
        if (r < 0 && r != -EREMOTEIO) {
                ret_refusal->exit_code = r == -ETIMEDOUT ? 7 : 6;
                snprintf(ret_refusal->why, sizeof(ret_refusal->why), "governord did not answer '%s': %s", method,
                         r == -ECONNRESET ? "it hung up" : strerror(-r));
        }
        return r;
}

void core_explain(int error, const char *path, struct core_refusal *ret)
{
        bool denied = error == -EACCES || error == -EPERM;

        ret->exit_code = denied ? 4 : 6;
        snprintf(ret->why, sizeof(ret->why), "cannot reach governord at %.200s: %s", path,
                 denied                   ? "the socket is for the user governor-courier and for root's orders"
                 : error == -ENOENT       ? "there is no such socket: the daemon is not running"
                 : error == -ECONNREFUSED ? "nobody listens there: the daemon has ended"
                                          : strerror(-error));
}
