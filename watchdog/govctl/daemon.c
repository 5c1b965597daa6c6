#include "govctl/daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "govctl/field.h"
#include "io/cleanup.h"

#define SOCKET_DEFAULT "/run/governor/governor.sock"
#define LINE_MOST (64u << 20) /* thousands of agents fit; a daemon that sends more has lost its mind */

struct daemon {
        int fd;
        int last_id;
        char *line; /* what was read and not yet taken */
        size_t have, room;
        size_t taken; /* bytes of the line given out last, dropped before the next read */
};

const char *daemon_socket(const struct call *call)
{
        const char *set = getenv("GOVERNOR_SOCKET");

        if (call->options.socket)
                return call->options.socket;
        return set && set[0] ? set : SOCKET_DEFAULT;
}

struct daemon *daemon_close(struct daemon *daemon)
{
        if (!daemon)
                return NULL;
        close_fd(daemon->fd);
        free(daemon->line);
        free(daemon);
        return NULL;
}

static int connect_to(const char *path, struct daemon **ret)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(daemon_closep) struct daemon *daemon = calloc(1, sizeof *daemon);

        if (!daemon)
                return -ENOMEM;
        daemon->fd = -EBADF;
        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        daemon->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (daemon->fd < 0)
                return -errno;
        if (connect(daemon->fd, (struct sockaddr *)&address, sizeof address) < 0)
                return -errno;
        *ret = TAKE_PTR(daemon);
        return 0;
}

static enum code complain_connect(const struct call *call, int error)
{
        const char *path = daemon_socket(call);
        bool other = strcmp(path, SOCKET_DEFAULT) != 0;
        char what[256];

        snprintf(what, sizeof what, "cannot reach governord at %.180s", path);
        if (error == -EACCES || error == -EPERM)
                return call_complain(call, CODE_DENIED, what, "only root and members of the group governor may ask it",
                                     "sudo govctl ..., or once: sudo usermod -aG governor $USER, and log in again");
        if (error == -ENOENT || error == -ECONNREFUSED)
                return call_complain(call, CODE_UNREACHABLE, what,
                                     error == -ENOENT ? "there is no such socket: the daemon is not running"
                                                      : "nobody listens there: the daemon has ended",
                                     other ? "govctl doctor, or another --socket"
                                           : "sudo systemctl start governor.service, or: govctl doctor");
        return call_complain(call, CODE_UNREACHABLE, what, strerror(-error), "govctl doctor");
}

enum code daemon_open(struct call *call, struct daemon **ret)
{
        int r = connect_to(daemon_socket(call), ret);

        return r < 0 ? complain_connect(call, r) : CODE_OK;
}

enum code daemon_open_quietly(struct call *call, struct daemon **ret)
{
        switch (connect_to(daemon_socket(call), ret)) {
        case 0: return CODE_OK;
        case -EACCES:
        case -EPERM: return CODE_DENIED;
        default: return CODE_UNREACHABLE;
        }
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

static int daemon_send(struct daemon *daemon, const char *method, json_t *parameters)
{
        json_auto_t *request = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", ++daemon->last_id, "method",
                                         method, "params", parameters ? parameters : json_object());
        _cleanup_free_ char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;

        if (!line)
                return -ENOMEM;

        int r = send_all(daemon->fd, line, strlen(line));

        return r < 0 ? r : send_all(daemon->fd, "\n", 1);
}

