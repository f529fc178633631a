/* See nvme_model.h. The thread's functions are hidden from the thread sanitizer, as a device is: it judges
 * the driver's threads among each other. */
#include "nvme_model.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICE __attribute__((no_sanitize("thread"))) static
#define REGISTERS 16384u
#define PENDING 64u
#define BUS (UINT64_C(1) << 32) /* what the device calls the first page; the second is not behind it */
#define APART (UINT64_C(64) << 20)
#define WRONG(...) \
    (atomic_fetch_add(&on->wrong, 1), fprintf(stderr, "the model: " __VA_ARGS__), fputc('\n', stderr))

struct ring { uint64_t down, up; uint32_t depth_down, depth_up, head, tail, phase; bool has_down, has_up; };

static struct nvme_model *on;
static volatile uint8_t *registers;
static uint8_t *memory;
static struct ring rings[2];
static struct am_nvme_command pending[PENDING];
static unsigned flying;
static bool enabled, failed;
static uint64_t dirty_from, dirty_to; /* of the disk: what the cache holds */
static _Atomic bool master, stop;
static uint64_t random_state = 88172645463325252u;
static pthread_t thread;

DEVICE uint32_t get(uint32_t at) { return *(volatile uint32_t *)(registers + at); }
DEVICE void put(uint32_t at, uint32_t value) { *(volatile uint32_t *)(registers + at) = value; }
DEVICE uint32_t bell(unsigned i, unsigned up) { return AM_NVME_BELLS + (2 * i + up) * (4u << on->stride); }

DEVICE void copy(uint8_t *to, const uint8_t *from, uint64_t bytes)
{
    for (uint64_t i = 0; i + 8 <= bytes; i += 8)
        *(volatile uint64_t *)(to + i) = *(const volatile uint64_t *)(from + i);
}

/* What the cache holds is safe now, or (lost) gone. */
DEVICE void settle(bool lost)
{
    if (dirty_from < dirty_to)
        copy((lost ? on->disk : on->safe) + dirty_from, (lost ? on->safe : on->disk) + dirty_from,
             dirty_to - dirty_from);
    dirty_from = UINT64_MAX;
    dirty_to = 0;
}

/* A page of the driver's memory, behind those of queues and identify when it is for data. */
DEVICE uint8_t *page_at(uint64_t address, uint64_t least)
{
    for (uint64_t i = 0; i < AM_DMA_HUGES; i++) {
        const uint64_t base = BUS + i * APART;
        if (address >= base && address + AM_DMA_PAGE <= base + AM_DMA_HUGE && address % AM_DMA_PAGE == 0
            && address - base + i * AM_DMA_HUGE >= least)
            return memory + i * AM_DMA_HUGE + (address - base);
    }
    WRONG("address %llx", (unsigned long long)address);
    return NULL;
}

DEVICE void answer(unsigned number, const struct am_nvme_command *command, int status)
{
    struct ring *ring = &rings[number];
    volatile struct am_nvme_completion *at
        = (volatile void *)(page_at(ring->up, 0) + ring->tail * sizeof(struct am_nvme_completion));
    at->result = 0;
    at->head = (uint16_t)ring->head;
    at->queue = (uint16_t)number;
    at->id = command->id;
    __sync_synchronize();
    at->status = (uint16_t)((uint32_t)status << 1 | ring->phase | 1u << 15); /* with "do not retry" */
    if (++ring->tail == ring->depth_up) {
        ring->tail = 0;
        ring->phase ^= 1;
    }
}

DEVICE bool fetch(unsigned number, struct am_nvme_command *command)
{
    struct ring *ring = &rings[number];
    const uint32_t tail = get(bell(number, 0));
    if (tail >= ring->depth_down)
        WRONG("a bell beyond the ring: %u of %u", tail, ring->depth_down);
    if (ring->head == tail)
        return false;
    __sync_synchronize();
    copy((uint8_t *)command, page_at(ring->down, 0) + ring->head * sizeof *command, sizeof *command);
    ring->head = (ring->head + 1) % ring->depth_down;
    return true;
}

DEVICE void say(uint8_t *to, const char *text, size_t room)
{
    for (size_t i = 0; i < room; i++)
        to[i] = *text != 0 ? (uint8_t)*text++ : ' ';
}

