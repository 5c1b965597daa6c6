/* One record whole: what it says, its hash, its other half, and the checkpoint that covers it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/text.h"
#include "govctl/checkpoint.h"
#include "govctl/field.h"
#include "govctl/moment.h"
#include "govctl/options.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "govctl/words.h"
#include "io/cleanup.h"
#include "io/digest.h"

#define LABEL_COLUMN 2
#define TEXT_COLUMN 12

/* What stands around a record in its log. */
struct around {
        uint64_t size;
        int64_t intent;  /* of an outcome: the record that announced it, else -1 */
        int64_t outcome; /* of an intent: the record that says how it ended, else -1 */
        bool sealed;
        uint64_t seal, sealed_size; /* the first checkpoint that covers it */
};

/* RFC 6962's leaf hash, which the next record carries as `prev`. */
static int hash_of(const char *body, size_t length, char ret[DIGEST_HEX_MAX])
{
        _cleanup_free_ char *bytes = malloc(length + 1);

        if (!bytes)
                return -ENOMEM;
        bytes[0] = 0;
        memcpy(bytes + 1, body, length);
        digest_hex(bytes, length + 1, ret);
        return 0;
}

static int find_outcome(struct audit_reader *reader, uint64_t intent, int64_t *ret)
{
        const struct audit_range after = { .from = intent + 1, .to = UINT64_MAX };
        struct audit_item item;
        struct audit_view view;
        int64_t named;
        int r = audit_reader_seek(reader, &after);

        while (r >= 0 && (r = audit_reader_next(reader, &item)) > 0)
                if (audit_view(item.body, item.length, &view) >= 0 && audit_view_integer(&view, "intent", &named) &&
                    named >= 0 && (uint64_t)named == intent) {
                        *ret = (int64_t)item.seq;
                        return 0;
                }
        return r;
}

static int find_seal(struct audit_reader *reader, uint64_t seq, struct around *around)
{
        struct audit_slice note;
        struct checkpoint checkpoint;
        int r = audit_reader_seek(reader, NULL);

        for (uint64_t seal = 0; r >= 0 && (r = audit_reader_next_note(reader, &note)) > 0; seal++)
                if (checkpoint_read(note.text, note.length, &checkpoint) && checkpoint.size > seq) {
                        around->sealed = true;
                        around->seal = seal;
                        around->sealed_size = checkpoint.size;
                        return 0;
                }
        return r;
}

static int look_around(struct audit_reader *reader, uint64_t seq, const json_t *record, struct around *ret)
{
        struct around around = { .intent = -1, .outcome = -1 };
        uint64_t sealed;
        int r = audit_reader_head(reader, &around.size, &sealed);

        if (field_given(record, "details.intent"))
                around.intent = field_number(record, "details.intent");
        if (r >= 0 && strcmp(field_text(record, "outcome"), audit_outcome_name(AUDIT_PENDING)) == 0)
                r = find_outcome(reader, seq, &around.outcome);
        if (r >= 0)
                r = find_seal(reader, seq, &around);
        *ret = around;
        return r;
}

/* ---- shown ---- */

static void label(struct page *page, const char *text)
{
        page_go(page, LABEL_COLUMN);
        page_put(page, TINT_FAINT, text);
        page_go(page, TEXT_COLUMN);
}

__attribute__((format(printf, 3, 4))) static void row(struct page *page, const char *name, const char *format, ...)
{
        char text[1024];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        if (text[0] == '\0')
                return;
        label(page, name);
        page_wrap(page, TINT_PLAIN, TEXT_COLUMN, text);
}

