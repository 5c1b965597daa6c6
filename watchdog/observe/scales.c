#include "observe/scales.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/clock.h"
#include "observe/extent.h"

#define LEAST_BYTES (4u << 20) /* nobody is restarted for less */
#define RESULTS_MAX (SCALES_WEIGHED_MAX + SCALES_SPARED_MAX + 1)
#define ROLLUPS_MAX 64 /* processes of one agent that are measured exactly */
#define PATIENCE (2 * USEC_PER_SEC)
#define ANCESTORS_MAX 64
#define STACK_BYTES (256u << 10)
#define NOBODY SIZE_MAX
#define GOD "PM2 v" /* what PM2's daemon calls itself */

/* One process of the machine. */
struct row {
        pid_t pid, parent;
        uint64_t start, bytes;
        size_t subject; /* whose it is, or NOBODY */
        bool god;
};

struct subject {
        char *agent;
        uint32_t instance;
        pid_t pid;
        uint64_t start;
        bool spared;
        bool carries;
        uint64_t bytes; /* of all its processes, as status tells */
};

struct result {
        size_t subject; /* NOBODY: a process that is no agent's */
        pid_t pid;
        uint64_t bytes, swap_bytes;
        enum memory_of of;
        enum weighed how;
        char name[PROC_COMM_MAX];
};

/* All that the helper sees; it belongs to both until one of them is done with it. */
struct job {
        atomic_int owners;
        struct proc proc, cgroups;
        int finished;       /* eventfd */
        bool quick;         /* in the loop: no exact figures */
        atomic_bool helped; /* a helper is at it */
        struct subject *subjects;
        size_t subjects_n, only;
        pid_t *gods;
        size_t gods_n;
        struct row *rows;
        size_t rows_n, rows_space;
        struct result results[RESULTS_MAX];
        size_t results_n;
};

struct scales {
        sd_event *event;
        struct scales_options options;
        sd_event_source *answered;
        struct job *job;    /* being done, NULL none */
        struct job *helper; /* the one given to a helper last, NULL: none ever was */
};

/* ---- the job --------------------------------------------------------------------------------------------------------- */

static void job_unref(struct job *job)
{
        if (!job || atomic_fetch_sub(&job->owners, 1) > 1)
                return;
        for (size_t i = 0; i < job->subjects_n; i++)
                free(job->subjects[i].agent);
        free(job->subjects);
        free(job->gods);
        free(job->rows);
        proc_done(&job->proc);
        proc_done(&job->cgroups);
        close_fd(job->finished);
        free(job);
}

static struct job *job_ref(struct job *job)
{
        atomic_fetch_add(&job->owners, 1);
        return job;
}

static void job_freep(struct job **job)
{
        job_unref(*job);
}

static int copy_question(struct job *job, const struct scales_question *question)
{
        job->only = question->only;
        job->subjects = calloc(question->n + 1, sizeof(*job->subjects));
        job->gods = calloc(question->gods_n + 1, sizeof(*job->gods));
        if (!job->subjects || !job->gods)
                return -ENOMEM;
        for (; job->gods_n < question->gods_n; job->gods_n++)
                job->gods[job->gods_n] = question->gods[job->gods_n];
        for (; job->subjects_n < question->n; job->subjects_n++) {
                const struct scales_subject *from = &question->subjects[job->subjects_n];

                job->subjects[job->subjects_n] = (struct subject){ .agent = strdup(from->agent),
                                                                   .instance = from->instance,
                                                                   .pid = from->pid,
                                                                   .start = from->start,
                                                                   .spared = from->spared };
                if (!job->subjects[job->subjects_n].agent)
                        return -ENOMEM;
        }
        return 0;
}

