#include "io/json_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum state {
        STATE_VALUE,          /* blank: the start */
        STATE_VALUE_OR_CLOSE, /* behind '[' */
        STATE_KEY,
        STATE_KEY_OR_CLOSE, /* behind '{' */
        STATE_COLON,
        STATE_AFTER, /* behind a value: ',' or the end of the container */
        STATE_STRING,
        STATE_ESCAPE,
        STATE_HEX,
        STATE_NUMBER,
        STATE_WORD,
        STATE_DONE,
};

void json_stream_init(struct json_stream *json, const struct json_stream_field *fields, unsigned n_fields)
{
        *json = (struct json_stream){
                .fields = fields,
                .n_fields = n_fields,
                .here = n_fields >= 32 ? UINT32_MAX : (1u << n_fields) - 1,
        };
}

void json_stream_wipe(struct json_stream *json)
{
        explicit_bzero(json->token, sizeof(json->token));
}

static bool in_array(const struct json_stream *json)
{
        return json->depth > 0 && (json->arrays >> (json->depth - 1) & 1);
}

/* The one field among `may` whose path is `level` keys long, or NULL. */
static const struct json_stream_field *field_at(const struct json_stream *json, uint32_t may, unsigned level)
{
        for (; may; may &= may - 1) {
                const struct json_stream_field *field = &json->fields[__builtin_ctz(may)];

                if (!field->path[level])
                        return field;
        }
        return NULL;
}

/* What of the open container's fields goes on with this key. A set bit means that all keys before it matched. */
static void step_into(struct json_stream *json, const char *key, size_t length)
{
        uint32_t may = json->may[json->depth];

        json->here = 0;
        for (; may; may &= may - 1) {
                const char *want = json->fields[__builtin_ctz(may)].path[json->depth - 1];

                if (want && strcmp(want, JSON_STREAM_NAMES) != 0 && strlen(want) == length &&
                    memcmp(want, key, length) == 0)
                        json->here |= may & -may;
        }
}

/* The field that wants to know of each member of the open object, or NULL. */
static const struct json_stream_field *field_of_names(const struct json_stream *json)
{
        for (uint32_t may = json->may[json->depth]; may; may &= may - 1) {
                const struct json_stream_field *field = &json->fields[__builtin_ctz(may)];
                const char *want = field->path[json->depth - 1];

                if (want && strcmp(want, JSON_STREAM_NAMES) == 0)
                        return field;
        }
        return NULL;
}

static int tell(struct json_stream *json, const struct json_stream_field *field, enum json_stream_kind kind,
                const struct json_stream_sink *sink)
{
        json->token[json->length] = '\0';
        return sink->value(sink->self, field->tag, kind, json->token, json->length);
}

/* A value ended: the one that is wanted raw, or something in it. */
static void end_raw(struct json_stream *json, enum json_stream_kind kind)
{
        if (!json->raw || json->depth != json->raw_depth)
                return;
        json->raw = false;
        json->raw_ended = true;
        json->raw_kind = kind;
}

/* Asks about a key of an object that is a field with members. What is raw already is not asked about key by key. */
static void ask_member(struct json_stream *json, const struct json_stream_sink *sink)
{
        for (uint32_t may = json->raw ? 0 : json->may[json->depth]; may; may &= may - 1) {
                const struct json_stream_field *field = &json->fields[__builtin_ctz(may)];

                if (!field->members || field->path[json->depth - 1])
                        continue;
                json->token[json->length] = '\0';
                json->raw_next = sink->member(sink->self, field->tag, json->token);
                return;
        }
}

static int finish_scalar(struct json_stream *json, enum json_stream_kind kind, const struct json_stream_sink *sink)
{
        end_raw(json, kind);
        json->state = json->depth > 0 ? STATE_AFTER : STATE_DONE;
        return json->keep ? tell(json, field_at(json, json->here, json->depth), kind, sink) : 0;
}

static int open_container(struct json_stream *json, bool array, const struct json_stream_sink *sink)
{
        const struct json_stream_field *field = field_at(json, json->here, json->depth);

        if (json->depth >= JSON_STREAM_DEPTH_MAX)
                return -E2BIG;

        json->arrays = (json->arrays & ~(1ull << json->depth)) | (uint64_t)array << json->depth;
        json->may[++json->depth] = json->here;
        json->state = array ? STATE_VALUE_OR_CLOSE : STATE_KEY_OR_CLOSE;
        if (array)
                step_into(json, "*", 1);

        json->length = 0;
        return field ? tell(json, field, JSON_STREAM_OPEN, sink) : 0;
}

