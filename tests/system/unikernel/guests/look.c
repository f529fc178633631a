/* Reads what of its tender it can reach: from the doorbell that it may call, page by page downwards and upwards,
 * until it faults. What it has read by then is on standard output. look up|down|thread */
#include <nx.h>
#include <string.h>

extern const struct nx_boot *nx_boot;

int main(int argc, char **argv)
{
    static char page[4096];
    const char *way = argc > 1 ? argv[1] : "";
    if (nx_boot->ring != NX_RING_CALL)
        return 9; /* there is no tender in this address space */
    uint64_t at = nx_boot->doorbell & ~4095ull;
    if (!strcmp(way, "thread"))
        __asm__ volatile("rdfsbase %0" : "=r"(at));
    if (!strcmp(way, "stack")) { /* the doorbell leaves the tender's pointers below */
        nx_monotonic();
        for (uint64_t *word = (uint64_t *)(uintptr_t)NX_IMAGE - 512; word < (uint64_t *)(uintptr_t)NX_IMAGE; word++)
            nx_write(1, word, 8);
        return 0;
    }
    for (;; at += !strcmp(way, "down") ? -4096ull : 4096ull) {
        memcpy(page, (const void *)(uintptr_t)at, sizeof page);
        nx_write(1, page, sizeof page);
        nx_flush();
    }
}
