/* A process that is killed while it writes the last record leaves a torn end. It is named as that, and is
 * gone before the next append: no later open takes it for damage, on any medium and however it was torn.
 * What is not the end of the newest segment stays as it is, and so does what could only not be read. */
#include "log_folder.h"
#include "log_record.h"
#include "memory_disk.h"

#include <sys/mman.h>

enum { LIMIT = 16 << 20, DISK = 12 << 20, MOST = 5 << 18, LOOKED = 2 << 20, NUMBERS = 64 };
enum medium { FILES, BLOCKS, MEMORY, MEDIA };
enum tear { HALF, BODY, NO_MARK, BAD_CHECK, SHORT, TO_BLOCK, FLIP, TEARS = FLIP };

static struct model *model;

/* A log that can be opened again and again, and what should be in it. */
struct bed {
    enum medium medium;
    struct memory_disk *disk;
    int fds[NUMBERS];
    size_t fd_count;
    struct am_log *log;
    uint64_t lengths[NUMBERS];
    bool kept[NUMBERS]; /* synced, and not torn */
    uint32_t count;
};

struct found {
    size_t torn, broken, seen[NUMBERS];
};

static int visit(void *context, uint64_t address, const struct am_log_head *head, const void *payload)
{
    struct found *found = context;
    static uint8_t want[MOST];
    (void)address;
    EXPECT(model, head->realm < NUMBERS, "a record of nobody");
    fill(want, head->payload_bytes, head->realm + 1);
    EXPECT(model, head->payload_bytes == 0 || memcmp(want, payload, head->payload_bytes) == 0,
           "record %u is not what was written", head->realm);
    found->seen[head->realm]++;
    return 0;
}

static void broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what)
{
    struct found *found = context;
    (void)segment, (void)offset, (void)bytes;
    *(what == AM_LOG_TORN ? &found->torn : &found->broken) += 1;
}

/* Opens, and scans: exactly what was kept must be there. */
static struct found open_bed(struct bed *bed)
{
    struct found found = {0};
    int fds[NUMBERS], status = 0;
    if (bed->medium == FILES) {
        status = am_log_open_disk(model->folder, LIMIT, true, &bed->log);
    } else if (bed->medium == BLOCKS) {
        status = am_log_open_blocks(&bed->disk->blocks, 0, &bed->log);
    } else {
        for (size_t i = 0; i < bed->fd_count; i++)
            fds[i] = dup(bed->fds[i]);
        status = am_log_open_memory(fds, bed->fd_count, &bed->log);
    }
    EXPECT(model, status == 0, "open: status %d", status);
    if (status != 0)
        exit(EXIT_FAILURE);
    EXPECT(model, am_log_scan(bed->log, visit, broken, &found) == 0, "scan");
    for (uint32_t i = 0; i < bed->count; i++)
        EXPECT(model, found.seen[i] == bed->kept[i], "record %u: seen %zu times", i, found.seen[i]);
    return found;
}

static void close_bed(struct bed *bed)
{
    int fds[NUMBERS];
    const size_t count = am_log_fds(bed->log, fds, NUMBERS);
    for (size_t i = 0; i < bed->fd_count; i++)
        close(bed->fds[i]);
    for (size_t i = 0; i < count; i++)
        bed->fds[i] = dup(fds[i]);
    bed->fd_count = count;
    am_log_close(bed->log);
}

static int append(struct bed *bed, uint64_t length)
{
    static uint8_t payload[MOST];
    uint64_t address;
    struct am_log_head head = {.kind = AM_RECORD_UNIT, .realm = bed->count, .payload_bytes = length};
    fill(payload, length, bed->count + 1);
    bed->lengths[bed->count] = length;
    int status = am_log_append(bed->log, &head, payload, &address);
    if (status == 0)
        status = am_log_sync(bed->log);
    bed->kept[bed->count++] = status == 0;
    return status;
}

static struct bed bed_new(enum medium medium)
{
    struct bed bed = {.medium = medium};
    if (medium == FILES)
        folder_make(model);
    if (medium == BLOCKS) {
        bed.disk = memory_disk_new(DISK, 1);
        EXPECT(model, am_log_take_blocks(&bed.disk->blocks, LIMIT, false) == 0, "take");
    }
    open_bed(&bed);
    return bed;
}

static void bed_free(struct bed *bed)
{
    if (bed->medium == FILES)
        folder_remove(model);
    if (bed->medium == BLOCKS)
        memory_disk_free(bed->disk);
    for (size_t i = 0; i < bed->fd_count; i++)
        close(bed->fds[i]);
}

/* What a tear is done to. */
struct victim {
    const struct bed *bed;
    uint32_t number;
    enum tear tear;
    uint64_t at, from; /* of the record in its image; where zeros begin in the record */
    size_t times;      /* it was found */
};

