/* Both readers of PM2's sockets, fed with anything in pieces of any size: they must neither fall over nor keep a byte too much. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/pm2_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *self, const struct pm2_event *event)
{
        unsigned *n = self;

        if (memchr(event->app.name, 0, sizeof(event->app.name)) == NULL ||
            memchr(event->app.status, 0, sizeof(event->app.status)) == NULL ||
            memchr(event->pid_file, 0, sizeof(event->pid_file)) == NULL || event->topic == PM2_TOPIC_NONE)
                abort();
        (*n)++;
}

static int feed_reply(struct pm2_reply_reader *reader, const char *data, size_t size, size_t piece)
{
        int r = 0;

        for (size_t at = 0; r == 0 && at < size; at += piece)
                r = pm2_reply_feed(reader, data + at, size - at < piece ? size - at : piece);
        return r;
}

static int feed_events(const char *data, size_t size, size_t piece, unsigned *n)
{
        const struct pm2_event_sink sink = { .take = take, .self = n };
        struct pm2_event_reader reader = { 0 };
        int r = 0;

        for (size_t at = 0; r == 0 && at < size; at += piece)
                r = pm2_event_feed(&reader, data + at, size - at < piece ? size - at : piece, &sink);
        return r;
}

/* The first byte is the size of the pieces: what was read must not depend on it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct pm2_reply_reader whole, pieces;
        unsigned n_whole = 0, n_pieces = 0;
        const char *text = (const char *)data + 1;
        size_t piece;

        if (size < 2)
                return 0;
        piece = data[0] ? data[0] : 1;

        pm2_reply_init(&whole, 1, NULL);
        pm2_reply_init(&pieces, 1, NULL);
        if (feed_reply(&whole, text, size - 1, size) != feed_reply(&pieces, text, size - 1, piece) ||
            whole.reply.n_apps != pieces.reply.n_apps || strcmp(whole.reply.text, pieces.reply.text) != 0)
                abort();
        pm2_reply_done(&whole);
        pm2_reply_done(&pieces);

        if (feed_events(text, size - 1, size, &n_whole) != feed_events(text, size - 1, piece, &n_pieces) ||
            n_whole != n_pieces)
                abort();
        return 0;
}
