/* Any bytes as an image: nx_image_check takes them or says why not, reads nothing behind them, and what it
 * takes keeps what image.h promises.
 *
 * With clang: -fsanitize=fuzzer,address,undefined -DNEXUS_LIBFUZZER makes it a libFuzzer target. Without, the
 * program makes its own images, the same in every run; or replays the files that it is given. */
#include "fuzz_files.h"
#include "image.h"
#include "made_image.h"
#include "nx_abi.h"

#include <stdlib.h>

#define HOLDS(what) ((what) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what), abort()))

/* Byte 0 even: the rest is the file. Odd: each three bytes change one of a good image's headers, at a place
 * (16 bits) to a value; and the file is as long as that image's. */
static size_t made_of(const uint8_t *data, size_t size, uint8_t *head, uint64_t *file_size)
{
    struct made_image made;
    if (!(data[0] & 1)) {
        *file_size = size - 1;
        size = size - 1 < NX_IMAGE_HEAD ? size - 1 : NX_IMAGE_HEAD;
        memcpy(head, data + 1, size);
        return size;
    }
    make_image(&made);
    for (size_t i = 1; i + 3 <= size; i += 3)
        ((uint8_t *)&made)[(data[i] | (size_t)data[i + 1] << 8) % sizeof made] = data[i + 2];
    memcpy(head, &made, sizeof made);
    *file_size = MADE_SIZE;
    return sizeof made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nx_image image;
    static uint8_t head[NX_IMAGE_HEAD];
    uint64_t whole;
    if (size == 0)
        return 0;
    const size_t bytes = made_of(data, size, head, &whole);
    uint8_t *copy = malloc(bytes ? bytes : 1); /* of exactly this size, so that a read behind it is seen */
    HOLDS(copy);
    memcpy(copy, head, bytes);
    const char *why = nx_image_check(copy, bytes, whole, MADE_LIMIT, &image);
    free(copy);
    if (why) {
        HOLDS(*why);
        return 0;
    }
    uint64_t free_from = NX_IMAGE;
    int entered = 0;
    HOLDS(image.count >= 1 && image.count <= NX_SEGMENTS_MAX);
    for (unsigned i = 0; i < image.count; i++) {
        const struct nx_segment *s = &image.segments[i];
        const uint64_t page = s->address & ~(uint64_t)(NX_PAGE - 1);
        HOLDS(page >= free_from && s->address <= MADE_LIMIT && s->memory_size <= MADE_LIMIT - s->address);
        HOLDS(s->file_size <= s->memory_size && s->memory_size > 0);
        HOLDS(s->offset <= whole && s->file_size <= whole - s->offset);
        HOLDS(s->address % NX_PAGE == s->offset % NX_PAGE);
        HOLDS((s->access & NX_READ) && !((s->access & NX_WRITE) && (s->access & NX_EXECUTE)));
        entered |=
            (s->access & NX_EXECUTE) && image.entry >= s->address && image.entry - s->address < s->file_size;
        free_from = (s->address + s->memory_size + NX_PAGE - 1) & ~(uint64_t)(NX_PAGE - 1);
    }
    HOLDS(entered && image.end == free_from && image.end <= MADE_LIMIT);
    return 0;
}

#ifndef NEXUS_LIBFUZZER
int main(int argc, char **argv)
{
    static uint8_t bytes[64];
    if (fuzz_files(argc, argv) != 0)
        return 1;
    srand(8);
    for (int i = 0; argc == 1 && i < 300000; i++) {
        /* Few changes, half of them of one bit: most images are right in all but one thing. */
        const size_t changes = (size_t)rand() % 5;
        struct made_image made;
        make_image(&made);
        bytes[0] = 1;
        for (size_t k = 0; k < changes; k++) {
            const size_t at = (size_t)rand() % sizeof made;
            bytes[1 + 3 * k] = (uint8_t)at;
            bytes[2 + 3 * k] = (uint8_t)(at >> 8);
            bytes[3 + 3 * k] = (uint8_t)(rand() % 2 ? ((uint8_t *)&made)[at] ^ 1 << rand() % 8 : rand());
        }
        LLVMFuzzerTestOneInput(bytes, 1 + 3 * changes);
    }
    for (size_t size = 0; argc == 1 && size <= sizeof(struct made_image); size++) {
        static uint8_t cut[1 + sizeof(struct made_image)];
        struct made_image made;
        make_image(&made);
        memcpy(cut + 1, &made, sizeof made);
        LLVMFuzzerTestOneInput(cut, 1 + size);
    }
    return 0;
}
#endif
