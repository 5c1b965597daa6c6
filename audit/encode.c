#include "audit/canon.h"
#include "audit/cleanup.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 8, KEY_MAX = 32 };

void audit_out_bytes(struct audit_out *out, const void *bytes, size_t length)
{
        if (out->full || length > out->room - out->length) {
                out->full = true;
                return;
        }
        memcpy(out->bytes + out->length, bytes, length);
        out->length += length;
}

void audit_out_text(struct audit_out *out, const char *text)
{
        audit_out_bytes(out, text, strlen(text));
}

void audit_out_integer(struct audit_out *out, int64_t value)
{
        uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
        char digits[20];
        size_t at = sizeof(digits);

        do
                digits[--at] = (char)('0' + rest % 10);
        while ((rest /= 10) > 0);
        if (value < 0)
                audit_out_bytes(out, "-", 1);
        audit_out_bytes(out, digits + at, sizeof(digits) - at);
}

static const bool is_escaped[256] = { [0 ... 0x1f] = true, ['"'] = true, ['\\'] = true };

/* The escape that RFC 8785 wants for a byte. */
static const char *escape_of(unsigned char byte, char ret_space[static 7])
{
        switch (byte) {
        case '"': return "\\\"";
        case '\\': return "\\\\";
        case '\b': return "\\b";
        case '\t': return "\\t";
        case '\n': return "\\n";
        case '\f': return "\\f";
        case '\r': return "\\r";
        default: snprintf(ret_space, 7, "\\u%04x", byte); return ret_space;
        }
}

/* Escapes first, then lets the scanner judge the result: one definition of a good string, UTF-8 included. */
int audit_out_string(struct audit_out *out, const char *text, size_t length)
{
        const size_t begin = out->length;
        struct audit_scan scan;
        struct audit_slice inner;
        size_t plain = 0;
        char space[7];

        audit_out_bytes(out, "\"", 1);
        for (size_t i = 0; i < length; i++) {
                const unsigned char byte = (unsigned char)text[i];

                if (!is_escaped[byte])
                        continue;
                audit_out_bytes(out, text + plain, i - plain);
                audit_out_text(out, escape_of(byte, space));
                plain = i + 1;
        }
        audit_out_bytes(out, text + plain, length - plain);
        audit_out_bytes(out, "\"", 1);
        if (out->full)
                return 0; /* the caller sees `full` and refuses the whole */

        scan = audit_scan_begin(out->bytes + begin, out->length - begin);
        return audit_scan_string(&scan, &inner) && audit_scan_done(&scan) ? 0 : -EINVAL;
}

static bool is_good_key(const char *key)
{
        const size_t length = strlen(key);

        return length >= 1 && length <= KEY_MAX && strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static int compare_keys(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int out_object(struct audit_out *out, const json_t *object, unsigned depth)
{
        const size_t n = json_object_size(object);
        _cleanup_(free_memory) const char **keys = calloc(n ?: 1, sizeof(*keys));
        size_t i = 0;
        int r;

        if (!keys)
                return -ENOMEM;
        for (void *iter = json_object_iter((json_t *)object); iter;
             iter = json_object_iter_next((json_t *)object, iter))
                keys[i++] = json_object_iter_key(iter);
        qsort(keys, n, sizeof(*keys), compare_keys);

        audit_out_bytes(out, "{", 1);
        for (i = 0; i < n && !out->full; i++) {
                if (!is_good_key(keys[i]))
                        return -EINVAL;
                audit_out_text(out, i > 0 ? ",\"" : "\"");
                audit_out_text(out, keys[i]);
                audit_out_text(out, "\":");
                r = audit_out_json(out, json_object_get(object, keys[i]), depth + 1);
                if (r < 0)
                        return r;
        }
        audit_out_bytes(out, "}", 1);
        return 0;
}

static int out_array(struct audit_out *out, const json_t *array, unsigned depth)
{
        int r;

        audit_out_bytes(out, "[", 1);
        for (size_t i = 0; i < json_array_size(array) && !out->full; i++) {
                if (i > 0)
                        audit_out_bytes(out, ",", 1);
                r = audit_out_json(out, json_array_get(array, i), depth + 1);
                if (r < 0)
                        return r;
        }
        audit_out_bytes(out, "]", 1);
        return 0;
}

int audit_out_json(struct audit_out *out, const json_t *value, unsigned depth)
{
        json_int_t integer;

        if (depth > DEPTH_MAX && (json_is_object(value) || json_is_array(value)))
                return -EINVAL;

        switch (json_typeof(value)) {
        case JSON_OBJECT: return out_object(out, value, depth);
        case JSON_ARRAY: return out_array(out, value, depth);
        case JSON_STRING: return audit_out_string(out, json_string_value(value), json_string_length(value));
        case JSON_INTEGER:
                integer = json_integer_value(value);
                if (integer > AUDIT_INTEGER_MAX || integer < -AUDIT_INTEGER_MAX)
                        return -EINVAL;
                audit_out_integer(out, integer);
                return 0;
        case JSON_TRUE: audit_out_text(out, "true"); return 0;
        case JSON_FALSE: audit_out_text(out, "false"); return 0;
        case JSON_NULL: audit_out_text(out, "null"); return 0;
        default: return -EINVAL; /* a real: its shortest form is a matter of taste, so the profile has none */
        }
}
