/* A bare disk cut into slots of equal size: one segment takes one slot, a large one several in a row.
 *
 * Knows no records. The disk's first block is the sheet: how large slots are and a secret; a slot that is
 * taken begins with a head of 48 bytes, in one sector, which says whose it is. Invariants: a disk that holds
 * anything but a sheet is refused, never written to; a slot whose head cannot be read is let be; a head is
 * believed only with a check over the disk's secret, so bytes of a record cannot pose as one.
 * Format: docs/formats/agentmem-log.md.
 */
#ifndef AM_LOG_SLOTS_H
#define AM_LOG_SLOTS_H

#include "blocks.h"

struct am_slot_head {
    uint64_t salt, used; /* used: bytes up to the segment's end, 0 while it may grow */
    uint32_t number, slots;
};

struct am_slots;
/* AM_EDISK: it holds something else (errno EEXIST), or cannot be read; AM_ENOMEM. slot_bytes (a MiB and more)
 * counts only when the disk is empty; 0: an empty disk is none (errno ENODATA). The blocks stay the caller's
 * on failure, and are closed by am_slots_close. */
int am_slots_open(struct am_blocks *blocks, uint64_t slot_bytes, struct am_slots **slots);
void am_slots_close(struct am_slots *slots);
uint64_t am_slots_bytes(const struct am_slots *slots); /* of one */
uint32_t am_slots_count(const struct am_slots *slots);

/* The head of a slot, 1 when there is one, 0 when it is free; AM_ECORRUPT when it cannot be made out. */
int am_slots_look(struct am_slots *slots, uint32_t slot, struct am_slot_head *head);
void am_slots_mark(struct am_slots *slots, uint32_t slot, uint32_t count); /* as taken */

/* A row of free slots for so many bytes, emptied, and its head written and safe. AM_EDISK when there is none.
 * *base: where it begins on the disk. head->slots is filled in. */
int am_slots_take(struct am_slots *slots, uint64_t bytes, struct am_slot_head *head, uint64_t *base);
int am_slots_seal(struct am_slots *slots, uint64_t base, const struct am_slot_head *head); /* head again */
int am_slots_clear(struct am_slots *slots, uint64_t base); /* no later open will find it; safe on return */
void am_slots_give(struct am_slots *slots, uint64_t base, uint64_t bytes); /* free again; any thread */

static inline uint64_t am_slots_base(const struct am_slots *slots, uint32_t slot)
{
    return (slot + UINT64_C(1)) * am_slots_bytes(slots); /* the sheet has the first slot's room */
}

#endif
