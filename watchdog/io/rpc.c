#include "io/rpc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "io/cleanup.h"

#define LINE_MOST (64u << 20) /* thousands of agents fit; a daemon that sends more has lost its mind */

struct rpc {
        int fd;
        int last_id;
        char *line; /* what was read and not yet taken */
        size_t have, room;
        size_t taken; /* bytes of the line given out last, dropped before the next read */
};

struct rpc *rpc_close(struct rpc *rpc)
{
        if (!rpc)
                return NULL;
        close_fd(rpc->fd);
        free(rpc->line);
        free(rpc);
        return NULL;
}

int rpc_open(const char *path, struct rpc **ret)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(rpc_closep) struct rpc *rpc = calloc(1, sizeof *rpc);

        if (!rpc)
                return -ENOMEM;
        rpc->fd = -EBADF;
        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        rpc->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (rpc->fd < 0)
                return -errno;
        if (connect(rpc->fd, (struct sockaddr *)&address, sizeof address) < 0)
                return -errno;
        *ret = TAKE_PTR(rpc);
        return 0;
}

static int send_all(int fd, const char *bytes, size_t n)
{
        while (n > 0) {
                ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

                if (sent < 0 && errno == EINTR)
                        continue;
                if (sent < 0)
                        return -errno;
                bytes += sent;
                n -= (size_t)sent;
        }
        return 0;
}

int rpc_send(struct rpc *rpc, const char *method, json_t *params)
{
        return rpc_send_proven(rpc, method, params, NULL);
}

int rpc_send_proven(struct rpc *rpc, const char *method, json_t *params, json_t *proof)
{
        json_auto_t *request = json_pack("{s:s, s:i, s:s, s:o, s:o*}", "jsonrpc", "2.0", "id", ++rpc->last_id, "method",
                                         method, "params", params ? params : json_object(), "proof", proof);
        _cleanup_free_ char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;

        if (!line)
                return -ENOMEM;

        int r = send_all(rpc->fd, line, strlen(line));

        return r < 0 ? r : send_all(rpc->fd, "\n", 1);
}

static usec_t boottime(void)
{
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

/* Reads what there is, waiting until `deadline`: 1, 0 at the deadline, -ECONNRESET at the end of the stream. */
static int read_more(struct rpc *rpc, usec_t deadline)
{
        struct pollfd poller = { .fd = rpc->fd, .events = POLLIN };
        usec_t now = boottime();
        usec_t wait = deadline > now ? (deadline - now + 999) / 1000 : 0;
        int ready = poll(&poller, 1, wait > 1000000 ? 1000000 : (int)wait);

        if (ready <= 0)
                return ready < 0 ? -errno : boottime() < deadline ? -EAGAIN : 0;
        if (rpc->room - rpc->have < 4096) {
                size_t room = rpc->room ? rpc->room * 2 : 65536;
                char *line = room <= LINE_MOST ? realloc(rpc->line, room) : NULL;

                if (!line)
                        return -ENOMEM;
                rpc->line = line;
                rpc->room = room;
        }
        ssize_t n = recv(rpc->fd, rpc->line + rpc->have, rpc->room - rpc->have, 0);

        if (n <= 0)
                return n < 0 ? -errno : -ECONNRESET;
        rpc->have += (size_t)n;
        return 1;
}

/* One line without its end, on loan until the next call. */
static int next_line(struct rpc *rpc, usec_t deadline, const char **ret, size_t *ret_length)
{
        size_t looked = 0;

        if (rpc->taken > 0) {
                memmove(rpc->line, rpc->line + rpc->taken, rpc->have - rpc->taken);
                rpc->have -= rpc->taken;
                rpc->taken = 0;
        }
        for (;;) {
                const char *end = rpc->have > looked ? memchr(rpc->line + looked, '\n', rpc->have - looked) : NULL;

                if (end) {
                        *ret = rpc->line;
                        *ret_length = (size_t)(end - rpc->line);
                        rpc->taken = *ret_length + 1;
                        return 1;
                }
                looked = rpc->have;
                int r = read_more(rpc, deadline);

                if (r <= 0 && r != -EINTR && r != -EAGAIN)
                        return r;
        }
}

int rpc_next(struct rpc *rpc, usec_t patience, json_t **ret)
{
        usec_t deadline = usec_add(boottime(), patience);

        for (;;) {
                const char *line;
                size_t length;
                int r = next_line(rpc, deadline, &line, &length);

                if (r <= 0)
                        return r;
                json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);

                if (json) {
                        *ret = json;
                        return 1;
                }
        }
}

int rpc_fd(const struct rpc *rpc)
{
        return rpc->fd;
}

bool rpc_waiting(const struct rpc *rpc)
{
        const char *rest = rpc->line ? rpc->line + rpc->taken : NULL;

        return rest && memchr(rest, '\n', rpc->have - rpc->taken);
}

int rpc_answer(struct rpc *rpc, usec_t patience, json_t **ret)
{
        usec_t deadline = usec_add(boottime(), patience);

        for (;;) {
                json_t *answer = NULL, *id;
                int r = rpc_next(rpc, usec_since(deadline, boottime()), &answer);

                if (r <= 0)
                        return r;
                id = json_object_get(answer, "id");
                /* no id at all: we are turned away before anything was understood */
                if (json_integer_value(id) == rpc->last_id || (json_is_null(id) && json_object_get(answer, "error"))) {
                        *ret = answer;
                        return 1;
                }
                json_decref(answer); /* a push, or an answer to what timed out */
        }
}
