/* Any bytes as the arrays of a saved flow: what nx_flow_check accepts must be safe to read and learn with, and
 * give surprises that are numbers. The file around the arrays is Python's (tests/unit/flowing/test_saved.py).
 *
 * With clang: -fsanitize=fuzzer,address,undefined -DNEXUS_LIBFUZZER makes it a libFuzzer target. Without, the
 * program makes its own bytes, the same in every run; or replays the files that it is given. */
#include "nexus_flowing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads of the text of one input; the longest that a flow is asked to learn. */
enum { READ = 64 };

static void use(struct nx_flow *flow, const uint8_t *data, size_t size)
{
    const size_t count = size < READ ? size : READ;
    for (unsigned round = 0; round < 4; round++) {
        float bits[READ], p[256];
        uint64_t steps;
        if (nx_flow_read(flow, data, count, round & 1, round / 2, bits, &steps) != 0)
            abort();
        for (size_t i = 0; i < count; i++)
            if (!(bits[i] >= 0 && bits[i] < 200))
                abort();
        if (nx_flow_predict(flow, round / 2, p) != 0)
            abort();
        for (unsigned v = 0; v < 256; v++)
            if (!(p[v] >= 0 && p[v] <= 1.001F))
                abort();
    }
}

/* Byte 0 to 4 choose sizes, 5 an array and 6 where in it; 7 to 22 are the totals; the rest fills it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 24)
        return 0;
    const struct nx_flow_settings settings = {6 + data[0] % 3, 6 + data[1] % 3, 6 + data[2] % 2, 6 + data[3] % 3,
                                              1 + data[4] % 16, 0.2F, 1, 1, 1, 1, 1};
    static const size_t sizes[] = {1, 2, 4, 4};
    struct nx_flow *flow;
    if (nx_flow_new(&settings, &flow) != 0)
        abort();
    uint64_t totals[NX_FLOW_KINDS];
    memcpy(totals, data + 7, sizeof totals);
    nx_flow_set_totals(flow, totals);
    for (size_t number = 0; number < nx_flow_array_count(); number++) {
        struct nx_flow_array array;
        if (nx_flow_get_array(flow, number, &array) != 0)
            abort();
        if (data[5] % 64 != number && data[5] < 192)
            continue; /* one of them, or all */
        const size_t bytes = array.rows * array.columns * sizes[array.type];
        for (size_t i = 0, at = data[6] * bytes / 256; at < bytes; i++, at++)
            ((uint8_t *)array.data)[at] = data[23 + i % (size - 23)];
    }
    if (nx_flow_check(flow) == 0)
        use(flow, data, size);
    nx_flow_free(flow);
    return 0;
}

#ifndef NEXUS_LIBFUZZER
static int replay(const char *name)
{
    static uint8_t data[1 << 16];
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        perror(name);
        return EXIT_FAILURE;
    }
    const size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    return LLVMFuzzerTestOneInput(data, size);
}

int main(int count, char **names)
{
    int failed = 0;
    for (int i = 1; i < count; i++)
        failed |= replay(names[i]);
    uint64_t state = 7;
    const int rounds = getenv("NEXUS_TEST_LONG") != NULL ? 200 : 60;
    for (int round = 0; round < rounds && count < 2; round++) {
        uint8_t data[24 + 200];
        for (size_t i = 0; i < sizeof data; i++) {
            state = state * UINT64_C(6364136223846793005) + 1;
            data[i] = (uint8_t)(state >> 56);
        }
        /* Most floats of random bytes are refused; these are large ones that are not, and small states. */
        static const float floats[] = {9e5F, -9e5F, 0.25F, 1e-38F};
        for (size_t i = 23; i + 4 <= sizeof data && round % 3 > 0; i += 4)
            memcpy(data + i, round % 3 == 1 ? (const void *)&floats[data[i] % 4] : "\1\0\3\0", 4);
        failed |= LLVMFuzzerTestOneInput(data, sizeof data - data[0] % 200);
    }
    if (!failed)
        puts("flowing: no bytes were misread");
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
#endif
