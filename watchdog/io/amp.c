#include "io/amp.h"

#include <errno.h>
#include <string.h>

#define AMP_VERSION 1
#define AMP_LENGTH_BYTES 4

/* One byte opens a frame: version in the high half, number of arguments in the low one. */
static int take_opening(struct amp *amp, uint8_t byte)
{
        if (byte >> 4 != AMP_VERSION || (byte & 15) == 0)
                return -EBADMSG;

        *amp = (struct amp){ .arguments = byte & 15 };
        return 0;
}

static int finish_argument(struct amp *amp, const struct amp_sink *sink)
{
        amp->header = 0;
        if (++amp->argument < amp->arguments)
                return 0;

        *amp = (struct amp){ 0 };
        return sink->end(sink->self);
}

static int take_length(struct amp *amp, uint8_t byte, const struct amp_sink *sink)
{
        int r;

        amp->length = amp->length << 8 | byte;
        if (++amp->header < AMP_LENGTH_BYTES)
                return 0;
        if (amp->length > AMP_ARGUMENT_MAX)
                return -EBADMSG;

        amp->left = amp->length;
        r = sink->begin(sink->self, amp->argument, amp->length);
        if (r < 0)
                return r;
        amp->length = 0;
        return amp->left > 0 ? 0 : finish_argument(amp, sink);
}

int amp_feed(struct amp *amp, const char *data, size_t size, const struct amp_sink *sink)
{
        while (size > 0) {
                size_t taken = 1;
                int r;

                if (amp->arguments == 0) {
                        r = take_opening(amp, (uint8_t)*data);
                } else if (amp->header < AMP_LENGTH_BYTES) {
                        r = take_length(amp, (uint8_t)*data, sink);
                } else {
                        taken = size < amp->left ? size : amp->left;
                        r = sink->piece(sink->self, amp->argument, data, taken);
                        amp->left -= (uint32_t)taken;
                        if (r >= 0 && amp->left == 0)
                                r = finish_argument(amp, sink);
                }
                if (r < 0)
                        return r;
                data += taken;
                size -= taken;
        }

        return 0;
}

size_t amp_put(char *buffer, size_t size, size_t used, const char *argument, size_t length)
{
        uint8_t *at = (uint8_t *)buffer + used;

        if (used == 0) {
                if (size < 1)
                        return 0;
                *at++ = AMP_VERSION << 4;
                used = 1;
        }
        if (length > AMP_ARGUMENT_MAX || size - used < AMP_LENGTH_BYTES + length || (buffer[0] & 15) == 15)
                return 0;

        buffer[0]++;
        *at++ = (uint8_t)(length >> 24);
        *at++ = (uint8_t)(length >> 16);
        *at++ = (uint8_t)(length >> 8);
        *at++ = (uint8_t)length;
        memcpy(at, argument, length);
        return used + AMP_LENGTH_BYTES + length;
}
