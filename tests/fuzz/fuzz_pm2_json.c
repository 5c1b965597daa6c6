/* The JSON reader against anything in pieces of any size, and God's log lines behind it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/json_stream.h"
#include "io/pm2_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_stream_field fields[] = {
        { { "a" }, 0 },
        { { "args", "*", "*" }, 1 },
        { { "args", "*", "*", "b" }, 2 },
        { { "a", "*", "*", "*", "*", "*" }, 3 },
        { { "args", "*", "?" }, 4 },
        { { "m" }, 5, true },
        { { "m", "env" }, 6, true },
};

static int on_value(void *self, unsigned tag, enum json_stream_kind kind, const char *text, size_t length)
{
        uint64_t *hash = self;
        struct pm2_event event = { 0 };

        if (tag > 6 || length >= JSON_STREAM_TOKEN_MAX || text[length] != '\0')
                abort();
        for (size_t i = 0; i < length; i++)
                *hash = (*hash ^ (uint8_t)text[i]) * 31 + kind + tag;
        pm2_line_parse(text, &event);
        return 0;
}

static bool on_member(void *self, unsigned tag, const char *key)
{
        uint64_t *hash = self;

        if (tag < 5 || tag > 6 || strlen(key) >= JSON_STREAM_TOKEN_MAX)
                abort();
        *hash = (*hash ^ tag) * 31 + (uint8_t)key[0];
        return key[0] != 'e';
}

static void on_raw(void *self, const char *data, size_t size)
{
        uint64_t *hash = self;

        for (size_t n = 0; n < size; n++)
                *hash = (*hash ^ (uint8_t)data[n]) * 31;
}

static int on_member_end(void *self, enum json_stream_kind kind)
{
        uint64_t *hash = self;

        *hash = *hash * 31 + kind;
        return 0;
}

static int read_all(const char *text, size_t size, size_t piece, uint64_t *hash)
{
        const struct json_stream_sink sink = { on_value, hash, on_member, on_raw, on_member_end };
        struct json_stream json;
        int r = 0;

        json_stream_init(&json, fields, 7);
        for (size_t at = 0; r == 0 && at < size; at += piece)
                r = json_stream_feed(&json, text + at, size - at < piece ? size - at : piece, &sink);
        if (r == 0)
                r = json_stream_end(&json, &sink);
        json_stream_wipe(&json);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data + 1;
        struct pm2_event event = { 0 };
        uint64_t whole = 0, pieces = 0;
        char *line;

        if (size < 2)
                return 0;
        if (read_all(text, size - 1, size, &whole) != read_all(text, size - 1, data[0] ? data[0] : 1, &pieces) ||
            whole != pieces)
                abort();

        line = strndup(text, size - 1);
        if (line)
                pm2_line_parse(line, &event);
        free(line);
        return 0;
}
