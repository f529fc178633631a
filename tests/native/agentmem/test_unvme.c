/* The NVMe driver against a controller in memory: shapes of controllers, orders of answers, and all that can
 * go wrong. QEMU's disk: scripts/kernel/unvme.py. */
#include "namespace.h"
#include "nvme_model.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DISK = 2 << 20, THREADS = 4, BATCH = 9, LONGEST = 300 << 10 };

static unsigned failures;
static struct nvme_model *model;
static struct am_namespace *space;
static bool unsteady; /* the controller fails now and then: what ended by that is tried again */

#define EXPECT(true_, ...) \
    do { \
        if (!(true_)) { \
            printf("%s:%d: ", __FILE__, __LINE__); \
            printf(__VA_ARGS__); \
            printf("\n"); \
            failures++; \
        } \
    } while (0)

static uint64_t draw(uint64_t *random, uint64_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random % below;
}

static void open_it(void)
{
    char why[AM_NVME_WHY] = "";
    nvme_model_begin(model);
    const int status = am_namespace_open(MODEL_ADDRESS, 1, &space, why);
    EXPECT(status == 0, "open: %s", why);
    if (status != 0)
        exit(EXIT_FAILURE);
}

static void done(const char *what)
{
    am_namespace_close(space);
    const unsigned wrong = nvme_model_free(model);
    EXPECT(wrong == 0, "%s: the driver did %u things wrong", what, wrong);
}

static int move(bool write, uint64_t offset, uint64_t length)
{
    static uint8_t bytes[DISK];
    struct am_nvme_io one = {.write = write, .bytes = bytes, .length = length, .offset = offset};
    memset(bytes, write ? 0x5a : 0, length);
    am_namespace_run(space, &one, 1);
    return one.status;
}

static void said(int status, int want, const char *what)
{
    EXPECT(status == want, "%s: %s", what, am_nvme_word(status));
}

static uint32_t resets(void)
{
    struct am_namespace_facts facts;
    am_namespace_facts(space, &facts);
    return facts.resets;
}

static void persist(struct am_nvme_io *ios, size_t count)
{
    am_namespace_run(space, ios, count);
    for (size_t i = 0; i < count && unsteady; i++)
        while (ios[i].status == AM_NVME_FAULT)
            am_namespace_run(space, &ios[i], 1);
}

/* Batches at random against a copy; each writes or reads, no two of its operations the same bytes. */
static void batches(uint64_t from, uint64_t bytes, uint64_t seed, int rounds)
{
    const uint64_t block = UINT64_C(1) << model->shift, part = bytes / BATCH / block * block;
    uint8_t *copy = malloc(bytes), *buffer = malloc(bytes);
    uint64_t random = seed * 2654435761u + 1, longest = part < LONGEST ? part : LONGEST;
    memset(copy, 0, bytes);
    for (int round = 0; round < rounds; round++) {
        struct am_nvme_io ios[BATCH];
        const bool write = draw(&random, 3) > 0;
        for (size_t i = 0; i < BATCH; i++) {
            const uint64_t length = draw(&random, longest / block + 1) * block;
            const uint64_t at = i * part + draw(&random, (part - length) / block + 1) * block;
            ios[i] = (struct am_nvme_io){.write = write, .bytes = buffer + at, .length = length,
                                         .offset = from + at};
            for (uint64_t j = 0; j < length; j += 64) {
                const uint64_t value = draw(&random, UINT64_MAX);
                memcpy((write ? copy : buffer) + at + j, &value, sizeof value);
                if (write)
                    memcpy(buffer + at + j, &value, sizeof value);
            }
            if (write) /* what lies between the values */
                memcpy(buffer + at, copy + at, length);
        }
        if (unsteady && draw(&random, 5) == 0)
            atomic_store(&model->fatal, true);
        persist(ios, BATCH);
        for (size_t i = 0; i < BATCH; i++) {
            const uint64_t at = ios[i].offset - from;
            said(ios[i].status, 0, "an operation of a batch");
            EXPECT(write || memcmp(buffer + at, copy + at, ios[i].length) == 0,
                   "%llu bytes at %llu come back otherwise", (unsigned long long)ios[i].length,
                   (unsigned long long)ios[i].offset);
        }
        if (draw(&random, 4) == 0) {
            const uint64_t length = draw(&random, part / block + 1) * block, at = draw(&random, BATCH) * part;
            int status = am_namespace_zero(space, from + at, length);
            while (unsteady && status == AM_NVME_FAULT)
                status = am_namespace_zero(space, from + at, length);
            said(status, 0, "zeros");
            memset(copy + at, 0, length);
        } else if (!unsteady && draw(&random, 4) == 0) {
            said(am_namespace_flush(space), 0, "flush");
        }
    }
    EXPECT(memcmp(model->disk + from, copy, bytes) == 0, "the disk holds something else");
    free(copy);
    free(buffer);
}

