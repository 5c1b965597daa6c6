#include "io/pm2_dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"

enum tag { TAG_APP, TAG_NAME, TAG_STATUS };

static const struct json_stream_field fields[] = {
        { { "*" }, TAG_APP },
        { { "*", "name" }, TAG_NAME },
        { { "*", "status" }, TAG_STATUS },
        { { "*" }, PM2_DECLARED_APP, true },
        { { "*", "env" }, PM2_DECLARED_ENV, true },
};

struct reading {
        struct pm2_declared declared;
        struct pm2_saved saved;
        int (*each)(void *self, const struct pm2_saved *saved);
        void *self;
};

static int end_app(struct reading *reading)
{
        _cleanup_free_ char *outline = pm2_declared_finish(&reading->declared);
        int r;

        if (!outline)
                return -ENOMEM;
        reading->saved.outline = outline;
        r = reading->each(reading->self, &reading->saved);
        reading->saved.outline = NULL;
        return r;
}

static int on_value(void *self, unsigned tag, enum json_stream_kind kind, const char *text, size_t length)
{
        struct reading *reading = self;

        (void)length;
        if (tag == TAG_NAME && kind == JSON_STREAM_STRING)
                (void)text_copy(reading->saved.name, sizeof(reading->saved.name), text);
        if (tag == TAG_STATUS && kind == JSON_STREAM_STRING)
                (void)text_copy_safe(reading->saved.status, sizeof(reading->saved.status), text);
        if (tag == TAG_APP && kind == JSON_STREAM_OPEN) {
                reading->saved = (struct pm2_saved){ .outline = NULL };
                pm2_declared_begin(&reading->declared);
        }
        return tag == TAG_APP && kind == JSON_STREAM_CLOSE ? end_app(reading) : 0;
}

static bool on_member(void *self, unsigned tag, const char *key)
{
        struct reading *reading = self;

        return pm2_declared_member(&reading->declared, tag, key);
}

static void on_raw(void *self, const char *data, size_t size)
{
        struct reading *reading = self;

        pm2_declared_raw(&reading->declared, data, size);
}

static int on_member_end(void *self, enum json_stream_kind kind)
{
        struct reading *reading = self;

        return pm2_declared_member_end(&reading->declared, kind);
}

int pm2_dump_read(const char *text, size_t size, struct veil *veil,
                  int (*each)(void *self, const struct pm2_saved *saved), void *self)
{
        struct reading reading = { .each = each, .self = self };
        const struct json_stream_sink sink = { on_value, &reading, on_member, on_raw, on_member_end };
        struct json_stream json;
        int r;

        pm2_declared_init(&reading.declared, veil);
        json_stream_init(&json, fields, sizeof(fields) / sizeof(fields[0]));
        r = json_stream_feed(&json, text, size, &sink);
        if (r == 0)
                r = json_stream_end(&json, &sink);
        json_stream_wipe(&json);
        pm2_declared_done(&reading.declared);
        return r;
}
