#include "observe/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/cleanup.h"
#include "observe/extent.h"

#define SOURCE "process"

/* From linux/pidfd.h, which is newer than the oldest system that this is built on. */
struct pidfd_answer {
        uint64_t mask;
        uint64_t cgroup;
        uint32_t pid, tgid, ppid, ids[8];
        int32_t exit_code;
};
#define ANSWER_ASK _IOWR(0xFF, 11, struct pidfd_answer)
#define ANSWER_EXIT (UINT64_C(1) << 3)

struct watched {
        struct process *process;
        char *agent;
        uint32_t instance;
        pid_t pid;
        uint64_t start;
        sd_event_source
                *end;     /* owns the pidfd; NULL: no pidfd was to be had, or `end` is a deferred word of its death */
        int stat, status; /* kept open for the samples; negative: opened each time */
        struct measure measure;
        usec_t due;           /* its next sample, in CLOCK_BOOTTIME */
        usec_t cpu, cpu_seen; /* used so far, and what was read last */
        bool blind;           /* without a pidfd: its end is noticed at the next sample */
};

struct process {
        sd_event *event;
        struct process_options options;
        sd_event_source *timer;
        sd_event_source *say; /* tells the source's state in a turn of its own: watching begins inside of other facts */
        struct watched **watched;
        size_t n, space;
        size_t blind_n;
        enum source_state state;
};

DEFINE_CLEANUP_FUNC(struct process *, process_free);

/* ---- how it ended ---------------------------------------------------------------------------------------------------- */

struct end {
        enum ending ending;
        int code, signal;
};

static struct end end_of_status(int status)
{
        if (WIFEXITED(status))
                return (struct end){ .ending = ENDING_EXIT, .code = WEXITSTATUS(status) };
        if (WIFSIGNALED(status))
                return (struct end){ .ending = ENDING_SIGNAL, .signal = WTERMSIG(status) };
        return (struct end){ .ending = ENDING_UNKNOWN };
}

/* Newer kernels tell through the pidfd of a process that was reaped; all tell in /proc while it is a zombie. */
static struct end end_of(const struct watched *watched, int pidfd)
{
        struct pidfd_answer answer = { .mask = ANSWER_EXIT };
        struct proc_stat stat;
        int status;

        if (pidfd >= 0 && ioctl(pidfd, ANSWER_ASK, &answer) >= 0 && (answer.mask & ANSWER_EXIT))
                return end_of_status(answer.exit_code);
        if (proc_stat(watched->process->options.proc, watched->pid, &stat) >= 0 && stat.start == watched->start &&
            proc_exit_status(watched->process->options.proc, watched->pid, &status) >= 0 && status != 0)
                return end_of_status(status); /* a 0 may just as well mean that we are not allowed to know */
        return (struct end){ .ending = ENDING_UNKNOWN };
}

/* ---- what is watched ------------------------------------------------------------------------------------------------- */

static struct watched *watched_free(struct watched *watched)
{
        if (!watched)
                return NULL;
        sd_event_source_disable_unref(watched->end);
        close_fd(watched->stat);
        close_fd(watched->status);
        free(watched->agent);
        free(watched);
        return NULL;
}
DEFINE_CLEANUP_FUNC(struct watched *, watched_free);

static int on_say(sd_event_source *source, void *userdata)
{
        struct process *process = userdata;
        struct fact fact = { .kind = FACT_SOURCE, .at = clock_now(process->options.clock), .agent = "" };
        enum source_state state = process->blind_n ? SOURCE_BLIND : SOURCE_SEEING;
        char why[160] = "";

        if (state == process->state)
                return 0;
        process->state = state;
        if (state == SOURCE_BLIND)
                snprintf(why, sizeof(why),
                         "out of file descriptors: ends of %zu of %zu processes are seen up to %llu s late",
                         process->blind_n, process->n, (unsigned long long)(PROCESS_SAMPLE_EVERY / USEC_PER_SEC));
        fact.source.name = SOURCE;
        fact.source.state = state;
        fact.source.why = why;
        process->options.sink.take(process->options.sink.self, &fact);
        return 0;
}

static void tell_source(struct process *process)
{
        if ((process->blind_n ? SOURCE_BLIND : SOURCE_SEEING) != process->state)
                (void)sd_event_source_set_enabled(process->say, SD_EVENT_ONESHOT);
}

/* Takes the i-th out of the list; the last one takes its place, so walks go from the last to the first. */
static struct watched *take_out(struct process *process, size_t i)
{
        struct watched *watched = process->watched[i];

        process->watched[i] = process->watched[--process->n];
        process->blind_n -= watched->blind;
        return watched;
}

static size_t place_of(const struct process *process, pid_t pid, uint64_t start)
{
        for (size_t i = 0; i < process->n; i++)
                if (process->watched[i]->pid == pid && (start == 0 || process->watched[i]->start == start))
                        return i;
        return SIZE_MAX;
}

