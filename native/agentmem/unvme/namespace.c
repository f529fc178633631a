/* See namespace.h.
 *
 * A ticket is a place for one command: a page for its PRP list and 128 KiB for its data. Whoever polls takes
 * everybody's answers in; each thread collects its own tickets. So two threads share the queue without
 * waiting for each other's batches.
 */
#include "namespace.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define TICKETS 30u
#define TICKET_DATA (32 * AM_DMA_PAGE)
#define TICKET_BYTES (TICKET_DATA + AM_DMA_PAGE)
#define ZEROES_BYTES (16u << 20) /* of one command; it names no data, so only the patience bounds it */
#define SPINS 2000               /* before another thread is let run */
_Static_assert(AM_NVME_DATA + TICKETS * TICKET_BYTES <= AM_DMA_BYTES, "the memory is what it is");
_Static_assert(TICKETS < AM_NVME_DEPTH, "the queue never runs over");

struct batch { size_t flying; };
struct ticket {
    struct batch *batch; /* whose it is; NULL: free */
    struct am_nvme_io *io; /* NULL: the command moves no data */
    uint64_t at, bytes;  /* in the io */
    uint64_t since_ms;
    uint16_t id;
    bool flying, changes; /* changes: the disk, when it succeeds */
    int status;
};
struct am_namespace {
    struct am_nvme *nvme;
    pthread_mutex_t lock;
    uint32_t number, shift, patience_ms, usable, resets;
    uint64_t blocks, most;
    uint64_t written, flushed; /* commands that changed the disk; how many of them a flush has covered */
    bool lost;                 /* for good: no flush says yes any more */
    uint16_t rounds; /* makes ids differ from those of commands that were given up */
    struct ticket tickets[TICKETS];
};

static uint8_t *list_of(const struct am_namespace *space, size_t ticket)
{
    return space->nvme->dma.bytes + AM_NVME_DATA + ticket * TICKET_BYTES;
}

static uint8_t *data_of(const struct am_namespace *space, size_t ticket)
{
    return list_of(space, ticket) + AM_DMA_PAGE;
}

void am_nvme_prp(const struct am_dma *dma, const uint8_t *at, uint64_t bytes, uint64_t *list,
                 struct am_nvme_command *command)
{
    const uint64_t pages = (bytes + AM_DMA_PAGE - 1) / AM_DMA_PAGE;
    command->prp1 = am_dma_address(dma, at);
    if (pages == 2)
        command->prp2 = am_dma_address(dma, at + AM_DMA_PAGE);
    if (pages <= 2)
        return;
    for (uint64_t i = 1; i < pages; i++)
        list[i - 1] = am_dma_address(dma, at + i * AM_DMA_PAGE);
    command->prp2 = am_dma_address(dma, list);
}

/* All below: under the lock. */

static struct ticket *free_ticket(struct am_namespace *space)
{
    for (size_t i = 0; i < space->usable; i++)
        if (space->tickets[i].batch == NULL)
            return &space->tickets[i];
    return NULL;
}

static void send(struct am_namespace *space, struct ticket *ticket, struct batch *batch,
                 struct am_nvme_command *command)
{
    ticket->batch = batch;
    ticket->id = (uint16_t)((uint32_t)(ticket - space->tickets) | (uint32_t)space->rounds++ << 5);
    ticket->since_ms = am_nvme_now_ms();
    ticket->status = space->nvme->dead;
    ticket->flying = ticket->status == 0;
    batch->flying++;
    ticket->changes = command->opcode == AM_NVME_WRITE || command->opcode == AM_NVME_WRITE_ZEROES;
    command->id = ticket->id;
    command->name_space = space->number;
    if (ticket->flying)
        am_nvme_queue_push(&space->nvme->io, command);
}

