/* The trust anchor: one line that fixes the whole log from its first record on. */
#include <errno.h>
#include <string.h>

#include "audit/audit.h"
#include "base/text.h"
#include "govctl/anchors.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/local_policy.h"
#include "govctl/qr.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"
#include "io/file.h"

static enum code show_qr(struct call *call, const char *anchor)
{
        bool asked = call->options.qr;
        int r;

        if (call->options.no_qr || (!asked && !call->page.terminal))
                return CODE_OK;
        r = qr_show(&call->page, anchor);
        if (r >= 0 || !asked)
                return CODE_OK;
        switch (r) {
        case -ENOENT:
                return call_complain(call, CODE_FAILURE, "cannot draw a QR code", "libqrencode is not installed here",
                                     "sudo apt install libqrencode4");
        case -ENOTSUP:
                return call_complain(call, CODE_FAILURE, "cannot draw a QR code", "this terminal shows no UTF-8",
                                     "LC_ALL=C.UTF-8 govctl audit init --qr");
        case -EMSGSIZE:
                return call_complain(call, CODE_FAILURE, "cannot draw a QR code", "the terminal is too narrow",
                                     "widen it, or: govctl audit init --qr --width 100");
        default: return call_complain(call, CODE_FAILURE, "cannot draw a QR code", strerror(-r), "govctl audit init");
        }
}

enum code anchor_show(struct call *call, const char *anchor)
{
        page_put(&call->page, TINT_PLAIN, anchor);
        page_end(&call->page);
        return show_qr(call, anchor);
}

static enum code show(struct call *call, const char *anchor, bool created)
{
        enum code code;

        if (call->options.json) {
                json_auto_t *json =
                        json_pack("{s:i, s:s, s:b}", "schema_version", 1, "anchor", anchor, "created", (int)created);

                return json ? call_print_json(call, json, CODE_OK) : call_out_of_memory(call);
        }
        code = anchor_show(call, anchor);
        if (code == CODE_OK && call->page.terminal)
                call_tell(call, "keep this line where root of this machine cannot change it: on paper, on a phone, on "
                                "another machine. It is what `govctl audit verify --against FILE` starts from.");
        return code;
}

static enum code create(struct call *call, const char *directory)
{
        struct audit_options options = { .reason = "init" };
        struct audit_how how;
        struct audit *audit;
        enum code code = local_retention(call, &options.retention_days);
        int r;

        if (code != CODE_OK)
                return code;
        r = file_make_directory(directory, 0700);
        if (r >= 0)
                r = audit_open(directory, &options, &audit, &how);
        if (r < 0)
                return state_complain_writing(call, r, "begun");
        audit_close(audit);
        return show(call, how.genesis_anchor, true);
}

/* The evidence is root's to read, its anchor is anybody's whom the daemon answers. */
static bool ask_daemon(struct call *call, char ret_anchor[AUDIT_ANCHOR_MAX])
{
        json_auto_t *answer = NULL;

        if (!state_is_daemons(call))
                return false;
        (void)daemon_ask_quietly(call, "audit-head", NULL, &answer);
        return text_copy(ret_anchor, AUDIT_ANCHOR_MAX, field_text(answer, "genesis_anchor")) && ret_anchor[0] != '\0';
}

enum code run_audit_init(struct call *call)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        const char *directory = state_directory(call);
        char path[PATH_MAX], anchor[AUDIT_ANCHOR_MAX];
        int r = state_try_log(call, path, &reader);

        if (r >= 0)
                r = audit_reader_genesis_anchor(reader, anchor);
        if (r >= 0 || ((r == -ENOENT || r == -EACCES) && ask_daemon(call, anchor)))
                return show(call, anchor, false);
        return r == -ENOENT ? create(call, directory) : state_complain(call, r, path);
}