/* Depths, sizes and bells of many kinds of controllers. */
static void shapes(void)
{
    static const struct { uint32_t shift, depth, stride, pages; bool cache, zeroes, refuses; } all[] = {
        {9, 32, 0, 0, true, true, false},   {12, 2, 1, 2, false, true, false},
        {12, 3, 2, 4, true, false, false},  {9, 1024, 0, 2, false, true, true},
        {11, 65536, 7, 512, true, true, false}, {9, 31, 3, 32, true, false, false},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct am_namespace_facts facts;
        model = nvme_model_new(all[i].shift, DISK);
        model->most_depth = all[i].depth;
        model->stride = all[i].stride;
        model->most_pages = all[i].pages;
        model->cache = all[i].cache;
        model->zeroes = all[i].zeroes;
        model->refuses_zeroes = all[i].refuses;
        open_it();
        am_namespace_facts(space, &facts);
        EXPECT(facts.block_bytes == 1u << all[i].shift && facts.blocks == (uint64_t)DISK >> all[i].shift
                   && strcmp(facts.serial, MODEL_SERIAL) == 0 && strcmp(facts.model, "in memory") == 0
                   && facts.cache == all[i].cache,
               "%llu blocks of %u, '%s' '%s'", (unsigned long long)facts.blocks, facts.block_bytes,
               facts.model, facts.serial);
        batches(0, DISK, i, 6);
        EXPECT(resets() == 0, "%u resets", resets());
        const unsigned most = atomic_load(&model->most_flying);
        const unsigned may = all[i].depth - 1 < 30 ? all[i].depth - 1 : 30;
        EXPECT(most <= may && (may > 1 ? most > 1 : most == 1), "%u in flight of %u", most, may);
        am_namespace_close(space);
        space = NULL; /* the shutdown has written out what the cache held */
        EXPECT(memcmp(model->safe, model->disk, DISK) == 0, "not all of it is safe after the close");
        done("shapes");
    }
}

static void *thread(void *number)
{
    const uint64_t i = (uint64_t)(uintptr_t)number;
    batches(i * (DISK / THREADS), DISK / THREADS, i + 10, 15);
    return NULL;
}

static void threads(bool fails)
{
    pthread_t all[THREADS];
    model = nvme_model_new(12, DISK);
    model->cache = true;
    unsteady = fails;
    open_it();
    atomic_store(&model->strange, 3);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&all[i], NULL, thread, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(all[i], NULL);
    EXPECT(atomic_load(&model->strange) == 0 && (resets() > 0) == fails, "%u resets", resets());
    unsteady = false;
    done("threads");
}

