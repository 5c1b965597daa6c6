#include "audit/canon.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

enum { DEPTH_MAX = 8, KEY_MAX = 32 };

/* What a byte means inside a string: most are plain, so the loop over them stays short. */
enum { PLAIN = 0, QUOTE, ESCAPE, CONTROL, MULTIBYTE };

/* clang-format off */
static const uint8_t string_class[256] = {
        [0x00 ... 0x1f] = CONTROL,
        ['"']           = QUOTE,
        ['\\']          = ESCAPE,
        [0x80 ... 0xff] = MULTIBYTE,
};

static const uint8_t is_key_byte[256] = { ['a' ... 'z'] = 1, ['0' ... '9'] = 1, ['_'] = 1 };
/* clang-format on */

static bool scan_byte(struct audit_scan *scan, unsigned char byte)
{
        if (audit_scan_done(scan) || *scan->at != byte)
                return false;
        scan->at++;
        return true;
}

/* One character of more than one byte. Overlong forms, surrogates and what lies past U+10FFFF are no UTF-8. */
static bool scan_multibyte(struct audit_scan *scan)
{
        const unsigned char *at = scan->at;
        const unsigned char first = *at;
        const unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        unsigned char low = 0x80, high = 0xbf; /* of the second byte */

        if (first < 0xc2 || first > 0xf4 || (size_t)(scan->end - at) <= more)
                return false;
        if (first == 0xe0)
                low = 0xa0;
        else if (first == 0xed)
                high = 0x9f;
        else if (first == 0xf0)
                low = 0x90;
        else if (first == 0xf4)
                high = 0x8f;

        if (at[1] < low || at[1] > high)
                return false;
        for (unsigned i = 2; i <= more; i++)
                if ((at[i] & 0xc0) != 0x80)
                        return false;
        scan->at += more + 1;
        return true;
}

bool audit_is_text(struct audit_slice text)
{
        struct audit_scan scan = audit_scan_begin(text.text, text.length);

        while (!audit_scan_done(&scan)) {
                const uint8_t class = string_class[*scan.at];

                if (class == CONTROL || (class == MULTIBYTE && !scan_multibyte(&scan)))
                        return false;
                scan.at += class != MULTIBYTE;
        }
        return true;
}

/* Exactly the escapes that a canonical writer makes: the short ones, and \u00xx for the controls that have none. */
static bool scan_escape(struct audit_scan *scan)
{
        const unsigned char *at = scan->at;
        unsigned value;

        if (scan->end - at < 2)
                return false;
        if (at[1] != '\0' && strchr("\"\\btnfr", at[1])) {
                scan->at += 2;
                return true;
        }

        if (scan->end - at < 6 || memcmp(at, "\\u00", 4) != 0 || (at[4] != '0' && at[4] != '1'))
                return false;
        if (!((at[5] >= '0' && at[5] <= '9') || (at[5] >= 'a' && at[5] <= 'f')))
                return false;
        value = (at[4] == '1' ? 16u : 0u) + at[5] - (at[5] <= '9' ? '0' : 'a' - 10u);
        if (value == 0 || (value >= 0x08 && value <= 0x0d && value != 0x0b))
                return false;
        scan->at += 6;
        return true;
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Moves past plain bytes, eight at a time. In a difference the first byte from below that borrows is one that was smaller than
 * what was taken off; the top bit of a byte that is no ASCII is set already. */
static void skip_plain(struct audit_scan *scan)
{
        uint64_t bytes, special;

        while (scan->end - scan->at >= (ptrdiff_t)sizeof(bytes)) {
                memcpy(&bytes, scan->at, sizeof(bytes));
                bytes = le64toh(bytes);
                special = bytes | (bytes - EACH_BYTE(' ')) | ((bytes ^ EACH_BYTE('"')) - EACH_BYTE(1)) |
                          ((bytes ^ EACH_BYTE('\\')) - EACH_BYTE(1));
                special &= EACH_BYTE(0x80);
                if (special != 0) {
                        scan->at += __builtin_ctzll(special) / 8;
                        return;
                }
                scan->at += sizeof(bytes);
        }
        while (scan->at < scan->end && string_class[*scan->at] == PLAIN)
                scan->at++;
}

bool audit_scan_string(struct audit_scan *scan, struct audit_slice *ret)
{
        const unsigned char *begin;

        if (!scan_byte(scan, '"'))
                return false;
        begin = scan->at;

        for (;;) {
                skip_plain(scan);
                if (audit_scan_done(scan))
                        return false;

                switch (string_class[*scan->at]) {
                case QUOTE:
                        *ret = (struct audit_slice){ (const char *)begin, (size_t)(scan->at - begin) };
                        scan->at++;
                        return true;
                case ESCAPE:
                        if (!scan_escape(scan))
                                return false;
                        break;
                case MULTIBYTE:
                        if (!scan_multibyte(scan))
                                return false;
                        break;
                default: return false;
                }
        }
}

bool audit_scan_integer(struct audit_scan *scan, int64_t *ret)
{
        const bool negative = scan_byte(scan, '-');
        const unsigned char *begin = scan->at;
        int64_t value = 0;

        while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
                value = value * 10 + (*scan->at++ - '0');
                if (value > AUDIT_INTEGER_MAX)
                        return false;
        }

        if (scan->at == begin || (*begin == '0' && (scan->at - begin > 1 || negative)))
                return false;
        *ret = negative ? -value : value;
        return true;
}