/* Descriptors of its own: ours may be closed before it is done. */
static int job_new(const struct scales *scales, const struct scales_question *question, struct job **ret)
{
        _cleanup_(job_freep) struct job *job = calloc(1, sizeof(*job));
        const struct proc *cgroups = scales->options.cgroups;
        int r;

        if (!job)
                return -ENOMEM;
        job->owners = 1;
        job->cgroups.fd = job->finished = -EBADF;
        job->proc.fd = fcntl(scales->options.proc->fd, F_DUPFD_CLOEXEC, 3);
        if (job->proc.fd < 0)
                return -errno;
        if (cgroups && cgroups->fd >= 0)
                job->cgroups.fd = fcntl(cgroups->fd, F_DUPFD_CLOEXEC, 3);
        r = copy_question(job, question);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(job);
        return 0;
}

/* ---- whose each process is ------------------------------------------------------------------------------------------- */

static bool is_god(const struct job *job, pid_t pid)
{
        for (size_t i = 0; i < job->gods_n; i++)
                if (job->gods[i] == pid)
                        return true;
        return false;
}

/* Kernel threads, and what vanished on the way, hold nothing. */
static int add_row(void *self, pid_t pid)
{
        struct job *job = self;
        struct proc_stat stat;
        uint64_t bytes;

        if (proc_stat(&job->proc, pid, &stat) < 0 || proc_memory(&job->proc, pid, &bytes) < 0)
                return 0;
        if (job->rows_n == job->rows_space) {
                size_t space = job->rows_space > 0 ? 2 * job->rows_space : 256;
                struct row *rows = reallocarray(job->rows, space, sizeof(*rows));

                if (!rows)
                        return -ENOMEM;
                job->rows = rows;
                job->rows_space = space;
        }
        job->rows[job->rows_n++] = (struct row){
                .pid = pid,
                .parent = stat.parent,
                .start = stat.start,
                .bytes = bytes,
                .subject = NOBODY,
                .god = strncmp(stat.comm, GOD, strlen(GOD)) == 0 || is_god(job, pid),
        };
        return 0;
}

