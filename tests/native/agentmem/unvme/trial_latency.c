/* How long a read of 4 KiB takes, one after another over 64 MiB: polled here, and by the kernel with
 * O_DIRECT. */
#include "trial.h"

#include "namespace.h"

#include <fcntl.h>
#include <unistd.h>

enum { WARM_UP = 200, READS = 3000, PLACES = 16384 };

static int upward(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void measure(const char *name, bool (*read_one)(void *context, uint64_t offset, uint8_t *bytes),
                    void *context)
{
    static uint64_t took[READS];
    uint64_t random = 12345, sum = 0;
    uint8_t *bytes;
    if (posix_memalign((void **)&bytes, 4096, 4096) != 0)
        return;
    for (int i = -WARM_UP; i < READS; i++) {
        const uint64_t offset = draw(&random, PLACES) * 4096, begin = now_ns();
        EXPECT(read_one(context, offset, bytes), "read %d", i);
        if (i >= 0)
            sum += took[i] = now_ns() - begin;
    }
    qsort(took, READS, sizeof *took, upward);
    printf("figure %s_p50 %.1f us\n", name, (double)took[READS / 2] / 1e3);
    printf("figure %s_p99 %.1f us\n", name, (double)took[READS * 99 / 100] / 1e3);
    printf("figure %s_mean %.1f us\n", name, (double)sum / READS / 1e3);
    free(bytes);
}

static bool polled(void *context, uint64_t offset, uint8_t *bytes)
{
    struct am_nvme_io io = {.bytes = bytes, .length = 4096, .offset = offset};
    am_namespace_run(context, &io, 1);
    return io.status == 0;
}

static bool direct(void *context, uint64_t offset, uint8_t *bytes)
{
    return pread(*(int *)context, bytes, 4096, (off_t)offset) == 4096;
}

void trial_latency(const char *address)
{
    char why[AM_NVME_WHY] = "";
    struct am_namespace *space;
    const int status = am_namespace_open(address, 1, &space, why);
    EXPECT(status == 0, "open: %s", why);
    if (status != 0)
        return;
    measure("read_4k_polled", polled, space);
    am_namespace_close(space);
}

void trial_kernel(const char *device)
{
    int fd = open(device, O_RDONLY | O_DIRECT);
    EXPECT(fd >= 0, "%s cannot be opened", device);
    if (fd < 0)
        return;
    measure("read_4k_kernel", direct, &fd);
    close(fd);
}