DEVICE void identify(const struct am_nvme_command *command)
{
    uint8_t *to = page_at(command->prp1, 0);
    const uint32_t format = on->shift << 16 | on->metadata, one = 1;
    uint64_t page[512] = {0};
    uint8_t *is = (uint8_t *)page;
    if (command->word10 == 1) {
        say(is + 4, MODEL_SERIAL, 20);
        say(is + 24, "in memory", 40);
        for (uint32_t pages = on->most_pages; pages > 1; pages /= 2)
            is[77]++;
        *(volatile uint32_t *)(is + 516) = one;
        is[520] = on->zeroes ? 8 : 0;
        is[525] = on->cache;
    } else {
        page[0] = page[1] = on->blocks;
        is[26] = 0x21; /* the format in use: number 17, the high bits apart */
        *(volatile uint32_t *)(is + 128 + 4 * 17) = format;
    }
    copy(to, is, sizeof page);
}

/* Answers of the admin queue. Queues: contiguous, without interrupts, the completions' first. */
DEVICE int admin(const struct am_nvme_command *command)
{
    const uint32_t depth = (command->word10 >> 16) + 1, id = command->word10 & 0xffff;
    struct ring *io = &rings[1];
    if (command->opcode == AM_NVME_IDENTIFY)
        identify(command);
    else if (command->opcode == AM_NVME_MAKE_COMPLETION) {
        if (id != 1 || command->word11 != 1 || depth < 2 || depth > on->most_depth)
            WRONG("completion queue %u, %u deep, flags %x", id, depth, command->word11);
        *io = (struct ring){.up = command->prp1, .depth_up = depth, .phase = 1, .has_up = true};
    } else if (command->opcode == AM_NVME_MAKE_SUBMISSION) {
        if (id != 1 || command->word11 != (1u << 16 | 1) || depth > on->most_depth || !io->has_up)
            WRONG("submission queue %u, %u deep, flags %x", id, depth, command->word11);
        io->down = command->prp1;
        io->depth_down = depth;
        io->has_down = true;
    } else if (command->opcode == AM_NVME_DELETE_SUBMISSION) {
        io->has_down = false;
    } else if (command->opcode == AM_NVME_DELETE_COMPLETION) {
        if (io->has_down)
            WRONG("a completion queue deleted before its submissions'");
        io->has_up = false;
    } else if (command->opcode != AM_NVME_SET_FEATURES || command->word10 != AM_NVME_QUEUE_COUNT) {
        WRONG("admin opcode %x", command->opcode);
        return 1;
    }
    return 0;
}

/* The data of a read or write, along its PRP entries. */
DEVICE void move(const struct am_nvme_command *command, uint8_t *disk, uint64_t bytes)
{
    const uint64_t pages = (bytes + AM_DMA_PAGE - 1) / AM_DMA_PAGE;
    const uint64_t *list = pages > 2 ? (uint64_t *)(void *)page_at(command->prp2, AM_NVME_DATA) : NULL;
    if (pages == 1 && command->prp2 != 0)
        WRONG("a second pointer for one page");
    for (uint64_t i = 0; i < pages && (pages <= 2 || list != NULL); i++) {
        const uint64_t left = bytes - i * AM_DMA_PAGE, part = left < AM_DMA_PAGE ? left : AM_DMA_PAGE;
        const uint64_t entry = i == 0 ? command->prp1 : pages == 2 ? command->prp2 : list[i - 1];
        uint8_t *at = page_at(entry, AM_NVME_DATA);
        if (at != NULL && command->opcode == AM_NVME_WRITE)
            copy(disk + i * AM_DMA_PAGE, at, part);
        else if (at != NULL)
            copy(at, disk + i * AM_DMA_PAGE, part);
    }
}

