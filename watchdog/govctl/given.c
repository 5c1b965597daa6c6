#include "govctl/given.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/cleanup.h"

#define READ_MOST ((size_t)1 << 30) /* years of a chat, exported */

static enum code complain(struct call *call, int error, const char *verb, const char *path)
{
        char what[4200], next[4200];
        const char *slash = strrchr(path, '/');

        snprintf(what, sizeof what, "cannot %s %s", verb, path);
        snprintf(next, sizeof next, "ls -l %.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
        switch (error) {
        case -ENOENT: return call_complain(call, CODE_NOT_FOUND, what, "there is no such file", next);
        case -EACCES:
        case -EPERM: return call_complain(call, CODE_DENIED, what, strerror(-error), "the same with sudo");
        case -EUCLEAN: return call_complain(call, CODE_FAILURE, what, "the log is damaged", "govctl audit verify");
        case -EFBIG: return call_complain(call, CODE_FAILURE, what, "it is larger than 1 GiB", "cut it, then again");
        default: return call_complain(call, CODE_FAILURE, what, strerror(-error), "df -h, dmesg");
        }
}

static int read_all(int fd, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0, room = 0;

        for (;;) {
                ssize_t n;

                if (room - size < 4096) {
                        char *more = room < READ_MOST ? realloc(text, room = room ? 2 * room : 65536) : NULL;

                        if (!more)
                                return room < READ_MOST ? -ENOMEM : -EFBIG;
                        text = more;
                }
                n = read(fd, text + size, room - size - 1);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
                if (n > 0)
                        size += (size_t)n;
        }
        text[size] = '\0';
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

/* A pipe that nobody writes is empty, instead of keeping us waiting. */
static int open_input(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd >= 0)
                fcntl(fd, F_SETFL, O_RDONLY);
        return fd;
}

enum code given_read(struct call *call, const char *path, char **ret, size_t *ret_size)
{
        _cleanup_close_ int opened = -EBADF;
        int fd = STDIN_FILENO, r;

        if (strcmp(path, "-") != 0)
                fd = opened = open_input(path);
        r = fd < 0 ? -errno : read_all(fd, ret, ret_size);
        return r < 0 ? complain(call, r, "read", path) : CODE_OK;
}

enum code given_check(struct call *call, const char *path)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        return fd < 0 ? complain(call, -errno, "read", path) : CODE_OK;
}

/* ---- writing ---- */

/* Where a regular file will be, one is written beside it; a pipe or a device is written as it is. */
static int open_output(struct given_output *output)
{
        struct stat stat;
        _cleanup_close_ int fd = -EBADF;

        if (lstat(output->path, &stat) == 0 && !S_ISREG(stat.st_mode)) {
                fd = open(output->path, O_WRONLY | O_CLOEXEC);
        } else {
                if (asprintf(&output->temporary, "%s.XXXXXX", output->path) < 0) {
                        output->temporary = NULL;
                        return -ENOMEM;
                }
                fd = mkostemp(output->temporary, O_CLOEXEC);
        }
        if (fd < 0)
                return -errno;
        output->file = fdopen(fd, "w");
        if (!output->file)
                return -errno;
        TAKE_FD(fd);
        return 0;
}

enum code given_open(struct call *call, const char *path, struct given_output *ret)
{
        struct given_output output = { .path = path };
        int r = 0;

        if (strcmp(path, "-") == 0)
                output.file = call->page.out;
        else
                r = open_output(&output);
        if (r < 0) {
                free(output.temporary);
                return complain(call, r, "write", path);
        }
        *ret = output;
        return CODE_OK;
}

static int end_output(struct given_output *output, int error)
{
        int r = error;

        if (r == 0 && (fflush(output->file) != 0 || (output->temporary && fsync(fileno(output->file)) < 0)))
                r = -errno;
        if (fclose(output->file) != 0 && r == 0)
                r = -errno;
        if (output->temporary && r == 0 && rename(output->temporary, output->path) < 0)
                r = -errno;
        if (output->temporary && r < 0)
                unlink(output->temporary);
        return r;
}

enum code given_close(struct call *call, struct given_output *output, int error)
{
        int r = error;

        if (output->file == call->page.out)
                r = r == 0 && fflush(output->file) != 0 ? -errno : r;
        else if (output->file)
                r = end_output(output, error);
        free(output->temporary);
        *output = (struct given_output){ .path = output->path };
        return r < 0 ? complain(call, r, "write", output->path) : CODE_OK;
}