static void send_io(struct am_namespace *space, struct ticket *ticket, struct batch *batch,
                    struct am_nvme_io *io)
{
    const size_t number = (size_t)(ticket - space->tickets);
    const uint64_t left = io->length - io->begun;
    uint8_t *data = data_of(space, number);
    ticket->io = io;
    ticket->at = io->begun;
    ticket->bytes = left < space->most ? left : space->most;
    const uint64_t block = (io->offset + io->begun) >> space->shift;
    struct am_nvme_command command = {.opcode = io->write ? AM_NVME_WRITE : AM_NVME_READ,
                                      .word10 = (uint32_t)block, .word11 = (uint32_t)(block >> 32),
                                      .word12 = (uint32_t)(ticket->bytes >> space->shift) - 1};
    if (io->write)
        memcpy(data, io->bytes + ticket->at, ticket->bytes);
    am_nvme_prp(&space->nvme->dma, data, ticket->bytes, (uint64_t *)(void *)list_of(space, number), &command);
    io->begun += ticket->bytes;
    send(space, ticket, batch, &command);
}

static void take_answers(struct am_namespace *space)
{
    struct am_nvme_completion answer;
    while (space->nvme->dead == 0 && am_nvme_queue_pop(&space->nvme->io, &answer)) {
        struct ticket *ticket = &space->tickets[(answer.id & 31) % TICKETS];
        if (!ticket->flying || ticket->id != answer.id)
            continue;
        ticket->flying = false;
        ticket->status = am_nvme_said(&answer);
        space->written += ticket->changes && ticket->status == 0;
    }
}

/* A batch's tickets that have answers: the data to where it is wanted, the ticket back. How many. */
static size_t collect(struct am_namespace *space, struct batch *batch, int *status)
{
    size_t count = 0;
    for (size_t i = 0; i < space->usable; i++) {
        struct ticket *ticket = &space->tickets[i];
        if (ticket->batch != batch || ticket->flying)
            continue;
        if (ticket->status != 0 && *status == 0)
            *status = ticket->status;
        if (ticket->io != NULL && ticket->status != 0 && ticket->io->status == 0)
            ticket->io->status = ticket->status;
        if (ticket->io != NULL && ticket->status == 0 && !ticket->io->write)
            memcpy(ticket->io->bytes + ticket->at, data_of(space, i), ticket->bytes);
        ticket->batch = NULL;
        ticket->io = NULL;
        batch->flying--;
        count++;
    }
    return count;
}

/* The controller does not do what it should: everything under way ends with the reason, and it is reset. */
static void recover(struct am_namespace *space, int reason)
{
    const int status = am_nvme_reset(space->nvme);
    space->resets++;
    space->lost = space->lost || (space->nvme->cache && space->written != space->flushed);
    for (size_t i = 0; i < space->usable; i++)
        if (space->tickets[i].flying) {
            space->tickets[i].flying = false;
            space->tickets[i].status = status == AM_NVME_GONE ? status : reason;
        }
}

static void look_after(struct am_namespace *space, const struct batch *batch)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < space->usable; i++)
        if (space->tickets[i].batch == batch && space->tickets[i].flying
            && space->tickets[i].since_ms < oldest)
            oldest = space->tickets[i].since_ms;
    if (oldest == UINT64_MAX)
        return;
    const int health = am_nvme_health(space->nvme);
    if (health != 0)
        recover(space, health);
    else if (am_nvme_now_ms() > oldest + space->patience_ms)
        recover(space, AM_NVME_TIMEOUT);
}

