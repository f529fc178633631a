/* The guest's memory beyond image and modules, by whole pages. nx_pages takes from its end, the heap
 * (heap.c) grows from its beginning, so that the heap stays one piece.
 * Invariant: what was given out is never given out again. */
#include "core.h"
#include "pages.h"

#define PAGE 4096u

size_t nx_heap_idle;
static uintptr_t low, high; /* not given out yet: [low, high); both 0 before the first call */

static void begin(void)
{
    if (high)
        return;
    low = (nx_boot->heap + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    high = nx_boot->memory_end & ~(uintptr_t)(PAGE - 1);
    if (high < low)
        high = low;
}

void *nx_pages(size_t count)
{
    begin();
    if (count > (high - low) / PAGE)
        return NULL;
    high -= count * PAGE;
    return (void *)high;
}

void *nx_heap_more(size_t size)
{
    begin();
    if (size > high - low)
        return NULL;
    low += size;
    return (void *)(low - size);
}

size_t nx_memory_left(void)
{
    begin();
    return high - low + nx_heap_idle;
}
