/* What a bare disk may hold: strangers' things, a log that is damaged, a log that is whole. Nothing is ever
 * written to a disk that was not taken, and what can be read of a damaged one is read. */
#include "log_model.h"
#include "memory_disk.h"

enum { DISK = 8 << 20, MIB = 1 << 20, COPY = 1 << 19 };

static struct memory_disk *disk;
static struct model *model;

static int open_log(struct am_log **log)
{
    errno = 0;
    return am_log_open_blocks(&disk->blocks, 0, log);
}

/* Neither opened nor taken, for this reason, and nothing changes. */
static void refused(int want_open, int want_take, const char *what)
{
    struct am_log *log;
    uint8_t *before = malloc(DISK);
    memcpy(before, disk->seen, DISK);
    EXPECT(model, open_log(&log) == AM_EDISK && errno == want_open, "%s: opened, or errno %d", what, errno);
    EXPECT(model, am_log_take_blocks(&disk->blocks, 0, false) == AM_EDISK && errno == want_take,
           "%s: taken, or errno %d", what, errno);
    EXPECT(model, disk->operations == 0 && memcmp(before, disk->seen, DISK) == 0, "%s: written to", what);
    free(before);
}

static void strangers(void)
{
    const uint64_t places[] = {0, 1080, 65600, MIB - 1, DISK / 65 / 4096 * 4096 * 20, DISK - 1,
                               DISK - 34 * SECTOR};
    struct am_log *log;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        disk = memory_disk_new(DISK, 1);
        disk->seen[places[i]] = 0x55;
        refused(EEXIST, EEXIST, "something");
        memory_disk_free(disk);
    }
    disk = memory_disk_new(DISK, 1);
    disk->seen[5 * MIB] = 1; /* where nobody looks but who would write there */
    refused(ENODATA, EEXIST, "something where a slot's head would lie");
    memory_disk_free(disk);
    for (int gpt = 0; gpt < 3; gpt++) {
        static const uint64_t at[] = {510, 512, 4096};
        disk = memory_disk_new(DISK, 1);
        memcpy(disk->seen + at[gpt], gpt == 0 ? "\x55\xaa" : "EFI PART", gpt == 0 ? 2 : 8);
        refused(ENOTUNIQ, ENOTUNIQ, "a partition table");
        EXPECT(model, am_log_take_blocks(&disk->blocks, 0, true) == 0, "erase");
        EXPECT(model, open_log(&log) == 0, "open what was erased: errno %d", errno);
        am_log_close(log);
        memory_disk_free(disk);
    }
    disk = memory_disk_new(DISK, 1);
    EXPECT(model, open_log(&log) == AM_EDISK && errno == ENODATA, "an empty disk has no log");
    EXPECT(model, disk->operations == 0, "a look wrote");
    EXPECT(model, am_log_take_blocks(&disk->blocks, 0, false) == 0, "take");
    EXPECT(model, am_log_take_blocks(&disk->blocks, 0, false) == AM_EDISK && errno == EALREADY, "taken twice");
    disk->blocks.bytes -= MIB;
    EXPECT(model, open_log(&log) == AM_EDISK && errno == ENOSPC, "a disk that shrank: errno %d", errno);
    disk->blocks.bytes += MIB;
    EXPECT(model, am_log_open_blocks(&disk->blocks, 3 << 20, &log) == AM_EDISK && errno == ERANGE,
           "a limit of three slots");
    memory_disk_free(disk);
    disk = memory_disk_new(3 << 20, 1);
    EXPECT(model, am_log_take_blocks(&disk->blocks, 0, false) == AM_EDISK && errno == ENOSPC, "too small");
    memory_disk_free(disk);
}

/* The power goes at each write and flush of a taking: the disk is a log, or is none; never a wrong one. */
static void cut_while_taken(void)
{
    int logs = 0, none = 0;
    for (uint64_t cut = 1; none == 0 || logs == 0 || cut < 30; cut++) {
        struct am_log *log;
        disk = memory_disk_new(DISK, cut);
        memset(disk->seen, 0x5a, 1 << 16); /* something to erase */
        memset(disk->seen + DISK - (1 << 16), 0x5a, 1 << 16);
        memcpy(disk->safe, disk->seen, DISK);
        disk->cut_at = cut;
        const int taken = am_log_take_blocks(&disk->blocks, 0, true);
        EXPECT(model, (taken == 0) == !disk->off, "cut %llu: status %d", (unsigned long long)cut, taken);
        memory_disk_back(disk);
        const int status = open_log(&log);
        EXPECT(model, status == 0 || taken != 0, "a disk that was taken: errno %d", errno);
        EXPECT(model, status == 0 || (status == AM_EDISK && errno != EIO), "status %d", status);
        if (status == 0)
            am_log_close(log);
        logs += status == 0;
        none += status != 0;
        EXPECT(model, am_log_take_blocks(&disk->blocks, 0, true) == 0 && open_log(&log) == 0, "once more");
        am_log_close(log);
        memory_disk_free(disk);
    }
}

