/* See controller.h. The order of steps is the specification's, section 3.5 (initialisation, shutdown). */
#include "controller.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NVME_CLASS 0x010802u
#define ADMIN_DEPTH 16u
#define ADMIN_MS 10000u
#define SHUTDOWN_MS 10000u
#define ALL_ONES 0xffffffffu

static uint32_t get(const struct am_nvme *nvme, uint32_t at)
{
    return *(const volatile uint32_t *)(const volatile void *)(nvme->pci.registers + at);
}

static void put(struct am_nvme *nvme, uint32_t at, uint32_t value)
{
    *(volatile uint32_t *)(volatile void *)(nvme->pci.registers + at) = value;
}

static void put_address(struct am_nvme *nvme, uint32_t at, const void *what)
{
    const uint64_t address = am_dma_address(&nvme->dma, what);
    put(nvme, at, (uint32_t)address);
    put(nvme, at + 4, (uint32_t)(address >> 32));
}

uint64_t am_nvme_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Of a device that is not there, machines read all ones; some virtual ones, zeros. No version is zero. */
static bool is_gone(const struct am_nvme *nvme)
{
    return get(nvme, AM_NVME_CSTS) == ALL_ONES || get(nvme, AM_NVME_VS) == 0;
}

int am_nvme_health(const struct am_nvme *nvme)
{
    if (is_gone(nvme))
        return AM_NVME_GONE;
    return (get(nvme, AM_NVME_CSTS) & AM_NVME_FATAL) != 0 ? AM_NVME_FAULT : 0;
}

