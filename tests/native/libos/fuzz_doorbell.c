/* Any bytes as a call block, rung at any address, with any bytes as the reply that the channel gives:
 * nx_answer reads and writes what is the guest's and nothing else, and of that only `out`, `result` and
 * `out_len`; a request is well made; and where a block cannot be answered it says so.
 *
 * Input: struct input, then the reply's bytes. The guest has four small regions; all other memory of its
 * address space ends the process when touched. Built like fuzz_image.c. */
#include "calls.h"
#include "channel.h"
#include "fuzz_files.h"
#include "nx_abi.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOLDS(what) ((what) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what), abort()))
#define END (NX_BASE + (2u << 20))
#define REPLY_MOST 20000u

/* An address or size is made of a byte that chooses where from, and 16 bits from there. */
struct input {
    uint8_t op, high_op, reserved, from_block, from_in, from_out, from_in_len, from_out_cap;
    uint16_t block, in, out, in_len, out_cap;
    uint8_t arg[8];
    uint8_t memory; /* what the guest's memory is filled with */
};

static struct nx_memory memory;
static struct nx_service service;
static int peer, opened;
static uint8_t before[END - NX_BASE];

static void begin(void)
{
    static const uint64_t starts[] = {NX_BASE, NX_IMAGE, NX_IMAGE + 2 * NX_PAGE, NX_IMAGE + 4 * NX_PAGE};
    static const uint64_t ends[] = {NX_BASE + NX_PAGE, NX_IMAGE + NX_PAGE, NX_IMAGE + 4 * NX_PAGE,
                                    NX_IMAGE + 5 * NX_PAGE};
    static const unsigned access[] = {NX_READ | NX_WRITE, NX_READ | NX_EXECUTE, NX_READ | NX_WRITE, NX_READ};
    struct nx_trouble trouble;
    int ends_of_channel[2], null = open("/dev/null", O_WRONLY), input = memfd_create("input", 0);
    HOLDS(nx_memory_reserve(&memory, END, false, &trouble) == 0);
    for (unsigned i = 0; i < 4; i++)
        HOLDS(nx_memory_zeroed(&memory, starts[i], ends[i], access[i], &trouble) == 0);
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_of_channel) == 0 && null >= 0 && input >= 0);
    HOLDS(ftruncate(input, 5000) == 0);
    service = (struct nx_service){&memory, input, null, null, ends_of_channel[0]};
    peer = ends_of_channel[1];
}

static uint64_t address(uint8_t from, uint16_t offset)
{
    static const uint64_t bases[] = {0,
                                     NX_BASE,
                                     NX_IMAGE,
                                     NX_IMAGE + 2 * NX_PAGE,
                                     NX_IMAGE + 4 * NX_PAGE,
                                     END,
                                     UINT64_C(1) << 32,
                                     UINT64_MAX,
                                     NX_DOORBELL};
    return bases[from % (sizeof bases / sizeof *bases)] + (uint64_t)(int16_t)offset;
}

static uint64_t length(uint8_t from, uint16_t size)
{
    static const uint64_t bases[] = {0, NX_PAYLOAD_MAX, NX_PAYLOAD_MAX + 1, UINT64_C(1) << 32, UINT64_MAX};
    return from < 200 ? size % (3 * NX_PAGE)
                      : bases[from % (sizeof bases / sizeof *bases)] + (uint64_t)(int16_t)size;
}

static uint8_t *host(uint64_t guest)
{
    return (uint8_t *)(memory.host + guest);
}

static void each_region(void (*with)(const struct nx_region *, const void *), const void *what)
{
    for (unsigned i = 0; i < memory.count; i++)
        with(&memory.regions[i], what);
}

static void fill(const struct nx_region *r, const void *with)
{
    if (r->access & NX_WRITE)
        memset(host(r->start), *(const uint8_t *)with, r->end - r->start);
    memcpy(before + (r->start - NX_BASE), host(r->start), r->end - r->start);
}

