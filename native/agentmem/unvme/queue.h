/* A pair of rings in DMA memory: commands go down one, answers come up the other, and bells say how far.
 *
 * Knows neither what commands mean nor who waits for them. Invariant: fewer than `depth` commands are between
 * push and pop (the caller counts them), so a ring never runs over. One thread at a time.
 */
#ifndef AM_NVME_QUEUE_H
#define AM_NVME_QUEUE_H

#include "command.h"

#include <stdbool.h>

struct am_nvme_queue {
    struct am_nvme_command *submissions;
    volatile struct am_nvme_completion *completions;
    volatile uint32_t *submission_bell, *completion_bell;
    uint16_t depth, tail, head, phase;
};

void am_nvme_queue_empty(struct am_nvme_queue *queue); /* as after a reset: nothing in it, the first phase */
void am_nvme_queue_push(struct am_nvme_queue *queue, const struct am_nvme_command *command);
bool am_nvme_queue_pop(struct am_nvme_queue *queue, struct am_nvme_completion *completion);

static inline int am_nvme_said(const struct am_nvme_completion *completion)
{
    return completion->status >> 1 & 0x7ff; /* without retry hints */
}

#endif