static void rest(unsigned *spins)
{
    if (++*spins % SPINS == 0) {
        sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* From here on: without the lock. */

/* 0, or why no command may be made of it. The controller would refuse what lies behind the end, but only
 * command by command: the others of a long write would be done. */
static int wrong(const struct am_namespace *space, uint64_t offset, uint64_t length)
{
    const uint64_t bytes = space->blocks << space->shift;
    if (((length | offset) & ((UINT64_C(1) << space->shift) - 1)) != 0)
        return AM_NVME_ALIGNMENT;
    return offset > bytes || length > bytes - offset ? AM_NVME_OUT_OF_RANGE : 0;
}

void am_namespace_run(struct am_namespace *space, struct am_nvme_io *ios, size_t count)
{
    struct batch batch = {0};
    size_t next = 0;
    unsigned spins = 0;
    for (size_t i = 0; i < count; i++) {
        ios[i].status = wrong(space, ios[i].offset, ios[i].length);
        ios[i].begun = 0;
    }
    while (next < count || batch.flying > 0) {
        int ignored = 0;
        pthread_mutex_lock(&space->lock);
        take_answers(space);
        size_t done = collect(space, &batch, &ignored);
        while (next < count) {
            struct am_nvme_io *io = &ios[next];
            if (io->status != 0 || io->begun == io->length) {
                next++;
                continue;
            }
            struct ticket *ticket = free_ticket(space);
            if (ticket == NULL)
                break;
            send_io(space, ticket, &batch, io);
            done++;
        }
        if (done == 0 && spins % SPINS == SPINS - 1)
            look_after(space, &batch);
        pthread_mutex_unlock(&space->lock);
        if (done == 0)
            rest(&spins);
    }
}

static int alone(struct am_namespace *space, struct am_nvme_command *command)
{
    struct batch batch = {0};
    bool sent = false;
    int status = 0;
    unsigned spins = 0;
    while (!sent || batch.flying > 0) {
        pthread_mutex_lock(&space->lock);
        take_answers(space);
        struct ticket *ticket = sent ? NULL : free_ticket(space);
        if (ticket != NULL) {
            send(space, ticket, &batch, command);
            sent = true;
        }
        collect(space, &batch, &status);
        if (spins % SPINS == SPINS - 1)
            look_after(space, &batch);
        pthread_mutex_unlock(&space->lock);
        rest(&spins);
    }
    return status;
}

/* After a reset, or a flush that failed, a cache may have dropped what it held; the next flush would not
 * tell. */
int am_namespace_flush(struct am_namespace *space)
{
    pthread_mutex_lock(&space->lock);
    const uint64_t covered = space->written;
    pthread_mutex_unlock(&space->lock);
    int status = alone(space, &(struct am_nvme_command){.opcode = AM_NVME_FLUSH});
    pthread_mutex_lock(&space->lock);
    if (status == 0 && space->lost)
        status = AM_NVME_LOST;
    else if (status == 0) /* another thread's may have covered more meanwhile */
        space->flushed = covered > space->flushed ? covered : space->flushed;
    else
        space->lost = space->lost || (space->nvme->cache && covered != space->flushed);
    pthread_mutex_unlock(&space->lock);
    return status;
}

static int write_zeros(struct am_namespace *space, uint64_t offset, uint64_t bytes)
{
    static uint8_t zeros[TICKET_DATA]; /* never written to */
    int status = 0;
    for (uint64_t part; bytes > 0 && status == 0; offset += part, bytes -= part) {
        struct am_nvme_io ios[16];
        size_t count = 0;
        uint64_t at = 0;
        for (; count < 16 && at < bytes; count++) {
            const uint64_t length = bytes - at < TICKET_DATA ? bytes - at : TICKET_DATA;
            ios[count] = (struct am_nvme_io){.write = true, .bytes = zeros, .length = length,
                                             .offset = offset + at};
            at += length;
        }
        part = at;
        am_namespace_run(space, ios, count);
        for (size_t i = 0; i < count && status == 0; i++)
            status = ios[i].status;
    }
    return status;
}

int am_namespace_zero(struct am_namespace *space, uint64_t offset, uint64_t bytes)
{
    int status = wrong(space, offset, bytes);
    uint64_t most = UINT64_C(65536) << space->shift;
    most = most < ZEROES_BYTES ? most : ZEROES_BYTES;
    while (space->nvme->write_zeroes && bytes > 0 && status == 0) {
        const uint64_t part = bytes < most ? bytes : most, block = offset >> space->shift;
        struct am_nvme_command command = {.opcode = AM_NVME_WRITE_ZEROES, .word10 = (uint32_t)block,
                                          .word11 = (uint32_t)(block >> 32),
                                          .word12 = (uint32_t)(part >> space->shift) - 1};
        status = alone(space, &command);
        if (status == 0) {
            offset += part;
            bytes -= part;
        }
    }
    return bytes > 0 && (status == 0 || status == 0x01 || status == 0x02) /* not this command, not so long */
               ? write_zeros(space, offset, bytes)
               : status;
}

static int learn(struct am_namespace *space, char *why)
{
    const uint8_t *page;
    const struct am_nvme *nvme = space->nvme;
    uint32_t format;
    if (space->number == 0 || space->number > nvme->namespaces)
        return am_nvme_because(why, AM_NVME_REFUSED, "there are %u namespaces, and none is %u",
                               nvme->namespaces, space->number);
    const int status = am_nvme_identify(space->nvme, space->number, 0, &page);
    if (status != 0)
        return am_nvme_because(why, status, "namespace %u: %s", space->number, am_nvme_word(status));
    memcpy(&space->blocks, page, sizeof space->blocks);
    const uint32_t which = (page[26] & 15u) | (page[26] >> 5 & 3u) << 4;
    memcpy(&format, page + 128 + 4 * (size_t)which, sizeof format);
    space->shift = format >> 16 & 0xff;
    if (space->blocks == 0)
        return am_nvme_because(why, AM_NVME_REFUSED, "there is no namespace %u", space->number);
    if (space->shift < 9 || space->shift > 12 || (format & 0xffff) != 0
        || space->blocks > UINT64_MAX >> space->shift)
        return am_nvme_because(why, AM_NVME_REFUSED,
                               "namespace %u: %llu blocks of 2^%u bytes and %u of metadata; "
                               "blocks of 512 to 4096 bytes without metadata are wanted",
                               space->number, (unsigned long long)space->blocks, space->shift,
                               format & 0xffff);
    space->most = nvme->most_bytes != 0 && nvme->most_bytes < TICKET_DATA ? nvme->most_bytes : TICKET_DATA;
    space->usable = nvme->io.depth - 1u < TICKETS ? nvme->io.depth - 1u : TICKETS;
    space->patience_ms = 10000;
    return 0;
}

int am_namespace_open(const char *address, uint32_t number, struct am_namespace **made, char why[AM_NVME_WHY])
{
    struct am_namespace *space = calloc(1, sizeof *space);
    if (space == NULL)
        return am_nvme_because(why, AM_NVME_MEMORY, "no memory");
    pthread_mutex_init(&space->lock, NULL);
    space->number = number;
    int status = am_nvme_open(address, &space->nvme, why);
    if (status == 0)
        status = learn(space, why);
    if (status != 0) {
        am_namespace_close(space);
        return status;
    }
    *made = space;
    return 0;
}

void am_namespace_close(struct am_namespace *space)
{
    if (space == NULL)
        return;
    am_nvme_close(space->nvme);
    pthread_mutex_destroy(&space->lock);
    free(space);
}

void am_namespace_patience(struct am_namespace *space, uint32_t ms)
{
    pthread_mutex_lock(&space->lock);
    space->patience_ms = ms;
    pthread_mutex_unlock(&space->lock);
}

void am_namespace_facts(struct am_namespace *space, struct am_namespace_facts *facts)
{
    const struct am_nvme *nvme = space->nvme;
    pthread_mutex_lock(&space->lock);
    *facts = (struct am_namespace_facts){
        .blocks = space->blocks, .block_bytes = 1u << space->shift, .number = space->number,
        .most_bytes = space->most, .cache = nvme->cache, .iommu = nvme->pci.iommu, .model = nvme->model,
        .serial = nvme->serial, .firmware = nvme->firmware, .resets = space->resets};
    pthread_mutex_unlock(&space->lock);
}
