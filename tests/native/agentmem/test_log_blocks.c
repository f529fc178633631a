/* The log on a bare disk: random operations against a model, readers beside the writer, power that goes at
 * any write or flush. What a disk may hold: test_log_sheet.c. */
#include "log_model.h"
#include "log_readers.h"
#include "memory_disk.h"

enum { DISK = 20 << 20, CUT_DISK = 6 << 20, LIMIT = 4 << 20, NAMES = 60 };

static struct memory_disk *disk;

static void reopen(struct model *model)
{
    EXPECT(model, am_log_sync(model->log) == 0, "sync");
    am_log_close(model->log);
    EXPECT(model, !disk->open, "the disk was not closed");
    disk->open = true;
    const int status = am_log_open_blocks(&disk->blocks, LIMIT, &model->log);
    EXPECT(model, status == 0, "open: status %d", status);
    struct am_log_stats stats;
    am_log_stats(model->log, &stats);
    EXPECT(model, stats.broken == 0, "%llu broken after a close", (unsigned long long)stats.broken);
}

static int random_operations(uint64_t seed, int steps)
{
    struct model *model = model_new(seed, 3u << 20);
    disk = memory_disk_new(DISK, seed);
    disk->open = true;
    if (am_log_take_blocks(&disk->blocks, LIMIT, false) != 0
        || am_log_open_blocks(&disk->blocks, LIMIT, &model->log) != 0)
        return 1;
    for (int step = 0; step < steps; step++)
        model_step(model, reopen);
    model_check(model);
    printf("%llu bytes, %llu moves, %llu deaths, %llu refused for want of room\n",
           (unsigned long long)model->appended, (unsigned long long)model->moves,
           (unsigned long long)model->deaths, (unsigned long long)model->refused);
    EXPECT(model, model->moves > 0 && model->deaths > 0 && model->refused > 0, "nothing was tried");
    am_log_close(model->log);
    memory_disk_free(disk);
    return model_free(model);
}

/* What is found after a power cut: for each name a version between what a sync had covered and what was
 * begun. Odd versions are alive, even ones are deaths. */
struct names {
    uint64_t begun[NAMES], done[NAMES], kept[NAMES], found[NAMES], address[NAMES], moves, holes;
    struct am_log *log;
    struct model *model;
};

static uint64_t length_of(uint64_t name, uint64_t version)
{
    const uint64_t mixed = (name * 31 + version) * UINT64_C(0x9e3779b97f4a7c15) >> 40;
    return version % 2 == 0 ? 0 : mixed % (mixed % 20 == 0 ? 60000 : 2000);
}

static int visit(void *context, uint64_t address, const struct am_log_head *head, const void *payload)
{
    static uint8_t want[60000];
    struct names *names = context;
    const uint64_t name = head->realm, version = head->time_ms;
    fill(want, head->payload_bytes, name * 1000003 + version);
    EXPECT(names->model, name < NAMES && head->payload_bytes == length_of(name, version) &&
                             (head->payload_bytes == 0 || memcmp(want, payload, head->payload_bytes) == 0),
           "name %llu version %llu is not what was written", (unsigned long long)name,
           (unsigned long long)version);
    if (names->address[name] != 0)
        am_log_drop(names->log, names->address[name]);
    names->found[name] = version;
    names->address[name] = version % 2 == 0 ? 0 : address;
    return 0;
}

/* Sectors that no flush covered were lost one by one, so there are holes; what was kept must not be in
 * one. */
static void broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what)
{
    (void)segment, (void)offset, (void)bytes, (void)what;
    ((struct names *)context)->holes++;
}

static bool moved(void *context, const struct am_log_head *head, uint64_t from, uint64_t to)
{
    struct names *names = context;
    EXPECT(names->model, names->address[head->realm] == from, "moved what was not there");
    names->address[head->realm] = to;
    names->moves++;
    return true;
}

