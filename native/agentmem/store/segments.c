/* Where hot bytes lie: memfds of a realm, numbered, that clients map read-only.
 *
 * A shared segment is filled from its start and never written twice: units do not change, and a sealed memfd
 * takes no holes, so memory comes back only when a whole segment goes. am_space_clean moves the living out of
 * segments that are mostly dead. A unit larger than AM_INLINE has a segment of its own. Segments belong to
 * one space: no agent maps another's conversations. The generation of a number changes when its segment goes,
 * so that a client's old map of it is never taken for the new one. After a restart old segments are read-only
 * for the broker too; they empty with time. */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#define AM_ALIGN 16u

int am_segment_slot(struct am_realm *realm, uint32_t number) {
    if (number >= AM_SEGMENTS)
        return am_fail(realm->store, AM_ENOMEM, "%u segments in one realm, which is the limit", AM_SEGMENTS);
    if (number >= realm->segment_room) {
        uint32_t room = realm->segment_room ? realm->segment_room : 64;
        while (room <= number)
            room *= 2;
        struct am_segment *made = realloc(realm->segment, room * sizeof *made);
        if (!made)
            return am_fail(realm->store, AM_ENOMEM, "no memory for %u segments", room);
        realm->segment = made;
        realm->segment_room = room;
    }
    for (; realm->segment_high <= number; realm->segment_high++) {
        realm->segment[realm->segment_high] = (struct am_segment){.fd = -1};
        realm->segment_free++;
    }
    return 0;
}

static int number_take(struct am_realm *realm, uint32_t *number) {
    if (realm->segment_free)
        for (uint32_t i = 0; i < realm->segment_high; i++)
            if (realm->segment[i].fd < 0) {
                *number = i;
                return 0;
            }
    *number = realm->segment_high;
    return am_segment_slot(realm, *number);
}

static uint32_t *open_segment(struct am_realm *realm, uint32_t space) {
    return space ? &realm->store->agent[space - 1]->open_segment : &realm->open_segment;
}

/* Put a mapped file under a number and tell who keeps it. */
static void install(struct am_realm *realm, uint32_t number, struct am_segment segment) {
    realm->segment[number] = segment;
    realm->segment_free--;
    uint32_t generation = atomic_load(&realm->generation[number]) + 1;
    atomic_store_explicit(&realm->generation[number], generation, memory_order_release);
    realm->store->hot_bytes += segment.end;
    am_keep(realm->store, AM_KEPT_SEGMENT, realm->number, number, generation, segment.fd);
}

/* A file that is one unit. */
static void install_own(struct am_realm *realm, uint32_t number, uint32_t space, int fd, uint8_t *base,
                        uint64_t length) {
    install(realm, number,
            (struct am_segment){.fd = fd,
                                .base = base,
                                .bytes = length,
                                .end = length,
                                .live = length,
                                .units = 1,
                                .space = space,
                                .own = true});
}

/* A new memfd under a number: mapped for writing here, sealed against every later map for writing. own: it is
 * one unit of this length, which the caller writes; else units are added from its start. */
static int make_segment(struct am_realm *realm, uint32_t space, uint64_t bytes, bool own, uint32_t *number) {
    int status = number_take(realm, number), fd;
    if (status)
        return status;
    status = am_memfd(realm->store, own ? "agentmem-unit" : "agentmem-units", bytes,
                      F_SEAL_SHRINK | F_SEAL_GROW, &fd);
    if (status)
        return status;
    uint8_t *base = am_map_fd(fd, bytes, true);
    if (!base || fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
        status = am_fail(realm->store, AM_ENOMEM, "a segment of %llu bytes cannot be mapped: %s",
                         (unsigned long long)bytes, strerror(errno));
        if (base)
            munmap(base, bytes);
        close(fd);
        return status;
    }
    if (own)
        install_own(realm, *number, space, fd, base, bytes);
    else
        install(realm, *number, (struct am_segment){.fd = fd, .base = base, .bytes = bytes, .space = space});
    return 0;
}

int am_space_take(struct am_realm *realm, uint32_t space, uint64_t length, uint32_t *segment,
                  uint64_t *offset, uint8_t **bytes) {
    if (length > AM_INLINE) {
        int status = make_segment(realm, space, length, true, segment);
        if (status)
            return status;
        *offset = 0;
        *bytes = realm->segment[*segment].base;
        madvise(*bytes, length, MADV_HUGEPAGE); /* where the system allows it for shared memory */
        return 0;
    }
    uint32_t number = *open_segment(realm, space);
    uint64_t rounded = (length + AM_ALIGN - 1) & ~(uint64_t)(AM_ALIGN - 1);
    if (number == UINT32_MAX || realm->segment[number].end + rounded > realm->segment[number].bytes) {
        int status = make_segment(realm, space, AM_SEGMENT_BYTES, false, &number);
        if (status)
            return status;
        uint32_t full = *open_segment(realm, space);
        *open_segment(realm, space) = number;
        if (full != UINT32_MAX && realm->segment[full].units == 0)
            am_segment_end(realm, full);
    }
    struct am_segment *into = &realm->segment[number];
    *segment = number;
    *offset = into->end;
    *bytes = into->base + into->end;
    into->end += rounded;
    into->live += length;
    into->units++;
    realm->store->hot_bytes += rounded;
    return 0;
}

