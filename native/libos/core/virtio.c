/* Frames over the first port of a virtio-mmio console (virtio 1.2, 4.2.2 and 5.3), polled: no interrupts.
 * Knows the registers and the rings, not what a frame means. One frame is under way at a time.
 * Invariant: the device is given only memory of the guest, and only for the time of one frame. */
#include <string.h>

#include "core.h"
#include "pvh.h"

enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE = 0x008,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_PART = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_PART = 0x024,
    QUEUE = 0x030,
    QUEUE_MOST = 0x034,
    QUEUE_SIZE = 0x038,
    QUEUE_READY = 0x044,
    NOTIFY = 0x050,
    STATUS = 0x070,
    QUEUE_DESCRIPTORS = 0x080, /* 64 bits each, low half first */
    QUEUE_OFFERED = 0x090,
    QUEUE_USED = 0x0a0,
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { IS_CONSOLE = 3, MODERN = 1 /* bit 32 */, MANY_PORTS = 2, NEXT = 1, DEVICE_WRITES = 2, NO_INTERRUPT = 1 };
/* Queues come in pairs, the first of which receives: port 0, control, port 1. */
enum { PORT_0 = 0, CONTROL = 2, PORT_1 = 4, QUEUES = 6 };
enum { DEVICE_READY = 0, PORT_ADD = 1, PORT_READY = 3, PORT_OPEN = 6 };
#define RING 2 /* one chain of at most two */

struct control {
    uint32_t port;
    uint16_t event, value;
};

struct descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
};
struct offered {
    uint16_t flags, index, ring[RING], event;
};
struct used {
    uint16_t flags, index;
    struct {
        uint32_t id, size;
    } ring[RING];
    uint16_t event;
};

static struct queue {
    _Alignas(16) struct descriptor descriptors[RING];
    _Alignas(2) volatile struct offered offered;
    _Alignas(4) volatile struct used used;
} queues[QUEUES];
static volatile uint32_t *device;
static unsigned receive, transmit; /* the queues of our port */

static uint32_t get(unsigned offset)
{
    return device[offset / 4];
}

static void set(unsigned offset, uint32_t value)
{
    device[offset / 4] = value;
}

static void set_address(unsigned offset, const volatile void *address)
{
    set(offset, (uint32_t)(uintptr_t)address);
    set(offset + 4, 0); /* a guest ends below NX_MEMORY_MAX */
}

/* Offers one chain of up to two parts (an empty one is left out). */
static void offer(unsigned which, uint16_t flags, const void *first, size_t first_size, const void *second,
                  size_t second_size)
{
    struct queue *queue = &queues[which];
    struct descriptor *at = queue->descriptors;
    if (first_size)
        *at++ = (struct descriptor){(uintptr_t)first, (uint32_t)first_size, flags, 1};
    if (second_size)
        *at++ = (struct descriptor){(uintptr_t)second, (uint32_t)second_size, flags, 0};
    if (at == queue->descriptors + 2)
        queue->descriptors[0].flags |= NEXT;
    __asm__ volatile("" ::: "memory"); /* x86 keeps the order of stores */
    queue->offered.ring[queue->offered.index % RING] = 0;
    queue->offered.index++;
    set(NOTIFY, which);
}

/* Waits until the chain was used; gives how many bytes the device wrote. */
static uint32_t taken(unsigned which)
{
    struct queue *queue = &queues[which];
    while (queue->used.index != queue->offered.index)
        __asm__ volatile("pause");
    __asm__ volatile("" ::: "memory");
    return queue->used.ring[(uint16_t)(queue->used.index - 1) % RING].size;
}

static int queue_begun(unsigned number)
{
    struct queue *queue = &queues[number];
    set(QUEUE, number);
    if (get(QUEUE_MOST) < RING)
        return 0;
    queue->offered.flags = NO_INTERRUPT;
    set(QUEUE_SIZE, RING);
    set_address(QUEUE_DESCRIPTORS, queue->descriptors);
    set_address(QUEUE_OFFERED, &queue->offered);
    set_address(QUEUE_USED, &queue->used);
    set(QUEUE_READY, 1);
    return 1;
}