/* Opens, checks what is there, and works until the power goes. */
static void live(struct names *names)
{
    static uint8_t bytes[60000];
    struct model *model = names->model;
    memset(names->found, 0, sizeof names->found);
    memset(names->address, 0, sizeof names->address);
    disk->open = true;
    int status = am_log_open_blocks(&disk->blocks, 0, &names->log);
    if (disk->off) { /* while it opened: nothing may have come of it */
        if (status == 0)
            am_log_close(names->log);
        return;
    }
    EXPECT(model, status == 0, "open: status %d, errno %d", status, errno);
    if (status != 0)
        exit(EXIT_FAILURE);
    EXPECT(model, am_log_scan(names->log, visit, broken, names) == 0, "scan");
    for (uint64_t i = 0; i < NAMES; i++) {
        /* A death is forgotten with the last record that it spoke of. */
        const bool gone =
            names->found[i] == 0 && (names->kept[i] % 2 == 0 || names->begun[i] > names->kept[i]);
        EXPECT(model, gone || (names->found[i] >= names->kept[i] && names->found[i] <= names->begun[i]),
               "name %llu: version %llu found, %llu was kept, %llu begun", (unsigned long long)i,
               (unsigned long long)names->found[i], (unsigned long long)names->kept[i],
               (unsigned long long)names->begun[i]);
        const uint64_t now = gone ? (names->begun[i] + 1) / 2 * 2 : names->found[i];
        names->begun[i] = names->done[i] = names->kept[i] = now;
    }
    while (!disk->off) {
        const uint64_t name = draw(model, NAMES), what = draw(model, 100);
        uint64_t address;
        if (what < 70) {
            const uint64_t version = ++names->begun[name];
            struct am_log_head head = {.payload_bytes = length_of(name, version), .time_ms = version,
                                       .realm = (uint32_t)name,
                                       .kind = version % 2 ? AM_RECORD_UNIT : AM_RECORD_GONE};
            fill(bytes, head.payload_bytes, name * 1000003 + version);
            status = am_log_append(names->log, &head, bytes, &address);
            if (status != 0 && !disk->off)
                names->begun[name]--; /* full: nothing was written that counts */
            if (status == 0) {
                if (names->address[name] != 0)
                    am_log_drop(names->log, names->address[name]);
                names->address[name] = version % 2 ? address : 0;
                names->done[name] = version;
            }
        } else if (what < 85) {
            am_log_compact(names->log, 200000, moved, names);
        } else if (am_log_sync(names->log) == 0) {
            memcpy(names->kept, names->done, sizeof names->kept);
        }
    }
    am_log_close(names->log);
}

static int power_cuts(uint64_t seed, int lives)
{
    struct names names = {.model = model_new(seed, 1)};
    disk = memory_disk_new(CUT_DISK, seed);
    uint64_t last = 0;
    EXPECT(names.model, am_log_take_blocks(&disk->blocks, 0, false) == 0, "take");
    for (int i = 0; i < lives; i++) {
        disk->cut_at = 1 + draw(names.model, i % 3 == 0 ? 60 : 250);
        live(&names);
        memory_disk_back(disk);
    }
    for (size_t i = 0; i < NAMES; i++)
        last += names.kept[i];
    printf("%d power cuts, %llu versions kept, %llu moves, %llu holes\n", lives, (unsigned long long)last,
           (unsigned long long)names.moves, (unsigned long long)names.holes);
    EXPECT(names.model, last > (uint64_t)lives && names.moves > 0 && names.holes > 0, "nothing was tried");
    memory_disk_free(disk);
    return model_free(names.model);
}

static int readers(void)
{
    struct am_log *log;
    disk = memory_disk_new(DISK, 1);
    const int failed = am_log_take_blocks(&disk->blocks, 0, false) != 0
                       || am_log_open_blocks(&disk->blocks, 0, &log) != 0 || readers_beside(log, 200);
    memory_disk_free(disk);
    return failed;
}

int main(void)
{
    int failed = random_operations(1, 700);
    failed += power_cuts(3, 20) + power_cuts(4, 20);
    failed += readers();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
