#pragma once
/*
 * Answers who wants to open a guarded file that has to stay writable for some: reading is everybody's, writing is for the cgroups that are
 * allowed to, and nobody else's. The kernel holds the opener until the answer is there (fanotify's FAN_OPEN_PERM), so a thread of
 * its own gives it, whatever the loop is doing. It opens nothing but files of the opener's in /proc, allocates and logs nothing,
 * reads a table that is swapped in one step, and leaves what it did in a ring for the loop.
 *
 * What a process may do is read off the system call that it is held in. Where that cannot say it (openat2 and io_uring have their flags
 * in memory that can change after the look) the answer is no. Only opens are held: a file that is renamed, removed or truncated by
 * path, or was open before, is not, which is why this is never the only guard of a file.
 *
 * When this process is killed the kernel lets go whoever waits, and lets all open; when it is only stopped, a dead-man's switch kills it
 * after ANSWER_STALL_LIMIT.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/usec.h"
#include "guard/needed.h"
#include "guard/who.h"
#include "io/cleanup.h"

struct answer;

#define ANSWER_STALL_LIMIT \
        (10 * USEC_PER_SEC)  /* the longest anybody waits while we are stopped, give or take a tenth */
#define ANSWER_ALLOWED_MAX 8 /* cgroups a file */
#define ANSWER_FILES_MAX 4096
#define ANSWER_RING_N 256    /* records that wait for the loop; one more is counted as dropped */
#define ANSWER_PENDING_N 256 /* openers that could not be read yet; one more is denied */
#define ANSWER_SETTLE_LIMIT \
        (5 * USEC_PER_SEC) /* one of them is given so long: a starved VM may take more than a second */

enum answer_reason {
        ANSWER_READS,      /* allowed: it only reads or executes. Not recorded. */
        ANSWER_OURS,       /* allowed: it is this process. Not recorded. */
        ANSWER_IS_ALLOWED, /* allowed: it may write, by its cgroup */
        ANSWER_WRITES,     /* denied: it wants to write and may not */
        ANSWER_CANNOT_SAY, /* denied: the system call does not say what it wants */
        ANSWER_UNSETTLED,  /* denied: the opener could not be read in time, or is gone */
        ANSWER_REASON_N,
};

const char *answer_reason_name(enum answer_reason reason);
enum answer_reason answer_reason_from_name(const char *name);
bool answer_reason_denies(enum answer_reason reason);

struct answer_record {
        usec_t at; /* CLOCK_BOOTTIME */
        dev_t device;
        ino_t inode;
        enum answer_reason reason;
        int64_t call;   /* the system call's number; negative: not known */
        struct who who; /* without the command line; WHO_BLOCKED: read while it waited */
};

/* A file, and the cgroups that may write to it, each with all below it. "/" is refused: it would be everybody. */
struct answer_file {
        dev_t device;
        ino_t inode;
        const char *allowed[ANSWER_ALLOWED_MAX]; /* a loan for the call; NULL behind the last */
};

struct answer_options {
        const struct proc *proc; /* outlives it, and so do these: */
        const char *const *own;  /* Governor's own folders, never marked; ends with NULL, or is NULL */
        usec_t stall_limit;      /* 0: ANSWER_STALL_LIMIT */
};

/* Begins the thread and its switch. -EPERM, -ENOSYS, -EINVAL: the kernel does not let us. */
int answer_new(const struct answer_options *options, struct answer **ret);

/* All marks go, and whoever waits may go on. */
struct answer *answer_free(struct answer *answer);
DEFINE_CLEANUP_FUNC(struct answer *, answer_free);

/* These files from now on, in one step: no opener sees half of it. A marked file that is not among them is everybody's. */
int answer_set(struct answer *answer, const struct answer_file *files, size_t n);

/*
 * Holds the opens of the file that is at the path now. `why` says what stands against it: 1 and a reason when the system needs this file
 * (needed.h) and it is left alone. -ENOSPC: no more marks; other negative errno.
 */
int answer_mark(struct answer *answer, const char *path, char why[NEEDED_WHY_MAX]);

/* Lets go of the file that is at the path now. */
int answer_unmark(struct answer *answer, const char *path);

/* Readable when there are records. */
int answer_fd(const struct answer *answer);

/* Takes the records that wait. `ret_dropped` counts those that found no room since the last time: they were answered as well. */
void answer_take(struct answer *answer, void (*take)(void *self, const struct answer_record *record), void *self,
                 uint64_t *ret_dropped);

/* To be called now and then: begins the switch anew where somebody ended it. 1: that was so; negative errno: it could not be. */
int answer_check(struct answer *answer);

/* What the blocked system call says. `text` is /proc/TID/syscall; the number goes to `ret_call`. -EAGAIN: it does not wait yet. */
int answer_parse_call(const char *text, size_t size, enum answer_reason *ret, int64_t *ret_call);
