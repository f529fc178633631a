/* An NVMe controller: on, off, asked what it is, with one admin queue and one pair of queues for I/O.
 *
 * Knows nothing of blocks and of who reads or writes. Everything is polled; no interrupt is ever enabled.
 * Invariant: between am_nvme_open and am_nvme_close the controller is ready and has both queues, or `dead`
 * says what happened; while it is dead it cannot reach memory. One thread at a time.
 */
#ifndef AM_NVME_CONTROLLER_H
#define AM_NVME_CONTROLLER_H

#include "dma.h"
#include "queue.h"

#define AM_NVME_DEPTH 32u                /* of the I/O queue: one less may fly */
#define AM_NVME_DATA (5u * AM_DMA_PAGE)  /* DMA memory before it belongs to queues and identify */

struct am_nvme {
    struct am_pci pci;
    struct am_dma dma;
    struct am_nvme_queue admin, io;
    uint64_t can;              /* CAP */
    uint64_t most_bytes;       /* of one transfer; 0: no limit */
    uint32_t namespaces;
    uint32_t resets;           /* since the open */
    uint16_t next_id;
    bool cache, write_zeroes;  /* a volatile write cache; the command */
    char model[41], serial[21], firmware[9];
    int dead;                  /* 0 or a status */
};

/* Resets the controller, whatever it was doing, and makes the queues. *nvme only on success. */
int am_nvme_open(const char *address, struct am_nvme **nvme, char why[AM_NVME_WHY]);
/* Deletes the queues, tells the controller to write out what it holds, switches it off. */
void am_nvme_close(struct am_nvme *nvme);

/* From off to ready with empty queues. Commands that flew are forgotten: their memory is theirs no more. */
int am_nvme_reset(struct am_nvme *nvme);
/* 0, or what is wrong with it now: AM_NVME_GONE, AM_NVME_FAULT. */
int am_nvme_health(const struct am_nvme *nvme);
/* A command of the admin queue, and its answer. result may be NULL. */
int am_nvme_admin(struct am_nvme *nvme, struct am_nvme_command *command, uint32_t *result);
/* 4096 bytes about the controller (about 1) or a namespace (about 0), until the next call. */
int am_nvme_identify(struct am_nvme *nvme, uint32_t name_space, uint32_t about, const uint8_t **page);

uint64_t am_nvme_now_ms(void);

#endif