/* Behind the end nothing is written, also not the part of a long write that would have had room. */
static void ends(void)
{
    model = nvme_model_new(12, DISK);
    open_it();
    said(move(true, DISK - (512 << 10), 1 << 20), AM_NVME_OUT_OF_RANGE, "a write across the end");
    said(move(true, DISK, 4096), AM_NVME_OUT_OF_RANGE, "a write behind the end");
    said(move(true, UINT64_MAX - 4095, 8192), AM_NVME_OUT_OF_RANGE, "a write around the end of all numbers");
    said(am_namespace_zero(space, DISK - 4096, 8192), AM_NVME_OUT_OF_RANGE, "zeros across the end");
    said(move(true, 512, 4096), AM_NVME_ALIGNMENT, "half a block");
    said(move(false, DISK - 4096, 4096), 0, "the last block");
    for (size_t i = 0; i < DISK; i++)
        if (model->disk[i] != 0) {
            EXPECT(false, "byte %zu was written", i);
            break;
        }
    atomic_store(&model->bad_to, 12288);
    atomic_store(&model->bad_from, 8192);
    said(move(true, 0, 8192), 0, "before a bad block");
    said(move(true, 8192, 4096), 0x280, "onto a bad block");
    said(move(false, 4096, 8192), 0x281, "from a bad block");
    EXPECT(resets() == 0, "%u resets", resets());
    done("ends");
}

/* Not answered: a reset, and what comes after it works. What is given up is never done later. */
static void silence(void)
{
    for (int i = 0; i < 3; i++) {
        model = nvme_model_new(12, DISK);
        open_it();
        atomic_store(&model->swallow, 1);
        am_namespace_patience(space, 30);
        said(i == 2 ? am_namespace_flush(space) : move(i == 0, 0, 4096), AM_NVME_TIMEOUT, "no answer");
        am_namespace_patience(space, 60000);
        EXPECT(resets() == 1 && atomic_load(&model->resets) == 1, "%u resets", resets());
        batches(0, DISK, 50, 4);
        said(am_namespace_flush(space), 0, "a flush after it");
        done("silence");
    }
}

/* A fatal state while many commands fly: each ends, with an answer or with the reason. */
static void fatal(void)
{
    struct am_nvme_io ios[60];
    static uint8_t bytes[60][8192];
    model = nvme_model_new(9, DISK);
    open_it();
    for (int round = 0; round < 20; round++) {
        unsigned bad = 0;
        for (size_t i = 0; i < 60; i++)
            ios[i] = (struct am_nvme_io){.write = true, .bytes = bytes[i], .length = 8192,
                                         .offset = i * 8192};
        memset(bytes, round + 1, sizeof bytes);
        atomic_store(&model->fatal, true);
        am_namespace_run(space, ios, 60);
        for (size_t i = 0; i < 60; i++) {
            bad += ios[i].status == AM_NVME_FAULT;
            EXPECT(ios[i].status == 0 || ios[i].status == AM_NVME_FAULT, "%s", am_nvme_word(ios[i].status));
            EXPECT(ios[i].status != 0 || model->disk[i * 8192 + 8191] == round + 1,
                   "operation %zu was not done", i);
        }
        EXPECT(bad > 0 && resets() == (uint32_t)round + 1, "%u failed, %u resets", bad, resets());
        said(move(false, 0, 64 << 10), 0, "after it");
    }
    done("fatal");
}

