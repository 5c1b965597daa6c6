#include "io/chore.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "io/cleanup.h"

#define FAILURE_MAX 96
#define IDLE_CLASS (3 << 13) /* IOPRIO_CLASS_IDLE, which no header of libc has */
#define IOPRIO_WHO_PROCESS 1

struct chore {
        struct chore_options options;
        pid_t pid;
        int pidfd;
        int output; /* what it says comes in here */
        sd_event_source *ended, *said, *late;
        char *text;
        size_t size, room;
        char failure[FAILURE_MAX];
};

/* ---- in the child ------------------------------------------------------------------------------------------------------- */

/* The first to be killed when memory ends, not the last as its parent is. */
static void offer_to_die(void)
{
        static const char score[] = "1000";
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd >= 0 && write(fd, score, strlen(score)) > 0)
                close(fd);
}

/* What a machine does not know or allow of this, it does not get: the task matters more. */
static void step_back(const struct chore_options *options)
{
        const struct sched_param none = { 0 };
        const struct rlimit memory = { options->memory_most, options->memory_most };

        sched_setscheduler(0, SCHED_IDLE, &none);
        setpriority(PRIO_PROCESS, 0, 19);
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IDLE_CLASS);
        if (options->memory_most > 0)
                setrlimit(RLIMIT_DATA, &memory);
        offer_to_die();
}

__attribute__((noreturn)) static void be_the_child(const struct chore_options *options, pid_t parent, int output)
{
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        step_back(options);
        if (getppid() == parent && dup2(output, STDOUT_FILENO) >= 0)
                execv(options->program, options->arguments);
        _exit(127);
}

/* ---- what it says -------------------------------------------------------------------------------------------------------- */

static void give_up(struct chore *chore, const char *why)
{
        if (!chore->failure[0])
                text_copy(chore->failure, sizeof(chore->failure), why);
        kill(chore->pid, SIGKILL); /* not reaped yet, so the number is still its own */
}

static int make_room(struct chore *chore)
{
        size_t room = chore->room * 2 + 4096;
        char *larger;

        if (chore->size + 1 < chore->room)
                return 0;
        larger = realloc(chore->text, room);
        if (!larger)
                return -ENOMEM;
        chore->text = larger;
        chore->room = room;
        return 0;
}

/* Reads what is there; 0 at its end. */
static ssize_t listen_to(struct chore *chore)
{
        ssize_t n;

        do {
                size_t left = chore->options.output_most - chore->size, room;

                if (make_room(chore) < 0)
                        return -ENOMEM;
                room = chore->room - chore->size - 1;
                n = read(chore->output, chore->text + chore->size, room < left ? room : left);
                if (n > 0)
                        chore->size += (size_t)n;
        } while (n > 0 && chore->size < chore->options.output_most);
        if (n > 0)
                return -EFBIG;
        return n < 0 ? -errno : 0;
}

static int on_said(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct chore *chore = userdata;
        ssize_t r = listen_to(chore);

        (void)fd, (void)events;
        if (r == -EAGAIN || r == -EINTR)
                return 0;
        if (r < 0)
                give_up(chore, r == -EFBIG ? "it said more than it may" : strerror((int)-r));
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct chore *chore = userdata;
        char why[FAILURE_MAX], span[TEXT_SPAN_MAX];

        (void)source, (void)usec;
        snprintf(why, sizeof(why), "it did not end within %s", text_span(span, chore->options.patience));
        give_up(chore, why);
        return 0;
}

static void judge_end(struct chore *chore, const siginfo_t *end)
{
        if (chore->failure[0])
                return;
        if (end->si_code != CLD_EXITED)
                snprintf(chore->failure, sizeof(chore->failure), "it was ended by signal %d", end->si_status);
        else if (end->si_status != 0)
                snprintf(chore->failure, sizeof(chore->failure), "it ended with status %d", end->si_status);
}

static int on_ended(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct chore *chore = userdata;
        struct chore_result result;
        siginfo_t end = { 0 };

        (void)fd, (void)events;
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (!chore->failure[0] && listen_to(chore) == -EFBIG)
                text_copy(chore->failure, sizeof(chore->failure), "it said more than it may");
        waitid(P_PID, (id_t)chore->pid, &end, WEXITED);
        chore->pid = 0;
        judge_end(chore, &end);
        if (make_room(chore) < 0)
                return 0;
        chore->text[chore->size] = '\0';
        result = (struct chore_result){ chore->text, chore->size, chore->failure[0] ? chore->failure : NULL };
        chore->options.done(chore->options.self, &result);
        return 0;
}

/* ---- beginning and end ---------------------------------------------------------------------------------------------------- */

static int add_sources(struct chore *chore, sd_event *event)
{
        usec_t now;
        int r = sd_event_now(event, CLOCK_BOOTTIME, &now);

        if (r >= 0)
                r = sd_event_add_io(event, &chore->said, chore->output, EPOLLIN, on_said, chore);
        if (r >= 0)
                r = sd_event_add_io(event, &chore->ended, chore->pidfd, EPOLLIN, on_ended, chore);
        if (r >= 0)
                r = sd_event_add_time(event, &chore->late, CLOCK_BOOTTIME, usec_add(now, chore->options.patience),
                                      USEC_PER_SEC, on_late, chore);
        return r < 0 ? r : 0;
}

static int start(struct chore *chore)
{
        const pid_t parent = getpid();
        int ends[2];

        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        chore->output = ends[0];
        (void)fcntl(ends[1], F_SETFL, 0); /* the child writes as programs do */
        chore->pid = fork();
        if (chore->pid == 0)
                be_the_child(&chore->options, parent, ends[1]);
        close_fd(ends[1]);
        if (chore->pid < 0) {
                chore->pid = 0;
                return -errno;
        }
        chore->pidfd = (int)syscall(SYS_pidfd_open, chore->pid, 0);
        return chore->pidfd < 0 ? -errno : 0;
}

int chore_new(sd_event *event, const struct chore_options *options, struct chore **ret)
{
        struct chore *chore = calloc(1, sizeof(*chore));
        int r;

        if (!chore)
                return -ENOMEM;
        chore->options = *options;
        chore->pidfd = chore->output = -EBADF;
        r = make_room(chore);
        if (r >= 0)
                r = start(chore);
        if (r >= 0)
                r = add_sources(chore, event);
        if (r < 0) {
                chore_free(chore);
                return r;
        }
        *ret = chore;
        return 0;
}

struct chore *chore_free(struct chore *chore)
{
        if (!chore)
                return NULL;
        if (chore->pid > 0) {
                kill(chore->pid, SIGKILL);
                waitpid(chore->pid, NULL, 0);
        }
        sd_event_source_disable_unref(chore->ended);
        sd_event_source_disable_unref(chore->said);
        sd_event_source_disable_unref(chore->late);
        close_fd(chore->pidfd);
        close_fd(chore->output);
        free(chore->text);
        free(chore);
        return NULL;
}
