/* See queue.h. */
#include "queue.h"

#include <string.h>

/* What was written before is seen by the device before what is written after; likewise reads. */
static inline void barrier(void)
{
#if defined(__aarch64__)
    __asm__ volatile("dsb sy" ::: "memory");
#else
    __sync_synchronize();
#endif
}

void am_nvme_queue_empty(struct am_nvme_queue *queue)
{
    memset(queue->submissions, 0, queue->depth * sizeof *queue->submissions);
    memset((void *)(uintptr_t)queue->completions, 0, queue->depth * sizeof *queue->completions);
    queue->tail = queue->head = 0;
    queue->phase = 1;
}

void am_nvme_queue_push(struct am_nvme_queue *queue, const struct am_nvme_command *command)
{
    queue->submissions[queue->tail] = *command;
    queue->tail = (uint16_t)((queue->tail + 1) % queue->depth);
    barrier();
    *queue->submission_bell = queue->tail;
}

bool am_nvme_queue_pop(struct am_nvme_queue *queue, struct am_nvme_completion *completion)
{
    const volatile struct am_nvme_completion *at = &queue->completions[queue->head];
    if ((at->status & 1) != queue->phase)
        return false;
    barrier();
    *completion = (struct am_nvme_completion){at->result, 0, at->head, at->queue, at->id, at->status};
    if (++queue->head == queue->depth) {
        queue->head = 0;
        queue->phase ^= 1;
    }
    *queue->completion_bell = queue->head;
    return true;
}
