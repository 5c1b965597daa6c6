/* Intent: what people announce before they do it, or own up to after. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/moment.h"
#include "govctl/verbs.h"
#include "govctl/words.h"
#include "io/cleanup.h"
#include "policy/amount.h"

#define WHAT_MAX 320

/* The daemon refuses an empty one where it needs one. */
static const char *reason_of(const struct call *call)
{
        return call->options.reason ? call->options.reason : "";
}

/* --for in seconds; the daemon has the default and the bounds. */
static enum code take_span(const struct call *call, json_t *parameters)
{
        uint64_t span = 0;

        if (!call->options.span)
                return CODE_OK;
        if (!amount_read(FORM_DURATION, call->options.span, &span) || span < USEC_PER_SEC || span > 7 * USEC_PER_DAY)
                return call_complain(call, CODE_USAGE, "--for takes a duration from 1s to 7d", call->options.span,
                                     "such as --for 15m");
        json_object_set_new(parameters, "seconds", json_integer((json_int_t)(span / USEC_PER_SEC)));
        return CODE_OK;
}

/* Whom or what a window is for, in words. */
static const char *window_words(const json_t *change, char buffer[SUBJECT_WORDS_MAX])
{
        if (field_text(change, "agent")[0])
                return subject_words(field_text(change, "agent"), buffer);
        text_copy(buffer, SUBJECT_WORDS_MAX, field_text(change, "files"));
        return buffer;
}

/* ---- this was me --------------------------------------------------------------------------------------------------------- */

enum code run_planned(struct call *call)
{
        json_auto_t *answer = NULL;
        json_t *parameters = json_pack("{s:s, s:s}", "incident", call_argument(call), "reason", reason_of(call));
        enum code code = daemon_ask_once(call, "planned", parameters, DAEMON_ANSWER, &answer);
        char text[WHAT_MAX];

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        snprintf(text, sizeof text, "%s is closed as planned.%s", call_argument(call),
                 field_true(answer, "sealed") ? " What it is about is sealed as it is now." : "");
        page_wrap(&call->page, TINT_GOOD, 0, text);
        return CODE_OK;
}

/* ---- windows ------------------------------------------------------------------------------------------------------------- */

/* `daemon`: the connection that holds it, for a command; NULL: it is nobody's. */
static enum code open_window(struct call *call, struct rpc *daemon, json_t **ret)
{
        json_t *parameters = json_pack("{s:s, s:s}", "what", call_argument(call), "reason", reason_of(call));
        enum code code = take_span(call, parameters);

        if (code != CODE_OK) {
                json_decref(parameters);
                return code;
        }
        if (!daemon)
                return daemon_ask_once(call, "change-open", parameters, DAEMON_ANSWER, ret);
        json_object_set_new(parameters, "deploy", json_true());
        return daemon_ask(call, daemon, "change-open", parameters, DAEMON_ANSWER, ret);
}

static usec_t time_left(const json_t *change)
{
        json_int_t since = json_integer_value(json_object_get(change, "since"));
        json_int_t until = json_integer_value(json_object_get(change, "until"));

        return until > since ? (usec_t)(until - since) : 0;
}

enum code run_change_open(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code = open_window(call, NULL, &answer);
        char text[2 * SUBJECT_WORDS_MAX + 128], what[SUBJECT_WORDS_MAX], span[TEXT_SPAN_MAX];

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        window_words(field(answer, "change"), what);
        snprintf(text, sizeof text, "Changes of %s are planned for %s. When you are done: govctl change close %s", what,
                 text_span(span, time_left(field(answer, "change"))), what);
        page_wrap(&call->page, TINT_GOOD, 0, text);
        return CODE_OK;
}

/* What changed in a window, a line each. */
static void show_changed(struct call *call, const json_t *answer)
{
        json_int_t changed = json_integer_value(json_object_get(answer, "changed"));
        const json_t *paths = field(answer, "paths"), *path;
        char text[1200];
        size_t i;

        json_array_foreach ((json_t *)(uintptr_t)paths, i, path) {
                snprintf(text, sizeof text, "%s %s%s%s", field_text(path, "change"), field_text(path, "path"),
                         field_text(path, "what")[0] ? ": " : "", field_text(path, "what"));
                page_wrap(&call->page, TINT_PLAIN, 2, text);
        }
        if (changed > (json_int_t)json_array_size(paths)) {
                snprintf(text, sizeof text, "and %lld more", (long long)changed - (long long)json_array_size(paths));
                page_wrap(&call->page, TINT_PLAIN, 2, text);
        }
        snprintf(text, sizeof text,
                 changed == 0   ? "The change window is closed. Nothing that is declared changed in it."
                 : changed == 1 ? "The change window is closed. One change was seen and sealed."
                                : "The change window is closed. %lld changes were seen and sealed.",
                 (long long)changed);
        page_wrap(&call->page, TINT_GOOD, 0, text);
}

/* `exit` negative: no command was run in it. */
static enum code close_window(struct call *call, const char *what, int exit_status, json_t **ret)
{
        json_t *parameters = json_object();

        if (what[0])
                json_object_set_new(parameters, "what", json_string(what));
        if (exit_status >= 0)
                json_object_set_new(parameters, "exit", json_integer(exit_status));
        return daemon_ask_once(call, "change-close", parameters, DAEMON_ORDER, ret);
}

enum code run_change_close(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code = close_window(call, call_argument(call), -1, &answer);

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        show_changed(call, answer);
        return CODE_OK;
}

