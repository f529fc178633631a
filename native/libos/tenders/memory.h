/* A guest's memory: guest addresses [0, end), reserved in this process, and which parts the guest may use
 * how.
 *
 * Knows nothing of images or calls. Invariant: regions ascend, do not overlap, begin and end on pages and lie
 * in [NX_BASE, end); what lies in none of them is not the guest's. A region's host pages allow no more than
 * it does. */
#ifndef NX_MEMORY_H
#define NX_MEMORY_H

#include "image.h"
#include "report.h"

#include <stdbool.h>

#define NX_REGIONS_MAX 16u

struct nx_region {
    uint64_t start, end;
    unsigned access; /* NX_READ | .. */
};

struct nx_memory {
    uintptr_t host; /* where guest address 0 is (or would be) in this process */
    uint64_t end;
    bool native; /* guest addresses are this process's own, and code can be executed in place */
    unsigned count;
    struct nx_region regions[NX_REGIONS_MAX];
};

/* Reserves memory up to `end` (a multiple of 2 MiB), costing nothing until it is touched. Native: [NX_BASE,
 * end) at its own addresses; otherwise [0, end) anywhere. No region is there yet. Returns 0, or -1. */
int nx_memory_reserve(struct nx_memory *memory, uint64_t end, bool native, struct nx_trouble *trouble);

/* Makes [start, end) zeroed memory. Both are pages' starts, behind all regions. Returns 0, or -1. */
int nx_memory_zeroed(struct nx_memory *memory, uint64_t start, uint64_t end, unsigned access,
                     struct nx_trouble *trouble);

/* Puts a file's pages into memory as a segment says, shared with whoever has the file open until they are
 * written to: `file_size` bytes, zero behind those up to `memory_size`. The segment's page lies behind all
 * regions. Returns 0, or -1 (trouble->value is not set). */
int nx_memory_file(struct nx_memory *memory, int fd, const struct nx_segment *segment,
                   struct nx_trouble *trouble);

/* Where the guest's bytes are for us, if all of them are the guest's to read (or to write); NULL if not. A
 * size of 0 is always right; its pointer is not NULL and points to nothing. */
const void *nx_memory_readable(const struct nx_memory *memory, uint64_t address, uint64_t size);
void *nx_memory_writable(const struct nx_memory *memory, uint64_t address, uint64_t size);

#endif
