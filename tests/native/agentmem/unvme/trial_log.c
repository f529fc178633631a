/* The cold log on the disk: records of many sizes, and after the power went every one that was
 * acknowledged. */
#include "trial.h"

#include "agentmem.h"
#include "log.h"

#include <errno.h>

enum { LARGEST = 3 << 20 };

struct found { uint64_t count, last, broken; uint8_t *want; };

static uint64_t length_of(uint64_t number)
{
    const uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15) >> 33;
    return number % 97 == 0 ? mixed % LARGEST : mixed % 9000;
}

static int visit(void *context, uint64_t address, const struct am_log_head *head, const void *payload)
{
    struct found *found = context;
    const uint64_t number = head->time_ms;
    (void)address;
    fill(found->want, head->payload_bytes, number);
    EXPECT(head->payload_bytes == length_of(number) && (head->payload_bytes == 0
               || memcmp(found->want, payload, head->payload_bytes) == 0),
           "record %llu is not what was written", (unsigned long long)number);
    EXPECT(number > found->last, "record %llu behind %llu", (unsigned long long)number,
           (unsigned long long)found->last);
    found->count++;
    found->last = number;
    return 0;
}

static void broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what)
{
    ((struct found *)context)->broken++;
    printf("segment %u, %llu bytes at %llu: %s\n", segment, (unsigned long long)bytes,
           (unsigned long long)offset, what);
}

static struct am_log *open_log(const char *where, struct found *found)
{
    char why[200] = "";
    struct am_log *log;
    const uint64_t begin = now_ns();
    const int status = am_log_open_nvme(where, 0, &log, why, sizeof why);
    EXPECT(status == 0, "open: status %d, %s", status, why);
    if (status != 0)
        return NULL;
    found->want = malloc(LARGEST + 8);
    EXPECT(am_log_scan(log, visit, broken, found) == 0, "scan");
    printf("%llu records, the last is %llu; open and scan took %llu ms\n", (unsigned long long)found->count,
           (unsigned long long)found->last, (unsigned long long)(now_ns() - begin) / 1000000);
    return log;
}

static void read_back(struct am_log *log, const uint64_t *addresses, uint64_t count)
{
    enum { MOST = 64 };
    struct am_log_want wants[MOST];
    uint8_t *payloads = malloc((size_t)MOST * 9000), *want = malloc(9000);
    size_t wanted = 0;
    for (uint64_t i = count; i > 0 && wanted < MOST; i--)
        if (length_of(i) <= 9000) {
            wants[wanted] = (struct am_log_want){.address = addresses[i], .payload = payloads + wanted * 9000,
                                                 .room = 9000};
            wanted++;
        }
    am_log_read_many(log, wants, wanted);
    for (size_t i = 0; i < wanted; i++) {
        fill(want, wants[i].head.payload_bytes, wants[i].head.time_ms);
        EXPECT(wants[i].status == 0 && memcmp(want, wants[i].payload, wants[i].head.payload_bytes) == 0,
               "read %zu: status %d", i, wants[i].status);
    }
    free(payloads);
    free(want);
}

void trial_log(const char *where, uint64_t records)
{
    struct found found = {0};
    struct am_log *log = open_log(where, &found);
    if (log == NULL)
        return;
    uint64_t *addresses = calloc(records + 1, sizeof *addresses), random = 5, address, bytes = 0;
    const uint64_t begin = now_ns(), first = found.last + 1;
    for (uint64_t number = first; records == 0 || number <= records; number++) {
        const struct am_log_head head = {.payload_bytes = length_of(number), .time_ms = number,
                                         .kind = AM_RECORD_UNIT, .realm = 1};
        fill(found.want, head.payload_bytes, number);
        const int status = am_log_append(log, &head, found.want, &address);
        EXPECT(status == 0, "append %llu: status %d, %s", (unsigned long long)number, status,
               strerror(errno));
        if (status != 0)
            break;
        bytes += head.payload_bytes;
        if (records != 0)
            addresses[number] = address;
        if (draw(&random, 20) == 0 || number == records) {
            EXPECT(am_log_sync(log) == 0, "sync");
            printf("kept %llu\n", (unsigned long long)number); /* the line is out before the next append */
        }
    }
    const double seconds = (double)(now_ns() - begin) / 1e9;
    printf("figure log_append_sync %.2f MB/s\n", (double)bytes / 1e6 / seconds);
    if (records != 0 && first == 1)
        read_back(log, addresses, records);
    free(addresses);
    free(found.want);
    am_log_close(log);
}

void trial_replay(const char *where, uint64_t kept)
{
    struct found found = {0};
    struct am_log *log = open_log(where, &found);
    if (log == NULL)
        return;
    EXPECT(found.last >= kept && found.count == found.last, "%llu were kept, %llu of up to %llu are there",
           (unsigned long long)kept, (unsigned long long)found.count, (unsigned long long)found.last);
    free(found.want);
    am_log_close(log);
}

void trial_stranger(const char *where)
{
    char why[200] = "";
    struct am_log *log;
    const int status = am_log_open_nvme(where, 0, &log, why, sizeof why);
    printf("a disk that holds something: status %d, %s\n", status, why);
    EXPECT(status == AM_EDISK && strstr(why, "holds something") != NULL, "it was not refused");
}