enum code run_change_list(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code = daemon_ask_once(call, "changes", NULL, DAEMON_ANSWER, &answer);
        const json_t *change;
        size_t i;

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        if (json_array_size(field(answer, "changes")) == 0)
                page_wrap(&call->page, TINT_PLAIN, 0, "No change window is open.");
        json_array_foreach ((json_t *)(uintptr_t)field(answer, "changes"), i, change) {
                char text[2 * SUBJECT_WORDS_MAX + 512], what[SUBJECT_WORDS_MAX], span[TEXT_SPAN_MAX];

                snprintf(text, sizeof text, "%lld: %s, for %s, by %s: %s",
                         (long long)json_integer_value(json_object_get(change, "number")), window_words(change, what),
                         text_span(span, time_left(change)), field_text(change, "by"), field_text(change, "reason"));
                page_wrap(&call->page, TINT_PLAIN, 0, text);
        }
        return CODE_OK;
}

/* ---- a command within one ------------------------------------------------------------------------------------------------ */

#define STATUS_NOT_STARTED 126
#define STATUS_NO_COMMAND 127
#define STATUS_SIGNAL 128 /* and the signal's number, as a shell has it */

static void signals_of_ours(sigset_t *set)
{
        static const int signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD };

        sigemptyset(set);
        for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
                sigaddset(set, signals[i]);
}

/* What the terminal sends it sends to the command too; what somebody sends us alone is for the command. */
static void pass_on(const siginfo_t *info, pid_t pid)
{
        bool terminal = info->si_code == SI_KERNEL && (info->si_signo == SIGINT || info->si_signo == SIGQUIT);

        if (info->si_signo != SIGCHLD && !terminal)
                (void)kill(pid, info->si_signo);
}

/* Until the command ends; we end after it, whatever anybody sends us. */
static int wait_for(pid_t pid, const sigset_t *signals)
{
        int status = 0;

        for (;;) {
                pid_t ended = waitpid(pid, &status, WNOHANG);
                siginfo_t info;

                if (ended == pid)
                        return WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
                if (ended < 0 && errno != EINTR)
                        return STATUS_NOT_STARTED;
                if (sigwaitinfo(signals, &info) >= 0)
                        pass_on(&info, pid);
        }
}

/* Runs the command as whoever called us; its exit status as a shell would give it. */
static int run_command(const struct call *call)
{
        sigset_t ours, before;
        int status;
        pid_t pid;

        fflush(NULL);
        signals_of_ours(&ours);
        sigprocmask(SIG_BLOCK, &ours, &before);
        pid = fork();
        if (pid == 0) {
                sigprocmask(SIG_SETMASK, &before, NULL);
                execvp(call->arguments[1], (char *const *)(uintptr_t)(call->arguments + 1));
                _exit(errno == ENOENT ? STATUS_NO_COMMAND : STATUS_NOT_STARTED);
        }
        status = pid < 0 ? STATUS_NOT_STARTED : wait_for(pid, &ours);
        sigprocmask(SIG_SETMASK, &before, NULL);
        return status;
}

static enum code complain_of_command(const struct call *call, int status)
{
        enum code code = status == STATUS_SIGNAL + SIGINT ? CODE_INTERRUPTED : CODE_FAILURE;
        char what[WHAT_MAX], why[128];

        snprintf(what, sizeof what, "'%.200s' failed", call->arguments[1]);
        if (status > STATUS_SIGNAL && status < STATUS_SIGNAL + NSIG)
                snprintf(why, sizeof why, "it was ended by signal %d", status - STATUS_SIGNAL);
        else
                snprintf(why, sizeof why,
                         status == STATUS_NO_COMMAND    ? "there is no such command"
                         : status == STATUS_NOT_STARTED ? "it could not be started"
                                                        : "its exit status was %d",
                         status);
        return call_complain(call, code, what, why, "the change window is closed");
}

/* Over the connection that holds the window; over another one, where the daemon has begun anew meanwhile. */
static enum code close_held(struct call *call, struct rpc *daemon, const json_t *opened, int status, json_t **ret)
{
        json_auto_t *answer = NULL;
        char number[32];
        int r;

        snprintf(number, sizeof number, "%lld",
                 (long long)json_integer_value(json_object_get(field(opened, "change"), "number")));
        r = rpc_send(daemon, "change-close", json_pack("{s:s, s:i}", "what", number, "exit", status));
        if (r >= 0)
                r = rpc_answer(daemon, DAEMON_ORDER, &answer);
        if (r <= 0 || !field_given(answer, "result"))
                return close_window(call, number, status, ret);
        *ret = json_incref(json_object_get(answer, "result"));
        return CODE_OK;
}

/* The connection stays open while the command runs: should we be killed, the daemon closes the window. */
enum code run_deploy(struct call *call)
{
        _cleanup_(rpc_closep) struct rpc *daemon = NULL;
        json_auto_t *opened = NULL, *closed = NULL;
        enum code code;
        int status;

        if (!call->options.reason)
                call->options.reason = "deploy";
        code = daemon_open(call, &daemon);
        if (code == CODE_OK)
                code = open_window(call, daemon, &opened);
        if (code != CODE_OK)
                return code;
        status = run_command(call);
        code = close_held(call, daemon, opened, status, &closed);
        if (code != CODE_OK)
                return code;
        json_object_set_new(closed, "exit", json_integer(status));
        if (call->options.json)
                return call_print_json(call, closed,
                                       status == 0                        ? CODE_OK
                                       : status == STATUS_SIGNAL + SIGINT ? CODE_INTERRUPTED
                                                                          : CODE_FAILURE);
        show_changed(call, closed);
        return status == 0 ? CODE_OK : complain_of_command(call, status);
}
