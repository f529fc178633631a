/* The cold log through the NVMe driver, on a controller in memory: which disk may be erased, what a
 * controller that fails costs the log, and what a power cut leaves. */
#include "agentmem.h"
#include "log_model.h"
#include "nvme_model.h"

#define DISK (UINT64_C(40) << 20) /* slots of 2.5 MiB */
#define WHERE "nvme:" MODEL_ADDRESS

enum { BYTES = 3000 };

static struct model *tell; /* counts failures */
static struct nvme_model *device;
static char why[256];

static int append(struct am_log *log, uint64_t number)
{
    static uint8_t bytes[BYTES];
    const struct am_log_head head = {.payload_bytes = BYTES, .time_ms = number, .kind = AM_RECORD_UNIT,
                                     .realm = 1};
    uint64_t address;
    fill(bytes, BYTES, number);
    return am_log_append(log, &head, bytes, &address);
}

struct found { uint64_t synced, kept, last; };

static int visit(void *context, uint64_t address, const struct am_log_head *head, const void *payload)
{
    static uint8_t want[BYTES];
    struct found *found = context;
    (void)address;
    fill(want, BYTES, head->time_ms);
    EXPECT(tell, head->time_ms > found->last && memcmp(want, payload, BYTES) == 0, "record %llu behind %llu",
           (unsigned long long)head->time_ms, (unsigned long long)found->last);
    found->last = head->time_ms;
    found->kept += found->last <= found->synced;
    return 0;
}

/* Of the records 1, 2, 3 and so on those up to `synced` are there, and perhaps some of those up to `most`. */
static void check(uint64_t synced, uint64_t most)
{
    struct am_log *log;
    struct found found = {.synced = synced};
    EXPECT(tell, am_log_open_nvme(WHERE, 0, &log, why, sizeof why) == 0, "open: %s", why);
    EXPECT(tell, am_log_scan(log, visit, NULL, &found) == 0, "scan");
    EXPECT(tell, found.kept == synced && found.last <= most,
           "%llu records of the %llu synced, the last is %llu", (unsigned long long)found.kept,
           (unsigned long long)synced, (unsigned long long)found.last);
    am_log_close(log);
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
    int status = am_log_take_nvme(WHERE, 0, NULL, why, sizeof why);
    EXPECT(tell, status == AM_EDISK && strstr(why, "a cold log already"), "taken twice: %s", why);
    status = am_log_take_nvme(WHERE, 0, "MODEL-2", why, sizeof why);
    EXPECT(tell, status == AM_EINVAL && strstr(why, "is not the disk"), "another's serial number: %s", why);
    status = am_log_take_nvme(WHERE "/2", 0, MODEL_SERIAL, why, sizeof why);
    EXPECT(tell, status == AM_EDISK, "another namespace");
    EXPECT(tell, am_log_take_nvme(WHERE, 0, MODEL_SERIAL, why, sizeof why) == 0, "erase: %s", why);
    check(0, 0);
    end();
}

/* The controller fails in the middle: a write that ended by it is written again, and the log goes on, unless
 * a cache held what no flush had covered; then no sync says yes any more, and the next open finds what was
 * synced. */
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
    while (number < 600) /* 1.8 MB: more than the stage, less than a slot, so some of it is in the cache */
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
    check(synced, number);
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
