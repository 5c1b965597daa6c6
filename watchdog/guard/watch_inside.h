#pragma once
/* What watch.c and watch_read.c share. */
#include <sys/fanotify.h>

#include "guard/places.h"
#include "guard/watch.h"

#define TOLD_MAX 8                          /* paths one event is about; more of them are told as lost */
#define TOLD_PATH_MAX (FILE_PATH_MAX + 256) /* a folder's and a name */
#define READ_SIZE 65536

struct told {
        char path[TOLD_PATH_MAX];
        unsigned what;
};

struct watch {
        int epoll, fanotify, inotify; /* inotify: negative until something needs it */
        bool renames;                 /* FAN_RENAME is known here */
        bool names_pids, holds_pids;
        int why;
        pid_t self;
        struct places places;
        usec_t emptied; /* when nothing waited the last time */

        /* the event that is being told: the sink may change the places under it */
        struct told told[TOLD_MAX];
        unsigned told_n;
        bool told_cut;
        union {
                uint64_t aligned;
                char bytes[READ_SIZE];
        } buffer;
};

/* fanotify's names came later than our oldest C library. */
#ifndef FAN_REPORT_PIDFD
#define FAN_REPORT_PIDFD 0x00000080
#endif
#ifndef FAN_RENAME
#define FAN_RENAME 0x10000000
#endif
