/* Any frames from the link, between any calls of an application, over any length of time: the network of a
 * guest must not touch memory that is not its own, must not hang, and must be as good as new when all is
 * closed.
 *
 * The input is a script: what the link delivers, what the application calls, how time goes on. Frames are
 * made-up bytes, or segments that fit what the guest sent last (right checksums, numbers near the right
 * ones), so that they come through to the sockets. With clang: -fsanitize=fuzzer,address,undefined
 * -DNEXUS_LIBFUZZER makes it a libFuzzer target. Without, the program makes its own bytes: fuzz_frames
 * [INPUTS = 2000]. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAME = 1514, ETHERNET = 14, IP = 20, TCP = 20, SOCKETS = 20, PORT = 7 };
enum { SYN = 2, ACK = 16 };
static const uint32_t GUEST = 0x0a4d0002, PEER = 0x0a4d0001;
static const uint8_t PEER_MAC[6] = {2, 0, 0, 0, 0, 1}, GUEST_MAC[6] = {2, 0, 0, 0, 0, 2};

/* The script. Its end is zeros. */
static const uint8_t *script;
static size_t script_left;

static uint8_t take(void)
{
    if (script_left == 0)
        return 0;
    script_left--;
    return *script++;
}

static uint32_t take32(void)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 8 | take();
    return value;
}

/* The world: its time, the frame that comes next, and the last segment that the guest sent. */
static int64_t now_ns = 1;
static uint8_t next[FRAME];
static size_t next_size;
static int64_t next_result;
static struct {
    uint16_t guest_port, peer_port;
    uint32_t next_seq, ack;
} last = {PORT, 4000, 0, 0};

static void put16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static void put32(uint8_t *to, uint32_t value)
{
    put16(to, value >> 16);
    put16(to + 2, value & 0xffff);
}

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static uint32_t sum(const uint8_t *bytes, size_t size, uint32_t start)
{
    for (size_t i = 0; i < size; i++)
        start += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return start;
}

static unsigned folded(uint32_t value)
{
    while (value >> 16)
        value = (value & 0xffff) + (value >> 16);
    return ~value & 0xffff;
}

static void ethernet(unsigned type)
{
    memcpy(next, GUEST_MAC, 6);
    memcpy(next + 6, PEER_MAC, 6);
    put16(next + 12, type);
}

static void arp(unsigned operation)
{
    ethernet(0x0806);
    static const uint8_t head[] = {0, 1, 8, 0, 6, 4};
    memcpy(next + 14, head, sizeof head);
    put16(next + 20, operation);
    memcpy(next + 22, PEER_MAC, 6);
    put32(next + 28, PEER);
    memcpy(next + 32, GUEST_MAC, 6);
    put32(next + 38, GUEST);
    next_size = 60;
}

/* A segment from the peer that fits `last`, more or less; the headers' checksums are right. `answer`: the
 * flags that a peer would set now, 0 for any. */
static void segment(uint8_t answer)
{
    /* One time in four something is odd; else it is what a sane peer would send. */
    uint8_t shape = take(), flags = take();
    if (flags & 0xc0) {
        shape &= 6;
        flags = answer != 0 ? answer : (flags & 0x3f) < 3 ? 0x11 : (flags & 0x3f) < 5 ? 0x14 : 0x18;
    }
    const size_t options = (size_t)(take() & 3) * 4 * (shape & 1);
    size_t data = shape & 2 ? take() : shape & 4 ? 1400 : 0;
    uint8_t *ip = next + ETHERNET, *tcp = ip + IP;
    ethernet(0x0800);
    memset(ip, 0, IP + TCP);
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)(IP + TCP + options + data));
    ip[8] = 64;
    ip[9] = 6;
    put32(ip + 12, shape & 128 ? take32() : PEER);
    put32(ip + 16, GUEST);
    put16(ip + 10, folded(sum(ip, IP, 0)));
    const bool other = shape & 8 || answer == SYN;
    put16(tcp, other ? 4000 + (take() & 31) : last.peer_port);
    put16(tcp + 2, other ? PORT : last.guest_port);
    put32(tcp + 4, last.ack + (shape & 16 ? (uint32_t)(int8_t)take() : 0));
    put32(tcp + 8, last.next_seq + (shape & 32 ? (uint32_t)(int8_t)take() : 0));
    tcp[12] = (uint8_t)((TCP + options) / 4 << 4);
    tcp[13] = flags & 0x3f;
    put16(tcp + 14, shape & 64 ? take() : 8192);
    for (size_t i = 0; i < options; i++)
        tcp[TCP + i] = take();
    for (size_t i = 0; i < data; i++)
        tcp[TCP + options + i] = (uint8_t)i;
    const size_t length = TCP + options + data;
    put16(tcp + 16, folded(sum(tcp, length, sum(ip + 12, 8, 6 + (uint32_t)length))));
    next_size = ETHERNET + IP + length;
}

