/* Any bytes as a packet: am_wire_check takes them or says why not, and what it takes is what it promises. Byte 0
 * says whether a descriptor came; the rest is the packet.
 *
 * With clang: -fsanitize=fuzzer,address,undefined -DNEXUS_LIBFUZZER makes it a libFuzzer target. Without, the
 * program makes its own packets, the same in every run; or replays the files that it is given. */
#include "fuzz_files.h"
#include "wire_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLDS(what) ((what) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what), abort()))

static void inside(const void *at, size_t bytes, const uint8_t *packet, size_t size)
{
    const uint8_t *from = at;
    HOLDS(from >= packet && from <= packet + size && bytes <= (size_t)(packet + size - from));
}

static void name_holds(const struct am_name *name, bool empty, const uint8_t *packet, size_t size)
{
    if (!name->at) {
        HOLDS(name->bytes == 0);
        return;
    }
    inside(name->at, name->bytes, packet, size);
    HOLDS(name->bytes < AM_NAME_BYTES && (empty || name->bytes > 0));
    for (size_t i = 0; i < name->bytes; i++)
        HOLDS((uint8_t)name->at[i] >= ' ' && name->at[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* A copy of exactly this size, so that a read behind it is seen. */
    const bool descriptor = data[0] & 1;
    const size_t bytes = size - 1;
    uint8_t *packet = malloc(bytes ? bytes : 1);
    HOLDS(packet);
    memcpy(packet, data + 1, bytes);
    struct am_checked is;
    char text[AM_REFUSAL];
    const int status = am_wire_check(packet, bytes, descriptor, &is, text);
    HOLDS(strnlen(text, sizeof text) < sizeof text);
    HOLDS((status == AM_OK) == (text[0] == 0));
    HOLDS(status == AM_OK || status == AM_EPROTOCOL || status == AM_EINVAL || status == AM_ETYPE
          || status == AM_ESIZE);
    if (status == AM_OK) {
        HOLDS(is.operation >= AM_OP_HELLO && is.operation <= AM_OP_LAST && bytes <= AM_PACKET);
        HOLDS(descriptor == (is.operation == AM_OP_PUBLISH && !is.bytes));
        const bool own = is.operation == AM_OP_STATE || is.operation == AM_OP_FORGET; /* empty: the asking agent */
        name_holds(&is.name, own || is.operation == AM_OP_SHARE, packet, bytes);
        name_holds(&is.realm, false, packet, bytes);
        if (is.bytes) {
            inside(is.bytes, is.publish.length, packet, bytes);
            HOLDS(is.publish.length <= AM_INLINE);
        }
        if (is.ids) {
            inside(is.ids, (size_t)is.count * sizeof(am_id), packet, bytes);
            HOLDS(is.count > 0);
        }
        if (is.operation == AM_OP_PUBLISH)
            HOLDS(is.publish.type >= AM_CONVERSATION && is.publish.type <= AM_KV_PAGE
                  && is.publish.length <= AM_LARGEST_UNIT
                  && (is.publish.form == AM_RAW || is.publish.length % sizeof(am_piece) == 0));
        if (is.operation == AM_OP_HELLO)
            HOLDS(is.realm.bytes && is.name.bytes && is.hello.importance <= 100 && is.hello.pid >= 0);
    }
    HOLDS(am_operation_name(is.operation));
    free(packet);
    return 0;
}

#ifndef NEXUS_LIBFUZZER
static uint64_t state = 6;

static uint32_t chance(uint32_t below)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(state >> 33) % below;
}

/* Mostly right heads, so that the bodies are reached. */
static size_t make(uint8_t *out)
{
    static const uint16_t sizes[] = {0, 8, 16, 24, 30, 32, 40, 48, 52, 64, 112, 200};
    struct am_request head = {.operation = (uint16_t)chance(AM_OP_LAST + 2), .flags = (uint16_t)chance(3),
                              .bytes = sizes[chance(sizeof sizes / sizeof *sizes)], .sequence = chance(99)};
    uint8_t *body = out + 1 + sizeof head;
    out[0] = (uint8_t)chance(2);
    for (uint32_t i = 0; i < head.bytes; i++)
        body[i] = chance(3) ? (uint8_t)chance(6) : chance(4) ? (uint8_t)('a' + chance(26)) : (uint8_t)chance(256);
    if (head.operation == AM_OP_HELLO && chance(2) && head.bytes > sizeof(struct am_hello)) {
        const uint16_t names = (uint16_t)(head.bytes - sizeof(struct am_hello)), realm = (uint16_t)(names / 2);
        const struct am_hello hello = {.wire = AM_WIRE, .api = AM_API, .importance = chance(102),
                                       .realm_bytes = realm, .agent_bytes = (uint16_t)(names - realm)};
        memcpy(body, &hello, sizeof hello);
    }
    if (head.operation == AM_OP_PUBLISH && chance(2) && head.bytes >= sizeof(struct am_publish_body)) {
        const struct am_publish_body publish = {.length = head.bytes - sizeof publish + !chance(8),
                                                .type = (uint8_t)chance(7), .form = (uint8_t)(1 + chance(3))};
        memcpy(body, &publish, sizeof publish);
    }
    size_t size = 1 + sizeof head + head.bytes;
    if (!chance(8))
        head.bytes += chance(3) - 1;
    memcpy(out + 1, &head, sizeof head);
    if (!chance(16))
        size = chance((uint32_t)size + 1);
    return size;
}

int main(int argc, char **argv)
{
    static uint8_t bytes[1 + AM_PACKET + 1];
    if (fuzz_files(argc, argv) != 0)
        return 1;
    for (int i = 0; argc == 1 && i < 300000; i++)
        LLVMFuzzerTestOneInput(bytes, make(bytes));
    return 0;
}
#endif
