/* Approvers: whose signature weakens Governor, letting somebody be one, and what to do when keys are lost. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/moment.h"
#include "govctl/proof.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"
#include "io/locked_key.h"

#define KEY_FILE_MAX 4096
#define CODE_FILE_MAX 256

/* ---- the list ------------------------------------------------------------------------------------------------------------ */

enum { LIST_NAME, LIST_KIND, LIST_SINCE, LIST_BY, LIST_KEY, LIST_N };

/* clang-format off */
static const struct column list_columns[LIST_N] = {
        [LIST_NAME]  = { "APPROVER",    .rank = 0, .least = 8 },
        [LIST_KIND]  = { "KIND",        .rank = 0 },
        [LIST_SINCE] = { "SINCE",       .rank = 2 },
        [LIST_BY]    = { "ENROLLED BY", .rank = 3 },
        [LIST_KEY]   = { "KEY",         .rank = 1, .least = 16 },
};
/* clang-format on */

static bool is_here(const json_t *approver)
{
        return strcmp(field_text(approver, "kind"), "passphrase") == 0;
}

static void show_approver(struct grid *grid, const struct page *page, const json_t *approver)
{
        char ago[PAGE_AGO_MAX];

        grid_cell(grid, LIST_NAME, TINT_PLAIN, "%s", field_text(approver, "name"));
        grid_cell(grid, LIST_KIND, is_here(approver) ? TINT_WATCH : TINT_PLAIN, "%s", field_text(approver, "kind"));
        grid_cell(grid, LIST_SINCE, TINT_PLAIN, "%s", page_ago(page, moment_of(field(approver, "since")), ago));
        grid_cell(grid, LIST_BY, TINT_FAINT, "%s", field_text(approver, "by"));
        grid_cell(grid, LIST_KEY, TINT_FAINT, "%s", field_text(approver, "fingerprint"));
        grid_end_row(grid);
}

/* What is wrong, or will be. */
static void show_notes(struct page *page, const json_t *answer)
{
        char text[512];

        if (field_given(answer, "recovery_hours")) {
                snprintf(
                        text, sizeof text,
                        "A recovery is under way: in %lld hours all approvers are removed. To stop it: govctl approver "
                        "recover --cancel",
                        (long long)field_number(answer, "recovery_hours"));
                page_wrap(page, TINT_BAD, 0, text);
        }
        if (field_text(answer, "why")[0]) {
                snprintf(text, sizeof text, "Since the daemon started: %s.", field_text(answer, "why"));
                page_wrap(page, TINT_BAD, 0, text);
        }
}

static enum code show_list(struct call *call, const json_t *answer)
{
        _cleanup_(grid_freep) struct grid *grid = grid_new(list_columns, LIST_N);
        const json_t *list = field(answer, "approvers"), *approver;
        size_t i;

        if (!grid)
                return call_out_of_memory(call);
        json_array_foreach ((json_t *)list, i, approver)
                show_approver(grid, &call->page, approver);
        if (json_array_size(list) > 0)
                grid_print(grid, &call->page, 0);
        else if (!field_true(answer, "unknown"))
                page_wrap(
                        &call->page, TINT_PLAIN, 0,
                        "No approvers: whoever is root may weaken Governor. A first one: govctl approver add NAME --key "
                        "FILE.pub");
        show_notes(&call->page, answer);
        return CODE_OK;
}

enum code run_approver_list(struct call *call)
{
        json_auto_t *answer = NULL;
        const enum code code = daemon_ask_once(call, "approvers", NULL, DAEMON_ANSWER, &answer);

        if (code != CODE_OK)
                return code;
        return call->options.json ? call_print_json(call, answer, CODE_OK) : show_list(call, answer);
}

/* ---- who is one ---------------------------------------------------------------------------------------------------------- */

/* A new passphrase is typed twice: one that was mistyped locks its key for good. */
static enum code new_passphrase(const struct call *call, char ret[PASSPHRASE_MAX])
{
        char again[PASSPHRASE_MAX];
        enum code code = proof_passphrase(call, "New passphrase, at least 12 characters", ret, PASSPHRASE_MAX);

        if (code != CODE_OK)
                return code;
        if (strlen(ret) < PASSPHRASE_LEAST)
                return call_complain(call, CODE_USAGE, "the passphrase is too short",
                                     "whoever is root here may try millions", "several words, at least 12 characters");
        code = proof_passphrase(call, "The same again", again, sizeof again);
        if (code == CODE_OK && strcmp(ret, again) != 0)
                code = call_complain(call, CODE_USAGE, "the two are not the same", "nothing was enrolled",
                                     "the same again");
        explicit_bzero(again, sizeof again);
        return code;
}

static enum code make_key(const struct call *call, json_t **ret)
{
        char passphrase[PASSPHRASE_MAX], locked[LOCKED_KEY_MAX], line[SSH_KEY_LINE_MAX];
        enum code code = new_passphrase(call, passphrase);
        struct ssh_key key;
        int r;

