#include "memory.h"

#include "nx_abi.h"
#include "system.h"

#include <linux/mman.h>

#define PAGE_START(address) ((address) & ~(uint64_t)(NX_PAGE - 1))
#define PAGE_END(address) PAGE_START((address) + NX_PAGE - 1)

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

int nx_memory_reserve(struct nx_memory *memory, uint64_t end, bool native, struct nx_trouble *trouble)
{
    const uint64_t start = native ? NX_BASE : 0;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (native ? MAP_FIXED_NOREPLACE : 0);
    long at = nx_sys_mmap((uintptr_t)start, end - start, PROT_NONE, flags, -1, 0);
    if (at < 0 && at > -4096)
        return nx_trouble(trouble, NULL, "cannot reserve the guest's memory", at);
    /* A kernel without NOREPLACE takes the address as a hint. */
    if (native && (uint64_t)at != start) {
        nx_sys3(__NR_munmap, at, (long)(end - start), 0);
        return nx_trouble(trouble, NULL, "the guest's addresses are taken in this process", 0);
    }
    /* A huge page for the heap's first byte would be 2 MiB of every sandbox. Not all kernels know them. */
    nx_sys3(__NR_madvise, at, (long)(end - start), MADV_NOHUGEPAGE);
    memory->host = native ? 0 : (uintptr_t)at;
    memory->end = end;
    memory->native = native;
    memory->count = 0;
    return 0;
}

static int protection(const struct nx_memory *memory, unsigned access)
{
    return (access & NX_READ ? PROT_READ : 0) | (access & NX_WRITE ? PROT_WRITE : 0)
           | (access & NX_EXECUTE && memory->native ? PROT_EXEC : 0);
}

static int add(struct nx_memory *memory, uint64_t start, uint64_t end, unsigned access,
               struct nx_trouble *trouble)
{
    struct nx_region *last = memory->count ? &memory->regions[memory->count - 1] : NULL;
    if (start < (last ? last->end : NX_BASE) || end > memory->end || start > end)
        return nx_trouble(trouble, NULL, "it does not fit into the guest's memory", 0);
    if (last && last->end == start && last->access == access) {
        last->end = end;
        return 0;
    }
    if (memory->count == NX_REGIONS_MAX)
        return nx_trouble(trouble, NULL, "more than 16 parts in the guest's memory", 0);
    memory->regions[memory->count++] = (struct nx_region){start, end, access};
    return 0;
}

static int protect(const struct nx_memory *memory, uint64_t start, uint64_t end, unsigned access,
                   struct nx_trouble *trouble)
{
    long result =
        nx_sys3(__NR_mprotect, (long)(memory->host + start), (long)(end - start), protection(memory, access));
    return result == 0 ? 0 : nx_trouble(trouble, NULL, "cannot protect the guest's memory", result);
}

int nx_memory_zeroed(struct nx_memory *memory, uint64_t start, uint64_t end, unsigned access,
                     struct nx_trouble *trouble)
{
    if (start == end)
        return 0;
    if (add(memory, start, end, access, trouble) != 0)
        return -1;
    return protect(memory, start, end, access, trouble);
}

int nx_memory_file(struct nx_memory *memory, int fd, const struct nx_segment *segment,
                   struct nx_trouble *trouble)
{
    const uint64_t start = PAGE_START(segment->address), behind = segment->address + segment->file_size;
    const uint64_t end = PAGE_END(segment->address + segment->memory_size);
    const uint64_t mapped = segment->file_size ? PAGE_END(behind) : start;
    if (segment->memory_size == 0)
        return 0;
    if (add(memory, start, end, segment->access, trouble) != 0)
        return -1;
    /* What is in the file's last page behind the segment must be zero where the segment goes on. */
    const bool tail = segment->memory_size > segment->file_size && behind < mapped;
    if (mapped > start) {
        int now = protection(memory, segment->access) | (tail ? PROT_WRITE : 0);
        if (tail)
            now &= ~PROT_EXEC;
        long at = nx_sys_mmap(memory->host + start, mapped - start, now,
                              MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, PAGE_START(segment->offset));
        if (at < 0 && at > -4096)
            return nx_trouble(trouble, NULL, "cannot be mapped", at);
        if (tail)
            __builtin_memset((void *)(memory->host + behind), 0, mapped - behind);
        if (tail && now != protection(memory, segment->access)
            && protect(memory, start, mapped, segment->access, trouble) != 0)
            return -1;
    }
    return mapped < end ? protect(memory, mapped, end, segment->access, trouble) : 0;
}

/* Every byte lies in a region that allows it; regions that touch count as one. */
static bool allowed(const struct nx_memory *memory, uint64_t address, uint64_t size, unsigned access)
{
    if (address >= memory->end || size > memory->end - address)
        return false;
    const uint64_t end = address + size;
    for (unsigned i = 0; i < memory->count && address < end; i++) {
        const struct nx_region *region = &memory->regions[i];
        if (address >= region->end)
            continue;
        if (address < region->start || !(region->access & access))
            return false;
        address = region->end;
    }
    return address >= end;
}

/* What an empty buffer points to: NULL would say that it is refused. */
static char nothing[1];

const void *nx_memory_readable(const struct nx_memory *memory, uint64_t address, uint64_t size)
{
    if (size == 0)
        return nothing;
    return allowed(memory, address, size, NX_READ) ? (const void *)(memory->host + (uintptr_t)address) : NULL;
}

void *nx_memory_writable(const struct nx_memory *memory, uint64_t address, uint64_t size)
{
    if (size == 0)
        return nothing;
    return allowed(memory, address, size, NX_WRITE) ? (void *)(memory->host + (uintptr_t)address) : NULL;
}
