#include "canary/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/cleanup.h"

enum { RING_ENTRIES = 4, RING_IDLE_MS = 200 };

struct ring {
        int fd;
        enum ring_way way;
        struct io_uring_params params;
        char *queues; /* both queues in one mapping (IORING_FEAT_SINGLE_MMAP, Linux 5.4) */
        size_t queues_size;
        struct io_uring_sqe *entries;
        size_t entries_size;
};

struct ring *ring_close(struct ring *ring)
{
        if (!ring)
                return NULL;
        if (ring->queues)
                (void)munmap(ring->queues, ring->queues_size);
        if (ring->entries)
                (void)munmap(ring->entries, ring->entries_size);
        (void)close_fd(ring->fd);
        free(ring);
        return NULL;
}

DEFINE_CLEANUP_FUNC(struct ring *, ring_close);

static void *map(int fd, size_t size, off_t offset)
{
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

        return memory == MAP_FAILED ? NULL : memory;
}

static int map_queues(struct ring *ring)
{
        const struct io_uring_params *params = &ring->params;
        size_t submit = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
        size_t complete = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);

        if (!(params->features & IORING_FEAT_SINGLE_MMAP))
                return -ENOSYS;
        ring->queues_size = submit > complete ? submit : complete;
        ring->queues = map(ring->fd, ring->queues_size, IORING_OFF_SQ_RING);
        ring->entries_size = params->sq_entries * sizeof(struct io_uring_sqe);
        ring->entries = ring->queues ? map(ring->fd, ring->entries_size, (off_t)IORING_OFF_SQES) : NULL;
        return ring->entries ? 0 : -errno;
}

int ring_open(enum ring_way way, struct ring **ret)
{
        _cleanup_(ring_closep) struct ring *ring = calloc(1, sizeof(*ring));
        int r;

        if (!ring)
                return -ENOMEM;
        ring->way = way;
        if (way == RING_POLLED) {
                ring->params.flags = IORING_SETUP_SQPOLL;
                ring->params.sq_thread_idle = RING_IDLE_MS;
        }
        ring->fd = (int)syscall(__NR_io_uring_setup, RING_ENTRIES, &ring->params);
        if (ring->fd < 0)
                return -errno;
        r = map_queues(ring);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(ring);
        return 0;
}

static _Atomic(uint32_t) *word(struct ring *ring, uint32_t offset)
{
        return (_Atomic(uint32_t) *)(void *)(ring->queues + offset);
}

/* A polling kernel thread takes what is in the queue by itself; it may sleep and is woken in any case. */
static int enter(struct ring *ring)
{
        unsigned flags = IORING_ENTER_GETEVENTS | (ring->way == RING_POLLED ? IORING_ENTER_SQ_WAKEUP : 0);
        long r;

        do
                r = syscall(__NR_io_uring_enter, ring->fd, 1, 1, flags, NULL, 0);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : 0;
}

int ring_ask(struct ring *ring, const struct io_uring_sqe *request)
{
        const struct io_sqring_offsets *submit = &ring->params.sq_off;
        const struct io_cqring_offsets *complete = &ring->params.cq_off;
        uint32_t tail = atomic_load(word(ring, submit->tail)), head;
        uint32_t slot = tail & *word(ring, submit->ring_mask);
        const struct io_uring_cqe *answers = (const void *)(ring->queues + complete->cqes);
        int r;

        ring->entries[slot] = *request;
        if (ring->way == RING_ASYNC)
                ring->entries[slot].flags |= IOSQE_ASYNC;
        atomic_store(word(ring, submit->array) + slot, slot);
        atomic_store(word(ring, submit->tail), tail + 1);
        r = enter(ring);
        if (r < 0)
                return r;
        head = atomic_load(word(ring, complete->head));
        if (head == atomic_load(word(ring, complete->tail)))
                return -EIO;
        r = answers[head & *word(ring, complete->ring_mask)].res;
        atomic_store(word(ring, complete->head), head + 1);
        return r;
}
