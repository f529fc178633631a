/* What reader and writer of packs share: the format's numbers and the ids that came by. Internal to
 * pack_*.c. */
#ifndef AM_PACK_FORMAT_H
#define AM_PACK_FORMAT_H

#include "pack.h"

#define PACK_MAGIC "AMPACK01"
#define PACK_VERSION 1u
#define PACK_ROPE_LARGEST (256u << 20) /* bytes of one rope: as many pieces as a realm has unit numbers */

struct pack_head { uint8_t magic[8]; uint32_t version, flags; uint8_t key[32]; };
enum pack_kind { PACK_UNIT = 1, PACK_KNOWN = 2, PACK_END = 3 };
/* Of an entry. Of the end: raw_bytes is the count of entries, id BLAKE3 of all bytes before it. */
struct pack_record {
    uint8_t kind, type, form, root;
    uint32_t zero;
    uint64_t raw_bytes, stored_bytes;
    am_id id;
};
_Static_assert(sizeof(struct pack_head) == 48 && sizeof(struct pack_record) == 56, "the format");

/* The ids of a pack so far, and what was said of each. */
struct pack_ids { struct pack_record *slots; size_t room, count; uint64_t seed; };
int pack_ids_start(struct pack_ids *ids); /* 0 or AM_ENOMEM */
const struct pack_record *pack_ids_find(const struct pack_ids *ids, const am_id *id);
int pack_ids_add(struct pack_ids *ids, const struct pack_record *record); /* not there yet; 0 or AM_ENOMEM */
void pack_ids_free(struct pack_ids *ids);

/* NULL, or what is wrong with this piece of a rope. */
const char *pack_piece_wrong(const struct pack_ids *ids, const am_piece *piece);

/* Keep the text for am_pack_error and return status. */
int pack_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
