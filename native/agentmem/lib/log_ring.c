/* io_uring without a library: two rings in shared memory and one system call. */
#include "log_ring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH 64u
#define LONGEST (1u << 30) /* bytes of one operation of the kernel's */

struct am_ring {
    pthread_mutex_t turn;
    int fd;
    bool refused; /* a call failed for good: from now on without */
    void *submissions, *completions;
    size_t submission_bytes, completion_bytes, entry_bytes;
    struct io_uring_sqe *entries;
    struct io_uring_cqe *ends;
    _Atomic unsigned *sq_head, *sq_tail, *cq_head, *cq_tail;
    unsigned *sq_array, sq_mask, cq_mask;
};

static void *mapped(int fd, size_t bytes, unsigned long long what)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)what);
    return at == MAP_FAILED ? NULL : at;
}

/* IORING_OP_READ and WRITE came with Linux 5.6, after the ring itself. */
static bool reads_and_writes(int fd)
{
    enum { COUNT = IORING_OP_WRITE + 1 };
    _Alignas(8) char room[sizeof(struct io_uring_probe) + COUNT * sizeof(struct io_uring_probe_op)];
    struct io_uring_probe *probe = (struct io_uring_probe *)(void *)room;
    memset(room, 0, sizeof room);
    if (syscall(__NR_io_uring_register, fd, IORING_REGISTER_PROBE, probe, COUNT) < 0)
        return false;
    return probe->ops_len >= COUNT && (probe->ops[IORING_OP_READ].flags & IO_URING_OP_SUPPORTED) &&
           (probe->ops[IORING_OP_WRITE].flags & IO_URING_OP_SUPPORTED);
}

static bool map(struct am_ring *ring)
{
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    ring->fd = (int)syscall(__NR_io_uring_setup, DEPTH, &params);
    if (ring->fd < 0 || !reads_and_writes(ring->fd))
        return false;
    ring->submission_bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    ring->completion_bytes = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    ring->entry_bytes = params.sq_entries * sizeof(struct io_uring_sqe);
    ring->submissions = mapped(ring->fd, ring->submission_bytes, IORING_OFF_SQ_RING);
    ring->completions = mapped(ring->fd, ring->completion_bytes, IORING_OFF_CQ_RING);
    ring->entries = mapped(ring->fd, ring->entry_bytes, IORING_OFF_SQES);
    if (ring->submissions == NULL || ring->completions == NULL || ring->entries == NULL)
        return false;
    char *sq = ring->submissions, *cq = ring->completions;
    ring->sq_head = (_Atomic unsigned *)(void *)(sq + params.sq_off.head);
    ring->sq_tail = (_Atomic unsigned *)(void *)(sq + params.sq_off.tail);
    ring->sq_array = (unsigned *)(void *)(sq + params.sq_off.array);
    ring->sq_mask = *(unsigned *)(void *)(sq + params.sq_off.ring_mask);
    ring->cq_head = (_Atomic unsigned *)(void *)(cq + params.cq_off.head);
    ring->cq_tail = (_Atomic unsigned *)(void *)(cq + params.cq_off.tail);
    ring->cq_mask = *(unsigned *)(void *)(cq + params.cq_off.ring_mask);
    ring->ends = (struct io_uring_cqe *)(void *)(cq + params.cq_off.cqes);
    return true;
}

void am_ring_close(struct am_ring *ring)
{
    if (ring == NULL)
        return;
    if (ring->entries != NULL)
        munmap(ring->entries, ring->entry_bytes);
    if (ring->completions != NULL)
        munmap(ring->completions, ring->completion_bytes);
    if (ring->submissions != NULL)
        munmap(ring->submissions, ring->submission_bytes);
    if (ring->fd >= 0)
        close(ring->fd);
    pthread_mutex_destroy(&ring->turn);
    free(ring);
}

struct am_ring *am_ring_open(void)
{
    struct am_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return NULL;
    pthread_mutex_init(&ring->turn, NULL);
    if (map(ring))
        return ring;
    am_ring_close(ring);
    return NULL;
}

