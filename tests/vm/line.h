#pragma once

/* The line into a test VM: a command goes in through a virtio-serial port, its output and its exit status come back. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_PORTS 8 /* as many commands may run side by side */
#define LINE_BYTES_MOST 4096

enum line_kind {
        LINE_ARGUMENTS = 1, /* in: a piece of the arguments, each of which ends with a NUL */
        LINE_BEGIN,         /* in: those were all; run it */
        LINE_INPUT,         /* in: of its standard input; with no bytes, its end */
        LINE_OUTPUT,        /* out */
        LINE_ERROR,         /* out */
        LINE_STATUS,        /* out, the last: one byte, as a shell has it */
};

/* What one command says carries its session, so that what an earlier one left in the line is not taken for it. */
struct line_frame {
        uint32_t magic;
        uint32_t session;
        uint32_t kind;
        uint32_t length;
        char bytes[LINE_BYTES_MOST];
};

/* One end: what was read and is not yet a whole frame. */
struct line {
        int fd;
        size_t n;
        char bytes[2 * sizeof(struct line_frame)];
};

/* Sends one frame, waiting where it must; NULL and 0 for one without bytes. 0 or a negative errno. */
int line_send(int fd, uint32_t session, enum line_kind kind, const void *bytes, size_t n);

/* What a command that was killed in the middle of a frame left unsaid ends in this; goes before a session's first frame. */
int line_send_padding(int fd);

/*
 * Nobody holds the other end, for half a second now. That somebody left a port and the next one came is told by the driver after
 * what the next one said: for a moment the port seems to be left while his command runs already.
 */
bool line_is_left(int fd);

/* Reads what is there, once; the number of bytes, 0 when the other end is gone, or a negative errno. */
int line_read(struct line *line);

/* The next whole frame of what was read, if there is one; what is no frame is passed over. */
bool line_next(struct line *line, struct line_frame *ret);
