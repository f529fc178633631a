/* See log_slots.h. */
#include "log_slots.h"

#include "agentmem.h"
#include "blake3.h"
#include "log_sheet.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_MAGIC UINT64_C(0x3130544c53474d41) /* "AMGSLT01" */
#define COUNT_MOST (UINT64_C(1) << 24)
#define AHEAD 32u /* heads that are read, or emptied, at once */
enum { FREE, TAKEN, BROKEN };

struct head {
    uint64_t magic;
    struct am_slot_head is;
    uint8_t check[16];
};
_Static_assert(sizeof(struct head) == 48, "the format");

struct am_slots {
    struct am_blocks *blocks;
    pthread_mutex_t lock; /* guards taken */
    struct am_sheet sheet;
    uint32_t count;
    uint8_t *taken; /* one byte for each slot */
    uint8_t *block; /* the writer's own; AHEAD more follow, with the heads of slots from `from` on */
    uint32_t from, known;
    int errors[AHEAD];
};

/* Over the place too: a head that was copied elsewhere is none. */
static void check_head(const struct am_slots *slots, uint64_t base, const struct head *head, uint8_t out[32])
{
    struct am_blake3 hash;
    am_blake3_start_keyed(&hash, slots->sheet.secret);
    am_blake3_update(&hash, &base, sizeof base);
    am_blake3_update(&hash, head, offsetof(struct head, check));
    am_blake3_finish(&hash, out);
}

static uint32_t count_of(uint64_t disk_bytes, uint64_t slot_bytes)
{
    const uint64_t count = disk_bytes / slot_bytes - 1;
    return (uint32_t)(count < COUNT_MOST ? count : COUNT_MOST);
}

static bool zeros(const uint8_t *bytes, uint64_t count)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

/* The places of all heads, AHEAD at a time: are made zeros, or must be (EEXIST). room: AHEAD blocks, zeros to
 * write. */
static int heads(struct am_blocks *blocks, uint8_t *room, uint64_t slot_bytes, bool write)
{
    const uint32_t count = count_of(blocks->bytes, slot_bytes);
    for (uint32_t from = 0; from < count; from += AHEAD) {
        struct am_io ios[AHEAD];
        uint32_t many = 0;
        for (; many < AHEAD && from + many < count; many++)
            ios[many] = (struct am_io){.fd = -1, .write = write, .bytes = room + many * AM_BLOCK,
                                       .length = AM_BLOCK,
                                       .offset = (from + many + UINT64_C(1)) * slot_bytes};
        blocks->run(blocks, ios, many);
        for (uint32_t i = 0; i < many; i++) {
            const int error = ios[i].error != 0 ? ios[i].error : ios[i].moved != AM_BLOCK ? EIO : 0;
            if (error != 0 || !zeros(ios[i].bytes, AM_BLOCK)) {
                errno = error != 0 ? error : EEXIST;
                return AM_EDISK;
            }
        }
    }
    return 0;
}

/* Heads of an earlier log: the new secret believes none of them, but they would look like damage. */
static int empty(struct am_blocks *blocks, uint8_t *room, uint64_t slot_bytes)
{
    int status = heads(blocks, room, slot_bytes, true);
    const uint64_t places[] = {0, blocks->bytes - AM_SLOT_LEAST};
    for (size_t i = 0; status == 0 && i < 2; i++) {
        const int error = blocks->zero(blocks, places[i], AM_SLOT_LEAST);
        errno = error;
        status = error == 0 ? 0 : AM_EDISK;
    }
    return status == 0 ? am_sheet_flush(blocks) : status;
}

int am_slots_make(struct am_blocks *blocks, uint64_t slot_bytes, bool erase)
{
    struct am_sheet sheet = {.slot_bytes = slot_bytes};
    uint8_t *room;
    if (blocks->bytes / 4 < slot_bytes) {
        errno = ENOSPC;
        return AM_EDISK;
    }
    int status = erase ? 0 : am_sheet_stranger(blocks);
    if (status != 0)
        return status;
    if (posix_memalign((void **)&room, AM_BLOCK, AHEAD * AM_BLOCK) != 0)
        return AM_ENOMEM;
    memset(room, 0, AHEAD * AM_BLOCK);
    status = erase ? empty(blocks, room, slot_bytes) : heads(blocks, room, slot_bytes, false);
    if (status == 0)
        status = am_sheet_write(blocks, &sheet);
    const int error = errno;
    explicit_bzero(&sheet, sizeof sheet);
    free(room);
    errno = error;
    return status;
}

