#pragma once
/* One client of the control socket: bytes in become lines, objects out become bytes, both within bounds. */
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "control/methods.h"

struct client {
        int fd;
        uint64_t generation; /* tells this client from the next one in the same place */
        uid_t uid;
        pid_t pid;
        int pidfd; /* of an agent: nobody else gets its number meanwhile; negative: the kernel has none */
        enum role role;
        bool subscribed;
        bool closing; /* the last word is being sent */
        sd_event_source *source;
        char *in;
        size_t in_size;
        char *out;
        size_t out_size, out_sent;
        void *owner;
};

/* Reads what is there and calls `line` for each whole line (without its end). A negative result, from `line` too, ends the client;
 * -EMSGSIZE: a line longer than CONTROL_LINE_MAX. */
int client_receive(struct client *client, int (*line)(struct client *client, char *text, size_t size));

/* Queues one object as a line and sends what the socket takes. -ENOBUFS: the client does not read. */
int client_send(struct client *client, const json_t *object);

/* Sends what is queued. */
int client_flush(struct client *client);

void client_done(struct client *client);
