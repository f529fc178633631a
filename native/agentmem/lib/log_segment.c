/* What a segment's records are, and how much of it lives. */
#include "log_segment.h"

#include <stdlib.h>

struct am_segment *am_segment_new(uint32_t number, uint64_t salt, uint64_t bytes)
{
    struct am_segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return NULL;
    segment->number = number;
    segment->salt = salt;
    segment->bytes = bytes;
    segment->fd = -1;
    return segment;
}

void am_segment_free(struct am_segment *segment)
{
    free(segment->entries);
    free(segment);
}

bool am_segment_reserve(struct am_segment *segment)
{
    if (segment->count < segment->room)
        return true;
    const size_t room = segment->room == 0 ? 64 : segment->room * 2;
    struct am_entry *entries = realloc(segment->entries, room * sizeof *entries);
    if (entries == NULL)
        return false;
    segment->entries = entries;
    segment->room = room;
    return true;
}

void am_segment_add(struct am_segment *segment, const struct am_log_head *head, uint64_t at)
{
    const uint64_t bytes = am_record_bytes(head->payload_bytes);
    struct am_entry *entry = &segment->entries[segment->count++];
    entry->key = am_record_key(head);
    entry->sequence = head->sequence & ((UINT64_C(1) << 56) - 1);
    entry->padding = (bytes - AM_MARK_BYTES - head->payload_bytes) & 63;
    entry->alive = 1;
    entry->death = am_record_is_death(head);
    entry->step = (uint32_t)(at / AM_STEP);
    entry->steps = (uint32_t)(bytes / AM_STEP);
    segment->end = at + bytes;
    segment->alive++;
    *(entry->death ? &segment->death_bytes : &segment->live_bytes) += bytes;
}

struct am_entry *am_segment_find(const struct am_segment *segment, uint64_t at)
{
    size_t low = 0, high = segment->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (am_entry_at(&segment->entries[middle]) < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < segment->count && am_entry_at(&segment->entries[low]) == at ? &segment->entries[low] : NULL;
}

bool am_segment_drop(struct am_segment *segment, struct am_entry *entry)
{
    if (!entry->alive || entry->death)
        return false;
    am_segment_forget(segment, entry);
    segment->stuck = false;
    return true;
}

void am_segment_forget(struct am_segment *segment, struct am_entry *entry)
{
    if (!entry->alive)
        return;
    *(entry->death ? &segment->death_bytes : &segment->live_bytes) -= (uint64_t)entry->steps * AM_STEP;
    segment->alive--;
    entry->alive = 0;
}

void am_segment_cut(struct am_segment *segment, uint64_t at)
{
    while (segment->count > 0 && am_entry_at(&segment->entries[segment->count - 1]) >= at)
        am_segment_forget(segment, &segment->entries[--segment->count]);
    segment->end = at;
    segment->junk_end = 0;
}
