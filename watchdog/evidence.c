#include "evidence.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/log.h"
#include "orders.h"
#include "views.h"

#define TIME_MOST UINT64_C(253402300799) /* the year 9999: later is nonsense, and would not fit into a record one day */

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

/* ---- seals ----------------------------------------------------------------------------------------------------------------- */

json_t *evidence_seal(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *nonce = text_of(request, "nonce");
        struct audit_head head = { 0 };
        char who[64];
        int r;

        order_from(request, who);
        r = nonce ? chronicle_seal_nonce(governor->chronicle, nonce, who) : chronicle_settle(governor->chronicle);
        if (r == -EINVAL)
                return control_refuse(error, 2, "govctl audit seal --nonce $(openssl rand -hex 16)",
                                      "a nonce is 16 to 128 hex digits");
        if (r < 0)
                return control_refuse(error, 1, "govctl status", "not sealed: %s", strerror(-r));
        chronicle_head(governor->chronicle, &head);
        return json_pack("{s:i, s:s, s:s}", "schema_version", SCHEMA_VERSION, "note",
                         chronicle_last_note(governor->chronicle), "anchor", head.anchor);
}

json_t *evidence_rotate(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct audit_how how = { 0 };
        char who[64], reason[512];
        int r;

        /* an outcome names its intent by the number it has in its own log */
        if (perform_under_way(governor->perform) > 0)
                return control_refuse(error, 7, "the same again in a moment", "an action is under way");
        order_from(request, who);
        text_copy_safe(reason, sizeof(reason), text_of(request, "reason"));
        r = chronicle_rotate(governor->chronicle, reason, who, &how);
        if (r < 0)
                return control_refuse(error, 1, "govctl status", "the audit log was not rotated: %s", strerror(-r));
        return json_pack("{s:i, s:s, s:s}", "schema_version", SCHEMA_VERSION, "set_aside", how.aside, "genesis_anchor",
                         how.genesis_anchor);
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

                json_array_append_new(list,
                                      json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "name", witness->key.name, "vkey",
                                                witness->vkey, "url", witness->url, "last_size",
                                                (json_int_t)witness->last_size, "last_at", (json_int_t)witness->last_at,
                                                "refused_at", (json_int_t)witness->refused_at));
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

/* The body of a request to a witness that last saw the log at `old_size`: a proof that it only grew since. */
json_t *evidence_add_checkpoint(void *self, const struct control_request *request, struct control_error *error)
{
        const struct governor *governor = self;
        json_int_t old_size = json_integer_value(json_object_get(request->params, "old_size"));
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        _cleanup_free_ char *body = NULL;
        uint64_t size;
        int r = old_size < 0 ? -ERANGE : audit_reader_open(governor->database, &reader);

        if (r >= 0)
                r = audit_add_checkpoint_body(reader, (uint64_t)old_size, &body, &size);
        if (r == -ERANGE)
                return control_refuse(error, 1, "govctl audit checkpoint",
                                      "the log never had %lld records under a seal: the witness knows another one",
                                      (long long)old_size);
        if (r < 0)
                return control_refuse(error, 1, "govctl audit verify", "growth since %lld cannot be proven: %s",
                                      (long long)old_size, strerror(-r));
        return json_pack("{s:i, s:s, s:I}", "schema_version", SCHEMA_VERSION, "body", body, "size", (json_int_t)size);
}

/* ---- cosignatures ------------------------------------------------------------------------------------------------------------ */

static json_t *no_cosignature(struct control_error *error, const char *name, int r)
{
        char safe[AUDIT_ORIGIN_MAX];

        text_copy_safe(safe, sizeof(safe), name);
        if (r == -ENOENT)
                return control_refuse(error, 5, "govctl audit checkpoint", "there is no checkpoint of this size");
        if (r == -EKEYREJECTED || r == -EBADMSG || r == -ENOKEY)
                return control_refuse(error, 4, "govctl audit witness list", "this is not a cosignature by '%s'", safe);
        return control_refuse(error, 1, "govctl status", "the cosignature of '%s' was not kept: %s", safe,
                              strerror(-r));
}

/* Checks the line against the checkpoint of cosigned->size, and fills in the rest. */
static int read_cosignature(const struct governor *governor, const struct witness *witness, const char *line,
                            struct cosigned *cosigned)
{
        const struct audit_slice slice = { line, strlen(line) };
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        _cleanup_free_ char *note = NULL;
        uint64_t found;
        int r = audit_reader_open(governor->database, &reader);

        if (r >= 0)
                r = audit_reader_note_of(reader, cosigned->size, &note, &found);
        if (r >= 0 && found != cosigned->size)
                r = -ENOENT;
        if (r >= 0)
                r = audit_cosignature_check(note, strlen(note), slice, &witness->key, &cosigned->time);
        if (r >= 0 && sscanf(note, "%*[^\n]\n%*[^\n]\n%47[^\n]", cosigned->root) != 1)
                r = -EBADMSG;
        if (r >= 0 && cosigned->time > TIME_MOST)
                r = -ERANGE;
        return r;
}

json_t *evidence_cosign(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        json_int_t size = json_integer_value(json_object_get(request->params, "size"));
        const char *line = text_of(request, "line");
        char name[AUDIT_ORIGIN_MAX];
        struct cosigned cosigned = { .size = size > 0 ? (uint64_t)size : 0 };
        struct witness *witness = NULL;
        int r;

        if (witness_name_in(line, name))
                witness = witnesses_find(&governor->anchoring.witnesses, name);
        if (!witness)
                return control_refuse(error, 5, "govctl audit witness list", "this line is by none of the witnesses");
        r = size > 0 ? read_cosignature(governor, witness, line, &cosigned) : -ENOENT;
        if (r >= 0)
                r = chronicle_cosign(governor->chronicle, cosigned.size, witness->vkey, line);
        if (r < 0)
                return no_cosignature(error, name, r);
        anchoring_cosigned(governor, witness, &cosigned);
        return json_pack("{s:i, s:s, s:I}", "schema_version", SCHEMA_VERSION, "witness", name, "time",
                         (json_int_t)cosigned.time);
}

/* The size is of a checkpoint that we sealed: nobody can refuse another. */
json_t *evidence_witness_refused(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        json_int_t size = json_integer_value(json_object_get(request->params, "size"));
        struct witness *witness = witnesses_find(&governor->anchoring.witnesses, text_of(request, "name"));
        struct audit_head head = { 0 };

        if (!witness)
                return control_refuse(error, 5, "govctl audit witness list", "it is none of the witnesses");
        chronicle_head(governor->chronicle, &head);
        if (size <= 0 || (uint64_t)size > head.sealed_size)
                return control_refuse(error, 5, "govctl audit checkpoint", "there is no checkpoint of this size");
        anchoring_refused(governor, witness, (uint64_t)size, text_of(request, "text"));
        return empty_answer();
}
