/* See take.h. */
#include "take.h"

#include "log.h"

#include <stdio.h>

int am_take_disk(const char *disk, uint64_t limit, const char *erase)
{
    char why[320] = "";
    if (am_log_take_nvme(disk, limit, erase[0] ? erase : NULL, why, sizeof why) != 0) {
        fprintf(stderr, "nexus-agentmemd: %s\n", why);
        return 2;
    }
    printf("taken: %s\n", why);
    return 0;
}