static void show_details(struct page *page, const json_t *details)
{
        _cleanup_free_ char *text = json_dumps(details, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        char *rest = text;

        if (!text || json_object_size(details) == 0)
                return;
        label(page, "details");
        for (char *line; (line = strsep(&rest, "\n"));) {
                if (page->at < TEXT_COLUMN)
                        page_go(page, TEXT_COLUMN);
                page_put(page, TINT_PLAIN, line);
                page_end(page);
        }
}

static void show_around(struct page *page, uint64_t seq, const json_t *record, const struct around *around)
{
        if (around->intent >= 0)
                row(page, "intent", "record %lld announced it", (long long)around->intent);
        if (around->outcome >= 0)
                row(page, "outcome", "record %lld says how it ended", (long long)around->outcome);
        else if (strcmp(field_text(record, "outcome"), audit_outcome_name(AUDIT_PENDING)) == 0)
                row(page, "outcome", "not known yet");
        if (around->sealed)
                row(page, "sealed", "by seal %llu, the checkpoint of size %llu", (unsigned long long)around->seal,
                    (unsigned long long)around->sealed_size);
        else
                row(page, "sealed", "not yet: %llu of %llu records wait for the next seal",
                    (unsigned long long)(around->size - seq), (unsigned long long)around->size);
}

static void show(struct page *page, uint64_t seq, const json_t *record, const struct around *around, const char *hash)
{
        char words[RECORD_WORDS_MAX], ago[PAGE_AGO_MAX], boot[TEXT_SPAN_MAX];

        page_text(page, TINT_STRONG, "record %llu", (unsigned long long)seq);
        page_text(page, TINT_PLAIN, "  %s  ", field_text(record, "action"));
        page_put(page, record_tint(record), field_text(record, "outcome"));
        page_end(page);
        row(page, "says", "%s", record_words(record, words));
        row(page, "time", "%s, %s", field_text(record, "ts"), page_ago(page, moment_of(field(record, "ts")), ago));
        row(page, "actor", "%s", field_text(record, "actor"));
        row(page, "subject", "%s", field_text(record, "subject"));
        row(page, "incident", "%s", field_text(record, "incident"));
        row(page, "boot", "%s, %s after it began", field_text(record, "boot"),
            text_span(boot, (usec_t)field_number(record, "mono")));
        show_around(page, seq, record, around);
        row(page, "prev", "%s", field_text(record, "prev"));
        row(page, "hash", "%s", hash);
        show_details(page, field(record, "details"));
}

/* ---- the verb ---- */

static enum code complain_absent(struct call *call, struct audit_reader *reader, uint64_t seq)
{
        char what[64], why[128];
        uint64_t size = 0, sealed;

        (void)audit_reader_head(reader, &size, &sealed);
        snprintf(what, sizeof what, "there is no record %llu", (unsigned long long)seq);
        snprintf(why, sizeof why,
                 seq < size ? "it has left the log for an archive, or it was removed" : "the last one is record %llu",
                 (unsigned long long)(size ? size - 1 : 0));
        return call_complain(call, CODE_NOT_FOUND, what, why,
                             seq < size ? "govctl audit log --action audit.archive, or: govctl audit verify"
                                        : "govctl audit log -n 1");
}

static enum code show_item(struct call *call, struct audit_reader *reader, const struct audit_item *item)
{
        json_auto_t *record = json_loadb(item->body, item->length, 0, NULL);
        const uint64_t seq = item->seq;
        char hash[DIGEST_HEX_MAX];
        struct around around;
        int r;

        if (call->options.json) {
                fwrite(item->body, 1, item->length, call->page.out);
                fputc('\n', call->page.out);
                return CODE_OK;
        }
        if (!record)
                return call_complain(call, CODE_FAILURE, "this record is not JSON", "the log is damaged",
                                     "govctl audit verify");
        r = hash_of(item->body, item->length, hash);
        if (r >= 0)
                r = look_around(reader, seq, record, &around);
        if (r < 0)
                return call_complain(call, CODE_FAILURE, "cannot read the audit log to its end", strerror(-r),
                                     "govctl audit verify");
        show(&call->page, seq, record, &around, hash);
        return CODE_OK;
}

enum code run_audit_show(struct call *call)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        struct audit_range one = { 0 };
        struct audit_item item;
        enum code code = call_take_seq(call, &one.from);
        int r;

        if (code == CODE_OK)
                code = state_open_log(call, &reader);
        if (code != CODE_OK)
                return code;
        one.to = one.from;
        r = audit_reader_seek(reader, &one);
        if (r >= 0)
                r = audit_reader_next(reader, &item);
        if (r < 0)
                return call_complain(call, CODE_FAILURE, "cannot read the audit log", strerror(-r),
                                     "govctl audit verify");
        return r > 0 ? show_item(call, reader, &item) : complain_absent(call, reader, one.from);
}
