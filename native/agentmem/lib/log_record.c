/* Marks of records: filled, checked, read back. */
#include "log_record.h"

#include "blake3.h"

#include <string.h>

_Static_assert(sizeof(struct am_log_head) == 96, "what the header says");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "marks are written as they lie in memory");

static uint64_t checked(const struct am_mark *mark)
{
    struct am_blake3 hash;
    uint8_t out[32];
    uint64_t check;
    am_blake3_start(&hash);
    am_blake3_update(&hash, mark, offsetof(struct am_mark, check));
    am_blake3_finish(&hash, out);
    memcpy(&check, out, sizeof check);
    return check;
}

static void tagged(const struct am_mark *mark, const void *payload, uint8_t out[32])
{
    struct am_blake3 hash;
    am_blake3_start(&hash);
    am_blake3_update(&hash, mark, offsetof(struct am_mark, tag));
    if (mark->payload_bytes > 0)
        am_blake3_update(&hash, payload, mark->payload_bytes);
    am_blake3_finish(&hash, out);
}

uint64_t am_record_key(const struct am_log_head *head)
{
    const uint64_t kind = head->kind == AM_RECORD_GONE ? AM_RECORD_UNIT : head->kind;
    uint64_t key;
    memcpy(&key, head->id, sizeof key);
    key ^= ((uint64_t)head->space << 32 | head->realm) * UINT64_C(0x9e3779b97f4a7c15);
    key ^= kind * UINT64_C(0xd1342543de82ef95);
    key *= UINT64_C(0xff51afd7ed558ccd);
    return key ^ key >> 32;
}

void am_mark_fill(struct am_mark *mark, const struct am_log_head *head, const void *payload, uint32_t segment,
                  uint64_t at, uint64_t salt)
{
    memset(mark, 0, sizeof *mark);
    mark->magic = AM_MARK_MAGIC;
    mark->salt = salt;
    mark->segment = segment;
    mark->step = (uint32_t)(at / AM_STEP);
    mark->sequence = head->sequence;
    mark->payload_bytes = head->payload_bytes;
    mark->time_ms = head->time_ms;
    mark->realm = head->realm;
    mark->space = head->space;
    mark->base_or_number = head->base_or_number;
    mark->importance = head->importance;
    mark->kind = head->kind;
    mark->type = head->type;
    mark->form = head->form;
    memcpy(mark->id, head->id, sizeof mark->id);
    mark->check = checked(mark);
    uint8_t tag[32];
    tagged(mark, payload, tag);
    memcpy(mark->tag, tag, sizeof mark->tag);
}

bool am_mark_believed(const struct am_mark *mark, uint32_t segment, uint64_t at, uint64_t salt)
{
    return mark->magic == AM_MARK_MAGIC && mark->salt == salt && mark->segment == segment &&
           (uint64_t)mark->step * AM_STEP == at && mark->check == checked(mark);
}

bool am_mark_whole(const struct am_mark *mark, const void *payload)
{
    uint8_t tag[32];
    tagged(mark, payload, tag);
    return memcmp(tag, mark->tag, sizeof mark->tag) == 0;
}

void am_mark_head(const struct am_mark *mark, struct am_log_head *head)
{
    memset(head, 0, sizeof *head);
    memcpy(head->id, mark->id, sizeof head->id);
    head->payload_bytes = mark->payload_bytes;
    head->sequence = mark->sequence;
    head->time_ms = mark->time_ms;
    head->realm = mark->realm;
    head->space = mark->space;
    head->base_or_number = mark->base_or_number;
    head->importance = mark->importance;
    head->kind = mark->kind;
    head->type = mark->type;
    head->form = mark->form;
}