DEVICE int io(const struct am_nvme_command *command)
{
    const uint64_t block = command->word10 | (uint64_t)command->word11 << 32;
    const uint64_t count = (command->word12 & 0xffff) + 1, at = block << on->shift;
    const uint64_t bytes = count << on->shift;
    const bool write = command->opcode == AM_NVME_WRITE, data = write || command->opcode == AM_NVME_READ;
    if (command->name_space != 1 || command->flags != 0 || command->word12 >> 16 != 0)
        WRONG("opcode %x, namespace %u, flags %x", command->opcode, command->name_space, command->flags);
    if (command->opcode == AM_NVME_FLUSH) {
        atomic_fetch_add(&on->flushes, 1);
        settle(false);
        return 0;
    }
    if (block > on->blocks || count > on->blocks - block)
        return AM_NVME_OUT_OF_RANGE;
    if (at < atomic_load(&on->bad_to) && at + bytes > atomic_load(&on->bad_from))
        return write ? 0x280 : 0x281;
    if (data && on->most_pages != 0 && bytes > (uint64_t)on->most_pages * AM_DMA_PAGE)
        return 0x02;
    if (command->opcode != AM_NVME_READ) {
        dirty_from = at < dirty_from ? at : dirty_from;
        dirty_to = at + bytes > dirty_to ? at + bytes : dirty_to;
    }
    if (data) {
        move(command, on->disk + at, bytes);
    } else if (command->opcode == AM_NVME_WRITE_ZEROES && on->zeroes && !on->refuses_zeroes) {
        for (uint64_t i = 0; i < bytes; i += 8)
            *(volatile uint64_t *)(on->disk + at + i) = 0;
    } else {
        return command->opcode == AM_NVME_WRITE_ZEROES ? 0x02 : 0x01;
    }
    if (!on->cache)
        settle(false);
    return 0;
}

DEVICE void take_in(const struct am_nvme_command *command)
{
    for (unsigned i = 0; i < flying; i++)
        if (pending[i].id == command->id)
            WRONG("id %u twice in flight", command->id);
    if (atomic_load(&on->swallow) > 0) {
        atomic_fetch_sub(&on->swallow, 1);
        return;
    }
    if (atomic_exchange(&on->fatal, false)) {
        failed = true;
        put(AM_NVME_CSTS, get(AM_NVME_CSTS) | AM_NVME_FATAL);
        return;
    }
    pending[flying++] = *command;
    if (flying > atomic_load(&on->most_flying))
        atomic_store(&on->most_flying, flying);
}

DEVICE void work(void)
{
    struct am_nvme_command command;
    const struct ring *up = &rings[1];
    while (fetch(0, &command))
        answer(0, &command, admin(&command));
    while (up->has_down && !failed && flying < PENDING && fetch(1, &command))
        take_in(&command);
    for (unsigned i = 0; i < 8 && flying > 0 && !failed; i++) {
        if ((up->tail + 1) % up->depth_up == get(bell(1, 1)))
            return; /* no room for an answer */
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        if (atomic_load(&on->strange) > 0) {
            atomic_fetch_sub(&on->strange, 1);
            command.id = (uint16_t)(random_state | 31); /* no ticket has this number */
            answer(1, &command, 0);
            continue;
        }
        const unsigned which = (unsigned)(random_state % flying);
        command = pending[which];
        pending[which] = pending[--flying];
        answer(1, &command, io(&command));
    }
}

DEVICE void switch_on(void)
{
    const uint32_t depths = get(AM_NVME_AQA);
    if (get(AM_NVME_CC) != (AM_NVME_CC_SIZES | AM_NVME_CC_ON) || get(AM_NVME_INTMS) != UINT32_MAX)
        WRONG("switched on with %x, interrupts masked %x", get(AM_NVME_CC), get(AM_NVME_INTMS));
    for (unsigned i = 0; i < 4; i++)
        put(bell(i / 2, i % 2), 0);
    memset(rings, 0, sizeof rings);
    rings[0] = (struct ring){.down = get(AM_NVME_ASQ) | (uint64_t)get(AM_NVME_ASQ + 4) << 32,
                             .up = get(AM_NVME_ACQ) | (uint64_t)get(AM_NVME_ACQ + 4) << 32,
                             .depth_down = (depths & 0xfff) + 1, .depth_up = (depths >> 16 & 0xfff) + 1,
                             .phase = 1};
    flying = 0;
    enabled = true;
    put(AM_NVME_CSTS, AM_NVME_READY);
}

