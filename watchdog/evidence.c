#include "evidence.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/log.h"
#include "orders.h"
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

static const char *text_of(const struct control_request *request, const char *key)
{
        return json_string_value(json_object_get(request->params, key));
}

static json_t *empty_answer(void)
{
        return json_pack("{s:i}", "schema_version", SCHEMA_VERSION);
}

static json_t *not_recorded(struct control_error *error, int r)
{
        return control_refuse(error, 1, "govctl status", "not done: it cannot be recorded: %s", strerror(-r));
}

/* ---- after a loss -------------------------------------------------------------------------------------------------------- */

json_t *evidence_restored(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *reason = text_of(request, "reason");
        char who[64], safe[512];
        struct audit_entry entry = {
                .action = "audit.restored", .actor = who, .subject = "audit", .outcome = AUDIT_INFO
        };
        json_t *details;
        int r;

        order_from(request, who);
        text_copy_safe(safe, sizeof(safe), reason);
        details = json_pack("{s:s}", "reason", safe);
        entry.details = details;
        r = chronicle_event(governor->chronicle, &entry);
        json_decref(details);
        if (r >= 0)
                r = chronicle_settle(governor->chronicle);
        if (r < 0)
                return not_recorded(error, r);
        governor_audit_explained(governor, who, safe);
        return empty_answer();
}

/* ---- witnesses ------------------------------------------------------------------------------------------------------------ */

json_t *evidence_witnesses(void *self, const struct control_request *request, struct control_error *error)
{
        const struct governor *governor = self;
        const struct witnesses *witnesses = &governor->anchoring.witnesses;
        json_t *list = json_array();

        (void)request, (void)error;
        for (size_t i = 0; i < witnesses->n; i++) {
                const struct witness *witness = &witnesses->list[i];

                json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "name", witness->key.name, "vkey",
                                                      witness->vkey, "url", witness->url, "last_size",
                                                      (json_int_t)witness->last_size, "last_at",
                                                      (json_int_t)witness->last_at));
        }
        return json_pack("{s:i, s:s, s:s, s:o}", "schema_version", SCHEMA_VERSION, "file",
                         governor->anchoring.witnesses_file, "why", governor->anchoring.why, "witnesses", list);
}

/* A file that is wrong is a human's to mend: writing it anew would throw away what stands in it. */
static json_t *change_list(struct governor *governor, const struct control_request *request,
                           struct control_error *error, const struct witnesses *list, const struct witness *changed)
{
        const char *change = request->method == METHOD_WITNESS_ADD ? "add" : "remove";
        char who[64];
        int r;

        if (governor->anchoring.why[0])
                return control_refuse(error, 1, "mend it, then: govctl reload", "%s", governor->anchoring.why);
        order_from(request, who);
        r = anchoring_change(governor, list, changed, change, who);
        if (r < 0)
                return control_refuse(error, 1, "govctl doctor", "the witnesses cannot be changed: %s: %s",
                                      governor->anchoring.witnesses_file, strerror(-r));
        return empty_answer();
}

json_t *evidence_witness_add(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        _cleanup_free_ struct witnesses *list = malloc(sizeof(*list));
        char why[WITNESS_WHY_MAX];
        struct witness witness;
        int r;

        if (!list)
                return control_refuse(error, 1, "", "out of memory");
        if (witness_read(text_of(request, "vkey"), text_of(request, "url"), &witness, why) < 0)
                return control_refuse(error, 2, "govctl audit witness add VKEY URL", "%s", why);
        *list = governor->anchoring.witnesses;
        r = witnesses_add(list, &witness);
        if (r == -EEXIST)
                return control_refuse(error, 1, "govctl audit witness list", "there is a witness '%s' already",
                                      witness.key.name);
        if (r < 0)
                return control_refuse(error, 1, "govctl audit witness list", "there are %d witnesses already",
                                      WITNESSES_MAX);
        return change_list(governor, request, error, list, &witness);
}

json_t *evidence_witness_remove(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        _cleanup_free_ struct witnesses *list = malloc(sizeof(*list));
        const char *name = text_of(request, "name");
        struct witness witness, *found;

        if (!list)
                return control_refuse(error, 1, "", "out of memory");
        *list = governor->anchoring.witnesses;
        found = witnesses_find(list, name);
        if (!found)
                return control_refuse(error, 5, "govctl audit witness list", "there is no witness '%s'", name);
        witness = *found;
        witnesses_remove(list, found);
        return change_list(governor, request, error, list, &witness);
}
