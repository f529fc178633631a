/* A folder of files as a log's medium: one file of 64 MiB for each segment, opened past the cache where that
 * goes.
 *
 * Knows names and file systems, not records. A file is called NUMBER-SALT.log, both in hexadecimal, so that
 * neither can be lost to a flipped bit inside. Invariant: a segment's room is allocated before a record is
 * put into it, its name is on the disk before a sync can return, and one process has the folder at a time.
 */
#include "agentmem.h"
#include "log_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_BYTES (64u << 20)
#define SEGMENT_LEAST (1u << 20)

static int status_of(int error)
{
    return error == EMFILE || error == ENFILE ? AM_EFILES : error == ENOMEM ? AM_ENOMEM : AM_EDISK;
}

static void name_of(const struct am_segment *segment, char name[AM_NAME_ROOM])
{
    snprintf(name, AM_NAME_ROOM, "%08" PRIx32 "-%016" PRIx64 ".log", segment->number, segment->salt);
}

/* Past the page cache where the file system allows it: the log's blocks are not worth a second place in
 * memory. */
static int open_file(const struct am_log *log, const char *name, int flags)
{
    const int how = O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags;
    const int fd = openat(log->disk->folder, name, how | O_DIRECT, 0600);
    if (fd < 0 && errno == EINVAL) {
        if (flags & O_CREAT)
            unlinkat(log->disk->folder, name, 0); /* some make the file before they refuse */
        return openat(log->disk->folder, name, how, 0600);
    }
    return fd;
}

static int make(struct am_log *log, struct am_segment *segment)
{
    char name[AM_NAME_ROOM];
    name_of(segment, name);
    segment->bytes = am_block_up(segment->bytes);
    segment->fd = open_file(log, name, O_CREAT | O_EXCL);
    if (segment->fd < 0)
        return status_of(errno);
    int failed;
    do
        failed = fallocate(segment->fd, 0, 0, (off_t)segment->bytes);
    while (failed != 0 && errno == EINTR);
    if (failed != 0 && errno == EOPNOTSUPP) /* then a full disk is met at a write */
        failed = ftruncate(segment->fd, (off_t)segment->bytes);
    if (failed == 0)
        failed = fsync(log->disk->folder);
    if (failed != 0) {
        const int error = errno;
        unlinkat(log->disk->folder, name, 0);
        close(segment->fd);
        segment->fd = -1;
        return status_of(error);
    }
    segment->taken = segment->bytes;
    pthread_mutex_lock(&log->lock);
    log->disk->stage_at = log->disk->used = log->disk->synced = 0; /* the segment before is sealed */
    pthread_mutex_unlock(&log->lock);
    return 0;
}

static int remove_file(struct am_log *log, struct am_segment *segment)
{
    char name[AM_NAME_ROOM];
    name_of(segment, name);
    if (unlinkat(log->disk->folder, name, 0) != 0 && errno != ENOENT)
        return AM_EDISK;
    return fsync(log->disk->folder) == 0 ? 0 : AM_EDISK;
}

/* The first step takes off what is torn, at once also in the block that it shares with a record; the second
 * makes whole blocks of the file again, with zeros. */
