/* The sheet: what the first block of a bare disk says, and whether a disk holds something else.
 *
 * Knows no slots. A second copy lies half a MiB on, for when the first one cannot be read. Invariants: a
 * sheet is believed only with its check; nothing is written but by am_sheet_write.
 */
#ifndef AM_LOG_SHEET_H
#define AM_LOG_SHEET_H

#include "blocks.h"

struct am_sheet { /* little-endian */
    uint64_t magic, disk_bytes, slot_bytes;
    uint8_t secret[32], check[8];
};
_Static_assert(sizeof(struct am_sheet) == 64, "the format");

/* A read or write of the disk, or a flush. AM_EDISK, with errno. */
int am_sheet_move(struct am_blocks *blocks, bool write, uint8_t *bytes, uint64_t length, uint64_t offset);
int am_sheet_flush(struct am_blocks *blocks);

/* 0 when the disk is empty as far as one looks: its first and last MiB and 64 blocks between. AM_EDISK, with
 * errno ENOTUNIQ: a partition table, EALREADY: a cold log, EEXIST: something else, or what the disk said.
 * AM_ENOMEM. */
int am_sheet_stranger(struct am_blocks *blocks);
/* The sheet of a disk. AM_EDISK, with errno: see am_slots_open. */
int am_sheet_read(struct am_blocks *blocks, struct am_sheet *sheet);
/* Both copies, safe on return. Fills in all but slot_bytes. AM_EDISK, AM_ENOMEM, AM_EBUSY. */
int am_sheet_write(struct am_blocks *blocks, struct am_sheet *sheet);

#endif
