#include "io/pm2_call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct pm2_call {
        int fd;
        sd_event_source *io;
        sd_event_source *deadline;
        pm2_call_done done;
        void *self;
        struct pm2_reply_reader reader;
};

#define READ_BYTES 16384
#define READS_MAX 64 /* in one go, so that a talkative daemon does not keep us from the others */

/* A path that is too long for a socket address is reached through its directory's descriptor. */
static int connect_to(int fd, const char *home, const char *name)
{
        _cleanup_close_ int dir = -EBADF;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int n;

        n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", home, name);
        if (n >= (int)sizeof(address.sun_path)) {
                dir = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (dir < 0)
                        return -errno;
                (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir, name);
        }
        return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

int pm2_connect(const char *home, const char *name, uid_t owner, pid_t *ret_god)
{
        _cleanup_close_ int fd = -EBADF;
        struct ucred peer;
        socklen_t length = sizeof(peer);
        int r;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        r = connect_to(fd, home, name);
        if (r < 0)
                return r;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
                return -errno;
        if (peer.uid != owner)
                return -EPERM;

        if (ret_god)
                *ret_god = peer.pid;
        return TAKE_FD(fd);
}

struct pm2_call *pm2_call_free(struct pm2_call *call)
{
        if (!call)
                return NULL;

        sd_event_source_disable_unref(call->io);
        sd_event_source_disable_unref(call->deadline);
        (void)close_fd(call->fd);
        pm2_reply_done(&call->reader);
        free(call);
        return NULL;
}

/* The asker may free the call in `done`: nothing of it is touched afterwards. */
static int finish(struct pm2_call *call, int result)
{
        (void)sd_event_source_set_enabled(call->io, SD_EVENT_OFF);
        (void)sd_event_source_set_enabled(call->deadline, SD_EVENT_OFF);
        call->done(call->self, result, result < 0 ? NULL : &call->reader.reply);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *self)
{
        return finish(self, -ETIMEDOUT);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *self)
{
        struct pm2_call *call = self;
        char data[READ_BYTES];
        int r = 0;

        for (unsigned i = 0; r == 0 && i < READS_MAX; i++) {
                ssize_t n = read(fd, data, sizeof(data));

                if (n > 0)
                        r = pm2_reply_feed(&call->reader, data, (size_t)n);
                else if (n == 0)
                        r = -ECONNRESET;
                else if (errno == EAGAIN)
                        break;
                else if (errno != EINTR)
                        r = -errno;
        }
        explicit_bzero(data, sizeof(data));
        return r == 0 ? 0 : finish(call, r < 0 ? r : 0);
}

static int send_question(int fd, const struct pm2_question *question, uint32_t serial)
{
        char frame[PM2_FRAME_MAX];
        size_t size = pm2_request_frame(question->request, question->pm_id, serial, frame);
        ssize_t n;

        if (size == 0)
                return -EINVAL;
        n = send(fd, frame, size, MSG_NOSIGNAL);
        if (n < 0)
                return -errno;
        return (size_t)n == size ? 0 : -EIO; /* half a frame does no harm to PM2 once we hang up */
}

int pm2_call_new(sd_event *event, const struct pm2_question *question, pm2_call_done done, void *self,
                 struct pm2_call **ret)
{
        _cleanup_(pm2_call_freep) struct pm2_call *call = NULL;
        int r;

        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        call->done = done;
        call->self = self;
        call->fd = -EBADF;
        r = pm2_reply_init(&call->reader, 1,
                           question->veil); /* one call a connection: a constant serial tells our reply
                                                                 from others */
        if (r < 0)
                return r;

        call->fd = pm2_connect(question->home, "rpc.sock", question->owner, NULL);
        if (call->fd < 0)
                return call->fd;
        r = sd_event_add_io(event, &call->io, call->fd, EPOLLIN, on_readable, call);
        if (r < 0)
                return r;
        /* events first: they say what led to the answer */
        r = sd_event_source_set_priority(call->io, SD_EVENT_PRIORITY_NORMAL + 10);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &call->deadline, CLOCK_MONOTONIC, question->within, 50 * USEC_PER_MSEC,
                                       on_deadline, call);
        if (r < 0)
                return r;
        r = send_question(call->fd, question, call->reader.serial);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}
