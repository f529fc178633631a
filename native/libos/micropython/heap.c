/* The collected heap: it begins small and grows, so that a short program touches little memory.
 *
 * Invariant: after a collection at least a third of the heap is free, or all the guest's memory is the
 * heap's. Without that rule a nearly full heap would be collected again and again for the last few blocks.
 */
#include "py/gc.h"
#include "py/mpstate.h"
#include "py/runtime.h"

#include "guest.h"

#define PAGE 4096u
#define FIRST (256u * 1024)
#define KEPT_FOR_REPLIES (NX_PAYLOAD_MAX + PAGE) /* the heap's growth leaves room for nx_reply_buffer */

static char *reply_buffer;

void nx_heap_start(void)
{
    char *start = nx_pages(FIRST / PAGE);
    if (!start)
        nx_panic("not enough memory for Python's heap");
    gc_init(start, start + FIRST);
}

size_t gc_get_max_new_split(void)
{
    size_t left = nx_memory_left(), kept = reply_buffer ? 0 : KEPT_FOR_REPLIES;
    return left > kept ? (left - kept) & ~(size_t)(PAGE - 1) : 0;
}

void *nx_gc_memory(unsigned long size)
{
    return size > gc_get_max_new_split() ? NULL : nx_pages((size + PAGE - 1) / PAGE);
}

char *nx_reply_buffer(void)
{
    if (!reply_buffer && !(reply_buffer = nx_pages(NX_PAYLOAD_MAX / PAGE + 1)))
        m_malloc_fail(NX_PAYLOAD_MAX);
    return reply_buffer;
}

/* Blocks in use: two bits each in the allocation tables, 00 being free. */
static size_t blocks(size_t *used)
{
    size_t all = 0;
    *used = 0;
    for (const mp_state_mem_area_t *area = &MP_STATE_MEM(area); area; area = area->next) {
        const uint8_t *table = area->gc_alloc_table_start;
        size_t size = area->gc_alloc_table_byte_len, at = 0;
        for (; at + 8 <= size; at += 8) {
            uint64_t word;
            __builtin_memcpy(&word, table + at, 8);
            word = (word | word >> 1) & 0x5555555555555555u;
            word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
            word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
            *used += word * 0x0101010101010101u >> 56;
        }
        for (; at < size; at++)
            for (unsigned byte = table[at]; byte; byte >>= 2)
                *used += (byte & 3) != 0;
        all += size * 4;
    }
    return all;
}

/* Separate, so that the registers that were saved lie above its frame. */
static __attribute__((noinline)) void collect_stack(void)
{
    void **here = __builtin_frame_address(0);
    gc_collect_root(here, (size_t)((void **)(uintptr_t)NX_IMAGE - here));
}

void gc_collect(void)
{
    gc_collect_start();
    __builtin_unwind_init(); /* saves all registers that a call keeps on the stack */
    collect_stack();
    gc_collect_end();

    size_t used, all = blocks(&used), wanted = all * MICROPY_BYTES_PER_GC_BLOCK;
    if (all - used >= all / 3)
        return;
    size_t possible = gc_get_max_new_split();
    if (wanted > possible)
        wanted = possible;
    char *start = wanted >= 16 * PAGE ? nx_gc_memory(wanted) : NULL;
    if (start)
        gc_add(start, start + wanted);
}
