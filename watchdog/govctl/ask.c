/* What an agent asks for: an action that the policy allows, denies, or leaves to a human. Anybody may ask, on the agents' socket. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/parameters.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"
#include "io/clock.h"
#include "policy/amount.h"

#define ASK_SOCKET_DEFAULT "/run/governor-agent/ask.sock"
#define WAIT_AT_ONCE 60 /* seconds that one call waits: a daemon that is gone is noticed by then */

/* The same call, put to the agents' socket. */
static struct call asking(const struct call *call)
{
        struct call copy = *call;
        const char *set = getenv("GOVERNOR_ASK_SOCKET");

        if (!copy.options.socket)
                copy.options.socket = set && set[0] ? set : ASK_SOCKET_DEFAULT;
        return copy;
}

/* One question to the daemon as an agent; complains as daemon_ask() does. */
static enum code ask_once(struct call *call, const char *method, json_t *parameters, json_t **ret)
{
        _cleanup_(rpc_closep) struct rpc *daemon = NULL;
        int r = rpc_open(daemon_socket(call), &daemon);
        char what[256];

        if (r >= 0)
                return daemon_ask(call, daemon, method, parameters, DAEMON_ANSWER, ret);
        json_decref(parameters);
        snprintf(what, sizeof what, "cannot reach governord at %.180s", daemon_socket(call));
        return call_complain(call, r == -EACCES || r == -EPERM ? CODE_DENIED : CODE_UNREACHABLE, what,
                             r == -ENOENT         ? "there is no such socket: the daemon is not running"
                             : r == -ECONNREFUSED ? "nobody listens there: the daemon has ended"
                                                  : strerror(-r),
                             "sudo systemctl start governor.service, or: govctl doctor");
}

static enum code take_timeout(const struct call *call, json_t *parameters)
{
        uint64_t span = 0;

        if (!call->options.timeout)
                return CODE_OK;
        if (!amount_read(FORM_DURATION, call->options.timeout, &span) || span < USEC_PER_SEC || span > 7 * USEC_PER_DAY)
                return call_complain(call, CODE_USAGE, "--timeout takes a duration from 1s to 7d",
                                     call->options.timeout, "such as --timeout 5m");
        json_object_set_new(parameters, "seconds", json_integer((json_int_t)(span / USEC_PER_SEC)));
        return CODE_OK;
}

/* ---- waiting -------------------------------------------------------------------------------------------------------------- */

/* One look at the request, without a complaint: the daemon may be starting again. NULL: nobody answered. */
static json_t *look(const struct call *call, const char *name, int64_t wait)
{
        _cleanup_(rpc_closep) struct rpc *daemon = NULL;
        json_t *answer = NULL;
        json_t *parameters = json_pack("{s:s, s:I}", "request", name, "wait", (json_int_t)wait);

        if (rpc_open(daemon_socket(call), &daemon) < 0) {
                json_decref(parameters);
                return NULL;
        }
        if (rpc_send(daemon, "request", parameters) < 0 ||
            rpc_answer(daemon, (usec_t)(wait + 10) * USEC_PER_SEC, &answer) <= 0)
                return NULL;
        return answer;
}

static enum code complain_of(const struct call *call, const json_t *error)
{
        int64_t code = field_number(error, "data.exit");

        return call_complain(call, code > 0 && code <= 7 ? (enum code)code : CODE_FAILURE, field_text(error, "message"),
                             field_text(error, "data.why"), field_text(error, "data.next"));
}

/* Waits until the request is answered or expired; a restart of the daemon does not end that. */
static enum code wait_for_answer(const struct call *call, json_t **answer)
{
        usec_t until = clock_read(CLOCK_BOOTTIME) + (usec_t)(field_number(*answer, "seconds_left") + 10) * USEC_PER_SEC;
        char name[64];

        text_copy(name, sizeof name, field_text(*answer, "request"));
        while (strcmp(field_text(*answer, "state"), "open") == 0 && clock_read(CLOCK_BOOTTIME) < until) {
                json_t *next = look(call, name, WAIT_AT_ONCE), *result = json_object_get(next, "result");

                if (field_given(next, "error") && field_number(next, "error.data.exit") != CODE_PENDING) {
                        enum code code = complain_of(call, field(next, "error"));

                        json_decref(next);
                        return code;
                }
                if (result) {
                        json_decref(*answer);
                        *answer = json_incref(result);
                } else
                        usleep(500 * 1000); /* it is starting again, or has too much to do */
                json_decref(next);
        }
        return CODE_OK;
}

/* ---- asking --------------------------------------------------------------------------------------------------------------- */

static enum code code_of(const json_t *answer)
{
        const char *state = field_text(answer, "state");

        if (field_true(answer, "granted"))
                return CODE_OK;
        return strcmp(state, "expired") == 0 || strcmp(state, "open") == 0 ? CODE_PENDING : CODE_DENIED;
}

static enum code show_answer(struct call *call, const json_t *answer)
{
        enum code code = code_of(answer);
        char text[1024];

        page_text(&call->page, code == CODE_OK ? TINT_GOOD : TINT_BAD, "%s %s", field_text(answer, "request"),
                  field_text(answer, "state"));
        page_end(&call->page);
        if (code == CODE_OK)
                parameters_print(&call->page, field(answer, "granted_params"));
        snprintf(text, sizeof text, "by %s: %s", field_text(answer, "by"),
                 field_text(answer, "answer")[0] ? field_text(answer, "answer") : field_text(answer, "why"));
        if (field_text(answer, "by")[0])
                call_tell(call, text);
        return code;
}

enum code run_ask(struct call *call)
{
        struct call to_agents = asking(call);
        json_t *parameters = json_pack("{s:s}", "action", call_argument(call));
        json_t *answer = NULL;
        enum code code = parameters_take(call, parameters);

        if (code == CODE_OK)
                code = take_timeout(call, parameters);
        if (code != CODE_OK) {
                json_decref(parameters);
                return code;
        }
        if (call->options.reason)
                json_object_set_new(parameters, "reason", json_string(call->options.reason));
        code = ask_once(&to_agents, "ask", parameters, &answer);
        if (code == CODE_OK && strcmp(field_text(answer, "state"), "open") == 0) {
                char text[128];

                snprintf(text, sizeof text, "%s waits for a human", field_text(answer, "request"));
                call_tell(call, text);
                code = wait_for_answer(&to_agents, &answer);
        }
        if (code == CODE_OK)
                code = call->options.json ? call_print_json(call, answer, code_of(answer)) : show_answer(call, answer);
        json_decref(answer);
        return code;
}

enum code run_withdraw(struct call *call)
{
        struct call to_agents = asking(call);
        json_auto_t *answer = NULL;
        enum code code = ask_once(&to_agents, "withdraw", json_pack("{s:s}", "request", call_argument(call)), &answer);

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        page_text(&call->page, TINT_PLAIN, "%s %s", field_text(answer, "request"), field_text(answer, "state"));
        page_end(&call->page);
        return CODE_OK;
}
