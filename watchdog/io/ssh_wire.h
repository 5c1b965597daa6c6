#pragma once
/* The wire of OpenSSH's keys and signatures: big-endian numbers, and strings with their length before them. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes on loan. */
struct ssh_bytes {
        const uint8_t *data;
        size_t size;
};

/* Each takes one thing off the front; false, and nothing is taken, when it is not all there. A string stays on loan. */
bool ssh_take_byte(struct ssh_bytes *from, uint8_t *ret);
bool ssh_take_number(struct ssh_bytes *from, uint32_t *ret);
bool ssh_take_string(struct ssh_bytes *from, struct ssh_bytes *ret);

bool ssh_is(struct ssh_bytes bytes, const char *text);

/* What is being written. It never overruns: `cut` tells that the room was too small. */
struct ssh_blob {
        uint8_t *data;
        size_t size, room;
        bool cut;
};

void ssh_put(struct ssh_blob *to, const void *data, size_t size);
void ssh_put_number(struct ssh_blob *to, uint32_t number);
void ssh_put_string(struct ssh_blob *to, const void *data, size_t size);

/*
 * Base64 to bytes; what stands in `ignored` (NULL: nothing) may be between its letters, and nothing else. False: it is none, or
 * more than the room.
 */
bool ssh_base64_read(const char *text, size_t length, const char *ignored, uint8_t *ret, size_t room, size_t *ret_size);

/* With NUL. */
#define SSH_BASE64_MAX(bytes) (4 * (((bytes) + 2) / 3) + 1)
char *ssh_base64_write(char *to, size_t room, const void *data, size_t size);
