/* An NVMe controller in memory, in the place of a device: for the driver in native/agentmem/unvme.
 *
 * A thread does what the specification wants of a controller: comes up and goes down by its registers,
 * fetches commands, moves data along PRP lists, answers in any order; and it names what it finds wrong with
 * what the driver did. It stands in for pci.c and dma.c, of which a program with this one has none.
 * Invariant: it touches the driver's memory only while it is switched on and may master the bus. One at a
 * time.
 */
#ifndef NVME_MODEL_H
#define NVME_MODEL_H

#include "controller.h"

#include <stdatomic.h>

#define MODEL_ADDRESS "0000:00:04.0"
#define MODEL_SERIAL "MODEL-1"

struct nvme_model {
    /* What it is; before the open. */
    uint32_t shift, metadata; /* of a block */
    uint64_t blocks, cap;     /* cap: beyond depth and stride */
    uint32_t most_depth, stride;
    uint32_t most_pages;      /* of a transfer, a power of two from 2 on; 0: no limit */
    bool cache, zeroes;       /* a volatile write cache; the command Write Zeroes */
    bool refuses_zeroes;      /* and says that a field of it is invalid */
    bool forgets;             /* a reset loses what the cache held */
    /* What goes wrong. */
    _Atomic unsigned swallow; /* so many I/O commands are never answered */
    _Atomic bool fatal;       /* at the next I/O command, until a reset */
    _Atomic bool gone, stuck; /* registers of all ones; does not come up again */
    _Atomic unsigned strange; /* so many answers to what nobody asked */
    _Atomic uint64_t bad_from, bad_to; /* bytes that can be neither read nor written to */
    /* What was seen. */
    _Atomic unsigned wrong, resets, flushes, most_flying;
    uint8_t *disk, *safe;     /* what a read sees; what survives a power cut */
    struct am_nvme *nvme;     /* the driver's, of the last open */
};

struct nvme_model *nvme_model_new(uint32_t shift, uint64_t bytes); /* 32 deep, no limit, no cache, zeroes */
void nvme_model_begin(struct nvme_model *model); /* from now on it is the device at MODEL_ADDRESS */
void nvme_model_cut(struct nvme_model *model);   /* the power goes and comes back; nobody may have it open */
unsigned nvme_model_free(struct nvme_model *model); /* how often something was wrong */

#endif
