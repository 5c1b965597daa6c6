#include "govctl/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/field.h"
#include "io/cleanup.h"

#define SOCKET_DEFAULT "/run/governor/governor.sock"

const char *daemon_socket(const struct call *call)
{
        const char *set = getenv("GOVERNOR_SOCKET");

        if (call->options.socket)
                return call->options.socket;
        return set && set[0] ? set : SOCKET_DEFAULT;
}

static enum code complain_connect(const struct call *call, int error)
{
        const char *path = daemon_socket(call);
        bool other = strcmp(path, SOCKET_DEFAULT) != 0;
        char what[256];

        snprintf(what, sizeof what, "cannot reach governord at %.180s", path);
        if (error == -EACCES || error == -EPERM)
                return call_complain(call, CODE_DENIED, what, "only root and members of the group governor may ask it",
                                     "sudo govctl ..., or once: sudo usermod -aG governor $USER, and log in again");
        if (error == -ENOENT || error == -ECONNREFUSED)
                return call_complain(call, CODE_UNREACHABLE, what,
                                     error == -ENOENT ? "there is no such socket: the daemon is not running"
                                                      : "nobody listens there: the daemon has ended",
                                     other ? "govctl doctor, or another --socket"
                                           : "sudo systemctl start governor.service, or: govctl doctor");
        return call_complain(call, CODE_UNREACHABLE, what, strerror(-error), "govctl doctor");
}

enum code daemon_open(struct call *call, struct rpc **ret)
{
        int r = rpc_open(daemon_socket(call), ret);

        return r < 0 ? complain_connect(call, r) : CODE_OK;
}

enum code daemon_open_quietly(struct call *call, struct rpc **ret)
{
        switch (rpc_open(daemon_socket(call), ret)) {
        case 0: return CODE_OK;
        case -EACCES:
        case -EPERM: return CODE_DENIED;
        default: return CODE_UNREACHABLE;
        }
}

static enum code complain_answer(const struct call *call, const char *method, int r)
{
        char what[160];

        snprintf(what, sizeof what, "no answer from governord to '%s'", method);
        if (r == 0)
                return call_complain(call, CODE_PENDING, what,
                                     "it did not answer in time; what was asked may still happen",
                                     "govctl status, or: systemctl status governor.service");
        return call_complain(call, CODE_UNREACHABLE, what, r == -ECONNRESET ? "it hung up" : strerror(-r),
                             "systemctl status governor.service");
}

/* The daemon says what, why and what next; older or other daemons say at least what. */
static enum code complain_refusal(const struct call *call, const char *method, const json_t *error)
{
        int64_t code = field_given(error, "data.exit") ? field_number(error, "data.exit") : CODE_FAILURE;
        const char *next = field_text(error, "data.next"), *why = field_text(error, "data.why");
        char what[512];

        text_copy(what, sizeof what, field_text(error, "message"));
        if (field_number(error, "code") == -32601) {
                snprintf(what, sizeof what, "governord does not know '%s'", method);
                why = "it is of another version than govctl";
                next = "govctl version";
        }
        if (code <= 0 || code > 7)
                code = CODE_FAILURE;
        return call_complain(call, (enum code)code, what[0] ? what : "governord refused", why, next);
}

enum code daemon_ask(struct call *call, struct rpc *daemon, const char *method, json_t *parameters, usec_t patience,
                     json_t **ret)
{
        return daemon_ask_proven(call, daemon, method, parameters, NULL, patience, ret);
}

enum code daemon_ask_proven(struct call *call, struct rpc *daemon, const char *method, json_t *parameters,
                            json_t *proof, usec_t patience, json_t **ret)
{
        json_auto_t *answer = NULL;
        int r = rpc_send_proven(daemon, method, parameters, proof);

        if (r >= 0)
                r = rpc_answer(daemon, patience, &answer);
        if (r <= 0)
                return complain_answer(call, method, r);
        if (field_given(answer, "error"))
                return complain_refusal(call, method, field(answer, "error"));
        *ret = json_incref(json_object_get(answer, "result"));
        return *ret ? CODE_OK : complain_answer(call, method, -EBADMSG);
}

enum code daemon_ask_once(struct call *call, const char *method, json_t *parameters, usec_t patience, json_t **ret)
{
        _cleanup_(rpc_closep) struct rpc *daemon = NULL;
        enum code code = daemon_open(call, &daemon);

        if (code != CODE_OK) {
                json_decref(parameters);
                return code;
        }
        return daemon_ask(call, daemon, method, parameters, patience, ret);
}

enum code daemon_ask_quietly(struct call *call, const char *method, json_t *parameters, json_t **ret)
{
        struct call quiet = *call;
        _cleanup_fclose_ FILE *nowhere = fopen("/dev/null", "we");

        if (!nowhere) {
                json_decref(parameters);
                return CODE_FAILURE;
        }
        quiet.talk = nowhere;
        return daemon_ask_once(&quiet, method, parameters, 3 * USEC_PER_SEC, ret);
}
