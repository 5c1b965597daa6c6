#pragma once
/*
 * The kernel's log (/dev/kmsg), read for one thing: whom the OOM killer took, at whose limit, and who else was large.
 *
 * A kill is a report of many lines (what the machine holds, a table of processes, one line `oom-kill:`) and its last line,
 * `Killed process`. Reports are rate-limited and the last line is not, so that line alone is enough. Nothing but the kernel
 * can make a line of its own facility; the names in it were chosen by those whom they are about.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fact.h"
#include "io/proc.h"

#define KMSG_RECORD_MAX 8192 /* of /dev/kmsg; a shorter buffer would be refused */
#define KMSG_TEXT_MAX 2048   /* of what stands in it; the kernel's own limit is about 1,000 */
#define KMSG_COMM_MAX 64
#define KMSG_TASKS 4 /* the largest of a report, the victim among them */

struct kmsg_record {
        uint32_t facility; /* 0: the kernel */
        uint64_t seq;
        char text[KMSG_TEXT_MAX]; /* first line, escapes undone */
};

struct kmsg_task {
        pid_t pid;
        uint64_t bytes, swapped; /* resident and swapped; and of that swapped */
        char comm[KMSG_COMM_MAX];
};

struct kmsg_kill {
        enum oom_by by; /* OOM_BY_MACHINE or OOM_BY_LIMIT */
        pid_t pid;
        char comm[KMSG_COMM_MAX];
        uint64_t held_bytes;          /* anonymous, shared and, where the report has it, swapped */
        char cgroup[PROC_CGROUP_MAX]; /* the victim's; "" the report did not say */
        char limit[PROC_CGROUP_MAX];  /* whose memory.max was met; "" the machine's memory, or not said */
        uint64_t limit_bytes;         /* 0: not said */
        struct kmsg_task others[KMSG_TASKS];
        unsigned others_n; /* largest first */
};

/* What was read of a report so far; zeroed at first. */
struct kmsg_report {
        bool in_group; /* a whole cgroup is killed: it is every victim's */
        pid_t pid;     /* whom the report is about, 0: it has not said yet */
        char cgroup[PROC_CGROUP_MAX], limit[PROC_CGROUP_MAX];
        uint64_t limit_bytes;
        struct {
                int pid, rss, swap; /* columns of the table, -1 not in it */
                int n;              /* numbers in a row; 0: there is no table */
        } table;
        struct kmsg_task tasks[KMSG_TASKS];
        unsigned tasks_n;
};

/* "PRIORITY,SEQ,USEC,FLAGS;TEXT": -EBADMSG for anything else. `record` need not end with NUL. */
int kmsg_parse(const char *record, size_t size, struct kmsg_record *ret);

/* Takes the next line of the kernel's; true when it is the last of a kill. */
bool kmsg_report_take(struct kmsg_report *report, const char *text, struct kmsg_kill *ret);
