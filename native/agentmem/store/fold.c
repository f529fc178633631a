/* Folding: an idle rope and its small pieces become one record.
 *
 * A message of some hundred bytes costs as much again to keep as a unit of its own, and codes badly alone.
 * When a private rope goes down, those of its pieces that nothing else needs are taken into its record and
 * cease to be units; what else it holds stays a reference. When the rope is wanted, they are units again,
 * with the ids they had (an id is computed from content, so it need not be kept). Somebody who asks for a
 * folded piece by its id is served too: a tag of four bytes for each leads to its rope, and the id decides.
 *
 * Folded bytes: uint32 count; for each piece a byte (AM_FOLD_INLINE or AM_FOLD_REFERENCE), then for an inline
 * one type, flags and a uint32 length, for a reference its am_piece; then the inline contents one after
 * another.
 *
 * Invariant: the pieces of a rope count it as their parent exactly while it is not folded or they are
 * references. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#define AM_FOLD_LEAST 4u     /* pieces that make it worth the while */
#define AM_FOLD_PIECES 1024u /* of a rope, at most: its root has fewer */

struct fold_job {
    struct am_job job;
    struct am_realm *realm;
    uint32_t rope;
    const struct am_dictionary *dictionary;
    uint8_t *folded, *out;
    size_t bytes, out_bytes;
};

/* May this piece be taken in? */
static bool eligible(const struct am_realm *realm, uint32_t rope, uint32_t piece) {
    const struct am_meta *meta = &realm->meta[piece];
    return am_form_of(realm, piece) == AM_RAW && meta->space == realm->meta[rope].space && !meta->owners &&
           meta->parents == 1 && !meta->base && !meta->lost &&
           am_length(realm, piece) <= AM_FOLD_PIECE &&
           (am_state_of(realm, piece) == AM_STATE_HOT || meta->warm);
}

/* Is everything still as it was when the job began, and does nobody refer to any of it? Then it goes. */
static bool still(struct am_realm *realm, uint32_t rope, uint32_t *numbers, size_t count) {
    bool used[AM_FOLD_PIECES + 1], right = am_state_of(realm, rope) == AM_STATE_HOT && !realm->pins[rope];
    for (size_t i = 0; i < count && right; i++)
        right = eligible(realm, rope, numbers[i]) && !realm->pins[numbers[i]];
    if (!right)
        return false;
    numbers[count] = rope;
    for (size_t i = 0; i <= count; i++)
        am_record_begin(realm, numbers[i]);
    am_references_find(realm, numbers, count + 1, used);
    for (size_t i = 0; i <= count; i++)
        right &= !used[i];
    for (size_t i = 0; i <= count; i++)
        am_record_end(realm, numbers[i]);
    return right; /* a reference taken from here on is seen by am_unit_chill and by the freeing of the piece
                   */
}

/* The folded bytes of a hot rope as it is now; NULL when it is not worth it or memory ran out. *later: a job
 * is at work on one of its pieces, which would have to stay a unit of its own. */
static uint8_t *fold(struct am_realm *realm, uint32_t rope, size_t *bytes, bool *later) {
    size_t count = am_length(realm, rope) / sizeof(am_piece), heads = 4, contents = 0, taken = 0;
    const am_piece *pieces = (const am_piece *)am_bytes_of(realm, rope);
    if (count > AM_FOLD_PIECES)
        return NULL;
    uint32_t numbers[AM_FOLD_PIECES];
    for (size_t i = 0; i < count; i++) {
        numbers[i] = am_table_find(realm, &pieces[i].id);
        if (!numbers[i])
            return NULL;
        if (eligible(realm, rope, numbers[i])) {
            *later |= realm->pins[numbers[i]] > 0;
            taken++;
            heads += 7;
            contents += am_length(realm, numbers[i]);
        } else {
            numbers[i] = 0;
            heads += 1 + sizeof(am_piece);
        }
    }
    *later &= taken >= AM_FOLD_LEAST;
    if (*later)
        return NULL;
    uint32_t inlined[AM_FOLD_PIECES + 1];
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++)
        if (numbers[i])
            inlined[distinct++] = numbers[i];
    if (taken >= AM_FOLD_LEAST && !still(realm, rope, inlined, distinct))
        return NULL;
    uint8_t *folded =
        taken < AM_FOLD_LEAST || heads + contents > AM_FOLD_BYTES ? NULL : malloc(heads + contents);
    if (!folded)
        return NULL;
    uint8_t *head = folded + 4, *content = folded + heads;
    memcpy(folded, &(uint32_t){(uint32_t)count}, 4);
    for (size_t i = 0; i < count; i++) {
        if (!numbers[i]) {
            *head++ = AM_FOLD_REFERENCE;
            memcpy(head, &pieces[i], sizeof(am_piece));
            head += sizeof(am_piece);
            continue;
        }
        uint32_t length = (uint32_t)am_length(realm, numbers[i]);
        uint8_t *raw = am_unit_raw(realm, numbers[i]);
        if (!raw) {
            free(folded);
            return NULL;
        }
        *head++ = AM_FOLD_INLINE;
        *head++ = pieces[i].type;
        *head++ = pieces[i].flags;
        memcpy(head, &length, 4);
        head += 4;
        memcpy(content, raw, length);
        content += length;
        free(raw);
    }
    *bytes = heads + contents;
    return folded;
}

