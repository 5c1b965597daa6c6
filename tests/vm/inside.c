/*
 * Serves the serial ports of a test VM: what `outside` sends is run here as root, in no unit's cgroup. One process a port, all
 * of them safe from the kernel's OOM killer; what they run is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm/line.h"

#define ARGUMENTS_MOST ((size_t)256 << 10)

/* The command that a port runs, or is being told. */
struct command {
        uint32_t session;
        size_t n;
        char arguments[ARGUMENTS_MOST];
        pid_t pid;
        int pidfd, input, output[2]; /* output: standard output and error */
        struct line_frame pending;   /* input that its pipe had no room for */
        size_t pending_done;
        struct line_frame next; /* of a new session: whoever began this one is gone, unnoticed */
        bool has_next;
};

static void write_text(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return;
        if (write(fd, text, strlen(text)) < 0)
                fprintf(stderr, "inside: %s: %m, ignoring\n", path);
        close(fd);
}

static void close_one(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

/* ---- starting it ----------------------------------------------------------------------------------------------------- */

static void become(char **argv, const int *streams)
{
        sigset_t none;

        setsid();
        for (int i = 0; i < 3; i++)
                dup2(streams[i], i);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        write_text("/sys/fs/cgroup/cgroup.procs", "0");
        write_text("/proc/self/oom_score_adj", "0");
        if (chdir("/") == 0)
                execvp(argv[0], argv);
        fprintf(stderr, "cannot run '%s': %m\n", argv[0]);
        _exit(127);
}

static int start(struct command *command)
{
        int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
        size_t argc = 0;
        char **argv;

        for (size_t i = 0; i < command->n; i++)
                argc += command->arguments[i] == '\0';
        argv = calloc(argc + 1, sizeof(*argv));
        if (!argv || argc == 0 || command->arguments[command->n - 1] != '\0')
                return -EINVAL;
        for (size_t i = 0, at = 0; i < argc; i++, at += strlen(command->arguments + at) + 1)
                argv[i] = command->arguments + at;
        if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
                return -errno;
        command->pid = fork();
        if (command->pid == 0)
                become(argv, (int[]){ in[0], out[1], err[1] });
        free(argv);
        close(in[0]), close(out[1]), close(err[1]);
        command->input = in[1], command->output[0] = out[0], command->output[1] = err[0];
        fcntl(command->input, F_SETFL, O_NONBLOCK);
        fcntl(command->output[0], F_SETFL, O_NONBLOCK);
        fcntl(command->output[1], F_SETFL, O_NONBLOCK);
        command->pidfd = command->pid < 0 ? -1 : pidfd_open(command->pid, 0);
        return command->pidfd < 0 ? -errno : 0;
}

/* ---- while it runs ----------------------------------------------------------------------------------------------------- */

/* Passes on one read of what it said; false when there is no more for now. */
static bool pass_output(const struct line *line, struct command *command, int which)
{
        char bytes[LINE_BYTES_MOST];
        ssize_t n = read(command->output[which], bytes, sizeof(bytes));

        if (n > 0) {
                line_send(line->fd, command->session, which == 0 ? LINE_OUTPUT : LINE_ERROR, bytes, (size_t)n);
                return true;
        }
        if (n == 0)
                close_one(&command->output[which]);
        return false;
}

static bool input_waits(const struct command *command)
{
        return command->pending_done < command->pending.length;
}

static void pass_input(struct command *command)
{
        ssize_t n = write(command->input, command->pending.bytes + command->pending_done,
                          command->pending.length - command->pending_done);

        if (n > 0)
                command->pending_done += (size_t)n;
        if (n >= 0 || errno == EAGAIN || errno == EINTR)
                return;
        close_one(&command->input); /* it reads no more */
        command->pending_done = command->pending.length;
}

static void take_input(struct line *line, struct command *command)
{
        struct line_frame frame;

        while (!input_waits(command) && line_next(line, &frame)) {
                if (frame.session != command->session) {
                        command->next = frame;
                        command->has_next = true;
                        return;
                }
                if (frame.kind != LINE_INPUT)
                        continue;
                if (frame.length == 0)
                        close_one(&command->input);
                if (frame.length == 0 || command->input < 0)
                        continue;
                command->pending = frame;
                command->pending_done = 0;
                pass_input(command);
        }
}

/* Until it ended or the other end is gone; false for the latter. */
static bool attend(struct line *line, struct command *command)
{
        for (;;) {
                struct pollfd fds[] = {
                        { .fd = command->pidfd, .events = POLLIN },
                        { .fd = line->fd, .events = input_waits(command) ? 0 : POLLIN },
                        { .fd = command->output[0], .events = POLLIN },
                        { .fd = command->output[1], .events = POLLIN },
                        { .fd = input_waits(command) ? command->input : -1, .events = POLLOUT },
                };

                if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0)
                        continue;
                for (int i = 0; i < 2; i++)
                        if (fds[2 + i].revents)
                                pass_output(line, command, i);
                if (fds[4].revents)
                        pass_input(command);
                if (fds[0].revents)
                        return true;
                if ((fds[1].revents & POLLHUP) && line_is_left(line->fd))
                        return false;
                if (fds[1].revents & POLLIN)
                        line_read(line);
                take_input(line, command);
                if (command->has_next)
                        return false;
        }
}