static void fill_log(int records)
{
    disk = memory_disk_new(DISK, 1);
    memset(model->things, 0, sizeof model->things);
    EXPECT(model, am_log_take_blocks(&disk->blocks, 0, false) == 0 && open_log(&model->log) == 0, "open");
    for (int i = 0; i < records; i++)
        model_append(model, (size_t)i % THINGS);
    EXPECT(model, am_log_sync(model->log) == 0, "sync");
    am_log_close(model->log);
}

static void damaged_heads(void)
{
    struct am_log_stats stats;
    fill_log(800);
    uint8_t *image = malloc(DISK);
    memcpy(image, disk->seen, DISK);
    for (uint64_t at = MIB; at < MIB + 48; at += 20) {
        disk->seen[at] ^= 4;
        EXPECT(model, open_log(&model->log) == 0, "a damaged slot: open");
        am_log_stats(model->log, &stats);
        EXPECT(model, stats.broken == 1 && stats.segments > 0, "byte %llu: %llu broken",
               (unsigned long long)at, (unsigned long long)stats.broken);
        for (int i = 0; i < 1200; i++) { /* what could not be made out is not written over */
            struct am_log_head head = {.payload_bytes = 5000, .kind = AM_RECORD_UNIT, .realm = 1};
            uint64_t address;
            fill(model->bytes, 5000, (uint64_t)i);
            am_log_append(model->log, &head, model->bytes, &address);
        }
        am_log_close(model->log);
        disk->seen[at] ^= 4;
        EXPECT(model, memcmp(image + MIB, disk->seen + MIB, MIB) == 0, "a damaged slot was used");
        memcpy(disk->seen, image, DISK);
    }
    EXPECT(model, open_log(&model->log) == 0, "open again");
    model_replay(model);
    am_log_close(model->log);
    free(image);
    memory_disk_free(disk);
}

static void damaged_sheet(void)
{
    struct am_log *log;
    fill_log(50);
    for (size_t at = 0; at < 64; at += 9) {
        disk->operations = 0;
        disk->seen[COPY + at] ^= 1; /* the first copy is enough */
        EXPECT(model, open_log(&model->log) == 0, "byte %zu of the second copy", at);
        model_replay(model);
        am_log_close(model->log);
        disk->operations = 0;
        disk->seen[at] ^= 1; /* both: never taken for an empty disk */
        EXPECT(model, open_log(&log) == AM_EDISK && errno == (at < 8 ? EEXIST : EUCLEAN),
               "byte %zu of both: errno %d", at, errno);
        EXPECT(model, disk->operations == 0, "a damaged disk was written to");
        disk->seen[COPY + at] ^= 1;
        if (at >= 8) { /* the second is enough, when the first is damaged but not another's */
            EXPECT(model, open_log(&model->log) == 0, "byte %zu: errno %d", at, errno);
            model_replay(model);
            am_log_close(model->log);
        } else {
            EXPECT(model, open_log(&log) == AM_EDISK && errno == EUCLEAN, "over the first block");
        }
        disk->seen[at] ^= 1;
    }
    disk->bad_to = 4096; /* cannot be read */
    EXPECT(model, open_log(&model->log) == 0, "an unreadable sheet: errno %d", errno);
    am_log_close(model->log);
    disk->bad_to = 0;
    memcpy(disk->seen + 510, "\x55\xaa", 2); /* behind the sheet: nobody's business */
    EXPECT(model, open_log(&model->log) == 0, "open");
    am_log_close(model->log);
    memset(disk->seen, 0, 512);
    memcpy(disk->seen + 510, "\x55\xaa", 2); /* somebody partitions the disk: it is his now */
    disk->operations = 0;
    refused(EUCLEAN, EALREADY, "a partition table over a log");
    memory_disk_free(disk);
}

struct seen { uint64_t records, broken; };

static int count(void *context, uint64_t address, const struct am_log_head *head, const void *payload)
{
    (void)address, (void)head, (void)payload;
    ((struct seen *)context)->records++;
    return 0;
}

static void count_broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what)
{
    (void)segment, (void)offset, (void)bytes, (void)what;
    ((struct seen *)context)->broken++;
}