static void plain(struct am_io *io)
{
    while (!io->ended) {
        const uint64_t left = io->length - io->moved;
        const size_t most = left < LONGEST ? left : LONGEST;
        const off_t at = (off_t)(io->offset + io->moved);
        const ssize_t n = io->write ? pwrite(io->fd, io->bytes + io->moved, most, at)
                                    : pread(io->fd, io->bytes + io->moved, most, at);
        if (n > 0)
            io->moved += (uint64_t)n;
        else if (n == 0 || errno != EINTR)
            io->error = n < 0 ? errno : io->write ? EIO : 0;
        io->ended = n == 0 || (n < 0 && errno != EINTR) || io->moved == io->length;
    }
}

static void push(struct am_ring *ring, struct am_io *io)
{
    const unsigned tail = atomic_load_explicit(ring->sq_tail, memory_order_relaxed);
    struct io_uring_sqe *entry = &ring->entries[tail & ring->sq_mask];
    const uint64_t left = io->length - io->moved;
    memset(entry, 0, sizeof *entry);
    entry->opcode = io->write ? IORING_OP_WRITE : IORING_OP_READ;
    entry->fd = io->fd;
    entry->addr = (uint64_t)(uintptr_t)(io->bytes + io->moved);
    entry->len = (unsigned)(left < LONGEST ? left : LONGEST);
    entry->off = io->offset + io->moved;
    entry->user_data = (uint64_t)(uintptr_t)io;
    ring->sq_array[tail & ring->sq_mask] = tail & ring->sq_mask;
    atomic_store_explicit(ring->sq_tail, tail + 1, memory_order_release);
}

/* Takes completions in; how many. What moved a part goes on alone: at the end of a file it finds nothing
 * more. */
static unsigned pop(struct am_ring *ring)
{
    unsigned count = 0, head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
    for (; head != atomic_load_explicit(ring->cq_tail, memory_order_acquire); head++, count++) {
        const struct io_uring_cqe *end = &ring->ends[head & ring->cq_mask];
        struct am_io *io = (struct am_io *)(uintptr_t)end->user_data;
        const int result = end->res;
        atomic_store_explicit(ring->cq_head, head + 1, memory_order_release);
        if (result > 0)
            io->moved += (uint64_t)result;
        if (result < 0 && result != -EINTR && result != -EAGAIN)
            io->error = -result;
        io->ended = io->error != 0 || io->moved == io->length;
        plain(io);
    }
    return count;
}

static void with_ring(struct am_ring *ring, struct am_io *ios, size_t count)
{
    size_t next = 0;
    unsigned flying = 0; /* the kernel has them */
    while (!ring->refused && (next < count || flying > 0)) {
        unsigned queued = atomic_load(ring->sq_tail) - atomic_load(ring->sq_head);
        for (; next < count && flying + queued < DEPTH; next++)
            if (!ios[next].ended) {
                push(ring, &ios[next]);
                queued++;
            }
        if (queued + flying == 0)
            break;
        const long taken = syscall(__NR_io_uring_enter, ring->fd, queued, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        const int error = errno;
        if (taken > 0)
            flying += (unsigned)taken;
        flying -= pop(ring);
        if (taken < 0 && (error == EAGAIN || error == EBUSY))
            sched_yield(); /* the kernel is short of memory for now */
        else if (taken < 0 && error != EINTR)
            ring->refused = true;
    }
    if (ring->refused) { /* take back what the kernel has not taken, and wait for what it has */
        atomic_store(ring->sq_tail, atomic_load(ring->sq_head));
        while (flying > 0) {
            flying -= pop(ring);
            sched_yield();
        }
    }
}

void am_ring_run(struct am_ring *ring, struct am_io *ios, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ios[i].moved = 0;
        ios[i].error = 0;
        ios[i].ended = ios[i].length == 0;
    }
    if (ring != NULL && count > 1 && pthread_mutex_trylock(&ring->turn) == 0) {
        with_ring(ring, ios, count);
        pthread_mutex_unlock(&ring->turn);
    }
    for (size_t i = 0; i < count; i++)
        plain(&ios[i]);
}
