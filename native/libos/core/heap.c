/* The heap: two-level segregated fit (Masmano et al., 2004). Every operation takes constant time whatever
 * the history; free neighbours are one block at once; a block comes from the smallest class whose every
 * block is large enough, so at most an eighth is lost to rounding in the search.
 * Invariant: blocks lie end to end from `first` to `end`, no two neighbours are free, each free one is in
 * the list of its class. */
#include <string.h>

#include "core.h"
#include "pages.h"

#define HEAD sizeof(struct head)
#define LEAST (HEAD + 16)       /* a free block holds its two links */
#define GROWTH (16u << 10)      /* the heap grows by at least this */
#define FINE 3                  /* 8 classes to each power of two */
#define COARSE 32
#define LARGEST (1u << 31)

/* In front of every block's bytes. 16 bytes, so that the bytes are aligned like the heads. */
struct head {
    size_t before; /* size of the block in front of this one; 0: this is the first */
    size_t size;   /* of head and bytes, a multiple of 16; lowest bit: in use */
};
struct block {
    struct head head;
    struct block *next, *previous; /* while free */
};

static struct block *lists[COARSE][1 << FINE];
static uint32_t coarse_set;
static uint8_t fine_set[COARSE];
static char *first, *end;
static size_t last_size; /* of the block before `end` */

static size_t size_of(const struct block *block)
{
    return block->head.size & ~(size_t)15;
}

static int in_use(const struct block *block)
{
    return block->head.size & 1;
}

static struct block *behind(struct block *block)
{
    char *next = (char *)block + size_of(block);
    return next == end ? NULL : (struct block *)next;
}

static struct block *in_front(struct block *block)
{
    return block->head.before ? (struct block *)((char *)block - block->head.before) : NULL;
}

static unsigned coarse(size_t size)
{
    return 63 - (unsigned)__builtin_clzl(size);
}

static unsigned fine(size_t size, unsigned power)
{
    return (unsigned)(size >> (power - FINE)) & ((1u << FINE) - 1);
}

static void put_in(struct block *block)
{
    size_t size = block->head.size;
    unsigned i = coarse(size), k = fine(size, i);
    block->previous = NULL;
    block->next = lists[i][k];
    if (block->next)
        block->next->previous = block;
    lists[i][k] = block;
    fine_set[i] |= (uint8_t)(1u << k);
    coarse_set |= 1u << i;
    nx_heap_idle += size;
}

static void take_out(struct block *block)
{
    size_t size = block->head.size;
    unsigned i = coarse(size), k = fine(size, i);
    if (block->next)
        block->next->previous = block->previous;
    if (block->previous)
        block->previous->next = block->next;
    else if (!(lists[i][k] = block->next) && !(fine_set[i] &= (uint8_t)~(1u << k)))
        coarse_set &= ~(1u << i);
    nx_heap_idle -= size;
}

/* Sets a block's size and tells the one behind it. */
static void resize(struct block *block, size_t size, int used)
{
    block->head.size = size | (size_t)used;
    struct block *next = behind(block);
    if (next)
        next->head.before = size;
    else
        last_size = size;
}

/* Makes a block free, one with free neighbours. */
static void release(struct block *block)
{
    size_t size = size_of(block);
    struct block *next = behind(block), *previous = in_front(block);
    if (next && !in_use(next)) {
        take_out(next);
        size += size_of(next);
    }
    if (previous && !in_use(previous)) {
        take_out(previous);
        size += size_of(previous);
        block = previous;
    }
    resize(block, size, 0);
    put_in(block);
}

/* A block in use keeps `size` of its bytes; what is worth a block is free then. */
static void cut(struct block *block, size_t size)
{
    size_t rest = size_of(block) - size;
    if (rest < LEAST)
        return;
    struct block *tail = (struct block *)((char *)block + size);
    tail->head = (struct head){size, rest | 1};
    block->head.size = size | 1;
    resize(tail, rest, 1);
    release(tail);
}