struct change {
    uint64_t start[2], end[2];
};

static void only_changed(const struct nx_region *r, const void *what)
{
    const struct change *allowed = what;
    uint64_t at = r->start;
    /* Byte by byte only where something differs at all. */
    if (memcmp(host(at), before + (at - NX_BASE), r->end - at) == 0)
        return;
    for (; at < r->end; at++)
        if (*host(at) != before[at - NX_BASE])
            HOLDS((at >= allowed->start[0] && at < allowed->end[0])
                  || (at >= allowed->start[1] && at < allowed->end[1]));
}

static int inside(uint64_t at, uint64_t size, unsigned access)
{
    for (uint64_t i = 0; i < size; i++) {
        unsigned may = 0;
        for (unsigned r = 0; r < memory.count; r++)
            if (at + i >= memory.regions[r].start && at + i < memory.regions[r].end)
                may = memory.regions[r].access;
        if (!(may & access))
            return 0;
        if (i + NX_PAGE < size && (at + i) % NX_PAGE == 0)
            i += NX_PAGE - 1;
    }
    return 1;
}

/* Whether a block of these values is forwarded; then what came is exactly it. Empties the peer's end in any
 * case. */
static void request_is(const struct nx_call *call, int forwarded)
{
    static uint8_t came[sizeof(struct nx_request) + 4 * NX_PAGE];
    ssize_t n = recv(peer, came, sizeof came, MSG_DONTWAIT), more;
    size_t size = n > 0 ? (size_t)n : 0;
    while (size > 0 && (more = recv(peer, came + size, sizeof came - size, MSG_DONTWAIT)) > 0)
        size += (size_t)more;
    if (!forwarded) {
        HOLDS(size == 0);
        return;
    }
    struct nx_request request;
    HOLDS(size == sizeof request + call->in_len);
    memcpy(&request, came, sizeof request);
    HOLDS(request.magic == NX_FRAME_MAGIC && request.op == call->op && request.arg == call->arg);
    HOLDS(request.in_len == call->in_len && request.out_cap == call->out_cap);
    HOLDS(call->in_len == 0
          || memcmp(came + sizeof request, before + (call->in - NX_BASE), call->in_len) == 0);
}

static struct nx_call block_of(const struct input *from)
{
    struct nx_call call = {.op = from->op | (uint32_t)from->high_op << 24,
                           .reserved = from->reserved > 250,
                           .in = address(from->from_in, from->in),
                           .in_len = length(from->from_in_len, from->in_len),
                           .out = address(from->from_out, from->out),
                           .out_cap = length(from->from_out_cap, from->out_cap),
                           .result = 0x5555,
                           .out_len = 0x6666};
    memcpy(&call.arg, from->arg, sizeof call.arg);
    if (from->high_op == 0xff) /* beside and at the number that only a tender uses */
        call.op = NX_OP_FAULT + from->op - 1;
    else if (from->high_op < 0xf0)
        call.op = from->op;
    if (call.op == NX_OP_SLEEP)
        call.arg %= 1000;
    return call;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input from;
    if (size < sizeof from)
        return 0;
    memcpy(&from, data, sizeof from);
    if (!opened) {
        begin();
        opened = 1;
    }
    const size_t reply_size = size - sizeof from < REPLY_MOST ? size - sizeof from : REPLY_MOST;
    struct nx_call call = block_of(&from);
    const uint64_t block = address(from.from_block, from.block);
    const int answerable = inside(block, sizeof call, NX_WRITE);

    each_region(fill, &from.memory);
    if (answerable) {
        memcpy(host(block), &call, sizeof call);
        memcpy(before + (block - NX_BASE), &call, sizeof call);
    }
    HOLDS(reply_size == 0 || send(peer, data + sizeof from, reply_size, 0) == (ssize_t)reply_size);
    HOLDS(shutdown(peer, SHUT_WR) == 0 && lseek(service.input, 0, SEEK_SET) == 0);

