/* Old records leave the log for an archive; what stays verifies from its first record on. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/moment.h"
#include "govctl/state.h"
#include "govctl/verbs.h"

/* As the daemon takes it: "2026-01-31T14:30:00Z". */
#define RFC3339_MAX 32
static char *rfc3339(usec_t at, char buffer[RFC3339_MAX])
{
        time_t seconds = (time_t)(at / USEC_PER_SEC);
        struct tm tm;

        gmtime_r(&seconds, &tm);
        strftime(buffer, RFC3339_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
        return buffer;
}

static enum code take_before(struct call *call, usec_t *ret)
{
        const char *before = call->options.before;

        if (!before)
                return call_complain(call, CODE_USAGE, "--before is needed", "records of that time and later stay",
                                     "govctl audit archive --before 2026-01-01");
        if (!moment_parse_typed(before, call->page.now, ret))
                return call_complain(call, CODE_USAGE, "--before takes a time", before,
                                     "govctl audit archive --before 2026-01-01, or --before 500d");
        return CODE_OK;
}

/* The daemon may stand in another directory than the person. */
static enum code take_file(struct call *call, char buffer[PATH_MAX], const char **ret)
{
        const char *to = call->options.to;
        char here[PATH_MAX];

        *ret = to;
        if (!to || to[0] == '/')
                return CODE_OK;
        if (!getcwd(here, sizeof here) || snprintf(buffer, PATH_MAX, "%s/%s", here, to) >= PATH_MAX)
                return call_complain(call, CODE_USAGE, "--to takes a path", to, "--to /var/lib/governor/archive/2025");
        *ret = buffer;
        return CODE_OK;
}

static enum code show(struct call *call, uint64_t from, uint64_t to, const char *file, const char *sha256)
{
        char text[PATH_MAX + 256];

        if (call->options.json) {
                json_auto_t *json = json_pack("{s:i, s:I, s:I, s:s, s:s}", "schema_version", 1, "from",
                                              (json_int_t)from, "to", (json_int_t)to, "file", file, "sha256", sha256);

                return json ? call_print_json(call, json, CODE_OK) : call_out_of_memory(call);
        }
        snprintf(text, sizeof text,
                 "Records %llu to %llu are in %s.jsonl now, their checkpoints in %s.ckpt. The log goes on "
                 "from record %llu and still verifies from its first; with what left it: govctl audit verify --archive "
                 "%s.jsonl",
                 (unsigned long long)from, (unsigned long long)to - 1, file, file, (unsigned long long)to, file);
        page_wrap(&call->page, TINT_PLAIN, 0, text);
        return CODE_OK;
}

/* ---- without a daemon ---- */

static enum code complain(struct call *call, int error, const struct audit_archiving *archiving)
{
        char why[256];

        switch (error) {
        case -ENODATA:
                return call_complain(call, CODE_NOT_FOUND, "nothing was archived",
                                     "no 256 records from before then are as old as the retention of this log demands",
                                     "a later --before; the retention stands in: govctl audit show 0");
        case -EUCLEAN:
                snprintf(why, sizeof why, "%s: %s", archiving->why.code ? archiving->why.code : "damaged",
                         archiving->why.detail);
                return call_complain(call, CODE_FAILURE, "nothing was archived: the log does not verify", why,
                                     "govctl audit verify");
        case -EEXIST:
                snprintf(why, sizeof why, "there is another file %.200s already", archiving->file);
                return call_complain(call, CODE_FAILURE, "nothing was archived", why, "another --to");
        default: return state_complain_writing(call, error, "archived");
        }
}

/* Opened first, so that the lock is held all the while: whoever opens the log throws away what is only prepared. */
static int archive(struct call *call, const struct audit_archive_options *options, struct audit_archiving *ret)
{
        struct audit_options opening = { .reason = "archive" };
        struct audit *audit;
        struct audit_how how;
        char actor[CALL_ACTOR_MAX];
        int r = audit_open(options->state_dir, &opening, &audit, &how);

        if (r < 0)
                return r;
        if (how.start == AUDIT_SET_ASIDE) {
                ret->why = (struct audit_finding){ .code = how.finding, .seq = -1, .epoch = -1 };
                text_copy(ret->why.detail, sizeof ret->why.detail, how.detail);
                audit_close(audit);
                return -EUCLEAN;
        }
        r = audit_archive_prepare(options, ret);
        if (r >= 0)
                r = audit_archive_commit(audit, ret, call_actor(actor));
        audit_close(audit);
        return r;
}

static enum code archive_here(struct call *call, usec_t before, const char *file)
{
        const struct audit_archive_options options = {
                .state_dir = state_directory(call),
                .file = file,
                .before_usec = before,
        };
        struct audit_archiving archiving = { 0 };
        char path[PATH_MAX];
        int r;

        /* to open a log for writing would begin one */
        snprintf(path, sizeof path, "%s/audit.db", options.state_dir);
        r = access(path, F_OK) < 0 ? -errno : archive(call, &options, &archiving);
        return r < 0 ? complain(call, r, &archiving)
                     : show(call, archiving.from, archiving.to, archiving.file, archiving.sha256);
}

enum code run_audit_archive(struct call *call)
{
        json_auto_t *answer = NULL;
        char path[PATH_MAX], text[RFC3339_MAX];
        const char *file = NULL;
        usec_t before = 0;
        bool here = false;
        enum code code = take_before(call, &before);

        if (code == CODE_OK)
                code = take_file(call, path, &file);
        if (code == CODE_OK)
                code = state_ask_or_here(call, "audit-archive",
                                         json_pack("{s:s, s:s*}", "before", rfc3339(before, text), "file", file),
                                         &answer, &here);
        if (code != CODE_OK)
                return code;
        return here ? archive_here(call, before, file)
                    : show(call, (uint64_t)field_number(answer, "from"), (uint64_t)field_number(answer, "to"),
                           field_text(answer, "file"), field_text(answer, "sha256"));
}
