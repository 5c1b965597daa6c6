/*
 * Runs a command in a test VM:
 *
 *      outside PORTS COMMAND [ARGUMENT...]     PORTS.1, PORTS.2, ... are the sockets of the VM's serial ports
 *
 * Like ssh: input, both outputs and the exit status are passed through, all of the input is taken (none from a terminal), and
 * when this end goes away the command is killed. 255 when the VM is not there or ends meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vm/line.h"

#define STATUS_NO_VM 255

struct outside {
        struct line line;
        uint32_t session;
        bool input_ended;
};

static int no_vm(const char *what, int error)
{
        fprintf(stderr, "outside: %s: %s\n", what, error ? strerror(error) : "the VM has ended");
        return STATUS_NO_VM;
}

/* A port serves one at a time: the lock beside its socket is held as long as this process lives. */
static int lock_port(const char *ports, unsigned port, int how)
{
        char path[sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(".lock")];
        int fd;

        snprintf(path, sizeof(path), "%s.%u.lock", ports, port);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | how) < 0) {
                int r = -errno;

                close(fd);
                return r;
        }
        return fd;
}

/* The first free port, or when there is none the next to be free of those whose turn it is. */
static int claim_port(const char *ports, unsigned *ret_port)
{
        unsigned port;
        int r;

        for (port = 1; port <= LINE_PORTS; port++) {
                r = lock_port(ports, port, LOCK_NB);
                if (r != -EWOULDBLOCK)
                        break;
        }
        if (port > LINE_PORTS) {
                port = 1 + (unsigned)getpid() % LINE_PORTS;
                r = lock_port(ports, port, 0);
        }
        *ret_port = port;
        return r < 0 ? r : 0;
}

static int connect_port(const char *ports, int *ret_fd)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        unsigned port = 0;
        int r, fd;

        r = claim_port(ports, &port);
        if (r < 0)
                return r;
        if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s.%u", ports, port) >=
            sizeof(address.sun_path))
                return -ENAMETOOLONG;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

static int send_command(const struct outside *outside, char **arguments)
{
        int fd = outside->line.fd, r = line_send_padding(fd);

        for (; *arguments && r >= 0; arguments++) {
                size_t left = strlen(*arguments) + 1, n;

                for (const char *from = *arguments; left > 0 && r >= 0; from += n, left -= n) {
                        n = left < LINE_BYTES_MOST ? left : LINE_BYTES_MOST;
                        r = line_send(fd, outside->session, LINE_ARGUMENTS, from, n);
                }
        }
        return r < 0 ? r : line_send(fd, outside->session, LINE_BEGIN, NULL, 0);
}

static int take_input(struct outside *outside)
{
        char bytes[LINE_BYTES_MOST];
        ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

        if (n < 0)
                n = 0;
        outside->input_ended = n == 0;
        return line_send(outside->line.fd, outside->session, LINE_INPUT, bytes, (size_t)n);
}

static void put_out(int fd, const struct line_frame *frame)
{
        for (size_t done = 0; done < frame->length;) {
                ssize_t n = write(fd, frame->bytes + done, frame->length - done);

                if (n < 0 && errno != EINTR)
                        exit(1); /* nobody reads it: the command ends with us */
                done += n < 0 ? 0 : (size_t)n;
        }
}

/* What the VM said; the exit status when that was the last, else -1. */
static int take_frames(struct outside *outside)
{
        struct line_frame frame;

        while (line_next(&outside->line, &frame)) {
                if (frame.session != outside->session)
                        continue;
                if (frame.kind == LINE_OUTPUT)
                        put_out(STDOUT_FILENO, &frame);
                else if (frame.kind == LINE_ERROR)
                        put_out(STDERR_FILENO, &frame);
                else if (frame.kind == LINE_STATUS && frame.length == 1)
                        return (unsigned char)frame.bytes[0];
        }
        return -1;
}

static int pass_through(struct outside *outside)
{
        for (;;) {
                struct pollfd line = { .fd = outside->line.fd,
                                       .events = POLLIN | (outside->input_ended ? 0 : POLLOUT) };
                struct pollfd input = { .fd = outside->input_ended ? -1 : STDIN_FILENO, .events = POLLIN };
                int r;

                /* with room in the line only the input is waited for */
                poll(&line, 1, -1);
                if ((line.revents & (POLLIN | POLLHUP)) == 0 && (line.revents & POLLOUT)) {
                        struct pollfd both[2] = { { .fd = line.fd, .events = POLLIN }, input };

                        poll(both, 2, -1);
                        line.revents = both[0].revents;
                        r = both[1].revents ? take_input(outside) : 0;
                        if (r < 0)
                                return no_vm("sending input", -r);
                }
                if (line.revents & (POLLIN | POLLHUP)) {
                        r = line_read(&outside->line);
                        if (r <= 0 && r != -EINTR)
                                return no_vm("waiting for the command", -r);
                        r = take_frames(outside);
                        if (r >= 0)
                                return r;
                }
        }
}

int main(int argc, char **argv)
{
        struct outside outside = { .input_ended = isatty(STDIN_FILENO) };
        int r;

        if (argc < 3) {
                fprintf(stderr, "usage: outside PORTS COMMAND [ARGUMENT...]\n");
                return 2;
        }
        if (getrandom(&outside.session, sizeof(outside.session), 0) != sizeof(outside.session))
                return no_vm("no random bytes", errno);
        r = connect_port(argv[1], &outside.line.fd);
        if (r >= 0) {
                signal(SIGPIPE, SIG_IGN);
                r = send_command(&outside, argv + 2);
        }
        if (r >= 0 && outside.input_ended)
                r = line_send(outside.line.fd, outside.session, LINE_INPUT, NULL, 0);
        if (r < 0)
                return no_vm(argv[1], -r);
        return pass_through(&outside);
}
