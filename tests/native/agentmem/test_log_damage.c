/* Damage: flipped bits, cut files, sectors of an interrupted write, arbitrary orders of loss. What was synced
 * and is not itself hit is there; what is hit is named; nothing is read that was not written. */
#include "log_folder.h"

#include <stddef.h>

enum { LIMIT = 16 << 20 }; /* segments of 1 MiB */

/* What a scan found. */
struct found {
    size_t visits, broken, torn;
    uint64_t seen[64];
    uint32_t segment;
    uint64_t offset, bytes;
    bool wrong;
};

static uint64_t seed_of(uint32_t number)
{
    return number * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static int visit(void *context, uint64_t address, const struct am_log_head *head, const void *payload)
{
    struct found *found = context;
    static uint8_t want[1 << 17];
    (void)address;
    if (head->realm >= 64 || head->payload_bytes > sizeof want) {
        found->wrong = true;
        return 0;
    }
    fill(want, head->payload_bytes, seed_of(head->realm));
    if (head->payload_bytes > 0 && memcmp(want, payload, head->payload_bytes) != 0)
        found->wrong = true;
    found->visits++;
    found->seen[head->realm]++;
    return 0;
}

static void broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what)
{
    struct found *found = context;
    found->broken++;
    found->torn += what == AM_LOG_TORN;
    found->segment = segment;
    found->offset = offset;
    found->bytes = bytes;
}

static struct found scan(struct model *model)
{
    struct found found = {0};
    struct am_log *log;
    const int status = am_log_open_disk(model->folder, LIMIT, false, &log);
    EXPECT(model, status == 0, "open: status %d", status);
    if (status != 0)
        return found;
    EXPECT(model, am_log_scan(log, visit, broken, &found) == 0, "scan");
    EXPECT(model, !found.wrong, "something was read that nobody wrote");
    am_log_close(log);
    return found;
}

static void append(struct model *model, uint32_t number, uint64_t length)
{
    static uint8_t payload[1 << 17];
    uint64_t address;
    struct am_log_head head = {.kind = AM_RECORD_UNIT, .realm = number, .payload_bytes = length};
    fill(payload, length, seed_of(number));
    EXPECT(model, am_log_append(model->log, &head, payload, &address) == 0, "append");
}

enum { RECORDS = 7 };
static const uint64_t lengths[RECORDS] = {300, 5000, 0, 70000, 64, 4000, 1};

/* A log of one segment with known records, closed; its file. */
static void prepare(struct model *model, struct segment_file *file)
{
    folder_make(model);
    EXPECT(model, am_log_open_disk(model->folder, LIMIT, false, &model->log) == 0, "open");
    for (uint32_t i = 0; i < RECORDS; i++)
        append(model, i, lengths[i]);
    EXPECT(model, am_log_sync(model->log) == 0, "sync");
    am_log_close(model->log);
    scan(model); /* an open gives back what was allocated and not used */
    folder_each(model, folder_read, file);
}

static uint64_t bytes_of(uint64_t payload)
{
    return (128 + payload + 63) / 64 * 64;
}

/* A bit in every region of every record. */
static int flips(void)
{
    struct model *model = model_new(77, 1);
    struct segment_file file = {0};
    prepare(model, &file);
    uint64_t at = 0;
    for (uint32_t record = 0; record < RECORDS; at += bytes_of(lengths[record]), record++) {
        uint64_t places[128 + 4];
        size_t count = 0;
        for (; count < 128; count++)
            places[count] = count; /* every byte of the head */
        for (int i = 0; i < 4 && lengths[record] > 0; i++)
            places[count++] =
                128 + (i == 0 ? 0 : i == 1 ? lengths[record] - 1 : draw(model, lengths[record]));
        for (size_t i = 0; i < count; i++) {
            const uint64_t place = at + places[i];
            const uint8_t bit = (uint8_t)(1u << draw(model, 8));
            file.bytes[place] ^= bit;
            folder_put(model, file.name, file.bytes, file.count);
            const struct found found = scan(model);
            const bool last = record + 1 == RECORDS;
            EXPECT(model, found.visits == RECORDS - 1 && found.seen[record] == 0,
                   "record %u byte %llu: %zu records read", record, (unsigned long long)places[i],
                   found.visits);
            EXPECT(model, found.broken == 1 && found.torn == last && found.segment == 1 && found.offset == at,
                   "record %u byte %llu: %zu places named, the last at %llu", record,
                   (unsigned long long)places[i], found.broken, (unsigned long long)found.offset);
            EXPECT(model, last || found.bytes == bytes_of(lengths[record]), "record %u: %llu bytes named",
                   record, (unsigned long long)found.bytes);
            file.bytes[place] ^= bit;
        }
    }
    /* The same, met by a read of a log that is in use. */
    EXPECT(model, am_log_open_disk(model->folder, LIMIT, false, &model->log) == 0, "open");
    file.bytes[bytes_of(lengths[0]) + 140] ^= 1;
    folder_put(model, file.name, file.bytes, file.count);
    uint8_t payload[5000];
    struct am_log_head head;
    const uint64_t address = 1ull << 32 | bytes_of(lengths[0]) / 64;
    EXPECT(model, am_log_read(model->log, address, &head, payload, sizeof payload) == AM_ECORRUPT,
           "not noticed");
    EXPECT(model, am_log_read(model->log, 1ull << 32, &head, payload, sizeof payload) == 0, "the one before");
    am_log_close(model->log);
    free(file.bytes);
    folder_remove(model);
    return model_free(model);
}