static int close_container(struct json_stream *json, bool array, const struct json_stream_sink *sink)
{
        const struct json_stream_field *field;

        if (json->depth == 0 || in_array(json) != array)
                return -EBADMSG;

        field = field_at(json, json->may[json->depth], json->depth - 1u);
        json->depth--;
        end_raw(json, JSON_STREAM_CLOSE);
        json->state = json->depth > 0 ? STATE_AFTER : STATE_DONE;
        json->length = 0;
        return field ? tell(json, field, JSON_STREAM_CLOSE, sink) : 0;
}

/* A string, number or word begins; it is stored only when somebody wants it. */
static void open_token(struct json_stream *json, enum state state, bool key)
{
        json->state = state;
        json->in_key = key;
        json->length = 0;
        json->cut = false;
        json->word = 0;
        json->high = 0;
        json->keep = key ? json->may[json->depth] != 0 : json->here != 0 && field_at(json, json->here, json->depth);
}

static void put(struct json_stream *json, char byte)
{
        if (!json->keep)
                return;
        if (json->length < sizeof(json->token) - 1)
                json->token[json->length++] = byte;
        else
                json->cut = true;
}

static void put_utf8(struct json_stream *json, uint32_t c)
{
        if (c < 0x80) {
                put(json, (char)c);
        } else if (c < 0x800) {
                put(json, (char)(0xc0 | c >> 6));
                put(json, (char)(0x80 | (c & 63)));
        } else {
                if (c < 0x10000) {
                        put(json, (char)(0xe0 | c >> 12));
                } else {
                        put(json, (char)(0xf0 | c >> 18));
                        put(json, (char)(0x80 | (c >> 12 & 63)));
                }
                put(json, (char)(0x80 | (c >> 6 & 63)));
                put(json, (char)(0x80 | (c & 63)));
        }
}

/* A \uXXXX is whole: pairs become one character, halves without their other half a '?'. */
static void put_unit(struct json_stream *json)
{
        uint16_t unit = json->unit, high = json->high;

        json->high = 0;
        if (unit >= 0xd800 && unit < 0xdc00) {
                if (high)
                        put(json, '?');
                json->high = unit;
        } else if (unit >= 0xdc00 && unit < 0xe000) {
                if (high)
                        put_utf8(json, 0x10000u + ((high & 0x3ffu) << 10) + (unit & 0x3ffu));
                else
                        put(json, '?');
        } else {
                if (high)
                        put(json, '?');
                put_utf8(json, unit);
        }
}

static int finish_name(struct json_stream *json, const struct json_stream_sink *sink)
{
        const struct json_stream_field *field = json->keep ? field_of_names(json) : NULL;

        json->here = 0;
        json->state = STATE_COLON;
        if (json->keep && !json->cut)
                step_into(json, json->token, json->length);
        ask_member(json, sink);
        return field ? tell(json, field, JSON_STREAM_NAME, sink) : 0;
}

static int finish_string(struct json_stream *json, const struct json_stream_sink *sink)
{
        if (json->high)
                put(json, '?');
        return json->in_key ? finish_name(json, sink) : finish_scalar(json, JSON_STREAM_STRING, sink);
}

static int take_escape(struct json_stream *json, char c)
{
        static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
        const char *at;

        json->state = STATE_STRING;
        if (c == 'u') {
                json->state = STATE_HEX;
                json->hex = 0;
                json->unit = 0;
                return 0;
        }
        at = c ? strchr(names, c) : NULL;
        if (!at)
                return -EBADMSG;
        if (json->high)
                put(json, '?');
        json->high = 0;
        put(json, values[at - names]);
        return 0;
}

static int take_hex(struct json_stream *json, char c)
{
        unsigned digit;

        if (c >= '0' && c <= '9')
                digit = (unsigned)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
                digit = (unsigned)((c | 32) - 'a' + 10);
        else
                return -EBADMSG;

        json->unit = (uint16_t)(json->unit << 4 | digit);
        if (++json->hex == 4) {
                put_unit(json);
                json->state = STATE_STRING;
        }
        return 0;
}

/* Takes all of the string that is here, at least one byte; the bulk of PM2's lists passes through this loop unstored. */
static int take_string(struct json_stream *json, const char *data, size_t size, size_t *ret_taken,
                       const struct json_stream_sink *sink)
{
        size_t n = 0;

        while (n < size && data[n] != '"' && data[n] != '\\')
                n++;
        if (n > 0 && json->high) {
                put(json, '?');
                json->high = 0;
        }
        if (json->keep)
                for (size_t i = 0; i < n; i++)
                        put(json, data[i]);

        *ret_taken = n < size ? n + 1 : n;
        if (n == size)
                return 0;
        if (data[n] == '"')
                return finish_string(json, sink);
        json->state = STATE_ESCAPE;
        return 0;
}

static const char *const words[] = { "true", "false", "null" };