/* A bad block costs the records in it and no others. */
static void bad_block(void)
{
    enum { RECORDS = 100, BYTES = 4096 - 128 }; /* one record a block, behind the head's */
    static uint8_t bytes[BYTES];
    disk = memory_disk_new(DISK, 1);
    EXPECT(model, am_log_take_blocks(&disk->blocks, 0, false) == 0 && open_log(&model->log) == 0, "open");
    for (int i = 0; i < RECORDS; i++) {
        const struct am_log_head head = {.payload_bytes = BYTES, .kind = AM_RECORD_UNIT, .realm = 1};
        uint64_t address;
        fill(bytes, BYTES, (uint64_t)i);
        EXPECT(model, am_log_append(model->log, &head, bytes, &address) == 0, "append");
    }
    EXPECT(model, am_log_sync(model->log) == 0, "sync");
    am_log_close(model->log);
    for (uint64_t bad = 1; bad <= RECORDS; bad += 33) {
        struct seen seen = {0};
        disk->bad_from = MIB + bad * 4096;
        disk->bad_to = disk->bad_from + 1;
        EXPECT(model, open_log(&model->log) == 0, "open");
        EXPECT(model, am_log_scan(model->log, count, count_broken, &seen) == 0, "scan");
        EXPECT(model, seen.records == RECORDS - 1, "block %llu: %llu records", (unsigned long long)bad,
               (unsigned long long)seen.records);
        am_log_close(model->log);
    }
    struct seen seen = {0};
    disk->bad_from = MIB; /* a head */
    disk->bad_to = MIB + 1;
    EXPECT(model, open_log(&model->log) == 0 && am_log_scan(model->log, count, count_broken, &seen) == 0, "open");
    EXPECT(model, seen.records == 0 && seen.broken == 1, "a slot that cannot be read is named");
    am_log_close(model->log);
    disk->bad_to = 0;
    disk->mute = ETIMEDOUT; /* no answer is no bad block: nothing may be missing because of it */
    EXPECT(model, open_log(&model->log) == AM_EDISK && errno == ETIMEDOUT, "errno %d", errno);
    disk->mute = 0;
    memory_disk_free(disk);
}

/* A place that cannot be written to is named once, and the next segment goes elsewhere. */
static void hard_block(void)
{
    const struct am_log_head head = {.payload_bytes = 3000, .kind = AM_RECORD_UNIT, .realm = 1};
    for (uint64_t at = 0; at < MIB; at += MIB / 2) { /* in the head's block, and in the middle */
        uint64_t address;
        struct seen seen = {0};
        disk = memory_disk_new(DISK, 1);
        EXPECT(model, am_log_take_blocks(&disk->blocks, 0, false) == 0 && open_log(&model->log) == 0, "open");
        disk->hard_from = MIB + at;
        disk->hard_to = MIB + at + 1;
        EXPECT(model, am_log_append(model->log, &head, model->bytes, &address) == AM_EDISK && errno == EIO,
               "written to a bad place: errno %d", errno);
        EXPECT(model, am_log_append(model->log, &head, model->bytes, &address) == 0, "the next place");
        EXPECT(model, am_log_sync(model->log) == 0, "sync");
        am_log_close(model->log);
        EXPECT(model, open_log(&model->log) == 0, "open again");
        EXPECT(model, am_log_scan(model->log, count, count_broken, &seen) == 0 && seen.records == 1
                   && seen.broken == 0, "%llu records, %llu broken", (unsigned long long)seen.records,
               (unsigned long long)seen.broken);
        am_log_close(model->log);
        memory_disk_free(disk);
    }
}

static bool no_move(void *context, const struct am_log_head *head, uint64_t from, uint64_t to)
{
    (void)context, (void)head, (void)from, (void)to;
    return true;
}

/* A record of several slots comes and goes: its slots are as free as they were, also after a power cut at any
 * step of its end. */
static void large(void)
{
    enum { BYTES = 2 << 20 };
    uint8_t *bytes = malloc(BYTES);
    fill(bytes, BYTES, 1);
    for (uint64_t cut = 0; cut < 12; cut++) {
        const struct am_log_head head = {.payload_bytes = BYTES, .kind = AM_RECORD_UNIT, .realm = 1};
        uint64_t address;
        struct am_log_stats stats;
        struct seen seen = {0};
        disk = memory_disk_new(DISK, cut);
        EXPECT(model, am_log_take_blocks(&disk->blocks, 0, false) == 0 && open_log(&model->log) == 0, "open");
        EXPECT(model, am_log_append(model->log, &head, bytes, &address) == 0, "append");
        am_log_drop(model->log, address);
        EXPECT(model, am_log_append(model->log, &head, bytes, &address) == 0, "the next one");
        EXPECT(model, am_log_sync(model->log) == 0, "sync");
        disk->operations = 0;
        disk->cut_at = cut;
        am_log_compact(model->log, 1 << 20, no_move, NULL);
        am_log_close(model->log);
        memory_disk_back(disk);
        EXPECT(model, open_log(&model->log) == 0, "open");
        EXPECT(model, am_log_scan(model->log, count, count_broken, &seen) == 0, "scan");
        am_log_stats(model->log, &stats);
        EXPECT(model, stats.broken == 0 && seen.broken == 0, "cut %llu: %llu broken", (unsigned long long)cut,
               (unsigned long long)(stats.broken + seen.broken));
        EXPECT(model, seen.records == 1 && (cut != 0 || stats.segments == 1),
               "cut %llu: %llu records in %llu segments", (unsigned long long)cut,
               (unsigned long long)seen.records, (unsigned long long)stats.segments);
        am_log_close(model->log);
        memory_disk_free(disk);
    }
    free(bytes);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    model = model_new(6, 5000);
    strangers();
    cut_while_taken();
    damaged_heads();
    damaged_sheet();
    bad_block();
    hard_block();
    large();
    return model_free(model) ? EXIT_FAILURE : EXIT_SUCCESS;
}
