/* Standard streams. A ring costs from one to forty microseconds, so output to 1 is gathered.
 * Invariant: what is written leaves in the order of the writes, whatever the stream. */
#include <string.h>

#include "core.h"

static char gathered[4096];
static size_t held;

static void leave(int fd, const char *bytes, size_t size)
{
    while (size) {
        size_t part = nx_least(size, NX_PAYLOAD_MAX);
        nx_ask(NX_OP_WRITE, (uint64_t)fd, bytes, part, NULL, 0);
        bytes += part;
        size -= part;
    }
}

void nx_flush(void)
{
    size_t size = held;
    held = 0;
    leave(1, gathered, size);
}

void nx_write(int fd, const void *bytes, size_t size)
{
    if (fd == 1 && size <= sizeof gathered - held) {
        memcpy(gathered + held, bytes, size);
        held += size;
        if (held == sizeof gathered)
            nx_flush();
        return;
    }
    nx_flush();
    if (fd == 1 && size < sizeof gathered) {
        memcpy(gathered, bytes, size);
        held = size;
        return;
    }
    leave(fd, bytes, size);
}

void nx_puts(const char *text)
{
    nx_write(1, text, strlen(text));
    nx_write(1, "\n", 1);
}
