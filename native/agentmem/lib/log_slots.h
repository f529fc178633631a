/* A bare disk cut into slots of equal size: one segment takes one slot, a large one several in a row.
 *
 * Knows no records. The disk's first block is the sheet: how large slots are and a secret; a slot that is
 * taken begins with a head of 48 bytes, in one sector, which says whose it is. Invariants: a disk is cut only
 * by am_slots_make, and one that holds anything only when that is told to erase it; a slot whose head cannot
 * be read is let be; a head is believed only with a check over the disk's secret, so bytes of a record cannot
 * pose as one. Format: docs/formats/agentmem-log.md.
 */
#ifndef AM_LOG_SLOTS_H
#define AM_LOG_SLOTS_H

#include "blocks.h"

#define AM_SLOT_LEAST (UINT64_C(1) << 20) /* bytes of a slot; a multiple of AM_BLOCK */
#define AM_SLOT_MOST (UINT64_C(64) << 20)

struct am_slot_head {
    uint64_t salt, used; /* used: bytes up to the segment's end, all of them synced; 0 while it may grow */
    uint32_t number, slots;
};

struct am_slots;
/* Writes the sheet; of a disk that is erased, first zeros to both ends and the place of every head, else these
 * must be zeros: nothing is written over that was not looked at. AM_EDISK and errno: ENOSPC: no room for three slots;
 * EEXIST, ENOTUNIQ, EALREADY: the disk holds something, a partition table, a cold log, and `erase` is false;
 * then nothing was written. AM_ENOMEM, AM_EBUSY. The blocks stay the caller's. */
int am_slots_make(struct am_blocks *blocks, uint64_t slot_bytes, bool erase);
/* AM_EDISK and errno: ENODATA: the disk is empty; EEXIST, ENOTUNIQ: it holds something else; EUCLEAN: its
 * sheet is damaged; ENOSPC: it is smaller than it was; or what the disk said. AM_ENOMEM. Nothing is written.
 * The blocks stay the caller's on failure, and are closed by am_slots_close. */
int am_slots_open(struct am_blocks *blocks, struct am_slots **slots);
void am_slots_close(struct am_slots *slots);
uint64_t am_slots_bytes(const struct am_slots *slots); /* of one */
uint32_t am_slots_count(const struct am_slots *slots);

/* The head of a slot, 1 when there is one, 0 when it is free; AM_ECORRUPT when it cannot be made out;
 * AM_EDISK when the disk does not answer. Before anything is taken. */
int am_slots_look(struct am_slots *slots, uint32_t slot, struct am_slot_head *head);
void am_slots_mark(struct am_slots *slots, uint32_t slot, uint32_t count, bool broken); /* as taken */
bool am_slots_broken(const struct am_slots *slots, uint32_t slot); /* was marked so */

/* A row of free slots for so many bytes, emptied, and its head written and safe. AM_EDISK when there is none.
 * *base: where it begins on the disk. head->slots is filled in. */
int am_slots_take(struct am_slots *slots, uint64_t bytes, struct am_slot_head *head, uint64_t *base);
int am_slots_seal(struct am_slots *slots, uint64_t base, const struct am_slot_head *head); /* head again */
/* No later open will find it; safe on return. */
int am_slots_clear(struct am_slots *slots, uint64_t base, const struct am_slot_head *head);
void am_slots_give(struct am_slots *slots, uint64_t base, uint64_t bytes); /* free again; any thread */

static inline uint64_t am_slots_base(const struct am_slots *slots, uint32_t slot)
{
    return (slot + UINT64_C(1)) * am_slots_bytes(slots); /* the sheet has the first slot's room */
}

#endif