    int status = -1;
    const char *why = NULL;
    const enum nx_next next = nx_answer(&service, block, &status, &why);
    const int right = call.reserved == 0 && call.in_len <= NX_PAYLOAD_MAX && call.out_cap <= NX_PAYLOAD_MAX
                      && inside(call.in, call.in_len, NX_READ) && inside(call.out, call.out_cap, NX_WRITE)
                      && call.op < NX_OP_FAULT;
    HOLDS(answerable == (next != NX_BAD_BLOCK));
    HOLDS((next == NX_EXITED) == (answerable && right && call.op == NX_OP_EXIT));
    HOLDS(next != NX_EXITED || (status >= 0 && status <= 255));
    HOLDS((next == NX_BROKEN) == (why != NULL));
    request_is(&call, answerable && right && call.op > NX_OP_SLEEP);

    struct change allowed = {{0, 0}, {0, 0}};
    if (answerable && right) {
        allowed.start[0] = call.out;
        allowed.end[0] = call.out + call.out_cap;
    }
    if (answerable) {
        allowed.start[1] = block + offsetof(struct nx_call, result);
        allowed.end[1] = block + sizeof call;
    }
    each_region(only_changed, &allowed);
    if (next == NX_GO_ON) {
        struct nx_call after;
        memcpy(&after, host(block), sizeof after);
        HOLDS(right || after.result < 0);
        HOLDS(after.out_len <= call.out_cap || after.result == -NX_EMSGSIZE);
    }
    /* A reply's rest, or none of it, is still there: the next input begins with a new channel. */
    close(peer);
    close(service.channel);
    int ends_of_channel[2];
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_of_channel) == 0);
    service.channel = ends_of_channel[0];
    peer = ends_of_channel[1];
    return 0;
}

#ifndef NEXUS_LIBFUZZER
/* Mostly blocks that are right in all but a thing or two, with replies that are right in size. */
static size_t make(uint8_t *out)
{
    struct input made;
    struct nx_reply reply = {.result = rand() % 100 - 20};
    for (size_t i = 0; i < sizeof made; i++)
        ((uint8_t *)&made)[i] = (uint8_t)rand();
    made.op %= 40;
    made.reserved = (uint8_t)(rand() % 20 ? 0 : 255);
    made.high_op = (uint8_t)(rand() % 20 ? 0 : 255);
    if (rand() % 4)
        made.from_block = (uint8_t)(rand() % 2 ? 1 : 3), made.block = (uint16_t)(rand() % NX_PAGE - 20);
    if (rand() % 4)
        made.from_in = (uint8_t)(1 + rand() % 4), made.in %= 1000, made.in_len %= 4000, made.from_in_len = 0;
    if (rand() % 4)
        made.from_out = 3, made.out %= 1000, made.out_cap %= 4000, made.from_out_cap = 0;
    reply.out_len = rand() % 4 ? (uint32_t)(rand() % (made.out_cap % 4000 + 1)) : (uint32_t)rand();
    if (rand() % 8 == 0)
        reply.result = -NX_EMSGSIZE;
    memcpy(out, &made, sizeof made);
    memcpy(out + sizeof made, &reply, sizeof reply);
    size_t bytes = rand() % 8 ? reply.out_len % REPLY_MOST : (size_t)rand() % 4000;
    memset(out + sizeof made + sizeof reply, 0xaa, bytes);
    return rand() % 16 ? sizeof made + sizeof reply + bytes : (size_t)rand() % (sizeof made + sizeof reply);
}

int main(int argc, char **argv)
{
    static uint8_t bytes[sizeof(struct input) + sizeof(struct nx_reply) + REPLY_MOST];
    if (fuzz_files(argc, argv) != 0)
        return 1;
    srand(8);
    for (int i = 0; argc == 1 && i < 20000; i++)
        LLVMFuzzerTestOneInput(bytes, make(bytes));
    return 0;
}
#endif
