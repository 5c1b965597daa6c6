#include "guard/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/names.h"
#include "guard/deadman.h"
#include "io/clock.h"
#include "io/straight.h"

/* The opener is told of before it sleeps, and can be read only once it does: at once as a rule, after a while on a busy machine, never
 * for one that plays tricks. It is put aside then, so that nobody waits for it. */
#define SOON_USEC 2000        /* one that waits no longer than this is looked at again after */
#define SOON_PAUSE_NSEC 50000 /* this, another after */
#define LATER_PAUSE_NSEC 5000000

#define PULSE_MSEC 250 /* at least so often, with nothing to answer */
#define STACK_BYTES (256 << 10)

/* clang-format off */
static const char *const reason_names[ANSWER_REASON_N] = {
        [ANSWER_READS]      = "reads",
        [ANSWER_OURS]       = "ours",
        [ANSWER_IS_ALLOWED] = "allowed",
        [ANSWER_WRITES]     = "writes",
        [ANSWER_CANNOT_SAY] = "cannot-say",
        [ANSWER_UNSETTLED]  = "unsettled",
};
/* clang-format on */

NAMES_DEFINE(answer_reason, reason_names)

bool answer_reason_denies(enum answer_reason reason)
{
        return reason >= ANSWER_WRITES;
}

/* An opener that could not be read yet. */
struct pending {
        int fd;
        pid_t thread;
        usec_t since;
};

struct verdict {
        dev_t device;
        ino_t inode;
        unsigned allowed_n;
        char (*allowed)[PROC_CGROUP_MAX];
};

/* Made whole before it is seen, never changed afterwards. */
struct table {
        struct table *retired; /* the next one that waits to be freed */
        size_t n;
        char (*cgroups)[PROC_CGROUP_MAX];
        struct verdict list[]; /* by device and inode */
};

struct answer {
        const struct proc *proc;
        const char *const *own;
        struct deadman *deadman;
        int fanotify, records, end; /* records: an eventfd for the loop; end: one for the thread */
        pthread_t thread;
        bool started;

        _Atomic(struct table *) table;
        _Atomic(struct table *) reading; /* what the thread looks at: that one must not be freed yet */
        struct table *retired;

        struct answer_record ring[ANSWER_RING_N];
        atomic_uint written, taken; /* by the thread, by the loop: both only ever grow */
        atomic_ullong dropped;

        struct pending pending[ANSWER_PENDING_N]; /* the thread's alone */
        unsigned pending_n;
};

/* ---- the thread ------------------------------------------------------------------------------------------------------------ */

static struct table *hold_table(struct answer *answer)
{
        struct table *table;

        do {
                table = atomic_load(&answer->table);
                atomic_store(&answer->reading, table);
        } while (table != atomic_load(&answer->table)); /* freed between the two? then it is another by now */
        return table;
}

