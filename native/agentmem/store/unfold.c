/* Unfolding: what lies in the record of a folded rope, and how its pieces become units again. See fold.c for
 * the bytes. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

static bool walk(const struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes,
                 bool contents, am_fold_visit *visit, void *context) {
    const struct am_agent *agent = realm->store->agent[realm->meta[rope].space - 1];
    uint32_t count;
    if (bytes < 4 || !agent)
        return false;
    memcpy(&count, folded, 4);
    if (count != am_length(realm, rope) / sizeof(am_piece))
        return false;
    size_t heads = 4;
    for (uint32_t i = 0; i < count; i++) {
        if (heads >= bytes)
            return false;
        heads += folded[heads] == AM_FOLD_INLINE ? 7 : 1 + sizeof(am_piece);
    }
    const uint8_t *head = folded + 4, *content = folded + heads, *end = folded + bytes;
    if (heads > bytes)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        am_piece piece = {.pieces = 1, .form = AM_RAW};
        if (*head == AM_FOLD_REFERENCE) {
            memcpy(&piece, head + 1, sizeof piece);
            head += 1 + sizeof piece;
            if (!visit(context, &piece, NULL))
                return false;
            continue;
        }
        uint32_t length;
        memcpy(&length, head + 3, 4);
        if (*head != AM_FOLD_INLINE || length > (size_t)(end - content))
            return false;
        piece.type = head[1];
        piece.flags = head[2];
        piece.length = length;
        piece.messages = piece.flags & AM_MESSAGE_START;
        if (contents) {
            am_unit_id(agent->key, piece.type, AM_RAW, content, length, piece.id.bytes);
            if (!visit(context, &piece, content))
                return false;
        }
        head += 7;
        content += length;
    }
    return content == end;
}

bool am_fold_walk(const struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes,
                  am_fold_visit *visit, void *context) {
    return walk(realm, rope, folded, bytes, true, visit, context);
}

bool am_fold_references(const struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes,
                        am_fold_visit *visit, void *context) {
    return walk(realm, rope, folded, bytes, false, visit, context);
}

struct folding {
    struct am_realm *realm;
    uint32_t rope;
    int change;
    am_piece *out;
    int status;
    bool uncounted; /* see wanted.c */
};

static bool tag_add(void *context, const am_piece *piece, const uint8_t *content) {
    struct folding *folding = context;
    return !content || am_fold_tag_add(folding->realm, &piece->id, folding->rope);
}

static bool tag_remove(void *context, const am_piece *piece, const uint8_t *content) {
    struct folding *folding = context;
    if (content)
        am_fold_tag_remove(folding->realm, &piece->id, folding->rope);
    return true;
}

/* Its pieces can be found from here on. am_fold_tags_room before makes that it does not fail. */
bool am_fold_tag_all(struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes) {
    struct folding folding = {realm, rope, 0, NULL, 0, false};
    return am_fold_walk(realm, rope, folded, bytes, tag_add, &folding);
}

static bool collect(void *context, const am_piece *piece, const uint8_t *content) {
    (void)content;
    *((struct folding *)context)->out++ = *piece;
    return true;
}

static bool count_reference(void *context, const am_piece *piece, const uint8_t *content) {
    struct folding *folding = context;
    if (!content)
        am_rope_children(folding->realm, folding->rope, piece, 1, folding->change);
    else
        am_rope_holds(folding->realm, folding->rope, piece, folding->change);
    return true;
}

static bool make_piece(void *context, const am_piece *piece, const uint8_t *content) {
    struct folding *folding = context;
    struct am_realm *realm = folding->realm;
    if (!content)
        return true;
    uint32_t number = am_table_find(realm, &piece->id); /* published again meanwhile? */
    if (!number) {
        struct am_content made = {.id = piece->id,
                                  .length = piece->length,
                                  .bytes = content,
                                  .fd = -1,
                                  .type = piece->type,
                                  .form = AM_RAW};
        folding->status = am_unit_make(realm, realm->meta[folding->rope].space, &made, &number);
        if (folding->status)
            return false;
        realm->meta[number].importance = realm->meta[folding->rope].importance;
    }
    realm->meta[number].parents += !folding->uncounted;
    return true;
}

/* Take back what make_piece did, for as many pieces as it came to. */
static bool unmake_piece(void *context, const am_piece *piece, const uint8_t *content) {
    struct folding *folding = context;
    uint32_t number = content ? am_table_find(folding->realm, &piece->id) : 0;
    if (content && !number)
        return false; /* the one that could not be made */
    if (content && folding->uncounted) {
        am_unit_doom(folding->realm, number);
    } else if (content) {
        am_rope_children(folding->realm, folding->rope, piece, 1, -1);
        am_rope_holds(folding->realm, folding->rope, piece, 1); /* folded, it is held as before */
    }
    return true;
}