static int by_pid(const void *a, const void *b)
{
        const struct row *x = a, *y = b;

        return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static struct row *row_of(const struct job *job, pid_t pid)
{
        const struct row key = { .pid = pid };

        return job->rows_n > 0 ? bsearch(&key, job->rows, job->rows_n, sizeof(key), by_pid) : NULL;
}

static void mark_main_processes(struct job *job)
{
        for (size_t i = 0; i < job->subjects_n; i++) {
                struct row *row = row_of(job, job->subjects[i].pid);

                if (row && row->start == job->subjects[i].start)
                        row->subject = i;
        }
}

/* The walk was no moment: a parent may be missing, or another process by now. A circle ends too. */
static size_t subject_above(const struct job *job, const struct row *row)
{
        for (unsigned depth = 0; row && depth < ANCESTORS_MAX; depth++) {
                if (row->subject != NOBODY)
                        return row->subject;
                row = row->parent > 1 ? row_of(job, row->parent) : NULL;
        }
        return NOBODY;
}

/* A daemon that left its parents is still in the cgroup that its unit's restart empties. */
static size_t subject_of_unit(const struct job *job, const struct row *row)
{
        char unit[PROC_UNIT_MAX];

        if (proc_unit(&job->proc, row->pid, unit) < 0)
                return NOBODY;
        for (size_t i = 0; i < job->subjects_n; i++)
                if (text_starts(job->subjects[i].agent, "systemd:") &&
                    strcmp(job->subjects[i].agent + strlen("systemd:"), unit) == 0)
                        return i;
        return NOBODY;
}

static int survey(struct job *job)
{
        int r = proc_each(&job->proc, add_row, job);

        if (r < 0)
                return r;
        if (job->rows_n > 0)
                qsort(job->rows, job->rows_n, sizeof(*job->rows), by_pid);
        mark_main_processes(job);
        for (size_t i = 0; i < job->rows_n; i++) {
                struct row *row = &job->rows[i];

                row->subject = subject_above(job, row);
                if (row->subject == NOBODY)
                        row->subject = subject_of_unit(job, row);
                if (row->subject == NOBODY)
                        continue;
                job->subjects[row->subject].bytes += row->bytes;
                job->subjects[row->subject].carries |= row->god;
        }
        return 0;
}

/* ---- what it weighs -------------------------------------------------------------------------------------------------- */

static void weigh_processes(struct job *job, size_t subject, usec_t until, struct result *result)
{
        size_t n = 0;

        result->how = WEIGHED_ROLLUP;
        for (size_t i = 0; i < job->rows_n; i++) {
                struct proc_rollup rollup = { .bytes = job->rows[i].bytes };

                if (job->rows[i].subject != subject)
                        continue;
                if (job->quick || n >= ROLLUPS_MAX || clock_read(CLOCK_MONOTONIC) > until)
                        result->how = WEIGHED_STATUS;
                else if (proc_rollup(&job->proc, job->rows[i].pid, &rollup) == -EACCES)
                        result->how = WEIGHED_STATUS;
                result->bytes += rollup.bytes;
                result->swap_bytes += rollup.swap_bytes;
                n++;
        }
        result->of = n > 1 ? MEMORY_OF_TREE : MEMORY_OF_PROCESS;
}

static bool weigh_cgroup(struct job *job, const struct subject *subject, struct result *result)
{
        char path[PROC_CGROUP_MAX];

        if (subject->carries || extent_find_cgroup(&job->proc, subject->agent, subject->pid, path) < 0 ||
            extent_freed_of_cgroup(&job->cgroups, path, &result->bytes, &result->swap_bytes) < 0)
                return false;
        result->of = MEMORY_OF_CGROUP;
        result->how = WEIGHED_CGROUP;
        return true;
}

static void weigh_one(struct job *job, size_t index, usec_t until)
{
        const struct subject *subject = &job->subjects[index];
        struct result *result = &job->results[job->results_n++];
        struct proc_stat stat;

        *result = (struct result){ .subject = index, .pid = subject->pid };
        if (!weigh_cgroup(job, subject, result))
                weigh_processes(job, index, until, result);
        if (proc_stat(&job->proc, subject->pid, &stat) < 0 || stat.start != subject->start)
                result->how = WEIGHED_NOT;
}

/* The largest of those not weighed yet. */
static size_t next_largest(const struct job *job, bool spared)
{
        size_t found = NOBODY;

        for (size_t i = 0; i < job->subjects_n; i++) {
                const struct subject *subject = &job->subjects[i];
                bool weighed = false;

                for (size_t k = 0; k < job->results_n; k++)
                        weighed |= job->results[k].subject == i;
                if (!weighed && subject->spared == spared && subject->bytes >= LEAST_BYTES &&
                    (found == NOBODY || subject->bytes > job->subjects[found].bytes))
                        found = i;
        }
        return found;
}

static void weigh_largest(struct job *job, bool spared, size_t most, usec_t until)
{
        size_t index;

        while (most-- > 0 && (index = next_largest(job, spared)) != NOBODY)
                weigh_one(job, index, until);
}

/* Always the last: with it the answer is complete, also where there is none. */
static void add_stranger(struct job *job)
{
        struct result *result = &job->results[job->results_n++];
        const struct row *largest = NULL;
        struct proc_stat stat;

        *result = (struct result){ .subject = NOBODY, .how = WEIGHED_STATUS };
        for (size_t i = 0; i < job->rows_n; i++)
                if (job->rows[i].subject == NOBODY && (!largest || job->rows[i].bytes > largest->bytes))
                        largest = &job->rows[i];
        if (!largest || largest->bytes < LEAST_BYTES || proc_stat(&job->proc, largest->pid, &stat) < 0)
                return;
        result->pid = largest->pid;
        result->bytes = largest->bytes;
        text_copy_safe(result->name, sizeof(result->name), stat.comm);
}

static void weigh(struct job *job)
{
        usec_t until = clock_read(CLOCK_MONOTONIC) + PATIENCE;

        (void)survey(job); /* as far as it came */
        if (job->only != NOBODY) {
                weigh_one(job, job->only, until);
        } else {
                weigh_largest(job, false, SCALES_WEIGHED_MAX, until);
                weigh_largest(job, true, SCALES_SPARED_MAX, until);
                add_stranger(job);
        }
        free(job->rows);
        job->rows = NULL;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------ */

static void tell(const struct scales *scales, const struct job *job, size_t index)
{
        const struct result *result = &job->results[index];
        const struct subject *subject = result->subject == NOBODY ? NULL : &job->subjects[result->subject];
        struct fact fact = {
                .kind = FACT_WEIGHT,
                .at = clock_now(scales->options.clock),
                .manager = subject ? agent_manager(subject->agent) : MANAGER_NONE,
                .agent = subject ? subject->agent : "",
                .instance = subject ? subject->instance : INSTANCE_ALL,
                .weight = { .pid = result->pid,
                            .start = subject ? subject->start : 0,
                            .frees_bytes = result->bytes,
                            .swap_bytes = result->swap_bytes,
                            .of = result->of,
                            .how = result->how,
                            .carries = subject && subject->carries,
                            .left = (uint32_t)(job->results_n - 1 - index),
                            .name = result->name },
        };

        scales->options.sink.take(scales->options.sink.self, &fact);
}

static int on_answered(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct scales *scales = userdata;
        _cleanup_(job_freep) struct job *job = TAKE_PTR(scales->job);

        scales->answered = sd_event_source_disable_unref(scales->answered);
        if (scales->helper == job)
                job_unref(TAKE_PTR(scales->helper));
        for (size_t i = 0; job && i < job->results_n; i++)
                tell(scales, job, i);
        return 0;
}

static void *help(void *userdata)
{
        struct job *job = userdata;

        weigh(job);
        atomic_store(&job->helped, false);
        (void)eventfd_write(job->finished, 1);
        job_unref(job);
        return NULL;
}

/* Signals are for the thread that expects them. Nobody waits for this one: it may be stuck in the kernel. */
static int start_helper(struct job *job)
{
        pthread_attr_t attributes;
        sigset_t all, before;
        pthread_t thread;
        int r;

        sigfillset(&all);
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        atomic_store(&job->helped, true);
        r = pthread_create(&thread, &attributes, help, job_ref(job));
        if (r != 0) {
                atomic_store(&job->helped, false);
                job_unref(job);
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return -r;
}

static int begin(struct scales *scales, struct job *job)
{
        int r;

        job->finished = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (job->finished < 0)
                return -errno;
        r = sd_event_add_io(scales->event, &scales->answered, job->finished, EPOLLIN, on_answered, scales);
        if (r < 0)
                return r;
        if (!scales->helper || !atomic_load(&scales->helper->helped)) {
                if (start_helper(job) >= 0)
                        return 0;
        }
        job->quick = true; /* there is none, or it is stuck in the one before */
        weigh(job);
        return eventfd_write(job->finished, 1) < 0 ? -errno : 0;
}

int scales_weigh(struct scales *scales, const struct scales_question *question)
{
        _cleanup_(job_freep) struct job *job = NULL;
        int r = question->only == SIZE_MAX || question->only < question->n ? job_new(scales, question, &job) : -EINVAL;

        if (r < 0)
                return r;
        scales->answered = sd_event_source_disable_unref(scales->answered);
        r = begin(scales, job);
        if (r < 0)
                return r;
        if (!job->quick) {
                job_unref(scales->helper);
                scales->helper = job_ref(job);
        }
        job_unref(scales->job); /* whatever it would still say is about another moment */
        scales->job = TAKE_PTR(job);
        return 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

int scales_new(sd_event *event, const struct scales_options *options, struct scales **ret)
{
        struct scales *scales = calloc(1, sizeof(*scales));

        if (!scales)
                return -ENOMEM;
        scales->event = sd_event_ref(event);
        scales->options = *options;
        *ret = scales;
        return 0;
}

struct scales *scales_free(struct scales *scales)
{
        if (!scales)
                return NULL;
        sd_event_source_disable_unref(scales->answered);
        job_unref(scales->job);
        job_unref(scales->helper);
        sd_event_unref(scales->event);
        free(scales);
        return NULL;
}