static void made_up(void)
{
    const uint8_t kind = take();
    next_size = (kind & 1 ? take() * 6u : take()) % (FRAME + 1);
    for (size_t i = 0; i < next_size; i++)
        next[i] = kind & 2 && i > 80 ? (uint8_t)i : take();
    if (kind & 4 && next_size >= ETHERNET)
        ethernet(kind & 8 ? 0x0806 : 0x0800);
    if (kind & 16 && next_size > ETHERNET + IP) {
        next[ETHERNET] = 0x45;
        if (kind & 32) { /* a ping */
            put16(next + ETHERNET + 2, (unsigned)(next_size - ETHERNET));
            put16(next + ETHERNET + 6, 0);
            next[ETHERNET + 9] = 1;
            next[ETHERNET + IP] = 8;
        }
        put32(next + ETHERNET + 16, GUEST);
        put16(next + ETHERNET + 10, 0);
        put16(next + ETHERNET + 10, folded(sum(next + ETHERNET, IP, 0)));
    }
}

/* What the guest sends: ARP is answered, of segments the numbers are kept. */
static void sent(const uint8_t *frame, size_t size)
{
    if (size < ETHERNET || size > FRAME)
        abort();
    if (frame[12] == 8 && frame[13] == 6 && next_size == 0) {
        arp(2);
    } else if (frame[12] == 8 && frame[13] == 0 && size >= ETHERNET + IP + TCP && frame[ETHERNET + 9] == 6) {
        const uint8_t *ip = frame + ETHERNET, *tcp = ip + IP;
        const size_t total = (size_t)ip[2] << 8 | ip[3], head = IP + (size_t)(tcp[12] >> 4) * 4;
        if (total < head || total + ETHERNET > size)
            abort();
        last.guest_port = (uint16_t)(tcp[0] << 8 | tcp[1]);
        last.peer_port = (uint16_t)(tcp[2] << 8 | tcp[3]);
        last.next_seq = get32(tcp + 4) + (uint32_t)(total - head) + !!(tcp[13] & 3);
        last.ack = tcp[13] & ACK ? get32(tcp + 8) : 0x1000;
        if (next_size == 0 && script_left > 0 && (take() & 3) != 0)
            segment(tcp[13] & SYN ? tcp[13] & ACK ? ACK : SYN | ACK : 0);
    }
}

int64_t nx_ring(struct nx_call *call)
{
    switch (call->op) {
    case NX_OP_NET_INFO: {
        struct nx_net_info info = {
            .mtu = 1500, .address = 0x02004d0a, .mask = 0x00ffffff, .gateway = 0x01004d0a};
        memcpy(info.mac, GUEST_MAC, 6);
        memcpy((void *)(uintptr_t)call->out, &info, sizeof info);
        return 0;
    }
    case NX_OP_NET_SEND:
        sent((const uint8_t *)(uintptr_t)call->in, call->in_len);
        return (int64_t)call->in_len;
    case NX_OP_NET_RECV:
        if (next_result != 0)
            return next_result;
        if (next_size == 0 && script_left > 0 && take() < 32)
            segment(0);
        if (next_size == 0)
            now_ns += (int64_t)(call->arg >> 32) * 1000000;
        const size_t size = next_size;
        if (size > call->out_cap)
            abort();
        memcpy((void *)(uintptr_t)call->out, next, size);
        next_size = 0;
        return (int64_t)size;
    default:
        abort();
    }
}

