#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/client.h"
#include "control/control.h"
#include "io/cleanup.h"

static int take_lines(struct client *client, int (*line)(struct client *client, char *text, size_t size))
{
        size_t from = 0;

        for (;;) {
                char *end = memchr(client->in + from, '\n', client->in_size - from);
                int r;

                if (!end)
                        break;
                *end = '\0';
                r = line(client, client->in + from, (size_t)(end - client->in) - from);
                if (r < 0)
                        return r;
                from = (size_t)(end - client->in) + 1;
        }
        memmove(client->in, client->in + from, client->in_size - from);
        client->in_size -= from;
        return client->in_size >= CONTROL_LINE_MAX ? -EMSGSIZE : 0;
}

int client_receive(struct client *client, int (*line)(struct client *client, char *text, size_t size))
{
        ssize_t n;

        if (!client->in)
                client->in = malloc(CONTROL_LINE_MAX);
        if (!client->in)
                return -ENOMEM;
        n = recv(client->fd, client->in + client->in_size, CONTROL_LINE_MAX - client->in_size, MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        client->in_size += (size_t)n;
        return take_lines(client, line);
}

int client_flush(struct client *client)
{
        while (client->out_sent < client->out_size) {
                ssize_t n = send(client->fd, client->out + client->out_sent, client->out_size - client->out_sent,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return sd_event_source_set_io_events(client->source, EPOLLIN | EPOLLOUT);
                if (n < 0)
                        return -errno;
                client->out_sent += (size_t)n;
        }
        free(client->out);
        client->out = NULL;
        client->out_size = client->out_sent = 0;
        return client->closing ? -ESHUTDOWN : sd_event_source_set_io_events(client->source, EPOLLIN);
}

int client_send(struct client *client, const json_t *object)
{
        _cleanup_free_ char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
        size_t size = text ? strlen(text) : 0;
        char *larger;

        if (!text)
                return -ENOMEM;
        if (client->out_size - client->out_sent + size >=
            (client->role == ROLE_AGENT ? CONTROL_AGENT_BACKLOG_MAX : CONTROL_BACKLOG_MAX))
                return -ENOBUFS;
        larger = realloc(client->out, client->out_size + size + 1);
        if (!larger)
                return -ENOMEM;
        memcpy(larger + client->out_size, text, size);
        larger[client->out_size + size] = '\n';
        client->out = larger;
        client->out_size += size + 1;
        return client_flush(client);
}

void client_done(struct client *client)
{
        sd_event_source_disable_unref(client->source);
        if (client->fd >= 0)
                close(client->fd);
        if (client->pidfd >= 0)
                close(client->pidfd);
        free(client->in);
        free(client->out);
        *client = (struct client){ .fd = -1, .pidfd = -1 };
}
