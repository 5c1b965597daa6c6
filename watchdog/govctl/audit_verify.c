/* Proof that the audit log is whole, with no daemon and from a copy too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/text.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

static enum code options_make(struct call *call, struct audit_verify_options *ret)
{
        struct audit_verify_options options = {
                .state_dir = call->options.db ? NULL : state_directory(call),
                .database = call->options.db,
                .seal_key = call->options.key,
                .require_anchor = call->options.require_anchor,
        };
        const char *age = call->options.max_age;

        if (call->options.key && !call->options.db)
                return call_complain(call, CODE_USAGE, "--key belongs to --db",
                                     "the live log has its own key beside it",
                                     "govctl audit verify --db FILE --key FILE");
        if (age) {
                char *end;
                unsigned long long seconds = strtoull(age, &end, 10);

                if (end == age || *end || seconds == 0 || seconds > 1000000000)
                        return call_complain(call, CODE_USAGE, "--max-age takes a number of seconds", age,
                                             "govctl audit verify --max-age 3600");
                options.max_age_usec = seconds * USEC_PER_SEC;
        }
        *ret = options;
        return CODE_OK;
}

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
        if (report->verdict == AUDIT_VERDICT_OK && !report->anchored) {
                page_go(page, 2);
                page_put(page, TINT_WATCH, "UNANCHORED: ");
                page_wrap(page, TINT_PLAIN, 4,
                          "nothing kept elsewhere was compared; a log exchanged as a whole, key included, would pass.");
        }
}

enum code run_audit_verify(struct call *call)
{
        struct audit_verify_options options;
        enum code code = options_make(call, &options);
        _cleanup_free_ struct audit_report *report = calloc(1, sizeof *report);

        if (code != CODE_OK)
                return code;
        if (!report)
                return call_out_of_memory(call);
        audit_verify(&options, report);
        if (report->exit_code == CODE_DENIED)
                return state_complain(call, -EACCES, options.database ? options.database : options.state_dir);
        if (report->exit_code == CODE_NOT_FOUND)
                return state_complain(call, -ENOENT, options.database ? options.database : options.state_dir);
        if (call->options.json) {
                json_auto_t *json = audit_report_json(report);

                return json ? call_print_json(call, json, (enum code)report->exit_code) : call_out_of_memory(call);
        }
        show(&call->page, report);
        return (enum code)report->exit_code;
}
