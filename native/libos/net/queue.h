/* Bytes in the order they came: one direction of one connection. Invariant: start < NX_NET_QUEUE and
 * count <= NX_NET_QUEUE. Bytes that were put stay where they are until they are dropped. */
#ifndef NX_NET_QUEUE_H
#define NX_NET_QUEUE_H

#include <string.h>

#include "lwip/opt.h"

struct queue {
    uint16_t start;
    uint16_t count;
    uint8_t bytes[NX_NET_QUEUE];
};

static inline size_t queue_room(const struct queue *queue)
{
    return NX_NET_QUEUE - queue->count;
}

/* Where the next byte goes, and how many can go there in one piece. */
static inline uint8_t *queue_end(struct queue *queue, size_t *room)
{
    size_t end = (size_t)queue->start + queue->count;
    if (end >= NX_NET_QUEUE)
        end -= NX_NET_QUEUE;
    const size_t piece = NX_NET_QUEUE - end;
    *room = piece < queue_room(queue) ? piece : queue_room(queue);
    return queue->bytes + end;
}

/* At most queue_room bytes. */
static inline void queue_put(struct queue *queue, const uint8_t *from, size_t size)
{
    while (size > 0) {
        size_t piece;
        uint8_t *to = queue_end(queue, &piece);
        if (piece > size)
            piece = size;
        memcpy(to, from, piece);
        queue->count = (uint16_t)(queue->count + piece);
        from += piece;
        size -= piece;
    }
}

/* The first bytes go. At most count. */
static inline void queue_drop(struct queue *queue, size_t size)
{
    const size_t start = queue->start + size;
    queue->start = (uint16_t)(start >= NX_NET_QUEUE ? start - NX_NET_QUEUE : start);
    queue->count = (uint16_t)(queue->count - size);
}

/* Move the first bytes out; gives how many. */
static inline size_t queue_take(struct queue *queue, uint8_t *to, size_t size)
{
    size_t taken = 0;
    while (taken < size && queue->count > 0) {
        size_t piece = NX_NET_QUEUE - queue->start;
        if (piece > queue->count)
            piece = queue->count;
        if (piece > size - taken)
            piece = size - taken;
        memcpy(to + taken, queue->bytes + queue->start, piece);
        queue_drop(queue, piece);
        taken += piece;
    }
    return taken;
}

#endif