static int take_word(struct json_stream *json, char c, const struct json_stream_sink *sink)
{
        const char *word = words[json->hex];

        if (c != word[++json->word])
                return -EBADMSG;
        if (word[json->word + 1])
                return 0;
        return finish_scalar(json, JSON_STREAM_TRUE + json->hex, sink);
}

static int begin_value(struct json_stream *json, char c, const struct json_stream_sink *sink)
{
        if (json->raw_next) {
                json->raw = true;
                json->raw_next = false;
                json->raw_depth = json->depth;
        }
        switch (c) {
        case '{': return open_container(json, false, sink);
        case '[': return open_container(json, true, sink);
        case '"': open_token(json, STATE_STRING, false); return 0;
        case 't':
        case 'f':
        case 'n':
                open_token(json, STATE_WORD, false);
                json->hex = c == 't' ? 0 : c == 'f' ? 1 : 2;
                return 0;
        case '-':
        case '0' ... '9':
                open_token(json, STATE_NUMBER, false);
                put(json, c);
                return 0;
        default: return -EBADMSG;
        }
}

static int take_after(struct json_stream *json, char c, const struct json_stream_sink *sink)
{
        if (c == ']' || c == '}')
                return close_container(json, c == ']', sink);
        if (c != ',')
                return -EBADMSG;

        json->state = STATE_KEY;
        if (in_array(json)) {
                json->state = STATE_VALUE;
                step_into(json, "*", 1);
        }
        return 0;
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One byte of structure. */
static int take_structure(struct json_stream *json, char c, const struct json_stream_sink *sink)
{
        if (is_space(c))
                return 0;

        switch (json->state) {
        case STATE_VALUE_OR_CLOSE:
                if (c == ']')
                        return close_container(json, true, sink);
                return begin_value(json, c, sink);
        case STATE_VALUE: return begin_value(json, c, sink);
        case STATE_KEY_OR_CLOSE:
                if (c == '}')
                        return close_container(json, false, sink);
                __attribute__((fallthrough));
        case STATE_KEY:
                if (c != '"')
                        return -EBADMSG;
                open_token(json, STATE_STRING, true);
                return 0;
        case STATE_COLON:
                if (c != ':')
                        return -EBADMSG;
                json->state = STATE_VALUE;
                return 0;
        case STATE_AFTER: return take_after(json, c, sink);
        default: return -EBADMSG;
        }
}

static bool is_number(char c)
{
        return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Takes at least one byte, or none when it belongs to what follows. */
static int take(struct json_stream *json, const char *data, size_t size, size_t *ret_taken,
                const struct json_stream_sink *sink)
{
        *ret_taken = 1;
        switch (json->state) {
        case STATE_STRING: return take_string(json, data, size, ret_taken, sink);
        case STATE_ESCAPE: return take_escape(json, *data);
        case STATE_HEX: return take_hex(json, *data);
        case STATE_WORD: return take_word(json, *data, sink);
        case STATE_NUMBER:
                if (is_number(*data)) {
                        put(json, *data);
                        return 0;
                }
                *ret_taken = 0;
                return finish_scalar(json, JSON_STREAM_NUMBER, sink);
        default: return take_structure(json, *data, sink);
        }
}

static bool is_between(const struct json_stream *json, char c)
{
        return json->state != STATE_STRING && json->state != STATE_ESCAPE && json->state != STATE_HEX && is_space(c);
}

/* What was taken of a value that is wanted raw. */
static int give_raw(struct json_stream *json, const char *data, size_t taken, const struct json_stream_sink *sink)
{
        if (taken > 0)
                sink->raw(sink->self, data, taken);
        if (!json->raw_ended)
                return 0;
        json->raw_ended = false;
        return sink->member_end(sink->self, json->raw_kind);
}

int json_stream_feed(struct json_stream *json, const char *data, size_t size, const struct json_stream_sink *sink)
{
        while (size > 0) {
                bool was_raw = json->raw, between = is_between(json, *data);
                size_t taken;
                int r = take(json, data, size, &taken, sink);

                if (r >= 0 && (was_raw || json->raw))
                        r = give_raw(json, data, between ? 0 : taken, sink);
                if (r < 0)
                        return r;
                data += taken;
                size -= taken;
        }

        return 0;
}

int json_stream_end(struct json_stream *json, const struct json_stream_sink *sink)
{
        int r = 0;

        if (json->state == STATE_NUMBER && json->depth == 0)
                r = finish_scalar(json, JSON_STREAM_NUMBER, sink);
        if (r >= 0 && json->state != STATE_DONE)
                r = -EBADMSG;
        return r;
}

bool json_stream_integer(enum json_stream_kind kind, const char *text, int64_t *ret)
{
        char *end;
        long long value;

        if (kind != JSON_STREAM_NUMBER || !*text)
                return false;

        errno = 0;
        value = strtoll(text, &end, 10);
        if (*end || errno)
                return false;
        *ret = value;
        return true;
}