int am_space_adopt_fd(struct am_realm *realm, uint32_t space, int fd, uint64_t length, uint32_t *segment) {
    int status = number_take(realm, segment);
    if (status)
        return status;
    uint8_t *base = am_map_fd(fd, length, false);
    if (!base)
        return am_fail(realm->store, AM_ENOMEM, "%llu bytes cannot be mapped: %s", (unsigned long long)length,
                       strerror(errno));
    install_own(realm, *segment, space, fd, base, length);
    return 0;
}

int am_segment_restore(struct am_realm *realm, uint32_t number, uint32_t generation, int fd) {
    int status = am_segment_slot(realm, number);
    if (status)
        return status;
    off_t bytes = lseek(fd, 0, SEEK_END);
    int seals = fcntl(fd, F_GET_SEALS);
    if (realm->segment[number].fd >= 0 || bytes <= 0 || seals < 0 || !(seals & F_SEAL_SHRINK))
        return am_fail(realm->store, AM_ECORRUPT, "kept segment %u of realm %u is not one of ours", number,
                       realm->number);
    uint8_t *base = am_map_fd(fd, (uint64_t)bytes, false);
    if (!base)
        return am_fail(realm->store, AM_ENOMEM, "a kept segment cannot be mapped: %s", strerror(errno));
    realm->segment[number] =
        (struct am_segment){.fd = fd, .base = base, .bytes = (uint64_t)bytes, .old = true};
    realm->segment_free--;
    atomic_store(&realm->generation[number], generation);
    return 0;
}

void am_segment_end(struct am_realm *realm, uint32_t number) {
    struct am_segment *segment = &realm->segment[number];
    uint32_t generation = atomic_load(&realm->generation[number]);
    atomic_store_explicit(&realm->generation[number], generation + 1, memory_order_release);
    am_let_go(realm->store, AM_KEPT_SEGMENT, realm->number, number, generation);
    munmap(segment->base, segment->bytes);
    close(segment->fd);
    realm->store->hot_bytes -= segment->end;
    uint32_t *open = segment->space && !realm->store->agent[segment->space - 1]
                         ? NULL
                         : open_segment(realm, segment->space);
    if (open && *open == number)
        *open = UINT32_MAX;
    *segment = (struct am_segment){.fd = -1};
    realm->segment_free++;
}

void am_space_give(struct am_realm *realm, uint32_t number, uint64_t length) {
    struct am_segment *segment = &realm->segment[number];
    segment->live -= length;
    if (--segment->units == 0)
        am_segment_end(realm, number);
}

/* Empty one segment as far as nobody refers to what is in it. */
static size_t empty(struct am_realm *realm, uint32_t victim) {
    uint32_t high = atomic_load(&realm->header->unit_high), numbers[512];
    bool used[512];
    size_t moved = 0;
    for (uint32_t number = 1; number < high && realm->segment[victim].fd >= 0;) {
        size_t count = 0;
        for (; number < high && count < 512; number++)
            if (am_state_of(realm, number) == AM_STATE_HOT && am_segment_of(realm, number) == victim) {
                am_record_begin(realm, number);
                numbers[count++] = number;
            }
        am_references_find(realm, numbers, count, used);
        for (size_t i = 0; i < count; i++) {
            uint64_t length = am_length(realm, numbers[i]), offset;
            uint32_t segment;
            uint8_t *bytes;
            if (!used[i] &&
                am_space_take(realm, realm->meta[numbers[i]].space, length, &segment, &offset, &bytes) == 0) {
                memcpy(bytes, am_bytes_of(realm, numbers[i]), length);
                am_record_place(realm, numbers[i], segment, offset, AM_STATE_HOT);
                am_space_give(realm, victim, length);
                moved += length;
            }
            am_record_end(realm, numbers[i]);
        }
    }
    return moved;
}

size_t am_space_clean(struct am_realm *realm, size_t most) {
    size_t moved = 0;
    for (uint32_t i = 0; i < realm->segment_high && moved < most; i++) {
        struct am_segment *segment = &realm->segment[i];
        bool filled = segment->old || segment->end >= segment->bytes / 2; /* as far as it ever will be */
        if (segment->fd < 0 || segment->own || !filled || segment->live * 2 > segment->bytes)
            continue;
        uint32_t *open = open_segment(realm, segment->space);
        if (*open == i)
            *open = UINT32_MAX; /* what moves goes elsewhere */
        moved += empty(realm, i);
    }
    return moved;
}
