#include "courier/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/text.h"
#include "io/cleanup.h"

#define ANSWER_SECONDS 10
#define ANSWER_MAX (1024 * 1024) /* a few hundred witnesses */

struct core {
        int fd;
        int last_id;
        size_t have;
        char line[ANSWER_MAX];
};

int core_open(const char *path, struct core **ret)
{
        static const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(core_freep) struct core *core = malloc(sizeof(*core)); /* not cleared: mostly a buffer */

        if (!core)
                return -ENOMEM;
        core->last_id = 0;
        core->have = 0;
        core->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (core->fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        if (setsockopt(core->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
            setsockopt(core->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
            connect(core->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        *ret = TAKE_PTR(core);
        return 0;
}

struct core *core_free(struct core *core)
{
        if (!core)
                return NULL;
        close_fd(core->fd);
        free(core);
        return NULL;
}

static int send_line(struct core *core, const char *method, json_t *params)
{
        json_auto_t *request = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", ++core->last_id, "method",
                                         method, "params", params ? params : json_object());
        _cleanup_free_ char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
        size_t size, sent = 0;

        if (!text)
                return -ENOMEM;
        size = strlen(text);
        text[size++] = '\n'; /* in place of the NUL */
        while (sent < size) {
                ssize_t n = send(core->fd, text + sent, size - sent, MSG_NOSIGNAL);

                if (n < 0 && errno != EINTR)
                        return errno == EAGAIN ? -ETIMEDOUT : -errno;
                sent += n > 0 ? (size_t)n : 0;
        }
        return 0;
}

static int receive_line(struct core *core, json_t **ret)
{
        core->have = 0;
        for (;;) {
                ssize_t n = recv(core->fd, core->line + core->have, sizeof(core->line) - core->have, 0);
                char *end;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n == 0 ? -ECONNRESET : errno == EAGAIN ? -ETIMEDOUT : -errno;
                end = memchr(core->line + core->have, '\n', (size_t)n);
                core->have += (size_t)n;
                if (end) {
                        *ret = json_loadb(core->line, (size_t)(end - core->line), JSON_REJECT_DUPLICATES, NULL);
                        return *ret ? 0 : -EPROTO;
                }
                if (core->have == sizeof(core->line))
                        return -EMSGSIZE;
        }
}

static int take_answer(const struct core *core, const json_t *answer, json_t **ret, struct core_refusal *ret_refusal)
{
        const json_t *error = json_object_get(answer, "error"), *data = json_object_get(error, "data");
        const char *why = json_string_value(json_object_get(error, "message"));
        json_int_t code = json_integer_value(json_object_get(data, "exit"));
        json_t *result = json_object_get(answer, "result");

        if (error) {
                ret_refusal->exit_code = code > 0 && code <= 7 ? (int)code : 1;
                text_copy_safe(ret_refusal->why, sizeof(ret_refusal->why), why ? why : "governord gave no reason");
                return -EREMOTEIO;
        }
        if (json_integer_value(json_object_get(answer, "id")) != core->last_id || !result)
                return -EPROTO;
        *ret = json_incref(result);
        return 0;
}

int core_ask(struct core *core, const char *method, json_t *params, json_t **ret, struct core_refusal *ret_refusal)
{
        json_auto_t *answer = NULL;
        int r = send_line(core, method, params);

        if (r >= 0)
                r = receive_line(core, &answer);
        if (r >= 0)
                r = take_answer(core, answer, ret, ret_refusal);
        if (r < 0 && r != -EREMOTEIO) {
                ret_refusal->exit_code = r == -ETIMEDOUT ? 7 : 6;
                snprintf(ret_refusal->why, sizeof(ret_refusal->why), "governord did not answer '%s': %s", method,
                         r == -ECONNRESET ? "it hung up" : strerror(-r));
        }
        return r;
}

void core_explain(int error, const char *path, struct core_refusal *ret)
{
        bool denied = error == -EACCES || error == -EPERM;

        ret->exit_code = denied ? 4 : 6;
        snprintf(ret->why, sizeof(ret->why), "cannot reach governord at %.200s: %s", path,
                 denied                   ? "the socket is for the user governor-courier and for root's orders"
                 : error == -ENOENT       ? "there is no such socket: the daemon is not running"
                 : error == -ECONNREFUSED ? "nobody listens there: the daemon has ended"
                                          : strerror(-error));
}
