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
    case AM_NVME_GONE:
    case AM_NVME_STUCK: return ENODEV;
    case AM_NVME_FAULT: return EREMOTEIO;
    case AM_NVME_MEMORY: return ENOMEM;
    case AM_NVME_OUT_OF_RANGE: return ENXIO;
    case AM_NVME_CAPACITY: return ENOSPC;
    case AM_NVME_PROTECTED:
    case AM_NVME_READ_ONLY: return EROFS;
    default: return EIO;
    }
}

/* What ended because the controller was reset is tried a second time: the first one says nothing of the
 * disk. */
static void run_part(struct disk *disk, struct am_io *ios, struct am_nvme_io *out, size_t count)
{
    struct am_nvme_io again[AT_ONCE];
    size_t place[AT_ONCE], many = 0;
    am_namespace_run(disk->space, out, count);
    for (size_t i = 0; i < count; i++)
        if (out[i].status == AM_NVME_TIMEOUT || out[i].status == AM_NVME_FAULT
            || out[i].status == AM_NVME_GONE) {
            place[many] = i;
            again[many++] = out[i];
        }
    if (many > 0)
        am_namespace_run(disk->space, again, many);
    for (size_t i = 0; i < many; i++)
        out[place[i]].status = again[i].status;
    for (size_t i = 0; i < count; i++) {
        ios[i].error = errno_of(out[i].status);
        ios[i].moved = out[i].status == 0 ? out[i].length : 0;
        ios[i].ended = true;
    }
}

static void run(struct am_blocks *blocks, struct am_io *ios, size_t count)
{
    struct am_nvme_io out[AT_ONCE];
    for (size_t first = 0; first < count; first += AT_ONCE) {
        const size_t part = count - first < AT_ONCE ? count - first : AT_ONCE;
        for (size_t i = 0; i < part; i++)
            out[i] = (struct am_nvme_io){.write = ios[first + i].write, .bytes = ios[first + i].bytes,
                                         .length = ios[first + i].length, .offset = ios[first + i].offset};
        run_part((struct disk *)blocks, ios + first, out, part);
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

static bool is_nvme(const char *where)
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
        || (slash != NULL && (slash[1] < '1' || slash[1] > '9' || sscanf(slash, "/%9u%n", &given, &rest) != 1
                              || slash[rest] != 0)))
        return false;
    memcpy(address, where, length);
    address[length] = 0;
    *number = given;
    return am_pci_address(address);
}

bool am_log_nvme_address(const char *where, char address[16])
{
    uint32_t number;
    return is_nvme(where) && parse(where, address, &number);
}

static int open_disk(const char *where, struct disk **made, char *why, size_t room)
{
    char address[16], text[AM_NVME_WHY] = "no memory";
    uint32_t number;
    struct am_namespace_facts facts;
    snprintf(why, room, "%s is no disk; one is like nvme:0000:00:04.0", where);
    if (!is_nvme(where) || !parse(where, address, &number))
        return AM_EINVAL;
    struct disk *disk = calloc(1, sizeof *disk);
    int status = disk == NULL ? AM_NVME_MEMORY : am_namespace_open(address, number, &disk->space, text);
    if (status != 0) {
        snprintf(why, room, "%s", text);
        free(disk);
        return status == AM_NVME_BUSY ? AM_EBUSY : status == AM_NVME_MEMORY ? AM_ENOMEM : AM_EDISK;
    }
    am_namespace_facts(disk->space, &facts);
    disk->blocks = (struct am_blocks){.bytes = facts.blocks * facts.block_bytes / AM_BLOCK * AM_BLOCK,
                                      .run = run, .flush = flush, .zero = zero, .close = close_disk};
    *made = disk;
    return 0;
}

static const char *words(int status, int error)
{
    if (status == AM_ENOMEM)
        return "no memory";
    switch (error) {
    case EEXIST: return "it holds something that is no cold log";
    case ENOTUNIQ: return "it has a partition table";
    case EALREADY: return "it holds a cold log already";
    case ENODATA: return "it is empty; nexus-agentmemd --take makes it the cold tier's";
    case EUCLEAN: return "its first block, which says that it is the cold tier's, is damaged";
    case ENOSPC: return "it is too small, or smaller than it was when it was taken";
    case ERANGE: return "--cold is below four of its slots, which are up to 64M each";
    case ENODEV: return am_nvme_word(AM_NVME_GONE);
    case ETIMEDOUT: return am_nvme_word(AM_NVME_TIMEOUT);
    default: return strerror(error);
    }
}

int am_log_take_nvme(const char *where, uint64_t limit, const char *erase, char *why, size_t room)
{
    struct disk *disk;
    struct am_namespace_facts facts;
    char name[128];
    int status = open_disk(where, &disk, why, room);
    if (status != 0)
        return status;
    am_namespace_facts(disk->space, &facts);
    snprintf(name, sizeof name, "%.40s, serial number %.20s, %.1f GB", facts.model, facts.serial,
             (double)disk->blocks.bytes / 1e9);
    if (erase != NULL && strcmp(erase, facts.serial) != 0) {
        snprintf(why, room, "%s (%s) is not the disk %.20s; nothing was written", where, name, erase);
        status = AM_EINVAL;
    } else {
        errno = 0;
        status = am_log_take_blocks(&disk->blocks, limit, erase != NULL);
        if (status == 0)
            snprintf(why, room, "%s", name);
        else
            snprintf(why, room, "%s (%s): %s", where, name, words(status, errno));
    }
    close_disk(&disk->blocks);
    return status;
}

int am_log_open_nvme(const char *where, uint64_t limit, struct am_log **log, char *why, size_t room)
{
    struct disk *disk;
    int status = open_disk(where, &disk, why, room);
    if (status != 0)
        return status;
    errno = 0;
    status = am_log_open_blocks(&disk->blocks, limit, log); /* it closes the disk when it fails */
    if (status != 0)
        snprintf(why, room, "%s: %s", where, words(status, errno));
    return status;
}
