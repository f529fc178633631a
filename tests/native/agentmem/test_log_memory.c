/* The log in memory: random operations against a model, hand-over of its memfds, and readers beside the
 * writer. */
#include "log_readers.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* As another process would: file descriptors of its own to the same memory. */
static void reopen(struct model *model)
{
    int fds[256];
    const size_t count = am_log_fds(model->log, fds, 256);
    EXPECT(model, count <= 256, "%zu segments", count);
    for (size_t i = 0; i < count; i++)
        fds[i] = dup(fds[i]);
    am_log_close(model->log);
    const int status = am_log_open_memory(fds, count, &model->log);
    EXPECT(model, status == 0, "open: status %d", status);
}

static int random_operations(uint64_t seed, int steps)
{
    struct model *model = model_new(seed, 20u << 20);
    if (am_log_open_memory(NULL, 0, &model->log) != 0)
        return 1;
    for (int step = 0; step < steps; step++)
        model_step(model, reopen);
    model_check(model);
    for (size_t i = 0; i < THINGS; i++)
        if (model->things[i].alive)
            model_drop(model, i, false);
    while (am_log_compact(model->log, UINT64_MAX, model_moved, model) > 0)
        continue;
    struct am_log_stats stats;
    am_log_stats(model->log, &stats);
    EXPECT(model, stats.segments <= 2, "%llu segments for nothing", (unsigned long long)stats.segments);
    printf("%llu bytes, %llu moves, %llu deaths, %llu segments left\n", (unsigned long long)model->appended,
           (unsigned long long)model->moves, (unsigned long long)model->deaths,
           (unsigned long long)stats.segments);
    EXPECT(model, model->moves > 0 && model->deaths > 0, "nothing was tried");
    am_log_close(model->log);
    return model_free(model);
}

/* Deaths do not pile up: a thing that lives and dies for ever takes no more than it did at first. */
static int deaths_end(void)
{
    struct model *model = model_new(11, 3u << 20);
    if (am_log_open_memory(NULL, 0, &model->log) != 0)
        return 1;
    uint64_t most = 0;
    struct am_log_stats stats;
    for (int round = 0; round < 200; round++) {
        struct thing *thing = &model->things[round % 5 + 1];
        *thing = (struct thing){.length = 1u << 20, .seed = 1, .kind = AM_RECORD_UNIT, .alive = true};
        const struct am_log_head head = head_of(model, (size_t)round % 5 + 1);
        EXPECT(model, am_log_append(model->log, &head, model->bytes, &thing->address) == 0, "append");
        model_drop(model, (size_t)round % 5 + 1, true);
        while (am_log_compact(model->log, 1u << 20, model_moved, model) > 0)
            continue;
        am_log_stats(model->log, &stats);
        most = stats.bytes > most ? stats.bytes : most;
    }
    EXPECT(model, most < 40u << 20, "%llu bytes for things that are dead", (unsigned long long)most);
    EXPECT(model, stats.live_records <= 60, "%llu deaths are kept", (unsigned long long)stats.live_records);
    am_log_close(model->log);
    return model_free(model);
}

/* What is handed over and is no segment is closed, counted, and harms nothing. */
static int strangers(void)
{
    struct model *model = model_new(5, 1u << 16);
    int fds[8];
    am_log_open_memory(NULL, 0, &model->log);
    for (size_t i = 0; i < 50; i++)
        model_append(model, i);
    EXPECT(model, am_log_fds(model->log, fds, 1) == 1, "one segment");
    fds[0] = dup(fds[0]);
    fds[1] = dup(fds[0]); /* the same segment twice */
    fds[2] = memfd_create("empty", MFD_ALLOW_SEALING);
    fds[3] = memfd_create("zeros", MFD_ALLOW_SEALING);
    EXPECT(model, ftruncate(fds[3], 5000) == 0, "ftruncate");
    fds[4] = memfd_create("not to be sealed", 0);
    fds[5] = open("/dev/null", O_RDWR);
    am_log_close(model->log);
    EXPECT(model, am_log_open_memory(fds, 6, &model->log) == 0, "open");
    struct am_log_stats stats;
    am_log_stats(model->log, &stats);
    EXPECT(model, stats.segments == 1 && stats.broken == 5, "%llu segments, %llu refused",
           (unsigned long long)stats.segments, (unsigned long long)stats.broken);
    for (size_t i = 1; i < 6; i++)
        EXPECT(model, fcntl(fds[i], F_GETFD) < 0, "fd %zu was kept", i);
    model_replay(model);
    am_log_close(model->log);
    return model_free(model);
}

/* Without file descriptors an append fails and says so; nothing else does. */
static int no_files(void)
{
    struct model *model = model_new(9, 1u << 16);
    struct rlimit limit, none;
    am_log_open_memory(NULL, 0, &model->log);
    for (size_t i = 0; i < 50; i++)
        model_append(model, i);
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    static uint8_t large[17u << 20];
    const struct am_log_head head = {.kind = AM_RECORD_UNIT, .payload_bytes = sizeof large};
    uint64_t address = 77;
    EXPECT(model, am_log_append(model->log, &head, large, &address) == AM_EFILES && address == 77,
           "no AM_EFILES");
    for (size_t i = 0; i < 50; i++)
        if (model->things[i].alive)
            model_read(model, i);
    setrlimit(RLIMIT_NOFILE, &limit);
    EXPECT(model, am_log_append(model->log, &head, large, &address) == 0, "append with files again");
    for (size_t i = 50; i < 100; i++)
        model_append(model, i);
    model_check(model);
    am_log_close(model->log);
    return model_free(model);
}

static int readers(void)
{
    struct am_log *log;
    return am_log_open_memory(NULL, 0, &log) != 0 || readers_beside(log, 8000);
}

int main(void)
{
    int failed = 0;
    for (uint64_t seed = 1; seed <= (getenv("NEXUS_TEST_LONG") != NULL ? 3 : 1); seed++)
        failed += random_operations(seed * 7919, 2000);
    failed += deaths_end();
    failed += strangers();
    failed += no_files();
    failed += readers();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