/* The rope's own bytes, from its folded ones. */
uint8_t *am_fold_raw(struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes) {
    am_piece *raw = malloc(am_length(realm, rope) + 1);
    struct folding folding = {realm, rope, 0, raw, 0, false};
    if (raw && !am_fold_walk(realm, rope, folded, bytes, collect, &folding)) {
        free(raw);
        return NULL;
    }
    return (uint8_t *)raw;
}

/* The rope and its pieces become units in the hot tier again. */
int am_unfold(struct am_realm *realm, uint32_t rope, const uint8_t *folded, size_t bytes) {
    struct am_meta *meta = &realm->meta[rope];
    struct folding folding = {realm, rope, 0, NULL, AM_ECORRUPT, meta->partial == AM_PARTIAL_UNCOUNTED};
    uint8_t *raw = am_fold_raw(realm, rope, folded, bytes); /* also checks all of it */
    if (!raw)
        return AM_ECORRUPT;
    int status = 0;
    if (!am_fold_walk(realm, rope, folded, bytes, make_piece, &folding))
        status = folding.status;
    if (!status)
        status = am_unit_fill(realm, rope, raw, -1);
    if (status) {
        free(raw);
        am_fold_walk(realm, rope, folded, bytes, unmake_piece, &folding);
        return status;
    }
    am_fold_walk(realm, rope, folded, bytes, tag_remove, &folding);
    meta->folded &= (uint8_t)~AM_FOLD_NOW;
    if (!(meta->folded & AM_FOLD_COLD)) /* it had not been written: each by itself has to be now */
        am_rope_unsaved(realm, (const am_piece *)raw, am_length(realm, rope) / sizeof(am_piece));
    am_warm_drop(realm, rope); /* the cold record stays: until the next fold it stands for the pieces too */
    meta->fold_bytes = 0;
    free(raw);
    return 0;
}

/* A folded rope is freed. */
void am_fold_end(struct am_realm *realm, uint32_t rope) {
    size_t bytes;
    uint8_t *folded = am_folded_bytes(realm, rope, &bytes);
    struct folding folding = {realm, rope, -1, NULL, 0, false};
    if (folded && !realm->meta[rope].partial)
        am_fold_walk(realm, rope, folded, bytes, count_reference, &folding);
    if (folded)
        am_fold_walk(realm, rope, folded, bytes, tag_remove, &folding);
    free(folded);
}

/* After a start: its pieces can be found. */
bool am_fold_tag(struct am_realm *realm, uint32_t rope) {
    size_t bytes = 0;
    uint8_t *folded = am_folded_bytes(realm, rope, &bytes);
    bool right = folded && am_fold_tag_all(realm, rope, folded, bytes);
    realm->meta[rope].fold_bytes = (uint32_t)bytes;
    free(folded);
    return right;
}

static bool look_for(void *context, const am_piece *piece, const uint8_t *content) {
    struct folding *folding = context;
    if (!content && !am_table_find(folding->realm, &piece->id) && !am_fold_find(folding->realm, &piece->id))
        folding->status = AM_ENOTFOUND;
    return true;
}

/* After a start, when it is wanted: it counts its references. A reference may lie in a rope that this one has
 * replaced. True when all are there. */
bool am_fold_settle(struct am_realm *realm, uint32_t rope) {
    size_t bytes;
    uint8_t *folded = am_folded_bytes(realm, rope, &bytes);
    struct folding folding = {realm, rope, 1, NULL, 0, false};
    bool right = folded && am_fold_walk(realm, rope, folded, bytes, look_for, &folding);
    if (right)
        am_fold_walk(realm, rope, folded, bytes, count_reference, &folding);
    free(folded);
    return right && !folding.status;
}

struct counting {
    struct am_realm *realm;
    uint32_t *parents;
    bool all;
};

static bool count_parent(void *context, const am_piece *piece, const uint8_t *content) {
    struct counting *counting = context;
    uint32_t number = content ? 0 : am_table_find(counting->realm, &piece->id);
    if (number)
        counting->parents[number]++;
    counting->all &= content || number;
    return true;
}

bool am_fold_parents(struct am_realm *realm, uint32_t rope, uint32_t *parents) {
    size_t bytes;
    uint8_t *folded = am_folded_bytes(realm, rope, &bytes);
    struct counting counting = {realm, parents, true};
    bool right = folded && am_fold_walk(realm, rope, folded, bytes, count_parent, &counting);
    free(folded);
    return right && counting.all;
}

/* Somebody asks for an id that the table does not have: is it folded? Then it is not any more. */
uint32_t am_fold_find(struct am_realm *realm, const am_id *id) {
    for (uint32_t n = 0, rope, number; (rope = am_fold_tag_rope(realm, id, n)) != 0;) {
        size_t bytes;
        uint8_t *folded = am_folded_bytes(realm, rope, &bytes);
        bool unfolded = folded && am_unfold(realm, rope, folded, bytes) == 0;
        free(folded);
        if ((number = am_table_find(realm, id)) != 0)
            return number;
        n += !unfolded; /* an unfolded one is not among them any more */
    }
    return 0;
}
