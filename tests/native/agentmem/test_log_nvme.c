/* The cold log through the NVMe driver, on a controller in memory: which disk may be erased, what a controller
 * that fails costs the log, and what a power cut leaves. */
#include "agentmem.h"
#include "log_model.h"
#include "nvme_model.h"

#define DISK (UINT64_C(6) << 20)
#define WHERE "nvme:" MODEL_ADDRESS

enum { BYTES = 3000 };

static struct model *tell; /* counts failures */
static struct nvme_model *device;
static char why[256];

static int append(struct am_log *log, uint64_t number)
{
    static uint8_t bytes[BYTES];
    const struct am_log_head head = {.payload_bytes = BYTES, .time_ms = number, .kind = AM_RECORD_UNIT, .realm = 1};
    uint64_t address;
    fill(bytes, BYTES, number);
    return am_log_append(log, &head, bytes, &address);
}

static int count(void *context, uint64_t address, const struct am_log_head *head, const void *payload)
{
    static uint8_t want[BYTES];
    (void)address;
    fill(want, BYTES, head->time_ms);
    EXPECT(tell, head->time_ms == ++*(uint64_t *)context && memcmp(want, payload, BYTES) == 0,
           "record %llu", (unsigned long long)head->time_ms);
    return 0;
}

/* How many records there are; they are 1, 2, 3 and so on. */
static uint64_t records(void)
{
    struct am_log *log;
    uint64_t last = 0;
    EXPECT(tell, am_log_open_nvme(WHERE, 0, &log, why, sizeof why) == 0, "open: %s", why);
    EXPECT(tell, am_log_scan(log, count, NULL, &last) == 0, "scan");
    am_log_close(log);
    return last;
}

static void take(bool cache)
{
    device = nvme_model_new(9, DISK);
    device->cache = cache;
    device->forgets = true;
    nvme_model_begin(device);
    EXPECT(tell, am_log_take_nvme(WHERE, 0, NULL, why, sizeof why) == 0, "take: %s", why);
    EXPECT(tell, strstr(why, MODEL_SERIAL) != NULL, "taken: %s", why);
}

static void end(void)
{
    EXPECT(tell, nvme_model_free(device) == 0, "the driver did something wrong");
}

static void taking(void)
{
    take(true);
    EXPECT(tell, am_log_take_nvme(WHERE, 0, NULL, why, sizeof why) == AM_EDISK && strstr(why, "a cold log already"),
           "taken twice: %s", why);
    EXPECT(tell, am_log_take_nvme(WHERE, 0, "MODEL-2", why, sizeof why) == AM_EINVAL && strstr(why, "is not the disk"),
           "another's serial number: %s", why);
    EXPECT(tell, am_log_take_nvme(WHERE "/2", 0, MODEL_SERIAL, why, sizeof why) == AM_EDISK, "another namespace");
    EXPECT(tell, am_log_take_nvme(WHERE, 0, MODEL_SERIAL, why, sizeof why) == 0, "erase: %s", why);
    EXPECT(tell, records() == 0, "an empty log");
    end();
}

/* The controller fails in the middle: a write that ended by it is written again, and the log goes on, unless a
 * cache held what no flush had covered; then no sync says yes any more, and the next open finds what was synced. */
static void failing(bool cache)
{
    struct am_log *log;
    uint64_t synced = 0, number = 0;
    take(cache);
    EXPECT(tell, am_log_open_nvme(WHERE, 0, &log, why, sizeof why) == 0, "open: %s", why);
    while (number < 100) {
        EXPECT(tell, append(log, ++number) == 0, "append");
        if (number % 25 == 0) {
            EXPECT(tell, am_log_sync(log) == 0, "sync");
            synced = number;
        }
    }
    atomic_store(&device->fatal, true); /* the next write, before which nothing is in the cache */
    EXPECT(tell, append(log, ++number) == 0 && am_log_sync(log) == 0, "a write that is tried again");
    synced = number;
    EXPECT(tell, atomic_load(&device->resets) > 1, "no reset");
    while (number < 900) /* 2.4 MB: more than the stage holds, so that some of it lies on the disk */
        EXPECT(tell, append(log, ++number) == 0, "append");
    atomic_store(&device->fatal, true);
    const int status = am_log_sync(log);
    EXPECT(tell, (status == 0) == !cache, "sync after a reset with writes in the cache: %d", status);
    if (status == 0)
        synced = number;
    else
        EXPECT(tell, am_log_sync(log) == AM_EDISK, "and the next one");
    am_log_close(log);
    nvme_model_cut(device);
    const uint64_t there = records();
    EXPECT(tell, there >= synced && there <= number, "%llu records, %llu were synced", (unsigned long long)there,
           (unsigned long long)synced);
    end();
}

/* A disk that does not answer at the open is named, and is no empty log. */
static void silent(void)
{
    struct am_log *log;
    take(false);
    atomic_store(&device->gone, true);
    EXPECT(tell, am_log_open_nvme(WHERE, 0, &log, why, sizeof why) == AM_EDISK && strstr(why, "gone") != NULL,
           "open: %s", why);
    end();
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    tell = model_new(1, 1);
    taking();
    failing(false);
    failing(true);
    silent();
    return model_free(tell) ? EXIT_FAILURE : EXIT_SUCCESS;
}
