#pragma once
/*
 * Hears of what happens to guarded files and to the folders that lead to them, and who did it as far as the kernel tells: by fanotify
 * where the kernel lets us, by inotify for the rest.
 *
 * What is heard is a reason to look, and no more. The kernel joins changes of one process into one event, so events are never
 * counted; and it drops what comes while 16,384 of them wait, which anybody who may write can bring about. A thread that
 * reads would not change that, it would only move where they wait; so the loop reads, before it does anything else, and
 * whoever hears `lost` looks at everything.
 *
 * Not heard at all: a mount over a file (mounts.h), a write through a mapping before it ends, a write to the disk below the file
 * system, and what the kernel refuses (attempts.h).
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/path.h"
#include "base/usec.h"
#include "io/cleanup.h"

struct watch;

/* What is wanted of a path. A path may have several roles, one call each. */
enum watch_role {
        WATCH_FILE, /* the file itself, by whatever name, link or mount it is reached */
        WATCH_FOLDER, /* its names, and each file in it as far as it is reached through this folder: costs one mark for all */
        WATCH_NAMES, /* its names only: for busy folders in which few files are guarded, each one as WATCH_FILE */
        WATCH_ABOVE, /* whether the folder itself is moved or removed: for all folders on the way to what is guarded */
        WATCH_ROLE_N,
};

/* What happened, any number of them at once. */
enum watch_what {
        WATCH_WRITTEN = 1 << 0,    /* its content; of a mapping only once that ends */
        WATCH_ATTRIBUTES = 1 << 1, /* mode, owner, times, extended attributes, number of links */
        WATCH_CREATED = 1 << 2,
        WATCH_REMOVED = 1 << 3, /* this name of it */
        WATCH_MOVED_HERE = 1 << 4,
        WATCH_MOVED_AWAY = 1 << 5,
        WATCH_GONE =
                1 << 6, /* what was watched at this path is moved or no more: arm the path, and what is below, again */
        WATCH_EXCEPT_GONE = WATCH_GONE - 1,
};

/* What the kernel knows of who did it. What it does not know is never 0 or root. */
enum watch_teller {
        WATCH_UNTOLD,  /* nothing: inotify, or fanotify without the right to know */
        WATCH_OUTSIDE, /* a process outside of our pid namespace, of which it has no pid */
        WATCH_ENDED,   /* the pid; the process had ended, so that somebody else may have the pid now */
        WATCH_UNHELD,  /* the pid; the kernel could not hold the process for us */
        WATCH_HELD,    /* the pid and the process, alive or not yet waited for */
};

struct watch_event {
        usec_t at;        /* when we read it, as given to watch_take() */
        unsigned what;    /* of enum watch_what */
        const char *path; /* a loan for the call; its last name may be one that anybody chose */
        bool is_folder;
        bool own; /* by this process: our hand, or a thread of ours */
        enum watch_teller teller;
        pid_t pid; /* 0 where there is none */
        int pidfd; /* WATCH_HELD, a loan for the call; else negative */
};

struct watch_sink {
        void (*changed)(void *self, const struct watch_event *event);
        void (*lost)(void *self, usec_t from, usec_t to); /* what happened between these may not have been told */
        void *self;
};

/* How it watches, for status and doctor. */
struct watch_state {
        bool fanotify;
        bool names_pids;     /* whoever did it is told */
        bool holds_pids;     /* ... and held */
        int why;             /* what refused the best way, as negative errno; 0: nothing did */
        uint32_t places;     /* paths */
        uint32_t by_inotify; /* of these, the ones fanotify could not watch */
        uint32_t gone;       /* of these, the ones whose file is no more: unheard until armed again */
};

/* Takes the best way that works here, found by trying. Fails only where there is no inotify either: -EMFILE, -ENOMEM. */
int watch_new(struct watch **ret);
struct watch *watch_free(struct watch *watch);
DEFINE_CLEANUP_FUNC(struct watch *, watch_free);

void watch_state(const struct watch *watch, struct watch_state *ret);

/*
 * Watches what is at the path now, and no longer what was there before; to be called again whenever another file was put there. Follows
 * no symbolic link. 0, or WATCH_IN_PART where other machines may write unheard (NFS and its like); -ELOOP: a link is on the way;
 * -ENOENT, -ENOTDIR; -ENOSPC: the kernel gives out no more watches, which has to be said loudly; or another negative errno.
 */
#define WATCH_IN_PART 1
int watch_add(struct watch *watch, const char *path, enum watch_role role);

/* WATCH_ABOVE for every folder above the path. Reports the first failure, and goes on. */
int watch_add_above(struct watch *watch, const char *path);

/* The path is not watched any more, in no role. One that is not watched is fine. */
void watch_drop(struct watch *watch, const char *path);

/* Readable while something waits. */
int watch_fd(const struct watch *watch);

/* Reads what waits, up to a bound so that the caller's loop goes on. The sink may add and drop paths, and may not take. */
void watch_take(struct watch *watch, usec_t now, const struct watch_sink *sink);
