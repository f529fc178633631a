/* See log_slots.h. */
#include "log_slots.h"

#include "agentmem.h"
#include "blake3.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SHEET_MAGIC UINT64_C(0x3130534b44474d41) /* "AMGDKS01" */
#define SLOT_MAGIC UINT64_C(0x3130544c53474d41)  /* "AMGSLT01" */
#define LOOKED (1u << 20) /* bytes at either end of a disk that must be zeros before it is taken */

struct sheet { /* little-endian, as all of this */
    uint64_t magic, disk_bytes, slot_bytes;
    uint8_t secret[32], check[8];
};
_Static_assert(sizeof(struct sheet) == 64, "the format");

struct head {
    uint64_t magic;
    struct am_slot_head is;
    uint8_t check[16];
};
_Static_assert(sizeof(struct head) == 48, "the format");

struct am_slots {
    struct am_blocks *blocks;
    pthread_mutex_t lock; /* guards taken */
    struct sheet sheet;
    uint32_t count;
    uint8_t *taken; /* one byte for each slot */
    uint8_t *block; /* the writer's own */
};

static void check_sheet(const struct sheet *sheet, uint8_t out[32])
{
    struct am_blake3 hash;
    am_blake3_start_derive(&hash, "agentmem bare disk sheet");
    am_blake3_update(&hash, sheet, offsetof(struct sheet, check));
    am_blake3_finish(&hash, out);
}

/* Over the place too: a head that was copied elsewhere is none. */
static void check_head(const struct am_slots *slots, uint64_t base, const struct head *head, uint8_t out[32])
{
    struct am_blake3 hash;
    am_blake3_start_keyed(&hash, slots->sheet.secret);
    am_blake3_update(&hash, &base, sizeof base);
    am_blake3_update(&hash, head, offsetof(struct head, check));
    am_blake3_finish(&hash, out);
}

static int move(struct am_blocks *blocks, bool write, uint8_t *bytes, uint64_t length, uint64_t offset)
{
    struct am_io io = {.fd = -1, .write = write, .bytes = bytes, .length = length, .offset = offset};
    blocks->run(blocks, &io, 1);
    if (io.error == 0 && io.moved == length)
        return 0;
    errno = io.error != 0 ? io.error : EIO;
    return AM_EDISK;
}

static int flush(struct am_blocks *blocks)
{
    const int error = blocks->flush(blocks);
    errno = error;
    return error == 0 ? 0 : AM_EDISK;
}