int am_slots_open(struct am_blocks *blocks, struct am_slots **made)
{
    struct am_slots *slots = calloc(1, sizeof *slots);
    int status = AM_ENOMEM;
    if (slots == NULL)
        return status;
    pthread_mutex_init(&slots->lock, NULL);
    if (posix_memalign((void **)&slots->block, AM_BLOCK, (1 + AHEAD) * AM_BLOCK) != 0)
        slots->block = NULL;
    else
        status = am_sheet_read(blocks, &slots->sheet);
    if (status == 0) {
        slots->count = count_of(slots->sheet.disk_bytes, slots->sheet.slot_bytes);
        slots->taken = calloc(slots->count + 1, 1);
        status = slots->taken == NULL ? AM_ENOMEM : 0;
    }
    if (status != 0) {
        const int error = errno;
        am_slots_close(slots);
        errno = error;
        return status;
    }
    slots->blocks = blocks;
    *made = slots;
    return 0;
}

void am_slots_close(struct am_slots *slots)
{
    if (slots == NULL)
        return;
    if (slots->blocks != NULL)
        slots->blocks->close(slots->blocks);
    pthread_mutex_destroy(&slots->lock);
    explicit_bzero(&slots->sheet, sizeof slots->sheet);
    free(slots->taken);
    free(slots->block);
    free(slots);
}

uint64_t am_slots_bytes(const struct am_slots *slots)
{
    return slots->sheet.slot_bytes;
}

uint32_t am_slots_count(const struct am_slots *slots)
{
    return slots->count;
}

/* The heads of the next slots, for which the disk does not make us wait one by one. */
static void look_ahead(struct am_slots *slots, uint32_t slot)
{
    struct am_io ios[AHEAD];
    slots->from = slot;
    slots->known = slots->count - slot < AHEAD ? slots->count - slot : AHEAD;
    for (uint32_t i = 0; i < slots->known; i++)
        ios[i] = (struct am_io){.fd = -1, .bytes = slots->block + (i + 1) * AM_BLOCK, .length = AM_BLOCK,
                                .offset = am_slots_base(slots, slot + i)};
    slots->blocks->run(slots->blocks, ios, slots->known);
    for (uint32_t i = 0; i < slots->known; i++)
        slots->errors[i] = ios[i].error != 0 ? ios[i].error : ios[i].moved != AM_BLOCK ? EIO : 0;
}

int am_slots_look(struct am_slots *slots, uint32_t slot, struct am_slot_head *out)
{
    struct head head;
    uint8_t check[32];
    if (slot < slots->from || slot - slots->from >= slots->known)
        look_ahead(slots, slot);
    const int error = slots->errors[slot - slots->from];
    const uint8_t *block = slots->block + (slot - slots->from + 1) * AM_BLOCK;
    if (error == EIO)
        return AM_ECORRUPT; /* a bad place: what lies there is let be */
    if (error != 0) {
        errno = error; /* the disk is gone, or does not answer: that says nothing of what lies there */
        return AM_EDISK;
    }
    if (zeros(block, 512))
        return 0;
    memcpy(&head, block, sizeof head);
    check_head(slots, am_slots_base(slots, slot), &head, check);
    if (head.magic != SLOT_MAGIC || memcmp(head.check, check, sizeof head.check) != 0 || head.is.slots == 0
        || head.is.slots > slots->count - slot || head.is.number == 0 || head.is.used % AM_BLOCK != 0
        || head.is.used > head.is.slots * slots->sheet.slot_bytes)
        return AM_ECORRUPT;
    *out = head.is;
    return 1;
}

void am_slots_mark(struct am_slots *slots, uint32_t slot, uint32_t count, bool broken)
{
    pthread_mutex_lock(&slots->lock);
    memset(slots->taken + slot, broken ? BROKEN : TAKEN, count);
    pthread_mutex_unlock(&slots->lock);
}

