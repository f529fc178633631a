/* Block devices that were granted. A transfer is cut into parts that a call can carry; one that fails on
 * the way has transferred what came before. */
#include <string.h>

#include "core.h"

#define SECTOR 512u
#define READ_MOST (NX_PAYLOAD_MAX / SECTOR)
#define WRITE_MOST 64u

int nx_block_info(unsigned device, struct nx_block_info *info)
{
    return (int)nx_ask(NX_OP_BLOCK_INFO, device, NULL, 0, info, sizeof *info);
}

int nx_block_read(unsigned device, uint64_t sector, void *to, unsigned count)
{
    for (char *at = to; count;) {
        struct nx_block_at where = {device, count < READ_MOST ? count : READ_MOST, sector};
        size_t size = (size_t)where.count * SECTOR;
        int64_t result = nx_ask(NX_OP_BLOCK_READ, 0, &where, sizeof where, at, size);
        if (result < 0)
            return (int)result;
        at += size;
        sector += where.count;
        count -= where.count;
    }
    return 0;
}

int nx_block_write(unsigned device, uint64_t sector, const void *from, unsigned count)
{
    /* The place and the bytes are one buffer of the call. */
    static struct {
        struct nx_block_at where;
        char bytes[WRITE_MOST * SECTOR];
    } part;
    for (const char *at = from; count;) {
        part.where = (struct nx_block_at){device, count < WRITE_MOST ? count : WRITE_MOST, sector};
        size_t size = (size_t)part.where.count * SECTOR;
        memcpy(part.bytes, at, size);
        int64_t result = nx_ask(NX_OP_BLOCK_WRITE, 0, &part, sizeof part.where + size, NULL, 0);
        if (result < 0)
            return (int)result;
        at += size;
        sector += part.where.count;
        count -= part.where.count;
    }
    return 0;
}
