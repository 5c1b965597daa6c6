#include "govctl/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

int interrupt_open(void)
{
        sigset_t signals;
        int fd;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        return fd;
}

int interrupt_wait(int interrupt, int fd, usec_t patience)
{
        struct pollfd pollers[] = { { .fd = interrupt, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
        int wait = patience >= USEC_PER_HOUR ? -1 : (int)(patience / USEC_PER_MSEC);
        int ready = poll(pollers, 2, wait);

        if (ready <= 0)
                return 0;
        return pollers[0].revents ? 2 : 1;
}