static void fold_run(struct am_job *base) {
    struct fold_job *job = (struct fold_job *)base;
    job->out = malloc(am_stored_bound(job->bytes));
    job->out_bytes = job->out ? am_encode(job->folded, job->bytes, job->dictionary, AM_LEVEL, job->out) : 0;
}

struct taking {
    struct am_realm *realm;
    uint32_t rope, *numbers;
    size_t count;
};

static bool take(void *context, const am_piece *piece, const uint8_t *content) {
    struct taking *taking = context;
    if (content)
        taking->numbers[taking->count++] = am_table_find(taking->realm, &piece->id);
    return !content || taking->numbers[taking->count - 1];
}

/* The record that goes may be the only one on the disk in which this piece stands. */
static bool save_reference(void *context, const am_piece *piece, const uint8_t *content) {
    (void)content;
    am_rope_unsaved(context, piece, 1);
    return true;
}

static void fold_done(struct am_job *base) {
    struct fold_job *job = (struct fold_job *)base;
    struct am_realm *realm = job->realm;
    struct am_store *store = realm->store;
    struct am_meta *meta = &realm->meta[job->rope];
    uint32_t numbers[AM_FOLD_PIECES + 1];
    struct taking taking = {realm, job->rope, numbers, 0};
    am_unit_unpin(realm, job->rope);
    realm->flag[job->rope] &= (uint8_t)~AM_FLAG_COOLING;
    store->cooling_bytes -= job->bytes;
    store->jobs--;
    am_id id = am_record_id(realm, job->rope);
    struct am_log_head head = {.payload_bytes = job->out_bytes,
                               .time_ms = meta->used_ms,
                               .realm = realm->number,
                               .space = meta->space,
                               .base_or_number = (uint32_t)(am_length(realm, job->rope) / sizeof(am_piece)),
                               .importance = meta->importance,
                               .kind = AM_RECORD_UNIT,
                               .type = (uint8_t)am_type_of(realm, job->rope),
                               .form = AM_FOLDED};
    memcpy(head.id, id.bytes, sizeof head.id);
    uint64_t address;
    bool goes = job->out_bytes && (meta->owners || meta->parents) &&
                am_fold_walk(realm, job->rope, job->folded, job->bytes, take, &taking) &&
                still(realm, job->rope, numbers, taking.count) &&
                am_fold_tags_room(realm, (uint32_t)taking.count) &&
                am_log_append(store->warm, &head, job->out, &address) == 0;
    if (goes) {
        am_warm_grown(store);
        am_warm_drop(realm, job->rope);
        am_cold_drop(realm, job->rope); /* its pieces' own records go too; the new one is written with them */
        am_fold_references(realm, job->rope, job->folded, job->bytes, save_reference, realm);
        meta->folded = AM_FOLD_NOW;
        meta->fold_bytes = (uint32_t)job->bytes;
        meta->warm = address + 1;
        meta->warm_bytes = (uint32_t)job->out_bytes;
        if (am_unit_chill(realm, job->rope)) {
            am_fold_tag_all(realm, job->rope, job->folded, job->bytes);
            for (size_t i = 0; i < taking.count; i++) {
                realm->meta[numbers[i]].parents = 0;
                am_unit_doom(realm, numbers[i]);
            }
            am_unsaved(realm, job->rope);
            store->counted.evictions_warm++;
        } else { /* cannot be: nobody runs between still() and here but clients */
            meta->folded = 0;
            meta->fold_bytes = 0;
            am_warm_drop(realm, job->rope);
        }
    }
    am_unit_doom(realm, job->rope);
    free(job->folded);
    free(job->out);
    free(job);
}

/* Begin to fold a hot rope, or leave it for the next time. False: it is none that folds; code it as it is. */
bool am_fold(struct am_realm *realm, uint32_t rope) {
    struct am_store *store = realm->store;
    size_t bytes;
    if (am_form_of(realm, rope) != AM_ROPE || !realm->meta[rope].space || realm->pins[rope])
        return false;
    bool later = false;
    uint8_t *folded = fold(realm, rope, &bytes, &later);
    struct fold_job *job = folded ? calloc(1, sizeof *job) : NULL;
    if (!job) {
        free(folded);
        return later;
    }
    int type = am_type_of(realm, rope);
    *job = (struct fold_job){.job = {.run = fold_run, .done = fold_done},
                             .realm = realm,
                             .rope = rope,
                             .folded = folded,
                             .bytes = bytes,
                             .dictionary = realm->dictionaries[type]
                                               ? realm->dictionary[type][realm->dictionaries[type] - 1]
                                               : NULL};
    am_unit_pin(realm, rope);
    realm->flag[rope] |= AM_FLAG_COOLING;
    store->cooling_bytes += bytes;
    store->jobs++;
    am_job_submit(store, &job->job);
    return true;
}
