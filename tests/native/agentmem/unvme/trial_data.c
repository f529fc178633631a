/* Bytes that were written come back, whatever the size, and from several threads at a time. */
#include "trial.h"

#include "namespace.h"

#include <pthread.h>

enum { AREA = 24 << 20, THREADS = 4, ROUNDS = 40 };

static struct am_namespace *space;

static void one(bool write, uint8_t *bytes, uint64_t length, uint64_t offset, int want)
{
    struct am_nvme_io io = {.write = write, .bytes = bytes, .length = length, .offset = offset};
    am_namespace_run(space, &io, 1);
    EXPECT(io.status == want, "%s of %llu at %llu: %s", write ? "write" : "read", (unsigned long long)length,
           (unsigned long long)offset, am_nvme_word(io.status));
}

static void sizes(void)
{
    static const uint64_t pages[] = {1, 2, 3, 31, 32, 33, 64, 65, 127, 512, 513, 1024};
    uint8_t *out = malloc((4 << 20) + 1), *in = malloc((4 << 20) + 1);
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        const uint64_t length = pages[i] * 4096, offset = i * 4096 * 7;
        fill(out, length, i + 1);
        memset(in, 0, length);
        one(true, out, length, offset, 0);
        one(false, in + 1, length, offset, 0); /* no alignment of the caller's memory is wanted */
        EXPECT(memcmp(out, in + 1, length) == 0, "%llu pages come back otherwise",
               (unsigned long long)pages[i]);
    }
    one(false, in, 4096, 100, AM_NVME_ALIGNMENT);
    one(false, in, 1000, 0, AM_NVME_ALIGNMENT);
    free(out);
    free(in);
}

/* A batch of more operations than there are tickets, each of its own pattern. */
static void many(void)
{
    enum { COUNT = 300, LENGTH = 12288 };
    struct am_nvme_io *ios = calloc(COUNT, sizeof *ios);
    uint8_t *bytes = malloc((size_t)COUNT * LENGTH), *want = malloc(LENGTH);
    for (int write = 1; write >= 0; write--) {
        for (size_t i = 0; i < COUNT; i++) {
            ios[i] = (struct am_nvme_io){.write = write, .bytes = bytes + i * LENGTH, .length = LENGTH,
                                         .offset = i * LENGTH};
            if (write)
                fill(ios[i].bytes, LENGTH, i * 77);
            else
                memset(ios[i].bytes, 0xee, LENGTH);
        }
        am_namespace_run(space, ios, COUNT);
        for (size_t i = 0; i < COUNT; i++)
            EXPECT(ios[i].status == 0, "operation %zu: %s", i, am_nvme_word(ios[i].status));
    }
    for (size_t i = 0; i < COUNT; i++) {
        fill(want, LENGTH, i * 77);
        EXPECT(memcmp(want, bytes + i * LENGTH, LENGTH) == 0, "operation %zu comes back otherwise", i);
    }
    free(ios);
    free(bytes);
    free(want);
}

static void *thread(void *argument)
{
    uint64_t number = (uint64_t)(uintptr_t)argument, random = number + 99, bad = 0;
    const uint64_t from = number * (AREA / THREADS);
    uint8_t *out = malloc(1 << 20), *in = malloc(1 << 20);
    for (int i = 0; i < ROUNDS; i++) {
        const uint64_t length = (draw(&random, 256) + 1) * 4096;
        const uint64_t offset = from + draw(&random, (AREA / THREADS - length) / 4096) * 4096;
        struct am_nvme_io io = {.write = true, .bytes = out, .length = length, .offset = offset};
        fill(out, length, random);
        am_namespace_run(space, &io, 1);
        bad += io.status != 0;
        if (i % 8 == 0)
            bad += am_namespace_flush(space) != 0;
        io = (struct am_nvme_io){.bytes = in, .length = length, .offset = offset};
        am_namespace_run(space, &io, 1);
        bad += io.status != 0 || memcmp(in, out, length) != 0;
    }
    free(out);
    free(in);
    return (void *)(uintptr_t)bad;
}

static void threads(void)
{
    pthread_t all[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&all[i], NULL, thread, (void *)i);
    for (size_t i = 0; i < THREADS; i++) {
        void *bad;
        pthread_join(all[i], &bad);
        EXPECT(bad == NULL, "thread %zu: %llu rounds went wrong", i, (unsigned long long)(uintptr_t)bad);
    }
}

static void zeros(void)
{
    const uint64_t length = 20 << 20;
    uint8_t *bytes = malloc(length + 8192);
    memset(bytes, 0x5a, length + 8192);
    one(true, bytes, length + 8192, 0, 0);
    EXPECT(am_namespace_zero(space, 4096, length) == 0, "zeros");
    one(false, bytes, length + 8192, 0, 0);
    EXPECT(bytes[0] == 0x5a && bytes[4095] == 0x5a && bytes[length + 4096] == 0x5a, "zeros went too far");
    bool all = true;
    for (uint64_t i = 4096; i < length + 4096; i++)
        all = all && bytes[i] == 0;
    EXPECT(all, "not all of it is zeros");
    EXPECT(am_namespace_zero(space, 100, 4096) == AM_NVME_ALIGNMENT, "zeros at 100");
    free(bytes);
}

void trial_data(const char *address)
{
    char why[AM_NVME_WHY] = "";
    struct am_namespace_facts facts;
    uint8_t bytes[4096], want[4096];
    int status = am_namespace_open(address, 1, &space, why);
    EXPECT(status == 0, "open: %s", why);
    if (status != 0)
        return;
    am_namespace_facts(space, &facts);
    printf("model '%s' serial '%s' firmware '%s', %llu blocks of %u bytes, %llu bytes a command, cache %d, "
           "IOMMU %d\n", facts.model, facts.serial, facts.firmware, (unsigned long long)facts.blocks,
           facts.block_bytes, (unsigned long long)facts.most_bytes, facts.cache, facts.iommu);
    EXPECT(strcmp(facts.serial, "trial") == 0, "another disk");
    sizes();
    many();
    threads();
    zeros();
    fill(want, sizeof want, 4711);
    one(true, want, sizeof want, 8192, 0);
    EXPECT(am_namespace_flush(space) == 0, "flush");
    am_namespace_close(space);
    status = am_namespace_open(address, 1, &space, why);
    EXPECT(status == 0, "open again: %s", why);
    if (status != 0)
        return;
    one(false, bytes, sizeof bytes, 8192, 0);
    EXPECT(memcmp(bytes, want, sizeof want) == 0, "gone after a close");
    am_namespace_facts(space, &facts);
    EXPECT(facts.resets == 0, "%u resets", facts.resets);
    uint8_t none[4096] = {0}; /* leave the disk as one that a log takes */
    EXPECT(am_namespace_zero(space, 0, 32 << 20) == 0, "zeros at the end");
    one(false, bytes, sizeof bytes, 8192, 0);
    EXPECT(memcmp(bytes, none, sizeof none) == 0, "it is not empty");
    am_namespace_close(space);
}

void trial_wipe(const char *address)
{
    char why[AM_NVME_WHY] = "";
    struct am_namespace_facts facts;
    const int status = am_namespace_open(address, 1, &space, why);
    EXPECT(status == 0, "open: %s", why);
    if (status != 0)
        return;
    am_namespace_facts(space, &facts);
    EXPECT(am_namespace_zero(space, 0, facts.blocks * facts.block_bytes) == 0, "wipe");
    EXPECT(am_namespace_flush(space) == 0, "flush");
    am_namespace_close(space);
}