DEVICE void step(void)
{
    if (atomic_load(&on->gone)) {
        for (uint32_t at = 0; at < AM_NVME_BELLS; at += 4)
            put(at, UINT32_MAX);
        return;
    }
    const uint32_t configured = get(AM_NVME_CC);
    if ((configured & AM_NVME_CC_ON) == 0 && enabled) {
        enabled = failed = false;
        atomic_fetch_add(&on->resets, 1);
        if (on->forgets)
            settle(true);
        put(AM_NVME_CSTS, 0);
    } else if ((configured & AM_NVME_CC_ON) != 0 && !enabled && !atomic_load(&on->stuck)) {
        switch_on();
    } else if (enabled && (configured & AM_NVME_CC_SHUT_MASK) == AM_NVME_CC_SHUT) {
        settle(false);
        put(AM_NVME_CSTS, AM_NVME_READY | AM_NVME_SHUT_DONE);
    } else if (enabled && !failed && atomic_load(&master)) {
        work();
    }
}

DEVICE void *serve(void *nothing)
{
    while (!atomic_load(&stop)) {
        step();
        sched_yield();
    }
    return nothing;
}

struct nvme_model *nvme_model_new(uint32_t shift, uint64_t bytes)
{
    struct nvme_model *model = calloc(1, sizeof *model);
    model->shift = shift;
    model->blocks = bytes >> shift;
    model->cap = UINT64_C(1) << 37 | UINT64_C(1) << 16 | UINT64_C(119) << 24; /* 60 s: a busy machine */
    model->most_depth = 32;
    model->zeroes = true;
    model->disk = calloc(1, bytes);
    model->safe = calloc(1, bytes);
    return model;
}

void nvme_model_begin(struct nvme_model *model)
{
    on = model;
    enabled = failed = false;
    dirty_from = UINT64_MAX;
    dirty_to = 0;
    atomic_store(&stop, false);
    registers = calloc(1, REGISTERS);
    const uint64_t cap = model->cap | (uint64_t)model->stride << 32 | (model->most_depth - 1);
    put(AM_NVME_CAP, (uint32_t)cap);
    put(AM_NVME_CAP + 4, (uint32_t)(cap >> 32));
    put(AM_NVME_VS, 0x10400);
    pthread_create(&thread, NULL, serve, NULL);
}

static void end(void)
{
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    free((void *)(uintptr_t)registers);
}

void nvme_model_cut(struct nvme_model *model)
{
    end();
    memcpy(model->disk, model->safe, model->blocks << model->shift);
    nvme_model_begin(model);
}

unsigned nvme_model_free(struct nvme_model *model)
{
    end();
    const unsigned wrong = atomic_load(&model->wrong);
    free(model->disk);
    free(model->safe);
    free(model);
    return wrong;
}

/* In the place of pci.c and dma.c. */

bool am_pci_address(const char *text)
{
    return strcmp(text, MODEL_ADDRESS) == 0;
}

int am_pci_open(const char *address, uint32_t want, struct am_pci *pci, char why[AM_NVME_WHY])
{
    *pci = (struct am_pci){.registers = registers, .register_bytes = REGISTERS};
    on->nvme = (struct am_nvme *)(void *)((char *)pci - offsetof(struct am_nvme, pci));
    return am_pci_address(address) && want == 0x010802
               ? 0
               : am_nvme_because(why, AM_NVME_REFUSED, "%s: there is no such PCI device", address);
}

int am_pci_master(struct am_pci *pci, bool may)
{
    (void)pci;
    atomic_store(&master, may);
    return 0;
}

void am_pci_close(struct am_pci *pci)
{
    am_pci_master(pci, false);
}

int am_dma_make(struct am_pci *pci, struct am_dma *dma, char why[AM_NVME_WHY])
{
    (void)pci, (void)why;
    memory = dma->bytes = aligned_alloc(AM_DMA_PAGE, AM_DMA_BYTES);
    memset(memory, 0, AM_DMA_BYTES);
    for (uint64_t i = 0; i < AM_DMA_HUGES; i++)
        dma->page[i] = BUS + i * APART;
    return 0;
}

void am_dma_free(struct am_dma *dma)
{
    free(dma->bytes);
    dma->bytes = NULL;
}