/* The first block of the smallest class from which any will do; out of the lists. */
static struct block *found(size_t size)
{
    unsigned power = coarse(size);
    size_t rounded = size + ((size_t)1 << (power - FINE)) - 1;
    unsigned i = coarse(rounded), k = fine(rounded, i);
    uint32_t fines = fine_set[i] & ~0u << k;
    if (!fines) {
        uint32_t coarses = i + 1 < COARSE ? coarse_set & ~0u << (i + 1) : 0;
        if (!coarses)
            return NULL;
        i = (unsigned)__builtin_ctz(coarses);
        fines = fine_set[i];
    }
    struct block *block = lists[i][__builtin_ctz(fines)];
    take_out(block);
    return block;
}

/* Before memory is said to be out: a block of the class that `size` itself lies in, where some are large
 * enough. */
static struct block *found_exactly(size_t size)
{
    unsigned i = coarse(size);
    for (struct block *block = lists[i][fine(size, i)]; block; block = block->next)
        if (block->head.size >= size) {
            take_out(block);
            return block;
        }
    return NULL;
}

/* Lengthens the heap until its last block is free and has `size`; NULL: there is not so much. */
static struct block *grown(size_t size)
{
    struct block *last = last_size ? (struct block *)(end - last_size) : NULL;
    size_t idle = last && !in_use(last) ? last_size : 0;
    if (idle >= size) { /* of a class too low for the search */
        take_out(last);
        return last;
    }
    size_t more = (size - idle + 4095) & ~(size_t)4095;
    char *fresh = more < GROWTH ? nx_heap_more(GROWTH) : NULL;
    size_t had = GROWTH;
    if (!fresh) {
        fresh = nx_heap_more(more);
        had = more;
    }
    if (!fresh)
        return NULL;
    if (!first)
        first = fresh;
    struct block *block = (struct block *)fresh;
    block->head = (struct head){last_size, had | 1};
    end = fresh + had;
    last_size = had;
    release(block);
    block = (struct block *)(end - last_size);
    take_out(block);
    return block;
}

static size_t needed(size_t size)
{
    size_t whole = (size + HEAD + 15) & ~(size_t)15;
    return whole < LEAST ? LEAST : whole;
}

void *nx_alloc(size_t size)
{
    if (size > LARGEST)
        return NULL;
    size_t need = needed(size);
    struct block *block = found(need);
    if (!block)
        block = grown(need);
    if (!block)
        block = found_exactly(need);
    if (!block)
        return NULL;
    resize(block, size_of(block), 1);
    cut(block, need);
    return (char *)block + HEAD;
}

/* The block of these bytes. Catches most pointers that are no block's, and blocks given back twice. */
static struct block *block_of(void *bytes)
{
    struct block *block = (struct block *)((char *)bytes - HEAD);
    char *at = (char *)block;
    if (((uintptr_t)bytes & 15) || at < first || at >= end || !in_use(block) ||
        size_of(block) > (size_t)(end - at) || block->head.before > (size_t)(at - first))
        nx_panic("heap: a pointer that is no block, or a block written past its end");
    return block;
}

void nx_free(void *bytes)
{
    if (bytes)
        release(block_of(bytes));
}

void *nx_resize(void *bytes, size_t size)
{
    if (!bytes)
        return nx_alloc(size);
    if (size > LARGEST)
        return NULL;
    struct block *block = block_of(bytes), *next = behind(block);
    size_t had = size_of(block), need = needed(size);
    if (need > had && next && !in_use(next) && had + size_of(next) >= need) {
        take_out(next);
        resize(block, had + size_of(next), 1);
    }
    if (need <= size_of(block)) {
        cut(block, need);
        return bytes;
    }
    void *moved = nx_alloc(size);
    if (moved) {
        memcpy(moved, bytes, had - HEAD);
        nx_free(bytes);
    }
    return moved;
}
