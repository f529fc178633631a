/* A bare disk in memory that behaves as one with a volatile write cache: what no flush covered may be lost.
 *
 * Two images: what a read sees, and what has survived for certain. Invariant: a power cut keeps every sector
 * that a flush covered; each other one becomes, by the toss of a coin, old or new.
 */
#ifndef MEMORY_DISK_H
#define MEMORY_DISK_H

#include "blocks.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };
struct memory_disk {
    struct am_blocks blocks; /* first */
    pthread_mutex_t lock;
    uint8_t *seen, *safe, *dirty; /* dirty: one byte for each sector */
    uint64_t random, operations, cut_at; /* cut_at: the operation that finds the power gone; 0: none */
    uint64_t bad_from, bad_to; /* reads of these bytes fail */
    uint64_t hard_from, hard_to; /* writes of these bytes fail, and change nothing */
    int mute; /* what all reads say, as if the disk did not answer; 0: they do */
    bool open, off;
};

static inline bool memory_disk_gone(struct memory_disk *disk)
{
    disk->operations++;
    disk->off = disk->off || (disk->cut_at != 0 && disk->operations >= disk->cut_at);
    return disk->off;
}

static inline int memory_disk_put(struct memory_disk *disk, uint64_t offset, const uint8_t *bytes,
                                  uint64_t length)
{
    if (offset % AM_BLOCK != 0 || length % AM_BLOCK != 0 || offset + length > disk->blocks.bytes)
        return EINVAL;
    if (offset < disk->hard_to && offset + length > disk->hard_from)
        return EIO;
    if (memory_disk_gone(disk)) { /* as many sectors as it came to */
        disk->random = disk->random * 6364136223846793005u + 1442695040888963407u;
        length = disk->cut_at == disk->operations ? (disk->random >> 33) % (length / SECTOR + 1) * SECTOR : 0;
    }
    if (length > 0) {
        if (bytes != NULL)
            memcpy(disk->seen + offset, bytes, length);
        else
            memset(disk->seen + offset, 0, length);
        memset(disk->dirty + offset / SECTOR, 1, length / SECTOR);
    }
    return disk->off ? ENODEV : 0;
}

static inline void memory_disk_run(struct am_blocks *blocks, struct am_io *ios, size_t count)
{
    struct memory_disk *disk = (struct memory_disk *)blocks;
    pthread_mutex_lock(&disk->lock);
    for (size_t i = 0; i < count; i++) {
        struct am_io *io = &ios[i];
        io->error = 0;
        if (io->write)
            io->error = memory_disk_put(disk, io->offset, io->bytes, io->length);
        else if (io->offset % AM_BLOCK != 0 || io->length % AM_BLOCK != 0
                 || io->offset + io->length > disk->blocks.bytes)
            io->error = EINVAL;
        else if (disk->mute != 0)
            io->error = disk->mute;
        else if (disk->off || (io->offset < disk->bad_to && io->offset + io->length > disk->bad_from))
            io->error = EIO;
        else
            memcpy(io->bytes, disk->seen + io->offset, io->length);
        io->moved = io->error == 0 ? io->length : 0;
        io->ended = true;
    }
    pthread_mutex_unlock(&disk->lock);
}

static inline int memory_disk_flush(struct am_blocks *blocks)
{
    struct memory_disk *disk = (struct memory_disk *)blocks;
    pthread_mutex_lock(&disk->lock);
    const bool gone = memory_disk_gone(disk);
    const uint64_t count = disk->blocks.bytes / SECTOR;
    const uint8_t *at = disk->dirty, *end = disk->dirty + count;
    while (!gone && (at = memchr(at, 1, (size_t)(end - at))) != NULL) {
        const uint64_t i = (uint64_t)(at - disk->dirty);
        memcpy(disk->safe + i * SECTOR, disk->seen + i * SECTOR, SECTOR);
        disk->dirty[i] = 0;
    }
    pthread_mutex_unlock(&disk->lock);
    return gone ? ENODEV : 0;
}

static inline int memory_disk_zero(struct am_blocks *blocks, uint64_t offset, uint64_t bytes)
{
    struct memory_disk *disk = (struct memory_disk *)blocks;
    pthread_mutex_lock(&disk->lock);
    const int error = memory_disk_put(disk, offset, NULL, bytes);
    pthread_mutex_unlock(&disk->lock);
    return error;
}

static inline void memory_disk_close(struct am_blocks *blocks)
{
    ((struct memory_disk *)blocks)->open = false;
}

static inline struct memory_disk *memory_disk_new(uint64_t bytes, uint64_t seed)
{
    struct memory_disk *disk = calloc(1, sizeof *disk);
    disk->blocks = (struct am_blocks){bytes, memory_disk_run, memory_disk_flush, memory_disk_zero,
                                      memory_disk_close};
    disk->seen = calloc(1, bytes);
    disk->safe = calloc(1, bytes);
    disk->dirty = calloc(1, bytes / SECTOR);
    disk->random = seed;
    pthread_mutex_init(&disk->lock, NULL);
    return disk;
}

/* The power was off: what is there when it comes back. */
static inline void memory_disk_back(struct memory_disk *disk)
{
    for (uint64_t i = 0; i < disk->blocks.bytes / SECTOR; i++)
        if (disk->dirty[i]) {
            disk->random = disk->random * 6364136223846793005u + 1442695040888963407u;
            if (disk->random >> 63)
                memcpy(disk->safe + i * SECTOR, disk->seen + i * SECTOR, SECTOR);
            disk->dirty[i] = 0;
        }
    memcpy(disk->seen, disk->safe, disk->blocks.bytes);
    disk->off = false;
    disk->cut_at = disk->operations = 0;
}

static inline void memory_disk_free(struct memory_disk *disk)
{
    pthread_mutex_destroy(&disk->lock);
    free(disk->seen);
    free(disk->safe);
    free(disk->dirty);
    free(disk);
}

#endif
