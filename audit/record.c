#include "audit/record.h"
#include "audit/cleanup.h"

#include <endian.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static const char *const outcome_names[AUDIT_OUTCOME_N] = {
        [AUDIT_PENDING] = "pending", [AUDIT_OK] = "ok",           [AUDIT_FAIL] = "fail",
        [AUDIT_DENIED] = "denied",   [AUDIT_UNKNOWN] = "unknown", [AUDIT_INFO] = "info",
};

const char *audit_outcome_name(enum audit_outcome outcome)
{
        return outcome < AUDIT_OUTCOME_N ? outcome_names[outcome] : NULL;
}

/* ---- to bytes ------------------------------------------------------------------------------------------------- */

static int out_member(struct audit_out *out, const char *before, const char *text)
{
        audit_out_text(out, before);
        return audit_out_string(out, text, strlen(text));
}

static int out_details(struct audit_out *out, const json_t *details)
{
        audit_out_text(out, ",\"details\":");
        if (!details) {
                audit_out_text(out, "{}");
                return 0;
        }
        return json_is_object(details) ? audit_out_json(out, details, 2) : -EINVAL;
}

void audit_out_hash(struct audit_out *out, const struct audit_hash *hash)
{
        char hex[2 * sizeof(hash->bytes)];

        for (size_t i = 0; i < sizeof(hash->bytes); i++) {
                hex[2 * i] = "0123456789abcdef"[hash->bytes[i] >> 4];
                hex[2 * i + 1] = "0123456789abcdef"[hash->bytes[i] & 15];
        }
        audit_out_bytes(out, hex, sizeof(hex));
}

int audit_record_encode(const struct audit_entry *entry, const struct audit_place *place, char *space,
                        size_t *ret_length)
{
        struct audit_out out = { .bytes = space, .room = AUDIT_BODY_MAX };
        char ts[AUDIT_TS_LENGTH + 1];
        int r;

        if (!entry->action || entry->action[0] == '\0' || entry->outcome >= AUDIT_OUTCOME_N)
                return -EINVAL;

        r = out_member(&out, "{\"action\":", entry->action);
        r = r ?: out_member(&out, ",\"actor\":", entry->actor ?: "governor");
        r = r ?: out_member(&out, ",\"boot\":", place->boot_id);
        r = r ?: out_details(&out, entry->details);
        r = r ?: out_member(&out, ",\"incident\":", entry->incident ?: "");
        audit_out_text(&out, ",\"mono\":");
        audit_out_integer(&out, (int64_t)place->boottime_usec);
        audit_out_text(&out, ",\"outcome\":\"");
        audit_out_text(&out, outcome_names[entry->outcome]);
        audit_out_text(&out, "\",\"prev\":\"");
        audit_out_hash(&out, &place->prev);
        audit_out_text(&out, "\",\"seq\":");
        audit_out_integer(&out, (int64_t)place->seq);
        r = r ?: out_member(&out, ",\"subject\":", entry->subject ?: "");
        audit_ts_format(place->realtime_usec, ts);
        r = r ?: out_member(&out, ",\"ts\":", ts);
        audit_out_text(&out, ",\"v\":1}");

        if (r < 0)
                return r;
        if (out.full)
                return -EMSGSIZE;
        *ret_length = out.length;
        return 0;
}

/* ---- from bytes ----------------------------------------------------------------------------------------------- */

#define LITERAL(scan, text) audit_scan_literal(scan, text, sizeof(text) - 1)

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Eight digits to their values, each in its byte. A byte is a digit when its value is small and writing that gives the byte. */
static bool hex_values(const char *digits, uint64_t *ret)
{
        uint64_t bytes, values, letters;

        memcpy(&bytes, digits, sizeof(bytes));
        bytes = le64toh(bytes);
        values = (bytes & EACH_BYTE(0x0f)) + (bytes >> 6 & EACH_BYTE(1)) * 9;
        letters = (values + EACH_BYTE(6)) >> 4 & EACH_BYTE(1);
        *ret = values;
        return (values & EACH_BYTE(0x10)) == 0 && EACH_BYTE('0') + values + letters * ('a' - 10 - '0') == bytes;
}

/* `length` is a multiple of eight. */
static bool is_hex(const struct audit_slice *text, size_t length)
{
        bool all = text->length == length;
        uint64_t values;

        for (size_t i = 0; all && i < length; i += sizeof(values))
                all = hex_values(text->text + i, &values);
        return all;
}

void audit_record_prev(const struct audit_view *record, struct audit_hash *ret)
{
        for (size_t i = 0; i < sizeof(ret->bytes) / 4; i++) {
                uint64_t values = 0;
                uint32_t four;

                hex_values(record->prev.text + 8 * i, &values); /* the scan has seen that they are good */
                values = (values << 4 | values >> 8) & UINT64_C(0x00ff00ff00ff00ff);
                values = (values | values >> 8) & UINT64_C(0x0000ffff0000ffff);
                four = htole32((uint32_t)(values | values >> 16));
                memcpy(ret->bytes + 4 * i, &four, sizeof(four));
        }
}

/* To the end whatever is found, so that there is no branch in it. */
static bool is_ts(const struct audit_slice *text)
{
        static const char form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
        unsigned wrong = 0;

        if (text->length != AUDIT_TS_LENGTH)
                return false;
        for (size_t i = 0; i < AUDIT_TS_LENGTH; i++)
                wrong |= form[i] == 'd' ? (uint8_t)(text->text[i] - '0') > 9 : text->text[i] != form[i];
        return !wrong;
}

