/* A bare disk: bytes by offset, without a file system.
 *
 * Whoever makes one fills in the functions (log_nvme.c: the driver in ../unvme; tests: a disk that loses its
 * power). Offsets and lengths are multiples of 4096. Invariant: what was written before a flush that
 * succeeded survives a power cut; of the rest any sector of 512 bytes may be as it was or as it was written.
 */
#ifndef AM_BLOCKS_H
#define AM_BLOCKS_H

#include "log_ring.h"

#define AM_BLOCK 4096u

struct am_blocks {
    uint64_t bytes; /* a multiple of 4096 */
    /* As am_ring_run does; fd is not looked at. Any thread. */
    void (*run)(struct am_blocks *blocks, struct am_io *ios, size_t count);
    int (*flush)(struct am_blocks *blocks); /* 0 or an errno */
    int (*zero)(struct am_blocks *blocks, uint64_t offset, uint64_t bytes);
    void (*close)(struct am_blocks *blocks);
};

#endif
