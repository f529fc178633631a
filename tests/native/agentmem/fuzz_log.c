/* Any bytes as a segment, in memory and on disk: what an open, a scan, reads and compaction make of them is
 * bounded, and nothing is visited that has not its tag.
 *
 * Random bytes have no right checksum, so most of an input is a list of records that lie: of 16 bytes each,
 * about their length, place or kind, with the head's check made right or not, the payload's tag too. The rest
 * of it is raw.
 *
 * With clang: -fsanitize=fuzzer,address,undefined -DNEXUS_LIBFUZZER makes it a libFuzzer target. Without, the
 * program makes its own inputs, the same in every run; or replays the files that it is given.
 */
#include "agentmem.h"
#include "blake3.h"
#include "fuzz_files.h"
#include "log_record.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { IMAGE = 1 << 16, SALT = 0x5a17 };
struct seen {
    struct am_log *log;
    uint64_t addresses[1 << 11];
    size_t count;
    uint64_t sequence;
};

/* The image of a segment from a list of lies; how long it became. */
static size_t compose(uint8_t *image, uint64_t first, const uint8_t *data, size_t size)
{
    static const uint8_t payload[256];
    uint64_t at = first;
    for (; size >= 16 && at + 4096 < IMAGE; data += 16, size -= 16) {
        struct am_log_head head = {.kind = data[0] % 8, .realm = data[1] % 2,
                                   .importance = data[2] % 4 ? 5 : 0xffff,
                                   .payload_bytes = data[3], .sequence = data[4] % 16};
        head.id[0] = data[5] % 4;
        struct am_mark mark;
        am_mark_fill(&mark, &head, payload, 1, at, SALT);
        if (data[6] & 1)
            memcpy(&mark.payload_bytes, data + 8, 8);
        if (data[6] & 2)
            mark.step += data[8];
        if (data[6] & 4)
            mark.segment = data[9];
        if (data[6] & 8)
            mark.kind = data[10];
        if (data[6] & 16)
            mark.zero[0] = data[11];
        if (data[6] & 32) { /* the check is made right again, the tag is not */
            struct am_blake3 hash;
            uint8_t out[32];
            am_blake3_start(&hash);
            am_blake3_update(&hash, &mark, offsetof(struct am_mark, check));
            am_blake3_finish(&hash, out);
            memcpy(&mark.check, out, 8);
        }
        memcpy(image + at, &mark, sizeof mark);
        at += data[6] & 64 ? 64u * (1 + data[7] % 16) : am_record_bytes(data[3]);
    }
    memcpy(image + at, data, size);
    return at + size;
}

static int visit(void *context, uint64_t address, const struct am_log_head *head, const void *payload)
{
    struct seen *seen = context;
    if (head->sequence < seen->sequence || (payload == NULL) != (head->payload_bytes == 0))
        abort();
    seen->sequence = head->sequence;
    if (seen->count < sizeof seen->addresses / sizeof *seen->addresses)
        seen->addresses[seen->count++] = address;
    return 0;
}

static bool moved(void *context, const struct am_log_head *head, uint64_t from, uint64_t to)
{
    (void)context;
    return from != to && head->kind != 3;
}

static void use(struct am_log *log)
{
    struct seen seen = {.log = log};
    uint8_t payload[4096];
    struct am_log_head head;
    if (am_log_scan(log, visit, NULL, &seen) != 0)
        abort();
    for (size_t i = 0; i < seen.count; i++) {
        const int status = am_log_read(log, seen.addresses[i], &head, payload, sizeof payload);
        if (status != 0 && status != AM_ESIZE)
            abort(); /* a scan has just read it */
        if (i % 3 != 0)
            am_log_drop(log, seen.addresses[i]);
    }
    for (uint64_t i = 0; i < 64; i++)
        am_log_read(log, i << 32 | i * 7, &head, payload, sizeof payload);
    uint64_t address;
    const struct am_log_head own = {.kind = AM_RECORD_UNIT, .payload_bytes = 100};
    if (am_log_append(log, &own, payload, &address) != 0 || am_log_sync(log) != 0)
        abort();
    for (int i = 0; i < 100 && am_log_compact(log, 4096, moved, &seen) > 0; i++)
        continue;
    if (am_log_read(log, address, &head, payload, 100) != 0)
        abort();
    am_log_close(log);
}

