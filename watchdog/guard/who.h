#pragma once
/*
 * Who did it: what could be learned of a process, from the best source that had it. What could not be learned is empty, and is told
 * as "unknown": never as 0, as root, or as whoever has the pid now.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/path.h"
#include "io/cleanup.h"
#include "io/proc.h"

enum who_source {
        WHO_UNKNOWN, /* nothing at all */
        WHO_EVENT,   /* the pid, from the event, and no more */
        WHO_BORN,    /* noted when it was forked or when it executed its program: it has ended since */
        WHO_PROC,    /* read while the process was there */
        WHO_BLOCKED, /* read while it waited for our answer: it could not change meanwhile */
        WHO_SOURCE_N,
};

#define WHO_PATH_MAX 256
#define WHO_COMMAND_MAX 256

struct who {
        enum who_source source;
        pid_t pid;      /* 0 unknown */
        uint64_t start; /* clock ticks since boot, with the pid the process's identity; 0 unknown */
        pid_t parent;   /* 0 unknown */
        bool has_uid;
        uid_t uid; /* the effective one: with its rights it was done */
        char comm[PROC_COMM_MAX];
        char exe[WHO_PATH_MAX];        /* as the kernel names it, with " (deleted)" where it is no more */
        char command[WHO_COMMAND_MAX]; /* its arguments without secrets, for people */
        char cgroup[PROC_CGROUP_MAX];
        char unit[PROC_UNIT_MAX]; /* systemd's, of the cgroup */
};

const char *who_source_name(enum who_source source);
enum who_source who_source_from_name(const char *name);

/*
 * Reads what there is to read of the process. `pidfd`, where not negative, holds the very process: what was read is thrown away when
 * it turns out to have ended and been waited for meanwhile, as it may be somebody else's. Without it a pid is taken at its
 * word. What is missing may be filled in by who_book_fill().
 */
void who_read(const struct proc *proc, pid_t pid, int pidfd, struct who *ret);

/* The same without the command line, which lies in the process's own memory: reading that may have to wait for whoever made it slow.
 * Allocates nothing. `pid` may be a thread's. */
void who_glance(const struct proc *proc, pid_t pid, struct who *ret);

/* Arguments as /proc/PID/cmdline has them, each ended with NUL, without secrets and cut to the room there is. */
void who_command(const char *arguments, size_t size, char ret[WHO_COMMAND_MAX]);

/* "pid 812 /usr/bin/python3 (uid 1000, agent-x.service)", for people; "unknown" stands for what is not known. */
#define WHO_TEXT_MAX 640
char *who_text(const struct who *who, char buffer[WHO_TEXT_MAX]);

/*
 * A book of the newest processes, kept by the kernel's process events: whoever writes and ends at once is gone before its event is
 * read, and then this knows what it was. Costs a look into /proc for each program that is executed on the machine.
 */
struct who_book;

#define WHO_BOOK_N 1024 /* processes; an older one makes room for a newer one */

/* -EPERM: without CAP_NET_ADMIN; -EOPNOTSUPP: not in this container; -EPROTONOSUPPORT or others: not on this kernel. */
int who_book_new(const struct proc *proc, struct who_book **ret);
struct who_book *who_book_free(struct who_book *book);
DEFINE_CLEANUP_FUNC(struct who_book *, who_book_free);

int who_book_fd(const struct who_book *book);

/* Reads what waits, up to a bound. Where the kernel lost events the book forgets all it knew. */
void who_book_take(struct who_book *book);

/* Fills in what who_read() could not learn, if the book knows that process. `book` may be NULL. */
void who_book_fill(struct who_book *book, struct who *who);
