/* What people ask the daemon to do: on the record, in their name. */
#include <string.h>

#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/proof.h"
#include "govctl/verbs.h"
#include "govctl/words.h"

/* Says what was done on the data stream: a person reads it, a script has --json. */
static enum code say(struct call *call, const json_t *answer, const char *text)
{
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        page_wrap(&call->page, TINT_PLAIN, 0, text);
        return CODE_OK;
}

static enum code order_agent(struct call *call, const char *method, const char *done)
{
        json_auto_t *answer = NULL;
        const char *reason = call->options.reason;
        json_t *parameters = json_pack("{s:s, s:s*}", "agent", call_argument(call), "reason", reason);
        enum code code = daemon_ask_once(call, method, parameters, DAEMON_ORDER, &answer);
        char text[2 * SUBJECT_WORDS_MAX + 128], name[SUBJECT_WORDS_MAX];

        if (code != CODE_OK)
                return code;
        subject_words(field_text(answer, "agent"), name);
        if (strcmp(field_text(answer, "outcome"), "dry") == 0)
                snprintf(text, sizeof text,
                         "%s: nothing was done, its rule only observes. To act on it: mode: enforce.", name);
        else
                snprintf(text, sizeof text, "%s is %s. Whether it stays up: govctl agents %s", name, done, name);
        return say(call, answer, text);
}

enum code run_restart(struct call *call)
{
        return order_agent(call, "restart", "restarted");
}

enum code run_release(struct call *call)
{
        return order_agent(call, "release", "out of quarantine and started");
}

enum code run_acknowledge(struct call *call)
{
        json_auto_t *answer = NULL;
        const char *reason = call->options.reason ? call->options.reason : "";
        json_t *parameters = json_pack("{s:s, s:s}", "incident", call_argument(call), "reason", reason);
        enum code code = proof_ask_once(call, "acknowledge", parameters, DAEMON_ANSWER, &answer);
        char text[256];

        if (code != CODE_OK || !answer)
                return code;
        snprintf(text, sizeof text,
                 strcmp(field_text(answer, "state"), "open") == 0
                         ? "%s is acknowledged; it stays open while its cause lasts."
                         : "%s is closed. When its cause is seen again a new incident opens.",
                 call_argument(call));
        return say(call, answer, text);
}

/* The daemon has rendered each message as a compiler would. */
static void say_messages(struct call *call, const json_t *messages)
{
        size_t i;
        const json_t *message;

        fflush(call->page.out);
        json_array_foreach ((json_t *)messages, i, message) {
                const char *rendered = field_text(message, "rendered");

                fprintf(call->talk, "%s%s", rendered, text_ends(rendered, "\n") ? "" : "\n");
        }
}

enum code run_reload(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code = proof_ask_once(call, "reload", NULL, DAEMON_ANSWER, &answer);
        bool ok = field_true(answer, "ok");

        if (code != CODE_OK || !answer)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, ok ? CODE_OK : CODE_FAILURE);
        say_messages(call, field(answer, "messages"));
        if (!ok)
                return call_complain(call, CODE_FAILURE, "the policy was not loaded",
                                     "it has errors; the old one stays in force",
                                     "mend them, then govctl policy check, then govctl reload");
        page_wrap(&call->page, TINT_GOOD, 0, "The policy is loaded and in force.");
        return CODE_OK;
}

enum code run_safe_mode(struct call *call)
{
        json_auto_t *answer = NULL;
        const char *set = call_argument(call);

        if (set[0] && strcmp(set, "on") != 0 && strcmp(set, "off") != 0)
                return call_complain(call, CODE_USAGE, "safe-mode takes on or off", set,
                                     "govctl safe-mode on, or without a word to ask");

        json_t *parameters = set[0] ? json_pack("{s:s}", "set", set) : NULL;
        enum code code = proof_ask_once(call, "safe-mode", parameters, DAEMON_ANSWER, &answer);

        if (code != CODE_OK || !answer)
                return code;
        return say(call, answer,
                   field_true(answer, "safe_mode") ? "Safe mode is on: Governor observes and does nothing."
                                                   : "Safe mode is off: rules with mode: enforce are acted on.");
}

enum code run_disarm(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code;
        char text[512];

        if (!call->options.all)
                return call_complain(call, CODE_USAGE, "disarm needs --all",
                                     "it undoes everything that Governor has set up here", "govctl disarm --all");
        code = proof_ask_once(call, "disarm", json_pack("{s:b}", "all", true), DAEMON_ORDER, &answer);
        if (code != CODE_OK || !answer)
                return code;
        snprintf(text, sizeof text,
                 "Governor is disarmed: it observes and does nothing until the policy is loaded again (govctl reload). "
                 "What it had set up is listed in %s.",
                 field_text(answer, "footprint"));
        return say(call, answer, text);
}
