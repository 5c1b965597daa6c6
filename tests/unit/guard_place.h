#pragma once
/*
 * A place for files to be guarded in, with all that the kernel does for them: a file system of its own, seen by this process alone
 * and gone with it. Needs root.
 */
#include <stdbool.h>
#include <stddef.h>

enum place_kind { PLACE_EXT4, PLACE_TMPFS };

struct place {
        char path[64];   /* where it is mounted */
        char image[80];  /* ext4: what holds it; "" */
        char device[32]; /* ext4: the loop device */
};

bool place_may(void);                                       /* whether we are root */
void place_make(struct place *place, enum place_kind kind); /* 32 MB; fails the test */
void place_done(struct place *place);                       /* unmounts it, whatever is immutable in it */

/* The first line of a story that needs a place: skipped where there is none. */
#define NEEDS_ROOT        \
        if (!place_may()) \
        skip()