static int cut(struct am_log *log, struct am_segment *segment, uint64_t at)
{
    const uint64_t bytes = am_block_up(at);
    if (ftruncate(segment->fd, (off_t)at) != 0 || ftruncate(segment->fd, (off_t)bytes) != 0 ||
        fdatasync(segment->fd) != 0)
        return AM_EDISK;
    pthread_mutex_lock(&log->lock);
    segment->bytes = segment->taken = segment->written = bytes;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

static void release(struct am_log *log, struct am_segment *segment)
{
    (void)log;
    if (segment->fd >= 0)
        close(segment->fd);
    segment->fd = -1;
}

static void close_disk(struct am_log *log)
{
    am_ring_close(log->disk->ring);
    free(log->disk->stage);
    if (log->disk->folder >= 0)
        close(log->disk->folder);
    free(log->disk);
}

static const struct am_medium medium = {.make = make, .write = am_stage_write, .read = am_fetch,
                                        .sync = am_stage_sync, .seal = am_stage_seal, .remove = remove_file,
                                        .cut = cut, .release = release, .close = close_disk,
                                        .read_many = am_fetch_many};

/* A segment of an earlier process. Files that are none of ours are let be. */
static int adopt(struct am_log *log, const char *name)
{
    struct am_segment told = {0};
    char again[AM_NAME_ROOM];
    struct stat file;
    if (sscanf(name, "%8" SCNx32 "-%16" SCNx64, &told.number, &told.salt) != 2 || told.number == 0)
        return 0;
    name_of(&told, again);
    if (strcmp(name, again) != 0)
        return 0;
    struct am_segment *segment = am_segment_new(told.number, told.salt, 0);
    if (segment == NULL)
        return AM_ENOMEM;
    int status = 0;
    segment->fd = open_file(log, name, 0);
    if (segment->fd < 0 || fstat(segment->fd, &file) != 0)
        status = status_of(errno);
    else if (!S_ISREG(file.st_mode))
        status = AM_EDISK;
    if (status == 0) {
        segment->bytes = (uint64_t)file.st_size;
        status = am_log_index(log, segment);
    }
    if (status == 0) { /* what was allocated and not used goes back; what is no record stays to be seen */
        const uint64_t last = segment->junk_end > segment->end ? segment->junk_end : segment->end;
        const uint64_t used = am_block_up(last);
        if (used < segment->bytes && !segment->uncut && ftruncate(segment->fd, (off_t)used) == 0)
            segment->bytes = used;
        segment->taken = segment->written = segment->bytes;
        status = am_log_adopt(log, segment);
        if (status == AM_EINVAL) { /* a copy that somebody made, perhaps: it is left as it is */
            log->broken++;
            status = 0;
        } else if (status == 0) {
            return 0;
        }
    }
    release(log, segment);
    am_segment_free(segment);
    return status;
}

static int adopt_all(struct am_log *log)
{
    const int fd = openat(log->disk->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        const int status = status_of(errno);
        if (fd >= 0)
            close(fd);
        return status;
    }
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(listing)) != NULL;)
        status = adopt(log, entry->d_name);
    closedir(listing);
    return status;
}

/* The folder, made when it is not there, so that it survives too. */
static int open_folder(struct am_disk *disk, const char *folder)
{
    const bool made = mkdir(folder, 0700) == 0;
    disk->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->folder < 0)
        return status_of(errno);
    if (flock(disk->folder, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? AM_EBUSY : AM_EDISK;
    if (!made)
        return 0;
    const int parent = openat(disk->folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int status = parent < 0 ? status_of(errno) : fsync(parent) != 0 ? AM_EDISK : 0;
    if (parent >= 0)
        close(parent);
    return status;
}

int am_log_open_disk(const char *folder, uint64_t limit, bool uring, struct am_log **made)
{
    const bool large = limit == 0 || limit / 16 > SEGMENT_BYTES;
    uint64_t bytes = large ? SEGMENT_BYTES : limit / 16 / AM_BLOCK * AM_BLOCK;
    struct am_disk *disk = calloc(1, sizeof *disk);
    struct am_log *log = NULL;
    if (bytes < SEGMENT_LEAST)
        bytes = SEGMENT_LEAST;
    if (disk == NULL || am_log_create(&medium, bytes, 0, &log) != 0) {
        free(disk);
        return AM_ENOMEM;
    }
    log->limit = limit;
    log->disk = disk;
    disk->folder = -1;
    int status = posix_memalign((void **)&disk->stage, AM_BLOCK, AM_STAGE) == 0 ? 0 : AM_ENOMEM;
    if (status != 0)
        disk->stage = NULL;
    else
        status = open_folder(disk, folder);
    if (status == 0)
        status = adopt_all(log);
    if (status != 0) {
        am_log_close(log);
        return status;
    }
    disk->ring = uring ? am_ring_open() : NULL;
    *made = log;
    return 0;
}
