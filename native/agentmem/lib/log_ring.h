/* Reads and writes of files, many in flight: io_uring by its system calls, or one after another without it.
 *
 * Knows file descriptors and buffers, no records. Invariant: after am_ring_run every operation has ended,
 * whether the kernel has io_uring, refuses it, or begins to refuse it in the middle (a filter of system
 * calls). Any thread; two at a time do not wait for each other, the second goes without the ring.
 */
#ifndef AM_LOG_RING_H
#define AM_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct am_io {
    int fd;
    bool write;
    uint8_t *bytes;
    uint64_t length, offset;
    uint64_t moved; /* bytes read or written; fewer than length: the end of the file, or an error */
    int error;      /* 0 or an errno */
    bool ended;
};

struct am_ring;
struct am_ring *am_ring_open(void); /* NULL: the kernel has none for us */
void am_ring_close(struct am_ring *ring); /* NULL is allowed */
void am_ring_run(struct am_ring *ring, struct am_io *ios, size_t count); /* ring NULL: one after another */

#endif