static usec_t boottime(void)
{
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

/* Reads what there is, waiting until `deadline`: 1, 0 at the deadline, -ECONNRESET at the end of the stream. */
static int daemon_read(struct daemon *daemon, usec_t deadline)
{
        struct pollfd poller = { .fd = daemon->fd, .events = POLLIN };
        usec_t now = boottime();
        usec_t wait = deadline > now ? (deadline - now + 999) / 1000 : 0;
        int ready = poll(&poller, 1, wait > 1000000 ? 1000000 : (int)wait);

        if (ready <= 0)
                return ready < 0 ? -errno : boottime() < deadline ? -EAGAIN : 0;
        if (daemon->room - daemon->have < 4096) {
                size_t room = daemon->room ? daemon->room * 2 : 65536;
                char *line = room <= LINE_MOST ? realloc(daemon->line, room) : NULL;

                if (!line)
                        return -ENOMEM;
                daemon->line = line;
                daemon->room = room;
        }
        ssize_t n = recv(daemon->fd, daemon->line + daemon->have, daemon->room - daemon->have, 0);

        if (n <= 0)
                return n < 0 ? -errno : -ECONNRESET;
        daemon->have += (size_t)n;
        return 1;
}

/* One line without its end, on loan until the next call. */
static int daemon_line(struct daemon *daemon, usec_t deadline, const char **ret, size_t *ret_length)
{
        size_t looked = 0;

        if (daemon->taken > 0) {
                memmove(daemon->line, daemon->line + daemon->taken, daemon->have - daemon->taken);
                daemon->have -= daemon->taken;
                daemon->taken = 0;
        }
        for (;;) {
                const char *end =
                        daemon->have > looked ? memchr(daemon->line + looked, '\n', daemon->have - looked) : NULL;

                if (end) {
                        *ret = daemon->line;
                        *ret_length = (size_t)(end - daemon->line);
                        daemon->taken = *ret_length + 1;
                        return 1;
                }
                looked = daemon->have;
                int r = daemon_read(daemon, deadline);

                if (r <= 0 && r != -EINTR && r != -EAGAIN)
                        return r;
        }
}

int daemon_next(struct daemon *daemon, usec_t patience, json_t **ret)
{
        usec_t deadline = usec_add(boottime(), patience);

        for (;;) {
                const char *line;
                size_t length;
                int r = daemon_line(daemon, deadline, &line, &length);

                if (r <= 0)
                        return r;
                json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);

                if (json) {
                        *ret = json;
                        return 1;
                }
        }
}

int daemon_fd(const struct daemon *daemon)
{
        return daemon->fd;
}

bool daemon_waiting(const struct daemon *daemon)
{
        const char *rest = daemon->line ? daemon->line + daemon->taken : NULL;

        return rest && memchr(rest, '\n', daemon->have - daemon->taken);
}

static enum code complain_answer(const struct call *call, const char *method, int r)
{
        char what[160];

        snprintf(what, sizeof what, "no answer from governord to '%s'", method);
        if (r == 0)
                return call_complain(call, CODE_PENDING, what,
                                     "it did not answer in time; what was asked may still happen",
                                     "govctl status, or: systemctl status governor.service");
        return call_complain(call, CODE_UNREACHABLE, what, r == -ECONNRESET ? "it hung up" : strerror(-r),
                             "systemctl status governor.service");
}

/* The daemon says what, why and what next; older or other daemons say at least what. */
static enum code complain_refusal(const struct call *call, const char *method, const json_t *error)
{
        int64_t code = field_given(error, "data.exit") ? field_number(error, "data.exit") : CODE_FAILURE;
        const char *next = field_text(error, "data.next"), *why = field_text(error, "data.why");
        char what[512];

        text_copy(what, sizeof what, field_text(error, "message"));
        if (field_number(error, "code") == -32601) {
                snprintf(what, sizeof what, "governord does not know '%s'", method);
                why = "it is of another version than govctl";
                next = "govctl version";
        }
        if (code <= 0 || code > 7)
                code = CODE_FAILURE;
        return call_complain(call, (enum code)code, what[0] ? what : "governord refused", why, next);
}

enum code daemon_ask(struct call *call, struct daemon *daemon, const char *method, json_t *parameters, usec_t patience,
                     json_t **ret)
{
        usec_t deadline = usec_add(boottime(), patience);
        int r = daemon_send(daemon, method, parameters);

        if (r < 0)
                return complain_answer(call, method, r);
        for (;;) {
                json_auto_t *answer = NULL;

                r = daemon_next(daemon, usec_since(deadline, boottime()), &answer);
                if (r <= 0)
                        return complain_answer(call, method, r);
                if (field_number(answer, "id") != daemon->last_id)
                        continue; /* a push, or an answer to what timed out */
                if (field_given(answer, "error"))
                        return complain_refusal(call, method, field(answer, "error"));
                *ret = json_incref(json_object_get(answer, "result"));
                return *ret ? CODE_OK : complain_answer(call, method, -EBADMSG);
        }
}

enum code daemon_ask_once(struct call *call, const char *method, json_t *parameters, usec_t patience, json_t **ret)
{
        _cleanup_(daemon_closep) struct daemon *daemon = NULL;
        enum code code = daemon_open(call, &daemon);

        if (code != CODE_OK) {
                json_decref(parameters);
                return code;
        }
        return daemon_ask(call, daemon, method, parameters, patience, ret);
}

enum code daemon_ask_quietly(struct call *call, const char *method, json_t *parameters, json_t **ret)
{
        struct call quiet = *call;
        _cleanup_fclose_ FILE *nowhere = fopen("/dev/null", "we");

        if (!nowhere) {
                json_decref(parameters);
                return CODE_FAILURE;
        }
        quiet.talk = nowhere;
        return daemon_ask_once(&quiet, method, parameters, 3 * USEC_PER_SEC, ret);
}
