/* kvm_pages.h keeps its word: walked as a processor does, every page of a region leads to itself with what
 * the region allows, the doorbell to no memory, and nothing else anywhere, the tables least of all. */
#include "check.h"
#include "kvm_pages.h"
#include "nx_abi.h"

#include <sys/mman.h>

#define NOT_THERE UINT64_MAX

static struct nx_trouble trouble;

/* The entry that maps an address, as the processor combines it; *physical is NOT_THERE where none does. */
static unsigned walk(const struct nx_memory *m, uint64_t address, uint64_t *physical, int *user)
{
    uint64_t table = NX_TABLES, entry = 0;
    unsigned access = NX_READ | NX_WRITE | NX_EXECUTE;
    *physical = NOT_THERE;
    *user = 1;
    for (int level = 3; level >= 0; level--) {
        CHECK(table >= NX_TABLES && table < NX_BASE);
        entry = ((const uint64_t *)(m->host + table))[address >> (12 + 9 * level) & 511];
        if (!(entry & 1))
            return 0;
        access &= (entry & 2 ? ~0u : ~(unsigned)NX_WRITE) & (entry >> 63 ? ~(unsigned)NX_EXECUTE : ~0u);
        *user &= entry >> 2 & 1;
        table = entry & 0x000ffffffffff000;
        if (level == 0 || (entry & 0x80)) {
            uint64_t below = (UINT64_C(1) << (12 + 9 * level)) - 1;
            CHECK((table & below) == 0);
            *physical = table | (address & below);
            return access;
        }
    }
    return 0;
}

static void mapped(const struct nx_memory *m, int ring3)
{
    for (uint64_t page = 0; page < m->end + (16u << 20); page += NX_PAGE) {
        unsigned expected = 0;
        for (unsigned i = 0; i < m->count; i++)
            if (page >= m->regions[i].start && page < m->regions[i].end)
                expected = m->regions[i].access;
        uint64_t physical;
        int user;
        unsigned access = walk(m, page + 5, &physical, &user);
        CHECK(access == expected
              && (expected ? physical == page + 5 && user == ring3 : physical == NOT_THERE));
    }
}

static void tables(uint64_t end, int ring3, uint64_t heap)
{
    struct nx_memory m;
    CHECK(nx_memory_reserve(&m, end, false, &trouble) == 0);
    const uint64_t code = NX_IMAGE, data = code + 3 * NX_PAGE, behind = data + NX_PAGE;
    CHECK(nx_memory_zeroed(&m, NX_BASE, NX_IMAGE, NX_READ | NX_WRITE, &trouble) == 0);
    CHECK(nx_memory_zeroed(&m, code, data, NX_READ | NX_EXECUTE, &trouble) == 0);
    CHECK(nx_memory_zeroed(&m, data, behind, NX_READ | NX_WRITE, &trouble) == 0);
    CHECK(nx_memory_zeroed(&m, behind + NX_PAGE, heap, NX_READ, &trouble) == 0);
    CHECK(nx_memory_zeroed(&m, heap, end, NX_READ | NX_WRITE, &trouble) == 0);
    CHECK(nx_kvm_pages(&m, ring3, &trouble) == 0);
    mapped(&m, ring3);
    uint64_t physical;
    int user;
    CHECK(walk(&m, NX_DOORBELL + 4, &physical, &user) == (NX_READ | NX_WRITE));
    CHECK(physical == NX_DOORBELL + 4 && user == ring3 && NX_DOORBELL >= m.end);
    static const uint64_t nowhere[] = {NX_DOORBELL - 1,   NX_DOORBELL + NX_PAGE, 0xffffffff,
                                       UINT64_C(1) << 32, UINT64_C(1) << 39,     (UINT64_C(1) << 47) - 1};
    for (unsigned i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        walk(&m, nowhere[i], &physical, &user);
        CHECK(physical == NOT_THERE);
    }
    munmap((void *)m.host, m.end);
}

int main(void)
{
    tables(NX_BASE + (8u << 20), 1, NX_IMAGE + 10 * NX_PAGE);
    tables(NX_BASE + (8u << 20), 0, NX_BASE + (6u << 20));
    tables(NX_BASE + (64u << 20), 1, NX_BASE + (35u << 20) + 7 * NX_PAGE);
    tables(NX_MEMORY_MAX, 1, NX_BASE + (1100u << 20) + NX_PAGE);
    return failures > 0;
}
