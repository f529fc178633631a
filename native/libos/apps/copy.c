/* Copies block device 0 to block device 1, and reads it back. */
#include <nx.h>
#include <string.h>

enum { SECTOR = 512, AT_ONCE = 128 };

static int failed(const char *what, long error)
{
    nx_printf("%s: error %ld\n", what, -error);
    return 1;
}

int main(void)
{
    static char bytes[AT_ONCE * SECTOR], again[AT_ONCE * SECTOR];
    struct nx_block_info from, to;
    int error;
    if ((error = nx_block_info(0, &from)) < 0 || (error = nx_block_info(1, &to)) < 0)
        return failed("info", error);
    if (to.sectors < from.sectors)
        return failed("the second device is smaller", 0);
    for (uint64_t sector = 0; sector < from.sectors; sector += AT_ONCE) {
        unsigned count = from.sectors - sector < AT_ONCE ? (unsigned)(from.sectors - sector) : AT_ONCE;
        if ((error = nx_block_read(0, sector, bytes, count)) < 0)
            return failed("read", error);
        if ((error = nx_block_write(1, sector, bytes, count)) < 0)
            return failed("write", error);
        if ((error = nx_block_read(1, sector, again, count)) < 0)
            return failed("read back", error);
        if (memcmp(bytes, again, count * SECTOR) != 0)
            return failed("what was read back is something else", 0);
    }
    nx_printf("%llu sectors\n", (unsigned long long)from.sectors);
    return 0;
}