static void tell_died(struct watched *watched, struct end end)
{
        struct process *process = watched->process;
        struct fact fact = {
                .kind = FACT_DIED,
                .at = clock_now(process->options.clock),
                .manager = agent_manager(watched->agent),
                .agent = watched->agent,
                .instance = watched->instance,
                .ended = { .pid = watched->pid,
                           .start = watched->start,
                           .ending = end.ending,
                           .code = end.code,
                           .signal = end.signal },
        };

        process->options.sink.take(process->options.sink.self, &fact);
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        _cleanup_(watched_freep) struct watched *watched = userdata;
        struct process *process = watched->process;

        take_out(process, place_of(process, watched->pid, watched->start));
        tell_died(watched, end_of(watched, fd));
        return 0;
}

/* It was gone before it could be watched. */
static int on_gone(sd_event_source *source, void *userdata)
{
        return on_end(source, -EBADF, 0, userdata);
}

/* Opens a pidfd and makes sure that it is about the process meant: the pid may belong to somebody else by now. */
static int open_pidfd(struct watched *watched)
{
        _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, watched->pid, 0);
        struct proc_stat stat;
        int r;

        if (fd < 0)
                return -errno;
        r = proc_stat(watched->process->options.proc, watched->pid, &stat);
        if (r < 0)
                return r;
        if (watched->start != 0 && stat.start != watched->start)
                return -ESRCH;
        watched->start = stat.start;
        return TAKE_FD(fd);
}

/* The pidfd is open, so these are about the same process. Without descriptors to spare they are opened at each sample. */
static void keep_files(struct watched *watched)
{
        watched->stat = proc_keep(watched->process->options.proc, watched->pid, "stat");
        watched->status = proc_keep(watched->process->options.proc, watched->pid, "status");
}

static int watched_begin(struct watched *watched)
{
        struct process *process = watched->process;
        int fd = open_pidfd(watched);
        int r;

        if (fd == -ESRCH)
                return sd_event_add_defer(process->event, &watched->end, on_gone, watched);
        if (fd < 0) {
                watched->blind = true;
                return 0;
        }
        r = sd_event_add_io(process->event, &watched->end, fd, EPOLLIN, on_end, watched);
        if (r < 0) {
                close_fd(fd);
                return r;
        }
        keep_files(watched);
        (void)sd_event_source_set_priority(watched->end, SD_EVENT_PRIORITY_IMPORTANT);
        return sd_event_source_set_io_fd_own(watched->end, true);
}

static int make_room(struct process *process)
{
        size_t space = process->space ? process->space * 2 : 32;
        struct watched **all;

        if (process->n < process->space)
                return 0;
        all = reallocarray(process->watched, space, sizeof(*all));
        if (!all)
                return -ENOMEM;
        process->watched = all;
        process->space = space;
        return 0;
}

static void ask_measure(struct watched *watched)
{
        const struct process_options *options = &watched->process->options;

        watched->measure = options->measure ? options->measure(options->self, watched->agent)
                                            : (struct measure){ .of = MEMORY_OF_PROCESS };
}

void process_measure_again(struct process *process)
{
        for (size_t i = 0; i < process->n; i++)
                ask_measure(process->watched[i]);
}

void process_each(const struct process *process,
                  void (*each)(void *self, const char *agent, uint32_t instance, pid_t pid, uint64_t start), void *self)
{
        for (size_t i = 0; i < process->n; i++) {
                const struct watched *watched = process->watched[i];

                each(self, watched->agent, watched->instance, watched->pid, watched->start);
        }
}

size_t process_count(const struct process *process)
{
        return process->n;
}

int process_watch(struct process *process, const char *agent, uint32_t instance, pid_t pid, uint64_t start)
{
        _cleanup_(watched_freep) struct watched *watched = NULL;
        size_t at = place_of(process, pid, 0);
        int r;

        if (pid <= 0)
                return -EINVAL;
        if (at != SIZE_MAX && (start == 0 || process->watched[at]->start == start) &&
            strcmp(process->watched[at]->agent, agent) == 0)
                return 0;
        watched = calloc(1, sizeof(*watched));
        if (!watched || !(watched->agent = strdup(agent)))
                return -ENOMEM;
        watched->stat = watched->status = -EBADF;
        watched->process = process;
        watched->instance = instance;
        watched->pid = pid;
        watched->start = start;
        ask_measure(watched);
        if ((r = make_room(process)) < 0 || (r = watched_begin(watched)) < 0)
                return r;
        process->blind_n += watched->blind;
        process->watched[process->n++] = TAKE_PTR(watched);
        tell_source(process);
        return 0;
}

void process_forget(struct process *process, pid_t pid, uint64_t start)
{
        size_t at = place_of(process, pid, start);

        if (at == SIZE_MAX)
                return;
        watched_free(take_out(process, at));
        tell_source(process);
}

/* ---- samples --------------------------------------------------------------------------------------------------------- */

static int read_stat(const struct watched *watched, struct proc_stat *ret)
{
        return watched->stat >= 0 ? proc_stat_again(watched->stat, ret)
                                  : proc_stat(watched->process->options.proc, watched->pid, ret);
}

static int read_status(const struct watched *watched, struct proc_status *ret)
{
        return watched->status >= 0 ? proc_status_again(watched->status, ret)
                                    : proc_status(watched->process->options.proc, watched->pid, ret);
}

