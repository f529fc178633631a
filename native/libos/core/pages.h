/* What the heap asks of the pages. */
#ifndef NX_PAGES_H
#define NX_PAGES_H

#include <stddef.h>

/* `size` bytes (of whole pages) that follow those given before; NULL: so many are not left. */
void *nx_heap_more(size_t size);

/* Bytes that the heap holds and has not given out. */
extern size_t nx_heap_idle;

#endif
