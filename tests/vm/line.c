#include "vm/line.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAGIC UINT32_C(0x31e76f47)
#define HEADER_SIZE offsetof(struct line_frame, bytes)

bool line_is_left(int fd)
{
        for (int i = 0; i < 10; i++) {
                struct pollfd line = { .fd = fd };

                poll(&line, 1, 0);
                if (!(line.revents & POLLHUP))
                        return false;
                poll(NULL, 0, 50);
        }
        return true;
}

static int await_room(int fd)
{
        struct pollfd line = { .fd = fd, .events = POLLOUT };

        poll(&line, 1, -1);
        return (line.revents & POLLHUP) && line_is_left(fd) ? -EPIPE : 0;
}

static int write_all(int fd, const char *bytes, size_t n)
{
        while (n > 0) {
                ssize_t w = write(fd, bytes, n);
                int r = w < 0 && errno != EINTR ? -errno : 0;

                if (r == -EAGAIN)
                        r = await_room(fd);
                if (r < 0)
                        return r;
                bytes += w < 0 ? 0 : w;
                n -= w < 0 ? 0 : (size_t)w;
        }
        return 0;
}

int line_send(int fd, uint32_t session, enum line_kind kind, const void *bytes, size_t n)
{
        struct line_frame frame = { .magic = LINE_MAGIC, .session = session, .kind = kind, .length = (uint32_t)n };

        if (n > 0)
                memcpy(frame.bytes, bytes, n);
        return write_all(fd, (const char *)&frame, HEADER_SIZE + n);
}

int line_send_padding(int fd)
{
        static const char nothing[sizeof(struct line_frame)];

        return write_all(fd, nothing, sizeof(nothing));
}

int line_read(struct line *line)
{
        ssize_t n = read(line->fd, line->bytes + line->n, sizeof(line->bytes) - line->n);

        if (n < 0)
                return -errno;
        line->n += (size_t)n;
        return (int)n;
}

static void drop(struct line *line, size_t n)
{
        line->n -= n;
        memmove(line->bytes, line->bytes + n, line->n);
}

bool line_next(struct line *line, struct line_frame *ret)
{
        size_t at = 0;

        for (; line->n - at >= HEADER_SIZE; at++) {
                memcpy(ret, line->bytes + at, HEADER_SIZE);
                if (ret->magic == LINE_MAGIC && ret->length <= LINE_BYTES_MOST)
                        break;
        }
        drop(line, at);
        if (line->n < HEADER_SIZE || line->n < HEADER_SIZE + ret->length)
                return false;
        memcpy(ret->bytes, line->bytes + HEADER_SIZE, ret->length);
        drop(line, HEADER_SIZE + ret->length);
        return true;
}
