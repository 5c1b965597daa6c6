#include <string.h>

#include "evidence.h"
#include "views.h"

/* The words of a one-line anchor: "govaudit1 ORIGIN SIZE ROOT". */
static json_t *anchor_word(const char *anchor, unsigned n)
{
        for (; n > 0 && anchor; n--) {
                anchor = strchr(anchor, ' ');
                anchor = anchor ? anchor + 1 : NULL;
        }
        return anchor ? json_stringn(anchor, strcspn(anchor, " ")) : json_string("");
}

static json_t *no_chain(struct control_error *error)
{
        return control_refuse(error, 1, "govctl status", "the audit log cannot be opened");
}

/* From memory and not from the file: so that a verifier can tell whether the file is still the one that we write. */
json_t *evidence_head(void *self, const struct control_request *request, struct control_error *error)
{
        const struct governor *governor = self;
        struct audit_head head = { 0 };

        (void)request;
        chronicle_head(governor->chronicle, &head);
        if (head.size == 0)
                return no_chain(error);
        return json_pack("{s:i, s:o, s:I, s:I, s:o, s:s, s:s, s:s}", "schema_version", SCHEMA_VERSION, "origin",
                         anchor_word(head.anchor, 1), "size", (json_int_t)head.size, "sealed_size",
                         (json_int_t)head.sealed_size, "root", anchor_word(head.anchor, 3), "anchor", head.anchor,
                         "note", chronicle_last_note(governor->chronicle), "genesis_anchor",
                         governor->audit_how.genesis_anchor);
}
