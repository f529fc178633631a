/* See log_sheet.h. */
#include "log_sheet.h"

#include "agentmem.h"
#include "blake3.h"
#include "log_slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MAGIC UINT64_C(0x3130534b44474d41) /* "AMGDKS01" */
#define COPY (UINT64_C(1) << 19)           /* where the second copy lies */
#define LOOKED (UINT64_C(1) << 20)         /* bytes at either end that must be zeros */
#define BETWEEN 64u                        /* blocks that must be, too */

int am_sheet_move(struct am_blocks *blocks, bool write, uint8_t *bytes, uint64_t length, uint64_t offset)
{
    struct am_io io = {.fd = -1, .write = write, .bytes = bytes, .length = length, .offset = offset};
    blocks->run(blocks, &io, 1);
    if (io.error == 0 && io.moved == length)
        return 0;
    errno = io.error != 0 ? io.error : EIO;
    return AM_EDISK;
}

int am_sheet_flush(struct am_blocks *blocks)
{
    const int error = blocks->flush(blocks);
    errno = error;
    return error == 0 ? 0 : AM_EDISK;
}

static void check(const struct am_sheet *sheet, uint8_t out[8])
{
    struct am_blake3 hash;
    uint8_t whole[32];
    am_blake3_start_derive(&hash, "agentmem bare disk sheet");
    am_blake3_update(&hash, sheet, offsetof(struct am_sheet, check));
    am_blake3_finish(&hash, whole);
    memcpy(out, whole, 8);
}

static bool believed(const struct am_sheet *sheet)
{
    uint8_t right[8];
    check(sheet, right);
    return sheet->magic == MAGIC && memcmp(sheet->check, right, sizeof right) == 0
           && sheet->slot_bytes % AM_BLOCK == 0 && sheet->slot_bytes >= AM_SLOT_LEAST
           && sheet->slot_bytes <= AM_SLOT_MOST && sheet->disk_bytes / 2 >= sheet->slot_bytes;
}

static bool zeros(const uint8_t *bytes, uint64_t count)
{
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* What the first MiB says of itself. */
static int kind_of(const uint8_t *bytes)
{
    const uint64_t magic = MAGIC;
    if (memcmp(bytes, &magic, sizeof magic) == 0 || memcmp(bytes + COPY, &magic, sizeof magic) == 0)
        return EALREADY;
    if ((bytes[510] == 0x55 && bytes[511] == 0xaa) || memcmp(bytes + 512, "EFI PART", 8) == 0
        || memcmp(bytes + 4096, "EFI PART", 8) == 0)
        return ENOTUNIQ;
    return EEXIST;
}

/* Partition tables, file systems, volumes and arrays all have something near an end of their disk. */
static int look(struct am_blocks *blocks, uint8_t *bytes)
{
    const uint64_t step = blocks->bytes / (BETWEEN + 1) / AM_BLOCK * AM_BLOCK;
    int status = am_sheet_move(blocks, false, bytes, LOOKED, 0);
    if (status == 0 && !zeros(bytes, LOOKED)) {
        errno = kind_of(bytes);
        return AM_EDISK;
    }
    for (uint64_t i = 0; status == 0 && i <= BETWEEN; i++) {
        const uint64_t length = i == 0 ? LOOKED : AM_BLOCK;
        status = am_sheet_move(blocks, false, bytes, length, i == 0 ? blocks->bytes - LOOKED : i * step);
        if (status == 0 && !zeros(bytes, length)) {
            errno = EEXIST;
            return AM_EDISK;
        }
    }
    return status;
}

int am_sheet_stranger(struct am_blocks *blocks)
{
    uint8_t *bytes;
    if (blocks->bytes < 2 * LOOKED) {
        errno = ENOSPC;
        return AM_EDISK;
    }
    if (posix_memalign((void **)&bytes, AM_BLOCK, LOOKED) != 0)
        return AM_ENOMEM;
    const int status = look(blocks, bytes), error = errno;
    free(bytes);
    errno = error;
    return status;
}

static int read_both(struct am_blocks *blocks, uint8_t *block, struct am_sheet *sheet)
{
    struct am_sheet copy = {0};
    int status = am_sheet_move(blocks, false, block, AM_BLOCK, 0);
    const int error = status == 0 ? 0 : errno;
    memcpy(sheet, block, sizeof *sheet);
    if (status == 0 && believed(sheet))
        return 0;
    const bool ours = error != 0 || sheet->magic == MAGIC;
    if (am_sheet_move(blocks, false, block, AM_BLOCK, COPY) == 0)
        memcpy(&copy, block, sizeof copy);
    if (ours && believed(&copy)) {
        *sheet = copy;
        return 0;
    }
    if (error != 0) {
        errno = error;
        return status;
    }
    if (ours || believed(&copy)) { /* or somebody has written over the first block: not ours to mend */
        errno = EUCLEAN;
        return AM_EDISK;
    }
    status = am_sheet_stranger(blocks);
    if (status == 0)
        errno = ENODATA;
    return status == 0 ? AM_EDISK : status;
}

int am_sheet_read(struct am_blocks *blocks, struct am_sheet *sheet)
{
    uint8_t *block;
    if (blocks->bytes < 2 * LOOKED) {
        errno = ENOSPC;
        return AM_EDISK;
    }
    if (posix_memalign((void **)&block, AM_BLOCK, AM_BLOCK) != 0)
        return AM_ENOMEM;
    int status = read_both(blocks, block, sheet);
    if (status == 0 && sheet->disk_bytes > blocks->bytes) {
        errno = ENOSPC;
        status = AM_EDISK;
    }
    const int error = errno;
    explicit_bzero(block, AM_BLOCK);
    free(block);
    errno = error;
    return status;
}

int am_sheet_write(struct am_blocks *blocks, struct am_sheet *sheet)
{
    uint8_t *block;
    sheet->magic = MAGIC;
    sheet->disk_bytes = blocks->bytes;
    if (getrandom(sheet->secret, sizeof sheet->secret, 0) != sizeof sheet->secret)
        return AM_EBUSY;
    check(sheet, sheet->check);
    if (posix_memalign((void **)&block, AM_BLOCK, AM_BLOCK) != 0)
        return AM_ENOMEM;
    memset(block, 0, AM_BLOCK);
    memcpy(block, sheet, sizeof *sheet);
    int status = am_sheet_move(blocks, true, block, AM_BLOCK, COPY);
    if (status == 0) /* flushed one by one: a power cut tears at most one of them */
        status = am_sheet_flush(blocks);
    if (status == 0)
        status = am_sheet_move(blocks, true, block, AM_BLOCK, 0);
    if (status == 0)
        status = am_sheet_flush(blocks);
    const int error = errno;
    explicit_bzero(block, AM_BLOCK);
    free(block);
    errno = error;
    return status;
}
