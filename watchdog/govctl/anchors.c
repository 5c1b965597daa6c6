#include "govctl/anchors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "govctl/given.h"
#include "io/cleanup.h"

void anchors_done(struct anchors_kept *kept)
{
        audit_anchors_free(kept->anchors);
        for (size_t i = 0; i < kept->texts_n; i++)
                free(kept->texts[i]);
        free(kept->texts);
        *kept = (struct anchors_kept){ 0 };
}

static enum code complain_malformed(struct call *call, const char *path, unsigned line)
{
        char what[4200];

        snprintf(what, sizeof what, "%s:%u: malformed anchor", strcmp(path, "-") == 0 ? "standard input" : path, line);
        return call_complain(call, CODE_USAGE, what,
                             "an anchor is one line: govaudit1 ORIGIN SIZE ROOT, the root in base64",
                             "paste the line again from where it was kept");
}

static enum code take_file(struct call *call, struct anchors_kept *kept, const char *path)
{
        char **texts = reallocarray(kept->texts, kept->texts_n + 1, sizeof *texts);
        unsigned line = 0;
        char *text;
        size_t size;
        enum code code;
        int r = 0;

        if (!texts)
                return call_out_of_memory(call);
        kept->texts = texts;
        if (!kept->anchors)
                r = audit_anchors_new(&kept->anchors);
        if (r < 0)
                return call_out_of_memory(call);
        code = given_read(call, path, &text, &size);
        if (code != CODE_OK)
                return code;
        kept->texts[kept->texts_n++] = text;
        r = audit_anchors_add(kept->anchors, text, size, &line);
        if (r == -EBADMSG)
                return complain_malformed(call, path, line);
        return r < 0 ? call_out_of_memory(call) : CODE_OK;
}

static enum code take_files(struct call *call, struct anchors_kept *kept, const struct texts *paths)
{
        enum code code = CODE_OK;

        for (size_t i = 0; i < paths->n && code == CODE_OK; i++)
                code = take_file(call, kept, paths->list[i]);
        return code;
}

enum code anchors_read(struct call *call, bool here, struct anchors_kept *ret)
{
        enum code code = CODE_OK;

        *ret = (struct anchors_kept){ 0 };
        if (here && access(ANCHORS_FILE, F_OK) == 0)
                code = take_file(call, ret, ANCHORS_FILE);
        if (code == CODE_OK)
                code = take_files(call, ret, &call->options.against);
        if (code == CODE_OK)
                code = take_files(call, ret, &call->options.anchors);
        /* a file of ours that nobody has filled in yet is as good as none; one that was named is not */
        if (code == CODE_OK && ret->anchors && audit_anchors_count(ret->anchors) == 0 &&
            call->options.against.n + call->options.anchors.n == 0)
                ret->anchors = audit_anchors_free(ret->anchors);
        return code;
}
