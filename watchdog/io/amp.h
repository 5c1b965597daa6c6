#pragma once
/* Reads PM2's wire frames (AMP) from a stream, however it is cut, without ever holding one. */
#include <stddef.h>
#include <stdint.h>

/* A whole list of 1,000 apps is 12 MB; nothing PM2 says is longer than this. */
#define AMP_ARGUMENT_MAX (64u << 20)

/* Where the frames go; each returns 0, or a negative errno that ends the reading. */
struct amp_sink {
        int (*begin)(void *self, unsigned argument, uint32_t length);
        int (*piece)(void *self, unsigned argument, const char *data, size_t size);
        int (*end)(void *self); /* the frame is whole: only now may anything that it said be believed */
        void *self;
};

/* Zeroed memory is a reader at the start of a frame. */
struct amp {
        uint8_t arguments; /* of the frame under way; 0 between frames */
        uint8_t argument;
        uint8_t header; /* bytes of the length read so far */
        uint32_t length;
        uint32_t left; /* bytes of the argument still to come */
};

/* Takes what came. -EBADMSG: not AMP; there is no resynchronising, the connection must be dropped. */
int amp_feed(struct amp *amp, const char *data, size_t size, const struct amp_sink *sink);

/* Puts one argument behind `used` bytes of the frame in `buffer`; returns the new length, or 0 when it does not fit. */
size_t amp_put(char *buffer, size_t size, size_t used, const char *argument, size_t length);