static void tell(uint32_t port, uint16_t event)
{
    struct control control = {port, event, 1};
    offer(CONTROL + 1, 0, &control, sizeof control, NULL, 0);
    taken(CONTROL + 1);
}

/* Asks the device which port it has and opens it. What it says beyond that finds no buffer and is dropped. */
static int port_opened(void)
{
    struct control said = {0};
    offer(CONTROL, DEVICE_WRITES, &said, sizeof said, NULL, 0);
    tell(0, DEVICE_READY);
    taken(CONTROL);
    if (said.event != PORT_ADD || said.port > 1)
        return 0;
    receive = said.port ? PORT_1 : PORT_0;
    tell(said.port, PORT_READY);
    tell(said.port, PORT_OPEN);
    return 1;
}

int nx_virtio_open(uint64_t registers)
{
    device = (volatile uint32_t *)(uintptr_t)registers;
    if (get(MAGIC) != 0x74726976 || get(VERSION) != 2 || get(DEVICE) != IS_CONSOLE)
        return 0;
    set(STATUS, 0);
    set(STATUS, ACKNOWLEDGE | DRIVER);
    set(DEVICE_FEATURES_PART, 0);
    uint32_t many = get(DEVICE_FEATURES) & MANY_PORTS;
    set(DEVICE_FEATURES_PART, 1);
    if (!(get(DEVICE_FEATURES) & MODERN))
        return 0;
    set(DRIVER_FEATURES_PART, 0);
    set(DRIVER_FEATURES, many);
    set(DRIVER_FEATURES_PART, 1);
    set(DRIVER_FEATURES, MODERN);
    set(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    if (!(get(STATUS) & FEATURES_OK))
        return 0;
    for (unsigned i = 0; i < (many ? QUEUES : 2); i++)
        if (!queue_begun(i))
            return 0;
    set(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    receive = PORT_0;
    if (many && !port_opened())
        return 0;
    transmit = receive + 1;
    return 1;
}

static int is_ours(uint64_t address, uint64_t size)
{
    uint64_t end = nx_boot->memory_end;
    return size <= NX_PAYLOAD_MAX &&
           (!size || (address >= NX_BASE && address < end && size <= end - address));
}

void nx_virtio_ring(struct nx_call *call)
{
    struct nx_request request = {.magic = NX_FRAME_MAGIC,
                                 .op = call->op,
                                 .arg = call->arg,
                                 .in_len = (uint32_t)call->in_len,
                                 .out_cap = (uint32_t)call->out_cap};
    struct nx_reply reply;
    call->out_len = 0;
    if (!is_ours(call->in, call->in_len) || !is_ours(call->out, call->out_cap)) {
        call->result = -NX_EFAULT;
        return;
    }
    offer(transmit, 0, &request, sizeof request, (const void *)(uintptr_t)call->in, call->in_len);
    taken(transmit);
    if (call->op == NX_OP_EXIT)
        nx_pvh_reset();

    /* The answer comes in pieces as the host's socket gives them; how long it is stands at its beginning. */
    char *out = (char *)(uintptr_t)call->out;
    size_t had = 0, whole = sizeof reply;
    while (had < whole) {
        size_t of_head = had < sizeof reply ? had : sizeof reply, of_out = had - of_head;
        /* Before the head has come, as much as may come; afterwards as much as will. */
        size_t room = of_head < sizeof reply ? call->out_cap : whole - sizeof reply;
        offer(receive, DEVICE_WRITES, (char *)&reply + of_head, sizeof reply - of_head, out + of_out,
              room - of_out);
        had += taken(receive);
        if (had >= sizeof reply && reply.result != -NX_EMSGSIZE) {
            if (reply.out_len > call->out_cap)
                nx_panic("an answer is longer than what was asked for");
            whole = sizeof reply + reply.out_len;
        }
    }
    call->result = reply.result;
    call->out_len = reply.out_len;
}
