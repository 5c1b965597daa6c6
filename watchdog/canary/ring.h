#pragma once
/* One io_uring for one request at a time, by the bare system calls. */
#include <linux/io_uring.h>

enum ring_way { RING_INLINE, RING_ASYNC, RING_POLLED };

struct ring;

/* -ENOSYS, -EPERM and their like: the kernel gives none. */
int ring_open(enum ring_way way, struct ring **ret);
struct ring *ring_close(struct ring *ring);

/* Submits a copy of `request` and waits for it; returns its result, a negative errno when refused. */
int ring_ask(struct ring *ring, const struct io_uring_sqe *request);
