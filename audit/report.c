#include "audit/report.h"
#include "audit/cleanup.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct {
        const char *name;
        enum audit_verdict verdict;
        int exit_code;
} codes[CODE_N] = {
        [CODE_SCHEMA]           = { "SCHEMA",           AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_SEQ_GAP]          = { "SEQ_GAP",          AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_SEQ_ORDER]        = { "SEQ_ORDER",        AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_PREV_MISMATCH]    = { "PREV_MISMATCH",    AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_NOT_CANONICAL]    = { "NOT_CANONICAL",    AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_GENESIS]          = { "GENESIS",          AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_BAD_NOTE]         = { "BAD_NOTE",         AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_EPOCH_GAP]        = { "EPOCH_GAP",        AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_SIZE_ORDER]       = { "SIZE_ORDER",       AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_LOG_SIG]          = { "LOG_SIG",          AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_SEAL_SIG]         = { "SEAL_SIG",         AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_ROOT_MISMATCH]    = { "ROOT_MISMATCH",    AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_CKPT_BEYOND_END]  = { "CKPT_BEYOND_END",  AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_SUBTREE_MISMATCH] = { "SUBTREE_MISMATCH", AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_KEY_AHEAD]        = { "KEY_AHEAD",        AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_KEY_BEHIND]       = { "KEY_BEHIND",       AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_KEY_MISMATCH]     = { "KEY_MISMATCH",     AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_KEY_MISSING]      = { "KEY_MISSING",      AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_HEAD_MISMATCH]    = { "HEAD_MISMATCH",    AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_ANCHOR_MISMATCH]  = { "ANCHOR_MISMATCH",  AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_ANCHOR_AHEAD]     = { "ANCHOR_AHEAD",     AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_ANCHOR_SIG]       = { "ANCHOR_SIG",       AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_FORK]             = { "FORK",             AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_PRUNE_EARLY]      = { "PRUNE_EARLY",      AUDIT_VERDICT_TAMPERED,   3 },
        [CODE_UNSEALED_TAIL]    = { "UNSEALED_TAIL",    AUDIT_VERDICT_UNPROVEN,   7 },
        [CODE_STALE]            = { "STALE",            AUDIT_VERDICT_UNPROVEN,   7 },
        [CODE_NO_ANCHOR]        = { "NO_ANCHOR",        AUDIT_VERDICT_UNPROVEN,   7 },
        [CODE_ANCHOR_PRUNED]    = { "ANCHOR_PRUNED",    AUDIT_VERDICT_UNPROVEN,   7 },
        [CODE_NO_SEAL]          = { "NO_SEAL",          AUDIT_VERDICT_UNPROVEN,   7 },
        [CODE_IO]               = { "IO",               AUDIT_VERDICT_UNREADABLE, 1 },
        [CODE_CORRUPT]          = { "CORRUPT",          AUDIT_VERDICT_UNREADABLE, 1 },
        [CODE_VERSION]          = { "VERSION",          AUDIT_VERDICT_UNREADABLE, 1 },
        [CODE_EMPTY]            = { "EMPTY",            AUDIT_VERDICT_UNREADABLE, 1 },
        [CODE_NOT_FOUND]        = { "NOT_FOUND",        AUDIT_VERDICT_UNREADABLE, 5 },
        [CODE_NOT_PERMITTED]    = { "NOT_PERMITTED",    AUDIT_VERDICT_UNREADABLE, 4 },
};
/* clang-format on */

static unsigned shown(const struct audit_report *report, enum audit_code code)
{
        unsigned n = 0;

        for (size_t i = 0; i < report->n_findings; i++)
                n += report->findings[i].code == codes[code].name;
        return n;
}

void audit_report_add(struct audit_report *report, enum audit_code code, int64_t seq, int64_t epoch, const char *format,
                      ...)
{
        struct audit_finding *finding;
        va_list arguments;

        report->n_all++;
        if (codes[code].verdict > report->verdict) {
                report->verdict = codes[code].verdict;
                report->exit_code = codes[code].exit_code;
        }
        if (report->n_findings == AUDIT_FINDINGS_MAX || shown(report, code) >= AUDIT_CODE_SHOWN_MAX)
                return;

        finding = &report->findings[report->n_findings++];
        *finding = (struct audit_finding){ .code = codes[code].name, .seq = seq, .epoch = epoch };
        va_start(arguments, format);
        vsnprintf(finding->detail, sizeof(finding->detail), format, arguments);
        va_end(arguments);
        for (char *at = finding->detail; *at; at++) /* some of it may be a stranger's, and ends up on a terminal */
                if (*at < ' ' || *at > '~')
                        *at = '?';
}

const char *audit_verdict_name(enum audit_verdict verdict)
{
        static const char *const names[] = {
                [AUDIT_VERDICT_OK] = "OK",
                [AUDIT_VERDICT_UNPROVEN] = "UNPROVEN",
                [AUDIT_VERDICT_UNREADABLE] = "UNREADABLE",
                [AUDIT_VERDICT_TAMPERED] = "TAMPERED",
        };

        return names[verdict];
}

static json_t *number_or_null(int64_t number)
{
        return number < 0 ? json_null() : json_integer(number);
}

static json_t *finding_json(const struct audit_finding *finding)
{
        return json_pack("{s:s, s:o, s:o, s:s}", "code", finding->code, "seq", number_or_null(finding->seq), "epoch",
                         number_or_null(finding->epoch), "detail", finding->detail);
}

static json_t *findings_json(const struct audit_report *report)
{
        json_t *list = json_array();

        for (size_t i = 0; list && i < report->n_findings; i++)
                if (json_array_append_new(list, finding_json(&report->findings[i])) < 0)
                        json_decref(TAKE_PTR(list));
        return list;
}

json_t *audit_report_json(const struct audit_report *report)
{
        char root[sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL)];
        json_t *findings = findings_json(report);

        if (!findings)
                return NULL;
        sodium_bin2base64(root, sizeof(root), report->root, sizeof(report->root), sodium_base64_VARIANT_ORIGINAL);
        return json_pack("{s:i, s:s, s:i, s:s, s:I, s:s, s:b, s:I, s:o}", "schema_version", 1, "verdict",
                         audit_verdict_name(report->verdict), "exit", report->exit_code, "origin", report->origin,
                         "size", (json_int_t)report->size, "root", root, "anchored", (int)report->anchored,
                         "sealed_size", (json_int_t)report->sealed_size, "findings", findings);
}
