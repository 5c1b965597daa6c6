/* What a process that waits for its open wants, from the registers that it entered the kernel with: those it cannot change meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/text.h"
#include "guard/answer.h"

#define ARGUMENTS_N 6

/* Which argument has the flags. A call that is not here says nothing we could rely on: openat2(2) and io_uring have them in memory. */
enum { EXECUTES = -1 };

static const struct {
        long call;
        int flags;
} calls[] = {
#ifdef SYS_open
        { SYS_open, 1 },
#endif
        { SYS_openat, 2 }, { SYS_open_by_handle_at, 2 }, { SYS_execve, EXECUTES }, { SYS_execveat, EXECUTES },
};

/* open(2) takes O_RDONLY with O_TRUNC, and truncates; access mode 3 is for ioctls alone, and counts as writing. */
static enum answer_reason reason_of(int64_t call, const uint64_t *arguments)
{
        for (size_t n = 0; n < sizeof(calls) / sizeof(calls[0]); n++) {
                if (calls[n].call != call)
                        continue;
                if (calls[n].flags == EXECUTES)
                        return ANSWER_READS;
                if ((arguments[calls[n].flags] & O_ACCMODE) == O_RDONLY && !(arguments[calls[n].flags] & O_TRUNC))
                        return ANSWER_READS;
                return ANSWER_WRITES;
        }
        return ANSWER_CANNOT_SAY;
}

static bool hex(const char **at, const char *end, uint64_t *ret)
{
        static const char digits[] = "0123456789abcdef";
        const char *begin;
        uint64_t number = 0;

        if (end - *at < 3 || (*at)[0] != '0' || (*at)[1] != 'x')
                return false;
        for (begin = *at += 2; *at < end && **at && strchr(digits, **at); (*at)++) {
                if (number >> 60)
                        return false;
                number = number << 4 | (uint64_t)(strchr(digits, **at) - digits);
        }
        *ret = number;
        return *at > begin;
}

int answer_parse_call(const char *text, size_t size, enum answer_reason *ret, int64_t *ret_call)
{
        const char *at = text, *end = text + size;
        uint64_t arguments[ARGUMENTS_N], call;

        *ret_call = -1;
        *ret = ANSWER_CANNOT_SAY;
        if (size >= strlen("running") && memcmp(text, "running", strlen("running")) == 0)
                return -EAGAIN;
        if (!text_digits(&at, end, &call) || call > INT32_MAX)
                return 0; /* "-1 ...": not in a call of its own, as a worker of io_uring */
        for (unsigned n = 0; n < ARGUMENTS_N; n++)
                if (at >= end || *at++ != ' ' || !hex(&at, end, &arguments[n]))
                        return 0;
        *ret_call = (int64_t)call;
        *ret = reason_of(*ret_call, arguments);
        return 0;
}