/* Until the status register says so; a fatal state ends the wait for readiness, not the one for its end. */
static int wait_state(const struct am_nvme *nvme, uint32_t mask, uint32_t value, uint64_t most_ms)
{
    const uint64_t end = am_nvme_now_ms() + most_ms;
    for (;;) {
        const uint32_t state = get(nvme, AM_NVME_CSTS);
        if (is_gone(nvme))
            return AM_NVME_GONE;
        if ((state & mask) == value)
            return 0;
        if (value != 0 && (state & AM_NVME_FATAL) != 0)
            return AM_NVME_FAULT;
        if (am_nvme_now_ms() > end)
            return AM_NVME_STUCK;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

static uint64_t patience_ms(const struct am_nvme *nvme)
{
    return ((nvme->can >> 24 & 0xff) + 1) * 500;
}

static int switch_off(struct am_nvme *nvme)
{
    if (is_gone(nvme))
        return AM_NVME_GONE;
    if ((get(nvme, AM_NVME_CC) & AM_NVME_CC_ON) != 0) /* on its way up it must not be told to go down */
        wait_state(nvme, AM_NVME_READY, AM_NVME_READY, patience_ms(nvme));
    /* The other fields may change only once it is off. */
    put(nvme, AM_NVME_CC, get(nvme, AM_NVME_CC) & ~(uint32_t)(AM_NVME_CC_SHUT_MASK | AM_NVME_CC_ON));
    return wait_state(nvme, AM_NVME_READY, 0, patience_ms(nvme));
}

int am_nvme_admin(struct am_nvme *nvme, struct am_nvme_command *command, uint32_t *result)
{
    struct am_nvme_completion answer;
    if (nvme->dead != 0)
        return nvme->dead;
    const uint64_t end = am_nvme_now_ms() + ADMIN_MS;
    command->id = nvme->next_id++;
    am_nvme_queue_push(&nvme->admin, command);
    for (;;) {
        while (am_nvme_queue_pop(&nvme->admin, &answer)) {
            if (answer.id != command->id)
                continue; /* of a command that was given up */
            if (result != NULL)
                *result = answer.result;
            return am_nvme_said(&answer);
        }
        const int health = am_nvme_health(nvme);
        if (health != 0 || am_nvme_now_ms() > end)
            return health != 0 ? health : AM_NVME_TIMEOUT;
        sched_yield();
    }
}

int am_nvme_identify(struct am_nvme *nvme, uint32_t name_space, uint32_t about, const uint8_t **page)
{
    uint8_t *at = nvme->dma.bytes + 4 * AM_DMA_PAGE;
    struct am_nvme_command command = {.opcode = AM_NVME_IDENTIFY, .name_space = name_space, .word10 = about,
                                      .prp1 = am_dma_address(&nvme->dma, at)};
    *page = at;
    memset(at, 0, AM_DMA_PAGE);
    return am_nvme_admin(nvme, &command, NULL);
}

static int make_io_queues(struct am_nvme *nvme)
{
    const uint32_t depth = nvme->io.depth - 1u;
    struct am_nvme_command count = {.opcode = AM_NVME_SET_FEATURES, .word10 = AM_NVME_QUEUE_COUNT};
    struct am_nvme_command up = {.opcode = AM_NVME_MAKE_COMPLETION, .word10 = depth << 16 | 1, .word11 = 1,
                                 .prp1 = am_dma_address(&nvme->dma,
                                                        (const void *)(uintptr_t)nvme->io.completions)};
    struct am_nvme_command down = {.opcode = AM_NVME_MAKE_SUBMISSION, .word10 = depth << 16 | 1,
                                   .word11 = 1u << 16 | 1,
                                   .prp1 = am_dma_address(&nvme->dma, nvme->io.submissions)};
    am_nvme_queue_empty(&nvme->io);
    int status = am_nvme_admin(nvme, &count, NULL);
    if (status == 0)
        status = am_nvme_admin(nvme, &up, NULL);
    return status == 0 ? am_nvme_admin(nvme, &down, NULL) : status;
}

/* Whatever goes wrong here leaves a device that must not touch memory any more. */
static int die(struct am_nvme *nvme, int status)
{
    am_pci_master(&nvme->pci, false);
    nvme->dead = status;
    return status;
}

int am_nvme_reset(struct am_nvme *nvme)
{
    nvme->dead = 0;
    nvme->resets++;
    am_pci_master(&nvme->pci, false);
    int status = switch_off(nvme);
    if (status != 0)
        return die(nvme, status);
    am_nvme_queue_empty(&nvme->admin);
    if (am_pci_master(&nvme->pci, true) != 0)
        return die(nvme, AM_NVME_GONE);
    put(nvme, AM_NVME_INTMS, ALL_ONES);
    put(nvme, AM_NVME_AQA, (ADMIN_DEPTH - 1) << 16 | (ADMIN_DEPTH - 1));
    put_address(nvme, AM_NVME_ASQ, nvme->admin.submissions);
    put_address(nvme, AM_NVME_ACQ, (const void *)(uintptr_t)nvme->admin.completions);
    put(nvme, AM_NVME_CC, AM_NVME_CC_SIZES);
    put(nvme, AM_NVME_CC, AM_NVME_CC_SIZES | AM_NVME_CC_ON);
    status = wait_state(nvme, AM_NVME_READY, AM_NVME_READY, patience_ms(nvme));
    if (status == 0)
        status = make_io_queues(nvme);
    return status == 0 ? 0 : die(nvme, status);
}

static void lay_out(struct am_nvme *nvme)
{
    uint8_t *page = nvme->dma.bytes;
    const uint32_t stride = 4u << (nvme->can >> 32 & 15), most = (uint32_t)(nvme->can & 0xffff) + 1;
    volatile uint8_t *bells = nvme->pci.registers + AM_NVME_BELLS;
    struct am_nvme_queue *queues[] = {&nvme->admin, &nvme->io};
    for (uint32_t i = 0; i < 2; i++) {
        queues[i]->submissions = (void *)(page + (size_t)i * 2 * AM_DMA_PAGE);
        queues[i]->completions = (void *)(page + ((size_t)i * 2 + 1) * AM_DMA_PAGE);
        queues[i]->submission_bell = (volatile uint32_t *)(volatile void *)(bells + 2 * i * stride);
        queues[i]->completion_bell = (volatile uint32_t *)(volatile void *)(bells + (2 * i + 1) * stride);
    }
    nvme->admin.depth = ADMIN_DEPTH;
    nvme->io.depth = (uint16_t)(most < AM_NVME_DEPTH ? most : AM_NVME_DEPTH);
}

static void text(char *to, const uint8_t *from, size_t count)
{
    memcpy(to, from, count);
    for (size_t i = 0; i < count; i++) /* it goes to logs */
        if (to[i] < ' ' || to[i] > '~')
            to[i] = ' ';
    while (count > 0 && to[count - 1] == ' ')
        count--;
    to[count] = 0;
}

static int learn(struct am_nvme *nvme)
{
    const uint8_t *page;
    const int status = am_nvme_identify(nvme, 0, 1, &page);
    if (status != 0)
        return status;
    const uint32_t unit = 12 + (uint32_t)(nvme->can >> 48 & 15);
    text(nvme->serial, page + 4, 20);
    text(nvme->model, page + 24, 40);
    text(nvme->firmware, page + 64, 8);
    nvme->most_bytes = page[77] == 0 || page[77] + unit > 40 ? 0 : UINT64_C(1) << (page[77] + unit);
    memcpy(&nvme->namespaces, page + 516, sizeof nvme->namespaces);
    nvme->write_zeroes = (page[520] & 8) != 0;
    nvme->cache = (page[525] & 1) != 0;
    return 0;
}

static int begin(struct am_nvme *nvme, const char *address, char *why)
{
    if (nvme->pci.register_bytes < AM_NVME_BELLS + AM_DMA_PAGE)
        return am_nvme_because(why, AM_NVME_REFUSED, "%s: too few registers", address);
    memcpy(&nvme->can, &(uint32_t[]){get(nvme, AM_NVME_CAP), get(nvme, AM_NVME_CAP + 4)}, sizeof nvme->can);
    if (is_gone(nvme))
        return am_nvme_because(why, AM_NVME_GONE, "%s: %s", address, am_nvme_word(AM_NVME_GONE));
    if ((nvme->can >> 48 & 15) != 0 || (nvme->can >> 37 & 1) == 0 || (nvme->can & 0xffff) == 0
        || (nvme->can >> 32 & 15) > 7)
        return am_nvme_because(why, AM_NVME_REFUSED, "%s: no pages of 4096 bytes, or no NVM command set",
                               address);
    lay_out(nvme);
    int status = am_nvme_reset(nvme);
    if (status == 0)
        status = learn(nvme);
    return status == 0 ? 0 : am_nvme_because(why, status, "%s: %s", address, am_nvme_word(status));
}

int am_nvme_open(const char *address, struct am_nvme **made, char why[AM_NVME_WHY])
{
    struct am_nvme *nvme = calloc(1, sizeof *nvme);
    if (nvme == NULL)
        return am_nvme_because(why, AM_NVME_MEMORY, "no memory");
    int status = am_pci_open(address, NVME_CLASS, &nvme->pci, why);
    if (status == 0) {
        status = am_dma_make(&nvme->pci, &nvme->dma, why);
        if (status == 0)
            status = begin(nvme, address, why);
        if (status != 0) {
            am_pci_close(&nvme->pci); /* first: it ends what the device may reach */
            am_dma_free(&nvme->dma);
        }
    }
    if (status != 0) {
        free(nvme);
        return status;
    }
    nvme->resets = 0;
    *made = nvme;
    return 0;
}

void am_nvme_close(struct am_nvme *nvme)
{
    if (nvme == NULL)
        return;
    if (nvme->dead == 0) {
        struct am_nvme_command down = {.opcode = AM_NVME_DELETE_SUBMISSION, .word10 = 1};
        struct am_nvme_command up = {.opcode = AM_NVME_DELETE_COMPLETION, .word10 = 1};
        if (am_nvme_admin(nvme, &down, NULL) == 0)
            am_nvme_admin(nvme, &up, NULL);
        put(nvme, AM_NVME_CC, get(nvme, AM_NVME_CC) | AM_NVME_CC_SHUT);
        wait_state(nvme, AM_NVME_SHUT_MASK, AM_NVME_SHUT_DONE, SHUTDOWN_MS);
        switch_off(nvme);
    }
    am_pci_close(&nvme->pci);
    am_dma_free(&nvme->dma);
    free(nvme);
}