bool am_slots_broken(const struct am_slots *slots, uint32_t slot)
{
    return slots->taken[slot] == BROKEN; /* for good: nobody gives it back */
}

static int write_head(struct am_slots *slots, uint64_t base, const struct am_slot_head *is)
{
    struct head head = {.magic = SLOT_MAGIC, .is = *is};
    uint8_t check[32];
    check_head(slots, base, &head, check);
    memcpy(head.check, check, sizeof head.check);
    memset(slots->block, 0, AM_BLOCK);
    memcpy(slots->block, &head, sizeof head);
    const int status = am_sheet_move(slots->blocks, true, slots->block, AM_BLOCK, base);
    return status != 0 ? status : am_sheet_flush(slots->blocks);
}

/* The first row of free slots that is long enough, marked; the count when there is none. */
static uint32_t reserve(struct am_slots *slots, uint32_t wanted)
{
    uint32_t row = 0, found = slots->count;
    pthread_mutex_lock(&slots->lock);
    for (uint32_t i = 0; i < slots->count && found == slots->count; i++) {
        row = slots->taken[i] != FREE ? 0 : row + 1;
        if (row == wanted)
            found = i + 1 - wanted;
    }
    if (found < slots->count)
        memset(slots->taken + found, TAKEN, wanted);
    pthread_mutex_unlock(&slots->lock);
    return found;
}

static int clear_head(struct am_slots *slots, uint64_t base)
{
    memset(slots->block, 0, AM_BLOCK);
    const int status = am_sheet_move(slots->blocks, true, slots->block, AM_BLOCK, base);
    return status != 0 ? status : am_sheet_flush(slots->blocks);
}

int am_slots_take(struct am_slots *slots, uint64_t bytes, struct am_slot_head *head, uint64_t *base)
{
    const uint64_t size = slots->sheet.slot_bytes, wanted = (bytes + size - 1) / size;
    const uint32_t slot = wanted > slots->count ? slots->count : reserve(slots, (uint32_t)wanted);
    if (slot == slots->count) {
        errno = ENOSPC;
        return AM_EDISK;
    }
    *base = am_slots_base(slots, slot);
    head->slots = (uint32_t)wanted;
    /* What an earlier segment left would look like damage behind this one's end. The head comes last. */
    const int error = slots->blocks->zero(slots->blocks, *base, wanted * size);
    int status = error == 0 ? am_sheet_flush(slots->blocks) : AM_EDISK;
    if (status == 0)
        status = write_head(slots, *base, head);
    if (status != 0) {
        const int before = error != 0 ? error : errno;
        /* Else a head may lie there; or it is a bad place, which would be the next choice again: the slots
         * stay taken until the next open. */
        if (clear_head(slots, *base) == 0 && before != EIO)
            am_slots_give(slots, *base, wanted * size);
        errno = before;
    }
    return status;
}

int am_slots_seal(struct am_slots *slots, uint64_t base, const struct am_slot_head *head)
{
    return write_head(slots, base, head);
}

/* Of a row: what lies where the other slots begin would look like broken heads once the row is none. Before
 * that goes, the head says that the segment is empty: a power cut leaves nothing that looks like damage. */
int am_slots_clear(struct am_slots *slots, uint64_t base, const struct am_slot_head *head)
{
    int status = 0;
    if (head->slots > 1) {
        struct am_slot_head none = *head;
        none.used = AM_BLOCK;
        status = write_head(slots, base, &none);
        for (uint32_t i = 1; i < head->slots && status == 0; i++) {
            memset(slots->block, 0, AM_BLOCK);
            status = am_sheet_move(slots->blocks, true, slots->block, AM_BLOCK,
                                   base + i * slots->sheet.slot_bytes);
        }
        if (status == 0)
            status = am_sheet_flush(slots->blocks);
    }
    return status == 0 ? clear_head(slots, base) : status;
}

void am_slots_give(struct am_slots *slots, uint64_t base, uint64_t bytes)
{
    const uint64_t size = slots->sheet.slot_bytes;
    pthread_mutex_lock(&slots->lock);
    memset(slots->taken + (base / size - 1), FREE, bytes / size);
    pthread_mutex_unlock(&slots->lock);
}
