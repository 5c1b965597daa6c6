#include "canary/attempt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "io/cleanup.h"

/* An open can hang as long as a guard does not answer; the longest that a guard may let it hang is 15 s. */
enum { PATIENCE_MS = 20000 };

struct attempt {
        const struct attack *attack;
        pid_t pid;
        int channel;
        struct attempt_end end;
        bool over; /* not possible, or refused while it got ready */
};

/* ---- in the attacker -------------------------------------------------------------------------------------------------- */

/* Being killed is an answer here, not a crash to be kept: no handlers of a sanitizer, no core dump (1 byte: also none to a pipe). */
static void prepare_to_die(void)
{
        const struct rlimit none = { 1, 1 };

        (void)signal(SIGBUS, SIG_DFL);
        (void)signal(SIGSEGV, SIG_DFL);
        (void)signal(SIGSYS, SIG_DFL);
        (void)signal(SIGPIPE, SIG_IGN);
        (void)setrlimit(RLIMIT_CORE, &none);
}

static struct attempt_end ended(int r, const struct scene *scene)
{
        struct attempt_end end = { .verdict = VERDICT_SUCCEEDED };

        if (r == ATTACK_NOT_HERE) {
                end.verdict = VERDICT_NOT_TRIED;
                memcpy(end.why, scene->why, sizeof(end.why));
        } else if (r == -EEXIST) { /* somebody made a file of that name: nothing that a guard does */
                end.verdict = VERDICT_NOT_TRIED;
                (void)text_copy(end.why, sizeof(end.why), "something of the attacker's name is there already");
        } else if (r < 0) {
                end.verdict = VERDICT_PREVENTED;
                end.error = -r;
        }
        return end;
}

static int not_as_this_user(struct scene *scene)
{
        (void)text_copy(scene->why, sizeof(scene->why), "it needs root");
        return ATTACK_NOT_HERE;
}

/* Says how getting ready went, strikes after the first byte, and stays until the channel is closed. */
_Noreturn static void attack_in_child(const struct attack *attack, const struct place *place,
                                      int (*become)(const void *), const void *argument, int channel)
{
        struct scene scene = { .place = place, .file = -EBADF, .source = -EBADF };
        struct attempt_end end;
        char go;
        int r;

        prepare_to_die();
        if (become && become(argument) < 0)
                _exit(EXIT_FAILURE);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* after a change of user, which forgets it */
        r = (attack->traits & ATTACK_NEEDS_ROOT) && geteuid() != 0 ? not_as_this_user(&scene)
            : attack->prepare                                      ? attack->prepare(&scene)
                                                                   : 0;
        do {
                end = ended(r, &scene);
                if (send(channel, &end, sizeof(end), MSG_NOSIGNAL) != sizeof(end) || recv(channel, &go, 1, 0) != 1)
                        break;
                r = attack->strike(&scene);
        } while (true);
        _exit(EXIT_SUCCESS);
}

/* ---- outside ---------------------------------------------------------------------------------------------------------- */

static int reap(struct attempt *attempt)
{
        int status = 0;

        while (attempt->pid > 0 && waitpid(attempt->pid, &status, 0) < 0 && errno == EINTR)
                ;
        attempt->pid = 0;
        return status;
}

struct attempt *attempt_free(struct attempt *attempt)
{
        if (!attempt)
                return NULL;
        (void)close_fd(attempt->channel);
        if (attempt->pid > 0)
                (void)kill(attempt->pid, SIGKILL); /* the kernel closes and unmaps all that it held */
        (void)reap(attempt);
        free(attempt);
        return NULL;
}

DEFINE_CLEANUP_FUNC(struct attempt *, attempt_free);

/* It ended without a word: something killed it, or it hangs. */
static int hear_death(struct attempt *attempt, bool hangs)
{
        struct attempt_end *end = &attempt->end;
        int status;

        *end = (struct attempt_end){ .verdict = VERDICT_PREVENTED };
        if (hangs) {
                end->error = ETIMEDOUT;
                return kill(attempt->pid, SIGKILL) < 0 ? -errno : (reap(attempt), 0);
        }
        status = reap(attempt);
        if (!WIFSIGNALED(status))
                return -ECHILD; /* it could not become what it should be */
        end->signal = WTERMSIG(status);
        return 0;
}

static int hear(struct attempt *attempt)
{
        struct pollfd ready = { .fd = attempt->channel, .events = POLLIN };
        int n;

        do
                n = poll(&ready, 1, PATIENCE_MS);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n > 0 && recv(attempt->channel, &attempt->end, sizeof(attempt->end), 0) == sizeof(attempt->end))
                return 0;
        return hear_death(attempt, n == 0);
}

static bool not_for_us(const struct attack *attack, const struct place *place, struct attempt_end *end)
{
        if (!(attack->traits & ATTACK_NEEDS_DEVICE) || place->device[0])
                return false;
        *end = (struct attempt_end){ .verdict = VERDICT_NOT_TRIED };
        (void)text_copy(end->why, sizeof(end->why), "no block device below it is there to be written");
        return true;
}

int attempt_begin(const struct attack *attack, const struct place *place, int (*become)(const void *),
                  const void *argument, struct attempt **ret)
{
        _cleanup_(attempt_freep) struct attempt *attempt = calloc(1, sizeof(*attempt));
        int ends[2], r;

        if (!attempt)
                return -ENOMEM;
        attempt->attack = attack;
        attempt->channel = -EBADF;
        attempt->over = not_for_us(attack, place, &attempt->end);
        if (!attempt->over) {
                if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                        return -errno;
                attempt->channel = ends[0];
                attempt->pid = fork();
                if (attempt->pid == 0) {
                        (void)close_fd(ends[0]);
                        attack_in_child(attack, place, become, argument, ends[1]);
                }
                (void)close_fd(ends[1]);
                r = attempt->pid < 0 ? -errno : hear(attempt);
                if (r < 0)
                        return r;
                attempt->over = attempt->end.verdict != VERDICT_SUCCEEDED;
                attempt->end.early = attempt->over && attempt->end.verdict == VERDICT_PREVENTED;
        }
        *ret = TAKE_PTR(attempt);
        return 0;
}

int attempt_strike(struct attempt *attempt, struct attempt_end *ret)
{
        int r = 0;

        if (!attempt->over) {
                r = send(attempt->channel, "!", 1, MSG_NOSIGNAL) == 1 ? hear(attempt) : -errno;
                attempt->over = true;
        }
        *ret = attempt->end;
        return r;
}
