/* The log as text files or tiles, for whoever verifies it without our database. */
#include <errno.h>
#include <string.h>

#include "audit/audit.h"
#include "govctl/given.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

static int export_records(struct audit_reader *reader, FILE *out)
{
        return audit_export_jsonl(reader, NULL, out);
}

static enum code export_to(struct call *call, struct audit_reader *reader, const char *path,
                           int (*export)(struct audit_reader *reader, FILE *out))
{
        struct given_output output;
        enum code code = path ? given_open(call, path, &output) : CODE_OK;

        if (code != CODE_OK || !path)
                return code;
        return given_close(call, &output, export(reader, output.file));
}

static enum code export_tiles(struct call *call, struct audit_reader *reader, const char *directory)
{
        char what[4200];
        int r = directory ? audit_export_tiles(reader, directory) : 0;

        if (r >= 0)
                return CODE_OK;
        snprintf(what, sizeof what, "cannot write tiles into %s", directory);
        switch (r) {
        case -ESTALE:
                return call_complain(call, CODE_FAILURE, what,
                                     "records that they need have left the log for an archive",
                                     "govctl audit export --jsonl FILE --checkpoints FILE --subtree FILE");
        case -ENOTEMPTY:
        case -EEXIST: return call_complain(call, CODE_FAILURE, what, "it holds something else", "an empty directory");
        case -EACCES:
        case -EPERM: return call_complain(call, CODE_DENIED, what, strerror(-r), "the same with sudo");
        case -EUCLEAN:
                return call_complain(call, CODE_FAILURE, what, "the log, or what lies there of it, is damaged",
                                     "govctl audit verify; then an empty directory");
        default: return call_complain(call, CODE_FAILURE, what, strerror(-r), "df -h, ls -ld");
        }
}

static bool is_stream(const char *path)
{
        return path && strcmp(path, "-") == 0;
}

static enum code check(struct call *call)
{
        struct options *options = &call->options;
        const int streams = is_stream(options->jsonl) + is_stream(options->checkpoints) + is_stream(options->subtree);

        /* a script that asks for JSON alone gets the bodies, as from `audit log` */
        if (options->json && !options->jsonl && !options->checkpoints && !options->subtree && !options->tiles)
                options->jsonl = "-";
        if (!options->jsonl && !options->checkpoints && !options->subtree && !options->tiles)
                return call_complain(call, CODE_USAGE, "nothing to export", "the options say what goes where",
                                     "govctl audit export --jsonl FILE --checkpoints FILE");
        if (streams > 1)
                return call_complain(call, CODE_USAGE, "only one part can go to the standard output",
                                     "- is given several times", "files for the others");
        return CODE_OK;
}

/* All of one snapshot, so that the parts fit together. */
enum code run_audit_export(struct call *call)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        enum code code = check(call);

        if (code == CODE_OK)
                code = state_open_log(call, &reader);
        if (code == CODE_OK)
                code = export_to(call, reader, call->options.jsonl, export_records);
        if (code == CODE_OK)
                code = export_to(call, reader, call->options.checkpoints, audit_export_checkpoints);
        if (code == CODE_OK)
                code = export_to(call, reader, call->options.subtree, audit_export_subtree);
        return code == CODE_OK ? export_tiles(call, reader, call->options.tiles) : code;
}
