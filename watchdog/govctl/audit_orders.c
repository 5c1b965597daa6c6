/* What people ask the keeper of the log for: a seal, a new log, an explanation. On the record, in their name. */
#include <errno.h>
#include <string.h>

#include "audit/audit.h"
#include "govctl/anchors.h"
#include "govctl/checkpoint.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/local_policy.h"
#include "govctl/proof.h"
#include "govctl/state.h"
#include "govctl/verbs.h"

/* ---- seal ---- */

#define NONCE_LEAST 16 /* hex digits: fewer could be guessed, and answered in advance */
#define NONCE_MOST 128

static enum code check_nonce(const struct call *call)
{
        const char *nonce = call->options.nonce;
        size_t length = nonce ? strlen(nonce) : 0;

        if (!nonce ||
            (length >= NONCE_LEAST && length <= NONCE_MOST && strspn(nonce, "0123456789abcdefABCDEF") == length))
                return CODE_OK;
        return call_complain(call, CODE_USAGE, "--nonce takes 16 to 128 hex digits", nonce,
                             "govctl audit seal --nonce $(openssl rand -hex 16)");
}

enum code run_audit_seal(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code = check_nonce(call);

        if (code == CODE_OK)
                code = daemon_ask_once(call, "audit-seal", json_pack("{s:s*}", "nonce", call->options.nonce),
                                       DAEMON_ORDER, &answer);
        return code == CODE_OK ? checkpoint_show(call, field_text(answer, "note")) : code;
}

/* ---- rotate ---- */

static enum code need_reason(const struct call *call, const char *what_for, const char *next)
{
        if (call->options.reason && call->options.reason[0])
                return CODE_OK;
        return call_complain(call, CODE_USAGE, "--reason is needed", what_for, next);
}

static enum code show_rotated(struct call *call, const char *set_aside, const char *anchor)
{
        char text[1200];

        if (call->options.json) {
                json_auto_t *json = json_pack("{s:i, s:s, s:s}", "schema_version", 1, "set_aside", set_aside,
                                              "genesis_anchor", anchor);

                return json ? call_print_json(call, json, CODE_OK) : call_out_of_memory(call);
        }
        snprintf(text, sizeof text,
                 "the old log is whole in %s; the new one begins with this anchor, to keep elsewhere", set_aside);
        call_tell(call, text);
        return anchor_show(call, anchor);
}

static enum code rotate_here(struct call *call)
{
        struct audit_options options = { 0 };
        struct audit_how how;
        char actor[64];
        enum code code = local_retention(call, &options.retention_days);
        int r;

        if (code != CODE_OK)
                return code;
        r = audit_rotate_offline(state_directory(call), &options, call->options.reason, call_actor(actor), &how);
        return r < 0 ? state_complain_writing(call, r, "rotated") : show_rotated(call, how.aside, how.genesis_anchor);
}

enum code run_audit_rotate(struct call *call)
{
        json_auto_t *answer = NULL;
        bool here;
        enum code code = need_reason(call, "the last record of the old log says why it ends",
                                     "govctl audit rotate --reason 'moved to another disk'");

        if (code == CODE_OK)
                code = state_ask_or_here(call, "audit-rotate", json_pack("{s:s}", "reason", call->options.reason),
                                         &answer, &here);
        if (code != CODE_OK)
                return code;
        return here ? rotate_here(call)
                    : show_rotated(call, field_text(answer, "set_aside"), field_text(answer, "genesis_anchor"));
}

/* ---- restored ---- */

enum code run_audit_restored(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code = need_reason(call, "it explains to every later reader why the log was broken",
                                     "govctl audit restored --reason 'snapshot of 2026-01-31 put back'");

        if (code == CODE_OK)
                code = proof_ask_once(call, "audit-restored", json_pack("{s:s}", "reason", call->options.reason),
                                      DAEMON_ANSWER, &answer);
        if (code != CODE_OK || !answer)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        page_wrap(&call->page, TINT_PLAIN, 0, "It is on the record, and what was open because of the log is closed.");
        return CODE_OK;
}