/* A child that ended and was waited for by nobody took its time along: the sum stands still then, and is a lower bound. */
static usec_t cpu_of(struct watched *watched, usec_t sum)
{
        if (sum > watched->cpu_seen)
                watched->cpu += sum - watched->cpu_seen;
        watched->cpu_seen = sum;
        return watched->cpu;
}

/* How long until it is looked at again, now that it holds so much. */
static usec_t period_of(const struct measure *measure, uint64_t bytes)
{
        bool near = measure->ceiling_bytes > 0 && bytes >= measure->ceiling_bytes / 4 * 3;

        if (measure->of == MEMORY_OF_PROCESS)
                return near ? PROCESS_SAMPLE_NEAR : PROCESS_SAMPLE_EVERY;
        return near ? PROCESS_SAMPLE_EVERY : PROCESS_SAMPLE_FAR;
}

static bool sample_one(struct watched *watched, usec_t at, struct fact *ret)
{
        const struct process_options *options = &watched->process->options;
        struct proc_status status;
        struct proc_stat stat;
        struct extent extent;

        if (read_stat(watched, &stat) < 0 || stat.start != watched->start || stat.state == 'Z')
                return false;
        if (read_status(watched, &status) < 0)
                return false;
        extent_read(options->proc, options->cgroups, watched->agent, watched->measure.of,
                    &(struct extent_main){ watched->pid, status.memory_bytes, &stat }, &extent);
        if (watched->measure.unit_cpu && extent.cpu_of != MEMORY_OF_CGROUP &&
            extent_cpu_of_unit(options->proc, options->cgroups, watched->agent, watched->pid, &extent.cpu) >= 0)
                extent.cpu_of = MEMORY_OF_CGROUP;
        *ret = (struct fact){
                .kind = FACT_SAMPLE,
                .at = at,
                .manager = agent_manager(watched->agent),
                .agent = watched->agent,
                .instance = watched->instance,
                .sample = { .pid = watched->pid,
                            .start = watched->start,
                            .memory_bytes = extent.bytes,
                            .of = extent.of,
                            .most_pid = extent.most_pid,
                            .most_bytes = extent.most_bytes,
                            .cpu = cpu_of(watched, extent.cpu),
                            .cpu_of = extent.cpu_of,
                            .voluntary = status.voluntary,
                            .involuntary = status.involuntary },
        };
        return true;
}

/* One without a pidfd is tried again each time; when it is gone, this is where that is noticed. */
static void look_at_blind(struct process *process, size_t i)
{
        struct watched *watched = process->watched[i];

        watched->blind = false;
        process->blind_n--;
        if (watched_begin(watched) >= 0)
                process->blind_n += watched->blind;
}

static usec_t on_grid(usec_t boottime, usec_t every)
{
        return (boottime / every + 1) * every;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct process *process = userdata;
        usec_t at = clock_now(process->options.clock);
        uint64_t now = usec, next;

        (void)sd_event_now(process->event, CLOCK_BOOTTIME, &now);
        next = process_next_sample(now);
        for (size_t i = process->n; i-- > 0;) {
                struct watched *watched;
                struct fact fact;

                if (i >= process->n)
                        continue; /* the sink forgot some */
                if (process->watched[i]->blind)
                        look_at_blind(process, i);
                watched = process->watched[i];
                if (watched->due <= now && sample_one(watched, at, &fact)) {
                        watched->due = on_grid(now, period_of(&watched->measure, fact.sample.memory_bytes));
                        next = watched->due < next ? watched->due : next;
                        process->options.sink.take(process->options.sink.self, &fact);
                } else if (watched->due > now && watched->due < next) {
                        next = watched->due;
                }
        }
        tell_source(process);
        (void)sd_event_source_set_time(source, next);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

usec_t process_next_sample(usec_t boottime)
{
        return on_grid(boottime, PROCESS_SAMPLE_EVERY);
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

static void raise_files(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int process_new(sd_event *event, const struct process_options *options, struct process **ret)
{
        _cleanup_(process_freep) struct process *process = calloc(1, sizeof(*process));
        uint64_t now;
        int r;

        if (!process)
                return -ENOMEM;
        process->event = sd_event_ref(event);
        process->options = *options;
        raise_files();
        if ((r = sd_event_now(event, CLOCK_BOOTTIME, &now)) < 0 ||
            (r = sd_event_add_time(event, &process->timer, CLOCK_BOOTTIME, process_next_sample(now),
                                   PROCESS_SAMPLE_SLACK, on_timer, process)) < 0 ||
            (r = sd_event_add_defer(event, &process->say, on_say, process)) < 0)
                return r;
        *ret = TAKE_PTR(process);
        return 0;
}

struct process *process_free(struct process *process)
{
        if (!process)
                return NULL;
        for (size_t i = 0; i < process->n; i++)
                watched_free(process->watched[i]);
        free(process->watched);
        sd_event_source_disable_unref(process->timer);
        sd_event_source_disable_unref(process->say);
        sd_event_unref(process->event);
        free(process);
        return NULL;
}
