#pragma once
/* Where a process writes, as its open files tell. */
#include <stddef.h>
#include <sys/types.h>

#define OPENED_MAX 32

struct opened {
        char *folders[OPENED_MAX]; /* none within another */
        size_t n;
};

/* The folders of the files that it has open for writing, without those that every process has (/dev, /proc, /tmp) and logs that
 * systemd opened for it. -EACCES: only root may look; -ESRCH: it is gone. Free with opened_done(). */
int opened_read(pid_t pid, struct opened *ret);
void opened_done(struct opened *opened);