static const struct verdict *find_verdict(const struct table *table, const struct stat *st)
{
        size_t low = 0, high = table ? table->n : 0;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const struct verdict *at = &table->list[middle];

                if (at->device == st->st_dev && at->inode == st->st_ino)
                        return at;
                if (at->device < st->st_dev || (at->device == st->st_dev && at->inode < st->st_ino))
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

/* tgkill() of no signal succeeds for threads of ours alone, and reads no file. */
static bool is_ours(pid_t thread)
{
        return syscall(SYS_tgkill, getpid(), thread, 0) == 0;
}

/* -EAGAIN: it does not sleep yet. */
static int read_call(const struct answer *answer, pid_t thread, enum answer_reason *ret, int64_t *ret_call)
{
        char path[64], text[256];
        ssize_t size;

        snprintf(path, sizeof(path), "%d/syscall", (int)thread);
        size = proc_read(answer->proc, path, text, sizeof(text));
        return size < 0 ? (int)size : answer_parse_call(text, (size_t)size, ret, ret_call);
}

static bool may_write(const struct answer *answer, const struct verdict *verdict, pid_t thread)
{
        char cgroup[PROC_CGROUP_MAX];

        if (verdict->allowed_n == 0 || proc_cgroup(answer->proc, thread, cgroup) < 0)
                return false;
        for (unsigned n = 0; n < verdict->allowed_n; n++)
                if (path_is_within(cgroup, verdict->allowed[n]))
                        return true;
        return false;
}

static void put_record(struct answer *answer, const struct answer_record *record)
{
        unsigned written = atomic_load_explicit(&answer->written, memory_order_relaxed);
        const uint64_t one = 1;

        if (written - atomic_load_explicit(&answer->taken, memory_order_acquire) == ANSWER_RING_N) {
                atomic_fetch_add(&answer->dropped, 1);
                return;
        }
        answer->ring[written % ANSWER_RING_N] = *record;
        atomic_store_explicit(&answer->written, written + 1, memory_order_release);
        (void)!write(answer->records, &one, sizeof(one));
}

/* While it still waits: then it cannot become somebody else. */
static void note(struct answer *answer, pid_t thread, const struct stat *st, struct answer_record *record)
{
        record->at = clock_read(CLOCK_BOOTTIME);
        record->device = st->st_dev;
        record->inode = st->st_ino;
        who_glance(answer->proc, thread, &record->who);
        if (record->who.source == WHO_PROC)
                record->who.source = WHO_BLOCKED;
        put_record(answer, record);
}

/* False: not yet. */
static bool judge_call(struct answer *answer, const struct pending *opener, const struct verdict *verdict, usec_t now,
                       struct answer_record *record)
{
        int r = read_call(answer, opener->thread, &record->reason, &record->call);

        if (r == -EAGAIN && usec_since(now, opener->since) < ANSWER_SETTLE_LIMIT)
                return false;
        if (r < 0)
                record->reason = ANSWER_UNSETTLED;
        if (answer_reason_denies(record->reason) && may_write(answer, verdict, opener->thread))
                record->reason = ANSWER_IS_ALLOWED;
        return true;
}

/* False: not yet. A file without a verdict is on its way into the table, or out of it. */
static bool judge(struct answer *answer, const struct pending *opener, usec_t now, enum answer_reason *ret)
{
        struct answer_record record = { .reason = ANSWER_READS, .call = -1 };
        const struct verdict *verdict;
        bool settled = true;
        struct stat st;

        *ret = ANSWER_OURS;
        if (is_ours(opener->thread))
                return true;
        *ret = ANSWER_UNSETTLED;
        if (fstat(opener->fd, &st) < 0)
                return true;
        verdict = find_verdict(hold_table(answer), &st);
        if (verdict)
                settled = judge_call(answer, opener, verdict, now, &record);
        atomic_store(&answer->reading, NULL);
        if (settled && record.reason != ANSWER_READS)
                note(answer, opener->thread, &st, &record);
        *ret = record.reason;
        return settled;
}

static void give(struct answer *answer, const struct pending *opener, enum answer_reason reason)
{
        const struct fanotify_response response = {
                .fd = opener->fd,
                .response = answer_reason_denies(reason) ? FAN_DENY : FAN_ALLOW,
        };

        (void)!write(answer->fanotify, &response, sizeof(response));
        (void)close(opener->fd);
        deadman_feel(answer->deadman);
}

static void answer_one(struct answer *answer, const struct fanotify_event_metadata *event, usec_t now)
{
        const struct pending opener = { .fd = event->fd, .thread = event->pid, .since = now };
        enum answer_reason reason;

        if (event->fd < 0) /* the queue overflowed, which this kind never does */
                return;
        if (judge(answer, &opener, now, &reason))
                give(answer, &opener, reason);
        else if (answer->pending_n < ANSWER_PENDING_N)
                answer->pending[answer->pending_n++] = opener;
        else
                give(answer, &opener, ANSWER_UNSETTLED);
}

static void answer_new_ones(struct answer *answer)
{
        struct fanotify_event_metadata events[32];
        const struct fanotify_event_metadata *event;
        ssize_t n;

        while ((n = read(answer->fanotify, events, sizeof(events))) > 0)
                for (event = events; FAN_EVENT_OK(event, n); event = FAN_EVENT_NEXT(event, n))
                        answer_one(answer, event, clock_read(CLOCK_MONOTONIC));
}

/* Those put aside; when the next look at them is wanted goes to `ret`. */
static void answer_pending(struct answer *answer, struct timespec *ret)
{
        const usec_t now = clock_read(CLOCK_MONOTONIC);
        unsigned kept = 0;

        *ret = (struct timespec){ .tv_nsec = PULSE_MSEC * 1000000L };
        for (unsigned n = 0; n < answer->pending_n; n++) {
                const struct pending opener = answer->pending[n];
                enum answer_reason reason;

                if (judge(answer, &opener, now, &reason)) {
                        give(answer, &opener, reason);
                        continue;
                }
                if (ret->tv_nsec != SOON_PAUSE_NSEC)
                        ret->tv_nsec = usec_since(now, opener.since) < SOON_USEC ? SOON_PAUSE_NSEC : LATER_PAUSE_NSEC;
                answer->pending[kept++] = opener;
        }
        answer->pending_n = kept;
}

static void *run(void *self)
{
        struct answer *answer = self;
        struct pollfd fds[] = { { .fd = answer->fanotify, .events = POLLIN }, { .fd = answer->end, .events = POLLIN } };
        struct timespec pause;

        while (!(fds[1].revents & POLLIN)) {
                deadman_feel(answer->deadman);
                answer_pending(answer, &pause);
                (void)ppoll(fds, 2, &pause, NULL);
                answer_new_ones(answer);
        }
        for (unsigned n = 0; n < answer->pending_n; n++) /* nobody is guarded from here on */
                give(answer, &answer->pending[n], ANSWER_READS);
        return NULL;
}

/* ---- the loop's side --------------------------------------------------------------------------------------------------------- */

/* Signals are the loop's. */
static int begin_thread(struct answer *answer)
{
        pthread_attr_t attributes;
        sigset_t all, before;
        int r;

        sigfillset(&all);
        r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;
        r = pthread_attr_setstacksize(&attributes, STACK_BYTES);
        if (r == 0)
                r = pthread_sigmask(SIG_SETMASK, &all, &before);
        if (r == 0) {
                r = pthread_create(&answer->thread, &attributes, run, answer);
                answer->started = r == 0;
                (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        }
        (void)pthread_attr_destroy(&attributes);
        return -r;
}

int answer_new(const struct answer_options *options, struct answer **ret)
{
        _cleanup_(answer_freep) struct answer *answer = calloc(1, sizeof(*answer));
        int r;

        if (!answer)
                return -ENOMEM;
        answer->proc = options->proc;
        answer->own = options->own;
        answer->fanotify = answer->records = answer->end = -EBADF;
        answer->fanotify = fanotify_init(FAN_CLASS_CONTENT | FAN_REPORT_TID | FAN_UNLIMITED_MARKS |
                                                 FAN_UNLIMITED_QUEUE | FAN_CLOEXEC | FAN_NONBLOCK,
                                         O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NOATIME);
        if (answer->fanotify < 0)
                return -errno;
        answer->records = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        answer->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (answer->records < 0 || answer->end < 0)
                return -errno;
        r = deadman_new(options->stall_limit ? options->stall_limit : ANSWER_STALL_LIMIT, &answer->deadman);
        if (r >= 0)
                r = begin_thread(answer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(answer);
        return 0;
}

static struct table *table_free(struct table *table)
{
        if (table)
                free(table->cgroups);
        free(table);
        return NULL;
}

struct answer *answer_free(struct answer *answer)
{
        const uint64_t one = 1;

        if (!answer)
                return NULL;
        if (answer->started) {
                (void)!write(answer->end, &one, sizeof(one));
                (void)pthread_join(answer->thread, NULL);
        }
        close_fd(answer->fanotify);
        deadman_free(answer->deadman);
        close_fd(answer->records);
        close_fd(answer->end);
        table_free(atomic_load(&answer->table));
        for (struct table *table = answer->retired, *next; table; table = next) {
                next = table->retired;
                table_free(table);
        }
        free(answer);
        return NULL;
}

static int by_file(const void *a, const void *b)
{
        const struct verdict *one = a, *other = b;

        if (one->device != other->device)
                return one->device < other->device ? -1 : 1;
        return one->inode < other->inode ? -1 : one->inode > other->inode;
}

static size_t allowed_of(const struct answer_file *file)
{
        size_t n = 0;

        while (n < ANSWER_ALLOWED_MAX && file->allowed[n])
                n++;
        return n;
}

static bool may_be_allowed(const char *cgroup)
{
        return cgroup[0] == '/' && cgroup[1] && strlen(cgroup) < PROC_CGROUP_MAX;
}

static int fill(struct table *table, const struct answer_file *files, size_t n)
{
        size_t next = 0;

        for (size_t i = 0; i < n; i++) {
                struct verdict *verdict = &table->list[i];

                *verdict = (struct verdict){ files[i].device, files[i].inode, .allowed = table->cgroups + next };
                for (; verdict->allowed_n < allowed_of(&files[i]); verdict->allowed_n++, next++) {
                        if (!may_be_allowed(files[i].allowed[verdict->allowed_n]))
                                return -EINVAL;
                        strcpy(table->cgroups[next], files[i].allowed[verdict->allowed_n]);
                }
        }
        table->n = n;
        qsort(table->list, n, sizeof(table->list[0]), by_file);
        return 0;
}

/* The thread looks at one table at most; all others that were replaced can go. */
static void free_retired(struct answer *answer)
{
        struct table **at = &answer->retired;

        while (*at) {
                struct table *table = *at;

                if (table == atomic_load(&answer->reading)) {
                        at = &table->retired;
                        continue;
                }
                *at = table->retired;
                table_free(table);
        }
}

int answer_set(struct answer *answer, const struct answer_file *files, size_t n)
{
        struct table *table, *old;
        size_t cgroups = 0;
        int r;

        if (n > ANSWER_FILES_MAX)
                return -ENOSPC;
        for (size_t i = 0; i < n; i++)
                cgroups += allowed_of(&files[i]);
        table = calloc(1, sizeof(*table) + n * sizeof(table->list[0]));
        if (!table)
                return -ENOMEM;
        table->cgroups = calloc(cgroups + 1, sizeof(table->cgroups[0]));
        r = table->cgroups ? fill(table, files, n) : -ENOMEM;
        if (r < 0) {
                table_free(table);
                return r;
        }
        old = atomic_exchange(&answer->table, table);
        if (old) {
                old->retired = answer->retired;
                answer->retired = old;
        }
        free_retired(answer);
        return 0;
}

static int change_mark(struct answer *answer, int fd, unsigned flags)
{
        char path[32];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return fanotify_mark(answer->fanotify, flags, FAN_OPEN_PERM, AT_FDCWD, path) < 0 ? -errno : 0;
}

int answer_mark(struct answer *answer, const char *path, char why[NEEDED_WHY_MAX])
{
        _cleanup_close_ int fd = straight_open(path, O_PATH);
        int r;

        why[0] = '\0';
        if (fd < 0)
                return fd;
        r = needed_by_system(answer->proc, answer->own, path, fd, why);
        return r != 0 ? r : change_mark(answer, fd, FAN_MARK_ADD);
}

int answer_unmark(struct answer *answer, const char *path)
{
        _cleanup_close_ int fd = straight_open(path, O_PATH);
        int r = fd < 0 ? fd : change_mark(answer, fd, FAN_MARK_REMOVE);

        return r == -ENOENT && fd >= 0 ? 0 : r; /* it had none */
}

int answer_fd(const struct answer *answer)
{
        return answer->records;
}

void answer_take(struct answer *answer, void (*take)(void *self, const struct answer_record *record), void *self,
                 uint64_t *ret_dropped)
{
        unsigned taken = atomic_load_explicit(&answer->taken, memory_order_relaxed);
        uint64_t count;

        (void)!read(answer->records, &count, sizeof(count));
        while (taken != atomic_load_explicit(&answer->written, memory_order_acquire)) {
                struct answer_record record = answer->ring[taken % ANSWER_RING_N];

                atomic_store_explicit(&answer->taken, ++taken, memory_order_release);
                take(self, &record);
        }
        *ret_dropped = atomic_exchange(&answer->dropped, 0);
}

int answer_check(struct answer *answer)
{
        return deadman_check(answer->deadman);
}
