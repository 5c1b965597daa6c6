/* Proof that the audit log is whole, with no daemon and from a copy too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/text.h"
#include "govctl/anchors.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/given.h"
#include "govctl/keys.h"
#include "govctl/moment.h"
#include "govctl/options.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

/* ---- what is asked for ---------------------------------------------------------------------------------------- */

/* Options that mean nothing without another, and those that exclude each other. */
static enum code check_combination(struct call *call)
{
        const struct options *options = &call->options;

        if (options->key && !options->db)
                return call_complain(call, CODE_USAGE, "--key belongs to --db",
                                     "the live log has its own key beside it",
                                     "govctl audit verify --db FILE --key FILE");
        if (options->db && options->jsonl)
                return call_complain(call, CODE_USAGE, "--db and --jsonl exclude each other",
                                     "a database or an export is verified", "one call for each");
        if ((options->checkpoints || options->subtree) && !options->jsonl)
                return call_complain(call, CODE_USAGE, "--checkpoints and --subtree belong to --jsonl",
                                     "a database has its own in it",
                                     "govctl audit verify --jsonl FILE --checkpoints FILE");
        if (options->state && (options->db || options->jsonl))
                return call_complain(call, CODE_USAGE, "--state names the live log, --db and --jsonl a copy",
                                     "one of them is verified", "leave out one");
        return CODE_OK;
}

/* A file that is not there is told by its name; with --json the report says it. */
static enum code check_files(struct call *call)
{
        const struct options *options = &call->options;
        const char *const files[] = { options->db, options->key, options->jsonl, options->checkpoints,
                                      options->subtree };
        enum code code = CODE_OK;

        for (size_t i = 0; i < sizeof files / sizeof files[0] && !options->json && code == CODE_OK; i++)
                if (files[i])
                        code = given_check(call, files[i]);
        for (size_t i = 0; i < options->archives.n && !options->json && code == CODE_OK; i++)
                code = given_check(call, options->archives.list[i]);
        return code;
}

static enum code take_ages(struct call *call, struct audit_verify_options *options)
{
        uint64_t seconds = 0;
        enum code code = options_number(call, "max-age", call->options.max_age, 0, 1000000000, &seconds);

        if (code == CODE_OK && call->options.at && !moment_parse_rfc3339(call->options.at, &options->now_usec))
                return call_complain(call, CODE_USAGE, "--at takes a time as RFC 3339 writes it", call->options.at,
                                     "govctl audit verify --at 2026-01-31T14:30:00Z");
        options->has_max_age = call->options.max_age;
        options->max_age_usec = seconds * USEC_PER_SEC;
        return code;
}

static enum code options_make(struct call *call, struct audit_verify_options *ret)
{
        const bool live = !call->options.db && !call->options.jsonl;
        struct audit_verify_options options = {
                .state_dir = live ? state_directory(call) : NULL,
                .database = call->options.db,
                .seal_key = call->options.key,
                .jsonl = call->options.jsonl,
                .checkpoints = call->options.checkpoints,
                .subtree = call->options.subtree,
                .archives = call->options.archives.list,
                .archives_n = call->options.archives.n,
                .require_anchor = call->options.require_anchor,
        };
        uint64_t threads = 0;
        enum code code = check_combination(call);

        if (code == CODE_OK)
                code = take_ages(call, &options);
        if (code == CODE_OK)
                code = options_number(call, "threads", call->options.threads, 1, 64, &threads);
        if (code == CODE_OK)
                code = check_files(call);
        options.threads = (unsigned)threads;
        *ret = options;
        return code;
}

/* ---- what the running daemon holds ------------------------------------------------------------------------------ */

static bool head_of(const json_t *answer, struct audit_head *ret)
{
        if (audit_head_read(field_text(answer, "anchor"), ret) < 0)
                return false;
        ret->sealed_size = (uint64_t)field_number(answer, "sealed_size");
        return true;
}

/* Asked before the file is read: what is told then must be in it. A daemon that does not answer is no fault of the log. */
static bool ask_head(struct call *call, struct audit_head *ret)
{
        json_auto_t *answer = NULL;
        enum code code;

        if (!state_is_daemons(call)) {
                call_tell(call, "governord was not asked: with --state it needs --socket too");
                return false;
        }
        code = daemon_ask_quietly(call, "audit-head", NULL, &answer);
        if (code == CODE_OK && head_of(answer, ret))
                return true;
        call_tell(call, code == CODE_DENIED ? "governord was not asked: only root and the group governor may"
                        : code == CODE_UNREACHABLE
                                ? "governord does not run; the file was compared with its own seals and key"
                                : "governord did not tell its head; the file was compared with its own seals and key");
        return false;
}

