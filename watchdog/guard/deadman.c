#include "guard/deadman.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So often it looks: as many looks in a row without a pulse are the limit. A machine that was paused cost us no look. */
#define LOOKS 10

struct deadman {
        pid_t pid;
        usec_t limit;
        atomic_uint *pulse; /* shared with it */
};

/* From here on only what may be called after fork() in a process with threads. */
static _Noreturn void watch(pid_t patient, const atomic_uint *pulse, usec_t limit)
{
        const struct timespec pause = { .tv_sec = (time_t)(limit / LOOKS / USEC_PER_SEC),
                                        .tv_nsec = (long)(limit / LOOKS % USEC_PER_SEC) * 1000 };
        unsigned last = atomic_load(pulse), missed = 0;
        sigset_t none;

        (void)prctl(PR_SET_NAME, "governor-deadman");
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        /* above all none of the descriptors that our patient has to close for the kernel to let others go */
        (void)syscall(SYS_close_range, 0U, ~0U, 0U);
        while (missed < LOOKS && getppid() == patient) {
                unsigned now;

                (void)nanosleep(&pause, NULL);
                now = atomic_load(pulse);
                missed = now == last ? missed + 1 : 0;
                last = now;
        }
        if (getppid() == patient) /* our parent: while we have it, its pid is nobody else's */
                (void)kill(patient, SIGKILL);
        _exit(0);
}

static int begin(struct deadman *deadman)
{
        pid_t self = getpid();

        deadman->pid = fork();
        if (deadman->pid == 0)
                watch(self, deadman->pulse, deadman->limit);
        return deadman->pid < 0 ? -errno : 0;
}

int deadman_new(usec_t limit, struct deadman **ret)
{
        _cleanup_(deadman_freep) struct deadman *deadman = calloc(1, sizeof(*deadman));
        void *shared;
        int r;

        if (!deadman)
                return -ENOMEM;
        deadman->pid = -1;
        deadman->limit = limit;
        shared = mmap(NULL, sizeof(atomic_uint), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
                return -errno;
        deadman->pulse = shared;
        r = begin(deadman);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(deadman);
        return 0;
}

struct deadman *deadman_free(struct deadman *deadman)
{
        if (!deadman)
                return NULL;
        if (deadman->pid > 0) {
                (void)kill(deadman->pid, SIGKILL);
                (void)waitpid(deadman->pid, NULL, 0);
        }
        if (deadman->pulse)
                (void)munmap(deadman->pulse, sizeof(atomic_uint));
        free(deadman);
        return NULL;
}

void deadman_feel(struct deadman *deadman)
{
        atomic_fetch_add_explicit(deadman->pulse, 1, memory_order_relaxed);
}

int deadman_check(struct deadman *deadman)
{
        int r;

        if (deadman->pid > 0 && waitpid(deadman->pid, NULL, WNOHANG) == 0)
                return 0;
        r = begin(deadman);
        return r < 0 ? r : 1;
}