/* A reset while a cache holds writes that no flush has covered: no flush says yes, until the next open. */
static void lost(void)
{
    model = nvme_model_new(12, DISK);
    model->cache = model->forgets = true;
    open_it();
    said(move(true, 0, 4096), 0, "write");
    said(am_namespace_flush(space), 0, "flush");
    atomic_store(&model->fatal, true);
    said(move(false, 0, 4096), AM_NVME_FAULT, "a reset with nothing to lose");
    said(am_namespace_flush(space), 0, "flush");
    said(move(true, 4096, 4096), 0, "write");
    atomic_store(&model->fatal, true);
    said(move(false, 0, 4096), AM_NVME_FAULT, "a reset with something to lose");
    EXPECT(model->disk[0] == 0x5a && model->disk[4096] == 0, "the model lost something else");
    for (int i = 0; i < 3; i++) {
        said(am_namespace_flush(space), AM_NVME_LOST, "flush");
        said(move(true, 8192, 4096), 0, "a write");
    }
    am_namespace_close(space);
    nvme_model_cut(model);
    char why[AM_NVME_WHY] = "";
    EXPECT(am_namespace_open(MODEL_ADDRESS, 1, &space, why) == 0, "open again: %s", why);
    said(move(true, 4096, 4096), 0, "write");
    said(am_namespace_flush(space), 0, "flush");
    said(move(true, 4096, 4096), 0, "write");
    am_namespace_patience(space, 30);
    atomic_store(&model->swallow, 1); /* a flush that fails has covered nothing */
    said(am_namespace_flush(space), AM_NVME_TIMEOUT, "a flush without an answer");
    am_namespace_patience(space, 60000);
    said(am_namespace_flush(space), AM_NVME_LOST, "the next one");
    done("lost");
}

/* Gone, or up no more: said at once, each time, and the close does not wait. */
static void gone(void)
{
    for (int stuck = 0; stuck < 2; stuck++) {
        model = nvme_model_new(12, DISK);
        open_it();
        said(move(true, 0, 4096), 0, "before");
        model->nvme->can &= ~(UINT64_C(0xff) << 24); /* half a second to come up */
        atomic_store(stuck ? &model->stuck : &model->gone, true);
        if (stuck)
            atomic_store(&model->fatal, true);
        said(move(false, 0, 4096), stuck ? AM_NVME_FAULT : AM_NVME_GONE, "the first");
        for (int i = 0; i < 100; i++)
            said(move(true, 0, 4096), stuck ? AM_NVME_STUCK : AM_NVME_GONE, "and the next ones");
        said(am_namespace_flush(space), stuck ? AM_NVME_STUCK : AM_NVME_GONE, "a flush");
        EXPECT(resets() == 1, "%u resets", resets()); /* later ones do not wait for another */
        done("gone");
    }
}

/* Controllers and namespaces that the driver cannot use are refused with words. */
static void refused(void)
{
    static const struct {
        uint64_t cap;
        uint32_t shift, metadata, number;
        uint64_t blocks;
        const char *words;
    } all[] = {
        {0, 12, 0, 1, 8, "no NVM command set"},
        {UINT64_C(1) << 48 | UINT64_C(1) << 37, 12, 0, 1, 8, "no pages of 4096 bytes"},
        {UINT64_C(1) << 37, 13, 0, 1, 8, "blocks of 512 to 4096 bytes"},
        {UINT64_C(1) << 37, 9, 8, 1, 8, "without metadata"},
        {UINT64_C(1) << 37, 12, 0, 1, UINT64_MAX / 2, "blocks of 512 to 4096 bytes"},
        {UINT64_C(1) << 37, 12, 0, 2, 8, "none is 2"},
        {UINT64_C(1) << 37, 12, 0, 0, 8, "none is 0"},
        {UINT64_C(1) << 37, 12, 0, 1, 0, "no namespace 1"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char why[AM_NVME_WHY] = "";
        model = nvme_model_new(all[i].shift, 65536);
        model->cap = all[i].cap | UINT64_C(119) << 24;
        model->metadata = all[i].metadata;
        model->blocks = all[i].blocks;
        nvme_model_begin(model);
        const int status = am_namespace_open(MODEL_ADDRESS, all[i].number, &space, why);
        EXPECT(status == AM_NVME_REFUSED && strstr(why, all[i].words) != NULL, "%zu: status %d, %s", i,
               status, why);
        model->blocks = 0; /* of which nothing is left to write out */
        space = NULL;
        done("refused");
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    threads(false);
    threads(true);
#ifdef __SANITIZE_THREAD__
    return failures ? EXIT_FAILURE : EXIT_SUCCESS; /* the rest has one thread */
#endif
    shapes();
    ends();
    silence();
    fatal();
    lost();
    gone();
    refused();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