static uint8_t *find(struct victim *victim, uint8_t *image, uint64_t bytes)
{
    const uint64_t magic = AM_MARK_MAGIC;
    uint8_t *there = NULL;
    for (uint64_t at = 0; at + AM_MARK_BYTES <= bytes; at += AM_STEP) {
        struct am_mark mark;
        if (memcmp(image + at, &magic, sizeof magic) != 0)
            continue;
        memcpy(&mark, image + at, sizeof mark);
        if (mark.realm != victim->number)
            continue;
        victim->at = at;
        victim->times++;
        there = image + at;
    }
    return there;
}

static void tear_image(struct victim *victim, uint8_t *image, uint64_t bytes)
{
    const uint64_t length = victim->bed->lengths[victim->number];
    uint8_t *record = find(victim, image, bytes);
    if (record == NULL)
        return;
    const uint64_t end = AM_MARK_BYTES + length, to_block = AM_BLOCK - victim->at % AM_BLOCK;
    victim->from = AM_MARK_BYTES + length / 2;
    if (victim->tear == BODY)
        victim->from = AM_MARK_BYTES;
    else if (victim->tear == NO_MARK)
        victim->from = AM_MARK_BYTES / 2;
    else if (victim->tear == TO_BLOCK && to_block < end)
        victim->from = to_block;
    if (victim->tear == BAD_CHECK)
        record[offsetof(struct am_mark, check)] ^= 1;
    else if (victim->tear == FLIP)
        record[victim->from] ^= 1;
    else
        memset(record + victim->from, 0, end - victim->from);
}

static void tear_fd(struct victim *victim, int fd)
{
    struct stat is;
    if (fd < 0 || fstat(fd, &is) != 0)
        abort();
    const uint64_t bytes = is.st_size < LOOKED ? (uint64_t)is.st_size : LOOKED; /* the rest is a hole */
    uint8_t *image = bytes == 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (image == MAP_FAILED)
        return; /* an empty file */
    const size_t before = victim->times;
    tear_image(victim, image, bytes);
    munmap(image, bytes);
    const bool shorter = victim->times > before && victim->bed->medium == FILES &&
                         (victim->tear == SHORT || victim->tear == TO_BLOCK);
    if (shorter && ftruncate(fd, (off_t)(victim->at + victim->from)) != 0)
        abort();
}

static void tear_file(const char *path, void *context)
{
    const int fd = open(path, O_RDWR);
    tear_fd(context, fd);
    close(fd);
}

/* Of a closed log. Where the record lies on its medium. */
static uint64_t tear(struct bed *bed, uint32_t number, enum tear how)
{
    struct victim victim = {.bed = bed, .number = number, .tear = how};
    if (bed->medium == FILES)
        folder_each(model, tear_file, &victim);
    if (bed->medium == BLOCKS) {
        tear_image(&victim, bed->disk->seen, DISK);
        memcpy(bed->disk->safe, bed->disk->seen, DISK);
    }
    for (size_t i = 0; i < bed->fd_count; i++)
        tear_fd(&victim, bed->fds[i]);
    EXPECT(model, victim.times == 1, "record %u was found %zu times", number, victim.times);
    bed->kept[number] = false;
    return victim.at;
}

static void expect_sound(struct bed *bed, const char *when)
{
    struct am_log_stats stats;
    const struct found found = open_bed(bed);
    am_log_stats(bed->log, &stats);
    EXPECT(model, found.torn == 0 && found.broken == 0 && stats.broken == 0,
           "%s: %zu torn, %zu broken, %llu counted", when, found.torn, found.broken,
           (unsigned long long)stats.broken);
}

/* Whoever only looks changes nothing: the second one finds what the first one did. */
static void expect_torn(struct bed *bed)
{
    uint8_t *before = bed->disk == NULL ? NULL : malloc(DISK);
    if (before != NULL)
        memcpy(before, bed->disk->seen, DISK);
    for (int look = 0; look < 2; look++) {
        struct am_log_stats stats;
        if (look > 0)
            close_bed(bed);
        const struct found found = open_bed(bed);
        am_log_stats(bed->log, &stats);
        EXPECT(model, found.torn == 1 && found.broken == 0 && stats.broken == 0,
               "look %d: %zu torn, %zu broken, %llu counted", look, found.torn, found.broken,
               (unsigned long long)stats.broken);
    }
    EXPECT(model, before == NULL || memcmp(before, bed->disk->seen, DISK) == 0, "a look has changed it");
    free(before);
}

/* Where the torn record begins: at a segment's start, in the middle of a block, at the start of one. */
static const uint64_t befores[][2] = {{0, 0}, {300, 5000}, {4096 - 128, 0}};
static const uint64_t lengths[] = {100, 20000, 5 << 18}; /* the last one has a segment of its own */

