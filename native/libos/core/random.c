/* Random bytes of the host. All or nothing. */
#include "core.h"

int nx_random(void *to, size_t size)
{
    for (char *at = to; size;) {
        size_t part = nx_least(size, NX_PAYLOAD_MAX);
        int64_t result = nx_ask(NX_OP_RANDOM, 0, NULL, 0, at, part);
        if (result < 0)
            return (int)result;
        at += part;
        size -= part;
    }
    return 0;
}