/* ---- what was found ------------------------------------------------------------------------------------------- */

static void show_finding(struct page *page, const struct audit_finding *finding)
{
        char where[64] = "";

        if (finding->seq >= 0)
                snprintf(where, sizeof where, " at record %lld", (long long)finding->seq);
        else if (finding->epoch >= 0)
                snprintf(where, sizeof where, " at seal %lld", (long long)finding->epoch);
        page_go(page, 2);
        page_text(page, TINT_BAD, "%s%s", finding->code, where);
        page_put(page, TINT_PLAIN, ": ");
        page_wrap(page, TINT_PLAIN, 4, finding->detail);
}

static const char *verdict_means(enum audit_verdict verdict)
{
        switch (verdict) {
        case AUDIT_VERDICT_OK: return "every record is what was sealed";
        case AUDIT_VERDICT_UNPROVEN: return "nothing is wrong, and not everything is proven";
        case AUDIT_VERDICT_UNREADABLE: return "it cannot be read to its end";
        case AUDIT_VERDICT_TAMPERED: return "this is not what was sealed";
        }
        return "";
}

static void show(struct page *page, const struct audit_report *report)
{
        char text[AUDIT_ORIGIN_MAX + 128];
        enum tint tint = report->verdict == AUDIT_VERDICT_OK         ? TINT_GOOD
                         : report->verdict == AUDIT_VERDICT_UNPROVEN ? TINT_WATCH
                                                                     : TINT_BAD;

        page_put(page, tint, audit_verdict_name(report->verdict));
        snprintf(text, sizeof text, ": %s.", verdict_means(report->verdict));
        page_wrap(page, TINT_STRONG, 0, text);
        if (report->size > 0) {
                snprintf(text, sizeof text, "%llu records, %llu of them sealed, of %s",
                         (unsigned long long)report->size, (unsigned long long)report->sealed_size, report->origin);
                page_go(page, 2);
                page_wrap(page, TINT_PLAIN, 2, text);
        }
        for (size_t i = 0; i < report->n_findings; i++)
                show_finding(page, &report->findings[i]);
        if (report->n_all > report->n_findings) {
                page_text(page, TINT_FAINT, "  and %llu more findings",
                          (unsigned long long)(report->n_all - report->n_findings));
                page_end(page);
        }
        if (report->verdict == AUDIT_VERDICT_OK && report->anchored) {
                page_go(page, 2);
                page_wrap(page, TINT_GOOD, 2, "It continues what was kept elsewhere.");
        }
        if (report->verdict == AUDIT_VERDICT_OK && !report->anchored) {
                page_go(page, 2);
                page_put(page, TINT_WATCH, "UNANCHORED: ");
                page_wrap(page, TINT_PLAIN, 4,
                          "nothing kept elsewhere was compared; a log exchanged as a whole, key included, would pass.");
        }
}

static enum code report(struct call *call, const struct audit_verify_options *options,
                        const struct audit_report *report)
{
        const char *path = options->database ?: options->jsonl ?: options->state_dir;

        if (call->options.json) {
                json_auto_t *json = audit_report_json(report);

                return json ? call_print_json(call, json, (enum code)report->exit_code) : call_out_of_memory(call);
        }
        if (report->exit_code == CODE_DENIED)
                return state_complain(call, -EACCES, path);
        if (report->exit_code == CODE_NOT_FOUND)
                return state_complain(call, -ENOENT, path);
        show(&call->page, report);
        return (enum code)report->exit_code;
}

enum code run_audit_verify(struct call *call)
{
        _cleanup_(anchors_done) struct anchors_kept kept = { 0 };
        _cleanup_(keys_done) struct keys_trusted keys = { 0 };
        _cleanup_free_ struct audit_report *found = calloc(1, sizeof *found);
        struct audit_verify_options options;
        struct audit_head head;
        enum code code = options_make(call, &options);

        if (!found)
                return call_out_of_memory(call);
        if (code == CODE_OK)
                code = keys_read(call, &keys);
        if (code == CODE_OK)
                code = anchors_read(call, options.state_dir && state_is_default(call), &kept);
        if (code != CODE_OK)
                return code;
        options.anchors = kept.anchors;
        options.witnesses = keys.witnesses;
        options.witnesses_n = keys.witnesses_n;
        options.quorum = keys.quorum;
        if (options.state_dir && ask_head(call, &head))
                options.head = &head;
        audit_verify(&options, found);
        return report(call, &options, found);
}