static void tears(enum medium medium)
{
    for (size_t before = 0; before < 3; before++)
        for (size_t length = 0; length < (before == 1 ? 3 : 2); length++)
            for (enum tear how = 0; how < TEARS; how++) {
                if (medium == FILES && before != 1 && how != NO_MARK && how != SHORT)
                    continue; /* each syncs files ten times and more */
                struct bed bed = bed_new(medium);
                const int failed = model->failed;
                for (int life = 0; life < 2; life++) { /* killed again and again */
                    for (size_t i = 0; i < 2 && befores[before][i] > 0; i++)
                        EXPECT(model, append(&bed, befores[before][i]) == 0, "append");
                    EXPECT(model, append(&bed, lengths[length]) == 0, "append");
                    close_bed(&bed);
                    tear(&bed, bed.count - 1, how);
                    expect_torn(&bed);
                }
                EXPECT(model, append(&bed, 777) == 0, "append");
                close_bed(&bed);
                expect_sound(&bed, "after an append");
                EXPECT(model, append(&bed, 300000) == 0, "append");
                close_bed(&bed);
                expect_sound(&bed, "after one more");
                close_bed(&bed);
                bed_free(&bed);
                if (model->failed > failed)
                    printf("  on medium %d, before %zu, length %zu, tear %d\n", medium, before, length, how);
            }
}

/* Damage in another place is named as before, whatever is torn behind it. */
static void damage(enum medium medium)
{
    for (uint32_t hit = 0; hit < 3; hit++) {
        struct bed bed = bed_new(medium);
        for (int i = 0; i < 4; i++)
            EXPECT(model, append(&bed, 5000) == 0, "append");
        close_bed(&bed);
        tear(&bed, hit, hit == 1 ? BAD_CHECK : FLIP);
        tear(&bed, 3, HALF);
        struct found found = open_bed(&bed);
        EXPECT(model, found.torn == 1 && found.broken == 1, "%zu torn, %zu broken", found.torn, found.broken);
        for (int later = 0; later < 2; later++) {
            EXPECT(model, append(&bed, 5000) == 0, "append");
            close_bed(&bed);
            found = open_bed(&bed); /* of two broken places side by side neither goes */
            EXPECT(model, found.torn == 0 && found.broken == (hit == 2 ? 2 : 1),
                   "hit %u: %zu torn, %zu broken", hit, found.torn, found.broken);
        }
        close_bed(&bed);
        bed_free(&bed);
    }
}

/* The power goes at each step of an append that takes a torn end off. */
static void power_cuts(void)
{
    for (size_t before = 0; before < 3; before++)
        for (uint64_t cut = 1, done = 0; !done; cut++) {
            struct bed bed = bed_new(BLOCKS);
            for (size_t i = 0; i < 2 && befores[before][i] > 0; i++)
                EXPECT(model, append(&bed, befores[before][i]) == 0, "append");
            EXPECT(model, append(&bed, 20000) == 0, "append");
            close_bed(&bed);
            tear(&bed, bed.count - 1, cut % 2 == 0 ? HALF : NO_MARK);
            open_bed(&bed);
            bed.disk->random = cut * 77 + before;
            bed.disk->operations = 0;
            bed.disk->cut_at = cut;
            done = append(&bed, 10000) == 0 && !bed.disk->off;
            close_bed(&bed);
            memory_disk_back(bed.disk);
            if (!done)
                bed.count--; /* may be there or not */
            const struct found found = open_bed(&bed);
            EXPECT(model, found.broken == 0, "power cut %llu: %zu broken", (unsigned long long)cut,
                   found.broken);
            bed.count++;
            EXPECT(model, append(&bed, 777) == 0, "append");
            close_bed(&bed);
            bed.kept[bed.count - 2] = found.seen[bed.count - 2] == 1;
            expect_sound(&bed, "after a power cut");
            close_bed(&bed);
            bed_free(&bed);
        }
}

/* A block that does not answer now may have a record all the same; one that takes no write hinders nobody. */
static void bad_blocks(void)
{
    for (int hard = 0; hard < 2; hard++) {
        struct bed bed = bed_new(BLOCKS);
        EXPECT(model, append(&bed, 4096 - 128) == 0 && append(&bed, 20000) == 0, "append");
        close_bed(&bed);
        const uint64_t at = tear(&bed, 1, hard ? HALF : SHORT);
        uint64_t *from = hard ? &bed.disk->hard_from : &bed.disk->bad_from;
        uint64_t *to = hard ? &bed.disk->hard_to : &bed.disk->bad_to;
        if (!hard) { /* whole again */
            fill(bed.disk->seen + at + AM_MARK_BYTES, 20000, 2);
            memcpy(bed.disk->safe, bed.disk->seen, DISK);
        }
        *from = hard ? at / (1 << 20) * (1 << 20) : at;
        *to = *from + 1;
        const struct found found = open_bed(&bed);
        EXPECT(model, found.torn == 1 && found.broken == 0, "%zu torn, %zu broken", found.torn, found.broken);
        EXPECT(model, append(&bed, 5000) == 0 && append(&bed, 5000) == 0, "append");
        close_bed(&bed);
        *from = *to = 0;
        bed.kept[1] = !hard;
        if (hard)
            open_bed(&bed);
        else
            expect_sound(&bed, "a block that is read again");
        close_bed(&bed);
        bed_free(&bed);
    }
}

int main(void)
{
    model = model_new(9, 1);
    for (enum medium medium = 0; medium < MEDIA; medium++) {
        tears(medium);
        damage(medium);
    }
    power_cuts();
    bad_blocks();
    return model_free(model) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