/* A file cut anywhere has exactly the records that lie before the cut. */
static int cuts(void)
{
    struct model *model = model_new(78, 1);
    struct segment_file file = {0};
    prepare(model, &file);
    for (uint64_t cut = 0; cut < file.count; cut += 1 + draw(model, 800)) {
        size_t whole = 0;
        for (uint64_t at = 0; whole < RECORDS && (at += bytes_of(lengths[whole])) <= cut; whole++)
            continue;
        folder_put(model, file.name, file.bytes, cut);
        const struct found found = scan(model);
        EXPECT(model, found.visits == whole && found.broken == found.torn, "cut at %llu: %zu records, not"
               " %zu", (unsigned long long)cut, found.visits, whole);
    }
    free(file.bytes);
    folder_remove(model);
    return model_free(model);
}

/* Power goes while blocks are written: of what the second sync wrote, any sectors of 512 bytes may be
 * missing. What the first sync covered is there all the same, also in the block that both wrote. */
static int sectors(void)
{
    struct model *model = model_new(79, 1);
    struct segment_file first = {0}, second = {0};
    for (int round = 0; round < 60; round++) {
        const uint32_t before = 1 + (uint32_t)draw(model, 10), after = 1 + (uint32_t)draw(model, 10);
        folder_make(model);
        EXPECT(model, am_log_open_disk(model->folder, LIMIT, round % 2 == 0, &model->log) == 0, "open");
        for (uint32_t i = 0; i < before; i++)
            append(model, i, draw(model, i % 4 == 0 ? 70000 : 900));
        EXPECT(model, am_log_sync(model->log) == 0, "sync");
        folder_each(model, folder_read, &first);
        for (uint32_t i = 0; i < after; i++)
            append(model, before + i, draw(model, i % 4 == 0 ? 70000 : 900));
        EXPECT(model, am_log_sync(model->log) == 0, "sync");
        folder_each(model, folder_read, &second);
        am_log_close(model->log);
        for (int lost = 0; lost < 10; lost++) {
            uint8_t *mixed = malloc(second.count);
            EXPECT(model, first.count == second.count, "the file was not allocated at once");
            for (size_t at = 0; at < second.count; at += 512)
                memcpy(mixed + at, (draw(model, 3) == 0 ? first : second).bytes + at, 512);
            folder_put(model, second.name, mixed, second.count);
            const struct found found = scan(model);
            for (uint32_t i = 0; i < before; i++)
                EXPECT(model, found.seen[i] == 1, "synced record %u of %u is not there", i, before);
            free(mixed);
        }
        folder_remove(model);
    }
    free(first.bytes);
    free(second.bytes);
    return model_free(model);
}

/* A bit of the first byte of every file but one. */
static void flip_first(const char *path, void *but)
{
    uint8_t byte = 0;
    const int fd = open(path, O_RDWR);
    if (strstr(path, but) == NULL && pread(fd, &byte, 1, 0) == 1) {
        byte ^= 1;
        if (pwrite(fd, &byte, 1, 0) != 1)
            abort();
    }
    close(fd);
}

/* What a payload contains is never taken for a record, even where the record around it is broken. */
static int forged(void)
{
    struct model *model = model_new(80, 1);
    struct segment_file file = {0};
    prepare(model, &file);
    EXPECT(model, am_log_open_disk(model->folder, LIMIT, false, &model->log) == 0, "open");
    uint64_t address;
    struct am_log_head head = {.kind = AM_RECORD_UNIT, .realm = 60, .payload_bytes = file.count};
    EXPECT(model, am_log_append(model->log, &head, file.bytes, &address) == 0, "append"); /* a log in a log */
    EXPECT(model, am_log_sync(model->log) == 0, "sync");
    am_log_close(model->log);
    folder_each(model, flip_first, file.name);
    const struct found found = scan(model);
    EXPECT(model, found.visits == RECORDS && found.broken == 1, "%zu records, %zu broken", found.visits,
           found.broken);
    free(file.bytes);
    folder_remove(model);
    return model_free(model);
}

int main(void)
{
    const int failed = flips() + cuts() + sectors() + forged();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