        if (code != CODE_OK)
                return code;
        r = locked_key_make(passphrase, &key, locked);
        explicit_bzero(passphrase, sizeof passphrase);
        if (r < 0)
                return call_complain(call, CODE_FAILURE, "there is no key", strerror(-r), "govctl doctor");
        *ret = json_pack("{s:s, s:s, s:s}", "name", call_argument(call), "key", ssh_key_line(&key, line), "locked",
                         locked);
        return CODE_OK;
}

static enum code read_key(const struct call *call, json_t **ret)
{
        _cleanup_free_ char *text = NULL;
        char line[SSH_KEY_LINE_MAX];
        struct ssh_key key;
        const char *why;
        const enum code code = proof_read(call, "key", call->options.key, KEY_FILE_MAX, &text);

        if (code != CODE_OK)
                return code;
        why = ssh_key_read(text, strlen(text), &key);
        if (why)
                return call_complain(call, CODE_USAGE, "this key cannot approve", why,
                                     "ssh-keygen -t ed25519, and give the file that ends in .pub");
        *ret = json_pack("{s:s, s:s}", "name", call_argument(call), "key", ssh_key_line(&key, line));
        return CODE_OK;
}

static void show_code(struct page *page, const char *code)
{
        page_wrap(page, TINT_WATCH, 0, "Its recovery code, shown this once. Keep it away from this machine:");
        page_go(page, 2);
        page_put(page, TINT_PLAIN, code);
        page_end(page);
}

enum code run_approver_add(struct call *call)
{
        json_auto_t *answer = NULL;
        json_t *parameters = NULL;
        enum code code;
        char text[256];

        if (!call->options.key == !call->options.passphrase)
                return call_complain(call, CODE_USAGE, "an approver needs a key: --key FILE or --passphrase",
                                     "one of the two", "govctl approver add NAME --key FILE.pub");
        if (call->options.passphrase && (call->options.sign_request || call->options.signature))
                return call_complain(call, CODE_USAGE, "a key that is made here cannot be signed for elsewhere",
                                     "it is new each time: an approver with a passphrase signs for it here",
                                     "govctl approver add NAME --key FILE.pub --sign-request");
        code = call->options.key ? read_key(call, &parameters) : make_key(call, &parameters);
        if (code == CODE_OK)
                code = proof_ask_once(call, "approver-add", parameters, DAEMON_ANSWER, &answer);
        if (code != CODE_OK || !answer)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        snprintf(text, sizeof text, "%s may approve from now on.%s", call_argument(call),
                 call->options.passphrase ? " A key on this machine does not stand up to an agent with root's rights."
                                          : "");
        page_wrap(&call->page, TINT_GOOD, 0, text);
        if (field_text(answer, "recovery_code")[0])
                show_code(&call->page, field_text(answer, "recovery_code"));
        return CODE_OK;
}

enum code run_approver_remove(struct call *call)
{
        json_auto_t *answer = NULL;
        const enum code code = proof_ask_once(call, "approver-remove", json_pack("{s:s}", "name", call_argument(call)),
                                              DAEMON_ANSWER, &answer);
        char text[256];

        if (code != CODE_OK || !answer)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        snprintf(text, sizeof text, "%s may not approve any more.%s", call_argument(call),
                 field_number(answer, "left") > 0 ? "" : " Nobody is left: whoever is root may weaken Governor.");
        page_wrap(&call->page, TINT_PLAIN, 0, text);
        return CODE_OK;
}

/* ---- recovery ------------------------------------------------------------------------------------------------------------ */

enum code run_approver_recover(struct call *call)
{
        json_auto_t *answer = NULL;
        json_t *parameters = json_object();
        _cleanup_free_ char *secret = NULL;
        enum code code = CODE_OK;

        if (call->options.code)
                code = proof_read(call, "code", call->options.code, CODE_FILE_MAX, &secret);
        if (secret)
                json_object_set_new(parameters, "code", json_string(secret));
        if (call->options.cancel)
                json_object_set_new(parameters, "cancel", json_true());
        if (code != CODE_OK) {
                json_decref(parameters);
                return code;
        }
        code = daemon_ask_once(call, "approver-recover", parameters, DAEMON_ANSWER, &answer);
        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        if (field_given(answer, "recovery_hours"))
                page_wrap(
                        &call->page, TINT_WATCH, 0,
                        "In 72 hours in which the daemon runs all approvers are removed. It is announced every hour. To "
                        "stop it: govctl approver recover --cancel");
        else if (call->options.cancel)
                page_wrap(&call->page, TINT_PLAIN, 0, "The recovery is cancelled; the approvers stay.");
        else
                page_wrap(&call->page, TINT_PLAIN, 0,
                          "All approvers are removed. Enrol one now: govctl approver add NAME --key FILE.pub");
        return CODE_OK;
}
