/* Proofs that one record stands in the log: made where the log is, checked where only a key is known. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "govctl/given.h"
#include "govctl/keys.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

static enum code complain_proving(struct call *call, int error, uint64_t seq)
{
        char what[64];

        snprintf(what, sizeof what, "record %llu cannot be proven", (unsigned long long)seq);
        switch (error) {
        case -ENOENT:
                return call_complain(call, CODE_NOT_FOUND, what, "there is no such record", "govctl audit log -n 1");
        case -ENODATA:
                return call_complain(call, CODE_PENDING, what, "no checkpoint covers it yet",
                                     "govctl audit seal, then the same again");
        case -ESTALE:
                return call_complain(call, CODE_NOT_FOUND, what, "it has left the log for an archive",
                                     "govctl audit log --action audit.archive");
        case -EUCLEAN:
                return call_complain(call, CODE_FAILURE, what, "the stored log does not lead to a root that was signed",
                                     "govctl audit verify");
        default: return call_complain(call, CODE_FAILURE, what, strerror(-error), "govctl audit verify");
        }
}

enum code run_audit_prove(struct call *call)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        _cleanup_free_ char *proof = NULL;
        uint64_t seq;
        enum code code = call_take_seq(call, &seq);
        int r;

        if (code == CODE_OK)
                code = state_open_log(call, &reader);
        if (code != CODE_OK)
                return code;
        r = audit_prove(reader, seq, &proof);
        if (r < 0)
                return complain_proving(call, r, seq);
        if (call->options.json) {
                json_auto_t *json =
                        json_pack("{s:i, s:I, s:s}", "schema_version", 1, "seq", (json_int_t)seq, "proof", proof);

                return json ? call_print_json(call, json, CODE_OK) : call_out_of_memory(call);
        }
        fputs(proof, call->page.out); /* byte for byte: it is for other tools */
        return CODE_OK;
}

/* ---- checking ---- */

static enum code show_proved(struct call *call, const struct audit_trust *trust, const struct audit_proved *proved)
{
        json_auto_t *record = json_loadb(proved->body.text, proved->body.length, 0, NULL);
        struct page *page = &call->page;

        if (call->options.json) {
                json_auto_t *json = json_pack("{s:i, s:b, s:s, s:I, s:I, s:O?}", "schema_version", 1, "proven", 1,
                                              "origin", trust->log.name, "seq", (json_int_t)proved->seq, "size",
                                              (json_int_t)proved->size, "record", record);

                return json ? call_print_json(call, json, CODE_OK) : call_out_of_memory(call);
        }
        page_put(page, TINT_GOOD, "PROVEN");
        page_text(page, TINT_STRONG, ": record %llu of %s is", (unsigned long long)proved->seq, trust->log.name);
        page_end(page);
        fwrite(proved->body.text, 1, proved->body.length, page->out);
        fputc('\n', page->out);
        return CODE_OK;
}

static enum code check(struct call *call, const struct audit_trust *trust, const char *proof, size_t length)
{
        _cleanup_free_ struct audit_proved *proved = calloc(1, sizeof *proved);
        int r;

        if (!proved)
                return call_out_of_memory(call);
        r = audit_proof_check(proof, length, trust, proved);
        if (r == -EKEYREJECTED)
                return call_complain(call, CODE_PENDING, "this proves nothing", proved->why,
                                     "the key of its log: --log VKEY; the proof anew: govctl audit prove SEQ");
        if (r == -EBADMSG)
                return call_complain(call, CODE_FAILURE, "this is not a proof", proved->why, "govctl audit prove SEQ");
        if (r < 0)
                return call_complain(call, CODE_FAILURE, "the proof cannot be checked", strerror(-r), "govctl doctor");
        return show_proved(call, trust, proved);
}

enum code run_audit_check_proof(struct call *call)
{
        _cleanup_(keys_done) struct keys_trusted keys = { 0 };
        _cleanup_free_ char *proof = NULL;
        struct audit_trust trust = { 0 };
        size_t length = 0;
        enum code code = keys_read(call, &keys);

        if (code == CODE_OK)
                code = given_read(call, call_argument(call), &proof, &length);
        if (code == CODE_OK)
                code = keys_of_log(call, &trust.log);
        if (code != CODE_OK)
                return code;
        trust.witnesses = keys.witnesses;
        trust.witnesses_n = keys.witnesses_n;
        trust.quorum = keys.quorum;
        return check(call, &trust, proof, length);
}
