#include "kvm_pages.h"

#include "nx_abi.h"
#include "system.h"

#include <linux/mman.h>

#define PRESENT UINT64_C(0x001)
#define WRITE UINT64_C(0x002)
#define USER UINT64_C(0x004)
#define UNCACHED UINT64_C(0x018) /* write-through, cache disable: the doorbell is no memory */
#define USED UINT64_C(0x060)     /* accessed and dirty already, so that the processor writes no table */
#define LARGE UINT64_C(0x080)
#define NO_EXECUTE (UINT64_C(1) << 63)
#define ADDRESS UINT64_C(0x000ffffffffff000)
#define LARGE_SIZE (UINT64_C(2) << 20)

struct tables {
    uintptr_t host;
    uint64_t next, user;
};

static uint64_t *table_at(const struct tables *t, uint64_t physical)
{
    return (uint64_t *)(t->host + (uintptr_t)physical);
}

/* The table that an entry leads to, made where there is none yet; NULL when there is no room. */
static uint64_t *below(struct tables *t, uint64_t *entry)
{
    if (!(*entry & PRESENT)) {
        if (t->next == NX_BASE)
            return NULL;
        *entry = t->next | PRESENT | WRITE | USED | t->user; /* fresh memory is zero */
        t->next += NX_PAGE;
    }
    return table_at(t, *entry & ADDRESS);
}

/* The entry of `address` in the table of 2 MiB (level 1) or 4 KiB entries (level 0). */
static uint64_t *entry_of(struct tables *t, uint64_t address, unsigned level)
{
    uint64_t *table = table_at(t, NX_TABLES);
    for (unsigned at = 3; table && at > level; at--)
        table = below(t, &table[address >> (12 + 9 * at) & 511]);
    return table ? &table[address >> (12 + 9 * level) & 511] : NULL;
}

static int map(struct tables *t, uint64_t start, uint64_t end, uint64_t flags)
{
    while (start < end) {
        const bool large = start % LARGE_SIZE == 0 && end - start >= LARGE_SIZE;
        uint64_t *entry = entry_of(t, start, large ? 1 : 0);
        if (!entry)
            return -1;
        *entry = start | flags | PRESENT | USED | t->user | (large ? LARGE : 0);
        start += large ? LARGE_SIZE : NX_PAGE;
    }
    return 0;
}

int nx_kvm_pages(const struct nx_memory *memory, bool user, struct nx_trouble *trouble)
{
    struct tables t = {memory->host, NX_TABLES + NX_PAGE, user ? USER : 0};
    int status = 0;
    long result = nx_sys3(__NR_mprotect, (long)memory->host, NX_BASE, PROT_READ | PROT_WRITE);
    if (result != 0)
        return nx_trouble(trouble, NULL, "cannot make room for the page tables", result);
    for (unsigned i = 0; i < memory->count && status == 0; i++) {
        const struct nx_region *region = &memory->regions[i];
        const uint64_t flags =
            (region->access & NX_WRITE ? WRITE : 0) | (region->access & NX_EXECUTE ? 0 : NO_EXECUTE);
        status = map(&t, region->start, region->end, flags);
    }
    if (status == 0)
        status = map(&t, NX_DOORBELL, NX_DOORBELL + NX_PAGE, WRITE | NO_EXECUTE | UNCACHED);
    return status == 0 ? 0 : nx_trouble(trouble, NULL, "no room for the page tables", 0);
}