static unsigned two_digits(const char *at)
{
        return (unsigned)(at[0] - '0') * 10 + (unsigned)(at[1] - '0');
}

/* Is it in the calendar? A leap second is never written. */
static bool is_moment(const char *ts)
{
        const unsigned century = two_digits(ts), year = two_digits(ts + 2), month = two_digits(ts + 5);
        const bool is_leap = year % 4 == 0 && (year != 0 || century % 4 == 0);
        const unsigned days = month == 2 ? 28U + is_leap : 30U + ((month + month / 8) & 1);

        return month - 1 < 12 && two_digits(ts + 8) - 1 < days && two_digits(ts + 11) < 24 &&
               two_digits(ts + 14) < 60 && two_digits(ts + 17) < 60;
}

static bool parse_outcome(const struct audit_slice *text, enum audit_outcome *ret)
{
        for (unsigned i = 0; i < AUDIT_OUTCOME_N; i++)
                if (strncmp(outcome_names[i], text->text, text->length) == 0 &&
                    outcome_names[i][text->length] == '\0') {
                        *ret = i;
                        return true;
                }
        return false;
}

static bool scan_details(struct audit_scan *scan, struct audit_slice *ret)
{
        const char *begin = (const char *)scan->at;

        if (!audit_scan_object(scan, 2))
                return false;
        *ret = (struct audit_slice){ begin, (size_t)((const char *)scan->at - begin) };
        return true;
}

/* The order of the members is part of the form, so one look at each byte is enough. */
bool audit_record_scan(const char *body, size_t length, struct audit_view *ret)
{
        struct audit_scan scan = audit_scan_begin(body, length);
        struct audit_slice outcome;
        int64_t mono, seq;

        /* clang-format off */
        if (length > AUDIT_BODY_MAX ||
            !(LITERAL(&scan, "{\"action\":")    && audit_scan_string(&scan, &ret->action) &&
              LITERAL(&scan, ",\"actor\":")     && audit_scan_string(&scan, &ret->actor) &&
              LITERAL(&scan, ",\"boot\":")      && audit_scan_string(&scan, &ret->boot) &&
              LITERAL(&scan, ",\"details\":")   && scan_details(&scan, &ret->details) &&
              LITERAL(&scan, ",\"incident\":")  && audit_scan_string(&scan, &ret->incident) &&
              LITERAL(&scan, ",\"mono\":")      && audit_scan_integer(&scan, &mono) &&
              LITERAL(&scan, ",\"outcome\":")   && audit_scan_string(&scan, &outcome) &&
              LITERAL(&scan, ",\"prev\":")      && audit_scan_string(&scan, &ret->prev) &&
              LITERAL(&scan, ",\"seq\":")       && audit_scan_integer(&scan, &seq) &&
              LITERAL(&scan, ",\"subject\":")   && audit_scan_string(&scan, &ret->subject) &&
              LITERAL(&scan, ",\"ts\":")        && audit_scan_string(&scan, &ret->ts) &&
              LITERAL(&scan, ",\"v\":1}")       && audit_scan_done(&scan)))
                /* clang-format on */
                return false;

        if (ret->action.length == 0 || !is_hex(&ret->boot, 32) || !is_hex(&ret->prev, 64) || !is_ts(&ret->ts) ||
            !is_moment(ret->ts.text) || mono < 0 || seq < 0 || !parse_outcome(&outcome, &ret->outcome))
                return false;

        ret->boottime_usec = (uint64_t)mono;
        ret->seq = (uint64_t)seq;
        return true;
}

bool audit_record_follows(const struct audit_view *record, const struct audit_hash *prev)
{
        char hex[2 * sizeof(prev->bytes)];
        struct audit_out out = { .bytes = hex, .room = sizeof(hex) };

        audit_out_hash(&out, prev);
        return memcmp(record->prev.text, hex, sizeof(hex)) == 0;
}

int audit_view(const char *body, size_t length, struct audit_view *ret)
{
        struct audit_view view;

        if (!audit_record_scan(body, length, &view))
                return -EBADMSG;
        *ret = view;
        return 0;
}

bool audit_view_integer(const struct audit_view *view, const char *key, int64_t *ret)
{
        struct audit_slice value;
        struct audit_scan scan;

        if (!audit_find_member(view->details, key, &value))
                return false;
        scan = audit_scan_begin(value.text, value.length);
        return audit_scan_integer(&scan, ret) && audit_scan_done(&scan);
}

/* ---- text from outside ---------------------------------------------------------------------------------------- */

static int add_base64(json_t *details, const char *key, const void *bytes, size_t length)
{
        const size_t room = sodium_base64_ENCODED_LEN(length, sodium_base64_VARIANT_ORIGINAL);
        _cleanup_(free_memory) char *text = malloc(room), *name = NULL;

        if (!text || asprintf(&name, "%s_b64", key) < 0) {
                name = NULL;
                return -ENOMEM;
        }
        sodium_bin2base64(text, room, bytes, length, sodium_base64_VARIANT_ORIGINAL);
        return json_object_set_new(details, name, json_string(text)) < 0 ? -ENOMEM : 0;
}

int audit_details_bytes(json_t *details, const char *key, const void *bytes, size_t length)
{
        /* jansson takes exactly the UTF-8 of RFC 3629 */
        if (memchr(bytes, '\0', length) || json_object_set_new(details, key, json_stringn(bytes, length)) < 0)
                return add_base64(details, key, bytes, length);
        return 0;
}