static bool scan_value(struct audit_scan *scan, unsigned depth);

static bool scan_array(struct audit_scan *scan, unsigned depth)
{
        if (depth > DEPTH_MAX || !scan_byte(scan, '['))
                return false;
        if (scan_byte(scan, ']'))
                return true;
        do {
                if (!scan_value(scan, depth + 1))
                        return false;
        } while (scan_byte(scan, ','));
        return scan_byte(scan, ']');
}

static bool scan_key(struct audit_scan *scan, struct audit_slice *ret)
{
        const unsigned char *begin = scan->at + 1;

        if (!scan_byte(scan, '"'))
                return false;
        while (scan->at < scan->end && is_key_byte[*scan->at])
                scan->at++;
        *ret = (struct audit_slice){ (const char *)begin, (size_t)(scan->at - begin) };
        return ret->length >= 1 && ret->length <= KEY_MAX && audit_scan_literal(scan, "\":", 2);
}

static bool sorts_before(const struct audit_slice *a, const struct audit_slice *b)
{
        const size_t common = a->length < b->length ? a->length : b->length;
        const int order = memcmp(a->text, b->text, common);

        return order != 0 ? order < 0 : a->length < b->length;
}

bool audit_scan_object(struct audit_scan *scan, unsigned depth)
{
        struct audit_slice key, before = { "", 0 };

        if (depth > DEPTH_MAX || !scan_byte(scan, '{'))
                return false;
        if (scan_byte(scan, '}'))
                return true;
        do {
                if (!scan_key(scan, &key) || !sorts_before(&before, &key) || !scan_value(scan, depth + 1))
                        return false;
                before = key;
        } while (scan_byte(scan, ','));
        return scan_byte(scan, '}');
}

static bool scan_value(struct audit_scan *scan, unsigned depth)
{
        struct audit_slice text;
        int64_t number;

        if (audit_scan_done(scan))
                return false;
        switch (*scan->at) {
        case '"': return audit_scan_string(scan, &text);
        case '{': return audit_scan_object(scan, depth);
        case '[': return scan_array(scan, depth);
        case 't': return audit_scan_literal(scan, "true", 4);
        case 'f': return audit_scan_literal(scan, "false", 5);
        case 'n': return audit_scan_literal(scan, "null", 4);
        default: return audit_scan_integer(scan, &number);
        }
}

bool audit_is_canonical(const char *text, size_t length)
{
        struct audit_scan scan = audit_scan_begin(text, length);

        return audit_scan_object(&scan, 1) && audit_scan_done(&scan);
}

bool audit_find_member(struct audit_slice object, const char *key, struct audit_slice *ret)
{
        struct audit_scan scan = audit_scan_begin(object.text, object.length);
        struct audit_slice found;

        if (!scan_byte(&scan, '{'))
                return false;
        while (scan_key(&scan, &found)) {
                const unsigned char *begin = scan.at;

                if (!scan_value(&scan, 1))
                        return false;
                if (found.length == strlen(key) && memcmp(found.text, key, found.length) == 0) {
                        *ret = (struct audit_slice){ (const char *)begin, (size_t)(scan.at - begin) };
                        return true;
                }
                if (!scan_byte(&scan, ','))
                        return false;
        }
        return false;
}
