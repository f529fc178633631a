/* Memory as a log's medium: each segment is a memfd of 16 MiB, so that another process can keep it.
 *
 * Knows bytes and their place, not records. A segment begins with a head of 64 bytes (magic, number, salt,
 * check); the memfd is sealed against shrinking and growing, so whoever maps it cannot be made to fault.
 * Memory is asked for by the megabyte with fallocate, because a page that is not there when it is written to
 * would end the process. Invariant: what lies before a segment's end does not change.
 */
#include "agentmem.h"
#include "blake3.h"
#include "log_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_BYTES (16u << 20)
#define GRAIN (1u << 20)
#define MAGIC 0x31304d454d474d41ull /* "AMGMEM01" */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

struct first {
    uint64_t magic, salt;
    uint32_t number, zero[9];
    uint64_t check;
};
_Static_assert(sizeof(struct first) == AM_STEP, "the format");

static uint64_t checked(const struct first *first)
{
    struct am_blake3 hash;
    uint8_t out[32];
    uint64_t check;
    am_blake3_start(&hash);
    am_blake3_update(&hash, first, offsetof(struct first, check));
    am_blake3_finish(&hash, out);
    memcpy(&check, out, sizeof check);
    return check;
}

static int status_of(int error)
{
    return error == EMFILE || error == ENFILE ? AM_EFILES : AM_ENOMEM;
}