static void in_memory(const uint8_t *data, size_t size)
{
    static uint8_t image[IMAGE];
    struct { uint64_t magic, salt; uint32_t number, zero[9]; uint64_t check; } first = {0};
    memset(image, 0, sizeof image);
    const size_t length = compose(image, sizeof first, data, size);
    memcpy(&first.magic, "AMGMEM01", 8);
    first.salt = SALT;
    first.number = 1;
    struct am_blake3 hash;
    uint8_t out[32];
    am_blake3_start(&hash);
    am_blake3_update(&hash, &first, sizeof first - 8);
    am_blake3_finish(&hash, out);
    memcpy(&first.check, out, 8);
    memcpy(image, &first, sizeof first);
    struct am_log *log;
    int fd = memfd_create("fuzz", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    if (fd < 0 || write(fd, image, length) != (ssize_t)length || am_log_open_memory(&fd, 1, &log) != 0)
        abort();
    use(log);
    fd = memfd_create("fuzz", MFD_ALLOW_SEALING | MFD_CLOEXEC); /* and the bytes as they are */
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || am_log_open_memory(&fd, 1, &log) != 0)
        abort();
    use(log);
}

static void on_disk(const uint8_t *data, size_t size, bool over)
{
    static uint8_t image[IMAGE];
    static char folder[64], name[128];
    memset(image, 0, sizeof image);
    const size_t length = compose(image, 0, data, size);
    if (folder[0] == 0)
        snprintf(folder, sizeof folder, "/dev/shm/agentmem-fuzz-%d", (int)getpid());
    snprintf(name, sizeof name, "%s/00000001-%016x.log", folder, SALT);
    struct am_log *log;
    if (am_log_open_disk(folder, 0, false, &log) != 0)
        abort(); /* makes the folder */
    am_log_close(log);
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, image, length) != (ssize_t)length || close(fd) != 0 ||
        am_log_open_disk(folder, 64 << 20, false, &log) != 0)
        abort();
    use(log);
    if (data[0] % 8 != 0 && !over)
        return; /* segments of earlier inputs are part of some later ones */
    DIR *listing = opendir(folder);
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(listing), entry->d_name, 0);
    if (listing == NULL || closedir(listing) != 0 || rmdir(folder) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 17 || size > 16384)
        return 0;
    if (data[0] % 4 == 0)
        on_disk(data + 1, size - 1, data[0] % 8 == 0);
    else
        in_memory(data + 1, size - 1);
    return 0;
}

#ifndef NEXUS_LIBFUZZER
int main(int count, char **names)
{
    static uint8_t data[16384];
    if (fuzz_files(count, names) != 0)
        return EXIT_FAILURE;
    uint64_t state = 7;
    for (int round = 0; round < 400 && count < 2; round++) {
        for (size_t i = 0; i < sizeof data; i++) {
            state = state * UINT64_C(6364136223846793005) + 1;
            data[i] = (uint8_t)(state >> 56);
        }
        for (size_t i = 1; i + 16 < sizeof data && round % 2 == 0; i += 16)
            data[i + 6] &= data[i + 7]; /* fewer lies, so that some records are whole */
        data[1] = 0;
        LLVMFuzzerTestOneInput(data, 17 + (size_t)round * 13 % 3000);
    }
    data[0] = 0; /* the last one cleans up */
    LLVMFuzzerTestOneInput(data, 100);
    puts("log: no bytes were misread");
    return EXIT_SUCCESS;
}
#endif
