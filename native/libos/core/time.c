/* Time and chance: all the host's. */
#include "core.h"

int64_t nx_now(void)
{
    return nx_ask(NX_OP_TIME, 0, NULL, 0, NULL, 0);
}

int64_t nx_monotonic(void)
{
    return nx_ask(NX_OP_TIME, 1, NULL, 0, NULL, 0);
}

void nx_sleep(int64_t nanoseconds)
{
    nx_flush();
    if (nanoseconds > 0)
        nx_ask(NX_OP_SLEEP, (uint64_t)nanoseconds, NULL, 0, NULL, 0);
}