static void finish(const struct line *line, struct command *command, bool ended)
{
        int status = 0;
        uint8_t byte;

        if (!ended)
                kill(-command->pid, SIGKILL);
        waitpid(command->pid, &status, 0);
        for (int i = 0; i < 2; i++)
                while (ended && command->output[i] >= 0 && pass_output(line, command, i))
                        ;
        byte = (uint8_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        if (ended)
                line_send(line->fd, command->session, LINE_STATUS, &byte, 1);
        close_one(&command->pidfd);
        close_one(&command->input);
        close_one(&command->output[0]);
        close_one(&command->output[1]);
}

static void run(struct line *line, struct command *command)
{
        const uint8_t cannot = 126;

        command->pending.length = 0;
        command->pending_done = 0;
        if (start(command) < 0) {
                line_send(line->fd, command->session, LINE_STATUS, &cannot, 1);
                return;
        }
        take_input(line, command);
        finish(line, command, !command->has_next && attend(line, command));
}

/* ---- a port ------------------------------------------------------------------------------------------------------------ */

static void be_told(struct line *line, struct command *command, const struct line_frame *frame)
{
        if (frame->session != command->session) {
                command->session = frame->session;
                command->n = 0;
        }
        if (frame->kind == LINE_ARGUMENTS && command->n + frame->length <= sizeof(command->arguments)) {
                memcpy(command->arguments + command->n, frame->bytes, frame->length);
                command->n += frame->length;
        } else if (frame->kind == LINE_BEGIN) {
                run(line, command);
                command->session = 0;
        }
}

static void take_told(struct line *line, struct command *command)
{
        struct line_frame frame;

        while (command->has_next || line_next(line, &frame)) {
                if (command->has_next)
                        frame = command->next;
                command->has_next = false;
                be_told(line, command, &frame);
        }
}

/* Reading a port that nobody holds at the other end gives nothing at once; the driver sends SIGIO when somebody comes. */
static void await_other_end(void)
{
        const struct timespec a_second = { .tv_sec = 1 };
        sigset_t coming;

        sigemptyset(&coming);
        sigaddset(&coming, SIGIO);
        sigtimedwait(&coming, NULL, &a_second);
}

/* The first number in a port's name depends on what other devices there are. */
static int open_port(unsigned port)
{
        char pattern[64];
        glob_t found;
        int fd;

        snprintf(pattern, sizeof(pattern), "/dev/vport*p%u", port);
        if (glob(pattern, 0, NULL, &found) != 0)
                return -ENOENT;
        fd = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
        globfree(&found);
        return fd < 0 ? -errno : fd;
}

static void serve(unsigned port)
{
        static struct command command = { .pidfd = -1, .input = -1, .output = { -1, -1 } };
        struct line line = { .fd = open_port(port) };

        if (line.fd < 0) {
                fprintf(stderr, "inside: port %u: %s\n", port, strerror(-line.fd));
                _exit(1);
        }
        fcntl(line.fd, F_SETOWN, getpid());
        fcntl(line.fd, F_SETFL, O_ASYNC | O_NONBLOCK);
        for (;;) {
                int r = line_read(&line);

                if (r == 0)
                        await_other_end();
                else if (r == -EAGAIN)
                        poll(&(struct pollfd){ .fd = line.fd, .events = POLLIN }, 1, -1);
                take_told(&line, &command);
        }
}

int main(void)
{
        sigset_t io;

        sigemptyset(&io);
        sigaddset(&io, SIGIO);
        sigprocmask(SIG_BLOCK, &io, NULL);
        signal(SIGPIPE, SIG_IGN);
        for (unsigned port = 1; port <= LINE_PORTS; port++)
                if (fork() == 0)
                        serve(port);
        while (wait(NULL) > 0 || errno == EINTR)
                ;
        return 1;
}