static bool zeros(const uint8_t *bytes, uint64_t count)
{
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* Partition tables, file systems, volumes and arrays all have something near an end of their disk. */
static int must_be_empty(struct am_blocks *blocks)
{
    uint8_t *bytes;
    const uint64_t places[] = {0, blocks->bytes - LOOKED};
    if (posix_memalign((void **)&bytes, AM_BLOCK, LOOKED) != 0)
        return AM_ENOMEM;
    int status = 0;
    for (size_t i = 0; i < 2 && status == 0; i++) {
        status = move(blocks, false, bytes, LOOKED, places[i]);
        if (status == 0 && !zeros(bytes, LOOKED)) {
            errno = EEXIST;
            status = AM_EDISK;
        }
    }
    const int error = errno;
    free(bytes);
    errno = error;
    return status;
}

static int make_sheet(struct am_slots *slots, uint64_t slot_bytes)
{
    uint8_t check[32];
    const int status = slot_bytes == 0 ? AM_EDISK : must_be_empty(slots->blocks);
    if (slot_bytes == 0)
        errno = ENODATA;
    if (status != 0)
        return status;
    slots->sheet = (struct sheet){.magic = SHEET_MAGIC, .disk_bytes = slots->blocks->bytes,
                                  .slot_bytes = slot_bytes};
    if (getrandom(slots->sheet.secret, sizeof slots->sheet.secret, 0) != sizeof slots->sheet.secret)
        return AM_EBUSY;
    check_sheet(&slots->sheet, check);
    memcpy(slots->sheet.check, check, sizeof slots->sheet.check);
    memset(slots->block, 0, AM_BLOCK);
    memcpy(slots->block, &slots->sheet, sizeof slots->sheet);
    /* No head of an earlier log can be believed by the new secret: but it would look like damage. */
    for (uint64_t base = slot_bytes; base + slot_bytes <= slots->blocks->bytes; base += slot_bytes) {
        const int error = slots->blocks->zero(slots->blocks, base, AM_BLOCK);
        if (error != 0) {
            errno = error;
            return AM_EDISK;
        }
    }
    if (flush(slots->blocks) != 0 || move(slots->blocks, true, slots->block, AM_BLOCK, 0) != 0)
        return AM_EDISK;
    return flush(slots->blocks);
}

static int read_sheet(struct am_slots *slots, uint64_t slot_bytes)
{
    uint8_t check[32];
    const int status = move(slots->blocks, false, slots->block, AM_BLOCK, 0);
    if (status != 0)
        return status;
    struct sheet *sheet = &slots->sheet;
    memcpy(sheet, slots->block, sizeof *sheet);
    check_sheet(sheet, check);
    if (sheet->magic != SHEET_MAGIC)
        return make_sheet(slots, slot_bytes);
    if (memcmp(sheet->check, check, sizeof sheet->check) != 0 || sheet->slot_bytes % AM_BLOCK != 0
        || sheet->slot_bytes < LOOKED || sheet->disk_bytes > slots->blocks->bytes) {
        errno = EUCLEAN; /* it was a log's: nothing is written over it */
        return AM_EDISK;
    }
    return 0;
}

int am_slots_open(struct am_blocks *blocks, uint64_t slot_bytes, struct am_slots **made)
{
    struct am_slots *slots = calloc(1, sizeof *slots);
    int status = AM_ENOMEM;
    if (slots == NULL)
        return status;
    slots->blocks = blocks;
    pthread_mutex_init(&slots->lock, NULL);
    if (posix_memalign((void **)&slots->block, AM_BLOCK, AM_BLOCK) != 0)
        slots->block = NULL;
    else if (blocks->bytes < 2 * LOOKED || blocks->bytes < 2 * slot_bytes)
        status = AM_EDISK, errno = ENOSPC;
    else
        status = read_sheet(slots, slot_bytes);
    if (status == 0) {
        const uint64_t count = slots->sheet.disk_bytes / slots->sheet.slot_bytes - 1;
        slots->count = count < (1u << 24) ? (uint32_t)count : 1u << 24;
        slots->taken = calloc(slots->count + 1, 1);
        status = slots->taken == NULL ? AM_ENOMEM : 0;
    }
    if (status != 0) {
        const int error = errno;
        slots->blocks = NULL;
        am_slots_close(slots);
        errno = error;
        return status;
    }
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

int am_slots_look(struct am_slots *slots, uint32_t slot, struct am_slot_head *out)
{
    const uint64_t base = am_slots_base(slots, slot);
    struct head head;
    uint8_t check[32];
    const int status = move(slots->blocks, false, slots->block, AM_BLOCK, base);
    if (status != 0)
        return AM_ECORRUPT; /* the disk does not give it back: what lies there is let be */
    memcpy(&head, slots->block, sizeof head);
    check_head(slots, base, &head, check);
    if (zeros(slots->block, 512))
        return 0;
    if (head.magic != SLOT_MAGIC || memcmp(head.check, check, sizeof head.check) != 0 || head.is.slots == 0
        || head.is.slots > slots->count - slot || head.is.number == 0
        || head.is.used > head.is.slots * slots->sheet.slot_bytes)
        return AM_ECORRUPT;
    *out = head.is;
    return 1;
}

void am_slots_mark(struct am_slots *slots, uint32_t slot, uint32_t count)
{
    pthread_mutex_lock(&slots->lock);
    memset(slots->taken + slot, 1, count);
    pthread_mutex_unlock(&slots->lock);
}

static int write_head(struct am_slots *slots, uint64_t base, const struct am_slot_head *is)
{
    struct head head = {.magic = SLOT_MAGIC, .is = *is};
    uint8_t check[32];
    check_head(slots, base, &head, check);
    memcpy(head.check, check, sizeof head.check);
    memset(slots->block, 0, AM_BLOCK);
    memcpy(slots->block, &head, sizeof head);
    const int status = move(slots->blocks, true, slots->block, AM_BLOCK, base);
    return status != 0 ? status : flush(slots->blocks);
}

/* The first row of free slots that is long enough, marked; the count when there is none. */
static uint32_t reserve(struct am_slots *slots, uint32_t wanted)
{
    uint32_t row = 0, found = slots->count;
    pthread_mutex_lock(&slots->lock);
    for (uint32_t i = 0; i < slots->count && found == slots->count; i++) {
        row = slots->taken[i] ? 0 : row + 1;
        if (row == wanted)
            found = i + 1 - wanted;
    }
    if (found < slots->count)
        memset(slots->taken + found, 1, wanted);
    pthread_mutex_unlock(&slots->lock);
    return found;
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
    int status = error == 0 ? flush(slots->blocks) : AM_EDISK;
    if (status == 0)
        status = write_head(slots, *base, head);
    if (status != 0) {
        const int before = error != 0 ? error : errno;
        if (am_slots_clear(slots, *base) == 0) /* else a head may lie there: the slots stay taken */
            am_slots_give(slots, *base, wanted * size);
        errno = before;
    }
    return status;
}

int am_slots_seal(struct am_slots *slots, uint64_t base, const struct am_slot_head *head)
{
    return write_head(slots, base, head);
}

int am_slots_clear(struct am_slots *slots, uint64_t base)
{
    memset(slots->block, 0, AM_BLOCK);
    const int status = move(slots->blocks, true, slots->block, AM_BLOCK, base);
    return status != 0 ? status : flush(slots->blocks);
}

void am_slots_give(struct am_slots *slots, uint64_t base, uint64_t bytes)
{
    const uint64_t size = slots->sheet.slot_bytes;
    pthread_mutex_lock(&slots->lock);
    memset(slots->taken + (base / size - 1), 0, bytes / size);
    pthread_mutex_unlock(&slots->lock);
}
