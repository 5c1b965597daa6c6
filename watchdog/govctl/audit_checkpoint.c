/* The newest checkpoint, to be kept where root of this machine cannot change it. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "govctl/checkpoint.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

static enum code show_json(struct call *call, const char *note, const struct checkpoint *checkpoint)
{
        char anchor[AUDIT_ANCHOR_MAX];
        json_auto_t *witnesses = json_array();
        struct audit_slice name;
        const char *at = NULL;

        while (checkpoint_next_witness(checkpoint, &at, &name))
                json_array_append_new(witnesses, json_stringn(name.text, name.length));

        json_auto_t *json =
                json_pack("{s:i, s:s%, s:I, s:s%, s:s, s:s, s:O}", "schema_version", 1, "origin",
                          checkpoint->origin.text, checkpoint->origin.length, "size", (json_int_t)checkpoint->size,
                          "root", checkpoint->root.text, checkpoint->root.length, "anchor",
                          checkpoint_anchor(checkpoint, anchor), "note", note, "witnesses", witnesses);

        return json ? call_print_json(call, json, CODE_OK) : call_out_of_memory(call);
}

enum code checkpoint_show(struct call *call, const char *note)
{
        struct checkpoint checkpoint;
        char anchor[AUDIT_ANCHOR_MAX];

        if (!checkpoint_read(note, strlen(note), &checkpoint))
                return call_complain(call, CODE_FAILURE, "the newest checkpoint is not one", "the log is damaged",
                                     "govctl audit verify");
        if (call->options.json)
                return show_json(call, note, &checkpoint);
        /* as it is, not by way of the page: it is for other tools, byte for byte */
        if (call->options.anchor)
                fprintf(call->page.out, "%s\n", checkpoint_anchor(&checkpoint, anchor));
        else
                fputs(note, call->page.out);
        return CODE_OK;
}

/* A reader of the group may have the checkpoint, though not the log. */
static bool ask_daemon(struct call *call, char **ret_note)
{
        json_auto_t *answer = NULL;
        const char *note;

        if (call->options.db || !state_is_daemons(call))
                return false;
        (void)daemon_ask_quietly(call, "audit-head", NULL, &answer);
        note = field_text(answer, "note");
        return note[0] && (*ret_note = strdup(note));
}

enum code run_audit_checkpoint(struct call *call)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        _cleanup_free_ char *note = NULL;
        char path[PATH_MAX];
        uint64_t size;
        int r = state_try_log(call, path, &reader);

        if (r >= 0) {
                r = audit_reader_note_of(reader, INT64_MAX, &note, &size);
                r = r == -ENOENT ? -ENODATA : r;
        }
        if (r == -EACCES && ask_daemon(call, &note))
                r = 0;
        if (r == -ENODATA)
                return call_complain(call, CODE_PENDING, "there is no checkpoint yet", "nothing is sealed",
                                     "govctl audit seal");
        return r < 0 ? state_complain(call, r, path) : checkpoint_show(call, note);
}
