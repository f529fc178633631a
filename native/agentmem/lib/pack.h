/* A pack: units and what they need of each other, in one file or stream, for another machine (seed 003,
 * question 4). Format: docs/formats/agentmem-pack.md.
 *
 * An entry is a unit's bytes, or the id of one that the other side was said to have. Ids in a pack are
 * keyed with the pack's own random key, which its head carries: the ids of the realm they came from tell
 * a stranger nothing, and the importing realm gives its own. An entry that is known keeps the id that
 * the other side gave it. Entries come before the ropes that refer to them. An id is a name inside the
 * pack, not a proof of what it names.
 * */
#ifndef AM_PACK_H
#define AM_PACK_H

#include "agentmem.h"

struct am_pack_entry {
    am_id id;            /* in the pack */
    uint64_t raw_bytes;
    uint8_t type, form, root, known; /* known: no bytes here, the receiver was said to have it */
    const void *stored; size_t stored_bytes; /* as codec.h writes them, inside the reader's buffer */
};
struct am_pack_reader;
/* Read a whole pack that lies in memory, and stays there until am_pack_close: checks the checksum of the
 * whole, then head, bounds, counts, that no id comes twice, and that every piece of a rope came before
 * it with this type, form and, of a unit, length. AM_ECORRUPT with a text that names the offset, or
 * AM_ENOMEM. What a rope says of its messages is left to who publishes it. */
int am_pack_open(const void *bytes, size_t length, struct am_pack_reader **reader);
/* What the last failed call of this thread had to say. */
const char *am_pack_error(void);
int am_pack_next(struct am_pack_reader *reader, struct am_pack_entry *entry); /* 1: an entry, 0: the end */
/* The unit's bytes, raw_bytes of them: 0, AM_ESIZE (too little room), AM_ENOTFOUND (known), AM_ECORRUPT or
 * AM_ENOMEM. */
int am_pack_decode(const struct am_pack_entry *entry, void *out, size_t room);
const uint8_t *am_pack_key(const struct am_pack_reader *reader); /* 32 bytes */
void am_pack_close(struct am_pack_reader *reader); /* NULL is allowed */

/* Write one to a file descriptor, in order; a pipe will do. After a failure every call fails in the same
 * way, and the pack is not one that am_pack_open takes. AM_EDISK: it could not be written; AM_EINVAL: a
 * piece of a rope was not added before, or a unit that was added before is now to be a root. */
struct am_pack_writer;
int am_pack_create(int fd, struct am_pack_writer **writer);
/* *id is the unit's in the pack. The same unit again is not written again. */
int am_pack_add(struct am_pack_writer *writer, uint8_t type, uint8_t form, bool root, const void *raw,
                uint64_t length, am_id *id);
/* *id is content_id, the one by which the other side said that it has it. */
int am_pack_add_known(struct am_pack_writer *writer, uint8_t type, uint8_t form, const am_id *content_id,
                      uint64_t length, am_id *id);
/* And free, also after a failure; the descriptor stays open. */
int am_pack_finish(struct am_pack_writer *writer);
/* Free it without an end: what was written is no pack. */
void am_pack_discard(struct am_pack_writer *writer);

#endif
