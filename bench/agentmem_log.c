/* How long a record of 64 KB takes to read from a log: in memory, on disk alone, on disk 32 at a time
 * (bench/agentmem_log.py). Prints `name p50_us p99_us min_us cpu_us`. Wall-clock of single reads; CPU of the
 * thread. */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RECORDS = 1024, BYTES = 65536, MANY = 32, ROUNDS = 4 };

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static void measure(const char *name, struct am_log *log, const uint64_t *addresses, size_t many)
{
    static double times[RECORDS * ROUNDS];
    static uint8_t payloads[MANY][BYTES];
    static struct am_log_want wants[MANY];
    size_t count = 0;
    uint64_t random = 1;
    const double cpu = now(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i + many <= RECORDS * ROUNDS; i += many) {
        for (size_t k = 0; k < many; k++) {
            random = random * UINT64_C(6364136223846793005) + 1;
            wants[k] = (struct am_log_want){.address = addresses[(random >> 33) % RECORDS],
                                            .payload = payloads[k],
                                            .room = BYTES};
        }
        const double start = now(CLOCK_MONOTONIC);
        am_log_read_many(log, wants, many);
        times[count++] = (now(CLOCK_MONOTONIC) - start) / (double)many;
        for (size_t k = 0; k < many; k++)
            if (wants[k].status != 0)
                exit(EXIT_FAILURE);
    }
    const double used = (now(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)(count * many);
    qsort(times, count, sizeof *times, by_size);
    printf("%s %.1f %.1f %.1f %.1f\n", name, times[count / 2], times[count * 99 / 100], times[0], used);
}

static void fill_log(struct am_log *log, uint64_t *addresses)
{
    static uint8_t payload[BYTES];
    for (size_t i = 0; i < RECORDS; i++) {
        memset(payload, (int)i, sizeof payload);
        const struct am_log_head head = {.kind = AM_RECORD_UNIT, .payload_bytes = BYTES};
        if (am_log_append(log, &head, payload, &addresses[i]) != 0)
            exit(EXIT_FAILURE);
    }
    if (am_log_sync(log) != 0)
        exit(EXIT_FAILURE);
}

int main(int count, char **names)
{
    static uint64_t addresses[RECORDS];
    struct am_log *log;
    if (count != 2 || am_log_open_memory(NULL, 0, &log) != 0)
        return EXIT_FAILURE;
    fill_log(log, addresses);
    measure("memory", log, addresses, 1);
    am_log_close(log);
    for (int uring = 0; uring < 2; uring++) {
        char folder[4096];
        snprintf(folder, sizeof folder, "%s/%d", names[1], uring);
        if (am_log_open_disk(folder, 0, uring, &log) != 0)
            return EXIT_FAILURE;
        fill_log(log, addresses);
        measure(uring ? "disk-ring" : "disk", log, addresses, 1);
        measure(uring ? "disk-32-ring" : "disk-32", log, addresses, MANY);
        am_log_close(log);
    }
    return EXIT_SUCCESS;
}
