/* Calls at random: doorbell SEED COUNT. Blocks at the edges of memory, buffers over each other and over the block,
 * operations and arguments as they come. Exits with 0; every call that is answered leaves the guest whole. */
#include <nx.h>
#include <string.h>

static uint64_t state;

static uint64_t random_word(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t number(const char *text)
{
    uint64_t value = 0;
    for (; *text; text++)
        value = value * 10 + (uint64_t)(*text - '0');
    return value;
}

extern const struct nx_boot *nx_boot;

/* nx_ring tidies the block first; where the bare doorbell can be reached, it gets what is there. */
static void ring(struct nx_call *call)
{
    __asm__ volatile("" ::: "memory");
    if (nx_boot->ring == NX_RING_STORE)
        *(volatile uint32_t *)(uintptr_t)NX_DOORBELL = (uint32_t)(uintptr_t)call;
    else if (nx_boot->ring == NX_RING_CALL)
        ((void (*)(struct nx_call *))(uintptr_t)nx_boot->doorbell)(call);
    else
        nx_ring(call);
    __asm__ volatile("" ::: "memory");
}

static char *pages;
static uint64_t pages_size, end;

static uint64_t address(void)
{
    static const uint64_t known[] = {0, 1, NX_BASE - 1, NX_BASE, NX_IMAGE, NX_DOORBELL, NX_MEMORY_MAX, 1ull << 32,
                                     1ull << 47, 1ull << 63, ~0ull, ~7ull, 0x400000, 0x555555554000};
    switch (random_word() % 6) {
    case 0:
        return known[random_word() % (sizeof known / sizeof *known)];
    case 1:
        return end - random_word() % 128;
    case 2:
        return random_word();
    default:
        return (uintptr_t)pages + random_word() % pages_size;
    }
}

/* Where an answer may go. A virtio device writes wherever its driver says, text and stack too: there a guest spoils
 * itself, which is not what is tried here. */
static uint64_t room(void)
{
    uint64_t at = address();
    return nx_boot->ring == NX_RING_VIRTIO && at < end && at + NX_PAYLOAD_MAX >= NX_BASE
               ? (uintptr_t)pages + at % pages_size
               : at;
}

static uint64_t size(void)
{
    static const uint64_t known[] = {0, 1, 8, 72, 4096, NX_PAYLOAD_MAX, NX_PAYLOAD_MAX + 1, 1u << 31, 1ull << 32, ~0ull};
    return random_word() % 3 ? random_word() % 300 : known[random_word() % (sizeof known / sizeof *known)];
}

static uint32_t operation(void)
{
    /* Not EXIT, which would end it; not SLEEP, READ and NET_RECV, which wait for long. */
    static const uint32_t known[] = {NX_OP_WRITE,      NX_OP_TIME,       NX_OP_RANDOM,    NX_OP_CALL,
                                     NX_OP_FILE_STAT,  NX_OP_FILE_READ,  NX_OP_FILE_LIST, NX_OP_BLOCK_INFO,
                                     NX_OP_BLOCK_READ, NX_OP_BLOCK_WRITE, NX_OP_NET_INFO,  NX_OP_NET_SEND,
                                     8,                35,               NX_OP_FAULT,     0xffffffffu};
    uint32_t op = known[random_word() % (sizeof known / sizeof *known)];
    /* Nobody replies to a fault that a guest tells of itself, and over virtio nobody stands between. */
    return op == NX_OP_FAULT && nx_boot->ring == NX_RING_VIRTIO ? 8 : op;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 3;
    state = number(argv[1]) * 0x9e3779b97f4a7c15ull + 1;
    uint64_t count = number(argv[2]), guard = 0x1122334455667788ull;
    pages_size = 64 << 12;
    pages = nx_pages(64);
    end = nx_boot->memory_end;
    if (!strcmp(argc > 3 ? argv[3] : "", "wild")) { /* a block anywhere: answered or the end, nothing else */
        for (uint64_t i = 0; i < count; i++)
            ring((struct nx_call *)(uintptr_t)address());
        return 0;
    }
    for (uint64_t i = 0; i < count; i++) {
        /* Where the block is: anywhere in the pages, unaligned too. */
        struct nx_call *call = (void *)(pages + random_word() % (pages_size - sizeof *call));
        struct nx_call before = {.op = operation(),
                                 .reserved = random_word() % 16 || nx_boot->ring == NX_RING_VIRTIO ? 0 : (uint32_t)random_word(),
                                 .arg = random_word() % 2 ? random_word() % 4 : random_word(),
                                 .in = address(),
                                 .in_len = size(),
                                 .out = room(),
                                 .out_cap = size()};
        if (before.op == NX_OP_WRITE) /* output has a limit, and is not what is tried here */
            before.in_len = random_word() % 2 ? 0 : ~0ull;
        memcpy(call, &before, sizeof before);
        ring(call);
        if (guard != 0x1122334455667788ull)
            return 4;
        if (before.out > (uintptr_t)call + sizeof before || before.out + before.out_cap <= (uintptr_t)call ||
            before.out_cap > NX_PAYLOAD_MAX)
            if (memcmp(call, &before, offsetof(struct nx_call, result)))
                return 5; /* more than the results was written into the block */
    }
    nx_puts("done");
    return 0;
}
