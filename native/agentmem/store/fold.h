/* Folding, as the other files of the store see it. What it is: fold.c. Included by inside.h. */
#ifndef AM_FOLD_H
#define AM_FOLD_H

/* fold.c, unfold.c */
enum {
    AM_FOLD_NOW = 1,
    AM_FOLD_COLD = 2
};                               /* its small pieces are in its record; its cold record is such a one */
#define AM_FOLD_BYTES (1u << 20) /* of folded bytes, at most */
#define AM_FOLD_PIECE 8192u      /* bytes of a piece that is taken in, at most */
#define AM_FOLDED 3 /* form of a record of a folded rope; base_or_number is the count of its pieces */
bool am_fold(struct am_realm *realm, uint32_t rope);
int am_unfold(struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes);
uint8_t *am_fold_raw(struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes);
void am_fold_end(struct am_realm *realm, uint32_t rope);
bool am_fold_tag(struct am_realm *realm, uint32_t rope);
bool am_fold_settle(struct am_realm *realm, uint32_t rope);
bool am_fold_parents(struct am_realm *realm, uint32_t rope, uint32_t *parents);
uint32_t am_fold_find(struct am_realm *realm, const am_id *id);
/* Go through folded bytes; false when they are not what am_fold writes, or when visit says so. content is
 * NULL for a reference. */
#define AM_FOLD_INLINE 1u
#define AM_FOLD_REFERENCE 2u
typedef bool am_fold_visit(void *context, const am_piece *piece, const uint8_t *content);
bool am_fold_walk(const struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes,
                  am_fold_visit *visit, void *context);
/* Of references only: no content is hashed. */
bool am_fold_references(const struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes,
                        am_fold_visit *visit, void *context);
bool am_fold_tag_all(struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes);

/* fold_tags.c */
bool am_fold_tags_room(struct am_realm *realm, uint32_t more);
bool am_fold_tag_add(struct am_realm *realm, const am_id *id, uint32_t rope);
void am_fold_tag_remove(struct am_realm *realm, const am_id *id, uint32_t rope);
uint32_t am_fold_tag_rope(const struct am_realm *realm, const am_id *id, uint32_t n);

#endif