int64_t nx_monotonic(void)
{
    return now_ns;
}

void nx_sleep(int64_t nanoseconds)
{
    now_ns += nanoseconds;
}

int nx_random(void *to, size_t size)
{
    static uint32_t state = 1;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
    return 0;
}

void nx_flush(void) {}

_Noreturn void nx_panic(const char *why)
{
    fprintf(stderr, "panic: %s\n", why);
    abort();
}

static void expect(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

/* When all is closed and given time, nothing of what was before may be missing: all connections can be
 * had. */
static void as_good_as_new(void)
{
    static uint8_t bytes[6000];
    int ends[16];
    const int listening = nx_listen(99);
    expect(listening >= 0, "no listener is left");
    expect(nx_accept(listening, 30000) == -NX_EIO, "a connection from nowhere");
    for (int i = 0; i < 16; i += 2) {
        ends[i] = nx_connect(0x7f000001, 99, 1000);
        ends[i + 1] = nx_accept(listening, 1000);
        expect(ends[i] >= 0 && ends[i + 1] >= 0, "a connection is lost");
    }
    expect(nx_connect(0x7f000001, 99, 1000) < 0, "there are too many connections");
    for (int i = 0; i < 16; i++) {
        const long size = nx_send(ends[i], bytes, sizeof bytes, 0);
        expect(size > 4000, "memory for sending is lost");
        long came = 0;
        while (came < size) {
            const long n = nx_receive(ends[i ^ 1], bytes, sizeof bytes, 1000);
            expect(n > 0, "bytes are lost");
            came += n;
        }
    }
    for (int i = 0; i < 16; i++)
        nx_close(ends[i]);
    nx_close(listening);
}

/* Mostly the first ones, which are the ones that are there. */
static int some_socket(uint8_t byte)
{
    return byte & 0xc0 ? byte & 3 : (int)(byte % (SOCKETS + 2)) - 1;
}

static void application(void)
{
    static uint8_t bytes[4096];
    const uint8_t call = take(), socket = take();
    const size_t size = 1 + take() * 16u;
    switch (call % 8) {
    case 0:
        nx_listen(call & 8 ? PORT : take());
        break;
    case 1:
    case 2:
        nx_accept(16 + (socket & 3), 0);
        break;
    case 3:
        nx_connect(call & 24 ? PEER : take32(), 4000 + (socket & 7), call & 112);
        break;
    case 4:
        nx_send(some_socket(socket), bytes, size, call & 16);
        break;
    case 5:
    case 6:
        nx_receive(some_socket(socket), bytes, size, call & 16);
        break;
    default:
        nx_close(some_socket(socket));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script = data;
    script_left = size;
    nx_listen(PORT);
    while (script_left > 0) {
        const uint8_t step = take();
        if (step % 16 < 7)
            segment(step & 16 ? SYN : 0);
        else if (step % 16 < 9)
            made_up();
        else if (step % 16 == 9)
            arp(step >> 7 ? 1 : 2);
        else if (step % 16 == 10)
            now_ns += (int64_t)take() * 300000000;
        else if (step % 64 == 11)
            next_result = take() & 1 ? -NX_ENODEV : FRAME + 1;
        else
            application();
        nx_accept(16, 0);
        next_result = 0;
    }
    next_size = 0;
    for (int socket = 0; socket < SOCKETS; socket++)
        nx_close(socket);
    as_good_as_new();
    return 0;
}

#ifndef NEXUS_LIBFUZZER
int main(int argc, char **argv)
{
    static uint8_t bytes[2048];
    const long inputs = argc > 1 ? strtol(argv[1], NULL, 10) : 2000;
    uint64_t state = 88172645463325252u;
    for (long input = 0; input < inputs; input++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes[i] = (uint8_t)(state >> 32);
        }
        LLVMFuzzerTestOneInput(bytes, (size_t)(state % sizeof bytes));
    }
    printf("%ld inputs\n", inputs);
    return 0;
}
#endif
