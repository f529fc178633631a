/* The cold log on an NVMe disk of its own, driven from this process (../unvme): the driver as a bare disk.
 *
 * Knows neither slots nor records. Invariant: an operation that the controller refuses or does not answer is
 * an error of that operation alone; its name goes to the caller as an errno.
 */
#include "agentmem.h"
#include "log.h"
#include "blocks.h"
#include "namespace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 64u
#define PREFIX "nvme:"

struct disk {
    struct am_blocks blocks; /* first: a pointer to it is one to this */
    struct am_namespace *space;
};

static int errno_of(int status)
{
    switch (status) {
    case 0: return 0;
    case AM_NVME_TIMEOUT: return ETIMEDOUT;
    case AM_NVME_GONE: return ENODEV;
    case AM_NVME_MEMORY: return ENOMEM;
    case AM_NVME_OUT_OF_RANGE: return ENXIO;
    case 0x81: return ENOSPC;
    default: return EIO;
    }
}

static void run(struct am_blocks *blocks, struct am_io *ios, size_t count)
{
    struct disk *disk = (struct disk *)blocks;
    struct am_nvme_io out[AT_ONCE];
    for (size_t first = 0; first < count; first += AT_ONCE) {
        const size_t part = count - first < AT_ONCE ? count - first : AT_ONCE;
        for (size_t i = 0; i < part; i++)
            out[i] = (struct am_nvme_io){.write = ios[first + i].write, .bytes = ios[first + i].bytes,
                                         .length = ios[first + i].length, .offset = ios[first + i].offset};
        am_namespace_run(disk->space, out, part);
        for (size_t i = 0; i < part; i++) {
            ios[first + i].error = errno_of(out[i].status);
            ios[first + i].moved = out[i].status == 0 ? out[i].length : 0;
            ios[first + i].ended = true;
        }
    }
}

static int flush(struct am_blocks *blocks)
{
    return errno_of(am_namespace_flush(((struct disk *)blocks)->space));
}

static int zero(struct am_blocks *blocks, uint64_t offset, uint64_t bytes)
{
    return errno_of(am_namespace_zero(((struct disk *)blocks)->space, offset, bytes));
}

static void close_disk(struct am_blocks *blocks)
{
    am_namespace_close(((struct disk *)blocks)->space);
    free(blocks);
}

bool am_log_is_nvme(const char *where)
{
    return strncmp(where, PREFIX, strlen(PREFIX)) == 0;
}

/* nvme:0000:00:04.0 or, with the number of a namespace, nvme:0000:00:04.0/1 */
static bool parse(const char *where, char address[16], uint32_t *number)
{
    unsigned given = 1;
    int rest = 0;
    where += strlen(PREFIX);
    const char *slash = strchr(where, '/');
    const size_t length = slash == NULL ? strlen(where) : (size_t)(slash - where);
    if (length == 0 || length > 15
        || (slash != NULL && (sscanf(slash, "/%9u%n", &given, &rest) != 1 || slash[rest] != 0)))
        return false;
    memcpy(address, where, length);
    address[length] = 0;
    *number = given;
    return true;
}

bool am_log_nvme_address(const char *where, char address[16])
{
    uint32_t number;
    return am_log_is_nvme(where) && parse(where, address, &number);
}

int am_log_open_nvme(const char *where, uint64_t limit, struct am_log **log, char *why, size_t room)
{
    char address[16], text[AM_NVME_WHY];
    uint32_t number;
    struct am_namespace_facts facts;
    why[0] = 0;
    if (!am_log_is_nvme(where) || !parse(where, address, &number)) {
        snprintf(why, room, "%s is no disk; one is like nvme:0000:00:04.0", where);
        return AM_EINVAL;
    }
    struct disk *disk = calloc(1, sizeof *disk);
    if (disk == NULL)
        return AM_ENOMEM;
    int status = am_namespace_open(address, number, &disk->space, text);
    if (status != 0) {
        snprintf(why, room, "%s", text);
        free(disk);
        return status == AM_NVME_BUSY ? AM_EBUSY : status == AM_NVME_MEMORY ? AM_ENOMEM : AM_EDISK;
    }
    am_namespace_facts(disk->space, &facts);
    disk->blocks = (struct am_blocks){.bytes = facts.blocks * facts.block_bytes / AM_BLOCK * AM_BLOCK,
                                      .run = run, .flush = flush, .zero = zero, .close = close_disk};
    errno = 0;
    status = am_log_open_blocks(&disk->blocks, limit, log); /* it closes the disk when it fails */
    if (status != 0)
        snprintf(why, room, "%s: %s", where,
                 errno == EEXIST    ? "the disk holds something; wipe its first and last MiB if it may go"
                 : errno == ENODATA ? "the disk is empty"
                 : errno == EUCLEAN ? "the first block of the log is damaged"
                                    : strerror(errno));
    return status;
}