/* Memory up to `bytes`, asked for before it is written to. */
static int provide(struct am_log *log, struct am_segment *segment, uint64_t bytes)
{
    if (bytes <= segment->taken)
        return 0;
    uint64_t to = (bytes + GRAIN - 1) / GRAIN * GRAIN;
    if (to > segment->bytes)
        to = segment->bytes;
    int failed;
    do
        failed = fallocate(segment->fd, 0, (off_t)segment->taken, (off_t)(to - segment->taken));
    while (failed != 0 && errno == EINTR);
    if (failed != 0)
        return AM_ENOMEM;
    pthread_mutex_lock(&log->lock);
    segment->taken = to;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

static void release(struct am_log *log, struct am_segment *segment)
{
    (void)log;
    if (segment->map != NULL)
        munmap(segment->map, segment->bytes);
    if (segment->fd >= 0)
        close(segment->fd);
    segment->map = NULL;
    segment->fd = -1;
}

static int make(struct am_log *log, struct am_segment *segment)
{
    segment->fd = memfd_create("agentmem-log", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (segment->fd < 0 && errno == EINVAL) /* before Linux 6.3 */
        segment->fd = memfd_create("agentmem-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (segment->fd < 0)
        return status_of(errno);
    int status = 0;
    if (ftruncate(segment->fd, (off_t)segment->bytes) != 0 || fcntl(segment->fd, F_ADD_SEALS, SEALS) != 0) {
        status = status_of(errno);
    } else {
        void *map = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
        segment->map = map == MAP_FAILED ? NULL : map;
        status = segment->map == NULL ? AM_ENOMEM : provide(log, segment, AM_STEP);
    }
    if (status != 0) {
        release(log, segment);
        return status;
    }
    struct first first = {.magic = MAGIC, .salt = segment->salt, .number = segment->number};
    first.check = checked(&first);
    memcpy(segment->map, &first, sizeof first);
    return 0;
}

static int write_record(struct am_log *log, struct am_segment *segment, const struct am_mark *mark,
                        const void *payload)
{
    const int status = provide(log, segment, segment->end + am_record_bytes(mark->payload_bytes));
    if (status != 0)
        return status;
    uint8_t *to = segment->map + segment->end;
    memcpy(to, mark, sizeof *mark);
    if (mark->payload_bytes > 0)
        memcpy(to + sizeof *mark, payload, mark->payload_bytes);
    return 0; /* what follows up to the next step was zero from the start */
}

static int read_record(struct am_log *log, struct am_segment *segment, uint64_t at, struct am_mark *mark,
                       void *payload, uint64_t bytes)
{
    (void)log;
    memcpy(mark, segment->map + at, sizeof *mark);
    if (bytes > 0)
        memcpy(payload, segment->map + at + sizeof *mark, bytes);
    return 0;
}

static int nothing(struct am_log *log, struct am_segment *segment)
{
    (void)log;
    (void)segment;
    return 0;
}

/* Zeros from there on, and the memory goes back; the seals forbid to shrink, not this. */
static int cut(struct am_log *log, struct am_segment *segment, uint64_t at)
{
    struct stat file;
    int failed;
    do
        failed = fallocate(segment->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
                           (off_t)(segment->bytes - at));
    while (failed != 0 && errno == EINTR);
    if (failed != 0 || fstat(segment->fd, &file) != 0)
        return AM_ENOMEM;
    pthread_mutex_lock(&log->lock);
    segment->taken = (uint64_t)file.st_blocks * 512;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

static const struct am_medium memory = {.make = make, .write = write_record, .read = read_record,
                                        .sync = nothing, .seal = nothing, .remove = nothing,
                                        .cut = cut, .release = release};

/* A segment of an earlier process, read-only; AM_ECORRUPT when it is none. The file descriptor is its own on
 * success. */
static int adopt(struct am_log *log, int fd)
{
    struct stat file;
    struct first first;
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || ((seals & SEALS) != SEALS && fcntl(fd, F_ADD_SEALS, SEALS) != 0) ||
        fstat(fd, &file) != 0 || file.st_size < (off_t)sizeof first ||
        pread(fd, &first, sizeof first, 0) != (ssize_t)sizeof first ||
        first.magic != MAGIC || first.number == 0 || first.check != checked(&first))
        return AM_ECORRUPT;
    struct am_segment *segment = am_segment_new(first.number, first.salt, (uint64_t)file.st_size);
    if (segment == NULL)
        return AM_ENOMEM;
    segment->taken = (uint64_t)file.st_blocks * 512;
    segment->fd = fd;
    void *map = mmap(NULL, segment->bytes, PROT_READ, MAP_SHARED, fd, 0);
    segment->map = map == MAP_FAILED ? NULL : map;
    int status = segment->map == NULL ? AM_ENOMEM : am_log_index(log, segment);
    if (status == 0 && (status = am_log_adopt(log, segment)) == AM_EINVAL)
        status = AM_ECORRUPT; /* the second of one number */
    if (status != 0) {
        segment->fd = -1;
        release(log, segment);
        am_segment_free(segment);
    }
    return status;
}

int am_log_open_memory(const int *fds, size_t count, struct am_log **made)
{
    struct am_log *log = NULL;
    int status = am_log_create(&memory, SEGMENT_BYTES, sizeof(struct first), &log);
    size_t refused = 0;
    for (size_t i = 0; status == 0 && i < count; i++) {
        const int adopted = adopt(log, fds[i]);
        refused += adopted == AM_ECORRUPT;
        if (adopted != 0 && adopted != AM_ECORRUPT)
            status = adopted;
    }
    if (status != 0) {
        for (size_t i = 0; log != NULL && i < log->count; i++)
            log->segments[i]->fd = -1; /* still the caller's */
        am_log_close(log);
        return status;
    }
    log->broken = refused;
    for (size_t i = 0; i < count; i++) { /* what is no segment is of no use to anybody */
        bool used = false;
        for (size_t k = 0; k < log->count && !used; k++)
            used = log->segments[k]->fd == fds[i];
        if (!used)
            close(fds[i]);
    }
    *made = log;
    return 0;
}

size_t am_log_fds(const struct am_log *log, int *fds, size_t room)
{
    if (log->medium != &memory)
        return 0;
    for (size_t i = 0; i < log->count && i < room; i++)
        fds[i] = log->segments[i]->fd;
    return log->count;
}
