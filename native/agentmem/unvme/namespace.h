/* A namespace: blocks that are read, written, emptied and flushed; many at a time, from any thread.
 *
 * Knows nothing of what the blocks hold. Reads and writes of any buffer go through DMA memory by a copy, in
 * commands of up to 128 KiB whose pages a PRP list names. Invariant: a call returns when each of its
 * operations has an answer, a status by name or the data; a command that the controller does not answer in
 * time ends by a reset, before its memory is used again.
 */
#ifndef AM_NVME_NAMESPACE_H
#define AM_NVME_NAMESPACE_H

#include "controller.h"

struct am_nvme_io {
    bool write;
    uint8_t *bytes;
    uint64_t length, offset; /* multiples of the block size */
    int status;              /* out: the first thing that went wrong */
    uint64_t begun;          /* the namespace's: bytes that are under way or done */
};

struct am_namespace;
struct am_namespace_facts {
    uint64_t blocks;
    uint32_t block_bytes, number;
    uint64_t most_bytes; /* of one command */
    bool cache;          /* writes are safe only after a flush */
    bool iommu;
    const char *model, *serial, *firmware;
    uint32_t resets;     /* for want of an answer */
};

/* The controller at this PCI address and its namespace of this number. Status by name; why says more. */
int am_namespace_open(const char *address, uint32_t number, struct am_namespace **space,
                      char why[AM_NVME_WHY]);
void am_namespace_close(struct am_namespace *space); /* NULL is allowed; nobody else may use it any more */
void am_namespace_facts(struct am_namespace *space, struct am_namespace_facts *facts);
void am_namespace_patience(struct am_namespace *space, uint32_t ms); /* for an answer; 10 s at first */

void am_namespace_run(struct am_namespace *space, struct am_nvme_io *ios, size_t count);
/* What was written before it survives a power cut. AM_NVME_LOST, from then on each time: some of it may not,
 * because the controller was reset, or a flush failed, while it lay in a cache. */
int am_namespace_flush(struct am_namespace *space);
/* Zeros: by the command for it where there is one, else written. */
int am_namespace_zero(struct am_namespace *space, uint64_t offset, uint64_t bytes);

/* The two pointers of a command for `bytes` of DMA memory from `at` on, a page's start; `list` is a page for
 * the rest of the addresses. */
void am_nvme_prp(const struct am_dma *dma, const uint8_t *at, uint64_t bytes, uint64_t *list,
                 struct am_nvme_command *command);

#endif
